"""From matrix-element files to NanoAOD: every event accounted for, weights kept, blocks resumed."""

from __future__ import annotations

import json

import lhefiles
import numpy as np
import pytest
import uproot

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")

from massgap.contracts.filesets.fileset import load_fileset
from massgap.samples.errors import GenerationError, LheError, UnknownProcessError
from massgap.samples.production import event_files, plan
from massgap.samples.production.generate_lhe import generate_lhe


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(event_files, "BLOCK", 40)
    monkeypatch.setattr(plan, "BLOCK", 40)


def read(fileset, *branches):
    arrays = []
    for entry in fileset.values():
        for path, tree in entry["files"].items():
            with uproot.open(path) as file:
                arrays.append(file[tree].arrays(list(branches), library="np"))
    return {name: np.concatenate([part[name] for part in arrays]) for name in branches}


@pytest.fixture(scope="module")
def drell_yan(tmp_path_factory):
    path = tmp_path_factory.mktemp("lhe") / "zmumu.lhe"
    return lhefiles.write(path, lhefiles.drell_yan(100))


def test_all_events_come_out_with_the_cross_section_of_the_file(drell_yan, tmp_path, small_blocks):
    out = tmp_path / "out"
    states = []
    fileset = generate_lhe(drell_yan, out, workers=2, progress=states.append)
    assert fileset.keys() == load_fileset(out / "fileset.json").keys() == {"zmumu_all"}
    metadata = fileset["zmumu_all"]["metadata"]
    assert metadata["n_events"] == metadata["n_generated"] == 100
    assert metadata["xsec_fb"] == pytest.approx(1500.0)
    assert metadata["sum_weights"] == pytest.approx(100.0)
    assert metadata["process"] == "zmumu"
    assert metadata["sqrt_s_tev"] == 13.0
    assert len(fileset["zmumu_all"]["files"]) == 3
    assert states[-1].done == states[-1].total == 100
    assert not (out / ".lhe").exists()
    found = read(fileset, "GenPart_pdgId", "GenPart_mass", "genWeight", "LHEWeight_originalXWGTUP", "event")
    assert found["genWeight"] == pytest.approx(1.0)
    assert found["LHEWeight_originalXWGTUP"] == pytest.approx(1.5)
    # the Z of the file, and no other, is there: each event once
    masses = [m[p == 23][0] for p, m in zip(found["GenPart_pdgId"], found["GenPart_mass"], strict=True)]
    given = [float(text.splitlines()[4].split()[10]) for text in lhefiles.drell_yan(100)]
    assert np.sort(masses) == pytest.approx(np.sort(given), rel=2e-3)


def test_signs_and_sizes_of_weights_are_kept(tmp_path):
    weights = np.tile([3.0, -1.0, 2.0, 0.5], 15)
    path = lhefiles.write(tmp_path / "nlo.lhe", lhefiles.drell_yan(60, weights=weights), xsec=weights.mean())
    fileset = generate_lhe(path, tmp_path / "out", workers=1, is_signal=True, process="Z")
    metadata = fileset["nlo_all"]["metadata"]
    assert metadata["process"] == "Z"
    assert metadata["is_signal"]
    assert metadata["xsec_fb"] == pytest.approx(1000 * weights.mean())
    found = read(fileset, "genWeight", "LHEWeight_originalXWGTUP")
    assert found["LHEWeight_originalXWGTUP"] == pytest.approx(weights)
    assert found["genWeight"] == pytest.approx(weights / weights.mean(), rel=1e-6)
    assert metadata["sum_weights"] == pytest.approx(found["genWeight"].astype(float).sum())


@pytest.mark.parametrize("variations", [False, True])
def test_weights_of_scales_reach_nanoaod(tmp_path, variations):
    block, (scale_ids, pdf_ids) = lhefiles.weight_block("madgraph")

    def weights_of(i, weight):
        values = {"5": 9.0, **{name: 0.5 + 0.1 * k for k, name in enumerate(scale_ids)}}
        values |= {name: 1.0 + 0.01 * k + 0.001 * i for k, name in enumerate(pdf_ids)}
        rows = [f"<wgt id='{name}'> {weight * value:.8e} </wgt>" for name, value in values.items()]
        return ["<rwgt>", *rows, "</rwgt>"]

    events = lhefiles.drell_yan(20, weights=2.0, extra=weights_of)
    path = lhefiles.write(tmp_path / "w.lhe", events, xsec=2.0, header=block)
    fileset = generate_lhe(path, tmp_path / "out", workers=1, variations=variations)
    branches = ["LHEScaleWeight", "LHEPdfWeight"] + ["PSWeight"] * variations
    found = read(fileset, *branches)
    assert np.stack(found["LHEScaleWeight"]) == pytest.approx(
        np.tile(0.5 + 0.1 * np.arange(9), (20, 1)), rel=1e-6
    )
    expected = 1.0 + 0.01 * np.arange(4) + 0.001 * np.arange(20)[:, None]
    assert np.stack(found["LHEPdfWeight"]) == pytest.approx(expected, rel=1e-6)
    if variations:
        shower = np.stack(found["PSWeight"])
        assert shower.shape == (20, 4)
        assert np.isfinite(shower).all()
        assert shower.std() > 0


