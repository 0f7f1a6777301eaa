"""Efficiencies and cutflows of the points of a plane, from the runs that it was made of, as CSV and JSON."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import RunFolderError
from massgap.contracts.run_folder import open_run
from massgap.contracts.writing import write_atomically, write_json
from massgap.reports.errors import ReportError
from massgap.reports.html.tables import CutflowRow, cutflow_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from massgap.contracts.run_folder import RunFolder
    from massgap.reports.plane.inputs import PlaneInputs

__all__ = ["EFFICIENCIES_FORMAT", "PointCutflow", "point_cutflows", "write_efficiencies"]

EFFICIENCIES_FORMAT = "massgap-efficiencies/1"


@dataclass(frozen=True)
class PointCutflow:
    """What one run says of the signal of one point.

    Attributes
    ----------
    name, process
        Of the point.
    run
        Path of the run, as the plane names it.
    unit
        Of the cross sections: fb.
    produced
        Simulated events that were read, and events that the ledger expects, fails and misses.
    channels
        Channel -> its steps, the first one is "all events".
    """

    name: str
    process: str
    run: str
    unit: str
    produced: dict[str, int]
    channels: dict[str, list[CutflowRow]] = field(repr=False)


def point_cutflows(inputs: PlaneInputs) -> tuple[list[PointCutflow], list[str]]:
    """Return the cutflow of each point in each run of the plane, and why those of some runs are not there.

    A run that is not where the plane says, or was made again since, has no cutflow here: it would be that of another plane.
    """
    found: list[PointCutflow] = []
    absent: list[str] = []
    for described in inputs.plane["runs"]:
        try:
            run = _opened(described, inputs.folder.path)
            cutflow, ledger = run.cutflow, run.ledger
        except RunFolderError as error:
            absent.append(f"No cutflows of {described['path']}: {error}")
            continue
        changed = [
            key
            for key in ("code_hash", "fileset_hash")
            if described.get(key) is not None and described[key] != run.manifest.get(key)
        ]
        if changed:
            what = " and ".join(key.replace("_", " ") for key in changed)
            absent.append(
                f"No cutflows of {described['path']}: it was made again since ({what} differ). Repeat `massgap plane`."
            )
            continue
        rows = cutflow_rows(cutflow)
        for point in inputs.signals:
            channels = {
                channel: processes[point["process"]]
                for channel, processes in rows.items()
                if processes.get(point["process"])
            }
            if channels:
                produced = _produced(run, ledger, point["process"])
                unit = str(cutflow.get("unit", "fb"))
                found.append(
                    PointCutflow(
                        point["name"], point["process"], str(described["path"]), unit, produced, channels
                    )
                )
    return found, absent


def _opened(described: Mapping[str, Any], folder: Path) -> RunFolder:
    """A run at its path, at its path as seen from the plane, or the one that the plane lies in."""
    path = Path(described["path"])
    places = [path, folder / path, folder.absolute().parent]
    return open_run(next((place for place in places if (place / "manifest.json").is_file()), path))


def _produced(run: RunFolder, ledger: Mapping[str, Any], process: str) -> dict[str, int]:
    """Events of a process in the ledger: expected, processed, failed, missing."""
    members = [
        name for name, entry in run.manifest["datasets"].items() if str(entry.get("process")) == process
    ]
    entries = [ledger["datasets"][name] for name in members if name in ledger.get("datasets", {})]
    return {
        key: sum(int(entry.get(f"events_{key}") or 0) for entry in entries)
        for key in ("expected", "processed", "failed", "missing")
    }


def write_efficiencies(inputs: PlaneInputs, flows: Iterable[PointCutflow], folder: Path) -> list[Path]:
    """Write ``efficiencies.json``, ``efficiencies.csv`` (a row per point) and ``cutflows.csv`` (a row per point and step).

    Efficiencies are shares of the produced events in all bins of the fit, as in the plane; cross sections of the cutflows are
    those of the run's fileset, whatever set of cross sections the plane used.

    Raises
    ------
    ReportError
        If they cannot be written.
    """
    flows = list(flows)
    points = [
        _entry(point, [flow for flow in flows if flow.name == point["name"]]) for point in inputs.signals
    ]
    content = {"format": EFFICIENCIES_FORMAT, "runs": inputs.plane["runs"], "points": points}
    written = [folder / "efficiencies.json", folder / "efficiencies.csv"]
    try:
        write_json(written[0], content, default=None, allow_nan=False)
        write_atomically(written[1], _csv([_point_row(entry) for entry in points]))
        if flows:
            written.append(folder / "cutflows.csv")
            write_atomically(written[2], _csv([row for flow in flows for row in _flow_rows(flow)]))
        else:
            (folder / "cutflows.csv").unlink(missing_ok=True)
    except OSError as error:
        message = (
            f"efficiencies cannot be written to {folder} ({error.strerror}): choose another place with --out."
        )
        raise ReportError(message) from error
    return written


def _entry(point: Mapping[str, Any], flows: list[PointCutflow]) -> dict[str, Any]:
    return {
        **{key: point[key] for key in ("name", "process", "masses", "efficiency", "efficiency_error")},
        "runs": [
            {
                "run": flow.run,
                "events": flow.produced,
                "cutflow": [_step(channel, row) for channel, rows in flow.channels.items() for row in rows],
            }
            for flow in flows
        ],
    }


def _step(channel: str, row: CutflowRow) -> dict[str, Any]:
    return {
        "channel": channel,
        "step": row.step,
        "events": row.raw,
        "cross_section_fb": row.weighted,
        "cross_section_error": row.error,
        "of_step_before": row.efficiency,
        "of_all": row.cumulative,
    }


def _point_row(entry: Mapping[str, Any]) -> dict[str, Any]:
    events = [run["events"] for run in entry["runs"]]
    counts = {
        f"events_{key}": sum(one[key] for one in events) if events else None
        for key in ("processed", "failed", "missing")
    }
    row = {"name": entry["name"], "process": entry["process"], **entry["masses"]}
    return {**row, "efficiency": entry["efficiency"], "efficiency_error": entry["efficiency_error"], **counts}


def _flow_rows(flow: PointCutflow) -> list[dict[str, Any]]:
    first = {"name": flow.name, "process": flow.process, "run": flow.run}
    return [{**first, **_step(channel, row)} for channel, rows in flow.channels.items() for row in rows]


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
