"""What is typed reaches the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from massgap.cli import main
from massgap.fits.plan import FitPart

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What ``massgap fit`` hands to the stage, or what it prints."""
    from massgap import stages

    def typed_(*arguments: str) -> tuple[tuple[Any, ...], dict[str, Any], str]:
        got: list[Any] = [(), {}]

        def fit(*given: Any, **options: Any) -> Any:
            got[:] = [given, options]
            raise SystemExit(0)

        monkeypatch.setattr(stages, "fit", fit)
        result = CliRunner().invoke(main, ["fit", *arguments])
        return got[0], got[1], result.output

    return typed_


def test_regions_channels_luminosities_and_controls(typed: Any) -> None:
    (runs, out), options, _ = typed(
        "a", "b", "--lumi", "137,300", "--lumi", "3000", "--region", "sr,cr", "--regions", "tight", "--channels",
        "1l,2l", "--control", "top", "--control", "z:met:0,50,200", "--rename", "b:ttbar=tt", "--no-data", "--allow-overlap",
    )  # fmt: skip
    assert ([str(run) for run in runs], out) == (["a", "b"], None)
    assert options["lumi_fb"] == (137.0, 300.0, 3000.0)
    made = options["options"]
    assert made.region == ("sr", "cr", "tight")
    assert made.channels == ("1l", "2l")
    assert made.controls == (("top", "", None), ("z", "met", [0.0, 50.0, 200.0]))
    assert (made.use_data, options["renamed"], options["allow_overlap"]) == (False, {"b:ttbar": "tt"}, True)
    _, plain, _ = typed("a", "--lumi", "300")
    assert plain["lumi_fb"] == (300.0,)
    _, none, _ = typed("a", "--part", "sr:met", "--part", "cr:pt:0,1")
    assert none["lumi_fb"] is None
    assert none["plan"].parts == (FitPart("sr", "met"), FitPart("cr", "pt", (0.0, 1.0)))


def test_nuisances(typed: Any, tmp_path: Path) -> None:
    file = tmp_path / "n.toml"
    file.write_text(
        '[[nuisance]]\nname = "x"\nkind = "lnN"\nsize = 0.1\nprocesses = ["tt"]\n', encoding="utf-8"
    )
    _, options, _ = typed("a", "--nuisances", str(file))
    assert [entry.name for entry in options["options"].model.nuisances.nuisances] == ["x"]
    _, options, _ = typed("a")
    assert options["options"].model.nuisances is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lumi", "137;300"), ("137;300", "137,300,3000")),
        (("--control", "a:b:c:d"), ("a:b:c:d", "REGION, REGION:HISTOGRAM")),
        (("--control", ":met"), (":met", "REGION")),
        (("--rename", "ttbar"), ("ttbar", "OLD=NEW")),
        (("--rename", "ttbar="), ("OLD=NEW",)),
        (("--nuisances", "nosuch.toml"), ("nosuch.toml", "cannot be read")),
    ],
)
def test_what_cannot_be_read(typed: Any, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    _, _, output = typed("a", *arguments)
    assert all(word in output for word in words)
    assert "Traceback" not in output


def test_a_fit_needs_a_run(typed: Any) -> None:
    assert "RUN_FOLDERS" in typed()[2]
