"""The smuon analysis against a plain Python loop over the same events (``smuon_reference``)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import smuon_reference as reference

from massgap.errors import MassgapError
from massgap.processors import Smuon
from massgap.processors.errors import ProcessorError
from massgap.runner import run
from massgap.selections.smuon.features import FEATURE_NAMES

REGIONS = ("static_veto", *(f"veto_{v}" for v in "abcdef"))


@pytest.fixture(scope="module")
def events():
    return reference.make_events(4000, seed=2)


@pytest.fixture(scope="module")
def path(events, tmp_path_factory):
    return reference.write(tmp_path_factory.mktemp("smuon") / "events.root", events)


def process(path, **options):
    chunksize = options.pop("chunksize", 1000)
    metadata = {"process": "p", "xsec_fb": 5.0}
    result = run(
        Smuon(features=True, **options),
        {"d": {"files": {str(path): None}, "metadata": metadata}},
        chunksize=chunksize,
    )
    result.require_complete()
    return result


def test_cutflow_features_and_regions_are_those_of_a_loop(events, path) -> None:
    steps, weights, rows = Counter(), defaultdict(list), []
    for event in events:
        reached, row = reference.select(event)
        steps.update(reached)
        for step in reached:
            weights[step].append(event["weight"])
        if row is not None:
            rows.append(row)
    scale = 5.0 / math.fsum(weights["all events"])
    result = process(path)
    found = result.cutflow["processes"]["p"]
    assert [row["step"] for row in found] == [
        "all events", "MET > 100", "two muons", "opposite charge", "m_mumu", "M_T2 > 90", "muons above 50, 20",
    ]  # fmt: skip
    for row in found:
        assert row["raw"] == steps[row["step"]], row["step"]
        assert row["weighted"] == pytest.approx(scale * math.fsum(weights[row["step"]]))
    table = result.features["d"]
    assert len(table) == len(rows) > 200
    for name in (*FEATURE_NAMES, *(f"region_{name}" for name in REGIONS)):
        true = np.array([row[name] for row in rows], dtype=float)
        # The loop subtracts squares of energies; package mt2 stops at a tolerance.
        tolerance = {"m_mumu": 1e-7, "m_t2": 1e-6, "m_ct": 1e-7}.get(name, 1e-12)
        np.testing.assert_allclose(table[name].astype(float), true, rtol=tolerance, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(table["weight"], [scale * row["weight"] for row in rows])
    # The events test something: of each kind there are some.
    for name in REGIONS:
        assert 0 < table[f"region_{name}"].sum() < len(table), name
    assert {0, 1, 2} <= set(table["n_e"])
    assert {0, 1, 2, 3} <= set(table["n_j"])


def test_each_removal_of_overlap_matters(events, path) -> None:
    """Without photons and taus other jets are left, and the loop above would have told."""
    whole, without = process(path), process(path, without=["photons", "taus"])
    assert without.features["d"]["n_j"].sum() > whole.features["d"]["n_j"].sum()
    assert len(without.features["d"]) == len(whole.features["d"])


def test_the_same_for_chunks_of_any_size(path) -> None:
    one, many = process(path, chunksize=100_000), process(path, chunksize=37)
    assert one.cutflow == many.cutflow
    assert one.features["d"].equals(many.features["d"])
    for name, histogram in one.histograms.items():
        assert (histogram.view(flow=True) == many.histograms[name].view(flow=True)).all(), name


def test_thresholds(path) -> None:
    result = process(path, basic_met=150, mt2=120, static_jet_pt=40, jet_pt=30)
    table = result.features["d"]
    assert (table["met"] > 150).all()
    assert (table["m_t2"] > 120).all()
    assert not (table["pt_j1"] <= 30).any()
    assert table["pt_j1"][table["region_static_veto"]].max() > 25
    assert "M_T2 > 120" in result.cutflow["steps"]


def test_vetoes_with_all_hadrons(events, path, tmp_path) -> None:
    result = process(path, hadron_sum=True)
    table = result.features["d"]
    sums = {
        event["number"]: np.float32(sum(x["pt"] for kind in ("Muon", "WideJet") for x in event[kind]) + 7.0)
        for event in events
    }
    # Rows and events are matched by what no two have alike.
    of = {np.float32(event["met"][0]): sums[event["number"]] for event in events}
    hadrons = np.array([of[np.float32(met)] for met in table["met"]]) - table["st"].to_numpy()
    assert (table["region_veto_b_sum"] == ~(hadrons > table["pt_mu1"])).all()
    assert (table["region_veto_d_sum"] == ~(hadrons > table["st"])).all()
    # With the jets that overlap with leptons, and the soft rest, never less than H_T: it keeps fewer.
    assert table["region_veto_b_sum"].sum() < table["region_veto_b"].sum()
    assert "region_veto_b_sum" not in process(path).features["d"]


def test_files_without_the_sum_say_what_to_leave_out(events, tmp_path) -> None:
    import uproot

    path = reference.write(tmp_path / "events.root", events[:300])
    with uproot.open(path) as file:
        whole = file["Events"].arrays()
    fields = [name for name in whole.fields if name != "MET_sumEt" and not name.startswith("n")]
    with uproot.recreate(tmp_path / "without.root") as file:
        types = {name: str(whole[name].type.content) for name in fields}
        file.mktree("Events", types).extend({name: whole[name] for name in fields})
    with pytest.raises(MassgapError, match=r"MET_sumEt.*leave out --hadron-sum"):
        process(tmp_path / "without.root", hadron_sum=True)


def test_the_control_region_is_the_rest_of_veto_c(path) -> None:
    result = process(path, controls="tt")
    table = result.features["d"]
    assert (table["region_cr_tt"] == ~table["region_veto_c"]).all()
    # Some of both: muons that are hard enough for M_T2 seldom have a harder jet here.
    assert 0 < table["region_cr_tt"].sum() < len(table)
    regions = {region.name: region for region in Smuon(controls=["tt"]).regions}
    assert regions["cr_tt"].disjoint == ("veto_c",)
    assert "cr_tt" not in {region.name for region in Smuon().regions}
    # A fit needs the scores of what is left where a control region is taken with it.
    assert Smuon(controls=["tt"]).scores[0].regions == ("preselection", "veto_c")
    assert Smuon().scores[0].regions == ("preselection",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"controls": "WW"}, r"controls: unknown 'WW'; known are tt"),
        ({"without": ["jets"]}, r"without: unknown 'jets'; known are photons, taus"),
        ({"mt2": -1}, r"mt2 is -1"),
        ({"score_above": math.nan}, r"score_above is nan"),
        ({"model": "low.onnx"}, r"more than one score \(low, high, bdt, .*\): .*--model NAME=FILE"),
        ({"model": {"medium": "m.onnx"}}, r"no score 'medium'.*low, high, bdt"),
    ],
)
def test_what_cannot_be_is_refused(options, message) -> None:
    with pytest.raises(ProcessorError, match=message):
        Smuon(**options)


# ---- real files


def real(real_files, name: str, **options):
    path = real_files / f"{name}.root"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    metadata = {"process": "p", "unnormalised": True}
    return path, run(
        Smuon(features=True, basic_met=0.0, mt2=0.0, **options),
        {"d": {"files": {str(path): None}, "metadata": metadata}},
    )


def test_real_nanoaod_with_ak8_jets(real_files) -> None:
    path, result = real(real_files, "nano_tt_v15", collections="wide_jets=FatJet", isolation=1e9)
    result.require_complete()
    found = [reference.select(event, 0, 0, 1e9) for event in reference.read_v15(path)]
    steps = Counter(step for reached, _ in found for step in reached)
    assert {row["step"]: row["raw"] for row in result.cutflow["processes"]["p"]} == {
        step: steps[step] for step in result.cutflow["steps"]
    }
    assert steps["two muons"] > 0
    # What the jets were is kept with the run.
    assert result.identity["options"]["collections"] == {"wide_jets": "FatJet"}


@pytest.mark.parametrize(("name", "options"), [
    ("delphes_seungjin", {"collections": "wide_jets=FatJet"}),
    ("delphes_seungjin", {"collections": "wide_jets=Jet"}),
    ("PHYSLITE_example", {}),
    ("nano_dimuon", {"collections": "wide_jets=FatJet"}),
    ("nano_tt_v12", {"collections": "wide_jets=FatJet", "without": ["photons", "taus"]}),
])  # fmt: skip
def test_real_files_of_other_kinds(real_files, name, options) -> None:
    _, result = real(real_files, name, **options)
    result.require_complete()
    assert result.cutflow["processes"]["p"][0]["raw"] > 0


@pytest.mark.parametrize(("name", "options", "remedy"), [
    ("nano_tt_v15", {}, r"WideJet_pt.*--collections wide_jets=NAME.*FatJet"),
    ("delphes_seungjin", {}, r"WideJet\.PT.*--collections wide_jets=NAME.*FatJet"),
    ("nano_tt_v12", {"collections": "wide_jets=FatJet"}, r"Photon_pt.*--without photons"),
])  # fmt: skip
def test_files_without_an_object_are_refused_plainly(real_files, name, options, remedy) -> None:
    _, result = real(real_files, name, **options)
    with pytest.raises(MassgapError, match=remedy):
        result.require_complete()
