"""Samples whose W, Z and new particles decay to chosen leptons, and copies of matrix-element events."""

from __future__ import annotations

import lhefiles
import numpy as np
import pytest
import uproot

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")

from massgap.models.folds import fold_key
from massgap.samples.errors import GenerationError
from massgap.samples.production.generate import generate
from massgap.samples.production.generate_lhe import generate_lhe

#: Particle Data Group 2024: W to e and mu; Z to e or mu.
W_TO_E_MU, Z_TO_L = 0.1071 + 0.1063, 0.033658


def read(fileset):
    (entry,) = fileset.values()
    branches = ["GenPart_pdgId", "GenPart_genPartIdxMother", "run", "luminosityBlock", "event", "genWeight"]
    parts = []
    for path in entry["files"]:
        with uproot.open(path) as file:
            parts.append(file["Events"].arrays([*branches, "MET_pt", "Generator_x1"], library="np"))
    return entry["metadata"], {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def children(found, parent):
    """PDG numbers, without sign, of what a particle decays to."""
    kinds = []
    for pdg, mother in zip(found["GenPart_pdgId"], found["GenPart_genPartIdxMother"], strict=True):
        of = np.where(mother >= 0, np.abs(pdg[mother]), 0)
        kinds.append(np.abs(pdg[(of == parent) & (np.abs(pdg) != parent)]))
    return np.concatenate(kinds)


def test_copies_of_w_pairs_to_leptons(tmp_path):
    path = lhefiles.write(tmp_path / "ww.lhe", lhefiles.pairs(30, 24, -24, 80.4))
    fileset = generate_lhe(path, tmp_path / "out", workers=1, leptonic=("e", "mu"), repeat=4)
    metadata, found = read(fileset)
    assert metadata["leptonic"] == ["e", "mu"]
    assert metadata["n_copies"] == 4
    assert metadata["n_events"] == metadata["n_generated"] == 120
    assert metadata["branching_fraction"] == pytest.approx(W_TO_E_MU**2, rel=0.03)
    assert metadata["xsec_fb"] == pytest.approx(1500.0 * metadata["branching_fraction"])
    assert metadata["filter_efficiency"] == pytest.approx(1.0)
    assert found["genWeight"] == pytest.approx(metadata["branching_fraction"] / 4)
    assert metadata["sum_weights"] == pytest.approx(30 * metadata["branching_fraction"])
    assert set(children(found, 24)) - {22} == {11, 12, 13, 14}
    # copies of an event follow one another, share number and fold, and are different events
    numbers = found["event"].reshape(30, 4)
    assert (numbers == numbers[:, :1]).all()
    assert numbers[:, 0].tolist() == list(range(1, 31))
    assert np.ptp(found["Generator_x1"].reshape(30, 4), axis=1).max() == 0
    assert np.ptp(found["MET_pt"].reshape(30, 4), axis=1).min() > 0
    keys = fold_key(*(found[name].astype(np.uint64) for name in ("run", "luminosityBlock", "event")))
    assert len(np.unique(keys)) == 30


def test_numbers_do_not_depend_on_the_number_of_copies_or_blocks(tmp_path, monkeypatch):
    path = lhefiles.write(tmp_path / "ww.lhe", lhefiles.pairs(9, 24, -24, 80.4))
    for module in ("event_files", "plan"):
        monkeypatch.setattr(f"massgap.samples.production.{module}.BLOCK", 12)
    for repeat, blocks in ((2, 2), (3, 3)):
        fileset = generate_lhe(path, tmp_path / str(repeat), workers=1, repeat=repeat)
        metadata, found = read(fileset)
        assert len(next(iter(fileset.values()))["files"]) == blocks
        assert found["event"].tolist() == np.repeat(np.arange(1, 10), repeat).tolist()
        assert set(found["luminosityBlock"]) == {1}
        assert metadata["xsec_fb"] == pytest.approx(1500.0)
        assert "branching_fraction" not in metadata


SPECTRUM = """BLOCK MODSEL
 1 0
BLOCK MASS
 1000013 150.
 1000022 100.
 1000023 230.
DECAY 1000022 0.
DECAY 1000013 0.1
 1.0 2 1000022 13
DECAY 1000023 0.1
 0.70 2 1000022 23
 0.05 2 1000013 -13
 0.05 2 -1000013 13
 0.20 3 1000022 1 -1
"""


def test_new_particles_decay_by_what_is_left_of_their_chains(tmp_path):
    (tmp_path / "model.slha").write_text(SPECTRUM)
    path = lhefiles.write(tmp_path / "n2.lhe", lhefiles.pairs(500, 1000023, 1000023, 230.0, energy=700.0))
    fileset = generate_lhe(
        path, tmp_path / "out", workers=1, slha=tmp_path / "model.slha", leptonic=("e", "mu")
    )
    metadata, found = read(fileset)
    left = 0.7 * 2 * Z_TO_L + 0.1
    assert metadata["branching_fraction"] == pytest.approx(left**2, rel=0.02)
    assert metadata["xsec_fb"] == pytest.approx(1500.0 * metadata["branching_fraction"], rel=0.01)
    z, smuons = np.sum(children(found, 1000023) == 23), np.sum(children(found, 1000023) == 1000013)
    assert z + smuons == 1000
    expected = 1000 * 0.1 / left
    assert abs(smuons - expected) < 4 * np.sqrt(expected * (1 - expected / 1000))


def test_decays_that_the_file_has_made_weigh_nothing(tmp_path):
    path = lhefiles.write(tmp_path / "z.lhe", lhefiles.drell_yan(20))
    metadata, found = read(generate_lhe(path, tmp_path / "out", workers=1, leptonic=("e",)))
    assert metadata["branching_fraction"] == 1.0
    assert found["genWeight"] == pytest.approx(1.0)


def test_internal_processes_take_the_generators_cross_section(tmp_path):
    fileset = generate("ttbar", tmp_path / "out", events=300, workers=1, leptonic=("e", "mu"))
    metadata, found = read(fileset)
    assert set(children(found, 24)) - {22} == {11, 12, 13, 14}
    # that of all decays, in the catalogue, times the fractions of two W
    assert abs(metadata["xsec_fb"] - 509.9e3 * W_TO_E_MU**2) < 4 * metadata["hard_xsec_error_fb"]


@pytest.mark.parametrize(
    ("process", "leptons", "words"),
    [
        ("tt", ("e",), "tt is made to decay to muons already.*without --leptonic"),
        ("Ztautau", ("e", "mu"), "its Z decays to none of these leptons.*--leptonic e,mu,tau"),
        ("ttbar", ("nu",), "--leptonic e,mu, not 'nu'"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, process, leptons, words):
    with pytest.raises(GenerationError, match=words):
        generate(process, tmp_path / "out", events=10, workers=1, leptonic=leptons)


@pytest.mark.parametrize("repeat", [0, 1001, 1.5])
def test_copies_are_counted_in_whole_numbers(tmp_path, repeat):
    path = lhefiles.write(tmp_path / "z.lhe", lhefiles.drell_yan(2))
    with pytest.raises(
        GenerationError, match="repeat must be a whole number from 1 to 1000, for instance --repeat 5, not"
    ):
        generate_lhe(path, tmp_path / "out", workers=1, repeat=repeat)


def test_smuons_that_decay_several_times_are_those_that_decay_once(tmp_path):
    once = generate("smuonR_300_100", tmp_path / "one", events=400, workers=1)
    metadata, found = read(generate("smuonR_300_100", tmp_path / "five", events=150, workers=1, repeat=5))
    assert metadata["n_copies"] == 5
    assert metadata["n_generated"] == 750
    whole = sum(entry["metadata"]["xsec_fb"] for entry in once.values())
    assert metadata["hard_xsec_fb"] == next(iter(once.values()))["metadata"]["hard_xsec_fb"]
    # the slices of the other sample, muons in the acceptance
    assert metadata["xsec_fb"] == pytest.approx(whole, rel=0.1)
    assert found["genWeight"] == pytest.approx(0.2)
    assert found["event"].max() <= 150
    assert 4 < len(found["event"]) / len(set(found["event"])) <= 5
    met = {number: found["MET_pt"][found["event"] == number] for number in set(found["event"])}
    assert all(len(values) == len(set(values)) for values in met.values())


def test_only_pairs_of_scalars_decay_after_the_shower(tmp_path):
    with pytest.raises(GenerationError, match="--repeat is for pairs of smuons"):
        generate("ttbar", tmp_path / "out", events=10, workers=1, repeat=2)
