"""Signals at any mass point, by name: ``smuonR_300_100`` is a pair of right-handed smuons of 300 GeV with a
neutralino of 100 GeV.

=================================== ==================================================================
``slepton_M_LSP``                   left-handed smuons, sliced for the slepton search (one hard jet)
``smuonL_M_LSP``, ``smuonR_M_LSP``  left- or right-handed smuons, any number of jets
``wino_WZ_M_DM``                    wino-like N2, C1 of mass M to a bino-like N1 of M - DM through W*, Z*
``wino_slepton_M_DM``               the same through sleptons half way
``vlq_M``                           single T -> t Z, leptonic decays
``cascade_fDM_X_Y_Z_CHI``           X chi, X -> mu Y, Y -> mu Z, Z -> photon chi, fermionic dark matter
``cascade_sDM_X_Y_Z_CHI``           the same with scalar dark matter (decay weights)
=================================== ==================================================================

Masses are in GeV; a decimal point is written as it is (``wino_WZ_200_0.5``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from massgap.samples.errors import UnknownProcessError
from massgap.samples.physics.cascade_decays import cascade_settings, cascade_slha
from massgap.samples.physics.electroweakino_spectra import electroweakino_settings, electroweakino_slha
from massgap.samples.physics.spectra import smuon_settings, smuon_slha
from massgap.samples.physics.vlq_settings import vlq_settings
from massgap.samples.processes.process import DimuonFilter, ObjectFilter, Process, Tranche, met_slices
from massgap.samples.processes.slepton import LO

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SIGNAL_FORMS", "signal_processes"]

_INTEGRAL = "leading-order integral with the generator's PDFs (massgap.samples.physics.cross_sections): Pythia's normalisation of"
_N = r"(\d+(?:\.\d+)?)"


def _whole(share: float) -> tuple[Tranche, ...]:
    return (Tranche("all", "all", 0.0, None, share),)


def _smuons(name: str, kind: str, m: float, m_lsp: float) -> tuple[Process, ...]:
    left = kind != "smuonR"
    chirality = "left" if left else "right"
    one_jet = kind == "slepton"
    slices = ((0.0, 4.0), (40.0, 4.0), (95.0, 13.0)) if one_jet else ((0.0, 3.0), (60.0, 7.0))
    return (
        Process(
            name=name,
            description=f"{chirality}-handed smuon pairs, m = {m:g}, neutralino {m_lsp:g} GeV",
            source=f"{LO}; cross section: {_INTEGRAL} slepton pairs is wrong (its shapes are kept)",
            settings=smuon_settings(chirality),
            tranches=met_slices(*slices),
            xsec_rule=("smuon_pair_xsec_fb", m, chirality),
            is_signal=True,
            masses={"m_slepton": m, "m_lsp": m_lsp},
            slha=smuon_slha(m, m_lsp, chirality),
            card="cms" if one_jet else "atlas",
            filter=DimuonFilter(
                edges=tuple(edge for edge, _ in slices),
                one_jet=one_jet,
                z_window=6.0 if one_jet else 11.0,
                muon_pt=8.0 if one_jet else 5.5,
            ),
        ),
    )


def _winos(name: str, model: str, m: float, dm: float) -> tuple[Process, ...]:
    through = "W*, Z*" if model == "WZ" else "sleptons half way"
    words = {"N2C1": "N2 C1+ and N2 C1-", "C1C1": "C1+ C1-"}
    return tuple(
        Process(
            name=f"{name}_{channel}",
            process=name,
            description=f"wino-like {words[channel]}, m = {m:g}, to a bino {dm:g} GeV below through {through}",
            source=f"{LO}; cross section: {_INTEGRAL} electroweakinos is not relied on; second jet from the shower",
            settings=electroweakino_settings(m, dm, channel, model),
            tranches=_whole(3.0 if channel == "N2C1" else 2.0),
            xsec_rule=("wino_pair_xsec_fb", m, channel),
            is_signal=True,
            masses={"m_wino": m, "m_lsp": m - dm},
            slha=electroweakino_slha(m, dm, model),
            sqrt_s_tev=13.6,
            card="hl-lhc",
            filter=ObjectFilter(leptons=1, vbf=True),
            decay_weight="offshell" if model == "WZ" else "",
        )
        for channel in words
    )


def _vlq(name: str, m: float) -> tuple[Process, ...]:
    return (
        Process(
            name=name,
            description=f"single T of {m:g} GeV with a light quark, T -> t Z, all leptonic",
            source=f"{LO} (5-flavour, coupling V = 0.1)",
            settings=vlq_settings(m),
            tranches=_whole(2.0),
            is_signal=True,
            masses={"m_T": m},
            filter=ObjectFilter(leptons=3, lepton_pt=12.0),
        ),
    )


def _cascade(name: str, model: str, *masses: float) -> tuple[Process, ...]:
    words = {"fDM": "fermionic", "sDM": "scalar"}[model]
    return (
        Process(
            name=name,
            description=(
                f"X chi, X -> mu Y -> mu mu Z -> mu mu photon chi with {words} dark matter, masses "
                f"{', '.join(f'{m:g}' for m in masses)} GeV"
            ),
            source=f"{LO}; cross section: that of higgsinos, the paper leaves the couplings open",
            settings=cascade_settings(),
            tranches=_whole(3.0),
            is_signal=True,
            xsec_rule=("higgsino_pair_xsec_fb", masses[0], masses[3]),
            masses=dict(zip(("m_X", "m_Y", "m_Z", "m_chi"), masses, strict=True)),
            slha=cascade_slha(masses),
            sqrt_s_tev=14.0,
            card="cascade",
            filter=ObjectFilter(leptons=2, muon_pair=True, lepton_pt=5.0, photons=1, muon_pt=7.0),
            decay_weight="cascade_sDM" if model == "sDM" else "",
        ),
    )


_FORMS: tuple[tuple[str, str, Callable[..., tuple[Process, ...]]], ...] = (
    ("slepton_M_LSP", rf"(slepton)_{_N}_{_N}", _smuons),
    ("smuonL_M_LSP", rf"(smuonL)_{_N}_{_N}", _smuons),
    ("smuonR_M_LSP", rf"(smuonR)_{_N}_{_N}", _smuons),
    ("wino_WZ_M_DM", rf"wino_(WZ)_{_N}_{_N}", _winos),
    ("wino_slepton_M_DM", rf"wino_(slepton)_{_N}_{_N}", _winos),
    ("vlq_M", rf"vlq_{_N}", _vlq),
    ("cascade_fDM_X_Y_Z_CHI", rf"cascade_(fDM)_{_N}_{_N}_{_N}_{_N}", _cascade),
    ("cascade_sDM_X_Y_Z_CHI", rf"cascade_(sDM)_{_N}_{_N}_{_N}_{_N}", _cascade),
)
SIGNAL_FORMS = tuple(form for form, _, _ in _FORMS)


def signal_processes(name: str) -> list[Process]:
    """The parts of the signal of a name; empty if it is not one.

    Raises
    ------
    UnknownProcessError
        If the masses do not allow the decays.
    """
    for form, pattern, make in _FORMS:
        if (found := re.fullmatch(pattern, name)) is None:
            continue
        words = [float(word) if re.fullmatch(_N, word) else word for word in found.groups()]
        try:
            return list(make(name, *words))
        except ValueError as error:
            msg = f"{name} ({form}): {error}"
            raise UnknownProcessError(msg) from None
    return []
