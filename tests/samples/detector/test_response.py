"""Detector closure: efficiencies and resolutions measured on particle guns equal the card's, for every card.

What a card says at a point is worked out here in plain Python from the TOML file.
"""

from __future__ import annotations

import copy
import math
import tomllib

import numpy as np
import pytest

from massgap.samples.detector.card import CARD_FOLDER, load_card
from massgap.samples.detector.draws import EventRandom
from massgap.samples.detector.response import binned, energy_resolution, lognormal, reconstruct
from massgap.samples.detector.tagging import btag_efficiency
from massgap.samples.nanoaod.content import event_content

pytest.importorskip("fastjet")

# cards on top of another one have tests of what they change
CARDS = sorted(path.stem for path in CARD_FOLDER.glob("*.toml") if "\nbase =" not in path.read_text())
N = 20_000


def toml(name):
    return tomllib.loads((CARD_FOLDER / f"{name}.toml").read_text())


def at(values, edges, eta):
    """Value of a list binned in |eta|, 0 beyond the last edge."""
    for low, high, value in zip(edges, edges[1:], values, strict=False):
        if low <= abs(eta) < high:
            return value
    return 0.0


def tracking(table, pt, eta):
    rows = [row for edge, row in zip(table["pt"], table["values"], strict=True) if pt >= edge]
    value = at(rows[-1], table["eta"], eta) if rows else 0.0
    if pt > table.get("falloff_pt", math.inf):
        value *= math.exp(0.5 - 5e-4 * pt)
    return value


def track_sigma(table, pt, eta):
    inside = min(abs(eta), table["eta"][-1] - 1e-9)
    a, b = (at(table[key], table["eta"], inside) for key in ("constant", "slope"))
    c = at(table.get("root", [0.0] * len(table["constant"])), table["eta"], inside)
    return math.sqrt(a**2 + (b * pt) ** 2 + c**2 * pt * math.cosh(inside))


def deposit_sigma(table, energy, eta):
    """Absolute, in GeV."""
    a, b, c = (at(table[key], table["eta"], eta) for key in ("constant", "stochastic", "noise"))
    scale = at(table["scale"], table["eta"], eta) or [0.0, 0.0, 0.0]
    width = math.sqrt((a * energy) ** 2 + b**2 * energy + c**2)
    return (scale[0] + scale[1] * (abs(eta) - scale[2]) ** 2) * width


def close(count, total, probability):
    """Whether a count agrees with a binomial probability within 5 standard deviations."""
    return abs(count - total * probability) <= 5 * math.sqrt(total * probability * (1 - probability)) + 1e-9


def respond(guns, card, pdg, pt, eta, n=N, seed=1):
    record = guns.shots(pdg, pt, eta, n, seed)
    columns = ("event", "pdg", "charge", "px", "py", "pz", "energy", "mass")
    draws = EventRandom(seed).objects("particle", record.event)
    return reconstruct(**{name: getattr(record, name) for name in columns}, card=card, draws=draws)


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize(("pt", "eta"), [(40.0, 0.3), (5.0, -1.2), (150.0, 2.2)])
def test_tracks_close(guns, name, pt, eta):
    card, raw = load_card(name), toml(name)
    for kind, pdg, calorimeter in (("muon", 13, None), ("electron", -11, "ecal"), ("hadron", 211, "hcal")):
        seen = respond(guns, card, pdg, pt, eta)
        efficiency = tracking(raw["tracking"][kind], pt, eta)
        assert close(seen.track.sum(), N, efficiency), kind
        sigma = track_sigma(raw["momentum"][kind], pt, eta)
        energy = pt * math.cosh(eta)
        if calorimeter is not None:
            deposit = deposit_sigma(raw["calorimeter"][calorimeter], energy, eta) / energy
            sigma = min(sigma, deposit)
        else:
            assert seen.track.all()
        ratio = seen.pt[seen.track] / pt
        assert ratio.std() == pytest.approx(sigma, rel=0.04, abs=1e-12)
        assert ratio.mean() == pytest.approx(1.0, abs=5 * sigma / math.sqrt(N) + 1e-12)
        assert seen.eta == pytest.approx(eta)
        without = set(np.abs(seen.pdg[~seen.track]).tolist())
        assert without <= {"muon": set(), "electron": {22}, "hadron": {130}}[kind]


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize(("pt", "eta"), [(50.0, 0.4), (30.0, -2.0), (25.0, 4.0)])
def test_neutral_deposits_close(guns, name, pt, eta):
    card, raw = load_card(name), toml(name)["calorimeter"]
    energy, share = pt * math.cosh(eta), raw["sharing"]["strange_ecal"]
    expected = {
        22: deposit_sigma(raw["ecal"], energy, eta),
        130: deposit_sigma(raw["hcal"], energy, eta),
        310: math.hypot(
            deposit_sigma(raw["ecal"], share * energy, eta),
            deposit_sigma(raw["hcal"], (1 - share) * energy, eta),
        ),
    }
    for pdg, sigma in expected.items():
        seen = respond(guns, card, pdg, pt, eta)
        assert len(seen.pt) > 0.99 * N
        assert (seen.pt / pt).std() == pytest.approx(sigma / energy, rel=0.04, abs=1e-12)
        assert (seen.pt / pt).mean() == pytest.approx(1.0, abs=5 * sigma / energy / math.sqrt(N) + 1e-12)


