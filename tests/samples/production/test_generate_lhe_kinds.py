"""Files of kinds that need a decision: events without particles, cut short, of other mergings, of negative weights."""

from __future__ import annotations

import gzip

import lhefiles
import numpy as np
import pytest
import uproot
from click.testing import CliRunner

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")

from massgap.cli import main
from massgap.contracts.filesets.fileset import load_fileset
from massgap.samples.errors import GenerationError, LheError
from massgap.samples.lhe.file import read_lhe
from massgap.samples.production import event_files, plan
from massgap.samples.production.generate_lhe import generate_lhe
from massgap.samples.pythia.shower_settings import lhe_settings

ZEROS = "<event>\n 5 1 0.0 -1 -1 -1\n" + 5 * " 0 0 0 0 0 0 0. 0. 0. 0. 0. 0. 0.\n" + "</event>\n"


def massgap(*words):
    done = CliRunner().invoke(main, [str(word) for word in words])
    return done.exit_code, done.output


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(event_files, "BLOCK", 10)
    monkeypatch.setattr(plan, "BLOCK", 10)


def test_events_without_particles_are_counted_in_the_fileset(tmp_path, small_blocks):
    """20 events of 1.5 pb; 11 that gave nothing, of which 10 are the whole second block."""
    events = lhefiles.drell_yan(20)
    path = lhefiles.write(tmp_path / "z.lhe", [ZEROS, *events[:9], *[ZEROS] * 10, *events[9:]])
    found = generate_lhe(path, tmp_path / "count", workers=1)["z_all"]["metadata"]
    assert (found["n_events"], found["n_empty_events"]) == (20, 11)
    assert found["xsec_fb"] == pytest.approx(1500.0 * 20 / 31)
    assert found["sum_weights"] == pytest.approx(20.0)
    assert "11 of 31 events have no particles: counted" in found["xsec_source"]
    code, said = massgap(
        "generate", "--lhe", path, "--out", tmp_path / "drop", "--empty-events", "drop", "--workers", 1
    )
    assert code == 0, said
    assert "note: z_all: 11 of 31 events have no particles: left out" in said
    found = load_fileset(tmp_path / "drop" / "fileset.json")["z_all"]["metadata"]
    assert (found["n_events"], found["n_empty_events"]) == (20, 11)
    assert found["xsec_fb"] == pytest.approx(1500.0)
    code, said = massgap("generate", "--lhe", path, "--out", tmp_path / "no", "--empty-events", "refuse")
    assert code == 1
    assert "event 1 has no particles (--empty-events count" in said


def test_the_weight_of_what_gave_nothing_lowers_the_cross_section(tmp_path, small_blocks):
    """Its 5 pb are in the mean of the file and come out of nothing: 30 of 35 are seen."""
    events = lhefiles.drell_yan(20)
    path = lhefiles.write(tmp_path / "z.lhe", [*events, ZEROS.replace(" 0.0 -1", " 5.0 -1")], xsec=35.0 / 21)
    found = generate_lhe(path, tmp_path / "out", workers=1)["z_all"]["metadata"]
    assert found["hard_xsec_fb"] == pytest.approx(1000 * 35.0 / 21)
    assert found["xsec_fb"] == pytest.approx(1000 * 30.0 / 21)


def test_a_choice_that_is_none(tmp_path):
    path = lhefiles.write(tmp_path / "z.lhe", lhefiles.drell_yan(3))
    with pytest.raises(GenerationError, match="must be one of count, drop, refuse"):
        generate_lhe(path, tmp_path / "out", empty_events="ignore")


def test_a_file_cut_short_is_taken_by_the_option_that_its_message_names(tmp_path):
    text = lhefiles.text_of(lhefiles.drell_yan(12))
    path = tmp_path / "z.lhe.gz"
    path.write_bytes(gzip.compress(text[: text.rindex("<event>") + 40].encode()))
    words = ["generate", "--lhe", path, "--out", tmp_path / "out", "--workers", 1]
    code, said = massgap(*words)
    assert code == 1
    assert "after 11 complete events" in said
    assert "--accept-truncated" in said
    code, said = massgap(*words, "--accept-truncated")
    assert code == 0, said
    metadata = load_fileset(tmp_path / "out" / "fileset.json")["z_all"]["metadata"]
    assert metadata["n_events"] == 11
    assert "cut short" in metadata["xsec_source"]


