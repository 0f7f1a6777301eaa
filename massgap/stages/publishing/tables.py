"""Tables of a bundle: cutflows, efficiencies per signal and channel, and HEPData's."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from massgap.contracts.writing import write_atomically, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from massgap.fits.workspaces.templates import Template
    from massgap.stages.publishing.sources import Source

__all__ = ["channel_yields", "write_tables"]


def channel_yields(template: Template, produced_fb: float) -> dict[str, float | None]:
    """What of a signal is in a channel.

    Parameters
    ----------
    template
        Its yields, in fb.
    produced_fb
        Cross section of what was produced.

    Returns
    -------
    dict
        ``fb``, ``fb_error``, ``efficiency``, ``efficiency_error`` (statistical), ``effective_events`` (sum of weights squared,
        over the sum of squared weights).
    """
    value, error = float(template.values.sum()), float(template.variances.sum() ** 0.5)
    return {
        "fb": value,
        "fb_error": error,
        "efficiency": value / produced_fb,
        "efficiency_error": error / produced_fb,
        "effective_events": (value / error) ** 2 if error > 0.0 else 0.0,
    }


def write_tables(source: Source, base: Path) -> dict[str, Any]:
    """Write ``tables/``, and ``hepdata/`` where its library is installed; what there is, and what is not and why."""
    folder = base / "tables"
    folder.mkdir()
    written = []
    rows = efficiencies(source)
    write_atomically(folder / "efficiencies.csv", _csv(rows))
    written.append("tables/efficiencies.csv")
    for each in source.runs:
        suffix = f"_{each.label}" if each.label else ""
        write_json(folder / f"cutflow{suffix}.json", each.run.cutflow, default=None, allow_nan=False)
        write_atomically(folder / f"cutflow{suffix}.csv", _csv(_cutflow(each.run.cutflow)))
        written += [f"tables/cutflow{suffix}.json", f"tables/cutflow{suffix}.csv"]
    found = {"files": written}
    why = _hepdata(source, base)
    return {**found, "hepdata": None if why else "hepdata", **({"why_no_hepdata": why} if why else {})}


def efficiencies(source: Source) -> list[dict[str, Any]]:
    """A row per luminosity, signal and channel; of several luminosities, bins and thus channels may differ."""
    from massgap.fits.planes.points import own_cross_section

    runs = {each.label: each.run for each in source.runs}
    rows = []
    for found, patches in source.likelihoods:
        processes = _processes(source, found.lumi_fb)
        for patch in patches:
            process = processes.get(patch.name, patch.name)
            datasets = next(
                here
                for run in runs.values()
                if (here := [m for m in run.manifest["datasets"].values() if m.get("process") == process])
            )
            produced, _ = own_cross_section(datasets)
            for part, template in zip(found.filled.parts, found.templates_of(runs, process), strict=True):
                rows.append(
                    {
                        "lumi_fb": found.lumi_fb,
                        "signal": process,
                        **patch.values,
                        "channel": part.templates.channel,
                        "region": part.part.region,
                        **channel_yields(template, produced),
                    }
                )
    return rows


def _processes(source: Source, lumi_fb: float) -> dict[str, str]:
    """Name of a patch -> process of the run."""
    points = source.results.get("points", ())
    return {row["name"]: row["process"] for row in points if row["lumi_fb"] == lumi_fb}


def _cutflow(cutflow: Mapping[str, Any]) -> list[dict[str, Any]]:
    from massgap.reports.html.tables import cutflow_rows

    unit = str(cutflow.get("unit", "fb"))
    return [
        {
            "channel": channel,
            "process": process,
            "step": row.step,
            "events": row.raw,
            f"cross_section_{unit}": row.weighted,
            "error": row.error,
            "of_step_before": row.efficiency,
            "of_all": row.cumulative,
        }
        for channel, processes in cutflow_rows(cutflow).items()
        for process, steps in processes.items()
        for row in steps
    ]


def _csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    rows = list(rows)
    text = io.StringIO()
    header = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _hepdata(source: Source, base: Path) -> str | None:
    """Write the tables of a plane for HEPData; why not, where that is so."""
    from massgap.extras import MissingExtraError
    from massgap.reports.plane.efficiencies import point_cutflows
    from massgap.reports.plane.hepdata.submission import write_submission
    from massgap.reports.plane.inputs import read_plane_inputs

    if not source.is_plane:
        return "the tables for HEPData are of a plane, and a fit was published"
    inputs = read_plane_inputs(source.folder)
    try:
        write_submission(inputs, point_cutflows(inputs)[0], base / "hepdata")
    except MissingExtraError as error:
        return str(error)
    return None
