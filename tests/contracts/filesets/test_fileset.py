"""Filesets: every legal form is read alike, and every fault names its place."""

from __future__ import annotations

import gzip
import json
import os

import pytest

from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.checks import RESERVED_KEYS
from massgap.contracts.filesets.fileset import (
    fileset_from_files,
    load_fileset,
    validate_fileset,
    write_fileset,
)

URL = "root://host//store/a.root"


def entry(files=None, **metadata):
    return {"files": files or {URL: "Events"}, "metadata": {"process": "tt", "xsec_fb": 1.0, **metadata}}


@pytest.fixture
def roots(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.root").write_bytes(name.encode())
    return tmp_path


@pytest.mark.parametrize(
    "spec",
    [
        {"files": {"a.root": "Events"}},
        {"files": ["a.root"]},
        {"files": ["a.root"], "treename": "Events"},
        {"files": {"a.root": {"object_path": "Events", "steps": [[0, 1]]}}},
        {"files": {"a.root": None}},
        {"files": "a.root"},
        {"files": ["./sub/../a.root"]},
        {"files": ["a*.root"]},
    ],
)
def test_legal_forms_are_read_alike(roots, spec):
    found = validate_fileset({"tt": {**spec, "metadata": {"xsec_fb": 2}}}, base=roots)
    assert found["tt"]["files"] == {str(roots / "a.root"): "Events"}
    assert found["tt"]["metadata"] == {
        "process": "tt",
        "xsec_fb": 2.0,
        "is_data": False,
        "is_signal": False,
        "sqrt_s_tev": 13.0,
    }


def test_treename_of_a_list_is_kept():
    assert validate_fileset({"d": {**entry([URL]), "treename": "tree"}})["d"]["files"] == {URL: "tree"}


def test_urls_pass_unchecked():
    for url in (URL, "https://host/a.root"):
        assert list(validate_fileset({"d": entry([url])})["d"]["files"]) == [url]


def test_data_need_no_cross_section():
    found = validate_fileset({"d": {"files": [URL], "metadata": {"is_data": True}}})
    assert "xsec_fb" not in found["d"]["metadata"]


FAULTS = [
    ([], "is not a fileset"),
    ({}, "holds no dataset"),
    ({"d": 3}, r"dataset 'd' must be an object .* not a number"),
    ({"d": {}}, r"dataset 'd' has no \"files\""),
    ({"d": {"files": {}}}, r"dataset 'd': \"files\" is empty"),
    ({"d": {"files": []}}, r"dataset 'd': \"files\" is empty"),
    ({"d": {"files": 1}}, r"\"files\" must be .* not a number"),
    ({"d": {"files": [3]}}, r"a path in \"files\" must be a text"),
    ({"d": {"files": {URL: 3}}}, "has no tree name"),
    ({"d": {"files": [URL], "xsec": 1}}, r"dataset 'd' has the unknown key 'xsec'"),
    ({"d": {"files": [URL], "metadata": []}}, r"\"metadata\" must be an object, not a list"),
    ({"d": {"files": [URL]}}, r"dataset 'd' has no xsec_fb: add"),
    ({"d": entry(xsec_fb=0)}, r"\"xsec_fb\" is 0: none of its events would count"),
    ({"d": entry(xsec_fb=float("nan"))}, r"\"xsec_fb\" is nan: it must be finite"),
    ({"d": entry(xsec_fb=float("inf"))}, r"\"xsec_fb\" is inf: it must be finite"),
    ({"d": entry(xsec_fb=10**400)}, r"\"xsec_fb\" is inf: it must be finite"),
    ({"d": entry(xsec_fb="1")}, r"\"xsec_fb\" must be a number, not a text"),
    ({"d": entry(xsec_fb=True)}, r"\"xsec_fb\" must be a number, not a boolean"),
    ({"d": entry(sum_weights=0)}, r"\"sum_weights\" is 0"),
    ({"d": entry(sum_weights=float("nan"))}, r"\"sum_weights\" is nan"),
    ({"d": entry(is_data=1)}, r"\"is_data\" must be true or false"),
    ({"d": entry(is_data=True)}, r"is data but has \"xsec_fb\""),
    ({"d": {"files": [URL], "metadata": {"is_data": True, "is_signal": True}}}, "both data and signal"),
    ({"d": entry(process="")}, r"\"process\" must be a text"),
    ({"d": entry(sqrt_s_tev=0)}, r"\"sqrt_s_tev\" is 0: it must be positive"),
    ({"d": entry(masses=[1])}, r"\"masses\" must be an object"),
    ({"d": entry(masses={"m": -1})}, "the mass 'm' is negative"),
    ({"d": entry(n_events=1.5)}, r"\"n_events\" must be a whole number"),
    ({"d": entry(tranche=3)}, r"\"tranche\" must be an object"),
    ({"d": entry(tranche={"variable": "pt", "min": 5, "max": 5})}, "ends at 5, below its start 5"),
    ({"d": entry(["missing.root"])}, r"dataset 'd': file missing.root does not exist"),
    ({"d": entry(["missing*.root"])}, r"dataset 'd': no file matches missing\*.root"),
    ({"d": entry(["."])}, r"dataset 'd': \. is a folder"),
    ({"d": entry(), "e": entry()}, r"listed twice \(datasets 'd' and 'e'\)"),
    (
        {"d": entry(), "e": {"files": [URL + "b"], "metadata": {"process": "tt", "is_data": True}}},
        "process 'tt' has data mixed with simulation: datasets 'd' and 'e'",
    ),
    ({"d": entry(), "e": entry([URL + "b"], is_signal=True)}, "signal mixed with background"),
    (
        {
            "d": entry(tranche={"variable": "pt", "min": 0, "max": 60}),
            "e": entry([URL + "b"], tranche={"variable": "pt", "min": 50, "max": None}),
        },
        "the tranches 'd' and 'e' of process 'tt' overlap in pt",
    ),
]


@pytest.mark.parametrize(("fileset", "message"), FAULTS)
def test_faults_name_dataset_and_key(fileset, message):
    with pytest.raises(FilesetError, match=message) as caught:
        validate_fileset(fileset, "my.json")
    assert str(caught.value).startswith("my.json")


def test_systematics_of_a_data_set():
    found = validate_fileset({"d": entry(variations=("isr", "fsr"))}, check_files=False)
    assert found["d"]["metadata"]["variations"] == ["isr", "fsr"]
    assert validate_fileset({"d": entry(variations=[])})["d"]["metadata"]["variations"] == []
    for wrong in ("isr", [1], {"isr": True}, 3):
        with pytest.raises(FilesetError, match=r"'d': \"variations\" must be a list of names"):
            validate_fileset({"d": entry(variations=wrong)})


def test_members_of_parton_densities() -> None:
    found = validate_fileset({"d": entry(pdf_members="hessian+alphas")}, check_files=False)
    assert found["d"]["metadata"]["pdf_members"] == "hessian+alphas"
    with pytest.raises(FilesetError, match=r"'d': \"pdf_members\" must be one of hessian, .*, not 'hesse'"):
        validate_fileset({"d": entry(pdf_members="hesse")})


@pytest.mark.parametrize("key", sorted(RESERVED_KEYS))
def test_reserved_keys_are_refused(key):
    with pytest.raises(FilesetError, match=f"'{key}' is reserved by coffea"):
        validate_fileset({"d": entry(**{key: 1})})


def test_reserved_keys_are_those_of_coffea():
    from coffea.processor import executor

    assert executor._PROTECTED_NAMES == RESERVED_KEYS


@pytest.mark.parametrize("how", ["symlink", "hardlink", "detour", "folder link"])
def test_one_file_by_two_names_is_a_duplicate(roots, how):
    other = roots / "c.root"
    if how == "symlink":
        other.symlink_to(roots / "a.root")
    elif how == "hardlink":
        os.link(roots / "a.root", other)
    elif how == "detour":
        (roots / "sub").mkdir()
        other = f"{roots}/sub/../a.root"
    else:
        (roots / "same").symlink_to(roots)
        other = roots / "same" / "a.root"
    for fileset in (
        {"d": entry([str(roots / "a.root"), str(other)])},
        {"d": entry([str(roots / "a.root")]), "e": entry([str(other)])},
    ):
        with pytest.raises(FilesetError, match="listed twice"):
            validate_fileset(fileset)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON: Expecting value in line 1"),
        (b"{'d': 1}", "is not JSON"),
        (b"\x80\x81root", "binary file"),
        (b'{"d": 1, "d": 2}', "'d' stands twice"),
        (b"\x1f\x8bbroken", "cannot be read"),
        (b"null", "is not a fileset"),
    ],
)
def test_unreadable_files(tmp_path, content, message):
    path = tmp_path / "f.json"
    path.write_bytes(content)
    with pytest.raises(FilesetError, match=message):
        load_fileset(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FilesetError, match="does not exist"):
        load_fileset(tmp_path / "no.json")
    with pytest.raises(FilesetError, match="is a folder"):
        load_fileset(tmp_path)


