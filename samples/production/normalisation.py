"""From the counts of all blocks to cross sections: the fileset, and the rates of the generation."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.filesets.pdf_sets import combination_of
from massgap.contracts.writing import write_json

if TYPE_CHECKING:
    from massgap.samples.processes.process import Process, Tranche
    from massgap.samples.production.plan import Task

__all__ = ["fileset_of", "write_rates"]


def fileset_of(
    chosen: list[Process], tasks: list[Task], summaries: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Fileset of all complete blocks, of the processes that have some of every tranche."""
    fileset: dict[str, Any] = {}
    for process in chosen:
        planned = [task for task in tasks if task.process.name == process.name]
        done = [task for task in planned if task.path in summaries]
        if len({task.tranche for task in done}) < len(process.tranches):
            continue  # without a tranche the rest does not add up to the process
        for index, tranche in enumerate(process.tranches):
            own = [task for task in done if task.tranche == index]
            blocks = [summaries[task.path] for task in own]
            if not (sum_weights := sum(found["sum_weights"] for found in blocks)):
                continue  # nothing passed: the best estimate of its cross section is 0
            tried = sum(found["counters"]["tried"] for found in blocks)
            accepted = sum(found["counters"]["accepted"] for found in blocks)
            kept = sum(b["accepted_weights"] for b in blocks) / sum(b["tried_weights"] for b in blocks)
            passed = sum_weights / sum(found["generated_weights"] for found in blocks)
            hard, error = _hard_cross_section(process, tranche, blocks)
            empty = sum(found.get("empty", 0) for found in blocks)
            fraction = _branching_fraction(blocks)
            efficiency = kept * blocks[0]["tau_factor"] * passed / fraction
            fileset[f"{process.name}_{tranche.name}"] = {
                "files": {task.path: "Events" for task in own},
                "metadata": {
                    "process": process.label,
                    "xsec_fb": hard * fraction * efficiency,
                    "sum_weights": sum_weights,
                    "is_data": False,
                    "is_signal": process.is_signal,
                    "sqrt_s_tev": process.sqrt_s_tev,
                    **({"masses": dict(process.masses)} if process.masses else {}),
                    "tranche": {
                        "name": tranche.name,
                        "group": process.name,
                        "variable": tranche.variable,
                        "min": tranche.min,
                        "max": tranche.max,
                    },
                    "n_events": sum(found["events"] for found in blocks),
                    "n_generated": sum(found["generated"] for found in blocks),
                    **({"n_empty_events": empty} if empty else {}),
                    "hard_xsec_fb": hard,
                    **({"hard_xsec_error_fb": error} if error else {}),
                    **_inclusive(process),
                    **_decays(own[0], fraction, process, blocks),
                    "filter_efficiency": efficiency,
                    "filter_efficiency_error": _efficiency_error(own[0], efficiency, tried, accepted, blocks),
                    "filter": process.filter.describe() if process.filter is not None else "none",
                    "order": "LO, no K factor",
                    "xsec_source": process.source,
                    "description": process.description,
                    "generator": blocks[0]["generator"],
                    "detector": own[0].options.card,
                    "seed": own[0].seed,
                    "complete": len(own) == sum(task.tranche == index for task in planned),
                    "settings_hash": hashlib.sha256(
                        " ".join(b["digest"] for b in blocks).encode()
                    ).hexdigest()[:16],
                },
            }
        _name_slices(fileset, process)
    return fileset


def _name_slices(fileset: dict[str, Any], process: Process) -> None:
    """Let every slice of a process say which datasets add up to it; one in which nothing passed is not among them."""
    slices = [name for tranche in process.tranches if (name := f"{process.name}_{tranche.name}") in fileset]
    for name in slices if len(slices) > 1 else ():
        fileset[name]["metadata"]["tranche"]["slices"] = slices


def _branching_fraction(blocks: list[dict[str, Any]]) -> float:
    """Mean fraction of the decays that forcing leptons has left, where it is in the events' weights."""
    tried = np.array([found["tried_weights"] for found in blocks])
    return float(tried @ [found["branching_fraction"] for found in blocks] / tried.sum())


def _pdf_members(task: Task) -> dict[str, str]:
    """What the members of ``LHEPdfWeight`` are, where events of a file bring those of a set that is known."""
    if task.source is None or not task.source.lhe.header.pdf_ids:
        return {}
    header = task.source.lhe.header
    known = combination_of(header.pdf_set, len(header.pdf_ids))
    return {"pdf_members": known[0]} if known is not None and known[1] else {}


