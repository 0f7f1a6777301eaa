"""The electroweakino analysis against a plain Python loop over the same events, in NanoAOD and Delphes files."""

from __future__ import annotations

import itertools
import math
import random

import eventfiles
import numpy as np
import pytest
import slepton_reference as reader
from click.testing import CliRunner

from massgap.cli import main
from massgap.cli.options.run_options import models
from massgap.events.errors import MissingBranchError
from massgap.models.errors import FeatureError
from massgap.processors import Electroweakino
from massgap.processors.errors import ProcessorError
from massgap.runner import run
from massgap.selections.electroweakino.lepton_identification import lepton_efficiency
from massgap.selections.electroweakino.preselection import electroweakino_preselection

XSEC = 25.0
CHANNELS = {"1l": 1, "2l": 2, "3l": 3}
COMMON = (
    "one to three leptons",
    "two jets",
    "two jets of vector boson fusion",
    "no b jet",
    "no hadronic tau",
)


def make_events(n, seed=1):
    """Soft leptons and jets far apart, with edge cases: about a third of them are selected."""
    rng = random.Random(seed)
    found = []
    for number in range(n):
        leptons = [
            {
                "pt": 3 + rng.expovariate(1 / 12),
                "eta": rng.uniform(-2.7, 2.7),
                "phi": rng.uniform(-math.pi, math.pi),
                "mass": 0.000511,
                "charge": rng.choice([-1, 1]),
                "iso": rng.choice([0.0, 0.05, 0.1, 0.2, 0.3]),
                "good": rng.random() < 0.95,
            }
            for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 3, 4, 5]))
        ]
        cut = rng.randrange(len(leptons) + 1)
        jets = [
            {
                "pt": 15 + rng.expovariate(1 / 60),
                "eta": rng.choice([-1, 1]) * rng.uniform(0, 5.3),
                "phi": rng.uniform(-math.pi, math.pi),
                "mass": rng.uniform(0, 25),
                "b": rng.random() < 0.08,
                "tight": rng.random() < 0.97,
                "pileup": rng.random() < 0.05,
            }
            for _ in range(rng.choice([1, 2, 2, 3, 3, 4, 5]))
        ]
        kind = number % 30
        if kind == 0:
            jets[0]["pt"] = 30.0
        elif kind == 1 and leptons:
            leptons[0]["pt"] = 5.0
        elif kind == 2 and leptons:
            jets.append({**jets[0], "eta": leptons[0]["eta"] + 0.1, "phi": leptons[0]["phi"]})
        elif kind == 3:
            jets.append({**jets[0], "eta": -jets[0]["eta"]})
        elif kind == 4:
            jets.clear()
        elif kind == 5 and leptons:
            leptons[0]["eta"] = 2.4
        elif kind == 6 and len(leptons) > 1:
            leptons[1]["pt"] = leptons[0]["pt"]
        taus = [{**leptons[0], "pt": 25.0, "mass": 1.1}] if leptons and kind == 7 else []
        if rng.random() < 0.08:
            taus.append(
                {
                    "pt": 15 + rng.expovariate(1 / 20),
                    "eta": rng.uniform(-2.7, 2.7),
                    "phi": rng.uniform(-3, 3),
                    "mass": 1.1,
                    "charge": 1,
                    "iso": 0.0,
                    "good": rng.random() < 0.8,
                }
            )
        found.append(
            {
                "run": 1 + number // 1000,
                "lumi": 1 + number // 100,
                "number": number,
                "weight": rng.uniform(0.1, 2.0) * (-1 if rng.random() < 0.1 else 1),
                "muons": leptons[:cut],
                "electrons": leptons[cut:],
                "taus": taus,
                "jets": jets,
                "met": (rng.expovariate(1 / 120), rng.uniform(-math.pi, math.pi)),
            }
        )
    return found


# The paper's Table I once more.


def pair_mass(a, b):
    return math.sqrt(max(square_mass(a, b), 0.0))


def square_mass(a, b):
    e, x, y, z = (p + q for p, q in zip(reader._p4(a), reader._p4(b), strict=True))
    return e * e - x * x - y * y - z * z


