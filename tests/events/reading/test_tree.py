"""Trees whose branches are read one by one: against uproot reading the same tree as a whole."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import awkward as ak
import eventfiles
import numpy as np
import pytest
import uproot

from massgap.arrays.errors import SelectionError
from massgap.events.errors import FileProblem
from massgap.events.reading import baskets
from massgap.events.reading import tree as lean_tree
from massgap.events.reading.baskets import flat_branch, is_jagged, is_plain
from massgap.events.reading.files import inspect_file
from massgap.events.reading.raw.branch import LeanBranch, lean_branch
from massgap.events.reading.tree import LeanFile

if TYPE_CHECKING:
    from pathlib import Path

N = 10
MESSAGE = "no bytes"
ODD_NAMES = ("a/b", "a b", "dot.ted", "semi;1", "Müon", "[x]", "x" * 254, "y" * 255, "z" * 300, "fBits")


def write(path: Path, trees: dict[str, dict[str, Any]], compression: Any = None) -> Path:
    with uproot.recreate(path, compression=compression) as file:
        for name, columns in trees.items():
            types = {
                k: v.type.content
                if isinstance(v, ak.Array)
                else (v.dtype, v.shape[1:])
                if v.ndim > 1
                else v.dtype
                for k, v in columns.items()
            }
            tree = file.mktree(name, types, title=f"title of {name}")
            if columns and len(next(iter(columns.values()))):
                tree.extend(columns)
    return path


def jagged(flat: Any, counts: Any) -> ak.Array:
    return ak.unflatten(np.asarray(flat), np.asarray(counts))


def some_columns() -> dict[str, Any]:
    counts = np.arange(N) % 3
    k = int(counts.sum())
    columns: dict[str, Any] = {
        "run": np.arange(N, dtype=np.uint32),
        "flag": np.arange(N) % 2 == 0,
        "fixed": np.arange(3.0 * N).reshape(N, 3),
        "Muon": ak.zip(
            {"pt": jagged(np.arange(k, dtype="f4"), counts), "good": jagged(np.ones(k, bool), counts)}
        ),
        "LHEScaleWeight": jagged(np.arange(9.0 * N, dtype="f4"), np.full(N, 9)),
    }
    return columns | {name: np.arange(N, dtype=np.int16) + i for i, name in enumerate(ODD_NAMES)}


def assert_same(lean: Any, whole: Any, *, arrays: bool = True, stop: int | None = None) -> int:
    """Every branch as uproot gives it; the number of plain branches."""
    assert lean.num_entries == whole.num_entries
    assert lean.names == set(whole.keys(recursive=False))
    stop = whole.num_entries if stop is None else min(stop, whole.num_entries)
    plain = 0
    for path, theirs in whole.iteritems(recursive=True):
        ours = lean[path]
        assert (ours.name, ours.title) == (theirs.name, theirs.title)
        assert str(ours.interpretation) == str(theirs.interpretation), path
        assert ours.typename == theirs.typename
        counters = [b.count_branch and b.count_branch.name for b in (ours, theirs)]
        assert counters[0] == counters[1], path
        assert is_plain(ours) == is_plain(theirs)
        if not arrays or not is_plain(theirs):
            continue
        plain += 1
        true = ak.to_numpy(ak.flatten(theirs.array(entry_stop=stop), axis=None))
        found = flat_branch(ours, 0, stop)
        assert (
            found.dtype
            == (theirs.interpretation.content if is_jagged(theirs) else theirs.interpretation).to_dtype
        )
        np.testing.assert_array_equal(found, true, err_msg=path)
    return plain


def test_names_types_titles_and_numbers_of_every_branch(tmp_path) -> None:
    path = write(tmp_path / "a.root", {"Events": some_columns()})
    with LeanFile(str(path)) as file, uproot.open(path) as whole:
        tree = file.tree("Events")
        assert tree is not None
        assert tree.is_lean
        assert set(ODD_NAMES) <= tree.names
        # Six plain ones (the counters nMuon and nLHEScaleWeight among them) and the odd names without fBits.
        assert assert_same(tree, whole["Events"]) == 7 + len(ODD_NAMES) - 1
        for i, name in enumerate(ODD_NAMES):
            assert tree[name].array().tolist() == list(range(i, i + N))
        assert tree["Muon_pt"].array().tolist() == whole["Events"]["Muon_pt"].array().tolist()
        assert tree["Muon_pt"].count_branch.name == "nMuon"
        assert tree["fixed"].array().tolist() == some_columns()["fixed"].tolist()


def test_branches_in_any_order_and_each_read_once(tmp_path, monkeypatch) -> None:
    path = write(tmp_path / "a.root", {"Events": some_columns()})
    read = []
    monkeypatch.setattr(
        lean_tree,
        "read_object_any",
        lambda *args: read.append(args[1].index) or uproot.deserialization.read_object_any(*args),
    )
    with LeanFile(str(path)) as file, uproot.open(path) as whole:
        names = sorted(file.tree("Events").names)
        assert read == []
        random.Random(4).shuffle(names)
        tree = file.tree("Events")
        for name in names:
            assert str(tree[name].interpretation) == str(whole["Events"][name].interpretation)
            assert tree[name] is tree[name]
        assert len(read) == len(set(read)) == len(names)


def test_a_jagged_branch_reads_its_counter_alone(tmp_path) -> None:
    path = write(
        tmp_path / "a.root", {"Events": {f"b{i}": jagged(np.arange(N), np.ones(N, int)) for i in range(50)}}
    )
    with LeanFile(str(path)) as file:
        tree = file.tree("Events")
        assert tree["b30"].array().tolist() == [[i] for i in range(N)]
        assert len(tree["b30"]._parent._massgap_branches._read) == 2


def test_several_trees_folders_and_an_empty_one(tmp_path) -> None:
    empty = {"x": np.zeros(0, "f4"), "y": ak.values_astype(ak.Array([[1.0]])[:0], "f4")}
    trees = {
        "Events": some_columns(),
        "Empty": empty,
        "sub/deep/Other": {"q": np.arange(3.0)},
        "Runs": {"n": np.arange(2)},
    }
    path = write(tmp_path / "a.root", trees)
    with LeanFile(str(path)) as file, uproot.open(path) as whole:
        for name in (*trees, "Events"):
            tree = file.tree(name)
            assert tree.is_lean
            assert_same(tree, whole[name])
        assert file.tree("Empty")["x"].array().tolist() == []
        assert file.tree("Empty").num_entries == 0


def test_many_branches(tmp_path) -> None:
    names = [f"HLT_path{i}" for i in range(400)]
    path = write(
        tmp_path / "a.root",
        {"Events": {name: np.arange(3, dtype="u1") + i % 250 for i, name in enumerate(names)}},
    )
    with LeanFile(str(path)) as file:
        tree = file.tree("Events")
        assert tree.is_lean
        assert tree.names == set(names)
        for i in (0, 1, 200, 399):
            assert tree[names[i]].array().tolist() == [i % 250 + k for k in range(3)]


def test_an_ntuple_is_none(tmp_path) -> None:
    path = tmp_path / "n.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", {"x": np.arange(3.0)})
    with LeanFile(str(path)) as file:
        assert file.tree("Events") is None
        assert file.whole["Events"]["x"].array().tolist() == [0.0, 1.0, 2.0]
        ntuple = file.ntuple("Events")
        assert ntuple is not None
        assert ntuple["x"].flat(0, 3).tolist() == [0.0, 1.0, 2.0]


def test_what_is_no_ntuple_is_refused_as_one(tmp_path) -> None:
    """As are those of formats before RNTuple 1.0, for which uproot has no class."""
    path = write(tmp_path / "a.root", {"Events": some_columns()})
    with LeanFile(str(path)) as file, pytest.raises(FileProblem, match=r"a\.root: Events is a TTree, which"):
        file.ntuple("Events")


def test_a_missing_tree_or_branch_is_a_key_error(tmp_path) -> None:
    path = write(tmp_path / "a.root", {"Events": some_columns()})
    with LeanFile(str(path)) as file:
        with pytest.raises(KeyError):
            file.tree("Event")
        for name in ("runs", "run/x", "", "/"):
            with pytest.raises(KeyError):
                file.tree("Events")[name]


def test_the_file_stays_as_it_is_for_uproot(tmp_path) -> None:
    """The changed reader must not reach files that are opened in other ways."""
    path = write(tmp_path / "a.root", {"Events": some_columns()})
    with LeanFile(str(path)) as file:
        file.tree("Events")["run"].array()
        with uproot.open(path) as whole:
            assert len(whole["Events"].branches) == len(file.tree("Events").names)
        assert len(file.whole["Events"].branches) == len(file.tree("Events").names)
    assert uproot.classes["TObjArray"] is not lean_tree._Branches


def test_what_is_not_as_expected_is_read_as_a_whole(tmp_path, monkeypatch) -> None:
    path = write(tmp_path / "a.root", {"Events": some_columns()})
    monkeypatch.setattr(lean_tree, "_BEFORE_TOBJECT", {"TBranchElement": 18})
    with LeanFile(str(path)) as file, uproot.open(path) as whole:
        tree = file.tree("Events")
        assert not tree.is_lean
        assert_same(tree, whole["Events"])


def test_a_branch_that_cannot_be_read_fails_in_the_same_way_again(tmp_path, monkeypatch) -> None:
    path = write(tmp_path / "a.root", {"Events": some_columns()})

    def fail(*_: Any) -> None:
        raise OSError(MESSAGE)

    with LeanFile(str(path)) as file:
        tree = file.tree("Events")
        monkeypatch.setattr(lean_tree, "read_object_any", fail)
        for _ in range(2):
            with pytest.raises(OSError, match=MESSAGE):
                tree["run"].interpretation  # noqa: B018
        monkeypatch.undo()
        assert tree["run"].array().tolist() == list(range(N))


def types_of_all_kinds(path: Path, **options: Any) -> Path:
    """A file with one branch and one list of each type, and with what is not plain."""
    n = 30
    numbers = {f"s_{kind}": np.arange(n).astype(kind) for kind in KINDS}
    counts = np.arange(n) % 4
    lists = {f"l_{kind}": ak.unflatten(np.arange(counts.sum()).astype(kind), counts) for kind in KINDS}
    others = {"fixed": np.ones((n, 3)), "one": np.ones((n, 1)), "text": ak.Array(["a"] * n)}
    flags = {"fBits": np.arange(n, dtype=np.uint32)}
    with uproot.recreate(path, **options) as file:
        data = {**numbers, **lists, **others, **flags}
        types = {k: ak.type(v).content if isinstance(v, ak.Array) else v.dtype for k, v in data.items()}
        types |= {"fixed": (np.float64, (3,)), "one": (np.float64, (1,)), "text": "string"}
        tree = file.mktree("t", types, title="of all kinds")
        for begin in range(0, n, 10):
            tree.extend({k: v[begin : begin + 10] for k, v in data.items()})
    return path


KINDS = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


@pytest.mark.parametrize("compression", [None, uproot.ZLIB(1)])
def test_branches_are_described_as_by_uproot(tmp_path, compression) -> None:
    path = types_of_all_kinds(tmp_path / "a.root", compression=compression)
    with LeanFile(str(path)) as file:
        tree = file.tree("t")
        lean = {name: tree[name] for name in tree.names}
        whole = {name: tree._lean.branch(tree._lean.names[name]) for name in tree.names}
        for name, branch in lean.items():
            plain = name.startswith(("s_", "l_", "nl_"))
            assert isinstance(branch, LeanBranch) == plain, name
            assert is_plain(branch) == is_plain(whole[name]) == plain
            if not plain:
                continue
            mine, theirs = branch._massgap_plain, baskets._described(whole[name])
            assert mine == theirs
            assert mine.stored.str == theirs.stored.str  # == does not tell byte orders of one byte
            assert len(mine.seeks) == branch.num_baskets == whole[name].num_baskets == 3
            assert (branch.name, branch.title) == (whole[name].name, whole[name].title)
            assert list(branch.entry_offsets) == list(whole[name].entry_offsets)
            # What it does not know itself, and what Python looks for in the class alone.
            assert branch.array().tolist() == whole[name].array().tolist()
            assert "x" not in branch
            with pytest.raises(KeyError):
                branch["x"]


def test_a_description_that_contradicts_itself_is_left_to_uproot(tmp_path) -> None:
    """Some bits, and places where the description may end."""
    path = types_of_all_kinds(tmp_path / "a.root", compression=None)
    with LeanFile(str(path)) as file:
        tree = file.tree("t")._lean
        number = tree.names["l_f4"]
        begin = tree._bodies[number] - tree._begin
        end = tree.starts[number + 1] - tree._begin
        assert lean_branch(tree._bytes, begin, tree._class_at, lambda: None).num_baskets == 3
        rng = random.Random(3)
        for at in rng.sample(range(begin, end), 300):
            bad = bytearray(tree._bytes)
            bad[at] ^= 1 << rng.randrange(8)
            found = lean_branch(bytes(bad), begin, tree._class_at, lambda: None)
            # Values that nothing contradicts may differ, never how many baskets and edges belong together.
            if found is not None:
                plain = found._massgap_plain
                assert len(plain.seeks) == len(plain.sizes) == len(plain.edges) - 1
                assert plain.stored.byteorder in ">|"
        for stop in range(begin, end - 1, 3):
            assert lean_branch(tree._bytes[:stop], begin, tree._class_at, lambda: None) is None


# ---- damaged files


@pytest.fixture(scope="module")
def nano(tmp_path_factory) -> Path:
    events = eventfiles.make_events(40, seed=5)
    path = tmp_path_factory.mktemp("lean") / "nano.root"
    # Not compressed: each flipped byte reaches the description of the tree.
    return eventfiles.write_nano(path, events, "v12", compression=None)


def tree_key(path: Path) -> tuple[int, int]:
    with uproot.open(path) as file:
        key = file.key("Events")
        return int(key.fSeekKey), int(key.fNbytes)


def use(path: Path) -> str:
    """Open the file and read all branches, as a run does; the errors must be those of a damaged file."""
    try:
        info = inspect_file(str(path))
        assert info.format == "NanoAOD"
        with LeanFile(str(path)) as file:
            tree = file.tree(info.tree)
            for name in sorted(tree.names):
                branch = tree[name]
                if is_plain(branch):
                    flat_branch(branch, 0, min(tree.num_entries, 40))
    except (FileProblem, SelectionError) as error:
        return (
            "refused" if str(path) in str(error) or "neither NanoAOD" in str(error) else f"unclear: {error}"
        )
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - whatever reading a branch raises is reported with the chunk
        return "branch"
    return "fine"


def test_flipped_bytes_in_the_description_of_the_tree(nano, tmp_path) -> None:
    begin, size = tree_key(nano)
    raw = nano.read_bytes()
    rng = random.Random(11)
    seen: dict[str, int] = {}
    bad = tmp_path / "bad.root"
    for _ in range(24):
        content = bytearray(raw)
        for _ in range(rng.choice([1, 4, 40])):
            content[begin + rng.randrange(size)] ^= 1 << rng.randrange(8)
        bad.write_bytes(content)
        what = use(bad)
        seen[what] = seen.get(what, 0) + 1
    assert seen.keys() <= {"refused", "branch", "fine"}
    assert seen["refused"] > 2
    assert seen["branch"] > 2


def test_lengths_of_branches_that_point_anywhere(nano, tmp_path) -> None:
    """The lengths by which branches are skipped, set to the smallest, the largest and to odd numbers."""
    key, _ = tree_key(nano)
    with LeanFile(str(nano)) as file:
        lean = file.tree("Events")._lean
        starts = list(lean.starts)
        # Positions in the file where the tree is not compressed, or from the start of the content.
        base = 0 if lean._chunk.start > 0 else key + int(file.file.key("Events").fKeylen)
    raw = nano.read_bytes()
    bad = tmp_path / "bad.root"
    for number in (7, len(starts) - 1):
        at = base + starts[number]
        assert raw[at] == 0x40, "not the length of an object"
        for value in (0, 0x40000001, 0x7FFFFFFF, 0xFFFFFFFF):
            bad.write_bytes(raw[:at] + value.to_bytes(4, "big") + raw[at + 4 :])
            assert use(bad) in ("refused", "branch", "fine")


def test_a_damaged_file_does_not_spoil_the_next_one(nano, tmp_path) -> None:
    """A version of TBranch that nobody knows, for which uproot makes a class of its own."""
    key, _ = tree_key(nano)
    with LeanFile(str(nano)) as file:
        lean = file.tree("Events")._lean
        base = 0 if lean._chunk.start > 0 else key + int(file.file.key("Events").fKeylen)
        at = base + lean.starts[0] + 8 + len("TBranch") + 1 + 4
    raw = nano.read_bytes()
    assert raw[at : at + 2] == b"\x00\x0d"
    bad = tmp_path / "bad.root"
    bad.write_bytes(raw[:at] + b"\x00\x63" + raw[at + 2 :])
    known = uproot.classes["TBranch"].known_versions
    before = dict(known)
    try:
        use(bad)
        assert known == before
    finally:
        known.clear()
        known.update(before)


@pytest.mark.parametrize("keep", [200, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files_are_refused(nano, tmp_path, keep) -> None:
    raw = nano.read_bytes()
    bad = tmp_path / "bad.root"
    bad.write_bytes(raw[: keep if keep > 1 else int(keep * len(raw))])
    with pytest.raises(FileProblem, match=r"bad\.root: (is truncated|cannot be opened)"):
        inspect_file(str(bad))


# ---- real files

REAL = {
    "nano_tt_v15.root": "Events",
    "nanoAOD_2015_CMS_Open_Data_ttbar.root": "Events",
    "nano_dy_empty.root": "Events",
    "agc_open-data-example.root": "Events",
    "uproot-HZZ.root": "events",
    "delphes_seungjin.root": "Delphes",
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(real_files, name) -> None:
    path = real_files / name
    if not path.exists():
        pytest.skip(f"no {name} among the real event files")
    with LeanFile(str(path)) as file, uproot.open(path) as whole:
        tree, true = file.tree(REAL[name]), whole[REAL[name]]
        assert tree.is_lean
        assert tree.names == set(true.keys(recursive=False))
        assert tree.num_entries == true.num_entries
        stop = min(true.num_entries, 200)
        paths = list(true.keys(recursive=True))
        rng = random.Random(name)
        for path_ in rng.sample(paths, min(len(paths), 150)):
            ours, theirs = tree[path_], true[path_]
            assert ours.title == theirs.title
            assert str(ours.interpretation) == str(theirs.interpretation), path_
            if isinstance(ours, LeanBranch):
                number = tree._lean.names[path_]
                assert ours._massgap_plain == baskets._described(tree._lean.branch(number))
            assert (ours.count_branch and ours.count_branch.name) == (
                theirs.count_branch and theirs.count_branch.name
            )
            if is_plain(theirs) and stop:
                values = ak.to_numpy(ak.flatten(theirs.array(entry_stop=stop), axis=None))
                np.testing.assert_array_equal(flat_branch(ours, 0, stop), values, err_msg=path_)
