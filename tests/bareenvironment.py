"""Python as where nothing but the base is installed: all other packages are hidden, in worker processes too."""

from __future__ import annotations

import os
import sys
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

from dependencies import ROOT, base, closure
from packaging.utils import canonicalize_name

from massgap.extras import EXTRAS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["bare_environment", "packages_beside_the_base"]


def packages_beside_the_base() -> set[str]:
    """Packages that are installed here and that nothing in the base asks for."""
    needed = closure(list(base()))
    return {
        package
        for package, names in packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & needed
        if package not in {"massgap", "tests"} and package not in sys.stdlib_module_names
    } | EXTRAS.keys()


HIDE = """
import os
import sys

HIDDEN = frozenset(os.environ["HIDDEN_PACKAGES"].split())


class Without:
    \"\"\"A finder that does not find some packages, as where they are not installed.\"\"\"

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in HIDDEN
        return None if hidden else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""


def bare_environment(folder: Path) -> dict[str, str]:
    """Variables for a process that finds the base alone; the module that hides the rest goes into the folder."""
    (folder / "sitecustomize.py").write_text(HIDE)
    hidden = packages_beside_the_base()
    assert {"xgboost", "pythia8mc", "fastjet", "dask", "distributed", "pytest"} <= hidden
    assert not {"numpy", "coffea", "onnxruntime", "pyhf", "matplotlib"} & hidden
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))),
        "HIDDEN_PACKAGES": " ".join(sorted(hidden)),
        "PYTHONWARNINGS": "",
    }
