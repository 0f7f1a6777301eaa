"""Event files: what is read, what is refused, cross sections, weights, and blocks."""

from __future__ import annotations

import gzip
import math

import lhefiles
import numpy as np
import pytest

from massgap.samples.errors import LheError
from massgap.samples.lhe.blocks import extract, split
from massgap.samples.lhe.file import read_lhe
from massgap.samples.lhe.weights import pdf_weights, read_weights, scale_weights

#: Cross sections in fb and events, from the description that comes with the files.
REAL = {
    "ewk_m200": (3.002, 12000),
    "ewk_m400": (0.2627, 12000),
    "zjj_vbf": (211.2e3, 20000),
    "wzj_m800": (1.175e3, 10000),
    "wzj_m1600": (102.7, 10000),
    "tautaugamma": (8.12e3, 30000),
    "mmavv_sherpa": (10.11, 6098),
    "vbs_wzjj_sherpa": (206.8, 5647),
    "ttbar_01j_mlm": (1175e3, 12000),
    "smuons_left_m203": (15.63, 2000),
    "w_01j_mlm": (227.6e6, 8000),
}


@pytest.fixture(scope="module")
def events():
    return lhefiles.drell_yan(40)


@pytest.mark.parametrize("zipped", [False, True])
def test_totals(tmp_path, events, zipped):
    path = tmp_path / "events"
    text = lhefiles.text_of(events).encode()
    # the name does not tell, and a gzip file may have several members
    path.write_bytes(gzip.compress(text[:5000]) + gzip.compress(text[5000:]) if zipped else text)
    lhe = read_lhe(path)
    assert lhe.n_events == 40
    assert lhe.complete
    assert lhe.sqrt_s_tev == pytest.approx(13.0)
    assert lhe.xsec_fb == pytest.approx(1500.0)
    assert lhe.sum_weights == pytest.approx(60.0)
    assert lhe.weight_kind == "constant"
    assert lhe.events_per_process == {1: 40}
    assert lhe.events_per_jets == {0: 40}
    assert not lhe.is_vbf
    assert not lhe.is_multijet
    assert lhe.notes == ()


def test_pieces_of_any_size_give_the_same(tmp_path, events, monkeypatch):
    path = lhefiles.write(tmp_path / "e.lhe", events)
    whole = read_lhe(path)
    for size in (97, 1000, 4001):
        monkeypatch.setattr("massgap.samples.lhe.stream._PLAIN_PIECE", size)
        assert read_lhe(path) == whole


def test_layout_may_vary(tmp_path, events):
    text = lhefiles.text_of(events).replace("1.5000000000e+00 ", "1.5000000000D+00 ", 1)
    text = text.replace("</event>\n", "\n#comment 1 2 3\n<mgrwt> 3 4 </mgrwt>\n  1 2 3\n</event>\n\n", 5)
    text = text.replace("<event>\n", '  <event npLO=" 0 ">\n\n', 3).replace("\n", "\r\n")
    path = tmp_path / "e.lhe"
    path.write_bytes(text.encode())
    assert read_lhe(path).xsec_fb == pytest.approx(1500.0)


def test_jets_count_products_of_the_hard_process_only(tmp_path, events):
    decayed = [event.replace("\n 13 1 ", "\n 1 1 ").replace("\n -13 1 ", "\n -1 1 ") for event in events]
    # the quarks of a Z decay are no jets of the hard process
    path = lhefiles.write(tmp_path / "e.lhe", [*decayed[:30], *lhefiles.scattering(10)])
    assert read_lhe(path).events_per_jets == {0: 30, 2: 10}


@pytest.mark.parametrize("annihilate", [False, True])
def test_vbf_is_scattering_without_exchange_of_colour(tmp_path, annihilate):
    path = lhefiles.write(tmp_path / "e.lhe", lhefiles.scattering(20, annihilate=annihilate), xsec=1.0)
    assert read_lhe(path).is_vbf is not annihilate


# --- cross sections


def test_negative_weights_keep_their_sign(tmp_path):
    weights = np.where(np.arange(50) % 5 == 0, -3.0, 3.0)
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(50, weights=weights), xsec=1.8))
    assert lhe.xsec_fb == pytest.approx(1800.0)
    assert lhe.weight_kind == "signed"
    assert lhe.negative_fraction == pytest.approx(0.2)
    # binomial: sigma of the mean of +-3 with probability 0.2
    assert lhe.xsec_error_fb == pytest.approx(1000 * math.hypot(6 * math.sqrt(0.2 * 0.8 / 50), 0.01))


