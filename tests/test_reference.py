"""Every worked example of the reference folder against the package, one test per case.

The folder is named by the environment variable MASSGAP_REFERENCE; by default it is
``../shared/reference`` beside the repository.  The functions that put a case to the package are in
``tests/reference/adapters_*.py``: each has ADAPTERS, from the name of a reference file to a function of
a case's input.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

HERE = Path(__file__).resolve().parent


def load(path: Path) -> ModuleType:
    """Import a file beside the tests by its path: with --import-mode=importlib it is in no package."""
    name = f"massgap_reference_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


comparison = load(HERE / "reference" / "comparison.py")

NOT_BUILT_YET = {}
"""Files of analyses that do not exist yet, skipped by name: file -> analysis."""


def folder() -> Path:
    named = os.environ.get("MASSGAP_REFERENCE")
    return Path(named) if named else HERE.parent.parent / "shared" / "reference"


def adapters() -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    found: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
    for path in sorted((HERE / "reference").glob("adapters_*.py")):
        found.update(load(path).ADAPTERS)
    return found


def rules(name: str, text: str) -> Any:
    """The tolerance of a file: its own text, and for M_T2 within Table II that of M_T2."""
    tolerance = comparison.Tolerance
    rule = tolerance.parse(text)
    if "mt2.json" not in text:
        return rule
    # "MT2 as in mt2.json; ratio_MT2 inherits the MT2_0 error"
    mt2 = tolerance(relative=1e-9, noise=1e4, zero=2e-7)
    return {
        "": rule,
        "MT2_0": mt2,
        "MT2_100": mt2,
        "ratio_MT2": tolerance(relative=2e-9, noise=1e4, zero=2e-7),
    }


def parameters() -> list[Any]:
    """One parameter per case; one per file that is skipped, unknown or unreadable."""
    where = folder()
    files = sorted(where.glob("*.json")) if where.is_dir() else []
    if not files:
        reason = f"there are no reference files in {where}: set MASSGAP_REFERENCE to their folder"
        return [pytest.param(None, None, id="no-reference-folder", marks=pytest.mark.skip(reason=reason))]
    out = []
    known = adapters()
    for path in files:
        name = path.stem
        if name in NOT_BUILT_YET and name not in known:
            reason = f"{path.name}: the {NOT_BUILT_YET[name]} analysis is not built yet"
            out.append(pytest.param(path, None, id=name, marks=pytest.mark.skip(reason=reason)))
            continue
        try:
            cases = json.loads(path.read_text())["cases"]
        except (ValueError, KeyError, TypeError):
            cases = []
        if name not in known or not cases:
            out.append(pytest.param(path, None, id=name))
        out.extend(
            pytest.param(path, index, id=str(case.get("id", f"{name}-case-{index}")))
            for index, case in enumerate(cases)
            if name in known
        )
    return out


_contents: dict[Path, dict[str, Any]] = {}


@pytest.mark.parametrize(("path", "index"), parameters())
def test_case(path: Path, index: int | None) -> None:
    if path not in _contents:
        _contents[path] = json.loads(path.read_text())
    content = _contents[path]
    known = adapters()
    assert path.stem in known, (
        f"{path.name} is not known: write an adapter for it in tests/reference, or name its analysis in NOT_BUILT_YET"
    )
    assert index is not None, f"{path.name} has no cases"
    case = content["cases"][index]
    got = known[path.stem](case["in"])
    wrong = comparison.differences(got, case["out"], rules(path.stem, content["tolerance"]), case)
    assert not wrong, f"{case.get('id')} ({case.get('tag')}):\n  " + "\n  ".join(wrong)
