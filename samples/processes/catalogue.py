"""Find processes by name: the sets of the five analyses, single processes, and signals at any mass point."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from massgap.samples.errors import UnknownProcessError
from massgap.samples.processes.cascade import CASCADE_BACKGROUNDS
from massgap.samples.processes.electroweakino import (
    ELECTROWEAKINO_BACKGROUNDS,
    ELECTROWEAKINO_GRIDS,
    ELECTROWEAKINO_LEPTONIC,
)
from massgap.samples.processes.filters import DimuonFilter
from massgap.samples.processes.plain import PLAIN
from massgap.samples.processes.signals import SIGNAL_FORMS, signal_processes
from massgap.samples.processes.slepton import SLEPTON_BACKGROUNDS, SLEPTON_MIXED
from massgap.samples.processes.smuon import SMUON_BACKGROUNDS
from massgap.samples.processes.vlq import VLQ_BACKGROUNDS, VLQ_POINTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from massgap.samples.processes.process import Process

__all__ = ["ANALYSES", "GRIDS", "PROCESSES", "list_processes", "processes_of", "wants_mpi"]

#: Sets that are made with multiparton interactions: they make the soft jets that these searches veto or count.
_WITH_MPI = ("smuon",)

#: Each analysis: the mass points of its standard set, and its backgrounds.
_SETS: dict[str, tuple[tuple[str, ...], tuple[Process, ...]]] = {
    "slepton": (("slepton_110_80",), SLEPTON_BACKGROUNDS),
    "smuon": (("smuonR_200_50", "smuonR_300_100", "smuonR_500_0"), SMUON_BACKGROUNDS),
    "vlq": (VLQ_POINTS, VLQ_BACKGROUNDS),
    "cascade": (
        ("cascade_fDM_390_360_330_300", "cascade_sDM_390_360_330_300", "cascade_fDM_691_660_631_600"),
        CASCADE_BACKGROUNDS,
    ),
    "electroweakino": (
        ("wino_WZ_200_5", "wino_WZ_200_30", "wino_slepton_200_30", "wino_WZ_400_30"),
        ELECTROWEAKINO_BACKGROUNDS,
    ),
}


def _register() -> tuple[dict[str, Process], dict[str, tuple[str, ...]]]:
    processes: dict[str, Process] = {}
    analyses: dict[str, tuple[str, ...]] = {}
    for name, (points, backgrounds) in _SETS.items():
        members = [part for point in points for part in signal_processes(point)] + list(backgrounds)
        processes |= {part.name: part for part in members}
        analyses[name] = tuple(part.name for part in members)
    processes |= {part.name: part for part in (*PLAIN, *ELECTROWEAKINO_LEPTONIC, *SLEPTON_MIXED)}
    return processes, analyses


#: Processes and parts of processes of the standard sets by name.
PROCESSES, ANALYSES = _register()
#: Processes of several parts that can be asked for in one word.
_GROUPS = {
    "mumu": ("mumu_peak", "mumu_offpeak"),
    "ZZ": ("ZZ_leptons", "ZZ_other"),
    "slepton_emu": tuple(part.name for part in SLEPTON_MIXED),
    **{
        point: tuple(part.name for part in signal_processes(point))
        for points, _ in _SETS.values()
        for point in points
    },
}
GRIDS: dict[str, tuple[str, ...]] = {**ELECTROWEAKINO_GRIDS}
"""Signals at many mass points that can be asked for in one word: names alone, their spectra are made when they are wanted."""


def processes_of(names: str | Iterable[str]) -> list[Process]:
    """Processes of an analysis, or by their names.

    Parameters
    ----------
    names : str or list of str
        Analyses (``slepton``), processes (``tt``), signals at any mass point (``smuonR_300_100``), or grids of them
        (``vbf_wino_grid``).

    Raises
    ------
    UnknownProcessError
        Listing what is known, or naming two processes that cannot stand in one fileset.
    """
    given = [names] if isinstance(names, str) else list(names)
    found: dict[str, Process] = {}
    for name in (member for word in given for member in GRIDS.get(word, (word,))):
        members = ANALYSES.get(name) or _GROUPS.get(name) or ((name,) if name in PROCESSES else ())
        parts = [PROCESSES[member] for member in members] or signal_processes(name)
        if not parts:
            raise UnknownProcessError(_unknown(name))
        found |= {part.name: part for part in parts}
    if not found:
        msg = f"no process given: choose from {', '.join(sorted({*ANALYSES, *PROCESSES, *_GROUPS}))}"
        raise UnknownProcessError(msg)
    _check_together(list(found.values()))
    return list(found.values())


def _unknown(name: str) -> str:
    near = get_close_matches(name, sorted({*ANALYSES, *PROCESSES, *_GROUPS, *GRIDS}), n=3)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return (
        f"unknown process {name!r}: {meant}massgap generate --list shows all processes; analyses are {', '.join(ANALYSES)}, signals "
        f"of any mass {', '.join(SIGNAL_FORMS)}, grids of them {', '.join(GRIDS)}"
    )


def wants_mpi(names: str | Iterable[str]) -> bool:
    """Whether a set is asked for that is made with multiparton interactions where nobody says otherwise.

    >>> wants_mpi("smuon"), wants_mpi(["tt", "slepton"])
    (True, False)
    """
    given = [names] if isinstance(names, str) else list(names)
    return any(name in _WITH_MPI for name in given)


def _check_together(chosen: list[Process]) -> None:
    """Refuse processes that would be added up, or weighted for one luminosity, although they must not."""
    first: dict[str, Process] = {}
    for part in chosen:
        other = first.setdefault(part.label, part)
        # the parts of a signal carry its name; those of a background stand in one set, or have leptons of other flavours
        together = part.is_signal or _is_mixed(part) != _is_mixed(other)
        together = together or any({part.name, other.name} <= set(set_) for set_ in ANALYSES.values())
        if other is not part and not together:
            msg = (
                f"{part.name} and {other.name} are the same process ({part.label}) with different filters: their sum "
                "would count events twice. Generate them into different folders"
            )
            raise UnknownProcessError(msg)
        if part.sqrt_s_tev != chosen[0].sqrt_s_tev:
            msg = (
                f"{part.name} is made at {part.sqrt_s_tev:g} TeV and {chosen[0].name} at {chosen[0].sqrt_s_tev:g} TeV: "
                "generate them into different folders, or choose one energy (--energy)"
            )
            raise UnknownProcessError(msg)


def _is_mixed(part: Process) -> bool:
    return isinstance(part.filter, DimuonFilter) and part.filter.mixed


def list_processes() -> list[dict[str, Any]]:
    """One row per process or part of one, for display.

    Keys: ``name`` (accepted by ``generate``), ``process`` (its name in filesets), ``description``, ``xsec_fb`` (of the
    hard process, before the filters; None where it is measured during generation), ``tranches``, ``analyses``,
    ``sqrt_s_tev``, ``source``.
    """
    rows: list[dict[str, Any]] = []
    for process in PROCESSES.values():
        slices = [process.hard_xsec_fb(tranche) for tranche in process.tranches]
        known = process.xsec_fb
        if known is None and None not in slices:
            known = sum(value for value in slices if value is not None)
        rows.append(
            {
                "name": process.name,
                "process": process.label,
                "description": process.description,
                "xsec_fb": known,
                "tranches": [tranche.name for tranche in process.tranches],
                "analyses": [name for name, members in ANALYSES.items() if process.name in members],
                "sqrt_s_tev": process.sqrt_s_tev,
                "source": process.source,
            }
        )
    return rows
