"""What pyproject.toml asks for, and what that brings along."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def asked(requirements: list[str]) -> dict[str, Requirement]:
    """Distribution -> requirement; extras of massgap itself are followed."""
    found: dict[str, Requirement] = {}
    for text in requirements:
        one = Requirement(text)
        if one.name == "massgap":
            for extra in sorted(one.extras):
                found |= asked(project()["optional-dependencies"][extra])
        else:
            found[canonicalize_name(one.name)] = one
    return found


def base() -> dict[str, Requirement]:
    return asked(project()["dependencies"])


def of_extras() -> dict[str, set[str]]:
    """Distribution -> extras that a user may want (not those of developers)."""
    found: dict[str, set[str]] = {}
    for extra, requirements in project()["optional-dependencies"].items():
        if extra not in {"test", "dev", "benchmark", "notebook"}:
            for name in asked(requirements):
                found.setdefault(name, set()).add(extra)
    return found


def closure(names: list[str]) -> set[str]:
    """Distributions, and all that they ask for themselves, followed through what is installed here."""
    seen: set[str] = set()
    pending = list(names)
    while pending:
        name = canonicalize_name(pending.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            lines = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:
            continue
        pending += [one.name for one in lines if one.marker is None or one.marker.evaluate({"extra": ""})]
    return seen
