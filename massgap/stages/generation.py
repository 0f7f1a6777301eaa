"""Event samples: generated from nothing, or showered from matrix-element events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from massgap.samples.processes.hard_cut import HardCut

__all__ = ["generate", "generate_lhe", "generate_partons", "slha"]


def generate(
    processes: str | list[str],
    out: str | Path = "data",
    *,
    events: int = 100_000,
    seed: int = 1,
    workers: int = 2,
    hard: str | None = None,
    mpi: bool | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Generate event samples; see :func:`massgap.samples.production.generate.generate`.

    Parameters
    ----------
    processes
        An analysis (all its processes) or names of single processes.
    out
        Folder for the files and ``fileset.json``.
    events
        Number of events, all processes together.
    seed, workers
        The same seed gives the same files for any number of workers.
    hard
        Slices in an observable of the hard process, as ``M_T2 > 80`` (:mod:`massgap.selections.hard_process`); by default
        what is usual for each process, ``none`` for none at all.
    mpi
        Multiparton interactions; by default as the set of an analysis has them.

    Returns
    -------
    dict
        The fileset.

    Raises
    ------
    massgap.samples.errors.SampleError
        If there is no such process, an option does not fit, or the generator is not installed.
    """
    from massgap.samples.processes.catalogue import wants_mpi
    from massgap.samples.production.generate import generate as generate_samples
    from massgap.selections.hard_process import OBSERVABLES

    return generate_samples(
        processes,
        out,
        events=events,
        seed=seed,
        workers=workers,
        hard=_hard_cut(None if hard == "none" else hard),
        observables=None if hard == "none" else OBSERVABLES,
        mpi=wants_mpi(processes) if mpi is None else mpi,
        **options,
    )


def generate_partons(processes: str | list[str], out: str | Path = "data", **options: Any) -> dict[str, Any]:
    """Generate decay chains at parton level; see
    :func:`massgap.samples.production.parton_level.generate_parton_level`.

    Parameters
    ----------
    processes
        Names of signals.
    out
        Folder for the files and ``fileset.json``.

    Returns
    -------
    dict
        The fileset.

    Raises
    ------
    massgap.samples.errors.SampleError
        If a process cannot be made so, or an option does not fit.
    """
    from massgap.samples.production.parton_level import generate_parton_level

    return generate_parton_level(processes, out, **options)


def _hard_cut(text: str | None) -> HardCut | None:
    from massgap.samples.processes.hard_cut import parse_hard_cut
    from massgap.selections.hard_process import OBSERVABLES

    return None if text is None else parse_hard_cut(text, OBSERVABLES)


def generate_lhe(
    files: Iterable[str | Path], out: str | Path = "data", *, hard: str | None = None, **options: Any
) -> dict[str, Any]:
    """Shower matrix-element events; see :func:`massgap.samples.production.generate_lhe.generate_lhe`.

    Parameters
    ----------
    files
        Les Houches event files, plain or compressed.
    out
        Folder for the files and ``fileset.json``.
    hard
        One slice in an observable of the hard process, as for :func:`generate`.

    Returns
    -------
    dict
        The fileset.

    Raises
    ------
    massgap.samples.errors.SampleError
        If a file cannot be read or an option does not fit.
    """
    from massgap.samples.production.generate_lhe import generate_lhe as generate_samples

    return generate_samples(files, out, hard=_hard_cut(hard), **options)


def slha(point: str) -> str:
    """Spectrum and decays of a signal as SLHA, as its samples are made with.

    Parameters
    ----------
    point
        A signal at a mass point, as ``wino_WZ_600_25``.

    Returns
    -------
    str

    Raises
    ------
    massgap.samples.errors.SampleError
        If there is no such signal, its masses do not allow the decays, or it has no spectrum.

    Examples
    --------
    >>> slha("wino_WZ_200_30").splitlines()[0]
    'BLOCK MODSEL'
    """
    from massgap.samples.errors import UnknownProcessError
    from massgap.samples.processes.signals import SIGNAL_FORMS, signal_processes

    parts = signal_processes(point)
    if not parts:
        msg = f"{point!r} is no signal at a mass point; there are: {', '.join(SIGNAL_FORMS)}"
        raise UnknownProcessError(msg)
    if not (text := parts[0].slha):
        msg = f"{point} is made without an SLHA spectrum; `massgap generate {point} --events 1k` makes its events"
        raise UnknownProcessError(msg)
    return text
