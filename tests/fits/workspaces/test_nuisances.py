from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from massgap.fits.errors import WorkspaceError
from massgap.fits.workspaces import nuisances as module
from massgap.fits.workspaces.nuisance_entries import Nuisance, Place
from massgap.fits.workspaces.nuisances import NuisanceSet, read_nuisances

if TYPE_CHECKING:
    from pathlib import Path

PLACE = Place("2l", "sr_2l", "runs_b", "tt", is_signal=False)


def lnn(**words: Any) -> dict[str, Any]:
    return {"name": "x", "kind": "lnN", "processes": ["tt"], **words}


def test_the_documented_file_is_read(tmp_path: Path) -> None:
    """The example in the docstring is one of all that can be said."""
    text = re.search(r"code-block:: toml\n\n(.*?)\n\nEntries", module.__doc__ or "", re.DOTALL)
    assert text is not None
    path = tmp_path / "nuisances.toml"
    path.write_text(re.sub(r"^    ", "", text[1], flags=re.MULTILINE), encoding="utf-8")
    found = read_nuisances(path)
    assert [entry.kind for entry in found.nuisances] == [
        "lnN",
        "lnN",
        "gauss",
        "shape",
        "shape",
        "free",
        "mcstat",
    ]
    assert found.drop == ("norm_*",)
    assert found.rename == {"jesTotal": "jes"}
    assert found.nuisances[1].changes() == (0.03, -0.02)
    assert found.nuisances[5].bounds == (0.0, 5.0)
    assert found.shapes == {"jes", "top_pt"}
    # What it says can be written into results, and read again.
    assert NuisanceSet.from_dict(found.as_dict()) == found


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"kind": "lnN"}, 'has no name.*name = "xsec_tt"'),
        (lnn(kind="lognormal"), "kind is one of lnN, gauss, shape, free, mcstat, not 'lognormal'"),
        (lnn(), "needs a size, or up and down"),
        (lnn(size=0.1, up=0.1), "needs a size, or up and down"),
        (lnn(size=-0.1), "size must be positive, not -0.1"),
        (lnn(size="10%"), "size is a number, as 0.06 for 6 %, not '10%'"),
        (lnn(size=True), "size is a number"),
        (lnn(size=float("nan")), "size is a number"),
        (lnn(up=0.1), 'has one side; .*one_sided = "mirror"'),
        (lnn(up=0.1, down=-1.0), "both be above -1"),
        (lnn(up=0.0, down=0.0), "one must not be 0"),
        (lnn(kind="gauss", size=1.0), "both be above -1"),
        ({"name": "x", "kind": "lnN", "size": 0.1}, r'names no process: processes = \["tt"\]'),
        (lnn(size=0.1, processes=[]), "names no process"),
        ({"name": "x", "kind": "free"}, "names no process"),
        (lnn(size=0.1, smooth=True), "kind lnN has no key 'smooth'; it has: .*size"),
        (
            lnn(size=0.1, decorrelate=["bins"]),
            "decorrelate is of runs, channels, regions, processes, not 'bins'",
        ),
        (lnn(size=0.1, channels=[1]), r"channels is a list of words, not \[1\]"),
        ({"name": "x", "kind": "shape", "effect": "norm"}, "effect is one of both, shape, rate, not 'norm'"),
        ({"name": "x", "kind": "shape", "size": 0.0}, "leaves nothing of its variation"),
        ({"name": "x", "kind": "shape", "smooth": 1}, "smooth is true or false, not 1"),
        ({"name": "x", "kind": "free", "processes": "tt", "bounds": [2, 5]}, "bounds must hold 1"),
        ({"name": "x", "kind": "free", "processes": "tt", "bounds": 5}, "bounds are two numbers"),
        ({"name": "x", "kind": "mcstat"}, 'needs a treatment: "lite"'),
        ({"name": "x", "kind": "mcstat", "treatment": "on"}, "treatment is one of lite, full, off"),
    ],
)
def test_entries_that_make_no_sense(entry: dict[str, Any], text: str) -> None:
    with pytest.raises(WorkspaceError, match=text) as found:
        NuisanceSet.from_dict({"nuisance": [entry]})
    assert "--nuisances" in str(found.value)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"nuisances": []}, "no entry 'nuisances'; it has: nuisance, drop"),
        ({"nuisance": {"name": "x"}}, r"begun with \[\[nuisance\]\]"),
        ({"rename": ["a"]}, "table rename"),
        ({"drop": [1]}, "drop .* list of names or patterns"),
        ({"variations": 3}, "variations .* list of names or patterns"),
    ],
)
def test_files_that_make_no_sense(data: dict[str, Any], text: str) -> None:
    with pytest.raises(WorkspaceError, match=text):
        NuisanceSet.from_dict(data)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot be read"):
        read_nuisances(tmp_path / "none.toml")
    path = tmp_path / "bad.toml"
    path.write_text("[[nuisance]\n", encoding="utf-8")
    with pytest.raises(WorkspaceError, match=r"is not TOML .*line 1"):
        read_nuisances(path)
    path.write_text('[[nuisance]]\nname = "x"\n', encoding="utf-8")
    with pytest.raises(WorkspaceError, match=r"bad.toml: The nuisance 'x'"):
        read_nuisances(path)


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ({"size": 0.25}, (0.25, -0.2)),
        ({"size": 0.25, "kind": "gauss"}, (0.25, -0.25)),
        ({"up": 0.1, "down": 0.05}, (0.1, 0.05)),
        ({"up": 0.25, "one_sided": "mirror"}, (0.25, -0.2)),
        ({"up": 0.25, "one_sided": "mirror", "kind": "gauss"}, (0.25, -0.25)),
        ({"down": -0.2, "one_sided": "mirror"}, (0.25, -0.2)),
        ({"up": 0.25, "one_sided": "zero"}, (0.25, 0.0)),
        ({"down": -0.2, "one_sided": "zero"}, (0.0, -0.2)),
    ],
)
def test_changes_of_a_rate(words: dict[str, Any], changes: tuple[float, float]) -> None:
    assert Nuisance.from_dict(lnn(**words)).changes() == pytest.approx(changes)