@pytest.mark.parametrize("name", CARDS)
def test_neutrinos_and_neutralinos_leave_nothing(guns, name):
    for pdg in (12, -14, 16, 1000022, 1000039):
        assert not len(respond(guns, load_card(name), pdg, 50.0, 0.1, 100).pt)


def test_muon_efficiency_falls_above_a_tev(guns):
    seen = respond(guns, load_card("cms"), 13, 2000.0, 0.3)
    assert close(len(seen.pt), N, 0.99 * math.exp(-0.5))


def test_soft_deposits_keep_their_mean_energy():
    # sigma exceeds the energy here: a clipped Gaussian would be biased by 20 %
    found = lognormal(np.full(400_000, 1.1), np.random.default_rng(3).standard_normal(400_000))
    assert (found > 0).all()
    assert found.mean() == pytest.approx(1.0, rel=0.01)
    assert found.std() == pytest.approx(1.1, rel=0.05)


def test_nothing_is_measured_beyond_the_calorimeters(guns):
    card = copy.deepcopy(load_card("cms"))
    card["met"]["eta_max"] = 8.0
    card["tracking"]["hadron"] |= {"eta": [0.0, 8.0], "values": [[1.0], [1.0]]}
    for pdg in (22, 130, 310, -11):
        assert len(respond(guns, card, pdg, 30.0, 4.9, 100).pt) == 100
        assert not len(respond(guns, card, pdg, 30.0, 5.1, 100).pt)
    # but what has a track is measured by that
    seen = respond(guns, card, 211, 30.0, 5.1)
    assert seen.track.all()
    assert (seen.pt / 30.0).std() == pytest.approx(math.hypot(0.25, 3.1e-3 * 30), rel=0.04)


def test_deposits_below_threshold_are_lost(guns):
    card = load_card("cms")
    for pdg, threshold in ((22, 0.5), (130, 1.0)):
        found = respond(guns, card, pdg, 1.2 * threshold, 0.0)
        assert 0 < len(found.pt) < N
        assert found.pt.min() > threshold


def test_edges_of_bins():
    table = toml("cms")["tracking"]["hadron"]
    pt = np.array([0.05, 0.1, 0.99, 1.0, 500.0, 5.0, 5.0])
    eta = np.array([0.0, 0.0, 1.6, -1.4, 1.5, 2.5, -2.49])
    assert binned(table, pt, eta).tolist() == [0.0, 0.70, 0.60, 0.95, 0.85, 0.0, 0.85]
    beyond = energy_resolution(
        toml("cms")["calorimeter"]["ecal"], np.array([100.0, 100.0]), np.array([-3.0, 5.1])
    )
    assert beyond == pytest.approx([math.sqrt(0.107**2 * 100**2 + 2.08**2 * 100), 0.0])


def simulate(record, card, seed=5):
    return event_content(record, card, np.random.default_rng(seed), 1, 1)


