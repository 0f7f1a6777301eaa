"""Detector cards: the ones of the package, and what is said about faulty ones."""

from __future__ import annotations

import tomllib

import pytest

from massgap.samples.detector.card import CARD_FOLDER, load_card
from massgap.samples.errors import CardError

CARDS = sorted(path.stem for path in CARD_FOLDER.glob("*.toml"))
TEXT = (CARD_FOLDER / "cms.toml").read_text()


def tables_of(content, name=""):
    """All tables with their dotted names."""
    for key, value in content.items():
        if isinstance(value, dict):
            dotted = f"{name}.{key}" if name else key
            if any(not isinstance(entry, dict) for entry in value.values()):
                yield dotted, value
            yield from tables_of(value, dotted)


def test_the_package_has_the_cards_it_promises():
    assert CARDS == ["atlas", "cascade", "cms", "cms-towers", "cms-wide-jets", "hl-lhc", "perfect"]


@pytest.mark.parametrize("name", CARDS)
def test_cards_of_the_package_are_valid_and_name_every_source(name):
    card = load_card(name)
    own = tomllib.loads((CARD_FOLDER / f"{name}.toml").read_text())
    if "base" not in own:
        assert card == own
    assert card["name"] == name
    assert card["description"]
    for dotted, table in tables_of(card):
        assert len(table["source"]) > 10, dotted


def test_numbers_of_the_published_cards():
    """Spot checks of numbers that were looked up."""
    atlas, hl, cascade, perfect = (load_card(name) for name in ("atlas", "hl-lhc", "cascade", "perfect"))
    assert atlas["calorimeter"]["hcal"]["noise"][0] == 1.59
    assert atlas["btag"]["b"] == [0.80, 0.003, 30.0, 0.086]
    assert atlas["tautag"]["efficiency"] == [0.7, 0.6]
    for lepton in ("electron", "muon"):
        table = hl[lepton]
        # linear from 95 to 65 % and from 0.3 to 0.5 % between |eta| = 1.5 and 2.5, at the middle of each bin
        for low, high, good, fake in zip(
            table["eta"][1:],
            table["eta"][2:],
            table["efficiency"][1:],
            table["misidentification"][1:],
            strict=False,
        ):
            x = (low + high) / 2 - 1.5
            assert good == pytest.approx(0.95 - 0.30 * x)
            assert fake == pytest.approx(0.003 + 0.002 * x)
        assert (table["efficiency"][0], table["misidentification"][0]) == (0.95, 0.003)
    assert cascade["photon"]["pt_min"] == 4.0
    assert perfect["met"]["soft_sigma"] == 0.0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[momentum.muon]", "[momentum.muons]", ["lacks the table", "[momentum.muon]"]),
        ("[met]", "[mett]", ["lacks the table", "[met]"]),
        ("[met]\n", "[pileup]\nmu = 140\n[met]\n", ["unknown", "pileup"]),
        ("[met]\n", '[jet.area]\nsource = "me"\n[met]\n', ["[jet]", "unknown key area"]),
        ("soft_sigma = 0.0", "soft_sigma = 0.0\nsoft_mean = 1.0", ["[met]", "unknown key soft_mean"]),
        ("soft_sigma = 0.0", "", ["[met]", "lacks the key soft_sigma"]),
        ("soft_sigma = 0.0", "soft_sigma = -1.0", ["[met]", "soft_sigma", "negative"]),
        ("soft_sigma = 0.0", 'soft_sigma = "none"', ["[met]", "soft_sigma", "number"]),
        ("soft_sigma = 0.0", "soft_sigma = true", ["[met]", "soft_sigma", "number"]),
        ("eta_max = 5.0", "eta_max = 50.0", ["[met]", "eta_max", "at most 20"]),
        ("soft_sigma = 0.0", "soft_sigma = nan", ["[met]", "soft_sigma", "number"]),
        ("radius = 0.4", "radius = 0", ["[jet]", "radius", "above 0"]),
        (
            "[[0.70, 0.60], [0.95, 0.85]]",
            "[[0.70, 0.60], [0.95, 1.85]]",
            ["[tracking.hadron]", "values", "1.85"],
        ),
        ("[[0.70, 0.60], [0.95, 0.85]]", "[[0.70, 0.60]]", ["[tracking.hadron]", "values", "2 entries"]),
        ("[[0.70, 0.60], [0.95, 0.85]]", "[0.70, 0.60]", ["[tracking.hadron]", "values", "must be a list"]),
        ("efficiency = [0.6, 0.6]", "efficiency = 0.6", ["[tautag]", "efficiency", "must be a list"]),
        (
            "efficiency = [0.6, 0.6]",
            "efficiency = [0.6, -0.1]",
            ["[tautag]", "efficiency", "between 0 and 1"],
        ),
        ("eta = [0.0, 3.0, 5.0]", "eta = [0.0, 5.0, 3.0]", ["[calorimeter.hcal]", "eta", "rise"]),
        ("eta = [0.0, 3.0, 5.0]", "eta = [1.0, 3.0, 5.0]", ["[calorimeter.hcal]", "eta", "start at 0"]),
        ("eta = [0.0, 3.0, 5.0]", "eta = [0.0]", ["[calorimeter.hcal]", "eta", "two entries"]),
        ("constant = [0.05, 0.13]", "constant = [0.05]", ["[calorimeter.hcal]", "constant", "2 entries"]),
        ("slope = [1.0e-4", "slope = [-1.0e-4", ["[momentum.muon]", "slope", "negative"]),
        ('mass = "pion"', 'mass = "kaon"', ["[flow]", "mass", "pion"]),
        ("light = [0.01, 3.8e-5]", "light = [0.01]", ["[btag]", "light", "2 entries"]),
        ("[met]\nsource", "[met]\norigin", ["[met]", "unknown key origin"]),
        ('name = "cms"', "name = 3", ["name", "text"]),
        ("# --- Missing", "colour = 3\n# --- Missing", ["[tautag]", "unknown key colour"]),
        ('name = "cms"', 'name = "cms"\njets = 3', ["unknown", "jets"]),
        (
            "[calorimeter.sharing]",
            "[calorimeter.sharing.more]",
            ["[calorimeter.sharing]", "unknown key more"],
        ),
    ],
)
def test_a_faulty_card_is_named_with_table_and_key(tmp_path, old, new, words):
    assert TEXT.count(old) >= 1
    path = tmp_path / "my_card.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(CardError) as caught:
        load_card(path)
    for word in ["my_card.toml", *words]:
        assert word in str(caught.value), str(caught.value)


