"""What pyproject.toml asks for is what the modules of the package import: no more, no less, in base or in an extra."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, files, metadata, packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest
from dependencies import asked, base, closure, of_extras, project
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from massgap.extras import EXTRAS

ROOT = Path(__file__).parent.parent
ROOMS = ["samples", "events", "selections", "models", "processors", "fits", "studies", "condor", "reports"]

DISTRIBUTION = {"PIL": "pillow", "google": "protobuf"}
"""Package as it is imported -> distribution, where the two names differ by more than a hyphen."""
OF_THE_SITE = {
    "conda_pack": "lies in conda environments alone, and is asked for there",
    "dask_lxplus": "of CERN's hosts",
    "lpcjobqueue": "of the LPC's container; on no package index",
}
"""Packages that a site brings; each message says where they come from."""
SUBCLASSES = {"condor/shipping/code_plugin.py", "massgap/runner/executors/version_gate.py"}
"""Modules that derive a class from one of an extra, and so are themselves imported late."""


class Import(NamedTuple):
    package: str
    file: str
    line: int
    late: bool


def modules() -> list[Path]:
    # The rooms themselves: the links to them in massgap/ are not followed.
    found = sorted(path for room in (*ROOMS, "massgap") for path in (ROOT / room).rglob("*.py"))
    return [
        path for path in found if not any((ROOT / p).is_symlink() for p in path.relative_to(ROOT).parents)
    ]


def imports_of(text: str, file: str) -> list[Import]:
    """Imports of packages that are neither Python's own nor ours; those for type checkers alone are left out."""
    found: list[Import] = []

    def names(node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []

    def walk(node: ast.AST, late: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                walk(child, late)
            return
        # require("name", ...) of massgap.extras imports as well.
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = str(node.args[0].value)
            if ast.unparse(node.func).rpartition(".")[2] == "require" and name in EXTRAS:
                found.append(Import(name, file, node.lineno, late=True))
        for name in names(node):
            package = name.partition(".")[0]
            if package not in sys.stdlib_module_names | {"massgap"}:
                found.append(Import(package, file, node.lineno, late))
        inside = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            walk(child, inside)

    walk(ast.parse(text), late=False)
    return found


@cache
def imports() -> tuple[Import, ...]:
    return tuple(
        one for path in modules() for one in imports_of(path.read_text(), path.relative_to(ROOT).as_posix())
    )


def distribution(package: str) -> str:
    return canonicalize_name(DISTRIBUTION.get(package, package))


def test_imports_are_found_wherever_they_stand() -> None:
    text = """
import os, numpy as np
from typing import TYPE_CHECKING
from . import near
from massgap.errors import MassgapError
if TYPE_CHECKING:
    import torch
else:
    import uproot.reading
def work():
    from dask.base import tokenize
    return require("xgboost", "training"), find("scipy")
"""
    found = [(one.package, one.line, one.late) for one in imports_of(text, "x.py")]
    assert found == [("numpy", 2, False), ("uproot", 9, False), ("dask", 11, True), ("xgboost", 12, True)]


def test_the_walk_sees_the_package() -> None:
    assert len(modules()) > 300
    assert {"numpy", "coffea", "xgboost", "pythia8mc", "distributed", "google"} <= {
        one.package for one in imports()
    }


def test_every_import_belongs_to_the_base_or_to_an_extra() -> None:
    declared = base().keys() | of_extras().keys()
    strange = [
        f"{one.file}:{one.line} imports {one.package}"
        for one in imports()
        if distribution(one.package) not in declared and one.package not in OF_THE_SITE
    ]
    assert strange == []


def test_what_an_extra_brings_is_imported_late() -> None:
    """A package that may be missing must not stop a module of the rest from being imported."""
    early = [
        f"{one.file}:{one.line} imports {one.package}"
        for one in imports()
        if distribution(one.package) not in base() and not one.late and one.file not in SUBCLASSES
    ]
    assert early == []
    late = {path.removesuffix(".py").replace("/", ".").removeprefix("massgap.") for path in SUBCLASSES}
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            assert module.removeprefix("massgap.") not in late, f"{path}: {module} is to be imported late"


def test_everything_in_the_base_is_imported() -> None:
    """What nobody imports makes the installation heavier, or is there for another package, which then asks for it."""
    imported = {distribution(one.package) for one in imports()}
    assert sorted(base().keys() - imported) == []


def test_packages_of_extras_are_known_with_their_extra() -> None:
    """So that a message names the command that brings them."""
    brought = of_extras()
    for package, extra in EXTRAS.items():
        assert extra in brought[distribution(package)], package
        assert distribution(package) not in base(), package
    optional = {one.package for one in imports() if distribution(one.package) not in base()}
    assert optional - EXTRAS.keys() - OF_THE_SITE.keys() == set()


def test_the_site_s_packages_are_still_imported() -> None:
    assert OF_THE_SITE.keys() <= {one.package for one in imports()}


def test_the_light_trainer_is_the_same_library() -> None:
    """One of the two on each platform, from the same version on; the extras of developers take the light one."""
    heavy = [Requirement(text) for text in project()["optional-dependencies"]["train"]]
    light = [Requirement(text) for text in project()["optional-dependencies"]["train-cpu"]]
    assert [one.name for one in heavy] == ["xgboost"]
    assert {one.name for one in light} == {"xgboost-cpu", "xgboost"}
    assert {str(one.specifier) for one in (*heavy, *light)} == {str(heavy[0].specifier)}
    for platform, machine, expected in (
        ("linux", "x86_64", "xgboost-cpu"),
        ("linux", "aarch64", "xgboost"),
        ("darwin", "arm64", "xgboost"),
    ):
        there = {"sys_platform": platform, "platform_machine": machine}
        assert [one.name for one in light if one.marker is not None and one.marker.evaluate(there)] == [
            expected
        ]
    assert "xgboost-cpu" in asked(project()["optional-dependencies"]["test"])


MOST_OF_THE_BASE = 900e6
"""Bytes of all files that ``pip install --no-compile massgap`` brings."""


def installed_size(name: str) -> int:
    """Bytes of a distribution, as its RECORD has them, without what is compiled ahead."""
    return sum(
        file.size or 0
        for file in files(name) or ()
        if "__pycache__" not in file.parts and file.suffix != ".pyc"
    )


def own_size() -> int:
    """Bytes of massgap itself, whose installation here may be links."""
    found = (path for room in (*ROOMS, "massgap") for path in (ROOT / room).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in found if "__pycache__" not in path.parts)


def test_the_base_stays_light() -> None:
    """Four fifths of it are what coffea asks for; what massgap adds must not grow unnoticed."""
    members = closure(list(base()))
    sizes: dict[str, int] = {}
    for name in members:
        try:
            sizes[name] = installed_size(name)
        except PackageNotFoundError:
            pytest.skip(f"{name}, which the base asks for, is not installed here")
    assert len(members) > 60
    assert sum(sizes.values()) > 600e6  # they are really counted
    largest = sorted(sizes, key=lambda name: -sizes[name])[:12]
    told = ", ".join(f"{name} {sizes[name] / 1e6:.0f}" for name in largest)
    assert sum(sizes.values()) + own_size() <= MOST_OF_THE_BASE, f"in MB: {told}"


def constraints() -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            one = Requirement(line)
            found.setdefault(canonicalize_name(one.name), []).append(one)
    return found


TESTED = ("train", "train-cpu", "zstd", "neural", "generator", "dask", "htcondor", "docs", "test", "dev")
"""Extras whose versions constraints.txt pins."""


@pytest.mark.parametrize("extra", ["", *TESTED])
def test_tested_versions_are_pinned_and_allowed(extra: str) -> None:
    wanted = asked(project()["optional-dependencies"][extra]) if extra else base()
    pinned = constraints()
    assert sorted(wanted.keys() - pinned.keys()) == []
    for name, requirement in wanted.items():
        for pin in pinned[name]:
            (version,) = (one.version for one in pin.specifier)
            assert requirement.specifier.contains(version), f"{pin} against {requirement}"


def test_tested_versions_take_the_first_python_that_is_promised() -> None:
    """The python3 of a Linux distribution is often an early patch release: pip looks for hours for what cannot be had there."""
    first = f"{project()['requires-python'].removeprefix('>=').partition(',')[0]}.0"
    looked_at, refused = 0, {}
    for name, pins in constraints().items():
        try:
            about = metadata(name)
        except PackageNotFoundError:
            continue
        if about["Version"] not in {one.version for pin in pins for one in pin.specifier}:
            continue
        looked_at += 1
        wanted = about.get("Requires-Python")
        if wanted and not SpecifierSet(wanted).contains(first):
            refused[name] = wanted
    assert looked_at > 100
    assert refused == {}


def test_nothing_is_pinned_that_nothing_needs() -> None:
    """Followed through what is installed here."""
    needed = closure(
        [*base(), *(name for extra in TESTED for name in asked(project()["optional-dependencies"][extra]))]
    )
    needed |= {"xgboost", "nvidia-nccl-cu12"}  # where there is no xgboost-cpu
    installed = {canonicalize_name(name) for names in packages_distributions().values() for name in names}
    assert sorted((constraints().keys() & installed) - needed) == []


WORDS = re.compile(r"massgap\[([a-z,-]+)\]|\"\.\[([a-z,-]+)\]\"|'\.\[([a-z,-]+)\]'|-e\.\[([a-z,-]+)\]")


def test_extras_that_are_named_exist() -> None:
    """In messages, documentation, Makefile and tasks."""
    names = [*modules(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    names += [
        ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "noxfile.py", "pyproject.toml")
    ]
    names += sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
    names += sorted((ROOT / "notebooks").glob("*.ipynb")) + sorted((ROOT / "examples").glob("*.py"))
    found: dict[str, set[str]] = {}
    for path in names:
        for match in WORDS.finditer(path.read_text()):
            for extra in next(group for group in match.groups() if group).split(","):
                found.setdefault(extra, set()).add(path.name)
    assert {"train", "train-cpu", "neural", "generator", "dask", "htcondor", "test"} <= found.keys()
    assert {
        extra: files for extra, files in found.items() if extra not in project()["optional-dependencies"]
    } == {}


@pytest.mark.parametrize(("target", "needed"), [("demo", {"train-cpu", "generator"}), ("test", {"test"})])
def test_make_installs_what_the_target_needs(target: str, needed: set[str]) -> None:
    recipe = (ROOT / "Makefile").read_text().partition(f"$(VENV)/.{target}$(NAMED):")[2].partition("\n\n")[0]
    installed = re.search(r"'\.\[([a-z,-]+)\]'", recipe)
    assert installed, recipe
    assert needed <= set(installed[1].split(","))
