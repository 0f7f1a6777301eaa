"""The events of a new signal: event files as they are, a fileset, or matrix-element events that are showered and simulated first."""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from massgap.stages.publishing.bundle import Bundle

__all__ = ["EventOptions", "SignalEvents", "is_lhe", "signal_events"]

_LHE = re.compile(r"\.lhe(\.(gz|bz2|xz))?$", re.IGNORECASE)
_ENERGY = 1e-3
"""Relative difference of two energies that are the same."""


@dataclass(frozen=True)
class EventOptions:
    """What is said of the events of a signal.

    Attributes
    ----------
    xsec_fb : float, optional
        Cross section of all that was produced, in fb; by default that of the files.
    xsec_uncertainty : float, optional
        Relative; makes it a parameter of the likelihood.
    name : str, optional
        Of the signal; of a fileset with several signals, which one.
    tree : str, optional
        Of event files.
    card : str, optional
        Detector of matrix-element events: name or TOML file; by default that of the bundle.
    events, seed, workers : int
        Of the shower; all events of the file by default.
    slha : path, optional
        Spectrum and decays for the shower.
    accept_energy : bool
        Take events of another energy.
    """

    xsec_fb: float | None = None
    xsec_uncertainty: float | None = None
    name: str | None = None
    tree: str | None = None
    card: str | None = None
    events: int | None = None
    seed: int = 1
    workers: int = 1
    slha: str | Path | None = None
    accept_energy: bool = False

    def __post_init__(self) -> None:
        for option, value, most in (
            ("--xsec", self.xsec_fb, math.inf),
            ("--xsec-uncertainty", self.xsec_uncertainty, 1.0),
        ):
            if value is not None and not (math.isfinite(value) and 0.0 < value <= most):
                what = (
                    "a positive number of fb, for instance 12.5"
                    if most > 1.0
                    else "relative, for instance 0.1"
                )
                msg = f"{option} must be {what}, not {value!r}"
                raise BundleError(msg)


@dataclass(frozen=True)
class SignalEvents:
    """Events that an analysis can run over.

    Attributes
    ----------
    process : str
    fileset : dict
        Of this process alone.
    produced_fb : float
        Cross section that the weights of the fileset belong to, of all that was produced.
    used_fb : float
        Cross section that the signal is tested with.
    source : str
        Where that is from.
    notes : list of str
    """

    process: str
    fileset: dict[str, Any] = field(repr=False)
    produced_fb: float
    used_fb: float
    source: str
    notes: list[str] = field(default_factory=list)

    @property
    def scale(self) -> float:
        """Of the yields."""
        return self.used_fb / self.produced_fb


def is_lhe(path: str | Path) -> bool:
    """Whether a file holds matrix-element events, by its name."""
    return bool(_LHE.search(str(path)))


def signal_events(
    bundle: Bundle,
    files: Sequence[str | Path],
    options: EventOptions,
    scratch: Path,
    progress: Callable[[Any], None] | None = None,
) -> SignalEvents:
    """Find the events, shower them where that is needed, and check that they are of the energy of the bundle.

    Parameters
    ----------
    bundle
        What they are tested with.
    files
        Event files, or one fileset (JSON), or matrix-element files.
    options
        What is said of them.
    scratch
        Folder for simulated events.
    progress
        Callback of the generation.

    Raises
    ------
    BundleError
        If they are of different kinds, of another energy, or have no cross section.
    massgap.errors.MassgapError
        If a file cannot be read, or the generator is not installed.
    """
    kinds = {
        "lhe" if is_lhe(f) else "json" if str(f).endswith((".json", ".json.gz")) else "root" for f in files
    }
    if len(kinds) != 1:
        msg = "give the events of the signal: .lhe files, event files (.root), or a fileset (.json), of one kind (massgap recast BUNDLE my.root)"
        raise BundleError(msg)
    kind = kinds.pop()
    if options.tree is not None and kind != "root":
        msg = f"--tree goes with event files: {files[0]} says itself where its events are, leave it out"
        raise BundleError(msg)
    if kind == "lhe":
        return _showered(bundle, files, options, scratch, progress)
    given = [
        option
        for option, value in (
            ("--detector", options.card),
            ("--events", options.events),
            ("--slha", options.slha),
        )
        if value is not None
    ]
    if given:
        msg = f"{given[0]} goes with .lhe files: the events of {files[0]} are simulated already, leave it out"
        raise BundleError(msg)
    if kind == "json":
        if len(files) > 1:
            msg = f"give one fileset, not {len(files)}, or the event files themselves"
            raise BundleError(msg)
        return _of_fileset(bundle, Path(files[0]), options)
    return _of_files(bundle, files, options)


