"""Which systematics are done for which data set."""

from __future__ import annotations

import pytest

from massgap.processors.base.variation_choice import VariationChoice
from massgap.processors.errors import ProcessorError


def test_the_narrower_word_counts() -> None:
    choice = VariationChoice.of_option(
        {"*": ["isr", "jes"], "ttbar": ["mur"], "tt*": ["muf"], "tt*_lep": "fsr", "dy": [], "zz": ["none"]}
    )
    found = {name: choice.for_dataset(name) for name in ("ttbar", "ttw", "tt_lep", "dy", "zz", "other")}
    assert found == {
        "ttbar": ("mur",),
        "ttw": ("muf",),
        "tt_lep": ("fsr",),
        "dy": (),
        "zz": (),
        "other": ("isr", "jes"),
    }
    assert choice.every == ("fsr", "isr", "jes", "muf", "mur")
    # What the fileset says comes after the run's word on a data set, and before that on all.
    own = {"variations": ["muon_scale"]}
    assert choice.for_dataset("ttbar", own) == ("mur",)
    assert choice.for_dataset("other", own) == ("muon_scale",)
    assert choice.for_dataset("other", {"variations": []}) == ()


def test_plain_forms() -> None:
    for given in ("isr", ["isr"], ("isr", "isr"), {"*": "isr"}):
        choice = VariationChoice.of_option(given)
        assert (choice.plain, choice.for_dataset("any")) == (("isr",), ("isr",))
    choice = VariationChoice.of_option({"tt": ["mur", "muf"], "zz": []})
    assert choice.plain == {"*": [], "tt": ["muf", "mur"], "zz": []}
    assert VariationChoice.of_option(choice.plain) == choice
    assert VariationChoice.of_option(()).every == ()


def test_what_is_unknown() -> None:
    with pytest.raises(
        ProcessorError, match=r"unknown variation 'jet', 'pu'; known are btag, electron_scale, fsr, isr"
    ):
        VariationChoice.of_option(["pu", "jet", "isr"])
    with pytest.raises(ProcessorError, match=r"data set 'tt': unknown variation 'pu'"):
        VariationChoice.of_option({"tt": ["pu"]})
    choice = VariationChoice.of_option({"*": ["isr"], "ttbr": ["mur"], "dy_*": []})
    with pytest.raises(ProcessorError, match=r"metadata of the data set 'zz': unknown variation 'pu'"):
        choice.for_dataset("zz", {"variations": ["pu"]})
    assert choice.unknown(["ttbar", "dy_50"]) == ["ttbr"]


def test_words_of_a_remedy() -> None:
    choice = VariationChoice.of_option({"*": ["isr", "fsr", "jes"], "/TT/x y": ["isr"]})
    assert choice.without(["isr", "fsr"], "dy") == "--variations dy:jes"
    assert choice.without(["isr", "fsr"], "/TT/x y") == "--variations '/TT/x y:none'"
