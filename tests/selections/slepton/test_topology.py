"""The compiled pass of the slepton topology against the same steps written with awkward arrays."""

from __future__ import annotations

import itertools
import math
from typing import Any

import awkward as ak
import numpy as np
import pytest
from massgap.selections.slepton.topology import Cuts, Found, slepton_topology

from massgap.events.errors import MissingBranchError
from massgap.events.event import Event
from massgap.selections.objects.definitions import (
    away_from,
    select_electrons,
    select_jets,
    select_muons,
    select_taus,
)
from massgap.selections.objects.pairs import opposite_sign_pair

N = 20_000
F4 = np.float32
SWITCHES = ("use_electrons", "use_b_jets", "use_taus", "use_met")


def above(x: float) -> np.float32:
    return np.nextafter(F4(x), F4(np.inf))


def below(x: float) -> np.float32:
    return np.nextafter(F4(x), F4(0))


def nasty(seed: int, n: int = N) -> dict[str, Any]:
    """Columns of NanoAOD in single precision: ordinary values mixed with thresholds, ties and the seam of phi."""
    rng = np.random.default_rng(seed)

    def mixed(size: int, odd: list[Any], share: float, ordinary: Any) -> np.ndarray:
        return np.where(rng.random(size) < share, rng.choice(F4(odd), size), F4(ordinary)).astype(F4)

    def collection(
        counts: np.ndarray, pts: list[Any], scale: float, etas: list[Any]
    ) -> dict[str, np.ndarray]:
        k = int(counts.sum())
        return {
            "pt": mixed(k, pts, 0.3, 9 + rng.exponential(scale, k)),
            "eta": mixed(k, etas, 0.15, rng.normal(0, 1.2, k)),
            "phi": mixed(
                k, [math.pi, -math.pi, 3.14, -3.14, 0.0, 6.28], 0.2, rng.uniform(-math.pi, math.pi, k)
            ),
        }

    def edges(*xs: float) -> list[Any]:
        return [y for x in xs for y in (F4(x), above(x), below(x))]

    counts = {
        "Muon": rng.choice([0, 1, 2, 3, 4], n, p=[0.03, 0.03, 0.8, 0.12, 0.02]),
        "Electron": rng.choice([0, 1, 2], n, p=[0.75, 0.2, 0.05]),
        "Jet": rng.choice([0, 1, 2, 3, 4], n, p=[0.08, 0.5, 0.25, 0.12, 0.05]),
        "Tau": rng.choice([0, 1, 2], n, p=[0.75, 0.2, 0.05]),
    }
    lepton_eta = [0.0, *edges(2.5), *(-x for x in edges(2.5))]
    flat = {
        "Muon": collection(counts["Muon"], [40.0, *edges(10)], 30, lepton_eta),
        "Electron": collection(counts["Electron"], edges(10), 20, lepton_eta),
        "Jet": collection(counts["Jet"], [50.0, *edges(20, 30)], 20, [*lepton_eta, *edges(4.5)]),
        "Tau": collection(counts["Tau"], edges(20), 25, lepton_eta),
    }
    size = {name: len(x["pt"]) for name, x in flat.items()}
    flat["Muon"] |= {
        "charge": rng.choice([-1, 1], size["Muon"]),
        "pfRelIso04_all": mixed(
            size["Muon"], [*edges(0.25), np.inf], 0.1, rng.exponential(0.05, size["Muon"])
        ),
        "mediumId": rng.random(size["Muon"]) < 0.97,
    }
    flat["Electron"] |= {
        "charge": rng.choice([-1, 1], size["Electron"]),
        "pfRelIso03_all": mixed(
            size["Electron"], [*edges(0.15), np.inf], 0.2, rng.exponential(0.06, size["Electron"])
        ),
        "cutBased": rng.choice([0, 1, 2, 3], size["Electron"]),
    }
    flat["Jet"] |= {
        "btagDeepFlavB": mixed(
            size["Jet"], [*edges(0.2783), np.nan, -1.0], 0.1, rng.beta(0.3, 3.0, size["Jet"])
        ),
        "jetId": rng.choice([0, 2, 6], size["Jet"], p=[0.05, 0.05, 0.9]),
    }
    flat["Tau"] |= {"idDeepTau2018v2p5VSjet": rng.choice([4, 5, 6], size["Tau"])}
    flat["Tau"]["charge"] = rng.choice([-1, 1], size["Tau"])
    for name in ("Jet", "Tau"):
        flat[name]["mass"] = np.ones(size[name], dtype=F4)
    offsets = {name: np.concatenate([[0], np.cumsum(c)]) for name, c in counts.items()}
    # Jets and taus on top of leptons, also across the seam of phi, at distances about 0.4.
    for name, other in itertools.product(("Jet", "Tau"), ("Muon", "Electron")):
        for i in np.flatnonzero((counts[name] > 0) & (counts[other] > 0) & (rng.random(n) < 0.25)):
            k = rng.integers(offsets[name][i], offsets[name][i + 1])
            m = rng.integers(offsets[other][i], offsets[other][i + 1])
            flat[name]["eta"][k] = flat[other]["eta"][m] + rng.choice(F4([0, 0.4, -0.4, 0.39, -0.39]))
            phi = flat[other]["phi"][m]
            flat[name]["phi"][k] = -phi if abs(phi) > 3.14 else phi + F4(rng.choice([0, 0.05]))
    columns: dict[str, Any] = {
        f"{name}_{field}": ak.unflatten(values, counts[name])
        for name, fields in flat.items()
        for field, values in fields.items()
    }
    columns["MET_pt"] = mixed(n, edges(30), 0.2, rng.exponential(60, n))
    columns["MET_phi"] = rng.uniform(-math.pi, math.pi, n).astype(F4)
    columns |= {name: np.arange(n) for name in ("run", "luminosityBlock", "event")}
    return columns