def _of_files(bundle: Bundle, files: Sequence[str | Path], options: EventOptions) -> SignalEvents:
    """Event files: normalised to the cross section that is given, or that of a fileset beside them."""
    from massgap.contracts.filesets.fileset import fileset_from_files

    if options.xsec_fb is None:
        beside = _fileset_beside(files)
        if beside is None:
            raise BundleError(_no_cross_section(bundle, files))
        path, process = beside
        return _of_fileset(bundle, path, replace(options, name=process))
    fileset = fileset_from_files(
        list(files),
        options.name,
        xsec_fb=options.xsec_fb,
        is_signal=True,
        sqrt_s_tev=bundle.content["sqrt_s_tev"] or 13.0,
        treename=options.tree or "Events",
    )
    process = next(iter(fileset.values()))["metadata"]["process"]
    notes = []
    energy = bundle.content["sqrt_s_tev"]
    if energy is not None:
        notes.append(f"event files do not say their energy: they are taken to be of {energy:g} TeV")
    return SignalEvents(process, fileset, options.xsec_fb, options.xsec_fb, "--xsec", notes)


def _no_cross_section(bundle: Bundle, files: Sequence[str | Path]) -> str:
    file = str(Path(files[0]).absolute())
    for path, listed in _filesets_beside(files):
        process = next((e["metadata"]["process"] for e in listed.values() if file in e["files"]), None)
        if process is not None:
            return (
                f"{files[0]} is a part of the sample of {process}, and its cross section is that of the whole: give the fileset (massgap recast "
                f"{bundle.path} {path} --name {process}), or the cross section of what is in the file (--xsec 12.5)"
            )
    return (
        f"{files[0]} does not say its cross section: give it in fb (--xsec 12.5), or give the fileset of the files (massgap recast {bundle.path} "
        "FILESET.json)"
    )