def _hard_slice(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """How many hard processes were tried and lay in the slice, with the fraction and its binomial error."""
    tried, passed = (sum(found.get(f"hard_{name}", 0) for found in blocks) for name in ("tried", "passed"))
    if not tried:
        return {}
    share = passed / tried
    error = float(np.sqrt(share * (1 - share) / tried))
    return {"hard_cut": {"tried": tried, "passed": passed, "efficiency": share, "efficiency_error": error}}


def _decays(task: Task, fraction: float, process: Process, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """What was asked of hard processes and decays: slice, weights, leptons with their fraction, copies of an event."""
    options = task.options
    found = {**_hard_slice(blocks), **_pdf_members(task)}
    if options.leptonic:
        found["leptonic"] = list(options.leptonic)
        if process.lhe or process.slha is not None:
            found["branching_fraction"] = fraction
    if options.copies > 1:
        found["n_copies"] = options.copies
    return found


def _inclusive(process: Process) -> dict[str, float]:
    """Cross section (fb) of the process in one piece, against which slices of phase space can be checked."""
    if process.inclusive_xsec_fb is None:
        return {}
    value, error = process.inclusive_xsec_fb
    return {"inclusive_xsec_fb": value, "inclusive_xsec_error_fb": error}


def _hard_cross_section(
    process: Process, tranche: Tranche, blocks: list[dict[str, Any]]
) -> tuple[float, float]:
    """Cross section (fb) before the filters and its statistical error: the catalogue's, or the generator's."""
    known = process.hard_xsec_fb(tranche)
    if known is not None:
        return known, process.xsec_error_fb
    # The generator's number counts the events that the filter kept: undo that, and average over the blocks.
    tried = np.array([found["counters"]["tried"] for found in blocks], dtype=float)
    accepted = np.array([found["counters"]["accepted"] for found in blocks], dtype=float)
    sigma = np.array([found["sigma_gen_fb"] for found in blocks]) * process.generator_factor
    error = np.array([found["sigma_err_fb"] for found in blocks]) * process.generator_factor
    scale = tried / accepted
    weight = tried / tried.sum()
    return float((weight * sigma * scale).sum()), float(np.sqrt(((weight * error * scale) ** 2).sum()))


def _efficiency_error(
    task: Task, efficiency: float, tried: int, accepted: int, blocks: list[dict[str, Any]]
) -> float:
    """Statistical error of the filter efficiency: binomial, of both of its factors; copies of an event count as one."""
    written, generated = (sum(found[key] for found in blocks) for key in ("events", "generated"))
    options = task.options
    before, after = (1 - accepted / tried) / max(accepted, 1), (1 - written / generated) / max(written, 1)
    # The filters have seen an event before the detector responds to it.
    return float(efficiency * np.sqrt((before + after * options.responses) * options.repeat))


def write_rates(
    out: Path, tasks: list[Task], summaries: dict[str, dict[str, Any]], fileset: dict[str, Any]
) -> None:
    """Tell rates, CPU time per step, and what is missing or empty, in ``generation.json``."""
    datasets: dict[str, Any] = {}
    for task in tasks:
        name = Path(task.path).parent.name
        row = datasets.setdefault(
            name, {"blocks": 0, "blocks_done": 0, "generated": 0, "written": 0, "tried": 0, "cpu_s": {}}
        )
        row["blocks"] += 1
        if (found := summaries.get(task.path)) is None:
            continue
        row["blocks_done"] += 1
        row["generated"] += found["generated"]
        row["written"] += found["events"]
        row["tried"] += found["counters"]["tried"]
        for step, seconds in found["cpu_s"].items():
            row["cpu_s"][step] = round(row["cpu_s"].get(step, 0.0) + seconds, 3)
    for name, row in datasets.items():
        seconds = sum(row["cpu_s"].values())
        row["events_per_core_s"] = round(row["generated"] / seconds, 1) if seconds else None
        if row["blocks_done"] and name not in fileset:
            row["note"] = (
                "no event passed: not in the fileset"
                if not row["written"]
                else "left out until its process has events of every tranche"
            )
    # the numbers are a convenience: a full disk has been told already
    with contextlib.suppress(OSError):
        write_json(out / "generation.json", {"format": "massgap-generation/1", "datasets": datasets})
