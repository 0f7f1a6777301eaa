"""Whether the systematics of a run can be done at all, before any event is read; and what became of them, after all were."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

from massgap.events.variations import DUMMY
from massgap.events.weight_places import WEIGHT_VARIATIONS
from massgap.processors.base.analysis import Analysis
from massgap.processors.base.tally import NOT_CHOSEN
from massgap.runner.errors import RunnerError

if TYPE_CHECKING:
    from massgap.runner.ledger import Ledger
    from massgap.runner.planning import Plan

__all__ = ["check_systematics", "tell_systematics"]


def check_systematics(processor: Any, plan: Plan) -> None:
    """Refuse systematics that no data set has, and choices for data sets that are not there.

    Parameters
    ----------
    processor
        Of any kind; only analyses of massgap have systematics that are known here.
    plan
        With all files that could be opened.

    Raises
    ------
    RunnerError
        If no file of any data set that should have them holds the weights of a systematic, or no data set has the name
        or pattern that systematics were chosen for.
    massgap.processors.errors.ProcessorError
        If the metadata of a data set name an unknown systematic.
    """
    if not isinstance(processor, Analysis):
        return
    if unknown := processor.choice.unknown(plan.fileset):
        there = ", ".join(map(repr, sorted(plan.fileset)))
        msg = f"--variations {unknown[0]}:...: there is no data set {unknown[0]!r}; there are {there}"
        raise RunnerError(msg)
    lost = {bad.dataset for bad in plan.ledger.bad_files}
    wanted: dict[str, list[str]] = {}
    for name, entry in plan.fileset.items():
        chosen = processor.choice.for_dataset(name, entry["metadata"])
        for systematic in () if entry["metadata"].get("is_data") else chosen:
            wanted.setdefault(systematic, []).append(name)
    missing = [
        systematic
        for systematic, names in sorted(wanted.items())
        if systematic in WEIGHT_VARIATIONS
        and not lost & set(names)
        and not _in_any(plan, WEIGHT_VARIATIONS[systematic][0], names)
    ]
    if missing:
        branches = " and ".join(sorted({WEIGHT_VARIATIONS[name][0] for name in missing}))
        datasets = sorted({name for systematic in missing for name in wanted[systematic]})
        msg = f"no file of {_listed(datasets)} has the branch {branches}. {_remedy(processor, missing, plan)}"
        raise RunnerError(msg)


def _in_any(plan: Plan, branch: str, datasets: list[str]) -> bool:
    """Whether a file of the data sets has the branch; one without events says nothing."""
    infos = [info for (name, _), info in plan.infos.items() if name in datasets and info.entries]
    return not infos or any(branch in info.weights for info in infos)


def _remedy(processor: Analysis, missing: list[str], plan: Plan) -> str:
    """What to type instead: for all data sets, and where some have a choice of their own for these as well."""
    choice = processor.choice
    left = [name for name in choice.general if name not in missing]
    parts = [f"--variations {','.join(left)}"] if left else []
    for name, names in sorted(choice.of.items()):
        kept = [systematic for systematic in names if systematic not in missing]
        parts.append(f"--variations {quote(name + ':' + (','.join(kept) or 'none'))}")
    where = [
        name
        for name, entry in sorted(plan.fileset.items())
        if set(entry["metadata"].get("variations") or ()) & set(missing)
    ]
    also = f", and take them out of the metadata of {_listed(where)}" if where else ""
    instead = f"give {' '.join(parts)}" if parts else "call it without --variations"
    return f"Leave out {' and '.join(missing)}: {instead}{also}"


def tell_systematics(found: dict[str, dict[str, dict[str, Any]]], ledger: Ledger) -> list[str]:
    """Put on record which data sets, or which of their events, count as nominal in a systematic.

    Parameters
    ----------
    found
        Systematic -> dataset -> ``events``, ``nominal`` and ``why``.
    ledger
        Gets it; and an error, where no event of any data set has the weights of a systematic.

    Returns
    -------
    list of str
        Sentences for a user.
    """
    notes = []
    for systematic, datasets in found.items():
        for name, entry in datasets.items():
            if entry["nominal"]:
                ledger.counted_as_nominal.setdefault(name, {})[systematic] = entry
        whys = {why for entry in datasets.values() for why in entry["why"]}
        events = sum(entry["events"] for entry in datasets.values())
        if events and events == sum(e["nominal"] for e in datasets.values()) and DUMMY not in whys:
            ledger.errors.append(
                f"no event of {_listed(sorted(datasets))} has weights of {systematic} ({'; '.join(sorted(whys))}): leave "
                f"{systematic} out of --variations"
            )
    for name, entries in sorted(ledger.counted_as_nominal.items()):
        alike: dict[str, list[str]] = {}
        for systematic, entry in sorted(entries.items()):
            alike.setdefault(_why(systematic, entry), []).append(systematic)
        notes += [f"dataset {name!r}: {why.format(', '.join(names))}" for why, names in alike.items()]
    return notes


def _why(systematic: str, entry: dict[str, Any]) -> str:
    branch = f"{WEIGHT_VARIATIONS[systematic][0]}: " if systematic in WEIGHT_VARIATIONS else ""
    reasons = "; ".join(why if why == NOT_CHOSEN else f"{branch}{why}" for why in entry["why"])
    if entry["nominal"] == entry["events"]:
        return f"it counts as nominal in {{}} ({reasons})"
    return f"{entry['nominal']:,} of {entry['events']:,} events count as nominal in {{}} ({reasons})"


_SHOWN = 5


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"the data set{'s' if len(names) > 1 else ''} {shown}{more}"
