"""Weights of variations against Pythia's own record and closed forms."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from massgap.samples.errors import GenerationError
from massgap.samples.physics import reweight
from massgap.samples.processes.catalogue import PROCESSES
from massgap.samples.pythia.driver import start

pythia8mc = pytest.importorskip("pythia8mc")

_COLUMNS = ("id1", "id2", "x1", "x2", "pdf1", "pdf2", "Q2Fac", "Q2Ren", "alphaS")


def _events(lines: list[str], n: int) -> SimpleNamespace:
    import awkward as ak

    pythia = pythia8mc.Pythia("", False)
    common = ["Print:quiet = on", "Beams:eCM = 13000.", "Random:setSeed = on", "Random:seed = 4"]
    for line in [*common, "PartonLevel:MPI = off", "HadronLevel:all = off", *lines]:
        assert pythia.readString(line)
    assert pythia.init()
    batch = pythia.nextBatch(n, errorMode="skip")
    info = {name: ak.to_numpy(batch.info[name]) for name in _COLUMNS}
    return SimpleNamespace(pythia=pythia, info=info, weights=ak.to_numpy(batch.info.weights))


@pytest.fixture(scope="module")
def top_pairs() -> SimpleNamespace:
    lines = ["Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *reweight.shower_settings()]
    return _events(lines, 400)


def test_nominal_densities_are_those_of_the_events(top_pairs):
    np.testing.assert_allclose(reweight.closure(top_pairs.info), 1.0, rtol=1e-12)


def test_coupling_is_that_of_the_events(top_pairs):
    found = reweight.alpha_s(top_pairs.info["Q2Ren"])
    np.testing.assert_allclose(found, top_pairs.info["alphaS"], rtol=1e-9)


def test_scales_in_nanoaod_order(top_pairs):
    weights = reweight.scale_weights(top_pairs.info, 2)
    assert weights.shape == (400, 9)
    np.testing.assert_array_equal(weights[:, 4], 1.0)
    # the renormalisation scale at nominal muF: one-loop running with 5 or 6 flavours
    for column, factor in ((1, 0.5), (7, 2.0)):
        alpha, log = top_pairs.info["alphaS"], math.log(factor**2)
        low, high = ((1 + alpha * (33 - 2 * nf) / (12 * math.pi) * log) ** -2 for nf in (5, 6))
        assert np.all(weights[:, column] >= np.minimum(low, high) - 1e-9)
        assert np.all(weights[:, column] <= np.maximum(low, high) + 1e-9)
    # muR and muF act independently
    np.testing.assert_allclose(weights[:, 0], weights[:, 1] * weights[:, 3], rtol=1e-12)
    np.testing.assert_allclose(weights[:, 8], weights[:, 7] * weights[:, 5], rtol=1e-12)


def _hard_processes():
    """One process for each set of hard processes of the catalogue without a spectrum, and all orders that are claimed for it."""
    groups: dict[tuple[str, ...], list] = {}
    for process in PROCESSES.values():
        if process.slha is None and process.matrix_element is None and process.scalars is None:
            lines = tuple(line for line in process.settings if not line[0].isdigit() and "mHat" not in line)
            groups.setdefault(lines, []).append(process)
    return [(group[0], {process.qcd_order for process in group}) for group in groups.values()]


@pytest.mark.parametrize(
    ("process", "orders"), [pytest.param(*pair, id=pair[0].name) for pair in _hard_processes()]
)
def test_power_of_the_coupling_is_that_of_pythias_cross_section(process, orders) -> None:
    """With a coupling that does not run, 1.2 times the coupling is 1.2^order times the cross section."""
    sigma = []
    for coupling in (0.10, 0.12):
        lines = [
            "SigmaProcess:alphaSorder = 0",
            f"SigmaProcess:alphaSvalue = {coupling}",
            "PartonLevel:all = off",
        ]
        common = ["Print:quiet = on", "Beams:eCM = 13000.", "Random:setSeed = on"]
        pythia = start([*common, *process.settings, *process.tranches[0].settings, *lines], 5, None)
        for _ in range(20):
            pythia.next()
        sigma.append(pythia.infoPython().sigmaGen())
    assert math.log(sigma[1] / sigma[0]) / math.log(1.2) == pytest.approx(process.qcd_order, abs=0.15)
    assert orders == {process.qcd_order}


def test_no_strong_coupling_no_effect_of_mur(top_pairs):
    info = {name: values for name, values in top_pairs.info.items() if name != "Q2Ren"}
    weights = reweight.scale_weights(info, 0)
    np.testing.assert_array_equal(weights[:, :3], weights[:, 3:6])
    np.testing.assert_array_equal(weights[:, :3], weights[:, 6:])


def test_factorisation_scale_of_valence_and_sea():
    """Evolution depletes large x and fills small x."""
    info = {"id1": [2, 21], "id2": [2, 21], "x1": [0.5, 1e-3], "x2": [0.5, 1e-3], "Q2Fac": [1e4, 1e4]}
    info = {name: np.array(values) for name, values in info.items()}
    low, high = reweight.scale_weights(info, 0)[:, 3], reweight.scale_weights(info, 0)[:, 5]
    assert low[0] > 1 > high[0]
    assert low[1] < 1 < high[1]


def test_sets_change_the_rate_as_their_own_densities_say(top_pairs):
    weights = reweight.pdf_weights(top_pairs.info)
    assert weights.shape == (400, len(reweight.PDF_SETS))
    np.testing.assert_array_equal(weights[:, 0], 1.0)
    assert np.all((weights >= 0) & (weights <= reweight.MAX_WEIGHT))
    assert np.all(np.abs(weights[:, 1:].mean(axis=0) - 1) < 0.35)
    # one event by hand, with a Pythia that uses the other set for its beams
    other = pythia8mc.Pythia("", False)
    for line in ("Print:quiet = on", "ProcessLevel:all = off", "PDF:pSet = 8"):
        assert other.readString(line)
    assert other.init()
    density = other.getPDFPtr(2212)
    one = {name: values[0].item() for name, values in top_pairs.info.items()}
    expected = density.xf(one["id1"], one["x1"], one["Q2Fac"]) * density.xf(
        one["id2"], one["x2"], one["Q2Fac"]
    )
    expected /= one["pdf1"] * one["pdf2"]
    assert weights[0, list(reweight.PDF_SETS).index(8)] == pytest.approx(expected, rel=1e-9)


def test_vanishing_densities_never_make_nan():
    info = {
        "id1": np.array([5, -3, 2]),
        "id2": np.array([-5, 21, 6]),
        "x1": np.array([0.999, 0.97, 0.1]),
        "x2": np.array([0.999, 1e-6, 0.1]),
        "Q2Fac": np.array([1e6, 2.0, 1e4]),
        "Q2Ren": np.array([1e6, 0.01, 1e4]),
    }
    for table in (reweight.scale_weights(info, 2), reweight.pdf_weights(info)):
        assert np.isfinite(table).all()
        assert table.min() >= 0
        assert table.max() <= reweight.MAX_WEIGHT


def test_no_events():
    info = {name: np.zeros(0) for name in _COLUMNS}
    assert reweight.scale_weights(info, 2).shape == (0, 9)
    assert reweight.pdf_weights(info, (13, 8)).shape == (0, 2)


def test_shower_weights_by_name(top_pairs):
    names = reweight.weight_names(top_pairs.pythia, top_pairs.weights.shape[1])
    weights = reweight.ps_weights(names, top_pairs.weights)
    assert weights.shape == (400, 4)
    assert weights.max() <= reweight.MAX_SHOWER_WEIGHT
    # the same variation under Pythia's own name of the setting
    for column, name in enumerate(("isr.murfac=2.0", "fsr.murfac=2.0", "isr.murfac=0.5", "fsr.murfac=0.5")):
        own = np.clip(top_pairs.weights[:, names.index(name)] / top_pairs.weights[:, 0], 0, 10)
        np.testing.assert_allclose(weights[:, column], own, rtol=1e-12)
    # a smaller scale means a larger coupling, and larger fluctuations
    assert weights[:, 3].std() > weights[:, 1].std()
    assert weights[:, 2].std() > weights[:, 0].std()
    # what is radiated more somewhere is radiated less elsewhere: the rate stays
    assert np.all(np.abs(weights.mean(axis=0) - 1) < 4 * weights.std(axis=0) / 20)


def test_outliers_and_zero_weights():
    names = ["Weight", "fsrUp", "fsrDn", "isrUp", "isrDn"]
    table = np.array([[2.0, 80.0, 1.0, -1.0, 2.0], [0.0, 1.0, 1.0, 1.0, 1.0]])
    np.testing.assert_allclose(
        reweight.ps_weights(names, table), [[1.0, 0.5, 0.0, 10.0], [1.0, 1.0, 1.0, 1.0]]
    )


def test_errors_name_what_is_missing(top_pairs):
    with pytest.raises(GenerationError, match="Q2Ren"):
        reweight.scale_weights({k: v for k, v in top_pairs.info.items() if k != "Q2Ren"}, 1)
    with pytest.raises(GenerationError, match="whole number"):
        reweight.scale_weights(top_pairs.info, -1)
    with pytest.raises(GenerationError, match="number 99"):
        reweight.pdf_weights(top_pairs.info, (13, 99))
    with pytest.raises(GenerationError, match="no set"):
        reweight.pdf_weights(top_pairs.info, ())
    with pytest.raises(GenerationError, match="isrup"):
        reweight.ps_weights(["weight", "fsrup"], np.ones((1, 2)))
    with pytest.raises(GenerationError, match="one per column"):
        reweight.ps_weights(["weight"], np.ones((1, 2)))
