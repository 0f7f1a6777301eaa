"""Selected events of the study as flat columns: signals made at parton level on the spot, backgrounds out of a run."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.arrays.jagged.per_event import PerEvent
from massgap.physical_constants import MUON_MASS
from massgap.selections.cascade.cuts import passes_cascade_selection
from massgap.selections.cascade.features import CASCADE_FEATURE_NAMES, cascade_features
from massgap.selections.cascade.momenta import MOMENTA, oriented
from massgap.selections.cascade.spectrum import TESTING_SPECTRUM, falling_spectrum
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "CHIRAL",
    "LUMINOSITY",
    "MODELS",
    "PAPER_BACKGROUND_FB",
    "PAPER_PROCESSES",
    "Backgrounds",
    "Events",
    "background_events",
    "checked_models",
    "observables",
    "signal_events",
]

MODELS = ("fDM", "sDM")
"""Spin models: X, Z and chi fermions, or scalars."""
LUMINOSITY = 3000.0
"""fb-1."""
PAPER_BACKGROUND_FB = 2.88
"""Background after the paper's selection, the axis of its S/B."""
PAPER_PROCESSES = ("mumugamma2nu",)
"""Pairs of Ws, and of Zs with virtual photons: alone more than the paper's 2.88 fb, so that taus, which the text does not name, cannot be in it."""
PHOTON_MUON_DISTANCE = 0.4
"""As the processor has it: photons nearer to a muon are mostly radiated by it."""
CHIRAL = True
"""Right-handed quarks alone couple to the mediator: with particles that are neutral under SU(2) one mediator cannot couple to both chiralities, and
the axis of the paper's fig. 4 ends where only this reading arrives (docs/analyses/cascade.md has the numbers of both)."""
_BATCH = 50_000
_MOST_BATCHES = 400
_FEWER = 10


def checked_models(models: Sequence[str]) -> tuple[str, ...]:
    """Spin models, each once, if there are such.

    Raises
    ------
    StudyError
        If one is unknown, or none is named.

    Examples
    --------
    >>> checked_models(["sDM", "sDM"])
    ('sDM',)
    """
    unknown = [model for model in models if model not in MODELS]
    if unknown or not models:
        what = f"there is no spin model {unknown[0]!r}" if unknown else "no spin model is named"
        msg = f"{what}: choose from {', '.join(MODELS)} (--spin fDM,sDM)"
        raise StudyError(msg)
    return tuple(dict.fromkeys(models))


class Events(NamedTuple):
    """Selected events.

    Attributes
    ----------
    columns
        Name of each of the nine components of the momenta -> values, shape (n,).
    weight
        Of each event, shape (n,): in fb for backgrounds.
    """

    columns: dict[str, NDArray[np.float64]]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.weight)

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Events:
        """Some of them."""
        return Events({name: values[which] for name, values in self.columns.items()}, self.weight[which])


def signal_events(
    model: str,
    spectrum: Sequence[float],
    n: int,
    *,
    seed: int = 1,
    chiral: bool = CHIRAL,
    mediator: float | None = None,
    few: bool = False,
) -> Events:
    """``n`` selected signal events at parton level, after the resolution.

    Parameters
    ----------
    model
        ``fDM`` or ``sDM``.
    spectrum
        Masses of X, Y, Z and chi, GeV.
    n
        How many.
    seed
        Events of different seeds, models or spectra share no random numbers.
    chiral, mediator
        Of the production, see :class:`massgap.samples.matrix_elements.chain.ChainGenerator`.
    few
        Whether there are to be some hundreds, of many spectra: they are made in smaller batches, with a sampling that is adapted to fewer points.

    Raises
    ------
    StudyError
        If there is no such model, or hardly any event is selected.
    massgap.errors.MassgapError
        If the masses do not fall, or the generator extra is not installed.
    """
    from massgap.samples.detector.response import load_card
    from massgap.samples.matrix_elements.chain import MEDIATOR, POINTS, ChainGenerator
    from massgap.samples.production.parton_level import seen_events

    (model,) = checked_models([model])
    masses = falling_spectrum(spectrum)
    key = [seed, zlib.crc32(f"{model} {masses}".encode())]
    batch = _BATCH // _FEWER if few else _BATCH
    generator = ChainGenerator(
        masses,
        model == "sDM",
        MEDIATOR if mediator is None else mediator,
        chiral=chiral,
        seed=key,
        points=POINTS // _FEWER if few else POINTS,
    )
    card, rng = load_card("cascade"), np.random.Generator(np.random.PCG64([*key, 2]))
    parts: list[Events] = []
    found = 0
    for _ in range(_MOST_BATCHES):
        if found >= n:
            break
        seen = seen_events(generator.events(batch), card, rng, 10.0)
        columns = {
            f"{component}_{name}": seen[component][k]
            for k, name in enumerate(("plus", "minus", "gamma"))
            for component in ("pt", "eta", "phi")
        }
        events = Events(columns, seen["weight"])
        parts.append(events.take(_selected(events)))
        found += len(parts[-1])
    if found < n:
        msg = f"of {batch * len(parts):,} events with the masses {masses} only {found} are selected: give larger gaps between them"
        raise StudyError(msg)
    columns = {name: np.concatenate([part.columns[name] for part in parts])[:n] for name in MOMENTA}
    return Events(columns, np.concatenate([part.weight for part in parts])[:n])