CKKW = "<MGRunCard>\n 0 = ickkw\n 10.0 = xqcut\n 30.0 = ktdurham\n</MGRunCard>\n"


def test_a_sample_for_ckkw_l_is_refused_with_reason_and_remedy(tmp_path):
    events = [*lhefiles.drell_yan(4), *lhefiles.scattering(4)]
    path = lhefiles.write(tmp_path / "merged.lhe", events, header=CKKW)
    for matching in ("auto", "mlm", "none"):
        code, said = massgap(
            "generate", "--lhe", path, "--out", tmp_path / "out", "--matching", matching, "--qcut", 20
        )
        assert code == 1
        assert "CKKW-L merging (ktdurham = 30 in the run card)" in said
        assert "ickkw = 1" in said
        assert "here 0, 2" in said
    assert not (tmp_path / "out" / "fileset.json").exists()


def test_one_multiplicity_of_it_is_showered_alone_when_asked(tmp_path):
    path = lhefiles.write(tmp_path / "merged.lhe", lhefiles.drell_yan(4), header=CKKW)
    with pytest.raises(LheError, match="0 light partons, shower it alone with --matching none"):
        generate_lhe(path, tmp_path / "out", workers=1)
    found = generate_lhe(path, tmp_path / "out", workers=1, matching="none")
    assert found["merged_all"]["metadata"]["n_events"] == 4


def test_showers_on_powheg_begin_at_its_scale(tmp_path):
    events = lhefiles.drell_yan(3)
    comment = "<!--\nfile generated with POWHEG-BOX-V2\n-->\n"
    lines = lhe_settings(read_lhe(lhefiles.write(tmp_path / "p.lhe", events, header=comment)))
    assert {"SpaceShower:pTmaxMatch = 1", "TimeShower:pTmaxMatch = 1"} <= set(lines)
    others = lhe_settings(read_lhe(lhefiles.write(tmp_path / "m.lhe", events, header=lhefiles.RUN_CARD)))
    assert not any("pTmaxMatch" in line for line in others)


def test_interference_keeps_its_negative_cross_section(tmp_path):
    weights = np.tile([-3.0, 1.0, 0.0, -2.0], 5)
    path = lhefiles.write(tmp_path / "i.lhe", lhefiles.drell_yan(20, weights=weights), xsec=-1.0)
    lhe = read_lhe(path)
    assert lhe.xsec_fb == pytest.approx(-1000.0)
    assert "the cross section is negative (-1 pb)" in lhe.notes[-1]
    fileset = generate_lhe(path, tmp_path / "out", workers=1)
    metadata = fileset["i_all"]["metadata"]
    assert metadata["xsec_fb"] == pytest.approx(-1000.0)
    ((file, tree),) = fileset["i_all"]["files"].items()
    with uproot.open(file) as content:
        found = content[tree]["LHEWeight_originalXWGTUP"].array(library="np")
        weight = content[tree]["genWeight"].array(library="np").astype(float)
    # an event of weight zero counts nothing, whether it comes out or not
    assert found[found != 0] == pytest.approx(weights[weights != 0])
    assert metadata["sum_weights"] == pytest.approx(weight.sum())
    assert np.sign(weight.sum()) == -1


@pytest.mark.parametrize(
    ("weight", "xsec", "idwtup", "message"),
    [
        (1.5, -1.5, 3, "both must be positive, or both negative"),
        (-1.5, 1.5, -3, "both must be positive, or both negative"),
        (1.5, 0.0, 3, "both must be positive, or both negative"),
        (0.0, 1.5, -4, "add up to zero"),
    ],
)
def test_signs_that_contradict_each_other_are_refused(tmp_path, weight, xsec, idwtup, message):
    path = lhefiles.write(tmp_path / "i.lhe", lhefiles.drell_yan(8, weights=weight), xsec=xsec, idwtup=idwtup)
    with pytest.raises(LheError, match=message):
        read_lhe(path)