def test_paths_are_relative_to_the_json(roots, monkeypatch):
    (roots / "f.json").write_text(json.dumps({"d": entry(["a.root"])}))
    (roots / "elsewhere").mkdir()
    monkeypatch.chdir(roots / "elsewhere")
    assert list(load_fileset("../f.json")["d"]["files"]) == [str(roots / "a.root")]


def test_gzipped_json_is_read(roots):
    (roots / "f.json.gz").write_bytes(gzip.compress(json.dumps({"d": entry()}).encode()))
    assert list(load_fileset(roots / "f.json.gz")) == ["d"]


def test_json_of_windows_is_read(roots):
    (roots / "f.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"d": entry()}).encode())
    assert list(load_fileset(roots / "f.json")) == ["d"]


def test_write_then_load_survives_a_move(roots):
    fileset = {"d": entry([str(roots / "a.root"), URL], sum_weights=3.0, masses={"m": 1})}
    write_fileset(fileset, roots / "f.json")
    assert json.loads((roots / "f.json").read_text())["d"]["files"] == {"a.root": "Events", URL: "Events"}
    moved = roots.rename(roots.with_name("moved"))
    found = load_fileset(moved / "f.json")
    assert list(found["d"]["files"]) == [str(moved / "a.root"), URL]
    assert found["d"]["metadata"]["masses"] == {"m": 1.0}
    assert sorted(path.name for path in moved.iterdir()) == ["a.root", "b.root", "f.json"]


def test_write_refuses_what_it_could_not_read(roots):
    with pytest.raises(FilesetError, match="cannot express"):
        write_fileset({"d": entry(note=object())}, roots / "f.json")
    with pytest.raises(FilesetError, match="cannot be written"):
        write_fileset({"d": entry()}, roots / "a.root" / "f.json")
    assert not (roots / "f.json").exists()


def test_fileset_from_files(roots):
    found = fileset_from_files(roots / "*.root", process="tt", xsec_fb=5, is_signal=False)
    assert list(found["tt"]["files"]) == [str(roots / "a.root"), str(roots / "b.root")]
    assert fileset_from_files(roots, process="tt", xsec_fb=5) == found
    data = fileset_from_files([roots / "a.root"], is_data=True)
    assert data["data"]["metadata"]["is_data"]
    plain = fileset_from_files([roots / "a.root"], unnormalised=True)
    assert plain["a"]["metadata"]["unnormalised"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "no input files"),
        (("nothing*.root", "tt"), "no file matches"),
        ((["a.root", "a.root"], "tt"), "given twice"),
        ((["a.root"], "tt"), "has no xsec_fb"),
        ((["sub"], "tt"), "holds no .root file"),
    ],
)
def test_fileset_from_files_faults(roots, monkeypatch, arguments, message):
    (roots / "sub").mkdir()
    monkeypatch.chdir(roots)
    with pytest.raises(FilesetError, match=message):
        fileset_from_files(*arguments)


def test_a_missing_slice_is_named():
    """Samples in slices say which of them add up to the process; those of somebody else need not."""
    files = [{f"root://host//store/{name}.root": "Events"} for name in "de"]
    tranches = [{"variable": "pt", "min": low, "max": low + 10, "slices": ["d", "e"]} for low in (0, 10)]
    both = {name: entry(f, tranche=t, process="tt") for name, f, t in zip("de", files, tranches, strict=True)}
    assert set(validate_fileset(both)) == {"d", "e"}
    with pytest.raises(FilesetError, match=r"slice 'e' of process 'tt' is missing.*leave out d, e"):
        validate_fileset({"d": both["d"]})
    del both["d"]["metadata"]["tranche"]["slices"]
    assert set(validate_fileset({"d": both["d"]})) == {"d"}
    both["e"]["metadata"]["tranche"]["slices"] = "d"
    with pytest.raises(FilesetError, match=r"tranche.slices.*must be a list of the datasets.*not 'd'"):
        validate_fileset({"e": both["e"]})
