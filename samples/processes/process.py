"""What a process of the catalogue is: how it is made, in which slices, and which events of it are wanted."""

from __future__ import annotations

from dataclasses import dataclass, field


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


_MUONS = "muons of both charges, pT > {:g} GeV, abs(eta) < 2.5"
#: The whole process in one piece.
ALL = Tranche("all", "all", 0.0, None, 1.0)


@dataclass(frozen=True)
class DimuonFilter:
    """Events that a dimuon search may select, in slices of the missing momentum that they head for.

    See :mod:`massgap.samples.pythia.dimuon_filter`.
    """

    #: Edges of slices in met_hard, one per tranche; None where tranches are slices of phase space.
    edges: tuple[float, ...] | None = None
    #: Only events that may hold exactly one hard jet, with leptons not far apart, reach the upper slices.
    one_jet: bool = True
    #: Dimuons closer than this to the Z mass (GeV) stay in the lowest slice.
    z_window: float = 6.0
    #: The jets are those of a top pair.
    top: bool = False
    #: Every event has exactly two taus: both are made to decay to muons, with the branching ratio in the weight.
    ditau: bool = False
    #: The settings and xsec_fb count taus as the muons they are made to decay to.
    taus_in_xsec: bool = False
    #: Keep dimuons near the Z mass (True) or away from it (False) only.
    on_peak: bool | None = None
    #: Written events hold muons of both charges above this pt (GeV), abs(eta) < 2.5.
    muon_pt: float = 8.0
    #: Leave out events that hold nothing but muons, taus and neutrinos: another part of the process has them.
    drop_leptonic: bool = False

    def describe(self) -> str:
        """The filter in words."""
        return _MUONS.format(self.muon_pt)


@dataclass(frozen=True)
class ObjectFilter:
    """Events with enough leptons after the hard process, and photons and jets after the shower.

    The thresholds lie below those of the analyses. Leptons of the hard process that recoil against the shower may
    move across a threshold: hence the margins.
    """

    #: Electrons, muons and taus in the acceptance; a tau counts whatever its momentum.
    leptons: int = 0
    #: Two muons (or taus) of opposite charge among them.
    muon_pair: bool = False
    lepton_pt: float = 3.0
    lepton_eta: float = 2.8
    photons: int = 0
    photon_pt: float = 3.5
    photon_eta: float = 2.7
    #: Every event has exactly two taus: both are made to decay to muons, with the branching ratio in the weight.
    ditau: bool = False
    #: Written events hold muons of both charges above this pt (GeV), abs(eta) < 2.5; 0 for no such condition.
    muon_pt: float = 0.0
    #: Two jets in opposite hemispheres, far apart in pseudorapidity, with a large mass.
    vbf: bool = False
    jet_pt: float = 20.0
    jet_eta: float = 5.2
    delta_eta: float = 2.2
    m_jj: float = 140.0

    def describe(self) -> str:
        """The filter in words."""
        parts = []
        if self.leptons:
            kind = "leptons with two muons or taus of opposite charge" if self.muon_pair else "leptons"
            parts.append(
                f"{self.leptons} {kind}, pT > {self.lepton_pt:g} GeV, abs(eta) < {self.lepton_eta:g}"
            )
        if self.photons:
            parts.append(
                f"{self.photons} photon, pT > {self.photon_pt:g} GeV, abs(eta) < {self.photon_eta:g}"
            )
        if self.vbf:
            parts.append(
                f"two parton-level jets, pT > {self.jet_pt:g} GeV, eta1 eta2 < 0, abs(delta eta) > "
                f"{self.delta_eta:g}, m > {self.m_jj:g} GeV"
            )
        if self.muon_pt:
            parts.append(_MUONS.format(self.muon_pt))
        return "; ".join(parts)


#: Filters by name, for events from files.
FILTERS: dict[str, ObjectFilter | None] = {
    "none": None,
    "lepton": ObjectFilter(leptons=1),
    "dimuon": ObjectFilter(leptons=2, muon_pair=True, muon_pt=5.5),
    "3l": ObjectFilter(leptons=3),
    "dimuon-photon": ObjectFilter(leptons=2, muon_pair=True, photons=1, muon_pt=7.0),
    "vbf": ObjectFilter(leptons=1, vbf=True),
}


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
    #: Cross section without slicing and its error, measured apart from those of slices of phase space: a check.
    inclusive_xsec_fb: tuple[float, float] | None = None
    #: How ``xsec_fb`` of a signal is computed: a function of :mod:`massgap.samples.physics.cross_sections` and its arguments.
    xsec_rule: tuple[str | float, ...] = ()
    #: What the generator's cross section must be multiplied with where it is taken.
    generator_factor: float = 1.0
    is_signal: bool = False
    masses: dict[str, float] = field(default_factory=dict)
    slha: str | None = None
    sqrt_s_tev: float = 13.0
    #: Detector card where none is asked for: the one that suits the analysis.
    card: str = "cms"
    filter: DimuonFilter | ObjectFilter | None = None
    #: Weight of the decay chain, by name (see :mod:`massgap.samples.physics.cascade_decays`).
    decay_weight: str = ""
    #: Power of the strong coupling in the hard process, for scale variations.
    qcd_order: int = 0
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


def met_slices(*slices: tuple[float, float]) -> tuple[Tranche, ...]:
    """Tranches in met_hard from (lower edge, share) pairs."""
    edges = [edge for edge, _ in slices] + [None]
    return tuple(
        Tranche(f"met{low:g}to{'inf' if high is None else f'{high:g}'}", "met_hard", low, high, share)
        for (low, share), high in zip(slices, edges[1:], strict=True)
    )


def phase_space_slices(
    variable: str, *slices: tuple[float, float] | tuple[float, float, float]
) -> tuple[Tranche, ...]:
    """Tranches in pT_hat or m_hat of the hard process from (lower edge, share[, fb]) tuples."""
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
            ),
        )
        for row, high in zip(slices, edges[1:], strict=True)
    )