def test_a_table_that_is_not_one(tmp_path):
    path = tmp_path / "my_card.toml"
    start = TEXT.index("[jet]")
    path.write_text("jet = 3\n" + TEXT[:start] + TEXT[TEXT.index("# efficiency = a tanh") :])
    with pytest.raises(CardError, match=r"lacks the table \[jet\]"):
        load_card(path)


def test_a_changed_copy_is_read(tmp_path):
    path = tmp_path / "my_card.toml"
    path.write_text(TEXT.replace("soft_sigma = 0.0", "soft_sigma = 12"))
    assert load_card(path)["met"]["soft_sigma"] == 12
    assert load_card(str(path)) == load_card(path)


def test_cards_that_cannot_be_read(tmp_path):
    with pytest.raises(
        CardError, match="give one of atlas, cascade, cms, cms-towers, cms-wide-jets, hl-lhc, perfect"
    ):
        load_card("nothing")
    with pytest.raises(CardError, match="does not exist"):
        load_card(tmp_path / "missing.toml")
    path = tmp_path / "my.toml"
    path.write_text("not toml")
    with pytest.raises(CardError, match=r"my\.toml cannot be read"):
        load_card(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CardError, match=r"my\.toml cannot be read"):
        load_card(path)
    with pytest.raises(CardError, match=r"cannot be read"):
        load_card(tmp_path.with_suffix(".toml").parent / "a\0b.toml")