class Backgrounds(NamedTuple):
    """Background events with the process of each, by number in ``names``; weights in fb."""

    events: Events
    names: tuple[str, ...]
    process: NDArray[np.int64]

    def rows(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Which are of some processes."""
        return np.isin(self.process, [k for k, name in enumerate(self.names) if name in names])

    def of(self, names: Sequence[str]) -> Events:
        """Those of some processes.

        Raises
        ------
        StudyError
            If one of them is not there.
        """
        if missing := [name for name in names if name not in self.names]:
            msg = f"the run has no background of {', '.join(missing)}, but of {', '.join(self.names)}: choose from these with --process"
            raise StudyError(msg)
        return self.events.take(self.rows(names))

    def shares(self) -> dict[str, dict[str, float]]:
        """Process -> cross section (fb) after the selection, its error, events, and their effective number."""
        found = {}
        for k, name in enumerate(self.names):
            weight = self.events.weight[self.process == k]
            squares = float((weight**2).sum())
            found[name] = {
                "fb": float(weight.sum()),
                "error": float(np.sqrt(squares)),
                "events": len(weight),
                "effective": float(weight.sum() ** 2 / squares),
            }
        return found


def background_events(run_folder: str | Path) -> Backgrounds:
    """The selected background events of a run of the analysis, in random order, with weights in fb.

    Raises
    ------
    massgap.errors.MassgapError
        If the folder is no run of this analysis with feature tables, has lost events whose loss was not accepted, or has no
        background.
    """
    from massgap.contracts.feature_table import read_feature_tables
    from massgap.contracts.run_folder import open_run

    run = open_run(Path(run_folder))
    if run.description.analysis != "cascade":
        msg = f"{run_folder} is a run of {run.description.analysis!r}: give one of cascade, massgap run cascade --features"
        raise StudyError(msg)
    run.require_complete()
    table = read_feature_tables(run.path, run.manifest).table
    signals = {str(d["process"]) for d in run.manifest["datasets"].values() if d.get("is_signal")}
    table = table[~table["process"].astype(str).isin(signals)]
    if not len(table):
        msg = f"{run_folder} has no background event: generate WW_2mua ZZ_2mua tautaua_2mua and run cascade --features over them"
        raise StudyError(msg)
    order = np.random.default_rng(19).permutation(len(table))
    columns = {name: table[name].to_numpy(np.float64)[order] for name in MOMENTA}
    events = Events(columns, table["weight"].to_numpy(np.float64)[order])
    names, process = np.unique(table["process"].astype(str).to_numpy()[order], return_inverse=True)
    return Backgrounds(events, tuple(names.tolist()), process)


def _selected(events: Events) -> NDArray[np.bool_]:
    x = observables(events, TESTING_SPECTRUM)
    found = passes_cascade_selection(
        x["pt_plus"],
        events.columns["eta_plus"],
        x["pt_minus"],
        events.columns["eta_minus"],
        x["pt_gamma"],
        events.columns["eta_gamma"],
        x["m_mumu"],
    )
    away = (x["dr_plus_gamma"] > PHOTON_MUON_DISTANCE) & (x["dr_minus_gamma"] > PHOTON_MUON_DISTANCE)
    return np.asarray(found & away)


def observables(events: Events, spectrum: Sequence[float]) -> Mapping[str, NDArray[np.float64]]:
    """The observables with Delta_4 of a spectrum, which need not be that of the events; and the momenta, also oriented.

    ``delta4`` is the larger of both orders of the muons, ``delta4_low`` the smaller.  Networks take their signed fourth roots, in GeV^2:
    Delta_4 itself spans many powers of ten, and a scale that fits its tails hides the peak at zero.
    """
    legs = [
        PerEvent(
            {
                **{component: events.columns[f"{component}_{name}"] for component in ("pt", "eta", "phi")},
                "mass": np.full(len(events), mass),
            }
        )
        for name, mass in (("plus", MUON_MASS), ("minus", MUON_MASS), ("gamma", 0.0))
    ]
    found = cascade_features(legs[0], legs[1], legs[2], spectrum)
    both = found["delta4_pm"], found["delta4_mp"]
    assert set(found) == set(CASCADE_FEATURE_NAMES)
    larger, smaller = np.maximum(*both), np.minimum(*both)
    roots = {"delta4_root": _root(larger), "delta4_low_root": _root(smaller)}
    momenta = {**events.columns, **oriented(events.columns)}
    return {**momenta, **found, "delta4": larger, "delta4_low": smaller, **roots}


def _root(delta4: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.copysign(np.abs(delta4) ** 0.25, delta4)
