"""Spectra of new particles in the SUSY Les Houches form that Pythia reads."""

from __future__ import annotations

# masses that play no role are put out of reach
_DECOUPLED = 1.0e4
_SFERMIONS = (1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16)


def smuon_slha(m_slepton: float, m_lsp: float, chirality: str = "left") -> str:
    """SLHA of one light smuon that decays to a muon and the lightest neutralino (a pure bino).

    Parameters
    ----------
    m_slepton, m_lsp : float
        Masses in GeV, m_slepton > m_lsp + the muon mass.
    chirality : {"left", "right"}
        Partner of the left- or right-handed muon.

    Raises
    ------
    ValueError
        If the decay is closed or the chirality unknown.
    """
    if chirality not in ("left", "right"):
        msg = f"chirality must be left or right, not {chirality!r}"
        raise ValueError(msg)
    if not m_slepton > m_lsp + 0.106:
        msg = f"a smuon of {m_slepton:g} GeV cannot decay to a muon and a neutralino of {m_lsp:g} GeV"
        raise ValueError(msg)
    smuon = 1000013 if chirality == "left" else 2000013
    masses = {1000000 + kind: _DECOUPLED for kind in _SFERMIONS}
    masses |= {2000000 + kind: _DECOUPLED for kind in _SFERMIONS if kind not in (12, 14, 16)}
    masses |= dict.fromkeys((1000021, 1000023, 1000024, 1000025, 1000035, 1000037), _DECOUPLED)
    masses |= {25: 125.0, 35: _DECOUPLED, 36: _DECOUPLED, 37: _DECOUPLED, 1000022: m_lsp, smuon: m_slepton}
    lines = ["BLOCK MODSEL", "  1  0", "BLOCK SMINPUTS", "  1 1.279e+02", "  2 1.16637e-05", "  3 1.18e-01"]
    lines += ["  4 9.11876e+01", "  5 4.2", "  6 1.725e+02", "  7 1.77686"]
    lines += ["BLOCK MASS", *(f"  {kind}  {mass:.6e}" for kind, mass in sorted(masses.items()))]
    lines += ["BLOCK NMIX", *(f"  {i} {j} {float(i == j):.1f}" for i in range(1, 5) for j in range(1, 5))]
    for name in ("UMIX", "VMIX", "STOPMIX", "SBOTMIX", "STAUMIX"):
        lines += [f"BLOCK {name}", *(f"  {i} {j} {float(i == j):.1f}" for i in (1, 2) for j in (1, 2))]
    lines += ["BLOCK ALPHA", "  -0.1", "BLOCK HMIX", "  1 1.0e+04", "  2 10.0"]
    lines += [f"DECAY {smuon} 1.0e-01", "  1.0 2 1000022 13", "DECAY 1000022 0.0"]
    return "\n".join(lines) + "\n"