def test_filter_is_counted_in_the_cross_section(drell_yan, tmp_path):
    fileset = generate_lhe(drell_yan, tmp_path / "out", workers=1, filter_name="dimuon")
    metadata = fileset["zmumu_all"]["metadata"]
    assert 10 < metadata["n_events"] < 100
    # written events over all events of the file: the weights are equal
    assert metadata["xsec_fb"] == pytest.approx(1500.0 * metadata["n_events"] / 100)
    assert metadata["filter_efficiency_error"] == pytest.approx(
        np.sqrt(metadata["filter_efficiency"] * (1 - metadata["filter_efficiency"]) / 100), rel=0.3
    )
    none = generate_lhe(drell_yan, tmp_path / "three", workers=1, filter_name="3l")
    assert none == {}
    rates = json.loads((tmp_path / "three" / "generation.json").read_text())
    assert rates["datasets"]["zmumu_all"]["note"] == "no event passed: not in the fileset"


def test_interrupted_goes_on_with_the_missing_blocks(drell_yan, tmp_path, small_blocks):
    def stop(state):
        raise KeyboardInterrupt

    whole = generate_lhe(drell_yan, tmp_path / "whole", workers=1)
    with pytest.raises(KeyboardInterrupt):
        generate_lhe(drell_yan, tmp_path / "parts", workers=1, progress=stop)
    assert not (tmp_path / "parts" / ".lhe").exists()
    (kept,) = (tmp_path / "parts").glob("*/*.root")
    stamp = kept.stat().st_mtime_ns
    resumed = generate_lhe(drell_yan, tmp_path / "parts", workers=1)
    assert kept.stat().st_mtime_ns == stamp
    branches = ("genWeight", "Muon_pt", "event", "luminosityBlock")
    first, second = read(whole, *branches), read(resumed, *branches)
    for name in branches:
        assert np.concatenate([np.atleast_1d(x) for x in first[name]]).tolist() == (
            np.concatenate([np.atleast_1d(x) for x in second[name]]).tolist()
        )
    assert resumed["zmumu_all"]["metadata"] == whole["zmumu_all"]["metadata"]


def test_a_changed_file_is_showered_anew(tmp_path):
    path = lhefiles.write(tmp_path / "z.lhe", lhefiles.drell_yan(20))
    first = read(generate_lhe(path, tmp_path / "out", workers=1), "GenPart_mass")
    lhefiles.write(path, lhefiles.drell_yan(20, seed=2))
    second = read(generate_lhe(path, tmp_path / "out", workers=1), "GenPart_mass")
    assert first["GenPart_mass"][0].tolist() != second["GenPart_mass"][0].tolist()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"filter_name": "soft"}, GenerationError, "unknown filter 'soft': choose from none, lepton"),
        ({"matching": "ckkw"}, GenerationError, "matching must be"),
        ({"slha": "a.slha", "decays": "smuonL_200_100"}, GenerationError, "not both"),
        ({"slha": "nowhere.slha"}, GenerationError, r"nowhere\.slha cannot be read"),
        ({"decays": "smuonL_200"}, UnknownProcessError, "unknown process"),
        ({"decays": "tt"}, GenerationError, "no spectrum"),
        ({"matching": "mlm"}, LheError, "qcut"),
        ({"events": 0}, GenerationError, "events must be"),
    ],
)
def test_wrong_options(drell_yan, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        generate_lhe(drell_yan, tmp_path / "out", **options)


def test_no_file_and_two_of_one_name(drell_yan, tmp_path):
    with pytest.raises(LheError, match="no event file given"):
        generate_lhe([], tmp_path)
    (tmp_path / "b").mkdir()
    other = lhefiles.write(tmp_path / "b" / "zmumu.lhe", lhefiles.drell_yan(3))
    with pytest.raises(LheError, match="two event files are named zmumu"):
        generate_lhe([drell_yan, other], tmp_path)