def as_double(columns: dict[str, Any]) -> dict[str, Any]:
    single = {
        k: "float32" in str(v.type) if isinstance(v, ak.Array) else v.dtype == F4 for k, v in columns.items()
    }
    return {k: (ak.values_astype(v, np.float64) if single[k] else v) for k, v in columns.items()}


def event_of(columns: dict[str, Any]) -> Event:
    return Event(ak.zip(columns, depth_limit=1))


def records(columns: dict[str, Any], name: str, **fields: Any) -> ak.Array:
    """Jagged records by falling pT, which know their place in the flat arrays."""
    parts = {f: ak.values_astype(columns[f"{name}_{f}"], np.float64) for f in ("pt", "eta", "phi")}
    parts["index"] = ak.local_index(parts["pt"]) + (np.cumsum(ak.num(parts["pt"])) - ak.num(parts["pt"]))
    out = ak.zip(parts | fields)
    return out[ak.argsort(out.pt, ascending=False, stable=True)]


def reference(columns: dict[str, Any], cuts: Cuts) -> tuple[np.ndarray, dict[str, list[Any]]]:
    """The steps of the paper with whole arrays; jets at the end are those that the observables use."""
    double = as_double(columns)
    muons = records(
        columns,
        "Muon",
        charge=columns["Muon_charge"],
        isolation=double["Muon_pfRelIso04_all"],
        identified=columns["Muon_mediumId"],
    )
    electrons = records(
        columns,
        "Electron",
        isolation=double["Electron_pfRelIso03_all"],
        identified=columns["Electron_cutBased"] >= 2,
    )
    jets = records(
        columns,
        "Jet",
        b_tagged=columns["Jet_btagDeepFlavB"] > 0.2783,
        identified=(columns["Jet_jetId"] & 2) != 0,
    )
    taus = records(columns, "Tau", identified=columns["Tau_idDeepTau2018v2p5VSjet"] >= 5)
    muons, electrons = select_muons(muons, pt=cuts.muon_pt), select_electrons(electrons)
    jets = away_from(select_jets(jets, pt=cuts.jet_pt), muons)
    jets = away_from(jets, electrons)
    taus = away_from(select_taus(taus), muons)
    hard = jets[jets.pt > cuts.hard_jet_pt]
    central = jets[abs(jets.eta) < 2.5]
    steps = [opposite_sign_pair(muons)]
    if cuts.use_electrons:
        steps.append(ak.num(electrons) == 0)
    steps.append((ak.num(hard) == 1) & ak.all(abs(hard.eta) < 2.5, axis=1))
    if cuts.use_b_jets:
        steps.append(~ak.any(central.b_tagged, axis=1))
    if cuts.use_taus:
        steps.append(ak.num(taus) == 0)
    if cuts.use_met:
        steps.append(double["MET_pt"] > cuts.met)
    passes = np.cumprod(np.array([np.asarray(s, dtype=np.int64) for s in steps]), axis=0)
    reached = passes.sum(axis=0)
    good = passes[-1] == 1
    return reached, {
        "events": np.flatnonzero(good).tolist(),
        "l1": muons.index[good][:, 0].tolist(),
        "l2": muons.index[good][:, 1].tolist(),
        "jet": jets.index[good][:, 0].tolist(),
        "ht": ak.sum(jets.pt[good], axis=1).tolist(),
    }


