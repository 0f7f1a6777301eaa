"""What a process of the catalogue is: how it is made, in which slices, and which events of it are wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from massgap.samples.matrix_elements.request import ChainRequest, PhotonRequest, WinoFusion
    from massgap.samples.physics.scalar_decays import TwoBody
    from massgap.samples.processes.filters import DimuonFilter, ObjectFilter
    from massgap.samples.processes.hard_cut import Observable
    from massgap.samples.record import Record

__all__ = [
    "ALL",
    "CHARGED_LEPTONS",
    "COMPUTED",
    "LO",
    "TOP_PAIRS",
    "CrossSection",
    "Process",
    "SignalForm",
    "Tranche",
    "met_slices",
    "phase_space_slices",
    "whole",
]

#: Where cross sections and events come from, in words.
LO = "Pythia 8.317, internal leading-order process"
COMPUTED = "leading-order integral with the generator's PDFs (massgap.samples.physics.cross_sections): Pythia's normalisation of"
#: PDG numbers in the form of Pythia's settings.
CHARGED_LEPTONS = "11 13 15"
#: Settings of top pairs.
TOP_PAIRS = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")


@dataclass(frozen=True)
class Tranche:
    """A slice of a process: events with ``min <= variable < max``."""

    name: str
    variable: str
    min: float
    max: float | None
    share: float  # of the analysis' events, in arbitrary units
    xsec_fb: float | None = None  # of the hard process, where the slice is one of phase space
    settings: tuple[str, ...] = ()


#: The whole process in one piece.
ALL = Tranche("all", "all", 0.0, None, 1.0)


@dataclass(frozen=True)
class CrossSection:
    """A cross section (fb) that a function computes for any centre-of-mass energy.

    Attributes
    ----------
    function : callable
        A function of a module, called with the arguments and ``sqrt_s_tev``.
    arguments : tuple
        Masses (GeV) and words.
    """

    function: Callable[..., float]
    arguments: tuple[str | float, ...]

    def at(self, sqrt_s_tev: float) -> float:
        """The cross section (fb) at an energy (TeV)."""
        return float(self.function(*self.arguments, sqrt_s_tev=sqrt_s_tev))


@dataclass(frozen=True)
class Process:
    """A process, how Pythia makes it, and its leading-order cross section."""

    name: str
    description: str
    source: str
    settings: tuple[str, ...]
    tranches: tuple[Tranche, ...] = (ALL,)
    #: Cross section of the hard process; None where the generator's own is taken.
    xsec_fb: float | None = None
    #: Its statistical error, where it is computed with the events.
    xsec_error_fb: float = 0.0
    #: Cross section without slicing and its error, measured apart from those of slices of phase space: a check.
    inclusive_xsec_fb: tuple[float, float] | None = None
    #: How ``xsec_fb`` of a signal is computed, where Pythia's own number cannot be relied on.
    xsec_rule: CrossSection | None = None
    #: What the generator's cross section must be multiplied with where it is taken.
    generator_factor: float = 1.0
    is_signal: bool = False
    masses: dict[str, float] = field(default_factory=dict)
    slha: str | None = None
    sqrt_s_tev: float = 13.0
    #: Detector card where none is asked for: the one that suits the analysis.
    card: str = "cms"
    filter: DimuonFilter | ObjectFilter | None = None
    #: Weights (n_events,) of mean 1 for decays whose matrix element Pythia does not have; a function of a module.
    decay_weight: Callable[[Record], np.ndarray] | None = None
    #: What slices in an observable of the hard process are of; a function of a module.
    observable: Observable | None = None
    #: Cut on the hard process that the samples of its analysis are usually made with (``M_T2 > 80``): rarely does an event
    #: outside of it pass the analysis.
    usual_cut: str = ""
    #: Taus decay unpolarised in Pythia and get their spin afterwards (:mod:`massgap.samples.physics.tau_spin`).
    fast_taus: bool = False
    #: How a pair of scalars decays, where that may happen after the shower and more than once.
    scalars: TwoBody | None = None
    #: Power of the strong coupling in the hard process, for scale variations.
    qcd_order: int = 0
    #: Leptons that its particles decay to, whatever is asked for.
    leptonic: tuple[str, ...] = ()
    #: Matrix elements computed by massgap make its events, which are then showered as those of a file.
    matrix_element: WinoFusion | None = None
    #: What makes it at parton level, without Pythia (``--parton``).
    parton: ChainRequest | PhotonRequest | None = None
    #: Matrix-element events instead of an internal process: hash of their file.
    lhe: str = ""
    #: Name of the process in filesets, where a process has several parts.
    process: str = ""

    @property
    def label(self) -> str:
        """Name of the process in filesets."""
        return self.process or self.name

    def hard_xsec_fb(self, tranche: Tranche) -> float | None:
        """Cross section (fb) that the counted efficiencies multiply; None if the generator tells it."""
        return tranche.xsec_fb if tranche.xsec_fb is not None else self.xsec_fb


@dataclass(frozen=True)
class SignalForm:
    """A family of signals at any mass point, named by a prefix and masses in GeV.

    Attributes
    ----------
    prefix : str
        What the names begin with: ``smuonR``.
    masses : tuple of str
        What the masses after it are: ``("M", "LSP")``.
    make : callable
        Given a name and its masses, returns the parts of the process.
    """

    prefix: str
    masses: tuple[str, ...]
    make: Callable[..., tuple[Process, ...]]

    @property
    def form(self) -> str:
        """How the signals are named, for people: ``smuonR_M_LSP``."""
        return "_".join((self.prefix, *self.masses))


def whole(share: float) -> tuple[Tranche, ...]:
    """The process in one piece, with a share of the analysis' events."""
    return (Tranche("all", "all", 0.0, None, share),)