def _filesets_beside(files: Sequence[str | Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Filesets in the folder of a file, and in the one above it."""
    from massgap.contracts.errors import FilesetError
    from massgap.contracts.filesets.fileset import load_fileset

    for folder in (Path(files[0]).absolute().parent, Path(files[0]).absolute().parent.parent):
        with contextlib.suppress(FilesetError):
            yield folder / "fileset.json", load_fileset(folder / "fileset.json")


def _fileset_beside(files: Sequence[str | Path]) -> tuple[Path, str] | None:
    """The fileset that lists all of the files, as generated samples have it in the folder above theirs, and their process."""
    if not all(Path(file).is_file() for file in files):
        return None
    wanted = {str(Path(file).absolute()) for file in files}
    for path, listed in _filesets_beside(files):
        for entry in listed.values():
            process = entry["metadata"]["process"]
            of_process = {
                name
                for other in listed.values()
                if other["metadata"]["process"] == process
                for name in other["files"]
            }
            # Part of a sample is another sample: its sum of weights is not that of the fileset.
            if wanted == of_process:
                return path, str(process)
    return None


def _of_fileset(bundle: Bundle, path: Path, options: EventOptions) -> SignalEvents:
    from massgap.contracts.filesets.fileset import load_fileset
    from massgap.fits.planes.points import own_cross_section

    fileset = load_fileset(path)
    signals = sorted({e["metadata"]["process"] for e in fileset.values() if e["metadata"].get("is_signal")})
    named = sorted({e["metadata"]["process"] for e in fileset.values() if not e["metadata"]["is_data"]})
    process = options.name or (signals[0] if len(signals) == 1 else None)
    if process is None or process not in named:
        what = f"has no process '{process}'" if process else f"has {len(signals)} signals"
        choice = signals or named
        msg = f"{path} {what}: say which one is tested (--name {choice[0] if choice else 'NAME'}); there are {', '.join(choice) or 'none'}"
        raise BundleError(msg)
    own = {n: e for n, e in fileset.items() if e["metadata"]["process"] == process}
    for name, entry in own.items():
        if entry["metadata"].get("xsec_fb") is None:
            msg = f"{path}: {name} has no cross section, which its events are weighted with: give it in the fileset (xsec_fb), or the files with --xsec FB"
            raise BundleError(msg)
        _check_energy(bundle, entry["metadata"].get("sqrt_s_tev"), str(path), options)
        entry["metadata"]["is_signal"] = True
    produced, _ = own_cross_section([e["metadata"] for e in own.values()])
    used = options.xsec_fb or produced
    return SignalEvents(process, own, produced, used, "--xsec" if options.xsec_fb else str(path))


def _showered(
    bundle: Bundle,
    files: Sequence[str | Path],
    options: EventOptions,
    scratch: Path,
    progress: Callable[[Any], None] | None,
) -> SignalEvents:
    from massgap.samples.extra import require
    from massgap.samples.lhe.file import read_lhe
    from massgap.stages.generation import generate_lhe

    require()
    for file in files:
        _check_energy(bundle, read_lhe(Path(file)).sqrt_s_tev, str(file), options)
    process = options.name or re.sub(r"\W", "_", _LHE.sub("", Path(files[0]).name)) or "signal"
    card = options.card or card_of(bundle)
    made = generate_lhe(
        [Path(file) for file in files],
        scratch / "events",
        process=process,
        is_signal=True,
        card=card,
        events=options.events,
        seed=options.seed,
        workers=options.workers,
        slha=options.slha,
        progress=progress,
    )
    if not made:
        msg = f"no event of {files[0]} is left after the shower: look at it with massgap generate --lhe {files[0]}"
        raise BundleError(msg)
    metadata = [entry["metadata"] for entry in made.values()]
    # What matching keeps is what was produced: the cross section of a matched sample is that of the rest.
    produced = sum(float(m["xsec_fb"]) for m in metadata)
    notes = [f"detector: {card}"]
    notes += [note for m in metadata for note in m["xsec_source"].split("; ")[1:]]
    if len(files) > 1 and options.xsec_fb is None:
        parts = " + ".join(f"{float(m['xsec_fb']):.5g}" for m in metadata)
        notes.append(
            f"the files are taken for parts that add up: {parts} = {produced:.5g} fb; if they are several runs of one process, give its cross "
            f"section, --xsec {produced / len(metadata):.5g}"
        )
    source = "--xsec" if options.xsec_fb else metadata[0]["xsec_source"].split("; ")[0]
    return SignalEvents(process, made, produced, options.xsec_fb or produced, source, notes)


def card_of(bundle: Bundle) -> str:
    """The detector card of the bundle: by its name where it says the same today, else its copy in the bundle; ``cms`` without one."""
    from massgap.contracts.writing import digest
    from massgap.samples.detector.card import load_card
    from massgap.samples.errors import CardError

    found = bundle.content["detector"]
    if found is None:
        return "cms"
    if found["name"]:
        try:
            if digest(load_card(found["name"])) == found["digest"]:
                return str(found["name"])
        except CardError:
            pass
    return str(bundle.path / found["file"])


def _check_energy(bundle: Bundle, energy: float | None, file: str, options: EventOptions) -> None:
    wanted = bundle.content["sqrt_s_tev"]
    if options.accept_energy or wanted is None or energy is None:
        return
    if abs(float(energy) - wanted) > _ENERGY * wanted:
        msg = (
            f"{file} is of {float(energy):g} TeV, the bundle {bundle.path} of {wanted:g} TeV: make the events at that energy (massgap generate "
            f"PROCESS --energy {wanted:g}), or have them taken all the same (--accept-energy)"
        )
        raise BundleError(msg)
