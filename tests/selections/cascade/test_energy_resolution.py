from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from massgap.selections.cascade.energy_resolution import muon_energy_resolution, photon_energy_resolution


@pytest.mark.parametrize("energy", [1e-3, 4.0, 50.0, 1e5])
def test_quadratic_sums(energy):
    muon = energy * np.sqrt(1.61e-2**2 + 2.76e-3**2 * energy)
    photon = energy * np.sqrt(9.84e-3**2 + 9.41e-2**2 / energy + 1.19**2 / energy**2)
    assert muon_energy_resolution(energy) == pytest.approx(muon, rel=1e-14)
    assert photon_energy_resolution(energy) == pytest.approx(photon, rel=1e-14)


def test_limits():
    assert muon_energy_resolution(0.0) == 0.0
    assert photon_energy_resolution(0.0) == 1.19
    for resolution in (muon_energy_resolution, photon_energy_resolution):
        assert np.isnan(resolution([-1.0, np.nan])).all()
        assert ak.num(resolution(ak.Array([[1.0, 2.0], []]))).tolist() == [2, 0]