@pytest.mark.parametrize("name", CARDS)
def test_identification_closes(guns, name):
    card, raw, n = load_card(name), toml(name), 1500
    for kind, pdg, collection, flag in (
        ("muon", 13, "Muon", "tightId"),
        ("electron", 11, "Electron", "mvaIso_WP90"),
        ("photon", 22, "Photon", "mvaID_WP90"),
    ):
        for eta in (0.7, -1.95, 2.45):
            found = simulate(guns.shots(pdg, 40.0, eta, n), card)[collection]
            there = 1.0 if kind == "photon" else tracking(raw["tracking"][kind], 40.0, eta)
            efficiency = at(raw[kind]["efficiency"], raw[kind]["eta"], eta)
            assert close(len(found["pt"]), n, there), (kind, eta)
            assert close(np.sum(found[flag]), len(found["pt"]), efficiency), (kind, eta)
            assert (found["genPartFlav"] == 1).all()
            assert (np.abs(found["pt"] / 40.0 - 1) < 1.5).all()
            if kind != "photon":
                assert (found["charge"] == -1).all()


@pytest.mark.parametrize("name", CARDS)
def test_misidentification_of_hadrons_closes(guns, name):
    card, raw, n = load_card(name), toml(name), 6000
    for eta in (0.5, -1.95):
        found = simulate(guns.shots(-211, 25.0, eta, n), card)
        there = tracking(raw["tracking"]["hadron"], 25.0, eta)
        for kind, collection, flag in (("muon", "Muon", "tightId"), ("electron", "Electron", "mvaIso_WP90")):
            rate = at(raw[kind]["misidentification"], raw[kind]["eta"], eta)
            objects = found[collection]
            assert close(len(objects["pt"]), n, there * rate), (kind, eta)
            assert np.all(objects[flag])
            assert (objects["genPartFlav"] == 0).all()
            assert (objects["genPartIdx"] == -1).all()
            assert (objects["charge"] == -1).all()


def test_misidentification_is_per_object_and_above_its_threshold(guns):
    card, n = copy.deepcopy(load_card("cms")), 4000
    for kind, rate in (("electron", 0.2), ("muon", 0.1), ("photon", 0.3)):
        card[kind]["misidentification"] = [rate] * (len(card[kind]["eta"]) - 1)
    found = simulate(guns.shots(211, 30.0, 0.2, n), card)
    assert close(len(found["Electron"]["pt"]), n, 0.95 * 0.2)
    assert close(len(found["Muon"]["pt"]), n, 0.95 * 0.1)
    assert close(len(found["Photon"]["pt"]), n, 0.05 * 0.3)
    assert (found["Electron"]["charge"] == 1).all()
    found = simulate(guns.shots(130, 30.0, 0.2, n), card)
    assert not len(found["Electron"]["pt"]) + len(found["Muon"]["pt"])
    photons = found["Photon"]
    # deposits measured below the threshold of photons stay what they are
    assert close(len(photons["pt"]), n, 0.3 * np.mean(respond(guns, card, 130, 30.0, 0.2, n).pt > 10.0))
    assert (photons["genPartFlav"] == 0).all()
    assert not np.any(photons["pixelSeed"])
    soft = simulate(guns.shots(211, 4.0, 0.2, n), card)
    assert (soft["Electron"]["pt"] > 5.0).all()
    assert (soft["Muon"]["pt"] > 3.0).all()
    # below the threshold of electrons only the muon is left
    assert len(soft["Muon"]["pt"]) > 5 * len(soft["Electron"]["pt"])


def jets_with(guns, n, pdg, pt, eta=0.3, seed=2):
    """One neutral hadron per event that carries all of a jet, and a decayed hadron of the flavour behind it."""
    event = np.repeat(np.arange(n), 2)
    phi = np.repeat(np.random.default_rng(seed).uniform(-3, 3, n), 2)
    mother = np.where(np.arange(2 * n) % 2, np.arange(2 * n) - 1, -1)
    return guns.record_of(n, event, np.tile([pdg, 130], n), np.tile([-2, 1], n), mother, pt, eta, phi)


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize(("pdg", "flavour"), [(511, 5), (411, 4), (113, 0)])
def test_b_tags_close(guns, name, pdg, flavour):
    card, table, n = load_card(name), toml(name)["btag"], 2500
    jets = simulate(jets_with(guns, n, pdg, 90.0), card)["Jet"]
    assert len(jets["pt"]) > 0.99 * n
    assert (jets["hadronFlavour"] == flavour).all()
    if flavour:
        a, b, c, d = table["b" if flavour == 5 else "c"]
        expected = [a * math.tanh(b * pt) * c / (1 + d * pt) for pt in jets["pt"].tolist()]
    else:
        expected = [table["light"][0] + table["light"][1] * pt for pt in jets["pt"].tolist()]
    # the probability travels along, for weights of another efficiency
    assert jets["btagEff"].tolist() == pytest.approx(np.clip(expected, 0, 1).tolist())
    tagged = int(np.sum(jets["btagDeepFlavB"] > table["working_point"]))
    spread = math.sqrt(sum(p * (1 - p) for p in expected))
    assert abs(tagged - sum(expected)) <= 5 * spread + 1e-9


