from __future__ import annotations

import pytest

from massgap.samples.lhe.file import read_lhe
from massgap.samples.lhe.merging import NAMES, find_merging
from tests.samples import lhefiles


def card(**entries):
    rows = "".join(f"  {value} = {name} ! comment\n" for name, value in entries.items())
    return f"<MGRunCard>\n<![CDATA[\n{rows}]]>\n</MGRunCard>\n"


@pytest.mark.parametrize(
    ("header", "init", "kind", "told"),
    [
        (card(ickkw=0, xqcut=0.0), "", "", ""),
        (card(ickkw=1, xqcut=20.0), "", "mlm", "ickkw = 1"),
        (card(ickkw=0, xqcut=20.0), "", "mlm", "xqcut = 20"),
        (card(ickkw=0, xqcut=0.0, ktdurham=30.0), "", "ckkw", "ktdurham = 30 in the run card"),
        # a cut of the matrix elements stands beside that of the merging
        (card(ickkw=0, xqcut=10.0, ktdurham=30.0), "", "ckkw", "ktdurham = 30"),
        (card(ickkw=0, xqcut=10.0, ptlund="2.5d1"), "", "ckkw", "ptlund = 25"),
        # what MadGraph writes into a card in which nothing is merged
        (card(ickkw=0, xqcut=0.0, ktdurham=-1.0, ptlund=-1.0), "", "", ""),
        (card(ickkw=1, xqcut=20.0, ktdurham=-1.0), "", "mlm", "ickkw = 1"),
        (card(ickkw=2), "", "ckkw", "ickkw = 2"),
        (card(ickkw=3), "", "fxfx", "ickkw = 3"),
        (card(ickkw=4), "", "unlops", "ickkw = 4"),
        (card(ickkw=-1), "", "unknown", "ickkw = -1"),
        ("Merging:doKTMerging = on\n", "", "ckkw", "Merging:doKTMerging"),
        ("Merging:doPTLundMerging = off\n! Merging:doKTMerging = on\n", "", "", ""),
        ("Merging:doUMEPSTree=on\n", "", "umeps", "Merging:doUMEPSTree"),
        ("Merging:doUNLOPSTree = on\n", "", "unlops", "Merging:doUNLOPSTree"),
        ("  CKKW sqr(20/E_CMS)\n", "", "ckkw", "CKKW sqr"),
        ("# no CKKW here\n", "", "", ""),
        ("", '<mergeinfo iproc="1" mergingscale="23.0" maxmult="1"> </mergeinfo>', "unknown", "mergingscale"),
    ],
)
def test_the_scheme_is_told_by_the_file(tmp_path, header, init, kind, told):
    text = lhefiles.text_of(lhefiles.drell_yan(3), header=header).replace("</init>", f"{init}\n</init>")
    path = tmp_path / "e.lhe"
    path.write_text(text)
    found = read_lhe(path).header
    assert found.matching == kind
    assert told in found.matching_told_by
    assert bool(found.matching_told_by) == bool(kind)
    assert not kind or NAMES[kind]


def test_nothing_is_merged_without_a_word_of_it():
    assert find_merging({}, "", "") == ("", "", 0.0, ())