@pytest.mark.parametrize(
    ("words", "inside"),
    [
        ({}, True),
        ({"processes": ["t*"]}, True),
        ({"processes": ["W*", "tt"]}, True),
        ({"processes": ["backgrounds", "!tt"]}, False),
        ({"processes": ["!WW"]}, True),
        ({"channels": ["!sr_2l"]}, False),
        ({"processes": ["TT"]}, False),
        ({"processes": ["backgrounds"]}, True),
        ({"processes": ["signal"]}, False),
        ({"channels": ["2l"]}, True),
        ({"channels": ["sr_*"]}, True),
        ({"channels": ["1l"]}, False),
        ({"regions": ["2l"]}, False),
        ({"regions": ["sr_?l"]}, True),
        ({"runs": ["runs_a"]}, False),
        ({"runs": ["*_b"], "channels": ["2l"]}, True),
    ],
)
def test_patterns(words: dict[str, Any], inside: bool) -> None:
    assert Nuisance.from_dict(lnn(size=0.1, **words)).at(PLACE) is inside


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ({}, "x"),
        ({"decorrelate": ["channels"]}, "x_2l"),
        ({"decorrelate": ["processes", "runs"]}, "x_runs_b_tt"),
        ({"decorrelate": "regions"}, "x_sr_2l"),
        ({"correlated": False}, "x_2l_tt"),
        ({"correlated": True}, "x"),
    ],
)
def test_decorrelated_names(words: dict[str, Any], name: str) -> None:
    assert Nuisance.from_dict(lnn(size=0.1, **words)).name_at(PLACE) == name


def test_without_processes() -> None:
    entries = [lnn(size=0.1, processes=["tt", "WW"]), lnn(size=0.1, name="y", processes=["WW"])]
    made = NuisanceSet.from_dict({"nuisance": entries, "drop": ["norm_WW", "jes"]})
    left, notes = made.without(["WW"])
    assert [(entry.name, entry.processes) for entry in left.nuisances] == [("x", ("tt",))]
    assert left.drop == ("jes",)
    assert notes == ["The nuisance 'y' is of processes without events alone and is left out."]
