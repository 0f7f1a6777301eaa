"""What of an environment goes along: what is imported, what that requires, its plugins, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from massgap.condor.shipping import distributions
from massgap.condor.shipping.distributions import needed_distributions
from massgap.condor.shipping.environment import pack_environment

if TYPE_CHECKING:
    from pathlib import Path


def install(site: Path, name: str, *, requires=(), entry_points: str = "", size: int = 1000) -> None:
    """A distribution with one module of its name."""
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(f"name = {name!r}\n".ljust(size, "#"))
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    lines = [f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {line}" for line in requires)]
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))
    (info / "entry_points.txt").write_text(entry_points)
    (info / "RECORD").write_text(
        f"{module}.py,,{size}\n{module}-1.0.dist-info/METADATA,,\n../../../bin/{name},,5\n"
    )
    (site.parents[2] / "bin" / name).write_text("tool\n")


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """An environment with a trainer that nobody imports, and the libraries that it needs."""
    root = tmp_path / "env"
    site = root / "lib" / "python3" / "site-packages"
    site.mkdir(parents=True)
    (root / "bin").mkdir()
    (root / "pyvenv.cfg").write_text("home = /usr/bin\n")
    install(site, "reader", requires=["arrays>=1", "network; extra == 'remote'", "old; python_version < '3'"])
    install(site, "arrays")
    install(site, "network")
    install(site, "old")
    install(site, "trainer", requires=["graphics", "arrays"], size=2_000_000)
    install(site, "graphics", size=4_000_000)
    install(site, "far-files", requires=["network"], entry_points="[reader.protocols]\nfar = far_files\n")
    # Nobody imports arrays by name; the reader asks for it.
    install(site, "colours", requires=["graphics"], entry_points="[arrays.styles]\ndark = colours\n")
    install(site, "checker", entry_points="[pytest11]\nchecker = checker\n")
    install(site, "distributed")
    (site / "of_nobody.py").write_text("x = 1\n")
    found = list(distributions.importlib.metadata.distributions(path=[str(site)]))
    monkeypatch.setattr(distributions.importlib.metadata, "distributions", lambda: iter(found))
    owners = {str(d.metadata["Name"]).replace("-", "_"): [d.metadata["Name"]] for d in found}
    monkeypatch.setattr(distributions.importlib.metadata, "packages_distributions", lambda: owners)
    return site


def test_requirements_and_plugins_of_what_is_imported(site, tmp_path) -> None:
    code = tmp_path / "analysis.py"
    code.write_text("import os\n\ndef select():\n    from reader.parts import files\n")
    needed = needed_distributions([code])
    assert set(needed.kept) == {"reader", "arrays", "distributed", "far-files", "network"}
    assert list(needed.left_out) == ["graphics", "trainer", "checker", "colours", "old"]
    assert needed.in_words() == (
        "the environment goes along without graphics, trainer, checker, colours, old (6 of 6 MB), which workers do not import "
        "(--environment ship-all sends all)"
    )
    # Whoever trains on the workers takes the trainer along.
    assert "graphics" in needed_distributions([code], ["trainer"]).kept


def test_the_archive_is_without_them_and_keeps_what_belongs_to_nobody(site, tmp_path) -> None:
    code = tmp_path / "analysis.py"
    code.write_text("import reader\n")
    told = []
    # Reached by another way than that by which its distributions are found.
    (tmp_path / "way").symlink_to("env")
    archive = pack_environment(
        tmp_path / "env.tar.gz",
        prefix=tmp_path / "way",
        cache=tmp_path / "cache",
        leave_out=needed_distributions([code]).excluded,
        tell=lambda *what: told.append(what),
    )
    with tarfile.open(archive) as tar:
        names = {name.rpartition("/")[2] for name in tar.getnames() if "dist-info" not in name}
    assert names == {
        *(
            "reader.py",
            "arrays.py",
            "network.py",
            "far_files.py",
            "distributed.py",
            "of_nobody.py",
            "pyvenv.cfg",
        ),
        *("reader", "arrays", "network", "far-files", "distributed"),
    }
    (text, done, total) = told[-1]
    assert text.startswith("packed the environment: ")
    assert done == total
    # With everything it is another archive.
    whole = pack_environment(tmp_path / "all.tar.gz", prefix=tmp_path / "env", cache=tmp_path / "cache")
    with tarfile.open(whole) as tar:
        assert any(name.endswith("graphics.py") for name in tar.getnames())


def test_of_this_environment_workers_need_no_trainer() -> None:
    """In a process of its own, that has not imported more."""
    program = (
        "from massgap.processors.registry import make_processor\n"
        "from massgap.stages.job_options import Luggage\n"
        "needed = Luggage(make_processor('slepton')).needed()\n"
        "print(*needed.kept)\nprint(*needed.left_out)\nprint(sum(needed.kept.values()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *names, megabytes = done.stdout.splitlines()[:3]
    kept, left_out = (set(line.split()) for line in names)
    # What the modules of a worker import, by name.
    assert {
        "awkward",
        "coffea",
        "distributed",
        "hist",
        "numba",
        "numpy",
        "onnxruntime",
        "uproot",
        "click",
    } <= kept
    assert {"cryptography", "llvmlite", "pyarrow", "vector"} <= kept
    assert not kept & {
        "xgboost",
        "nvidia-nccl-cu12",
        "pythia8mc",
        "pytest",
        "ruff",
        "mypy",
        "skl2onnx",
        "onnxmltools",
        "sphinx",
        "sqlalchemy",
        "debugpy",
    }
    assert "pytest" in left_out
    # Packed it is to be at most 350 MB, and compressed libraries are a third (929 MB became 313 on 2026-11-29).
    assert float(megabytes) < 350 / 0.35
