"""Spectra: what is asked for is what Pythia reads and decays."""

from __future__ import annotations

import math

import numpy as np
import pytest

from massgap.samples.physics import electroweakino_spectra as winos
from massgap.samples.physics.spectra import smuon_settings, smuon_slha
from massgap.samples.record import from_batch


def _generate(slha, lines, n, tmp_path, sqrt_s=13600.0, settings=("HadronLevel:all = off",)):
    pythia8mc = pytest.importorskip("pythia8mc")
    spectrum = tmp_path / "spectrum.slha"
    spectrum.write_text(slha)
    pythia = pythia8mc.Pythia("", False)
    common = ("Print:quiet = on", "SLHA:verbose = 0", "Random:setSeed = on", "Random:seed = 21")
    fast = ("PartonLevel:MPI = off", "PartonLevel:ISR = off", "PartonLevel:FSR = off", *settings)
    for line in (*common, *fast, f"Beams:eCM = {sqrt_s}", *lines, f"SLHA:file = {spectrum}"):
        assert pythia.readString(line), line
    assert pythia.init()
    batch = pythia.nextBatch(n, errorMode="skip")
    assert len(batch) > 0.99 * n
    return from_batch(batch, {}, pythia.particleData.charge), pythia


def _children(record, parent):
    """Rows of what particles of a kind decay to, and the PDG numbers with the parent's sign divided out."""
    mother = np.where(record.mother >= 0, record.pdg[record.mother], 0)
    rows = np.flatnonzero((np.abs(mother) == parent) & (np.abs(record.pdg) != parent))
    return rows, record.pdg[rows] * np.sign(mother[rows])


@pytest.mark.parametrize("chirality", ["left", "right"])
def test_smuon_pairs(chirality, tmp_path):
    record, _ = _generate(
        smuon_slha(200.0, 150.0, chirality), smuon_settings(chirality), 200, tmp_path, 13000.0
    )
    smuon = 1000013 if chirality == "left" else 2000013
    rows, kinds = _children(record, smuon)
    assert sorted(set(kinds.tolist())) == [-1000022, 13, 1000022]
    assert np.count_nonzero(np.abs(record.pdg[rows]) == 13) == 2 * record.n_events
    np.testing.assert_allclose(record.mass[rows[kinds > 1000]], 150.0, atol=1e-3)


@pytest.mark.parametrize(("m", "dm"), [(100.0, 0.5), (100.0, 75.0), (1100.0, 0.5), (1100.0, 75.0)])
@pytest.mark.parametrize("model", winos.MODELS)
def test_winos_at_the_corners_of_the_plane(m, dm, model, tmp_path):
    for channel in winos.CHANNELS:
        record, _ = _generate(
            winos.electroweakino_slha(m, dm, model),
            winos.electroweakino_settings(m, dm, channel, model),
            100,
            tmp_path,
        )
        for kind, count, mass in (
            (winos.LSP, 2, m - dm),
            (winos.N2, 1 if channel == "N2C1" else 0, m),
            (winos.C1, 1 if channel == "N2C1" else 2, m),
        ):
            state = record.final if kind == winos.LSP else record.status == -22
            first = (np.abs(record.pdg) == kind) & state
            np.testing.assert_array_equal(np.bincount(record.event[first], minlength=record.n_events), count)
            np.testing.assert_allclose(record.mass[first], mass, atol=1e-2)


def test_branching_ratios_are_those_asked_for(tmp_path):
    m, dm, n = 200.0, 8.0, 2000
    record, _ = _generate(
        winos.electroweakino_slha(m, dm), winos.electroweakino_settings(m, dm, "N2C1"), n, tmp_path
    )
    for parent, table in (
        (winos.N2, winos.neutralino_branching(m, m - dm)),
        (winos.C1, winos.chargino_branching(m, m - dm)),
    ):
        assert sum(table.values()) == pytest.approx(1.0)
        _, kinds = _children(record, parent)
        for products, share in table.items():
            if abs(products[1]) not in (11, 13, 15):
                continue
            found = np.count_nonzero(kinds == products[1]) / record.n_events
            assert found == pytest.approx(share, abs=4 * math.sqrt(share / n)), products


def test_large_gaps_share_like_a_boson_on_its_shell():
    """At 29.9 GeV all but b and tau thresholds are far: leptons near 3.4 % (Z*) and 11 % (W*)."""
    neutral, charged = (f(500.0, 470.1) for f in (winos.neutralino_branching, winos.chargino_branching))
    assert neutral[(winos.LSP, 13, -13)] == pytest.approx(0.0345, abs=0.003)
    invisible = sum(neutral[(winos.LSP, kind, -kind)] for kind in (12, 14, 16))
    # T3^2 against g_L^2 + g_R^2 at sin^2 = 0.2312
    assert invisible / neutral[(winos.LSP, 13, -13)] == pytest.approx(
        3 * 0.25 / (0.2688**2 + 0.2312**2), rel=1e-3
    )
    assert charged[(winos.LSP, -13, 14)] == pytest.approx(1 / 9, abs=0.004)


