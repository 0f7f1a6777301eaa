"""The cascade analysis against a plain Python loop, and what it refuses."""

from __future__ import annotations

import math

import awkward as ak
import eventfiles
import numpy as np
import pytest

from massgap import stages
from massgap.arrays.errors import SelectionError
from massgap.processors import Cascade
from massgap.processors.errors import ProcessorError
from massgap.runner import run
from massgap.selections.cascade.momenta import MOMENTA, oriented

N = 4000
STEPS = ("two opposite-sign muons", "a photon", "trigger", "15 < m_mumu < 65", "no jet above 30")


def make_events(n, seed):
    """Objects near enough to all thresholds that each of them decides on some events."""
    rng = np.random.default_rng(seed)

    def some(most, scale, mean):
        out = []
        for _ in range(rng.integers(*most)):
            eta, phi = rng.normal(0.0, 1.2), rng.uniform(-3.1, 3.1)
            pt = float(np.float32(2.0 + rng.exponential(scale)))
            out.append([pt, float(np.float32(eta)), float(np.float32(phi)), rng.exponential(mean)])
        return sorted(out, reverse=True)

    events = []
    for _ in range(n):
        muons = some((1, 4), 18.0, 0.08)
        charges = rng.permutation([1, -1, 1])[: len(muons)]
        photons = some((0, 3), 15.0, 0.1)
        if muons and photons and rng.random() < 0.3:
            photons[0][1:3] = muons[0][1] + 0.2, muons[0][2] + 0.1
        jets = some((0, 3), 25.0, 0.1)
        if muons and jets and rng.random() < 0.3:
            jets[0][1:3] = muons[0][1], muons[0][2]
        events.append(
            {
                "muons": [[*m, int(q)] for m, q in zip(muons, charges, strict=True)],
                "photons": photons,
                "jets": jets,
            }
        )
    return events


def write(path, events):
    def jagged(name, k, kind="f4"):
        return ak.values_astype(ak.Array([[float(x[k]) for x in e[name]] for e in events]), np.dtype(kind))

    arrays = {
        "run": np.ones(len(events), "u4"),
        "luminosityBlock": np.ones(len(events), "u4"),
        "event": np.arange(len(events)).astype("u8"),
        "genWeight": np.ones(len(events), "f4"),
        "MET_pt": np.ones(len(events), "f4"),
        "MET_phi": np.zeros(len(events), "f4"),
    }
    for branch, name in (("Muon", "muons"), ("Photon", "photons"), ("Jet", "jets")):
        arrays |= {f"{branch}_{field}": jagged(name, k) for k, field in enumerate(("pt", "eta", "phi"))}
        arrays[f"{branch}_mass"] = 0.0 * jagged(name, 0) + (0.10566 if name == "muons" else 0.0)
    arrays["Muon_charge"] = jagged("muons", 4, "i4")
    arrays["Muon_pfRelIso04_all"] = jagged("muons", 3)
    arrays["Muon_mediumId"] = jagged("muons", 0) > 0
    arrays["Photon_pfRelIso03_all"] = jagged("photons", 3)
    arrays["Photon_cutBased"] = ak.values_astype(0 * jagged("photons", 0) + 3, np.uint8)
    arrays["Jet_jetId"] = ak.values_astype(0 * jagged("jets", 0) + 6, np.uint8)
    arrays["Jet_btagDeepFlavB"] = 0.0 * jagged("jets", 0)
    return eventfiles.write_columns(path, arrays)


def distance(a, b):
    dphi = (a[2] - b[2] + math.pi) % (2 * math.pi) - math.pi
    return math.hypot(a[1] - b[1], dphi)


def by_loop(event, apart=0.4, veto=30.0):
    """How many of the steps an event passes."""
    muons = [m for m in event["muons"] if m[0] > 10 and abs(m[1]) < 2.5 and m[3] < 0.25]
    if len(muons) != 2 or muons[0][4] + muons[1][4] != 0:
        return 0
    photons = [p for p in event["photons"] if p[0] > 4 and abs(p[1]) < 2.5 and p[3] < 0.25]
    photons = [p for p in photons if all(distance(p, m) >= apart for m in muons)]
    if not photons:
        return 1
    if not (min(m[0] for m in muons) > 14 or photons[0][0] > 15):
        return 2
    a, b = muons
    squared = 2 * a[0] * b[0] * (math.cosh(a[1] - b[1]) - math.cos(a[2] - b[2]))
    if not 15 < math.sqrt(squared) < 65:
        return 3
    jets = [j for j in event["jets"] if j[0] > veto and abs(j[1]) < 4.5]
    jets = [j for j in jets if all(distance(j, m) >= 0.4 for m in [*muons, *photons])]
    return 4 if jets else 5


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    events = make_events(N, 3)
    return events, write(tmp_path_factory.mktemp("cascade") / "nano.root", events)


