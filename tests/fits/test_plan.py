from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from massgap.contracts.description import Description, Region, Score
from massgap.contracts.errors import HistogramError
from massgap.contracts.run_folder import open_run
from massgap.fits.errors import FitError
from massgap.fits.plan import FitOptions, FitPart, FitPlan, channel_names, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TWO_CHANNELS = Description(
    "pairs",
    regions=(
        Region("sr_2l", channel="2l"),
        Region("tight_2l", channel="2l", within="sr_2l"),
        Region("sr_3l", channel="3l"),
        Region("sr_other"),
    ),
    scores=(Score("low", regions=("sr_2l", "sr_3l")), Score("high", regions=("sr_2l",))),
)


@pytest.fixture
def opened(
    tmp_path: Path, make_run: Callable[..., Path], make_observable: Callable[..., Any]
) -> Callable[..., Any]:
    """A run with histograms of an observable in some regions."""

    def opened_(description: Description | None = TWO_CHANNELS, **histograms: tuple[str, ...]) -> Any:
        filled = {name: make_observable(regions) for name, regions in histograms.items()}
        return open_run(make_run(tmp_path / "run", filled, description=description))

    return opened_


def test_default_is_each_score_where_it_is_defined(opened: Callable[..., Any]) -> None:
    run = opened(score_low=("sr_2l", "sr_3l"), met=("sr_2l",))
    plan = make_plan(run)
    assert plan == FitPlan([("sr_2l", "score_low"), ("sr_3l", "score_low")])
    assert list(channel_names(plan, run).values()) == ["2l", "3l"]
    # A score that names no region, or none that it fills, is taken where it is filled.
    silent = Description("silent", scores=(Score("score"),))
    assert make_plan(opened(silent, score=("all",))) == FitPlan([("all", "score")])


def test_named_regions_and_histograms(opened: Callable[..., Any]) -> None:
    run = opened(score_low=("sr_2l", "sr_3l"), met=("sr_2l", "tight_2l", "sr_3l"), pt=("sr_3l",))
    edges = (0.0, 100.0, 400.0)
    assert make_plan(run, FitOptions(region="sr_3l")).parts == (FitPart("sr_3l", "score_low"),)
    assert make_plan(run, FitOptions(histogram="pt", edges=[0, 100, 400])).parts == (
        FitPart("sr_3l", "pt", edges),
    )
    both = make_plan(run, FitOptions(histogram="met", region=("tight_2l", "sr_3l")))
    assert list(channel_names(both, run).values()) == ["2l", "3l"]
    with pytest.raises(
        HistogramError, match=r"'met' .* in several regions: sr_2l, tight_2l, sr_3l.*--region"
    ):
        make_plan(run, FitOptions(histogram="met"))
    with pytest.raises(
        HistogramError, match=r"No score of .* 'tight_2l'; they are in: sr_2l, sr_3l.*--histogram"
    ):
        make_plan(run, FitOptions(region="tight_2l"))
    with pytest.raises(HistogramError, match="no histogram 'mass'; it has: met, pt, score_low"):
        make_plan(run, FitOptions(histogram="mass"))


def test_a_run_without_score_needs_a_histogram(opened: Callable[..., Any]) -> None:
    with pytest.raises(HistogramError, match=r"has no score; it has: met\. Name the one .*--histogram\)\.$"):
        make_plan(opened(None, met=("sr",)))
    with pytest.raises(
        HistogramError, match=r"no histogram 'score_low' or 'score_high'; it has: met.*--histogram.*--model"
    ):
        make_plan(opened(met=("sr_2l",)))
    assert make_plan(opened(None, met=("sr",)), FitOptions(histogram="met")) == FitPlan([("sr", "met")])


def test_histograms_of_one_region_are_refused_together(opened: Callable[..., Any]) -> None:
    run = opened(met=("sr_2l",), pt=("sr_2l",))
    with pytest.raises(FitError, match=r"'met' and 'pt' are .* same events.* 'sr_2l'.*--histogram"):
        channel_names(FitPlan([("sr_2l", "met"), ("sr_2l", "pt")]), run)


def test_scores_of_one_region_are_alternatives(opened: Callable[..., Any]) -> None:
    run = opened(score_low=("sr_2l",), score_high=("sr_2l",))
    with pytest.raises(FitError, match="'score_low' and 'score_high' are histograms of the same events"):
        channel_names(make_plan(run), run)
    one = make_plan(run, FitOptions(histogram="score_high"))
    assert channel_names(one, run) == {FitPart("sr_2l", "score_high"): "2l"}


def test_regions_of_one_channel_lend_their_names(opened: Callable[..., Any]) -> None:
    run = opened(met=("sr_2l", "tight_2l", "sr_3l"))
    plan = FitPlan([("sr_2l", "met"), ("tight_2l", "met"), ("sr_3l", "met")])
    assert list(channel_names(plan, run).values()) == ["sr_2l", "tight_2l", "3l"]


def test_channels_are_chosen(opened: Callable[..., Any]) -> None:
    run = opened(score_low=("sr_2l", "sr_3l"), met=("sr_2l", "tight_2l", "sr_3l", "sr_other"), pt=("sr_3l",))
    assert make_plan(run, FitOptions(channels=("3l",))).parts == (FitPart("sr_3l", "score_low"),)
    both = make_plan(run, FitOptions(histogram="met", region=("tight_2l", "sr_3l"), channels=("2l", "3l")))
    assert [part.region for part in both.parts] == ["tight_2l", "sr_3l"]
    # A region of no channel is one.
    other = make_plan(run, FitOptions(histogram="met", channels=("sr_other", "3l")))
    assert [part.region for part in other.parts] == ["sr_3l", "sr_other"]
    with pytest.raises(HistogramError, match=r"'2l'.*in several regions: sr_2l, tight_2l.*--region"):
        make_plan(run, FitOptions(histogram="met", channels=("2l",)))
    with pytest.raises(HistogramError, match=r"'4l' \(channels=..., --channels\).*is in: 2l, 3l"):
        make_plan(run, FitOptions(channels=("4l",)))


def test_control_regions(opened: Callable[..., Any]) -> None:
    run = opened(score_low=("sr_2l",), met=("sr_2l", "sr_3l"), pt=("sr_3l",))
    asked = FitOptions(histogram="met", region="sr_2l", controls=[("sr_3l", "")])
    assert make_plan(run, asked).parts == (
        FitPart("sr_2l", "met"),
        FitPart("sr_3l", "met", None, count=True, control=True),
    )
    binned = FitOptions(controls=[("sr_3l", "pt", (0, 100, 400))])
    assert make_plan(run, binned).parts[1] == FitPart("sr_3l", "pt", (0.0, 100.0, 400.0), control=True)
    with pytest.raises(HistogramError, match=r"'sr_3l' needs a histogram .*--control.*are: met, pt"):
        make_plan(run, FitOptions(controls=[("sr_3l", "")]))


def test_a_region_without_channel_lends_its_name(opened: Callable[..., Any]) -> None:
    run = opened(None, met=("sr",))
    assert channel_names(FitPlan([("sr", "met")]), run) == {FitPart("sr", "met"): "sr"}


@pytest.mark.parametrize("parts", [[], ["sr:met"], [("sr",)], [("sr", "met", (0, 1), 2)]])
def test_parts_that_are_none(parts: list[Any]) -> None:
    with pytest.raises(FitError, match=r"at least one part|is \(region, histogram\)"):
        FitPlan(parts)