def compare(found: Found, columns: dict[str, Any], cuts: Cuts) -> None:
    reached, true = reference(columns, cuts)
    assert found.reached.tolist() == reached.tolist()
    for name in ("events", "l1", "l2", "jet"):
        assert getattr(found, name).tolist() == true[name], name
    np.testing.assert_allclose(found.ht, true["ht"], rtol=1e-12)


@pytest.fixture(scope="module")
def columns() -> dict[str, Any]:
    return nasty(1)


@pytest.fixture(scope="module")
def double(columns) -> Event:
    return event_of(as_double(columns))


@pytest.fixture(scope="module")
def single(columns) -> Event:
    return event_of(columns)


@pytest.mark.parametrize("on", list(itertools.product([True, False], repeat=4)))
def test_every_combination_of_steps(columns, single, double, on) -> None:
    cuts = Cuts(**dict(zip(SWITCHES, on, strict=True)))
    found = slepton_topology(single, cuts)
    compare(found, columns, cuts)
    # Single precision turns into double without a loss: not one bit is different.
    for a, b in zip(found, slepton_topology(double, cuts), strict=True):
        assert a.tobytes() == b.tobytes()
    # The test is one only if all ways of failing occur.
    steps = 2 + sum(on)
    assert np.bincount(found.reached, minlength=steps + 1).min() > 40
    assert len(found.events) > 300


def test_other_thresholds(columns, single) -> None:
    cuts = Cuts(muon_pt=25.0, jet_pt=30.0, hard_jet_pt=50.0, met=80.0)
    compare(slepton_topology(single, cuts), columns, cuts)
    # A hard jet below the threshold of jets is none.
    cuts = Cuts(jet_pt=40.0, hard_jet_pt=30.0)
    compare(slepton_topology(single, cuts), columns, cuts)


def test_replaced_collections_and_cut_events(columns, single) -> None:
    """Objects of shifted events come by falling pT and in double precision."""
    cuts = Cuts()
    whole = slepton_topology(single, cuts)
    replaced = slepton_topology(single.with_(jets=single.jets, muons=single.muons), cuts)
    for name in ("reached", "events"):
        assert getattr(replaced, name).tolist() == getattr(whole, name).tolist()
    np.testing.assert_allclose(replaced.ht, whole.ht, rtol=1e-14)
    mask = np.arange(N) % 3 == 0
    assert slepton_topology(single[mask], cuts).reached.tolist() == whole.reached[mask].tolist()


def one(**change: Any) -> Found:
    """One event in double precision that passes everything, changed."""
    given: dict[str, Any] = {
        "Muon_pt": [50.0, 40.0],
        "Muon_eta": [0.0, 1.5],
        "Muon_phi": [0.0, 2.0],
        "Muon_charge": [1, -1],
        "Muon_pfRelIso04_all": [0.0, 0.0],
        "Muon_mediumId": [True, True],
        **{f"Electron_{f}": [] for f in ("pt", "eta", "phi", "charge", "pfRelIso03_all", "cutBased")},
        "Jet_pt": [60.0],
        "Jet_eta": [-1.0],
        "Jet_phi": [-2.0],
        "Jet_btagDeepFlavB": [0.0],
        "Jet_jetId": [6],
        **{f"Tau_{f}": [] for f in ("pt", "eta", "phi", "idDeepTau2018v2p5VSjet")},
        "MET_pt": 31.0,
        "MET_phi": 0.0,
        "run": 1,
    } | change
    columns = {
        k: ak.values_astype(ak.Array([v]), np.float64 if not k.endswith("Id") else np.int64)
        for k, v in given.items()
    }
    return slepton_topology(event_of(columns), Cuts())


