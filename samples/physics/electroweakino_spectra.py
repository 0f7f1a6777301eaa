"""Spectra of degenerate winos N2 and C1 above a bino N1: decays through W* and Z*, or through light sleptons."""

from __future__ import annotations

from massgap.physical_constants import (
    NEUTRAL_PION_MASS,
    PION_MASS,
    PYTHIA_ELECTRON_MASS,
    PYTHIA_MUON_MASS,
    TAU_MASS,
)
from massgap.samples.errors import GenerationError
from massgap.samples.physics.offshell import (
    BOSON_MASS_MIN,
    C1,
    LSP,
    N2,
    TWO_BODY_FROM,
    current,
    kallen,
    pion_rate,
    rate,
)
from massgap.samples.physics.spectra import check_masses, slha_text

#: Branching ratios or widths by the PDG numbers of the products.
Table = dict[tuple[int, ...], float]

MODELS = ("WZ", "slepton")
CHANNELS = ("N2C1", "C1C1")
#: Below this mass gap (GeV) hadrons are one or two pions, above they come from a quark pair.
PIONS_BELOW = 1.5
#: Smallest mass gap (GeV).
DM_MIN = 0.3
_WIDTH = 1.0e-5
_SIN2 = 0.2312
_F_PION = 0.0922
_V_UD2 = 0.9496
_LEPTONS = {11: PYTHIA_ELECTRON_MASS, 12: 0.0, 13: PYTHIA_MUON_MASS, 14: 0.0, 15: TAU_MASS, 16: 0.0}
# quarks count as open where the lightest hadrons are
_QUARKS = {1: 0.14, 2: 0.14, 3: 0.5, 4: 1.87, 5: 5.28}


def electroweakino_slha(
    m: float, dm: float, model: str = "WZ", *, m_slepton: float | None = None, sign: int = 1
) -> str:
    r"""SLHA of wino-like N2 (1000023) and C1 (1000024) of one mass above a bino-like N1 (1000022).

    Model ``WZ``: from a gap of 30 GeV on, N2 -> N1 Z and C1 -> N1 W with bosons of reduced mass (Pythia knows their
    decays). Below, decays to three bodies; branching ratios follow the partial widths of
    :mod:`massgap.samples.physics.offshell` with all thresholds. Hadrons come from quark pairs from a gap of 1.5 GeV on and are
    one or two pions below: two pions by CVC and the rho, and as many more as the quarks' width exceeds that of one and
    two, in place of three and more. Loop decays N2 -> N1 photon are left out. Weight the events with
    ``offshell_weights(record, sign)``.

    Model ``slepton``: N2 -> l slepton or nu sneutrino, C1 -> nu slepton or l sneutrino with left-handed sleptons of
    the three flavours, partial widths in proportion to the S-wave phase space :math:`\lambda^{1/2} (m^2 + m_l^2 -
    m_{\tilde l}^2)`, so that flavours are shared evenly but for closed taus; sleptons go to N1 always. Scalars in
    between: no weights are needed. The leptons' largest mass is then not dm but
    :math:`\sqrt{(m^2 - m_{\tilde l}^2)(m_{\tilde l}^2 - m_1^2)} / m_{\tilde l}`, dm at most.

    Decays are prompt. Production is that of pure winos whatever the sign.

    Parameters
    ----------
    m, dm : float
        Mass of N2 and C1, and its distance from N1 (GeV).
    model : {"WZ", "slepton"}
        What the decays go through.
    m_slepton : float, optional
        Mass of the sleptons, by default half way.
    sign : {1, -1}
        Of the product of the neutralinos' masses; changes branching ratios by a little, and the weights.

    Raises
    ------
    GenerationError
        For an unknown model, a gap below 0.3 GeV or above m, sleptons outside of the gap.
    """
    current(N2, sign)
    check_masses(m=m, dm=dm)
    if model not in MODELS:
        msg = f"model must be one of {', '.join(MODELS)}, not {model!r}"
        raise GenerationError(msg)
    if not DM_MIN <= dm <= m:
        msg = f"dm = {dm:g} GeV for m = {m:g} GeV: the mass gap must lie between {DM_MIN:g} GeV and m"
        raise GenerationError(msg)
    if m_slepton is not None and model != "slepton":
        msg = f"m_slepton has no meaning in the model {model}"
        raise GenerationError(msg)
    masses = {LSP: m - dm, N2: m, C1: m}
    if model == "WZ":
        tables = {N2: neutralino_branching(m, m - dm, sign), C1: chargino_branching(m, m - dm, sign)}
    else:
        middle = m - 0.5 * dm if m_slepton is None else m_slepton
        masses |= {1000000 + kind: middle for kind in (11, 12, 13, 14, 15, 16)}
        tables = _slepton_branching(m, middle, m - dm)
    lines = []
    for parent, table in tables.items():
        lines += [f"DECAY {parent} {_WIDTH:.1e}"]
        lines += [
            f"  {share:.9f} {len(products)} {' '.join(map(str, products))}"
            for products, share in table.items()
        ]
    return slha_text(masses, [*lines, f"DECAY {LSP} 0.0"])


