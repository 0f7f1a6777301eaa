"""Slices in an observable of the hard process: they add up, the record tells the value, and what is dropped is counted."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import lhefiles
import numpy as np
import pytest
import uproot

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")

from massgap.samples.errors import GenerationError
from massgap.samples.processes.hard_cut import parse_hard_cut
from massgap.samples.processes.process import Process, Tranche
from massgap.samples.pythia.hard_slices import HardSlice
from massgap.selections.hard_process import OBSERVABLES
from massgap.stages import generate, generate_lhe


@pytest.mark.parametrize(
    ("text", "edges", "names"),
    [
        ("M_T2 > 80", (80.0, None), ["mt2_80toinf"]),
        ("M_T2<80", (0.0, 80.0), ["mt2_0to80"]),
        (" 40 < M_T2 < 80.5 ", (40.0, 80.5), ["mt2_40to80.5"]),
        ("MET: 0, 40, 80", (0.0, 40.0, 80.0, None), ["met_0to40", "met_40to80", "met_80toinf"]),
    ],
)
def test_cuts_are_read(text, edges, names):
    cut = parse_hard_cut(text, OBSERVABLES)
    assert cut.edges == edges
    tranches = cut.tranches(6.0)
    assert [tranche.name for tranche in tranches] == names
    assert sum(tranche.share for tranche in tranches) == pytest.approx(6.0)
    assert [(tranche.min, tranche.max) for tranche in tranches] == list(pairwise(edges))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("80", "is no cut on the hard process"),
        ("M_T2 = 80", "is no cut on the hard process"),
        ("M_T2 > -80", "is no cut on the hard process"),
        ("HT > 80", "'HT' is no observable.*M_T2, m_ll, MET"),
        ("M_T2: 80, 40", "must rise"),
        ("80 < M_T2 < 80", "must rise"),
    ],
)
def test_what_is_no_cut_is_refused(text, words):
    with pytest.raises(GenerationError, match=words):
        parse_hard_cut(text, OBSERVABLES)


def particle(kind, px, py, pz=0.0, status=23):
    functions = {
        "id": kind,
        "px": px,
        "py": py,
        "pz": pz,
        "e": np.sqrt(px**2 + py**2 + pz**2),
        "status": status,
    }
    return SimpleNamespace(**{name: lambda value=value: value for name, value in functions.items()})


def test_the_observable_is_that_of_what_the_hard_process_made():
    reference = pytest.importorskip("mt2").mt2
    rng = np.random.default_rng(5)
    process = Process("x", "", "", (), observable=OBSERVABLES["M_T2"])
    decides = HardSlice(process, Tranche("mt2", "M_T2", 40.0, 80.0, 1.0))
    expected, kept = [], []
    for k in range(60):
        leptons = rng.normal(0, 50, (3, 3))
        lost = rng.normal(0, 40, (2, 2))
        # the softest lepton does not count, nor do decayed particles and quarks
        order = np.argsort(-np.hypot(*leptons[:, :2].T))
        (x1, y1), (x2, y2) = leptons[order[:2], :2]
        expected.append(reference(0, x1, y1, 0, x2, y2, *lost.sum(axis=0), 0, 0))
        rows = [particle(0, 0.0, 0.0)] * 5
        rows += [particle(kind, *p) for kind, p in zip((11, -13, 15), leptons, strict=True)]
        rows += [particle(kind, *p) for kind, p in zip((-12, 1000022), lost, strict=True)]
        rows += [particle(24, 200.0, 0.0, status=-22), particle(5, 30.0, 30.0)]
        dropped = decides.drops_process(type("Event", (list,), {"size": list.__len__})(rows))
        assert dropped == (not 40.0 <= expected[-1] < 80.0)
        if not dropped:
            kept.append(k)
            decides.end("COMPLETE")
    assert 10 < len(kept) < 50
    assert (decides.tried, decides.passed) == (60, len(kept))
    assert decides.values == pytest.approx([expected[k] for k in kept], rel=1e-6)


def test_other_observables():
    leptons = [(30.0, 40.0, 0.0, 50.0), (-30.0, -40.0, 0.0, 50.0), (1.0, 0.0, 0.0, 1.0)]
    assert OBSERVABLES["m_ll"](leptons, (3.0, 4.0)) == pytest.approx(100.0)
    assert OBSERVABLES["MET"](leptons, (3.0, 4.0)) == 5.0
    assert OBSERVABLES["M_T2"](leptons[:1], (3.0, 4.0)) == OBSERVABLES["m_ll"](leptons[:1], (3.0, 4.0)) == 0.0


def test_slices_in_mt2_add_up_and_hold_what_they_say(tmp_path):
    options = {"workers": 1, "leptonic": ("e", "mu"), "seed": 2}
    sliced = generate("WW_all", tmp_path / "slices", events=240, hard="M_T2: 0, 30, 60", **options)
    assert [name.partition("_mt2_")[2] for name in sliced] == ["0to30", "30to60", "60toinf"]
    whole = generate("WW_all", tmp_path / "whole", events=100, **options)["WW_all_all"]["metadata"]
    total = error = 0.0
    for entry in sliced.values():
        metadata, cut = entry["metadata"], entry["metadata"]["hard_cut"]
        assert metadata["n_events"] == cut["passed"] == 80
        assert metadata["filter_efficiency"] == pytest.approx(cut["passed"] / cut["tried"])
        assert cut["efficiency_error"] == pytest.approx(metadata["filter_efficiency_error"], rel=1e-6)
        assert metadata["tranche"]["variable"] == "M_T2"
        total += metadata["xsec_fb"]
        # the generator's own number is that of the slice, with its error
        error += (metadata["xsec_fb"] * cut["efficiency_error"] / cut["efficiency"]) ** 2
        error += (metadata["hard_xsec_error_fb"] * cut["efficiency"]) ** 2
        (path,) = entry["files"]
        check_values(path, metadata["tranche"])
    error += whole["hard_xsec_error_fb"] ** 2
    assert abs(total - whole["xsec_fb"]) < 4 * np.sqrt(error)


def check_values(path, tranche):
    with uproot.open(path) as file:
        values = file["Events"]["Generator_binvar"].array(library="np")
    assert len(np.unique(values)) > 1
    assert (values >= tranche["min"]).all()
    assert (values < (tranche["max"] or np.inf)).all()


def test_a_slice_replaces_those_in_missing_momentum(tmp_path):
    fileset = generate("WW_2mu", tmp_path / "out", events=20, workers=1, hard="M_T2 > 60")
    (name,) = fileset
    assert name == "WW_2mu_mt2_60toinf"
    assert fileset[name]["metadata"]["hard_cut"]["efficiency"] < 0.5


def test_slices_of_an_event_file_add_up(tmp_path):
    path = lhefiles.write(tmp_path / "ww.lhe", lhefiles.pairs(60, 24, -24, 80.4))
    low, high = (
        generate_lhe([path], tmp_path / name, workers=1, leptonic=("e", "mu"), hard=cut, seed=4)
        for name, cut in (("low", "M_T2 < 40"), ("high", "M_T2 > 40"))
    )
    (low,), (high,) = low.values(), high.values()
    # the same seed gives the same decays until the shower differs: not the same events, so within their statistics
    for entry, name in ((low, "ww_mt2_0to40"), (high, "ww_mt2_40toinf")):
        metadata = entry["metadata"]
        assert all(name in file for file in entry["files"])
        assert metadata["hard_cut"]["tried"] == 60
        assert metadata["hard_cut"]["passed"] == metadata["n_events"]
        assert metadata["filter_efficiency"] == pytest.approx(metadata["n_events"] / 60)
    total = low["metadata"]["xsec_fb"] + high["metadata"]["xsec_fb"]
    whole = 1500.0 * low["metadata"]["branching_fraction"]
    assert abs(total / whole - 1) < 4 * np.sqrt(2 * 0.25 / 60)


def test_an_empty_slice_ends_with_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr("massgap.samples.pythia.hard_slices.HOPELESS", 200)
    with pytest.raises(
        GenerationError, match=r"none of 200 hard processes lies in mt2_80toinf: lower the edge of --hard"
    ):
        generate("Wlnu", tmp_path / "out", events=5, workers=1, hard="M_T2 > 80")


def test_what_cannot_be_sliced_is_refused(tmp_path):
    with pytest.raises(GenerationError, match="give --repeat or --hard, not both"):
        generate("smuonR_300_100", tmp_path / "out", events=10, workers=1, hard="M_T2 > 80", repeat=2)
    with pytest.raises(GenerationError, match=r"mumu_peak is sliced in pT_hat.*without --hard"):
        generate("mumu", tmp_path / "out", events=10, workers=1, hard="M_T2 > 80")
    path = lhefiles.write(tmp_path / "z.lhe", lhefiles.drell_yan(2))
    with pytest.raises(GenerationError, match=r"one slice at a time.*--hard"):
        generate_lhe([path], tmp_path / "out", workers=1, hard="MET: 0, 40")