def select(events, without=(), *, lepton_pt=5, jet_pt=30):
    """Steps -> weights, by channel; and the rows of features."""
    steps, rows = {name: {} for name in CHANNELS}, []
    for event in events:
        weight = event["weight"]

        def reach(step, channels=tuple(CHANNELS), weight=weight):
            for name in channels:
                steps[name].setdefault(step, []).append(weight)

        reach("all events")
        leptons = [
            lepton
            for kind, isolation in (("muons", 0.25), ("electrons", 0.15))
            for lepton in event[kind]
            if lepton["pt"] > lepton_pt
            and abs(lepton["eta"]) < 2.4
            and lepton["iso"] < isolation
            and lepton["id"]
        ]
        leptons.sort(key=lambda lepton: -lepton["pt"])
        if not 1 <= len(leptons) <= 3:
            continue
        reach(COMMON[0])
        jets = [j for j in event["jets"] if j["pt"] > 20 and abs(j["eta"]) < 5 and j["id"]]
        jets = [j for j in jets if not reader._near(j, leptons)]
        hard = sorted((j for j in jets if j["pt"] > jet_pt), key=lambda j: -j["pt"])
        if len(hard) < 2:
            continue
        reach(COMMON[1])
        if not any(
            a["eta"] * b["eta"] < 0 and abs(a["eta"] - b["eta"]) > 2.5 and pair_mass(a, b) > 200
            for a, b in itertools.combinations(hard, 2)
        ):
            continue
        reach(COMMON[2])
        if "no_b_jet" not in without:
            if any(j["b"] for j in jets if j["pt"] > 30 and abs(j["eta"]) < 2.5):
                continue
            reach(COMMON[3])
        if "no_tau" not in without:
            taus = [t for t in event["taus"] if t["pt"] > 20 and abs(t["eta"]) < 2.5 and t["id"]]
            if any(not reader._near(t, leptons) for t in taus):
                continue
            reach(COMMON[4])
        n = len(leptons)
        reach(f"exactly {n} lepton{'s' * (n > 1)}", (f"{n}l",))
        a, b = max(itertools.combinations(jets, 2), key=lambda pair: square_mass(*pair))
        px, py = (a["pt"] * f(a["phi"]) + b["pt"] * f(b["phi"]) for f in (math.cos, math.sin))
        row = {"channel": n, "weight": weight, "met": event["met"][0], "m_jj": pair_mass(a, b)}
        row |= {"pt_jj": math.hypot(px, py), "abs_deta_jj": abs(a["eta"] - b["eta"])}
        for name, objects in (("j", hard[:2]), ("l", leptons)):
            for k, one in enumerate(objects, 1):
                row |= {f"pt_{name}{k}": one["pt"], f"eta_{name}{k}": one["eta"]}
        rows.append(row)
    return steps, rows


def process(path, **options):
    fileset = {"d": {"files": {str(path): None}, "metadata": {"process": "p", "xsec_fb": XSEC}}}
    result = run(Electroweakino(features=True, **options), fileset, chunksize=300)
    result.require_complete()
    return result


def compare(result, events, without=(), **thresholds):
    steps, rows = select(events, without, **thresholds)
    scale = XSEC / math.fsum(event["weight"] for event in events)
    for name in CHANNELS:
        rows_of_p = result.output["cutflow"]["processes"]["p"]
        found = [row for row in rows_of_p if row["channel"] == name]
        assert [row["step"] for row in found] == list(steps[name])
        for row in found:
            weights = steps[name][row["step"]]
            assert row["raw"] == len(weights)
            assert row["weighted"] == pytest.approx(math.fsum(weights) * scale, rel=1e-12)
    table = result.features["d"]
    assert len(table) == len(rows)
    for name, n in CHANNELS.items():
        own, true = table[table[f"region_{name}"]], [row for row in rows if row["channel"] == n]
        assert len(own) == len(true) > 20
        for feature in Electroweakino.scores[n - 1].features:
            np.testing.assert_allclose(
                own[feature], [row[feature] for row in true], rtol=1e-6, err_msg=feature
            )
        np.testing.assert_allclose(own["weight"], [row["weight"] * scale for row in true], rtol=1e-12)
    return table


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder, events = tmp_path_factory.mktemp("ewk"), make_events(1500)
    return {v: eventfiles.write_nano(folder / f"{v}.root", events, v) for v in ("v9", "v12", "v15")}