def test_varying_weights(tmp_path):
    weights = np.linspace(0.1, 2.9, 60)
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(60, weights=weights)))
    assert lhe.weight_kind == "varying"
    assert lhe.xsec_fb == pytest.approx(1500.0)


def test_weights_that_are_sigma_over_n(tmp_path):
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(60, weights=1.5 / 60)))
    assert lhe.xsec_fb == pytest.approx(1500.0)
    assert "sigma / N" in " ".join(lhe.notes)


def test_wrong_declared_cross_section_is_noted(tmp_path, events):
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", events, xsec=1.2))
    assert lhe.xsec_fb == pytest.approx(1500.0)
    assert "1.2 pb" in lhe.notes[0]


def test_strategy_three_takes_the_declared_cross_sections(tmp_path):
    rows = [(1.0, 0.03, 1, 1), (0.5, 0.04, 1, 2)]
    path = lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(30, weights=1.0), idwtup=3, processes=rows)
    lhe = read_lhe(path)
    assert lhe.xsec_fb == pytest.approx(1500.0)
    assert lhe.xsec_error_fb == pytest.approx(50.0)
    with pytest.raises(LheError, match="IDWTUP = 3 takes"):
        read_lhe(lhefiles.write(path, lhefiles.drell_yan(3), idwtup=3, xsec=0.0))


def test_strategies_one_and_two_where_they_are_clear(tmp_path):
    path = tmp_path / "e.lhe"
    weights = np.linspace(0.1, 2.9, 60)
    events = lhefiles.drell_yan(60, weights=weights)
    assert read_lhe(lhefiles.write(path, events, idwtup=1, xsec=0)).xsec_fb == pytest.approx(1500.0)
    assert read_lhe(lhefiles.write(path, events, idwtup=-2)).xsec_fb == pytest.approx(1500.0)
    two = [event.replace(" 5 1 ", " 5 2 ", 1) if i % 2 else event for i, event in enumerate(events)]
    with pytest.raises(LheError, match="several processes"):
        read_lhe(lhefiles.write(path, two, idwtup=2, processes=[(5, 0.01, 1, 1), (5, 0.01, 1, 2)]))


# --- what is refused


def test_truncated_file_says_how_many_events_are_complete(tmp_path, events):
    path = tmp_path / "e.lhe"
    text = lhefiles.text_of(events).encode()
    cut = text.index(b"<event>", text.index(events[24].encode()[:60])) + 200
    path.write_bytes(text[:cut])
    with pytest.raises(LheError, match="after 24 complete events"):
        read_lhe(path)
    lhe = read_lhe(path, accept_truncated=True)
    assert (lhe.n_events, lhe.complete) == (24, False)
    assert "24 complete events" in lhe.notes[0]
    # all events but no closing tag is still cut short
    path.write_bytes(text.replace(b"</LesHouchesEvents>\n", b""))
    with pytest.raises(LheError, match="after 40 complete events"):
        read_lhe(path)


def test_damaged_gzip(tmp_path, events):
    path = tmp_path / "e.lhe.gz"
    # random content does not compress: every stretch of the file holds events
    packed = gzip.compress(lhefiles.text_of(events).encode())
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(LheError, match=r"end early\) after [12]\d complete events"):
        read_lhe(path)
    n = read_lhe(path, accept_truncated=True).n_events
    assert extract(read_lhe(path, accept_truncated=True), 0, 99, tmp_path / "b.lhe").n_events == n
    middle = len(packed) // 2
    path.write_bytes(packed[:middle] + bytes(64) + packed[middle + 64 :])
    with pytest.raises(LheError, match="damaged"):
        read_lhe(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "web page"),
        (b"run,event\n1,2\n", "not a Les Houches event file"),
        (b"\x28\xb5\x2f\xfd\x00\x00", r"zstd file.* zstd -d \S+e\.lhe"),
        (b"BZh91AY&SY", "cut short within its header"),
        (b"root\x00\x00", "ROOT"),
        (b'<LesHouchesEvents version="3.0">\n<header>\nfoo', "cut short within its header"),
        (
            b'<LesHouchesEvents version="3.0">\n<event>\n1\n</event>\n</LesHouchesEvents>',
            "no complete <init>",
        ),
    ],
)
def test_other_files(tmp_path, content, message):
    path = tmp_path / "e.lhe"
    path.write_bytes(content)
    with pytest.raises(LheError, match=message):
        read_lhe(path)