def met_slices(*slices: tuple[float, float]) -> tuple[Tranche, ...]:
    """Tranches in met_hard from (lower edge, share) pairs.

    That below zero holds what more hard partons than one keep from being seen, and is named after them.
    """
    edges = [edge for edge, _ in slices] + [None]
    return tuple(
        Tranche(_name_of(low, high), "met_hard", low, high, share)
        for (low, share), high in zip(slices, edges[1:], strict=True)
    )


def _name_of(low: float, high: float | None) -> str:
    if high is None or high > 0:
        return f"met{max(low, 0.0):g}to{'inf' if high is None else f'{high:g}'}"
    return f"jets_met{-high:g}toinf"


def phase_space_slices(
    variable: str, *slices: tuple[float, float] | tuple[float, float, float], pt_share: float = 0.0
) -> tuple[Tranche, ...]:
    """Tranches in pT_hat or m_hat of the hard process from (lower edge, share[, fb]) tuples.

    With ``pt_share`` those in m_hat leave out what has a pT_hat below this share of their lower edge: most of a t-channel at
    high mass, where both particles are far forward.
    """
    if pt_share and variable != "m_hat":
        msg = "pt_share is for slices in m_hat"
        raise ValueError(msg)
    setting = {"pT_hat": "pTHat", "m_hat": "mHat"}[variable]
    word = setting.lower()
    edges = [row[0] for row in slices] + [None]
    return tuple(
        Tranche(
            f"{word}{row[0]:g}to{'inf' if high is None else f'{high:g}'}",
            variable,
            row[0],
            high,
            row[1],
            row[2] if len(row) == 3 else None,
            (
                f"PhaseSpace:{setting}Min = {row[0]:g}",
                f"PhaseSpace:{setting}Max = {-1 if high is None else high:g}",
                *((f"PhaseSpace:pTHatMin = {pt_share * row[0]:g}",) if pt_share else ()),
            ),
        )
        for row, high in zip(slices, edges[1:], strict=True)
    )
