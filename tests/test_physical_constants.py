"""Constants against what Pythia is set to, and against each other."""

from __future__ import annotations

import pytest

from massgap import physical_constants as constants


def test_every_constant_is_exported_and_positive():
    names = {name for name in vars(constants) if name.isupper()}
    assert names == set(constants.__all__)
    assert all(getattr(constants, name) > 0 for name in names)


def test_variants_of_a_mass_are_near_to_it():
    for name, other in (
        ("Z_MASS", "Z_MASS_ROUNDED"),
        ("MUON_MASS", "MUON_MASS_ROUNDED"),
        ("W_MASS", "W_MASS_2018"),
        ("W_MASS", "PYTHIA_W_MASS"),
        ("TOP_MASS", "PYTHIA_TOP_MASS"),
    ):
        assert getattr(constants, name) == pytest.approx(getattr(constants, other), rel=3e-3)


def test_settings_of_pythia():
    pythia8mc = pytest.importorskip("pythia8mc", reason="the generator extra is not installed")
    pythia = pythia8mc.Pythia("", False)
    known = pythia.particleData
    for pdg, mass, width in (
        (23, constants.PYTHIA_Z_MASS, constants.PYTHIA_Z_WIDTH),
        (24, constants.PYTHIA_W_MASS, constants.PYTHIA_W_WIDTH),
        (6, constants.PYTHIA_TOP_MASS, constants.PYTHIA_TOP_WIDTH),
    ):
        assert (known.m0(pdg), known.mWidth(pdg)) == (mass, width)
    assert known.m0(13) == constants.PYTHIA_MUON_MASS
    assert known.m0(11) == constants.PYTHIA_ELECTRON_MASS
    for line in ("Print:quiet = on", "WeakSingleBoson:ffbar2gmZ = on"):
        assert pythia.readString(line)
    assert pythia.init()
    assert known.mWidth(23) == pytest.approx(constants.PYTHIA_Z_LINE_WIDTH, abs=1e-4)
    assert known.mWidth(24) == pytest.approx(constants.PYTHIA_W_LINE_WIDTH, abs=1e-4)