@pytest.mark.parametrize("version", ["v9", "v12", "v15"])
def test_against_plain_python(written, version):
    table = compare(process(written[version]), reader.read_nano(str(written[version])))
    regions = table[[f"region_{name}" for name in CHANNELS]].to_numpy()
    assert (regions.sum(axis=1) == 1).all()


@pytest.mark.parametrize("without", [("no_b_jet",), ("no_tau",), ("no_b_jet", "no_tau")])
def test_without_vetoes(written, without):
    events = reader.read_nano(str(written["v12"]))
    compare(process(written["v12"], without=without), events, without)


def test_other_thresholds_are_those_of_the_observables_too(written):
    """Softer leptons and jets that are selected are also those whose momenta the classifiers see."""
    events = reader.read_nano(str(written["v12"]))
    thresholds = {"lepton_pt": 3.5, "jet_pt": 24}
    table = compare(process(written["v12"], **thresholds), events, **thresholds)
    assert table["pt_l1"].min() < 5
    assert table["pt_j2"].min() < 30


def test_delphes(tmp_path):
    columns = eventfiles.delphes_columns(make_events(1200, seed=2))
    counts = {}
    import uproot

    path = tmp_path / "delphes.root"
    with uproot.recreate(path) as file:
        file.mktree("Delphes", {name: array.type.content for name, array in columns.items()}).extend(columns)
    counts = reader.read_delphes(columns)
    compare(process(path), counts)


def test_channels_are_those_of_the_preselection(written):
    """The flow of steps gives the channels of Table I in one function."""
    table = process(written["v12"]).features["d"]
    events = reader.read_nano(str(written["v12"]))
    jets, taus, leptons = [], [], []
    for event in events:
        good = [x for x in event["muons"] if x["iso"] < 0.25 and x["id"]]
        good += [x for x in event["electrons"] if x["iso"] < 0.15 and x["id"]]
        selected = [x for x in good if x["pt"] > 5 and abs(x["eta"]) < 2.4]
        keep = lambda xs, near=selected: [x for x in xs if x["id"] and not reader._near(x, near)]
        jets.append([{**j, "b_tagged": j["b"]} for j in keep(event["jets"])])
        taus.append(keep(event["taus"]))
        leptons.append(good)
    channel = electroweakino_preselection(jets, taus, leptons).channel
    found = [int(table[f"region_{name}"].sum()) for name in CHANNELS]
    assert found == [int((channel == n).sum()) for n in CHANNELS.values()]


def test_identification_loses_leptons_as_the_paper_says(written):
    whole = process(written["v12"]).features["d"]
    for chunksize in (300, 200):
        fileset = {"d": {"files": {str(written["v12"]): None}, "metadata": {"process": "p", "xsec_fb": XSEC}}}
        done = run(Electroweakino(features=True, identification="pileup140"), fileset, chunksize=chunksize)
        lost = done.features["d"]
        if chunksize == 300:
            first = lost
    np.testing.assert_array_equal(first["pt_l1"], lost["pt_l1"])
    # three found leptons were three good ones, unless one of more was lost
    product = lambda t: np.prod([lepton_efficiency(t[f"pt_l{k}"], t[f"eta_l{k}"]) for k in (1, 2, 3)], axis=0)
    expected = product(whole[whole["region_3l"]]).sum()
    assert 0 < (lost["region_3l"].sum() - expected) / math.sqrt(expected) + 4 < 12
    assert lost["region_3l"].sum() < whole["region_3l"].sum() + 40


