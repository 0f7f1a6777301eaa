"""Events without particles, with weights of any sign, and with what else stands in events."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

from massgap.samples.errors import LheError
from massgap.samples.lhe.blocks import extract, split
from massgap.samples.lhe.file import read_lhe
from tests.samples import lhefiles

ROWS = " 0 0 0 0 0 0 0. 0. 0. 0. 0. 0. 0.\n"


def empty(form, weight=0.0, process=1):
    """An event without particles: none at all, rows of zeros (as converted from LHEH5), or with a comment."""
    head, rows = {"none": (0, ""), "zeros": (5, 5 * ROWS), "comment": (0, "#rwgt 1 7 414.9 54217137 1 0\n")}[
        form
    ]
    return f"<event>\n {head} {process} {weight} -1 -1 -1\n{rows}</event>\n"


FORMS = ["none", "zeros", "comment"]


@pytest.fixture(scope="module")
def events():
    return lhefiles.drell_yan(40)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", [0, 17, 40])
def test_an_event_without_particles_counts_as_one_that_gave_nothing(tmp_path, events, form, place):
    path = lhefiles.write(tmp_path / "e.lhe", [*events[:place], empty(form), *events[place:]])
    lhe = read_lhe(path)
    assert (lhe.n_events, lhe.n_empty, lhe.empty_events) == (41, 1, "count")
    # the mean of 40 weights of 1.5 pb and one of 0
    assert lhe.xsec_fb == pytest.approx(1500.0 * 40 / 41)
    assert lhe.sum_weights == pytest.approx(60.0)
    assert (lhe.weight_kind, lhe.negative_fraction) == ("constant", 0.0)
    assert lhe.events_per_jets == {0: 40}
    assert "1 of 41 events has no particles: counted" in lhe.notes[0]
    dropped = read_lhe(path, empty_events="drop")
    assert dropped.xsec_fb == pytest.approx(1500.0)
    assert dropped.n_empty == 1
    assert "left out" in dropped.notes[0]
    with pytest.raises(LheError, match=rf"event {place + 1} has no particles \(--empty-events count"):
        read_lhe(path, empty_events="refuse")


def test_a_weight_without_particles_counts_too_unless_dropped(tmp_path, events):
    path = lhefiles.write(tmp_path / "e.lhe", [*events, empty("none", 4.5), empty("zeros", -1.5)])
    lhe = read_lhe(path)
    assert lhe.sum_weights == pytest.approx(40 * 1.5 + 3.0)
    assert lhe.xsec_fb == pytest.approx(1000 * 63.0 / 42)
    assert "their weight of 3 counts as well" in lhe.notes[0]
    assert read_lhe(path, empty_events="drop").sum_weights == pytest.approx(60.0)


def test_weights_of_other_scales_are_not_asked_of_empty_events(tmp_path):
    block, (scales, _) = lhefiles.weight_block("madgraph")

    def extra(_, weight):
        return ["<rwgt>", *(f'<wgt id="{name}"> {weight} </wgt>' for name in scales), "</rwgt>"]

    events = lhefiles.drell_yan(6, extra=extra)
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", [empty("none"), *events, empty("zeros")], header=block))
    assert lhe.weight_ids == tuple(scales)
    assert (lhe.n_events, lhe.n_empty) == (8, 2)


def test_pieces_of_any_size_find_the_same_empty_events(tmp_path, events, monkeypatch):
    mixed = [
        text
        for k, event in enumerate(events)
        for text in ([event, empty(FORMS[k % 3])] if k % 4 == 0 else [event])
    ]
    path = lhefiles.write(tmp_path / "e.lhe", mixed)
    whole = read_lhe(path)
    assert (whole.n_events, whole.n_empty) == (50, 10)
    for size in (97, 1000, 4001):
        monkeypatch.setattr("massgap.samples.lhe.stream._PLAIN_PIECE", size)
        assert read_lhe(path) == whole


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("policy", ["count", "drop"])
def test_blocks_leave_empty_events_to_the_account(tmp_path, monkeypatch, zipped, policy):
    monkeypatch.setattr("massgap.samples.lhe.events.STRIDE", 10)
    events = lhefiles.drell_yan(30, weights=np.where(np.arange(30) % 3, 1.0, -0.5))
    mixed = [*events[:12], empty("zeros", 2.0), empty("none", 0.25), *events[12:], empty("none")]
    text = lhefiles.text_of(mixed, xsec=0.5).encode()
    path = tmp_path / "e.lhe"
    path.write_bytes(gzip.compress(text) if zipped else text)
    lhe = read_lhe(path, empty_events=policy)
    blocks = split(lhe, tmp_path, 11)
    assert [blocks[k].n_events + blocks[k].n_empty for k in range(3)] == [11, 11, 11]
    assert [blocks[k].n_empty for k in range(3)] == [0, 2, 1]
    assert [blocks[k].sum_empty for k in range(3)] == [0.0, 2.25 if policy == "count" else 0.0, 0.0]
    for k, places in enumerate((range(11), range(11, 20), range(20, 30))):
        text = blocks[k].path.read_text()
        assert text.count("<event>") == len(places) == blocks[k].n_events
        assert all(events[i].strip() in text for i in places)
        assert blocks[k].sum_weights == pytest.approx(sum(1.0 if i % 3 else -0.5 for i in places))
    total = sum(block.sum_weights + block.sum_empty for block in blocks.values())
    assert total == pytest.approx(lhe.sum_weights)


def test_a_block_of_empty_events_alone_is_none_for_the_generator(tmp_path, events):
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", [*events, *[empty("none", 0.5)] * 5]))
    block = extract(lhe, 40, 5, tmp_path / "b.lhe")
    assert (block.n_events, block.n_empty, block.sum_empty) == (0, 5, 2.5)


@pytest.mark.parametrize("policy", ["count", "drop"])
def test_a_file_of_empty_events_alone_is_refused(tmp_path, policy):
    path = lhefiles.write(tmp_path / "e.lhe", [empty("zeros")] * 3)
    with pytest.raises(LheError, match=r"none of the 3 events of .* has particles"):
        read_lhe(path, empty_events=policy)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" 5 1 1.5", " 5 1 nan", r"event 3 has '5 1 nan.*where 6 finite numbers should be"),
        (" 5 1 1.5", " 5 1 inf", "event 3 has '5 1 inf"),
        (" 5 1 1.5", " 0 1 1.5", "event 3 announces 0 particles and has 5 lines"),
        (" 13 1 ", " 0 1 ", None),
    ],
)
def test_what_is_not_an_empty_event(tmp_path, events, old, new, message):
    path = lhefiles.write(tmp_path / "e.lhe", [*events[:2], events[2].replace(old, new, 1), *events[3:]])
    if message is None:  # one particle without an identity among others that have one
        assert read_lhe(path).n_empty == 0
        return
    with pytest.raises(LheError, match=message):
        read_lhe(path)


@pytest.mark.parametrize("line", ["# made by hand", "<generator name='X'>1.0</generator>", "", "! note"])
def test_comments_and_elements_may_stand_anywhere_in_the_init_block(tmp_path, events, line):
    text = lhefiles.text_of(events, processes=[(1.0, 0.01, 1.0, 1), (0.5, 0.01, 1.0, 2)])
    first, rest = text.split("<init>\n")
    beams, one, two = rest.partition("</init>")[0].splitlines()
    init = f"{line}\n{beams}\n{line}\n{one}\n{line}\n{two}\n{line}"
    path = tmp_path / "e.lhe"
    path.write_text(f"{first}<init>\n{init}\n</init>{rest.partition('</init>')[2]}")
    lhe = read_lhe(path)
    assert [process.xsec_pb for process in lhe.header.processes] == [1.0, 0.5]
    block = read_lhe(extract(lhe, 0, 5, tmp_path / "b.lhe").path)
    assert [process.number for process in block.header.processes] == [1, 2]


def test_events_of_zero_weight_with_particles_are_events(tmp_path):
    weights = np.where(np.arange(40) % 4 == 0, 0.0, 2.0)
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(40, weights=weights)))
    assert (lhe.n_empty, lhe.weight_kind) == (0, "varying")
    assert lhe.xsec_fb == pytest.approx(1500.0)


def test_blocks_have_exponents_that_pythia_reads(tmp_path):
    """Of 1.5D+01 it would take 1.5 for a weight, and no event at all for a momentum or a beam."""
    header = '<initrwgt>\n<weight id="muf=2.D0"> muR=1.0D0 muF=2.0D0 </weight>\n</initrwgt>\n'
    carried = lambda i, w: ["<rwgt>", f'<wgt id="muf=2.D0"> {20 * w:.6e} </wgt>', "</rwgt>"]
    text = lhefiles.text_of(
        lhefiles.drell_yan(5, extra=carried), header=header, beams="2212 2212 6.5e+3 6.5e+3"
    )
    blocks = []
    for name, content in (("plain", text), ("fortran", re.sub(r"(?<=\d)e(?=[+-]\d)", "D", text))):
        path = tmp_path / f"{name}.lhe"
        path.write_text(content)
        lhe = read_lhe(path)
        assert (lhe.sum_weights, lhe.weight_ids) == (7.5, ("muf=2.D0",))
        blocks.append(extract(lhe, 1, 3, tmp_path / "block.lhe").path.read_text())
    assert blocks[0] == blocks[1]
    assert blocks[1].count("3.000000e+01") == 3


def test_a_tag_at_the_end_of_a_line_is_named(tmp_path, events):
    path = tmp_path / "e.lhe"
    path.write_text(lhefiles.text_of(events).replace("\n</event>", " </event>"))
    with pytest.raises(
        LheError, match=r"event 1 has no <event> or </event> tag of its own, on a line of its own"
    ):
        read_lhe(path)


def test_a_comment_behind_the_last_event_is_no_event(tmp_path, events):
    path = tmp_path / "e.lhe"
    path.write_text(lhefiles.text_of([*events, "# the last <event> of all\n"]))
    assert read_lhe(path).complete
