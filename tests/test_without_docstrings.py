"""``python -OO`` (``PYTHONOPTIMIZE=2``) takes docstrings and assertions away: the command works without them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import eventfiles
from runs import bits, fileset_of

from massgap.contracts.run_folder import open_run
from massgap.processors import Slepton
from massgap.runner import run

CODE = """
from click.testing import CliRunner
from massgap.cli import main
assert __doc__ is None and main.callback.__doc__ is None
said = CliRunner().invoke(main, ["run", "slepton", "--help"])
if said.exit_code or "--muon-pt" not in said.output:
    raise SystemExit(said.output)
main(["run", "slepton", "--fileset", "f.json", "--workers", "1", "--out", "run"])
"""


def test_help_and_a_run_with_a_worker_process(tmp_path) -> None:
    path = eventfiles.write_nano(tmp_path / "tt.root", eventfiles.make_events(120, seed=3))
    (tmp_path / "f.json").write_text(json.dumps(fileset_of(path)))
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        # In the environment, so that the worker is told as well.
        env={**os.environ, "PYTHONOPTIMIZE": "2", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fault of massgap" not in done.stderr
    found = open_run(tmp_path / "run")
    assert found.manifest["complete"] is True
    assert bits(found) == bits(run(Slepton(), fileset_of(path)))