def test_missing_file(tmp_path):
    with pytest.raises(LheError, match="cannot be read: No such file"):
        read_lhe(tmp_path / "none.lhe")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beams": "2212 2212 0. 6.5e3"}, "energies 0 and 6500"),
        ({"beams": "2212 2212 nan 6.5e3"}, "energies nan"),
        ({"beams": "2212 2212 x 6.5e3"}, "cannot be understood"),
        ({"idwtup": 7}, "IDWTUP = 7"),
        ({"beams": "2212 2212 20. 20."}, "in a beam of 20 GeV"),
        ({"processes": [(1, 0, 1, 5)]}, "process 1, which the <init> block does not list"),
        ({"processes": [("inf", 0, 1, 1)]}, "not a number"),
    ],
)
def test_impossible_declarations(tmp_path, events, options, message):
    with pytest.raises(LheError, match=message):
        read_lhe(lhefiles.write(tmp_path / "e.lhe", events, **options))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1.5000000000e+00", "nan", "event 3 has '5 1 nan"),
        (" 5 1 ", " 6 1 ", "event 3 announces 6 particles and has 5"),
        ("\n 13 1 3 3 0 0", "\n 13 1 3 3 0", "event 3 has '13 1 3 3 0"),
        ("\n 13 1 3 3 0 0 ", "\n 13 1 3 3 0 0 9", "event 3 does not conserve"),
        ("\n 2 -1 ", "\n 2 1 ", "event 3 does not begin with its two incoming"),
        ("</event>\n", "", "event 3 has no"),
    ],
)
def test_damaged_event_is_named(tmp_path, events, old, new, message):
    broken = events[2].replace(old, new, 1)
    assert broken != events[2]
    with pytest.raises(LheError, match=message):
        read_lhe(lhefiles.write(tmp_path / "e.lhe", [*events[:2], broken, *events[3:]]))


def test_no_events_and_several_files(tmp_path, events):
    with pytest.raises(LheError, match="no events"):
        read_lhe(lhefiles.write(tmp_path / "e.lhe", []))
    text = lhefiles.text_of(events)
    (tmp_path / "e.lhe").write_text(text + text)
    with pytest.raises(LheError, match="several event files"):
        read_lhe(tmp_path / "e.lhe")


def test_missing_events_are_noted(tmp_path, events):
    header = "<MGGenerationInfo>\n#  Number of Events        :       41\n</MGGenerationInfo>\n"
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", events, header=header))
    assert lhe.notes == ("the header declares 41 events, the file has 40",)


# --- header


def test_matching_parameters(tmp_path, events):
    header = read_lhe(lhefiles.write(tmp_path / "e.lhe", events, header=lhefiles.RUN_CARD)).header
    assert (header.matching, header.xqcut, header.max_jet_flavour) == ("mlm", 15.0, 4)
    card = lhefiles.RUN_CARD.replace("1 = ickkw", "3 = ickkw")
    assert read_lhe(lhefiles.write(tmp_path / "e.lhe", events, header=card)).header.matching == "fxfx"


def test_new_particles_and_their_spectrum(tmp_path, events):
    pair = [
        event.replace("\n 13 1 ", "\n 1000013 1 ").replace("\n -13 1 ", "\n -1000013 1 ") for event in events
    ]
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", pair))
    assert lhe.new_masses == {1000013: 0.0}
    assert "need an SLHA file" in lhe.notes[0]
    spectrum = "<slha>\nBLOCK MASS #\n 1000013 -200. # mass\n 1000022 100.\nDECAY 1000013 1.0\n</slha>\n"
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", pair, header=spectrum))
    assert lhe.header.slha_masses == {1000013: 200.0, 1000022: 100.0}
    assert "particle 1000013 has 0 GeV in the events, 200 GeV in the header's spectrum" in lhe.notes
    assert "BLOCK MASS" in extract(lhe, 0, 2, tmp_path / "b.lhe").path.read_text()


@pytest.mark.parametrize("style", ["madgraph", "powheg", "sherpa"])
def test_weights_in_the_styles_of_programs(style):
    block, (scales, members) = lhefiles.weight_block(style)
    weights = read_weights(block)
    assert scale_weights(weights, 230000) == (tuple(scales), [])
    assert pdf_weights(weights, 230000) == (tuple(members), 230000)


def test_seven_scale_points_are_not_nine():
    block, _ = lhefiles.weight_block("madgraph")
    weights = tuple(w for w in read_weights(block) if (w.mur, w.muf) not in ((0.5, 2.0), (2.0, 0.5)))
    ids, notes = scale_weights(weights, 230000)
    assert ids == ()
    assert "(0.5, 2), (2, 0.5)" in notes[0]


