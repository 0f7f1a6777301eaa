"""Files: content, types, weights of variations, sums in the Runs tree, TTree and RNTuple, as readers see them."""

from __future__ import annotations

import warnings

import awkward as ak
import numpy as np
import pytest
import uproot

from massgap.samples.detector.card import load_card
from massgap.samples.errors import GenerationError
from massgap.samples.nanoaod import COLLECTIONS, SCALARS, NanoWriter
from massgap.samples.nanoaod.content import event_content

pytest.importorskip("fastjet")


@pytest.fixture(scope="module")
def batches(guns):
    """Three batches of events with weights of variations."""
    rng, found, first = np.random.default_rng(1), [], 1
    for k, n in enumerate((20, 1, 15)):
        record = guns.crowd(n, seed=20 + k)
        record.info |= {
            "PSWeight": rng.normal(1, 0.1, (n, 4)),
            "LHEScaleWeight": rng.normal(1, 0.2, (n, 9)),
            "LHEPdfWeight": rng.normal(1, 0.02, (n, 3)),
            "LHEWeight_originalXWGTUP": rng.normal(5, 1, n),
            "binvar": rng.uniform(10, 20, n),
        }
        found.append(event_content(record, load_card("cms"), np.random.default_rng(2), 1, first))
        first += n
    return found


def write(path, batches, **options):
    with NanoWriter(path, **options) as writer:
        for batch in batches:
            writer.extend(batch)
        writer.finish('{"made": "here"}')
    return writer


@pytest.mark.parametrize("form", ["ttree", "rntuple"])
@pytest.mark.parametrize("flush", [1, 30, 4000])
def test_what_is_written_is_read(tmp_path, batches, form, flush):
    write(tmp_path / "x.root", batches, form=form, flush_events=flush)
    with uproot.open(tmp_path / "x.root") as file:
        assert str(file["massgap"]) == '{"made": "here"}'
        assert file["Events"].classname == ("TTree" if form == "ttree" else "ROOT::RNTuple")
        events = file["Events"].arrays()
    for name, columns in COLLECTIONS.items():
        counts = np.concatenate([batch[name]["_counts"] for batch in batches])
        assert ak.to_list(events[f"n{name}"]) == counts.tolist()
        for key, kind in columns.items():
            stored = events[f"{name}_{key}"]
            assert ak.to_list(ak.num(stored)) == counts.tolist()
            flat = ak.to_numpy(ak.flatten(stored))
            assert flat.dtype == np.dtype(kind)
            expected = np.concatenate([batch[name][key] for batch in batches]).astype(kind)
            np.testing.assert_array_equal(flat, expected)
    for name, kind in SCALARS.items():
        expected = np.concatenate([batch[name] for batch in batches]).astype(kind)
        np.testing.assert_array_equal(ak.to_numpy(events[name]), expected)
    for name, number in (("PSWeight", 4), ("LHEScaleWeight", 9), ("LHEPdfWeight", 3)):
        assert set(ak.to_list(events[f"n{name}"])) == {number}
        expected = np.concatenate([batch[name] for batch in batches]).astype(np.float32)
        np.testing.assert_array_equal(ak.to_numpy(events[name]), expected)
    original = np.concatenate([batch["LHEWeight_originalXWGTUP"] for batch in batches]).astype(np.float32)
    np.testing.assert_array_equal(ak.to_numpy(events["LHEWeight_originalXWGTUP"]), original)
    assert np.all(
        (ak.to_numpy(events["Generator_binvar"]) > 10) & (ak.to_numpy(events["Generator_binvar"]) < 20)
    )