def test_b_tags_end_with_the_tracker():
    found = btag_efficiency(
        np.array([5, 5]), np.array([100.0, 100.0]), np.array([1.0, 2.6]), load_card("cms")
    )
    assert found.tolist() == pytest.approx([0.85 * math.tanh(0.25) * 25 / 7.3, 0.0])


def tau_jets(guns, n, prongs, real=True):
    """Taus of the given number of collinear pions, or pions without a tau."""
    size = prongs + 1
    event = np.repeat(np.arange(n), size)
    phi = np.repeat(np.random.default_rng(4).uniform(-3, 3, n), size)
    first = np.repeat(np.arange(n) * size, size)
    is_tau = np.arange(n * size) % size == 0
    pdg = np.where(is_tau, 15 if real else 113, np.where(np.arange(n * size) % size == 2, 211, -211))
    pt = np.where(is_tau, 90.0, 90.0 / prongs)
    return guns.record_of(n, event, pdg, np.where(is_tau, -2, 1), np.where(is_tau, -1, first), pt, 0.3, phi)


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("prongs", [1, 3])
def test_tau_tags_close(guns, name, prongs):
    card, n = load_card(name), 2500
    found = simulate(tau_jets(guns, n, prongs), card)
    usable = int(np.sum(found["Jet"]["pt"] > 20.0)) - _leptons(found)
    assert close(len(found["Tau"]["pt"]), usable, toml(name)["tautag"]["efficiency"][prongs > 1])
    taus = found["Tau"]
    assert (taus["genPartFlav"] == 5).all()
    assert (taus["charge"] == -1).all()
    assert (taus["decayMode"] == (10 if prongs == 3 else 0)).all()
    assert found["GenVisTau"]["pt"] == pytest.approx([90.0] * n)


def _leptons(found):
    """Jets that are a misidentified electron or muon are no tau candidates."""
    jet = found["Jet"]
    return int(np.sum(jet["muEF"] + jet["chEmEF"] > 0.5))


@pytest.mark.parametrize("name", ["cms", "atlas", "perfect"])
def test_tau_misidentification_closes_by_tracks(guns, name):
    card, n = load_card(name), 8000
    rates = toml(name)["tautag"]["misidentification"]
    for number in (1, 3, 5):
        found = simulate(tau_jets(guns, n, number, real=False), card)
        # a pion is lost with the inefficiency of tracking: its jet counts as one of fewer tracks
        p = tracking(toml(name)["tracking"]["hadron"], 90.0 / number, 0.3)
        chance = [math.comb(number, k) * p**k * (1 - p) ** (number - k) for k in range(number + 1)]
        rate = sum(c * rates[{1: 0, 2: 1, 3: 1}.get(k, 2)] for k, c in enumerate(chance))
        usable = int(np.sum(found["Jet"]["pt"] > 20.0))
        assert close(len(found["Tau"]["pt"]), usable, rate), number
        assert (found["Tau"]["genPartFlav"] == 0).all()
        assert set(found["Tau"]["charge"].tolist()) <= {-1, 1}


def test_jets_are_smeared_by_the_card(guns):
    n, pt = 4000, 120.0
    raw = toml("hl-lhc")
    record = jets_with(guns, n, 113, pt)
    found = simulate(record, load_card("hl-lhc"))
    energy = pt * math.cosh(0.3)
    particle = deposit_sigma(raw["calorimeter"]["hcal"], energy, 0.3) / energy
    for name, radius in (("Jet", 0.4), ("FatJet", 0.8), ("WideJet", 1.0)):
        noise = raw["jet"]["smearing"]["noise"][0] * radius / 0.4 / pt
        jets = found[name]["pt"]
        assert len(jets) > 0.95 * n
        keep = jets / pt
        # fat jets begin at 70 GeV, 2.2 standard deviations below: the width of what is left is a little smaller
        assert keep.std() == pytest.approx(math.hypot(particle, noise), rel=0.05), name
    # the change of the jets is in the missing momentum
    plain = copy.deepcopy(load_card("hl-lhc"))
    plain["met"]["soft_sigma"] = 0.0
    found = simulate(record, plain)
    jet, one = found["Jet"], found["Jet"]["_counts"] == 1
    met = found["MET_pt"][one]
    at_one = one[jet["_event"]]
    assert np.abs(met - jet["pt"][at_one]).max() < 1e-6
    assert (found["Jet"]["rawFactor"] != 0).all()


