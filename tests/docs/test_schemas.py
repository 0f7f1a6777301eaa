"""The JSON schemas of the files: what massgap writes satisfies them, and what is broken does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import eventfiles
import pytest
import schema_pages
from jsonschema import Draft202012Validator

from massgap import stages
from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.fileset import validate_fileset

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs" / "reference" / "schemas"
NAMES = sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.schema.json"))


def schema(name: str) -> dict[str, Any]:
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))


def faults(name: str, content: Any) -> list[str]:
    return [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(schema(name)).iter_errors(content)
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Files as the stages write them: a run, a fit, a plane, a model of the zoo."""
    folder = tmp_path_factory.mktemp("written")
    eventfiles.write_nano(folder / "events.root", eventfiles.make_events(200, 3))
    fileset = {
        "tt": {
            "files": {str(folder / "events.root"): "Events"},
            "metadata": {"process": "tt", "xsec_fb": 832.0, "masses": {"m": 1.0}},
        }
    }
    (folder / "fileset.json").write_text(json.dumps(fileset))
    example = f"{ROOT}/examples/my_analysis.py:MyAnalysis"
    stages.run(example, fileset=folder / "fileset.json", out=folder / "run", executor="iterative")
    plane_run = ROOT / "tests" / "stages" / "data" / "plane_run"
    from massgap.cli import main

    words = [
        "fit",
        str(plane_run),
        "--signal",
        "slepton_110_80",
        "--out",
        str(folder / "fit"),
        "--replicas",
        "5",
    ]
    main.main(words, standalone_mode=False)
    words = ["plane", str(plane_run), "--lumi", "300", "--out", str(folder / "plane"), "--replicas", "0"]
    main.main(words, standalone_mode=False)
    places = {
        "fileset": folder / "fileset.json",
        **{name: folder / "run" / f"{name}.json" for name in ("manifest", "cutflow", "ledger")},
        "fit-results": folder / "fit" / "results.json",
        "plane": folder / "plane" / "plane.json",
        "training": ROOT / "models" / "zoo" / "slepton-small" / "training.json",
    }
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in places.items()}


def test_every_format_has_a_schema_and_a_place_on_the_page() -> None:
    assert set(schema_pages.FORMATS) == set(NAMES)
    page = schema_pages.page(ROOT)
    for name in NAMES:
        Draft202012Validator.check_schema(schema(name))
        for entry in schema(name).get("properties", {}):
            assert f"| `{entry}` |" in page


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_satisfies_its_schema(name: str, written: dict[str, Any]) -> None:
    assert faults(name, written[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_each_entry_that_a_schema_needs_is_needed(name: str, written: dict[str, Any]) -> None:
    needed = schema(name).get("required", [])
    for entry in needed:
        less = {key: value for key, value in written[name].items() if key != entry}
        assert faults(name, less) != [], entry
    if needed:
        assert faults(name, {**written[name], "format": "massgap-other/9"}) != []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "fileset"])
def test_every_entry_that_is_written_is_described(name: str, written: dict[str, Any]) -> None:
    """Else the page would be silent on it."""
    assert sorted(written[name].keys() - schema(name)["properties"].keys()) == []


def test_the_fileset_of_the_guide_satisfies_the_schema() -> None:
    page = (ROOT / "docs" / "guide" / "files.md").read_text(encoding="utf-8")
    assert faults("fileset", json.loads(page.partition("```json\n")[2].partition("```")[0])) == []


GOOD = {"tt": {"files": {"a.root": "Events"}, "metadata": {"process": "tt", "xsec_fb": 1.0}}}


def changed(*path: str, to: Any) -> dict[str, Any]:
    content: Any = copy.deepcopy(GOOD)
    at = content
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return content


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"tt": []},
        {"tt": {"metadata": {"process": "tt"}}},
        {"tt": {"files": {"a.root": "Events"}}},
        changed("tt", "files", to={}),
        changed("tt", "files", to=7),
        changed("tt", "files", to={"a.root": 3}),
        changed("tt", "metadata", to=[]),
        changed("tt", "metadata", "process", to=3),
        changed("tt", "metadata", "xsec_fb", to="much"),
        changed("tt", "metadata", "sum_weights", to=0),
        changed("tt", "metadata", "is_data", to="yes"),
        changed("tt", "metadata", "masses", to={"m": -1.0}),
        changed("tt", "metadata", "variations", to="isr"),
        changed("tt", "metadata", "tranche", to={"min": 1.0}),
    ],
)
def test_schema_and_reader_refuse_the_same_filesets(content: Any) -> None:
    assert faults("fileset", content) != []
    with pytest.raises(FilesetError):
        validate_fileset(content, check_files=False)


def test_schema_and_reader_take_the_same_fileset() -> None:
    assert faults("fileset", GOOD) == []
    assert set(validate_fileset(copy.deepcopy(GOOD), check_files=False)) == {"tt"}
