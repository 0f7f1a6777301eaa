"""The wheel: what is in it, and that it works where folders named like our rooms stand around."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ["samples", "events", "selections", "models", "processors", "fits", "studies", "condor", "reports"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of what git knows, built without network."""
    setuptools = pytest.importorskip("setuptools")
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip("needs setuptools 77 or newer, which is in the extra massgap[test]")
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, so that the build leaves nothing behind in the checkout; links stay links.
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "massgap", *ROOMS):
        subprocess.run(["cp", "-RP", str(ROOT / name), str(source / name)], check=True)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*command, "--no-build-isolation", "--wheel-dir", str(folder), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("massgap-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the package as the wheel installs it."""
    target = tmp_path_factory.mktemp("installed")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*command, "--target", str(target), str(wheel)], capture_output=True, check=True)
    return target


def files_in_rooms() -> set[str]:
    """The files that the wheel must hold: all but caches."""
    found = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                found.add(f"massgap/{path.relative_to(ROOT).as_posix()}")
    return found


def test_wheel_holds_every_file_of_every_room(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    missing = files_in_rooms() - names
    assert missing == set()
    assert {
        "massgap/cli/group.py",
        "massgap/stages/processing.py",
        "massgap/py.typed",
        "massgap/__main__.py",
    } <= names
    assert {
        "massgap/samples/cards/cms.toml",
        "massgap/reports/html/report.css",
        "massgap/condor/jobs/job.sh",
    } <= names
    # A link that was not followed would be a file of a few bytes.
    assert sizes["massgap/processors/slepton.py"] == (ROOT / "processors" / "slepton.py").stat().st_size


def test_wheel_holds_nothing_beside_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"massgap"}


def test_wheel_names_licence_and_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (info,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(info).decode()
        commands = archive.read(info.replace("METADATA", "entry_points.txt")).decode()
    assert "License-Expression: BSD-3-Clause" in metadata
    assert "massgap = massgap.cli:main" in commands


def test_wheel_asks_for_no_trainer_and_no_generator(wheel: Path) -> None:
    """Whoever reads, selects, scores, fits and reports installs neither XGBoost with CUDA nor Pythia."""
    with zipfile.ZipFile(wheel) as archive:
        (info,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(info).decode().splitlines()
    asked = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ")]
    always = {re.split(r"[^A-Za-z0-9_.-]", text)[0] for text in asked if "extra ==" not in text}
    assert {"coffea", "onnxruntime", "pyhf", "matplotlib"} <= always
    heavy = {
        "xgboost",
        "xgboost-cpu",
        "onnxmltools",
        "skl2onnx",
        "scikit-learn",
        "pythia8mc",
        "fastjet",
        "dask",
        "jax",
        "optax",
        "torch",
    }
    assert always & heavy == set()
    extras = {line.partition(": ")[2] for line in lines if line.startswith("Provides-Extra: ")}
    assert {"train", "train-cpu", "neural", "generator", "dask", "htcondor"} <= extras


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A user's folder with packages named like our rooms."""
    for name in ("processors", "models", "selections"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(
            f"raise ImportError('this is the {name} of somebody else')\n"
        )
    return tmp_path


def python_with(installed: Path, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a folder, with the installed wheel, the environment's packages, and no editable installation."""
    # -S leaves out the .pth files through which editable installations work; so the packages are named here.
    places = [str(installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(places))}
    command = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, ''); {code}"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_processor_pickles_in_a_folder_with_such_names(installed: Path, elsewhere: Path) -> None:
    code = (
        "import pickle, massgap; from massgap.processors import Slepton; "
        "print(massgap.__file__); "
        "one = Slepton(precuts=['met']); two = pickle.loads(pickle.dumps(one)); "
        "print(type(two).__module__, two.options() == one.options(), two.precuts)"
    )
    done = python_with(installed, elsewhere, code)
    assert done.returncode == 0, done.stderr
    where, answer = done.stdout.splitlines()
    assert Path(where).is_relative_to(installed)
    assert answer == "massgap.processors.slepton True ('met',)"


def test_command_works_in_a_folder_with_such_names(installed: Path, elsewhere: Path) -> None:
    code = "from massgap.cli import main; main(['run', 'slepton', 'none.root', '--executor', 'iterative'])"
    done = python_with(installed, elsewhere, code)
    assert done.returncode == 1
    assert "none.root" in done.stderr
    assert "Traceback" not in done.stderr


def test_citation_names_the_version() -> None:
    import massgap

    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {massgap.__version__}" in lines
