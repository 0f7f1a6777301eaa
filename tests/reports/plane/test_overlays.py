"""Contours of others, as HEPData and digitisers write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from massgap.reports.errors import MissingInput, UnreadableInput
from massgap.reports.plane.overlays import read_overlay, read_overlays

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text",
    [
        "100,80\n120,90.5\n",
        "m,lsp\n100,80\n120,90.5\n",
        "\ufeff#: table from HEPData\nM [GeV],LSP [GeV],Line\n100,80,1\n120,90.5,1\n",
        "100; 80\r\n120; 90.5\r\n",
        "# digitised\n1e2 80.\n1.2e2\t90.5  # the last one\n\n\n",
    ],
)
def test_two_numbers_a_line_however_they_are_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text, encoding="utf-8")
    overlay = read_overlay(path)
    assert [line.tolist() for line in overlay.lines] == [[[100, 80], [120, 90.5]]]
    assert overlay.label == "other"


def test_an_empty_line_begins_another_line(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("x,y\n1,2\n# no gap\n3,4\n\n5,6\n7,8\n")
    assert [line.tolist() for line in read_overlay(path).lines] == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1,2\n3,x\n", r"line 2.*'3,x'.*x,y"),
        ("a,b\nc,d\n", r"line 2"),
        ("1,2\n3\n", r"line 2"),
        ("1,2\nnan,3\n", r"line 2"),
        ("", r"no line of two numbers"),
        ("x,y\n", r"no line of two numbers"),
    ],
)
def test_what_is_no_contour_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(UnreadableInput, match=told):
        read_overlay(path)


def test_labels_behind_a_colon(tmp_path: Path) -> None:
    plain, colon = tmp_path / "a.csv", tmp_path / "b:c.csv"
    for path in (plain, colon):
        path.write_text("1,2\n")
    with pytest.raises(MissingInput, match=r"ATLAS.*FILE\.csv:LABEL"):
        read_overlays([f"{plain}:ATLAS: 2019"])  # a label has no colon
    found = read_overlays([f"{plain}", f"{plain}:ATLAS 2019", f"{plain}:", f"{colon}", f"{colon}:CMS"])
    assert [one.label for one in found] == ["a", "ATLAS 2019", "a", "b:c", "CMS"]