def test_a_scale_moves_the_jets(guns):
    card = copy.deepcopy(load_card("perfect"))
    card["jet"]["smearing"] = {
        "source": "test",
        "eta": [0.0, 1.0, 5.0],
        "scale": [0.9, 1.2],
        "noise": [0.0, 0.0],
        "stochastic": [0.0, 0.0],
        "constant": [0.0, 0.0],
    }
    for eta, factor in ((0.3, 0.9), (-2.0, 1.2)):
        found = simulate(jets_with(guns, 20, 113, 100.0, eta), card)
        assert found["Jet"]["pt"] == pytest.approx(100.0 * factor)
        assert found["Jet"]["pt"] * (1 - found["Jet"]["rawFactor"]) == pytest.approx(100.0)
        assert found["MET_pt"] == pytest.approx(100.0 * factor)
    # 15 GeV is the threshold after the correction
    assert not len(simulate(jets_with(guns, 20, 113, 16.0, 0.3), card)["Jet"]["pt"])
    assert len(simulate(jets_with(guns, 20, 113, 13.0, 2.0), card)["Jet"]["pt"]) == 20


@pytest.mark.parametrize("name", CARDS)
def test_soft_term_of_missing_momentum_closes(guns, name):
    n = 4000
    found = simulate(guns.shots(12, 60.0, 0.1, n), load_card(name))
    sigma = toml(name)["met"]["soft_sigma"]
    for axis in (np.cos, np.sin):
        soft = found["MET_pt"] * axis(found["MET_phi"])
        assert soft.std() == pytest.approx(sigma, rel=0.06, abs=1e-12)
        assert soft.mean() == pytest.approx(0.0, abs=5 * sigma / math.sqrt(n) + 1e-12)
    assert found["GenMET_pt"] == pytest.approx(60.0)


def test_isolation_is_the_sum_in_the_cone(guns):
    record = guns.crowd(40, seed=3)
    card = load_card("cms")
    content = simulate(record, card)
    columns = ("event", "pdg", "charge", "px", "py", "pz", "energy", "mass")
    stable = record.visible
    draws = EventRandom.from_generator(np.random.default_rng(5), 1).objects("particle", record.event[stable])
    seen = reconstruct(**{key: getattr(record, key)[stable] for key in columns}, card=card, draws=draws)
    checked = 0
    for collection, names in (
        ("Muon", {"pfRelIso04_all": 0.4, "pfRelIso03_all": 0.3}),
        ("Electron", {"pfRelIso03_all": 0.3}),
        ("Photon", {"pfRelIso03_all": 0.3}),
    ):
        objects = content[collection]
        for k, own in enumerate(objects["_candidate"].tolist()):
            for name, cone in names.items():
                total = 0.0
                for j in range(len(seen.pt)):
                    if j == own or seen.event[j] != objects["_event"][k] or seen.pt[j] <= 0.5:
                        continue
                    dphi = math.remainder(seen.phi[j] - objects["phi"][k], 2 * math.pi)
                    if math.hypot(seen.eta[j] - objects["eta"][k], dphi) < cone:
                        total += seen.pt[j]
                assert objects[name][k] == pytest.approx(total / objects["pt"][k])
                checked += total > 0
    assert checked > 50


