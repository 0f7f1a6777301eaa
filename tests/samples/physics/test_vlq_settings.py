"""Single production of T -> t Z: what Pythia makes of the settings."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.samples.physics.vlq_settings import vlq_settings
from massgap.samples.record import from_batch


def _generate(lines, n):
    pythia8mc = pytest.importorskip("pythia8mc")
    pythia = pythia8mc.Pythia("", False)
    common = ("Print:quiet = on", "Random:setSeed = on", "Random:seed = 8", "Beams:eCM = 13000.")
    for line in (*common, "PartonLevel:MPI = off", "HadronLevel:all = off", *lines):
        assert pythia.readString(line), line
    assert pythia.init()
    batch = pythia.nextBatch(n, errorMode="skip")
    assert len(batch) >= 0.98 * n
    return from_batch(batch, {}, pythia.particleData.charge), pythia


@pytest.mark.parametrize(
    ("mass", "sigma"),
    # leading order before branching ratios, measured apart with the same program
    [(1000.0, 41.3), (6400.0, 4.95e-4)],
)
def test_t_to_leptons_at_both_ends_of_the_range(mass, sigma):
    record, pythia = _generate(vlq_settings(mass), 600)
    heavy = record.mass[(np.abs(record.pdg) == 8)]
    assert heavy.min() > 0.8 * mass
    assert heavy.max() < 1.2 * mass
    assert np.median(heavy) == pytest.approx(mass, rel=0.01)
    parent = np.where(record.mother >= 0, np.abs(record.pdg[record.mother]), 0)
    lepton = np.isin(np.abs(record.pdg), (11, 13))
    per_event = {
        boson: np.bincount(record.event[lepton & (parent == boson)], minlength=record.n_events)
        for boson in (23, 24)
    }
    np.testing.assert_array_equal(per_event[23], 2)
    np.testing.assert_array_equal(per_event[24], 1)
    # W -> e, mu: 2 x 10.8 %, Z -> ee, mumu: 2 x 3.37 %
    branching = 2 * 0.108 * 2 * 0.0337
    assert pythia.infoPython().sigmaGen() * 1e12 == pytest.approx(sigma * branching, rel=0.12)


def test_taus_are_an_option():
    record, _ = _generate(vlq_settings(2000.0, taus=True), 300)
    parent = np.where(record.mother >= 0, np.abs(record.pdg[record.mother]), 0)
    from_z = np.abs(record.pdg[parent == 23])
    leptons = from_z[np.isin(from_z, (11, 13, 15))]
    assert len(leptons) == 2 * record.n_events
    np.testing.assert_allclose([np.mean(leptons == kind) for kind in (11, 13, 15)], 1 / 3, atol=0.08)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"mass": 300.0}, "t Z"),
        ({"mass": float("nan")}, "t Z"),
        ({"mass": 1000.0, "width": 0.0}, "width"),
        ({"mass": 1000.0, "width": 0.5}, "width"),
        ({"mass": 1000.0, "coupling": 0.0}, "coupling"),
    ],
)
def test_errors(arguments, word):
    with pytest.raises(ValueError, match=word):
        vlq_settings(**arguments)