UP, DOWN = math.inf, -math.inf


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ({}, 6),
        ({"Muon_pt": [50.0, 10.0]}, 0),
        ({"Muon_pt": [50.0, math.nextafter(10.0, UP)]}, 6),
        ({"Muon_eta": [0.0, 2.5]}, 0),
        ({"Muon_eta": [0.0, -2.5]}, 0),
        ({"Muon_eta": [0.0, math.nextafter(-2.5, 0)]}, 6),
        ({"Muon_pfRelIso04_all": [0.0, 0.25]}, 0),
        ({"Muon_pfRelIso04_all": [0.0, math.nextafter(0.25, 0)]}, 6),
        ({"Muon_pfRelIso04_all": [0.0, math.inf]}, 0),
        ({"Muon_charge": [1, 1]}, 0),
        ({"Muon_mediumId": [True, False]}, 0),
        ({"Jet_pt": [30.0]}, 2),
        ({"Jet_pt": [math.nextafter(30.0, UP)]}, 6),
        ({"Jet_eta": [2.5]}, 2),
        ({"Jet_eta": [-2.5]}, 2),
        ({"Jet_eta": [math.nextafter(2.5, 0)]}, 6),
        ({"Jet_jetId": [4]}, 2),
        ({"Jet_btagDeepFlavB": [0.2783]}, 6),
        ({"Jet_btagDeepFlavB": [math.nextafter(0.2783, UP)]}, 3),
        ({"Jet_btagDeepFlavB": [math.nan]}, 6),
        ({"MET_pt": 30.0}, 5),
        ({"MET_pt": math.nextafter(30.0, UP)}, 6),
        # The jet at a distance of exactly 0.4 from a muon stays, and goes when it is closer.
        ({"Jet_eta": [0.4], "Jet_phi": [0.0]}, 6),
        ({"Jet_eta": [math.nextafter(0.4, 0)], "Jet_phi": [0.0]}, 2),
        ({"Jet_eta": [0.0], "Jet_phi": [-0.4]}, 6),
        ({"Jet_eta": [0.0], "Jet_phi": [-0.39999]}, 2),
        # Across the seam of phi.
        ({"Muon_phi": [math.pi, 2.0], "Jet_phi": [-math.pi], "Jet_eta": [0.1]}, 2),
        ({"Muon_phi": [3.1, 2.0], "Jet_phi": [-3.1], "Jet_eta": [0.0]}, 2),
        ({"Muon_phi": [6.2, 2.0], "Jet_phi": [0.1], "Jet_eta": [0.0]}, 2),
    ],
)
def test_thresholds_exactly_hit(change, steps) -> None:
    found = one(**change)
    assert found.reached.tolist() == [steps]
    assert found.events.tolist() == ([0] if steps == 6 else [])


@pytest.mark.parametrize(
    ("pt", "expected"), [([50.0, 50.0], (0, 1)), ([40.0, 50.0], (1, 0)), ([50.0, 40.0], (0, 1))]
)
def test_equal_muons_stay_in_the_order_of_the_file(pt, expected) -> None:
    found = one(Muon_pt=pt)
    assert (int(found.l1[0]), int(found.l2[0])) == expected


def test_soft_jets_count_in_ht_and_for_the_b_veto_only() -> None:
    jets = {"Jet_pt": [25.0, 60.0, 22.0], "Jet_phi": [-2.0, -2.5, 1.0], "Jet_jetId": [6, 6, 6]}
    found = one(**jets, Jet_eta=[-1.0, 1.0, 4.4], Jet_btagDeepFlavB=[0.0, 0.0, 0.9])
    assert (found.reached[0], found.jet[0], found.ht[0]) == (6, 1, 107.0)
    assert one(**jets, Jet_eta=[-1.0, 1.0, 2.4], Jet_btagDeepFlavB=[0.0, 0.0, 0.9]).reached[0] == 3


def test_no_events(columns) -> None:
    empty = event_of({k: v[:0] for k, v in columns.items()})
    found = slepton_topology(empty, Cuts())
    assert [len(x) for x in found] == [0] * 6


def test_a_file_without_taus(columns) -> None:
    event = event_of({k: v[:100] for k, v in columns.items() if not k.startswith("Tau_")})
    assert len(slepton_topology(event, Cuts(use_taus=False)).reached) == 100
    with pytest.raises(MissingBranchError, match="Tau_pt"):
        slepton_topology(event, Cuts())
