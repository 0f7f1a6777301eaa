"""Single production of a heavy partner T of the top quark that decays to t Z, all bosons to leptons."""

from __future__ import annotations

import math

from massgap.physical_constants import PYTHIA_TOP_MASS
from massgap.samples.errors import GenerationError

#: T must be able to decay to t Z over the whole of its line.
_THRESHOLD = PYTHIA_TOP_MASS + 92.0  # a Z and a little more


def vlq_settings(
    mass: float, *, width: float = 0.01, taus: bool = False, coupling: float = 0.1
) -> tuple[str, ...]:
    """Pythia settings of q b -> q' T, T -> t Z, t -> b W, W -> l nu, Z -> l l (T and anti-T).

    Pythia's T is a fourth-generation quark with the decay table replaced: the production is that of a left-handed
    T b W vertex, b from the proton (five flavours), and T decays isotropically, so the Z and t are unpolarised. Pythia
    counts the branching ratios of W and Z in its cross section, which goes with coupling squared.

    Parameters
    ----------
    mass : float
        Mass of T in GeV.
    width : float
        Width over mass; the line is cut at 20 % of the mass on either side.
    taus : bool
        Let W and Z decay to taus besides electrons and muons.
    coupling : float
        Mixing V_Tb.

    Raises
    ------
    GenerationError
        If T cannot decay to t Z at the lower end of its line, or a number is out of range.
    """
    if not (math.isfinite(mass) and 0.8 * mass > _THRESHOLD):
        msg = f"T of {mass:g} GeV cannot decay to t Z over its line: choose a mass above {_THRESHOLD / 0.8:.0f} GeV"
        raise GenerationError(msg)
    if not 0.0 < width <= 0.3:
        msg = f"width is the width over the mass, above 0 and up to 0.3, not {width!r}"
        raise GenerationError(msg)
    if not 0.0 < coupling <= 1.0:
        msg = f"coupling is the mixing V_Tb, above 0 and up to 1, not {coupling!r}"
        raise GenerationError(msg)
    leptons = "11 13 15" if taus else "11 13"
    return (
        "FourthTop:qq2tPrimeq(t:W) = on",
        f"8:m0 = {mass:g}",
        f"8:mWidth = {width * mass:g}",
        f"8:mMin = {0.8 * mass:g}",
        f"8:mMax = {1.2 * mass:g}",
        "8:doForceWidth = on",
        # mode 103 takes the given ratio; Pythia's own width knows no such decay, and every event would fail
        "8:oneChannel = 1 1.0 103 6 23",
        f"FourthGeneration:VtPrimeb = {coupling:g}",
        "24:onMode = off",
        f"24:onIfAny = {leptons}",
        "23:onMode = off",
        f"23:onIfAny = {leptons}",
    )
