"""The ledger in a report: what counts as nominal, and what counts more than once."""

from __future__ import annotations

import html
import re
from types import SimpleNamespace

from massgap.reports.run.bookkeeping import ledger_section


def text_of(ledger) -> str:
    plain = re.sub(r"<[^>]*>", "|", str(ledger_section(SimpleNamespace(ledger=ledger)).body))
    return re.sub(r"[|\s]+", " ", html.unescape(plain))


def test_events_that_count_as_nominal() -> None:
    entry = {"events": 1200, "nominal": 24, "why": {"the list of the event is empty": 24}}
    text = text_of({"datasets": {"dy": {"counted_as_nominal": {"mur": entry}}, "zz": {}}})
    assert "Systematics that events do not have" in text
    assert "dy mur 24 of 1,200 the list of the event is empty" in text
    assert "Systematics that events do not have" not in text_of(
        {"datasets": {"zz": {"counted_as_nominal": {}}}}
    )


def test_events_that_count_more_than_once() -> None:
    counted = {
        "tt": {"events": 5000, "repeated": 7, "identical": 3, "datasets": ["tt_1", "tt_2"]},
        "zz": {"events": 9, "repeated": 0, "identical": 0, "datasets": []},
    }
    text = text_of({"repeated_events": counted, "duplicate_files": [["/a.root", "/b.root"]]})
    assert "tt 5,000 7 3 tt_1, tt_2" in text
    assert "zz" not in text
    assert "/a.root = /b.root" in text
    assert "more than once" not in text_of({"repeated_events": {"zz": counted["zz"]}, "duplicate_files": []})


def test_scores_beyond_the_training() -> None:
    found = {
        "low": {
            "labels": {"m": {"low": 5.0, "high": 60.0}},
            "datasets": {"tt": {"events": 1500, "outside": 7}},
        },
        "high": {
            "labels": {"T": {"low": 500.0, "high": 900.0, "value": 1000.0}},
            "datasets": {"ww": {"events": 20, "outside": 20}},
        },
    }
    text = text_of({"extrapolated": found})
    assert "low tt m (trained 5 to 60) 7 of 1,500" in text
    assert "high ww T = 1000 (trained 500 to 900) 20 of 20" in text
    assert "extrapolated" not in text_of({"extrapolated": {}})