def test_a_lost_lepton_is_lost_in_all_variations(written):
    fileset = {"d": {"files": {str(written["v12"]): None}, "metadata": {"process": "p", "xsec_fb": XSEC}}}
    done = run(Electroweakino(identification="pileup140", variations=["lepton_scale"]), fileset)
    histogram = done.output["histograms"]["pt_l1"]
    values = {
        name: float(histogram[{"process": "p", "variation": name}].values(flow=True).sum())
        for name in ("nominal", "lepton_scale_up", "lepton_scale_down")
    }
    # a scale of a percent moves a few events over the threshold; new dice would move hundreds
    for name in ("lepton_scale_up", "lepton_scale_down"):
        assert values[name] == pytest.approx(values["nominal"], rel=0.05)


def test_no_tau_branch(tmp_path):
    path = eventfiles.write_nano(tmp_path / "no_tau.root", make_events(200), "v12", drop=("Tau",))
    with pytest.raises(MissingBranchError, match=r"--without no_tau, or Electroweakino"):
        Electroweakino().process(_events(path))
    words = [
        "run",
        "electroweakino",
        str(path),
        "--process",
        "p",
        "--xsec",
        "1",
        "--out",
        str(tmp_path / "run"),
    ]
    done = CliRunner().invoke(main, [*words, "--executor", "iterative", "--without", "no_tau"])
    assert done.exit_code == 0, done.output


def _events(path):
    from coffea.nanoevents import NanoEventsFactory

    from massgap.events.reading.schemas import NanoAOD

    return NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=NanoAOD).events()


def test_unknown_options():
    with pytest.raises(ProcessorError, match="sample or pileup140"):
        Electroweakino(identification="best")
    with pytest.raises(ProcessorError, match="no_met"):
        Electroweakino(without=["no_met"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run without scores, and the folder of a model of two leptons."""
    from massgap import stages

    folder = tmp_path_factory.mktemp("trained")
    out = folder / "run"
    fileset = {}
    for name, seed in {"p": 2, "s": 3}.items():
        path = eventfiles.write_nano(folder / f"{name}.root", make_events(1500, seed=seed), "v12")
        metadata = {"process": name, "xsec_fb": 1.0, "is_signal": name == "s"}
        fileset[name] = {"files": {str(path): "Events"}, "metadata": metadata}
    stages.run("electroweakino", fileset=fileset, out=out, executor="iterative", options={"deta_jj": 2.0})
    made = stages.train(
        out,
        folder / "models" / "2l",
        name="2l",
        negative_weights="absolute",
        recipe="trees",
        n_folds=2,
        compare_protocols=False,
        importances=False,
        hyperparameters={"n_trees": 5},
    )
    return out, made.model_file


def test_a_model_of_another_channel(trained):
    """A network of two leptons looks at 12 observables, which events of one lepton do not have."""
    _, model = trained
    assert Electroweakino(model={"2l": model}).models["2l"].features == list(
        Electroweakino.scores[1].features
    )
    for channel, missing in (("1l", "pt_l2"), ("3l", "pt_l3")):
        with pytest.raises(FeatureError, match=missing) as caught:
            Electroweakino(model={channel: model})
        assert f"massgap train RUN_FOLDER --name {channel}" in str(caught.value)


def test_scores_that_a_run_lacks_are_made(trained):
    """The run again with the same options, and not again where it has the scores."""
    from massgap.contracts.run_folder import open_run
    from massgap.stages.processing import with_scores

    run_folder, model = trained
    words = {"executor": "iterative"}
    made = with_scores(run_folder, model.parent.parent, **words)
    assert made == run_folder / "scored"
    before, found = open_run(run_folder), open_run(made)
    assert found.manifest["options"]["deta_jj"] == 2.0
    assert list(found.manifest["models"]) == ["2l"]
    assert found.cutflow["processes"] == before.cutflow["processes"]
    counts = before.cutflow["processes"]["s"]
    (selected,) = [row["weighted"] for row in counts if row["channel"] == "2l" and "exactly" in row["step"]]
    filled = found.histograms["score_2l"][{"process": "s", "region": "2l", "variation": "nominal"}]
    assert np.sum(filled.values()) == pytest.approx(selected)
    assert with_scores(made, {"2l": model}, **words) == made


def test_models_by_the_names_of_the_channels():
    assert models(None, None, ("1l=a.onnx", "3l=b=c.onnx")) == {"1l": "a.onnx", "3l": "b=c.onnx"}
