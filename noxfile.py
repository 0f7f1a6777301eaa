#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.10"]
# ///
"""Tasks in clean environments: ``nox`` for the usual ones, ``nox --list`` for all."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.10"
nox.options.default_venv_backend = "uv|virtualenv"

ROOT = Path(__file__).parent
CONSTRAINTS = ("-c", "constraints.txt")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and spelling of everything, and the arrows between the rooms."""
    session.install(*CONSTRAINTS, "-e.[dev]", "codespell")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("lint-imports")


@nox.session
def mypy(session: nox.Session) -> None:
    """Types of the whole package."""
    session.install(*CONSTRAINTS, "-e.[dev]")
    session.run("mypy", *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """The tests with the tested versions; arguments after ``--`` go to pytest."""
    session.install(*CONSTRAINTS, "-e.[test]")
    session.run("pytest", *session.posargs)


@nox.session(default=False)
def tests_newest(session: nox.Session) -> None:
    """The tests with the newest versions that pyproject.toml allows."""
    session.install("--upgrade", "-e.[test]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.11", default=False)
def tests_lowest(session: nox.Session) -> None:
    """The tests with the lowest versions of the direct dependencies that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dask"], *extras["train-cpu"]]
    lowest = Path(session.create_tmp()) / "lowest.txt"
    bounds = [re.sub(r">=", "==", requirement) for requirement in wanted if ">=" in requirement]
    lowest.write_text("\n".join(bounds) + "\n", encoding="utf-8")
    session.install("-c", str(lowest), "-e.[test]")
    session.run("pytest", *session.posargs)


@nox.session(default=False)
def notebook(session: nox.Session) -> None:
    """The demo, and the notebook executed on its files from top to bottom."""
    session.install(*CONSTRAINTS, "-e.[notebook,dask,generator,train-cpu]", "nbconvert")
    session.run("massgap", "demo", "--out", "demo", *session.posargs)
    session.run(
        "jupyter", "nbconvert", "--to", "html", "--execute", "--output-dir", "dist", "notebooks/slepton.ipynb",
        env={"MASSGAP_DEMO": str(ROOT / "demo")},
    )  # fmt: skip


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """The site of the documentation; every warning is an error."""
    session.install(*CONSTRAINTS, "-e.[docs]")
    session.run(
        "sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs
    )


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Source archive and wheel, checked."""
    session.install("build", "twine")
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *map(str, sorted((ROOT / "dist").glob("massgap-*"))))


if __name__ == "__main__":
    nox.main()
