"""Which entry of a list of weights is which, as titles of branches of all versions of NanoAOD tell it."""

from __future__ import annotations

import pytest

from massgap.events.weight_places import known_lengths, places_of

GRID = [(r, f) for r in ("0.5", "1", "2") for f in ("0.5", "1", "2")]
RIGHT = {"mur_up": 7, "mur_down": 1, "muf_up": 5, "muf_down": 3}


def entries(form: str, points=GRID) -> str:
    words = "; ".join(f"[{i}] is " + form.format(r=r, f=f) for i, (r, f) in enumerate(points))
    return f"LHE scale variation weights (w_var / w_nominal); {words}"


@pytest.mark.parametrize(
    "form",
    [
        "muR={r} muF={f}",
        "mur={r} muf={f} ",
        "renscfact={r}d0 facscfact={f}d0",
        "muR={r}0000E+00 muF={f}0000E+00",
        'MUR="{r}" MUF="{f}"',
        'MUF="{f}" MUR="{r}" PDF="306000"',
        "muR={r} muF={f} hdamp=mt=272.7225",
    ],
)
def test_scale_titles(form: str) -> None:
    if "E+00" in form:
        form = form.replace("{r}0000E+00", "{r}").replace("{f}0000E+00", "{f}")
        points = [(f"{float(r):.5f}E+00", f"{float(f):.5f}E+00") for r, f in GRID]
    else:
        points = GRID
    found = places_of("LHEScaleWeight", entries(form, points))
    assert (found.length, found.places) == (9, RIGHT)
    # Of another order: the title is followed.
    found = places_of("LHEScaleWeight", entries(form, points[::-1]))
    assert found.places == {name: 8 - place for name, place in RIGHT.items()}


def test_several_dynamic_scales() -> None:
    """44 entries as MadGraph 2.6 gives them: five of each point, the nominal one of the default scale not among them."""
    points = [point for point in GRID for _ in range(4 if point == ("1", "1") else 5)]
    found = places_of("LHEScaleWeight", entries('MUR="{r}" MUF="{f}"', points))
    assert found.length == 44
    # As CMS analyses count them: 0, 5, 15, 24, 34, 39 are the first of each point of the envelope.
    assert found.places == {"mur_down": 5, "muf_down": 15, "muf_up": 24, "mur_up": 34}
    assert found.of("LHEScaleWeight", 44) == found.places
    assert found.of("LHEScaleWeight", 43) is None


@pytest.mark.parametrize(
    ("title", "length", "right"),
    [
        (
            "PS weights (w_var / w_nominal); [0] is ISR=0.5 FSR=1; [1] is ISR=1 FSR=0.5; [2] is ISR=2 FSR=1; [3] is ISR=1 FSR=2 ",
            4,
            {"isr_down": 0, "fsr_down": 1, "isr_up": 2, "fsr_up": 3},
        ),
        (
            "PS weights (w_var / w_nominal);   [0] is ISR=2 FSR=1; [1] is ISR=1 FSR=2[2] is ISR=0.5 FSR=1; [3] is ISR=1 FSR=0.5;",
            4,
            {"isr_up": 0, "fsr_up": 1, "isr_down": 2, "fsr_down": 3},
        ),
        (
            "PS weights (w_var / w_nominal) [0] isrDefHi; [1] fsrDefHi; [2] isrDefLo; [3] fsrDefLo; ",
            4,
            {"isr_up": 0, "fsr_up": 1, "isr_down": 2, "fsr_down": 3},
        ),
        (
            "PS weights (w_var / w_nominal) [0] isr:murfac=2.0; [1] fsr:murfac=2.0; [2] isr:murfac=0.5; [3] fsr:murfac=0.5; ",
            4,
            {"isr_up": 0, "fsr_up": 1, "isr_down": 2, "fsr_down": 3},
        ),
        (
            (
                "All PS weights (w_var / w_nominal) [0] fsr:G2GG:murfac=0.5; [1] fsr.murfac=0.5; [2] isr.murfac=0.707; [3] isrConHi; "
                "[4] isr:murfac=0.5 fsr:murfac=0.5; [5] fsr_G2GG_muR_up; [6] isr.murfac=2.0; [7] isr.murfac=0.5; [8] fsr.murfac=2.0; "
            ),
            9,
            {"fsr_down": 1, "isr_up": 6, "isr_down": 7, "fsr_up": 8},
        ),
        ("All PS weights (w_var / w_nominal)", 0, {}),
        ("PSWeight[nPSWeight]/F", 0, {}),
        ("PSWeight[4]/F", 0, {}),
        ("", 0, {}),
    ],
)
def test_shower_titles(title: str, length: int, right: dict[str, int]) -> None:
    found = places_of("PSWeight", title)
    assert (found.length, found.places, found.dummy) == (length, right, False)
    if not length:
        assert found.of("PSWeight", 4) == {"isr_up": 0, "fsr_up": 1, "isr_down": 2, "fsr_down": 3}


def test_dummies_and_unknown_lengths() -> None:
    assert places_of("PSWeight", "dummy PS weight (1.0) ").of("PSWeight", 1) == {}
    bare = places_of("PSWeight", "")
    assert [n for n in range(60) if bare.of("PSWeight", n) is not None] == list(known_lengths("PSWeight"))
    bare = places_of("LHEScaleWeight", "")
    assert [n for n in range(60) if bare.of("LHEScaleWeight", n) is not None] == [0, 8, 9]
    one = places_of("LHEScaleWeight", "LHE scale variation weights; [0] is muR=1 muF=1")
    assert one.of("LHEScaleWeight", 1) == {}