def test_small_gaps_decay_to_one_pion():
    """Gamma(pi) / Gamma(e nu) of a wino with a heavy daughter: 15 pi^2 f^2 |V_ud|^2 / dm^2 sqrt(1 - m_pi^2/dm^2)."""
    dm = 0.4
    table = winos.chargino_branching(1.0e4, 1.0e4 - dm)
    f = math.sqrt(2) * 0.0922
    expected = 15 * math.pi**2 * f**2 * 0.9496 / dm**2 * math.sqrt(1 - (0.13957 / dm) ** 2)
    assert table[(winos.LSP, 211)] / table[(winos.LSP, -11, 12)] == pytest.approx(expected, rel=0.01)


def test_hadrons_change_smoothly_from_pions_to_quarks():
    below, above = winos.PIONS_BELOW - 1e-3, winos.PIONS_BELOW + 1e-3
    for branching, lepton in ((winos.neutralino_branching, (13, -13)), (winos.chargino_branching, (-13, 14))):
        low, high = (branching(300.0, 300.0 - dm)[(winos.LSP, *lepton)] for dm in (below, above))
        assert low == pytest.approx(high, rel=0.02)


def test_low_gap_hadrons_hadronise(tmp_path):
    for dm in (0.5, 1.6, 4.0):
        slha = winos.electroweakino_slha(200.0, dm)
        record, _ = _generate(
            slha, winos.electroweakino_settings(200.0, dm, "C1C1"), 200, tmp_path, settings=()
        )
        assert record.n_events >= 198


def test_sleptons_share_flavours_and_keep_the_endpoint(tmp_path):
    m, dm, middle = 300.0, 60.0, 285.0
    record, _ = _generate(
        winos.electroweakino_slha(m, dm, "slepton", m_slepton=middle),
        winos.electroweakino_settings(m, dm, "N2C1", "slepton"),
        1000,
        tmp_path,
    )
    _, kinds = _children(record, winos.N2)
    charged = [np.count_nonzero(np.abs(kinds) == kind) / record.n_events for kind in (11, 13, 15)]
    np.testing.assert_allclose(charged, 1 / 6, atol=0.05)
    assert sum(charged) == pytest.approx(0.5, abs=0.06)
    parent = np.where(record.mother >= 0, np.abs(record.pdg[record.mother]), 0)
    muons = np.flatnonzero((np.abs(record.pdg) == 13) & np.isin(parent, (winos.N2, 1000013)))
    total = np.zeros((record.n_events, 5))
    # muons of a chargino's slepton have a neutrino beside them: keep events with two muons from N2's side
    for k, name in enumerate(("energy", "px", "py", "pz")):
        np.add.at(total[:, k], record.event[muons], getattr(record, name)[muons])
    np.add.at(total[:, 4], record.event[muons], 1.0)
    from_n2 = np.zeros(record.n_events, dtype=bool)
    from_n2[record.event[(np.abs(record.pdg) == 13) & (parent == winos.N2)]] = True
    pair = from_n2 & (total[:, 4] == 2)
    mll = np.sqrt(total[pair, 0] ** 2 - (total[pair, 1:4] ** 2).sum(axis=1))
    endpoint = math.sqrt((m**2 - middle**2) * (middle**2 - (m - dm) ** 2)) / middle
    assert 0.9 * endpoint < mll.max() < endpoint + 0.1
    # a triangle: the mean is two thirds of the endpoint
    assert mll.mean() == pytest.approx(2 / 3 * endpoint, rel=0.07)


def test_closed_taus_leave_the_other_flavours():
    lines = winos.electroweakino_slha(200.0, 2.0, "slepton").splitlines()
    start = lines.index("DECAY 1000023 1.0e-05")
    table = lines[start + 1 : next(i for i in range(start + 1, len(lines)) if lines[i].startswith("DECAY"))]
    assert not any("15" in line.split()[2:] or "-15" in line.split()[2:] for line in table)
    assert sum(float(line.split()[0]) for line in table) == pytest.approx(1.0, abs=1e-6)
    assert not any(line.startswith("DECAY 1000015") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"m": 200, "dm": 0.1}, "mass gap"),
        ({"m": 200, "dm": 201}, "mass gap"),
        ({"m": float("nan"), "dm": 1}, "m must be"),
        ({"m": 200, "dm": -1}, "dm must be"),
        ({"m": 200, "dm": 10, "model": "higgs"}, "model"),
        ({"m": 200, "dm": 10, "sign": 2}, "sign"),
        ({"m": 200, "dm": 10, "m_slepton": 195}, "no meaning"),
        ({"m": 200, "dm": 10, "model": "slepton", "m_slepton": 205}, "between"),
        ({"m": 200, "dm": 10, "model": "slepton", "m_slepton": 190}, "between"),
    ],
)
def test_errors_of_winos(arguments, word):
    with pytest.raises(ValueError, match=word):
        winos.electroweakino_slha(**arguments)


def test_errors_of_smuons_and_settings():
    with pytest.raises(ValueError, match="cannot decay"):
        smuon_slha(100.0, 99.95)
    with pytest.raises(ValueError, match="chirality"):
        smuon_settings("up")
    with pytest.raises(ValueError, match="m_lsp"):
        smuon_slha(100.0, -1.0)
    with pytest.raises(ValueError, match="channel"):
        winos.electroweakino_settings(200.0, 20.0, "N3C1")
    with pytest.raises(ValueError, match="model"):
        winos.electroweakino_settings(200.0, 20.0, model="higgs")
