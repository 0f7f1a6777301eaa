"""The processes that can be generated: settings, cross sections, tranches.

Cross sections are leading order without K factors, as in the slepton paper, at 13 TeV. ``xsec_fb`` is that of the
hard process with the given settings (decays that Pythia counts included); the filters' efficiency is counted during
generation and multiplied onto it. They were measured with Pythia 8.317 (NNPDF2.3 LO, its default) by
``massgap.samples.pythia.measure_xsec`` with 200,000 events each, relative error 0.3 % or below unless noted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from massgap.samples.errors import UnknownProcessError
from massgap.samples.spectra import smuon_slha

if TYPE_CHECKING:
    from collections.abc import Iterable


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


@dataclass(frozen=True)
class Process:
    """A process, how Pythia makes it, and its leading-order cross section at 13 TeV."""

    name: str
    description: str
    source: str
    settings: tuple[str, ...]
    tranches: tuple[Tranche, ...]
    xsec_fb: float | None = None
    #: Pythia's own value where ``xsec_fb`` replaces it.
    generator_xsec_fb: float | None = None
    is_signal: bool = False
    masses: dict[str, float] = field(default_factory=dict)
    slha: str | None = None
    #: Keep only events with two muons (or taus, made to decay to muons) of opposite charge.
    dimuon: bool = True
    #: Edges of slices in met_hard, one per tranche; None where tranches are slices of phase space.
    edges: tuple[float, ...] | None = None
    #: The jets are those of a top pair.
    top: bool = False
    #: Every event has exactly two taus: both are made to decay to muons, with the branching ratio in the weight.
    ditau: bool = False
    #: The settings and xsec_fb count taus as the muons they are made to decay to.
    taus_in_xsec: bool = False
    #: Keep dimuons near the Z mass (True) or away from it (False) only.
    on_peak: bool | None = None
    #: Leave out events that hold nothing but muons, taus and neutrinos: another part of the process has them.
    drop_leptonic: bool = False
    #: Name of the process in filesets, where a process has several parts.
    process: str = ""

    @property
    def label(self) -> str:
        """Name of the process in filesets."""
        return self.process or self.name

    def hard_xsec_fb(self, tranche: Tranche) -> float | None:
        """Cross section (fb) that the counted efficiencies multiply."""
        return tranche.xsec_fb if tranche.xsec_fb is not None else self.xsec_fb


def _met_slices(*slices: tuple[float, float]) -> tuple[Tranche, ...]:
    """Tranches in met_hard from (lower edge, share) pairs."""
    edges = [edge for edge, _ in slices] + [None]
    return tuple(
        Tranche(f"met{low:g}to{'inf' if high is None else f'{high:g}'}", "met_hard", low, high, share)
        for (low, share), high in zip(slices, edges[1:], strict=True)
    )


def _pthat_slices(*slices: tuple[float, float, float]) -> tuple[Tranche, ...]:
    """Tranches in the transverse momentum of the hard 2 -> 2 process from (lower edge, share, fb) triples."""
    edges = [edge for edge, _, _ in slices] + [None]
    return tuple(
        Tranche(
            f"pthat{low:g}to{'inf' if high is None else f'{high:g}'}",
            "pT_hat",
            low,
            high,
            share,
            xsec,
            (f"PhaseSpace:pTHatMin = {low:g}", f"PhaseSpace:pTHatMax = {-1 if high is None else high:g}"),
        )
        for (low, share, xsec), high in zip(slices, edges[1:], strict=True)
    )


_LO = "Pythia 8.317, internal leading-order process"
#: Branching ratio of tau to mu in Pythia 8.317.
TAU_TO_MU = 0.1731
# W to mu, and to tau as often as a tau becomes a muon: mode 103 keeps the given ratios, the width stays that of all
# decays. sigma(Pythia, W to mu or tau) times ((1 + TAU_TO_MU) / 2)^2 is then the cross section.
_W_LEPTONS = (
    "24:doForceWidth = on",
    f"24:oneChannel = 1 {1 / (1 + TAU_TO_MU):.6f} 103 -13 14",
    f"24:addChannel = 1 {TAU_TO_MU / (1 + TAU_TO_MU):.6f} 103 -15 16",
)
_TWO_W = ((1 + TAU_TO_MU) / 2) ** 2
_ZZ = ("WeakDoubleBoson:ffbar2gmZgmZ = on", "23:mMin = 50.")
_DRELL_YAN = (
    "WeakBosonAndParton:qqbar2gmZg = on",
    "WeakBosonAndParton:qg2gmZq = on",
    "23:mMin = 10.",
    "23:onMode = off",
)


def smuon_pair(m_slepton: float, m_lsp: float, xsec_fb: float, generator_xsec_fb: float) -> Process:
    """Left-handed smuon pairs, each decaying to a muon and the lightest neutralino (masses in GeV)."""
    return Process(
        name=f"slepton_{m_slepton:g}_{m_lsp:g}",
        description=f"left-handed smuon pairs, m = {m_slepton:g}, neutralino {m_lsp:g} GeV",
        source=(
            f"{_LO}; cross section replaced by an independent leading-order integral, because Pythia's slepton-pair "
            "normalisation lacks the colour sum (its angular and mass shapes are kept)"
        ),
        settings=(
            "SUSY:qqbar2sleptonantislepton = on",
            "SUSY:idVecA = 1000013",
            "SUSY:idVecB = 1000013",
        ),
        tranches=_met_slices((0.0, 4.0), (40.0, 4.0), (95.0, 13.0)),
        xsec_fb=xsec_fb,
        generator_xsec_fb=generator_xsec_fb,
        is_signal=True,
        masses={"m_slepton": float(m_slepton), "m_lsp": float(m_lsp)},
        slha=smuon_slha(m_slepton, m_lsp, "left"),
        edges=(0.0, 40.0, 95.0),
    )


def _dimuon(on_peak: bool) -> Process:
    """Z/gamma* + jet to muons, near the Z mass or away from it, where the search looks."""
    # low recoil on the peak and high recoil off it
    shares = (1.5, 2.5, 2.0, 1.0, 0.7, 0.3) if on_peak else (1.0, 1.0, 2.5, 3.5, 3.0, 1.0)
    edges = (20, 50, 100, 200, 400, 800)
    xsec = (488.4e3, 102.7e3, 20.07e3, 2012.0, 113.5, 3.403)
    return Process(
        name=f"mumu_{'peak' if on_peak else 'offpeak'}",
        process="mumu",
        description=(
            "Z/gamma* + jet -> mu mu, m > 10 GeV, pT of the recoil above 20 GeV, "
            f"{'within' if on_peak else 'beyond'} 8 GeV of the Z mass"
        ),
        source=_LO,
        settings=(*_DRELL_YAN, "23:onIfAny = 13"),
        tranches=_pthat_slices(*zip(edges, shares, xsec, strict=True)),
        on_peak=on_peak,
    )


_PROCESSES = (
    smuon_pair(110, 80, 147.0, 55.40),
    *(_dimuon(on_peak) for on_peak in (True, False)),
    Process(
        name="tautau",
        description="Z/gamma* + jet -> tau tau -> mu mu, m > 10 GeV, pT of the recoil above 20 GeV",
        source=_LO,
        settings=(*_DRELL_YAN, "23:onIfAny = 15"),
        ditau=True,
        tranches=_pthat_slices(
            (20, 1.5, 487.6e3),
            (50, 2.0, 102.5e3),
            (100, 8.0, 20.04e3),
            (200, 13.0, 2008.0),
            (400, 1.5, 116.5),
        ),
    ),
    Process(
        name="tt",
        description="top pairs, both W to a muon (tau -> mu included)",
        source=_LO,
        settings=("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *_W_LEPTONS),
        tranches=_met_slices((0.0, 3.0), (40.0, 3.0), (95.0, 38.0)),
        xsec_fb=23.76e3 * _TWO_W,
        taus_in_xsec=True,
        edges=(0.0, 40.0, 95.0),
        top=True,
    ),
    Process(
        name="WW",
        description="W pairs, both to a muon (tau -> mu included)",
        source=_LO,
        settings=("WeakDoubleBoson:ffbar2WW = on", *_W_LEPTONS),
        tranches=_met_slices((0.0, 2.5), (40.0, 3.0), (95.0, 12.5)),
        xsec_fb=3008.0 * _TWO_W,
        taus_in_xsec=True,
        edges=(0.0, 40.0, 95.0),
    ),
    Process(
        name="ZZ_leptons",
        process="ZZ",
        description="pairs of Z/gamma* (m > 50 GeV), both to muons, taus or neutrinos",
        source=_LO,
        settings=(*_ZZ, "23:onMode = off", "23:onIfAny = 12 13 14 15 16"),
        tranches=_met_slices((0.0, 0.5), (40.0, 0.2), (95.0, 0.6)),
        xsec_fb=660.8,
        edges=(0.0, 40.0, 95.0),
    ),
    Process(
        name="ZZ_other",
        process="ZZ",
        description="pairs of Z/gamma* (m > 50 GeV), one to muons or taus, the other to quarks or electrons",
        source=_LO,
        settings=_ZZ,
        tranches=(Tranche("all", "all", 0.0, None, 0.4),),
        xsec_fb=9229.0,
        drop_leptonic=True,
    ),
    Process(
        name="WZ",
        description="W with Z (m > 50 GeV), Z to muons or taus",
        source=_LO,
        settings=("WeakDoubleBoson:ffbar2ZW = on", "23:mMin = 50.", "23:onMode = off", "23:onIfAny = 13 15"),
        tranches=_met_slices((0.0, 0.8), (40.0, 0.3), (95.0, 1.0)),
        xsec_fb=1569.0,
        edges=(0.0, 40.0, 95.0),
    ),
)

PROCESSES: dict[str, Process] = {process.name: process for process in _PROCESSES}
ANALYSES: dict[str, tuple[str, ...]] = {
    "slepton": ("slepton_110_80", "mumu", "tautau", "tt", "WW", "ZZ", "WZ"),
}


def processes_of(names: str | Iterable[str]) -> list[Process]:
    """Processes of an analysis, or by their names.

    Raises
    ------
    UnknownProcessError
        Listing what is known.
    """
    given = [names] if isinstance(names, str) else list(names)
    labels = {part.label for part in PROCESSES.values()}
    found: dict[str, Process] = {}
    for name in given:
        if name not in PROCESSES and name not in labels and name not in ANALYSES:
            known = f"analyses: {', '.join(ANALYSES)}; processes: {', '.join(sorted(labels))}"
            msg = f"unknown process {name!r}: choose from {known}"
            raise UnknownProcessError(msg)
        wanted = ANALYSES.get(name, (name,))
        found |= {
            part.name: part for part in PROCESSES.values() if part.label in wanted or part.name in wanted
        }
    if not found:
        msg = f"no process given: choose from {', '.join(sorted(labels))}"
        raise UnknownProcessError(msg)
    return list(found.values())


def list_processes() -> list[dict[str, object]]:
    """One row per process or part of one, for display.

    Keys: ``name`` (accepted by ``generate``), ``process`` (its name in filesets), ``description``, ``xsec_fb`` (of the
    hard process, before the filters), ``tranches``, ``analyses``, ``source``.
    """
    return [
        {
            "name": process.name,
            "process": process.label,
            "description": process.description,
            "xsec_fb": process.xsec_fb
            if process.xsec_fb is not None
            else sum(tranche.xsec_fb or 0.0 for tranche in process.tranches),
            "tranches": [tranche.name for tranche in process.tranches],
            "analyses": [name for name, members in ANALYSES.items() if process.label in members],
            "source": process.source,
        }
        for process in PROCESSES.values()
    ]
