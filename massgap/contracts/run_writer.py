"""What a run leaves behind: manifest, histograms, cutflow, ledger and feature tables.

The folder is the contract with the later stages; it is plain JSON and parquet, and no part of it is a pickle.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.processors.errors import ProcessorError
from massgap.runner.checkpoints.encoding import write_atomically
from massgap.runner.checkpoints.fingerprint import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.runner.runner import RunResult

__all__ = ["find_histograms", "prepare_folder", "write_run_folder"]

_NOT_FEATURES = ("weight", "process", "dataset", "channel", "fold_key", "precuts", "score")
_VERSIONED = ("massgap", "coffea", "awkward", "uproot", "hist", "numpy", "numba", "onnxruntime", "vector")


def prepare_folder(folder: str | os.PathLike[str]) -> Path:
    """Make an output folder and check that it can be written, before any work is done.

    Raises
    ------
    ProcessorError
        If it is a file, or cannot be made or written.
    """
    path = Path(folder)
    probe = path / f".write-test-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"massgap")
        probe.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        msg = f"the output folder {path} is, or lies below, a file; choose another with --out"
        raise ProcessorError(msg) from error
    except OSError as error:
        msg = f"the output folder {path} cannot be written ({error.strerror}); choose another with --out"
        raise ProcessorError(msg) from error
    return path


def find_histograms(output: Any, prefix: str = "") -> dict[str, Any]:
    """All ``hist.Hist`` objects in a nested result, under their joined names."""
    if hasattr(output, "axes") and hasattr(output, "storage_type"):
        return {prefix or "histogram": output}
    found: dict[str, Any] = {}
    if isinstance(output, dict):
        for key, value in output.items():
            name = str(key) if not prefix or prefix == "histograms" else f"{prefix}/{key}"
            found.update(find_histograms(value, name))
    return found


def write_run_folder(
    result: RunResult,
    folder: str | os.PathLike[str],
    *,
    analysis: str,
    command: str = "",
    chunksize: int | None = None,
    tags: dict[str, Any] | None = None,
) -> Path:
    """Write a run folder.

    Parameters
    ----------
    result
        What :func:`massgap.runner.runner.run` returned.
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

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ProcessorError
        If the disk is full or the folder cannot be written.
    """
    path = prepare_folder(folder)
    try:
        _write(result, path, analysis, command, chunksize, tags or {})
    except OSError as error:
        msg = f"{path}: could not write the results ({error.strerror or error}); make room or choose another folder and run again, finished chunks are kept"
        raise ProcessorError(msg) from error
    return path


def _write(
    result: RunResult, path: Path, analysis: str, command: str, chunksize: int | None, tags: dict[str, Any]
) -> None:
    import uhi.io.json

    # A folder with a manifest is a folder with everything else: it goes first and comes last.
    (path / "manifest.json").unlink(missing_ok=True)
    output = result.output if isinstance(result.output, dict) else {}
    identity = result.identity
    scorer_model = identity.get("model")
    manifest = {
        "format": "massgap-run/1",
        "analysis": analysis,
        "processor": identity["processor"],
        "options": identity["options"],
        "model": None if scorer_model is None else {"sha256": scorer_model, **(tags.pop("model", {}) or {})},
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
        **tags,
    }
    content = {
        "format": "massgap-histograms/1",
        "unit": output.get("unit", "fb") if "cutflow" in output else "as filled",
        "histograms": find_histograms(result.output),
    }
    write_atomically(path / "histograms.json", json.dumps(content, default=uhi.io.json.default).encode())
    if "cutflow" in output:
        write_json(path / "cutflow.json", output["cutflow"])
    else:
        (path / "cutflow.json").unlink(missing_ok=True)
    manifest["features"] = _write_features(
        path / "features", output.get("features") or {}, output.get("units") or {}
    )
    write_json(path / "ledger.json", {**result.ledger.as_dict(), "interrupted": result.interrupted})
    write_json(path / "fileset.json", result.fileset)
    write_json(path / "manifest.json", manifest)


def _write_features(folder: Path, tables: Mapping[str, Any], units: dict[str, str]) -> dict[str, str]:
    """Write one parquet file per dataset; the answer says which, as names of datasets may hold slashes."""
    import io

    if folder.exists():
        for old in folder.glob("*.parquet"):
            old.unlink()
    written: dict[str, str] = {}
    if not tables:
        return written
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(exist_ok=True)
    for dataset in sorted(tables):
        table = tables[dataset]  # one at a time in memory
        if not len(table.columns):
            continue
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        names = [name for name in table.columns if name not in _NOT_FEATURES]
        about = {
            "format": "massgap-features/1",
            "features": names,
            "units": {n: units.get(n, "") for n in names},
        }
        arrow = arrow.replace_schema_metadata(
            {**(arrow.schema.metadata or {}), b"massgap": json.dumps(about).encode()}
        )
        buffer = io.BytesIO()
        pq.write_table(arrow, buffer, compression="zstd")
        written[dataset] = f"features/{_file_name(dataset)}.parquet"
        write_atomically(folder.parent / written[dataset], buffer.getvalue())
    return written


def _file_name(dataset: str) -> str:
    safe = "".join(c if c.isalnum() or c in "-_.+" else "_" for c in dataset)
    # Two datasets must not share a file after replacing characters.
    return safe if safe == dataset else f"{safe}-{digest(dataset)[:8]}"


def write_json(path: Path, content: Any) -> None:
    """Write plain data as indented JSON, atomically."""
    write_atomically(path, (json.dumps(content, indent=1, sort_keys=False, default=str) + "\n").encode())


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a number."""
    out = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out