def electroweakino_settings(m: float, dm: float, channel: str = "N2C1", model: str = "WZ") -> tuple[str, ...]:
    """Pythia settings of wino pairs; ``xsec.wino_pair_xsec_fb(m, channel, ...)`` is their cross section.

    Parameters
    ----------
    m, dm, model
        As for :func:`electroweakino_slha`.
    channel : {"N2C1", "C1C1"}
        Neutralino with a chargino of either charge, or a chargino pair.

    Raises
    ------
    GenerationError
        If the channel or the model is unknown, or a mass impossible.
    """
    check_masses(m=m, dm=dm)
    if channel not in CHANNELS:
        msg = f"channel must be one of {', '.join(CHANNELS)}, not {channel!r}"
        raise GenerationError(msg)
    process = "SUSY:qqbar2chi+-chi0" if channel == "N2C1" else "SUSY:qqbar2chi+chi-"
    return (
        f"{process} = on",
        f"SUSY:idVecA = {C1}",
        f"SUSY:idVecB = {N2 if channel == 'N2C1' else C1}",
        *electroweakino_decay_settings(dm, model),
    )


def electroweakino_decay_settings(dm: float, model: str = "WZ") -> tuple[str, ...]:
    """Pythia settings that the decays of ``electroweakino_slha`` need, whatever makes the winos.

    Raises
    ------
    GenerationError
        If the model is unknown.
    """
    if model not in MODELS:
        msg = f"model must be one of {', '.join(MODELS)}, not {model!r}"
        raise GenerationError(msg)
    if model != "WZ" or dm < TWO_BODY_FROM:
        return ()
    # bosons of reduced mass
    return (
        "SLHA:allowOnlyOffShell = on",
        f"23:mMin = {BOSON_MASS_MIN:g}",
        f"24:mMin = {BOSON_MASS_MIN:g}",
    )


def neutralino_branching(m2: float, m1: float, sign: int = 1) -> Table:
    """Branching ratios of N2 -> N1 and what a Z* becomes, by the PDG numbers of the products."""
    eta, dm = current(N2, sign), m2 - m1
    if dm >= TWO_BODY_FROM:
        return {(LSP, 23): 1.0}
    widths: Table = {}

    def add(kind: int, mass: float, t3: float, charge: float, colours: int) -> None:
        squares = (t3 - charge * _SIN2) ** 2 + (charge * _SIN2) ** 2
        widths[(LSP, kind, -kind)] = colours * squares * rate((m2, m1, mass, mass), eta, 23)

    for kind, mass in _LEPTONS.items():
        neutrino = kind % 2 == 0
        add(kind, mass, 0.5 if neutrino else -0.5, 0.0 if neutrino else -1.0, 1)
    for kind, mass in _QUARKS.items():
        up = kind % 2 == 0
        add(kind, mass, 0.5 if up else -0.5, 2 / 3 if up else -1 / 3, 3)
    if dm < PIONS_BELOW:
        one = _F_PION**2 / 8 * pion_rate(m2, m1, NEUTRAL_PION_MASS, eta, 23)
        two = (1 - 2 * _SIN2) ** 2 / 8 * rate((m2, m1, PION_MASS, PION_MASS), eta, 23, pions=True)
        _hadrons_as_pions(widths, {(LSP, 111): one}, {(LSP, 211, -211): two})
    return _normalised(widths)