def process(path, **options):
    fileset = {"d": {"files": {str(path): None}, "metadata": {"process": "p", "xsec_fb": 1.0}}}
    done = run(Cascade(features=True, **options), fileset, chunksize=1500)
    done.require_complete()
    return done


@pytest.mark.parametrize(
    ("options", "loop"),
    [({}, {}), ({"photon_muon_distance": 0.0, "veto_jet_pt": 15.0}, {"apart": 0.0, "veto": 15.0})],
)
def test_cutflow_is_that_of_a_loop(made, options, loop):
    events, path = made
    passed = [by_loop(event, **loop) for event in events]
    rows = process(path, **options).output["cutflow"]["processes"]["p"]
    assert [row["raw"] for row in rows] == [sum(n >= k for n in passed) for k in range(6)]
    assert len({row["raw"] for row in rows}) == 6
    steps = [*STEPS[:4], f"no jet above {options.get('veto_jet_pt', 30.0):g}"]
    assert [row["step"] for row in rows] == ["all events", *steps]


def test_impossible_options():
    with pytest.raises(SelectionError, match=r"must be four that fall.*--spectrum 691,660,631,600"):
        Cascade(spectrum=(691, 660, 661, 600))
    with pytest.raises(SelectionError, match="four that fall"):
        Cascade(spectrum=(691, 660, 631))
    with pytest.raises(ProcessorError, match="veto_jet_pt"):
        Cascade(veto_jet_pt=-1)


def test_a_model_of_another_spectrum_is_refused(made, tmp_path):
    _, path = made
    other = write(tmp_path / "signal.root", make_events(3000, 8))
    fileset = {
        name: {
            "files": {str(file): "Events"},
            "metadata": {"process": name, "xsec_fb": 1.0, "is_signal": name == "s"},
        }
        for name, file in (("b", path), ("s", other))
    }
    stages.run(
        "cascade",
        fileset=fileset,
        out=tmp_path / "run",
        executor="iterative",
        options={"spectrum": [390, 360, 330, 300]},
    )
    few = {
        "recipe": "trees",
        "n_folds": 2,
        "compare_protocols": False,
        "importances": False,
        "hyperparameters": {"n_trees": 2},
    }
    model = stages.train(tmp_path / "run", tmp_path / "model", name="observables", **few).model_file
    assert Cascade(model={"observables": model}, spectrum=(390, 360, 330, 300)).spectrum[0] == 390.0
    with pytest.raises(ProcessorError, match="--spectrum 390,360,330,300"):
        Cascade(model={"observables": model})


def test_oriented_momenta_do_not_change_under_symmetries():
    rng = np.random.default_rng(4)
    columns = {name: rng.normal(0.0, 1.0, 200) for name in MOMENTA}
    before = oriented(columns)
    turn = rng.uniform(-9.0, 9.0, 200)
    moved = {name: values + turn * name.startswith("phi") for name, values in columns.items()}
    mirrored = {name: -values if name[:3] in ("eta", "phi") else values for name, values in columns.items()}
    for other in (oriented(moved), oriented(mirrored)):
        for name, values in before.items():
            assert np.allclose(values, other[name], atol=1e-9), name
    assert (before["across_plus"] * np.sign(columns["pt_plus"]) >= 0.0).all()
    etas = [before["oriented_eta_gamma"] + before[f"eta_gap_{name}"] for name in ("plus", "minus")]
    assert (sum(etas) + before["oriented_eta_gamma"] >= -1e-12).all()


def test_missing_momentum_is_a_sum_of_oriented_momenta():
    rng = np.random.default_rng(5)
    columns = {name: rng.uniform(0.5, 3.0, 200) for name in MOMENTA}
    x = columns | oriented(columns)
    along = x["pt_gamma"] + x["along_plus"] + x["along_minus"]
    vectors = [
        columns[f"pt_{name}"] * np.exp(1j * columns[f"phi_{name}"]) for name in ("plus", "minus", "gamma")
    ]
    assert np.allclose(np.hypot(along, x["across_plus"] + x["across_minus"]), np.abs(sum(vectors)))
