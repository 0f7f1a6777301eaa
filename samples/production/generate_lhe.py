"""Generate samples from matrix-element files: the same output as from Pythia's own processes.

The cross section is the file's, times what matching and filter keep of its weights. Blocks are consecutive events of
the file; they are cut out before they are showered and removed afterwards.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.folder_lock import locked_folder
from massgap.samples.errors import GenerationError, LheError
from massgap.samples.extra import require
from massgap.samples.lhe.blocks import LheSource
from massgap.samples.lhe.events import EMPTY_EVENTS
from massgap.samples.lhe.file import read_lhe, without_index
from massgap.samples.processes.catalogue import processes_of
from massgap.samples.processes.filters import FILTERS, tighter_cuts
from massgap.samples.processes.hard_cut import with_hard_cut
from massgap.samples.processes.process import Process
from massgap.samples.production.event_files import Part, cut_out, digest_of_file
from massgap.samples.production.generate import check_numbers, prepare, produce
from massgap.samples.production.plan import Options, Task, plan_lhe
from massgap.samples.pythia.leptonic import check_leptons, leptonic_lines
from massgap.samples.pythia.matching import mlm_settings, unsupported
from massgap.samples.pythia.shower_settings import lhe_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from massgap.samples.lhe.file import LheFile
    from massgap.samples.processes.hard_cut import HardCut
    from massgap.samples.production.generate import Progress

__all__ = ["generate_lhe"]


def generate_lhe(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str] = "data",
    *,
    process: str | None = None,
    filter_name: str | None = None,
    events: int | None = None,
    seed: int = 1,
    workers: int = 2,
    progress: Callable[[Progress], None] | None = None,
    resume: bool = True,
    card: str | os.PathLike[str] = "cms",
    mpi: bool = False,
    variations: bool = False,
    form: str = "ttree",
    slha: str | os.PathLike[str] | None = None,
    decays: str | None = None,
    matching: str = "auto",
    qcut: float | None = None,
    vbf: bool | None = None,
    is_signal: bool = False,
    accept_truncated: bool = False,
    empty_events: str = "count",
    leptonic: Iterable[str] = (),
    repeat: int = 1,
    responses: int = 1,
    hard: HardCut | None = None,
) -> dict[str, Any]:
    """Shower matrix-element events and simulate the detector.

    Parameters
    ----------
    files : path or list of paths
        Les Houches event files, plain or compressed (gzip, bzip2, xz). Several files are several samples (slices) of one process
        if ``process`` is given, and processes of their own otherwise.
    out : path
        Folder for the files and ``fileset.json``.
    process : str, optional
        Name of the process; by default each file's name.
    filter_name : str, optional
        Keep events with ``none``, ``lepton``, ``dimuon``, ``3l``, ``dimuon-photon`` or ``vbf``.
    events : int, optional
        How many events of each file to use, rounded up to whole blocks; by default all.
    seed, workers, progress, resume, card, mpi, form
        As for :func:`massgap.samples.production.generate.generate`.
    variations : bool
        Also write the weights of shower variations. Scale and PDF weights of the file are always kept.
    slha : path, optional
        Spectrum and decays of new particles.
    decays : str, optional
        Take spectrum and decays of a signal of the catalogue (``smuonL_202.9_150``).
    matching : {"auto", "mlm", "none"}
        MLM matching; by default where the file's run card says that it is a multi-jet sample. Samples made for another
        scheme (CKKW-L, FxFx, ...) are refused, but with ``none`` if all events have the same number of light partons.
    qcut : float, optional
        Matching scale in GeV; by default the larger of 1.5 xqcut and xqcut + 5.
    vbf : bool, optional
        Dipole recoil in the initial-state shower; by default for events with the topology of vector boson fusion.
    is_signal : bool
        Whether the events are a signal; always so with ``decays``.
    accept_truncated : bool
        Take the complete events of a file that ends too early.
    empty_events : {"count", "drop", "refuse"}
        Events without particles, see :func:`massgap.samples.lhe.file.read_lhe`; the fileset tells how many there were.

    leptonic : list of str, optional
        Let W, Z, top and new particles decay to some of ``e``, ``mu``, ``tau`` only. The branching fraction of what the file
        left undecayed is in the weights and in the cross section; the fileset tells its mean.
    repeat : int
        Shower and decay each event so many times; weights are divided by it. All copies of an event carry its number, so
        they are in one fold of any training.
    responses : int
        Let the detector respond so many times to each of these; weights are divided by it as well.
    hard : HardCut, optional
        One slice in an observable of the hard process, decided before the shower.

    Returns
    -------
    dict
        The fileset, as written to ``out/fileset.json``.

    Raises
    ------
    SampleError
        For a file that cannot be used, an unknown option, or what :func:`~massgap.samples.production.generate.generate` raises.
    """
    paths = [Path(path) for path in ([files] if isinstance(files, (str, os.PathLike)) else files)]
    _check_options(paths, filter_name, matching, both_spectra=slha is not None and decays is not None)
    if empty_events not in EMPTY_EVENTS:
        msg = f"empty_events (--empty-events) must be one of {', '.join(EMPTY_EVENTS)}, not {empty_events!r}"
        raise GenerationError(msg)
    check_numbers(events if events is not None else 1, seed, workers, repeat, responses)
    require()
    model = _model(slha, decays)
    out = Path(out)
    leptons = check_leptons(leptonic) if leptonic else ()
    options = Options(os.fspath(card), mpi, variations, form, leptons, repeat, responses)
    parts = []
    for path, name in zip(paths, _names(paths), strict=True):
        lhe = read_lhe(path, accept_truncated=accept_truncated, empty_events=empty_events)
        matched = _is_matched(lhe, matching)
        settings = lhe_settings(lhe, vbf=vbf, own_spectrum=model.slha is not None)
        if matched:
            settings += mlm_settings(lhe, qcut)
        settings += [*model.settings, *leptonic_lines(leptons)]
        made = with_hard_cut(_process(name, process, lhe, settings, model, filter_name, is_signal), hard)
        if len(made.tranches) > 1:
            msg = "events of a file are made in one slice at a time: give --hard 'M_T2 > 80', and the others into other folders"
            raise GenerationError(msg)
        parts.append(Part(made, LheSource(without_index(lhe), matched), lhe))
    tasks: list[Task] = []
    for part in parts:
        tasks += plan_lhe(
            part.process, part.source, out, part.block_size(events, repeat), part.limit(events), seed, options
        )
    scratch = out / ".lhe"
    chosen = [part.process for part in parts]
    before = partial(cut_out, parts, scratch, events, repeat)
    with locked_folder(out):
        prepare(out, tasks, options)
        try:
            return produce(chosen, tasks, out, workers, progress, resume=resume, before=before)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _check_options(paths: list[Path], filter_name: str | None, matching: str, *, both_spectra: bool) -> None:
    if not paths:
        msg = "no event file given"
        raise LheError(msg)
    if filter_name is not None and filter_name not in FILTERS:
        msg = f"unknown filter {filter_name!r}: choose from {', '.join(FILTERS)}"
        raise GenerationError(msg)
    if matching not in ("auto", "mlm", "none"):
        msg = f"matching must be auto, mlm or none, not {matching!r}"
        raise GenerationError(msg)
    if both_spectra:
        msg = "give --slha or --decays, not both"
        raise GenerationError(msg)


def _is_matched(lhe: LheFile, matching: str) -> bool:
    foreign = lhe.header.matching not in ("", "mlm")
    # events of one multiplicity are counted once, whatever they were to be merged with
    if foreign and not (matching == "none" and len(lhe.events_per_jets) == 1):
        raise LheError(unsupported(lhe))
    return matching == "mlm" or (matching == "auto" and lhe.is_multijet)


def _names(paths: list[Path]) -> list[str]:
    """A name for each file, from its own; refuse two of one name."""
    stems = [re.sub(r"(\.lhe)?(\.(gz|bz2|xz))?$", "", path.name) or path.name for path in paths]
    # A folder's name must not begin with what readers of folders skip.
    names = [re.sub(r"[^A-Za-z0-9_.+-]", "_", stem).lstrip("_.-") or "events" for stem in stems]
    folded = [name.casefold() for name in names]
    for name in names:
        if folded.count(name.casefold()) > 1:
            msg = f"two event files are named {name}: rename one, the name becomes that of the folder"
            raise LheError(msg)
    return names


def _model(slha: str | os.PathLike[str] | None, decays: str | None) -> Process:
    """Spectrum, decay settings and decay weights of new particles, as a process without production."""
    nothing = Process(name="", description="", source="", settings=())
    if slha is not None:
        try:
            return replace(nothing, slha=Path(slha).read_text())
        except (OSError, UnicodeDecodeError) as error:
            msg = f"the spectrum {slha} cannot be read: {error}"
            raise GenerationError(msg) from None
    if decays is None:
        return nothing
    signal = processes_of(decays)[0]
    if signal.slha is None:
        msg = f"{decays} has no spectrum of its own: give --slha"
        raise GenerationError(msg)
    settings = tuple(line for line in signal.settings if not line.startswith("SUSY:"))
    return replace(signal, settings=settings)


def _process(
    name: str,
    label: str | None,
    lhe: LheFile,
    settings: list[str],
    model: Process,
    filter_name: str | None,
    is_signal: bool,
) -> Process:
    wanted = FILTERS[filter_name or "none"]
    told = [*lhe.notes, *_unlike(lhe, model, filter_name)]
    notes = "".join(f"; {note}" for note in told)
    return Process(
        name=name,
        process=label or name,
        description=f"matrix-element events of {Path(lhe.path).name}",
        source=f"{lhe.xsec_rule} of {Path(lhe.path).name}{notes}",
        settings=tuple(settings),
        xsec_fb=lhe.xsec_fb,
        is_signal=is_signal or model.is_signal,
        masses=model.masses,
        slha=model.slha,
        sqrt_s_tev=lhe.sqrt_s_tev,
        filter=wanted,
        decay_weight=model.decay_weight,
        lhe=digest_of_file(lhe.path),
    )


def _unlike(lhe: LheFile, model: Process, filter_name: str | None) -> list[str]:
    """In what the file is not what the signal or the selection would have: another energy, tighter cuts."""
    found = tighter_cuts(lhe.header.run_card) if filter_name == "vbf" else []
    if model.is_signal and model.name and abs(lhe.sqrt_s_tev - model.sqrt_s_tev) > 1e-3 * model.sqrt_s_tev:
        found.append(
            f"the file is for {lhe.sqrt_s_tev:g} TeV, other samples of {model.label} for {model.sqrt_s_tev:g} TeV: do not add them"
        )
    return found
