"""What tests of several rooms share: modules beside the tests, importable by name."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The first call of a compiled function takes seconds, which is no failure.
# How many inputs a test leaves out, and how long it takes to make them, is chance and the machine's load.
settings.register_profile(
    "massgap", deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
settings.load_profile("massgap")

HERE = Path(__file__).parent


def _register(name: str, path: Path) -> None:
    # With --import-mode=importlib the tests are in no package: what they share is loaded by its path.
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


_register("archives", HERE / "archives.py")
_register("dependencies", HERE / "dependencies.py")
_register("bareenvironment", HERE / "bareenvironment.py")
_register("eventfiles", HERE / "eventfiles.py")
_register("faulttasks", HERE / "faulttasks.py")
_register("lhefiles", HERE / "samples" / "lhefiles.py")
_register("physlitefiles", HERE / "physlitefiles.py")
_register("htmlpages", HERE / "reports" / "htmlpages.py")
_register("planefolders", HERE / "reports" / "planefolders.py")
_register("paper_pool", HERE / "condor" / "paper_pool.py")
_register("standin", HERE / "condor" / "standin" / "__init__.py")
_register("standin_jobs", HERE / "condor" / "standin_jobs.py")
_register("reportfolders", HERE / "reports" / "reportfolders.py")
_register("randomworkspaces", HERE / "fits" / "randomworkspaces.py")
_register("simulatedruns", HERE / "fits" / "simulatedruns.py")
_register("runs", HERE / "runs.py")
_register("slepton_events", HERE / "processors" / "slepton_events.py")
_register("slepton_reference", HERE / "processors" / "slepton_reference.py")
_register("smuon_reference", HERE / "processors" / "smuon" / "smuon_reference.py")
_register("vlq_reference", HERE / "processors" / "vlq_reference.py")
_register("vlq_scores", HERE / "studies" / "vlq" / "vlq_scores.py")
_register("slepton_forms", HERE / "processors" / "slepton_forms.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``htcondor`` run where a real pool is set up, and nowhere else."""
    missing = [] if shutil.which("condor_master") else ["condor_master on PATH"]
    missing += [] if os.environ.get("CONDOR_CONFIG") else ["CONDOR_CONFIG"]
    if missing:
        skip = pytest.mark.skip(reason=f"needs a real HTCondor pool; missing: {', '.join(missing)}")
        for item in items:
            if item.get_closest_marker("htcondor"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def real_files() -> Path:
    """Folder of real event files, which the repository does not hold."""
    folder = Path(os.environ.get("MASSGAP_REAL_FILES", HERE.parent.parent / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip("no real event files: set MASSGAP_REAL_FILES to their folder")
    return folder


@pytest.fixture(scope="session")
def faults() -> Path:
    """Folder of small inputs that once failed, which the repository does not hold."""
    folder = Path(os.environ.get("MASSGAP_FAULTS", HERE.parent.parent / "shared" / "faults"))
    if not folder.is_dir():
        pytest.skip("no faulty inputs: set MASSGAP_FAULTS to their folder")
    return folder


@pytest.fixture(scope="session")
def nano_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One synthetic NanoAOD file of 900 events per version."""
    import eventfiles

    folder = tmp_path_factory.mktemp("nano")
    events = eventfiles.make_events(900, seed=3)
    return {v: eventfiles.write_nano(folder / f"{v}.root", events, v) for v in eventfiles.VERSIONS}
