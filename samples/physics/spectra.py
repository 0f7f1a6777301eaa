"""Spectra of new particles in the SUSY Les Houches form that Pythia reads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from massgap.physical_constants import HIGGS_MASS, MUON_MASS_ROUNDED, TAU_MASS, TOP_MASS, Z_MASS
from massgap.samples.errors import GenerationError
from massgap.samples.physics.offshell import LSP
from massgap.samples.physics.scalar_decays import TwoBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Mass of a muon and a little more (GeV): Pythia needs room for a decay.
_MUON = 0.106
# masses that play no role are put out of reach
DECOUPLED = 1.0e4
_SFERMIONS = (1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16)
#: Neutralinos 1 to 4 are bino, neutral wino and two higgsinos.
UNMIXED = tuple(tuple(float(i == j) for j in range(4)) for i in range(4))


def slha_text(
    masses: Mapping[int, float], decays: Iterable[str], nmix: Sequence[Sequence[float]] = UNMIXED
) -> str:
    """SLHA of a spectrum in which all new particles but the given ones are out of reach.

    Parameters
    ----------
    masses : mapping
        Masses in GeV by PDG number.
    decays : iterable of str
        Lines of the DECAY tables.
    nmix : 4 x 4 numbers
        Mixing of the neutralinos: rows are mass eigenstates, columns bino, wino and the higgsinos.
    """
    table = {1000000 + kind: DECOUPLED for kind in _SFERMIONS}
    table |= {2000000 + kind: DECOUPLED for kind in _SFERMIONS if kind not in (12, 14, 16)}
    table |= dict.fromkeys((1000021, 1000023, 1000024, 1000025, 1000035, 1000037), DECOUPLED)
    table |= {25: HIGGS_MASS, 35: DECOUPLED, 36: DECOUPLED, 37: DECOUPLED, **masses}
    lines = ["BLOCK MODSEL", "  1  0", "BLOCK SMINPUTS", "  1 1.279e+02", "  2 1.16637e-05", "  3 1.18e-01"]
    lines += [f"  4 {Z_MASS:.5e}", "  5 4.2", f"  6 {TOP_MASS:.3e}", f"  7 {TAU_MASS}"]
    lines += ["BLOCK MASS", *(f"  {kind}  {mass:.6e}" for kind, mass in sorted(table.items()))]
    digits = 1 if nmix is UNMIXED else 9
    lines += ["BLOCK NMIX"]
    lines += [
        f"  {i} {j} {value:.{digits}f}" for i, row in enumerate(nmix, 1) for j, value in enumerate(row, 1)
    ]
    for name in ("UMIX", "VMIX", "STOPMIX", "SBOTMIX", "STAUMIX"):
        lines += [f"BLOCK {name}", *(f"  {i} {j} {float(i == j):.1f}" for i in (1, 2) for j in (1, 2))]
    lines += ["BLOCK ALPHA", "  -0.1", "BLOCK HMIX", "  1 1.0e+04", "  2 10.0"]
    return "\n".join([*lines, *decays]) + "\n"


def check_masses(**masses: float) -> None:
    """Refuse masses (GeV) that are no positive finite numbers.

    Raises
    ------
    GenerationError
        Naming the mass.
    """
    for name, value in masses.items():
        if not (math.isfinite(value) and value >= 0.0):
            msg = f"{name} must be a mass in GeV, not {value!r}"
            raise GenerationError(msg)


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
    GenerationError
        If the decay is closed or the chirality unknown.
    """
    smuon = _smuon(chirality)
    check_masses(m_slepton=m_slepton, m_lsp=m_lsp)
    if not m_slepton > m_lsp + _MUON:
        msg = (
            f"a smuon of {m_slepton:g} GeV cannot decay to a muon and a neutralino of {m_lsp:g} GeV: "
            f"give a neutralino lighter than {max(m_slepton - _MUON, 0.0):.4g} GeV"
        )
        raise GenerationError(msg)
    decays = [f"DECAY {smuon} 1.0e-01", "  1.0 2 1000022 13", "DECAY 1000022 0.0"]
    return slha_text({1000022: m_lsp, smuon: m_slepton}, decays)


def smuon_settings(chirality: str = "left") -> tuple[str, ...]:
    """Pythia settings of smuon pairs; replace Pythia's cross section by ``xsec.smuon_pair_xsec_fb``.

    Raises
    ------
    GenerationError
        If the chirality is unknown.
    """
    smuon = _smuon(chirality)
    return (
        "SUSY:qqbar2sleptonantislepton = on",
        f"SUSY:idVecA = {smuon}",
        f"SUSY:idVecB = {smuon}",
    )


def smuon_decay(m_lsp: float, chirality: str = "left") -> TwoBody:
    """The decay of :func:`smuon_slha`, for :func:`massgap.samples.physics.scalar_decays.decayed`."""
    return TwoBody(_smuon(chirality), (13, LSP), (MUON_MASS_ROUNDED, m_lsp), (-1.0, 0.0), own=(LSP,))


def _smuon(chirality: str) -> int:
    if chirality not in ("left", "right"):
        msg = f"chirality must be left or right, not {chirality!r}"
        raise GenerationError(msg)
    return 1000013 if chirality == "left" else 2000013