def test_perfect_gives_back_the_truth(guns):
    record = guns.crowd(60, seed=8)
    content = simulate(record, load_card("perfect"))
    stable = record.visible
    pt, eta, phi = record.pt_eta_phi(stable)
    for collection, number, pt_min in (("Muon", 13, 3.0), ("Electron", 11, 3.0)):
        truth = np.flatnonzero((np.abs(record.pdg[stable]) == number) & (pt > pt_min))
        order = truth[np.lexsort((-pt[truth], record.event[stable][truth]))]
        objects = content[collection]
        assert objects["pt"] == pytest.approx(pt[order], rel=1e-12)
        assert objects["eta"] == pytest.approx(eta[order], rel=1e-12)
        assert objects["phi"] == pytest.approx(phi[order], rel=1e-12)
        assert objects["charge"].tolist() == record.charge[stable][order].tolist()
        assert objects["_event"].tolist() == record.event[stable][order].tolist()
    assert all(
        np.all(content[name][flag]) for name, flag in (("Muon", "tightId"), ("Electron", "mvaIso_WP80"))
    )
    for jets, truth, low in (("Jet", "GenJet", 15.0), ("FatJet", "GenJetAK8", 70.0)):
        gen = content[truth]
        hard = gen["pt"] > low
        assert hard.sum() > 50
        for key in ("pt", "eta", "phi", "mass"):
            assert content[jets][key] == pytest.approx(gen[key][hard], rel=1e-9, abs=1e-5), (jets, key)
    # no particles but these balance the events: the missing momentum is minus their sum
    for axis, trigonometric in (("px", np.cos), ("py", np.sin)):
        total = np.bincount(record.event[stable], getattr(record, axis)[stable])
        assert content["MET_pt"] * trigonometric(content["MET_phi"]) == pytest.approx(-total, abs=1e-9)
    tagged = content["Jet"]["btagDeepFlavB"] > 0.2783
    assert tagged.tolist() == (content["Jet"]["hadronFlavour"] == 5).tolist()
    assert tagged.any()
    assert not tagged.all()
    assert (content["Tau"]["genPartFlav"] == 5).all()


def test_photons_of_the_cascade_search_begin_at_4_gev(guns):
    content = simulate(guns.shots(22, 6.0, 0.5, 2000), load_card("cascade"))
    assert 0.8 < len(content["Photon"]["pt"]) / 2000 < 1.0
    assert content["Photon"]["pt"].min() > 4.0
    assert len(content["GenPart"]["pt"]) == 2000


def test_a_batch_may_be_cut_anywhere(guns):
    """The same events in one batch or in three, and after other events were simulated with the same generator."""
    record = guns.crowd(30, seed=4)
    for name in ("cms", "hl-lhc"):
        card = load_card(name)
        whole = simulate(record, card)
        rng = np.random.default_rng(5)
        parts, first = [], 1
        for low, high in ((0, 7), (7, 8), (8, 30)):
            keep = (np.arange(30) >= low) & (np.arange(30) < high)
            parts.append(event_content(record.select(keep), card, rng, 1, first))
            first += high - low
        for key, value in whole.items():
            if isinstance(value, dict):
                for column in value:
                    if not column.startswith("_") or column == "_counts":
                        joined = np.concatenate([part[key][column] for part in parts])
                        np.testing.assert_array_equal(joined, value[column], err_msg=f"{key}.{column}")
            else:
                np.testing.assert_array_equal(
                    np.concatenate([part[key] for part in parts]), value, err_msg=key
                )
    other = event_content(record, card, np.random.default_rng(6), 1, 1)
    assert (other["MET_pt"] != whole["MET_pt"]).all()


def test_jets_name_the_leptons_inside(guns):
    record = guns.crowd(40, seed=9)
    content = simulate(record, load_card("perfect"))
    jets, found = content["Jet"], 0
    jet_first = np.concatenate(([0], np.cumsum(content["Jet"]["_counts"])))
    for name, objects in (("muonIdx", content["Muon"]), ("electronIdx", content["Electron"])):
        first = np.concatenate(([0], np.cumsum(objects["_counts"])))
        expected = {}
        for k in range(len(objects["pt"])):
            event = objects["_event"][k]
            if objects["jetIdx"][k] >= 0:
                expected.setdefault(int(jet_first[event] + objects["jetIdx"][k]), []).append(
                    int(k - first[event])
                )
        for row in range(len(jets["pt"])):
            inside = [*expected.get(row, []), -1, -1]
            assert [jets[f"{name}1"][row], jets[f"{name}2"][row]] == inside[:2]
            found += inside[1] >= 0
    assert found > 5
    fractions = sum(jets[key] for key in ("chHEF", "neHEF", "chEmEF", "neEmEF", "muEF"))
    assert fractions == pytest.approx(1.0)


def test_no_events_give_no_content(guns):
    record = guns.crowd(3).select(np.zeros(3, dtype=bool))
    content = simulate(record, load_card("hl-lhc"))
    assert all(not len(content[name]["pt"]) for name in ("Muon", "Jet", "WideJet", "GenPart"))
    assert not len(content["MET_pt"])