@pytest.mark.parametrize("form", ["ttree", "rntuple"])
def test_runs_tree_holds_ratios_to_the_sum_of_weights(tmp_path, batches, form):
    writer = write(tmp_path / "x.root", batches, form=form)
    with uproot.open(tmp_path / "x.root") as file:
        runs = file["Runs"].arrays(library="np")
        names = file["Runs"].typenames()
    weights = np.concatenate([batch["genWeight"] for batch in batches]).astype(np.float32).astype(float)
    assert runs["genEventCount"].tolist() == [36]
    assert runs["genEventSumw"].tolist() == pytest.approx([weights.sum()])
    assert runs["genEventSumw2"].tolist() == pytest.approx([(weights**2).sum()])
    assert (writer.count, writer.sum_weights) == (36, pytest.approx(weights.sum()))
    for name, sums in (
        ("PSWeight", "PSSumw"),
        ("LHEScaleWeight", "LHEScaleSumw"),
        ("LHEPdfWeight", "LHEPdfSumw"),
    ):
        varied = np.concatenate([batch[name] for batch in batches])
        expected = (weights[:, None] * varied).sum(axis=0) / weights.sum()
        assert runs[f"n{sums}"].tolist() == [varied.shape[1]]
        assert runs[sums][0] == pytest.approx(expected, rel=1e-6)
        assert names[sums] == "double[]"


@pytest.mark.parametrize("form", ["ttree", "rntuple"])
@pytest.mark.parametrize("mode", ["eager", "virtual"])
def test_coffea_reads_both_forms_without_a_warning(tmp_path, batches, form, mode):
    from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

    path = str(tmp_path / "x.root")
    write(path, batches, form=form)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        events = NanoEventsFactory.from_root({path: "Events"}, schemaclass=NanoAODSchema, mode=mode).events()
        total = events.Muon.sum().pt
        assert len(total) == 36
        assert ak.all(events.GenJet.delta_r(events.GenJet) == 0)
        assert ak.all(events.FatJet.pt > 70)
        assert ak.all(events.WideJet.pt[:, :1] >= 15)
        assert ak.all(ak.num(events.WideJet.pt) == np.concatenate([b["WideJet"]["_counts"] for b in batches]))
        close = ak.fill_none(events.FatJet.matched_gen.delta_r(events.FatJet), 0.0)
        assert ak.all(close < 0.8)
        assert ak.to_numpy(events.PSWeight).shape == (36, 4)
        assert ak.to_numpy(events.LHEScaleWeight).shape == (36, 9)
        assert ak.all(events.LHEWeight.originalXWGTUP > 0)
        assert ak.all(events.MET.pt >= 0)
        assert ak.all(events.Generator.binvar > 10)
        ak.materialize(events)


@pytest.mark.parametrize("form", ["ttree", "rntuple"])
def test_a_file_without_events_has_all_branches(tmp_path, form):
    write(tmp_path / "x.root", [], form=form, variations=(("PSWeight", 4),))
    with uproot.open(tmp_path / "x.root") as file:
        assert file["Events"].num_entries == 0
        assert {"Muon_pt", "nWideJet", "PSWeight", "genWeight"} <= set(file["Events"].keys())
        assert file["Runs"]["genEventSumw"].array().tolist() == [0.0]
        assert file["Runs"]["PSSumw"].array().tolist() == [[0.0] * 4]


def test_wrong_use_is_refused(tmp_path, batches):
    with pytest.raises(GenerationError, match="ttree or rntuple"):
        NanoWriter(tmp_path / "x.root", form="parquet")
    with NanoWriter(tmp_path / "y.root") as writer:
        writer.extend(batches[0])
        poorer = {key: value for key, value in batches[1].items() if key != "LHEPdfWeight"}
        with pytest.raises(GenerationError, match=r"y\.root.*same weights"):
            writer.extend(poorer)
        poorer = {key: value for key, value in batches[1].items() if key != "LHEWeight_originalXWGTUP"}
        with pytest.raises(GenerationError, match="same weights"):
            writer.extend(poorer)


def test_memory_does_not_grow_with_the_number_of_events(tmp_path, batches):
    with NanoWriter(tmp_path / "x.root", flush_events=200) as writer:
        held = []
        for _ in range(60):
            writer.extend(batches[0])
            held.append(writer._events_waiting)
        assert max(held) < 200
        writer.finish("{}")
    assert writer.count == 1200
