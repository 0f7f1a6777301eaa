"""The arrows between the rooms, and how little an import loads."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ["samples", "events", "selections", "models", "processors", "fits", "studies", "condor", "reports"]
HEAVY = {
    "coffea",
    "dask",
    "distributed",
    "fastjet",
    "jax",
    "matplotlib",
    "mplhep",
    "onnx",
    "onnxmltools",
    "onnxruntime",
    "optax",
    "pyhf",
    "pythia8mc",
    "skl2onnx",
    "torch",
    "xgboost",
}


def test_imports_follow_the_arrows() -> None:
    """The contracts of pyproject.toml, as lint-imports reads them."""
    pytest.importorskip("importlinter", reason="needs import-linter, which is in the extra massgap[test]")
    code = "import sys; from importlinter.cli import lint_imports_command; sys.argv = ['lint-imports', '--no-cache']; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kept, 0 broken" in done.stdout


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_a_link_in_the_package(room: str) -> None:
    link = ROOT / "massgap" / room
    assert link.is_symlink()
    assert str(link.readlink()) == f"../{room}"


def test_there_is_no_room_without_a_link() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"massgap", "tests", "benchmarks"}
    assert packages == set(ROOMS)


@pytest.mark.parametrize(
    "module", ["massgap", "massgap.cli", "massgap.stages", *(f"massgap.{room}" for room in ROOMS)]
)
def test_import_is_light(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "common", "helpers", "misc"}
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if path.stem in drawers]
    assert found == []


FORBIDDEN = {
    r"shell\s*=\s*True|os\.(system|popen)\(|create_subprocess_shell": "text from users must not reach a shell",
    r"(?<!cloud)pickle\.(loads?|Unpickler)\(|read_pickle\(|joblib\.load\(|allow_pickle\s*=\s*True": "pickles run code",
    r"cloudpickle\.load\(": "pickles run code",
}


@pytest.mark.parametrize("words", FORBIDDEN, ids=["shell", "pickle", "cloudpickle"])
def test_what_no_module_may_do(words) -> None:
    """Only bytes that the driver has just sent are unpickled, and only by what workers run."""
    # Through the rooms: the links to them in massgap/ are not followed.
    files = sorted(path for room in (*ROOMS, "massgap") for path in (ROOT / room).rglob("*.py"))
    assert len(files) > 100
    found = [
        f"{path.relative_to(ROOT)}:{number}: {FORBIDDEN[words]}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(words, line)
    ]
    assert not found
    loads = [path.relative_to(ROOT).as_posix() for path in files if "cloudpickle.loads(" in path.read_text()]
    assert loads == ["massgap/runner/preflight/probe.py", "massgap/runner/work.py"]