def test_the_nominal_pdf_wins_over_larger_sets():
    rows = [f"<weight id='a{k}'> PDF={13000 + k} </weight>" for k in range(30)]
    rows += [f"<weight id='b{k}'> PDF={230000 + k} </weight>" for k in range(5)]
    weights = read_weights("".join(rows))
    assert pdf_weights(weights, 230000) == (tuple(f"b{k}" for k in range(5)), 230000)
    assert pdf_weights(weights, 90000)[1] == 13000


# --- blocks


@pytest.mark.parametrize("zipped", [False, True])
def test_blocks_hold_every_event_once(tmp_path, monkeypatch, zipped):
    monkeypatch.setattr("massgap.samples.lhe.stream._PACKED_PIECE", 3000)
    monkeypatch.setattr("massgap.samples.lhe.stream._PLAIN_PIECE", 3000)
    monkeypatch.setattr("massgap.samples.lhe.events.STRIDE", 10)
    weights = np.random.default_rng(5).choice([-1.0, 1.0, 2.0], 95)
    events = lhefiles.drell_yan(95, weights=weights)
    path = tmp_path / "e.lhe"
    text = lhefiles.text_of(events, xsec=weights.mean()).encode()
    path.write_bytes(gzip.compress(text) if zipped else text)
    lhe = read_lhe(path)
    assert len(lhe.offsets) == 10
    blocks = split(lhe, tmp_path, 20)
    assert [blocks[k].n_events for k in range(5)] == [20, 20, 20, 20, 15]
    for k, block in blocks.items():
        assert "".join(events[20 * k : 20 * k + 20]).strip() in block.path.read_text()
        assert block.sum_weights == pytest.approx(weights[20 * k : 20 * k + 20].sum())
        alone = extract(lhe, 20 * k, 20, tmp_path / "alone.lhe")
        assert alone.path.read_bytes() == block.path.read_bytes()
    assert list(split(lhe, tmp_path, 20, wanted=[3])) == [3]
    inner = extract(lhe, 33, 4, tmp_path / "inner.lhe")
    assert inner.path.read_text().count("<event>") == 4
    assert "".join(events[33:37]).strip() in inner.path.read_text()


def test_blocks_drop_the_spectrum_unless_asked(tmp_path, events):
    block, _ = lhefiles.weight_block("madgraph")
    header = f"<slha>\nBLOCK MASS\n 23 91.0\n</slha>\n{block}{lhefiles.RUN_CARD}"
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", events, header=header, idwtup=3))
    assert lhe.header.has_slha
    text = extract(lhe, 0, 2, tmp_path / "b.lhe").path.read_text()
    assert "BLOCK MASS" not in text
    assert block.strip() in text
    # each event is to come out once, with its weight
    assert read_lhe(tmp_path / "b.lhe").header.idwtup == -4
    assert "BLOCK MASS" in extract(lhe, 0, 2, tmp_path / "b.lhe", keep_slha=True).path.read_text()


def test_blocks_that_cannot_be_made(tmp_path, events):
    path = lhefiles.write(tmp_path / "e.lhe", events)
    lhe = read_lhe(path)
    with pytest.raises(LheError, match="there are none from 40"):
        extract(lhe, 40, 5, tmp_path / "b.lhe")
    with pytest.raises(LheError, match="no block 2"):
        split(lhe, tmp_path, 20, wanted=[2])
    with pytest.raises(LheError, match="cannot be written"):
        extract(lhe, 0, 5, tmp_path / "none" / "b.lhe")
    lhefiles.write(path, events[:10])
    with pytest.raises(LheError, match="has changed"):
        extract(lhe, 0, 40, tmp_path / "b.lhe")
    assert not (tmp_path / "b.lhe").exists()
    assert not list(tmp_path.glob(".*"))


# --- files of real programs


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_files(real_files, name):
    path = real_files / "lhe" / f"{name}.lhe.gz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    lhe = read_lhe(path)
    xsec, n = REAL[name]
    assert lhe.n_events == n
    # the reference is rounded to four digits
    assert lhe.xsec_fb == pytest.approx(xsec, rel=6e-4)
    assert lhe.xsec_error_fb < 0.02 * xsec
    assert lhe.sqrt_s_tev == pytest.approx(13.0)
    assert lhe.is_multijet == ("mlm" in name)
    assert lhe.is_vbf == (name.startswith(("ewk", "vbs")))
    # the second XSECUP of these files is wrong, and new particles need a spectrum
    assert any("XSECUP" in note for note in lhe.notes) == name.startswith("ewk")
    assert bool(lhe.new_masses) == name.startswith(("ewk", "smuons"))