def chargino_branching(m2: float, m1: float, sign: int = 1) -> Table:
    """Branching ratios of C1+ -> N1 and what a W*+ becomes, by the PDG numbers of the products."""
    eta, dm = current(C1, sign), m2 - m1
    if dm >= TWO_BODY_FROM:
        return {(LSP, 24): 1.0}
    widths: Table = {
        (LSP, -kind, kind + 1): rate((m2, m1, _LEPTONS[kind], 0.0), eta, 24) for kind in (11, 13, 15)
    }
    for up in (2, 4):
        for down in (1, 3):
            mixing = _V_UD2 if down == up - 1 else 1.0 - _V_UD2
            widths[(LSP, up, -down)] = 3 * mixing * rate((m2, m1, _QUARKS[up], _QUARKS[down]), eta, 24)
    if dm < PIONS_BELOW:
        one = _V_UD2 * _F_PION**2 / 4 * pion_rate(m2, m1, PION_MASS, eta, 24)
        two = _V_UD2 / 4 * rate((m2, m1, PION_MASS, NEUTRAL_PION_MASS), eta, 24, pions=True)
        _hadrons_as_pions(widths, {(LSP, 211): one}, {(LSP, 211, 111): two})
    return _normalised(widths)


def _hadrons_as_pions(
    widths: Table,
    one: Table,
    two: Table,
) -> None:
    """Put pions in the place of quarks; two pions stand for what quark-hadron duality wants beyond them."""
    quarks = [products for products in widths if len(products) == 3 and abs(products[1]) < 6]
    partonic = sum(widths.pop(products) for products in quarks)
    widths |= one
    widths |= {
        products: max(value, partonic - sum(one.values())) if value > 0.0 else 0.0
        for products, value in two.items()
    }


def _slepton_branching(m: float, middle: float, m1: float) -> dict[int, Table]:
    """Decay tables of N2, C1 and the sleptons."""
    if not m1 < middle < m:
        msg = f"sleptons of {middle:g} GeV do not lie between the neutralinos of {m1:g} and {m:g} GeV"
        raise GenerationError(msg)

    def width(lepton: int) -> float:
        mass = _LEPTONS[lepton]
        opened = m > middle + mass and middle > m1 + mass
        return float(opened * kallen(m**2, middle**2, mass**2) * (m**2 + mass**2 - middle**2))

    sleptons: dict[int, Table] = {
        1000000 + kind: {(LSP, kind): 1.0} for kind in _LEPTONS if middle > m1 + _LEPTONS[kind]
    }
    neutral: Table = {
        (sign * (1000000 + kind), -sign * kind): width(kind) for kind in _LEPTONS for sign in (1, -1)
    }
    charged: Table = {}
    for kind in (11, 13, 15):
        # C1+ -> slepton+ nu, and sneutrino l+; a closed tau closes the first through the slepton's own decay
        charged[(-(1000000 + kind), kind + 1)] = (width(kind) > 0) * width(kind + 1)
        charged[(1000001 + kind, -kind)] = float(
            (m > middle + _LEPTONS[kind])
            * kallen(m**2, middle**2, _LEPTONS[kind] ** 2)
            * (m**2 + _LEPTONS[kind] ** 2 - middle**2)
        )
    return {N2: _normalised(neutral), C1: _normalised(charged), **sleptons}


def _normalised(widths: Table) -> Table:
    total = sum(widths.values())
    return {products: value / total for products, value in widths.items() if value > 0.0}
