"""What a run leaves behind: manifest, histograms, cutflow, ledger and feature tables.

The folder is the contract with the later stages; it is plain JSON and parquet, and no part of it is a pickle.
:mod:`massgap.contracts.run_folder` reads it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Protocol

from massgap.contracts.errors import FolderError
from massgap.contracts.feature_table import write_feature_tables
from massgap.contracts.histograms import find_histograms, write_histograms
from massgap.contracts.run_folder import RUN_FORMAT
from massgap.contracts.writing import digest, prepare_folder, versions, write_json

if TYPE_CHECKING:
    import os
    from pathlib import Path

__all__ = ["Accounts", "Result", "Watch", "write_run_folder"]


class Accounts(Protocol):
    """What became of all files and chunks of a run."""

    @property
    def complete(self) -> bool:
        """Whether nothing is lost."""

    def as_dict(self) -> dict[str, Any]:
        """Contents of ``ledger.json``."""


class Watch(Protocol):
    """Who looks at the feature tables while they are written, and has something to say on them."""

    def see(self, dataset: str, table: Any) -> None:
        """Look at a table."""

    def found(self) -> dict[str, Any]:
        """For ``ledger.json``, under ``repeated_events``."""

    def notes(self) -> list[str]:
        """What a user should know but need not act on."""

    def warnings(self) -> list[str]:
        """What a user should look at."""


class Result(Protocol):
    """What is asked of the result of a run, whoever made it."""

    @property
    def output(self) -> Any:
        """What the processor gave: of an analysis of massgap a dict with ``histograms``, ``cutflow`` and more."""

    @property
    def ledger(self) -> Accounts:
        """What became of all files and chunks."""

    @property
    def identity(self) -> dict[str, Any]:
        """Class, code, options and models of the processor."""

    @property
    def fileset(self) -> dict[str, Any]:
        """What was read."""

    @property
    def notes(self) -> list[str]:
        """Sentences that a user should see."""

    @property
    def warnings(self) -> list[str]:
        """Sentences that a user should act on, although the run is complete."""

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended early."""


def write_run_folder(
    result: Result,
    folder: str | os.PathLike[str],
    *,
    analysis: str,
    command: str = "",
    chunksize: int | None = None,
    tags: dict[str, Any] | None = None,
    watch: Watch | None = None,
) -> Path:
    """Write a run folder.

    Parameters
    ----------
    result
        What :func:`massgap.runner.run` returned.
    folder
        Where; made if needed.  Files of an earlier run are replaced.
    analysis
        Name of the analysis.
    command
        The command line, for the record.
    chunksize
        For the record.
    tags
        Further plain data for the manifest, for instance the seed of the samples.
    watch
        Sees each feature table; what it found goes into ledger and notes.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    FolderError
        If the disk is full or the folder cannot be written.
    """
    path = prepare_folder(folder)
    try:
        _write(result, path, _manifest(result, analysis, command, chunksize, tags or {}), watch)
    except OSError as error:
        msg = f"{path}: could not write the results ({error.strerror or error}); make room or choose another folder and run again, finished chunks are kept"
        raise FolderError(msg) from error
    return path


def _output(result: Result) -> dict[str, Any]:
    return result.output if isinstance(result.output, dict) else {}


def _manifest(
    result: Result, analysis: str, command: str, chunksize: int | None, tags: dict[str, Any]
) -> dict[str, Any]:
    output, identity = _output(result), result.identity
    named = tags.get("models") or {}
    return {
        "format": RUN_FORMAT,
        "analysis": analysis,
        "processor": identity["processor"],
        "options": identity["options"],
        "models": {
            name: {"sha256": sha256, **named.get(name, {})}
            for name, sha256 in identity.get("models", {}).items()
        },
        "description": output.get("description", {}),
        "fileset_hash": digest(result.fileset),
        "code_hash": digest([identity["code"], identity["source"]]),
        "versions": versions(),
        "command": command,
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "chunksize": chunksize,
        "datasets": output.get("datasets", {})
        or {name: entry["metadata"] for name, entry in result.fileset.items()},
        "undefined": output.get("undefined", {}),
        "notes": result.notes,
        "complete": result.ledger.complete and not result.interrupted,
        **{name: value for name, value in tags.items() if name != "models"},
    }


def _write(result: Result, path: Path, manifest: dict[str, Any], watch: Watch | None) -> None:
    # A folder with a manifest is a folder with everything else: it goes first and comes last.
    (path / "manifest.json").unlink(missing_ok=True)
    output = _output(result)
    unit = output.get("unit", "fb") if "cutflow" in output else "as filled"
    write_histograms(path / "histograms.json", find_histograms(result.output), unit)
    if "cutflow" in output:
        write_json(path / "cutflow.json", output["cutflow"])
    else:
        (path / "cutflow.json").unlink(missing_ok=True)
    manifest["features"] = write_feature_tables(
        path / "features",
        output.get("features") or {},
        output.get("units") or {},
        see=None if watch is None else watch.see,
    )
    ledger = {**result.ledger.as_dict(), "interrupted": result.interrupted}
    if watch is not None:
        ledger["repeated_events"] = watch.found()
        result.notes.extend(watch.notes())
        result.warnings.extend(watch.warnings())
        manifest["notes"] = [*result.warnings, *result.notes]
    write_json(path / "ledger.json", ledger)
    write_json(path / "fileset.json", result.fileset)
    write_json(path / "manifest.json", manifest)
