"""What README, CONTRIBUTING and the pages of the site promise: commands that exist, and an analysis of one's own that works on files."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parent.parent
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "docs").rglob("*.md")
        if not {"_build", "generated"} & set(path.relative_to(ROOT).parts)
    ),
]
EXAMPLE = ROOT / "examples" / "my_analysis.py"
MUON_MASS = 0.1056583755


# Each event: muons (pt, eta, phi, charge), jets (pt, eta, phi), generator weight. All muons are isolated and identified.
Z_PAIR = [(50.0, 0.3, 0.0, 1), (41.0, -0.2, 3.0, -1)]  # m_ll = 2 sqrt(50*41) * ..., inside the window
EVENTS = [
    (Z_PAIR, [(60.0, 1.0, 1.5)], 1.0),  # two muons, in the Z window
    (Z_PAIR, [(60.0, 1.0, 1.5), (35.0, -2.0, -1.5), (29.0, 0.0, 1.0)], 2.0),  # the same, two jets above 30
    (Z_PAIR, [(60.0, 3.0, 1.5)], 1.0),  # its jet is too far forward
    (Z_PAIR, [(60.0, 0.3, 0.1)], 1.0),  # its jet is a muon
    ([(50.0, 0.3, 0.0, 1), (41.0, -0.2, 3.0, 1)], [(60.0, 1.0, 1.5)], 1.0),  # the same charge
    ([(50.0, 0.3, 0.0, 1), (19.0, -0.2, 3.0, -1)], [(60.0, 1.0, 1.5)], 1.0),  # below the window
    ([(120.0, 0.3, 0.0, 1), (90.0, -0.2, 3.0, -1)], [(60.0, 1.0, 1.5)], -0.5),  # far above the window
    ([(50.0, 0.3, 0.0, 1), (9.0, -0.2, 3.0, -1)], [(60.0, 1.0, 1.5)], 1.0),  # one muon, the other is too soft
    ([], [], 1.0),
]
STEPS = {
    ("2mu", "all events"): (9, 8.5),
    ("2mu", "a jet"): (6, 5.5),
    ("2mu", "muons: 2"): (5, 4.5),
    ("2mu", "z_veto"): (2, 0.5),
    ("1mu", "all events"): (9, 8.5),
    ("1mu", "a jet"): (6, 5.5),
    ("1mu", "muons: 1"): (1, 1.0),
}


def mass(muons) -> float:
    """The textbook way: sums of energies and momenta."""
    vectors = []
    for pt, eta, phi, _ in muons:
        px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        vectors.append([np.sqrt(px**2 + py**2 + pz**2 + MUON_MASS**2), px, py, pz])
    e, px, py, pz = np.sum(vectors, axis=0)
    return float(np.sqrt(e**2 - px**2 - py**2 - pz**2))


@pytest.fixture(scope="module")
def nanoaod(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file in the layout of NanoAOD."""
    import awkward as ak
    import uproot

    muons = [m for m, _, _ in EVENTS]
    jets = [j for _, j, _ in EVENTS]

    def column(collections, index, kind) -> ak.Array:
        counts = [len(c) for c in collections]
        return ak.unflatten(np.array([x[index] for c in collections for x in c], dtype=kind), counts)

    def constant(collections, value, kind) -> ak.Array:
        return ak.unflatten(
            np.full(sum(map(len, collections)), value, dtype=kind), [len(c) for c in collections]
        )

    n = len(EVENTS)
    branches = {
        "run": np.ones(n, dtype=np.uint32),
        "luminosityBlock": np.ones(n, dtype=np.uint32),
        "event": np.arange(1, n + 1, dtype=np.uint64),
        "genWeight": np.array([w for *_, w in EVENTS], dtype=np.float32),
        "MET_pt": np.full(n, 12.0, dtype=np.float32),
        "MET_phi": np.zeros(n, dtype=np.float32),
        "Muon_pt": column(muons, 0, np.float32),
        "Muon_eta": column(muons, 1, np.float32),
        "Muon_phi": column(muons, 2, np.float32),
        "Muon_charge": column(muons, 3, np.int32),
        "Muon_mass": constant(muons, MUON_MASS, np.float32),
        "Muon_pfRelIso04_all": constant(muons, 0.01, np.float32),
        "Muon_mediumId": constant(muons, 1, bool),
        "Jet_pt": column(jets, 0, np.float32),
        "Jet_eta": column(jets, 1, np.float32),
        "Jet_phi": column(jets, 2, np.float32),
        "Jet_mass": constant(jets, 8.0, np.float32),
        "Jet_btagDeepFlavB": constant(jets, 0.01, np.float32),
    }
    counts = {"nMuon": ak.num(branches["Muon_pt"]), "nJet": ak.num(branches["Jet_pt"])}
    branches |= {name: ak.values_astype(value, np.int32) for name, value in counts.items()}
    path = tmp_path_factory.mktemp("nanoaod") / "events.root"

    def kind(array):
        return array.dtype if isinstance(array, np.ndarray) else array.type.content

    with uproot.recreate(path) as file:
        file.mktree(
            "Events", {name: kind(array) for name, array in branches.items()}, counter_name=lambda c: "n" + c
        )
        file["Events"].extend(branches)
    return path


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in a page of the repository."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands() -> list[str]:
    """Each command of massgap in the blocks of shell, and those that stand in a line behind another."""
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    typed = [part.strip() for line in lines for part in line.split(" && ")]
    return sorted({line for line in typed if line.startswith("massgap ")})


@pytest.mark.parametrize("line", commands())
def test_commands_shown_are_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command line in the pages parses: command and options exist, values have the right form."""
    from massgap.cli import main

    # The options of an analysis are those of its constructor: its file must be where the pages say.
    (tmp_path / "examples").mkdir()
    for folder in (tmp_path, tmp_path / "examples"):
        (folder / EXAMPLE.name).write_bytes(EXAMPLE.read_bytes())
    monkeypatch.chdir(tmp_path)
    _, name, *arguments = shlex.split(line, comments=True)
    context = main.commands[name].make_context(name, arguments)
    assert context.info_name == name


def test_commands_are_found() -> None:
    assert len(commands()) >= 80
    assert (
        "massgap validate vlq vlq     # nine classifiers side by side, each statement with its number (this page)"
        in commands()
    )
    # Blocks that are not looked at would be typed all the same.
    written = [
        line
        for page in PAGES
        for block in blocks(page, "(?:bash|shell|console)")
        for line in block.splitlines()
    ]
    assert written == []


PYTHON = [page for page in PAGES if blocks(page, "python")]


def test_python_is_found() -> None:
    assert {
        "README.md",
        "CONTRIBUTING.md",
        "docs/guide/files.md",
        "docs/guide/python.md",
        "docs/guide/models.md",
    } <= set(PYTHON)


@pytest.mark.parametrize("page", PYTHON)
def test_python_shown_compiles(page: str) -> None:
    for code in blocks(page, "python"):
        compile(code, page, "exec")


@pytest.mark.parametrize("page", PYTHON)
def test_names_that_python_imports_exist(page: str) -> None:
    import ast
    import importlib

    for code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {
                "massgap",
                "coffea",
            }:
                module = importlib.import_module(str(node.module))
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def anchors(text: str) -> set[str]:
    """Anchors of the headings of a page, as code hosts and MyST make them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    found = [
        re.sub(r"[^\w\- ]", "", head.lower()) for head in re.findall(r"^#+ (.*)$", prose, flags=re.MULTILINE)
    ]
    return {head.strip().replace(" ", "-") for head in found}


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page: str) -> None:
    """Relative to the page; an anchor must be that of a heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    targets = {link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in link}
    if page == "README.md":
        assert len(targets) > 20
    wrong = []
    for link in sorted(targets):
        name, _, anchor = link.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            wrong.append(link)
    assert wrong == []


def test_the_tests_of_links_would_notice() -> None:
    text = "# A `b` thing (c)\n```sh\n# no heading\n```\n## Two\n"
    assert anchors(text) == {"a-b-thing-c", "two"}


def test_readme_is_short_and_its_picture_small() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert 10_000 < (ROOT / picture).stat().st_size < 200_000
    assert (ROOT / picture).read_bytes().startswith(b"\x89PNG")


def test_the_measured_lines_of_readme_are_those_of_the_table() -> None:
    """Chosen rows, not other numbers: each stands in docs/performance.md, which is made from the measurements."""

    def rows(page: str) -> set[tuple[str, ...]]:
        found = set()
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
            cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
            if len(cells) == 4 and cells[1].startswith(("≥", "≤")):
                found.add((re.sub(r" \(\d+\)$", "", cells[0]), *cells[1:]))
        return found

    shown = rows("README.md")
    assert len(shown) >= 5
    assert shown <= rows("docs/performance.md")


def test_the_measured_lines_of_readme_show_a_miss_where_there_is_one() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert "**missed**" not in text or "**missed**" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_fileset_shown_is_valid() -> None:
    from massgap.contracts.filesets.fileset import validate_fileset

    (text,) = blocks("docs/guide/files.md", "json")
    fileset = validate_fileset(json.loads(text), check_files=False)
    assert {entry["metadata"]["process"] for entry in fileset.values()} == {"tt", "slepton_110_80", "data"}


def test_contributing_shows_the_example_verbatim() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") in blocks("CONTRIBUTING.md", "python")


def test_example_is_short() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 60


def test_example_runs_on_a_file(nanoaod: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from massgap.cli import main

    assert abs(mass(Z_PAIR) - 91.19) < 10 < min(abs(mass(EVENTS[i][0]) - 91.19) for i in (5, 6))
    monkeypatch.chdir(ROOT)
    out = tmp_path / "run"
    analysis = "./examples/my_analysis.py:MyAnalysis"
    command = ["run", analysis, str(nanoaod), "--out", str(out), "--executor", "iterative"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "z_veto" in done.output

    cutflow = json.loads((out / "cutflow.json").read_text())
    (rows,) = cutflow["processes"].values()
    assert {(row["channel"], row["step"]): (row["raw"], row["weighted"]) for row in rows} == STEPS


def test_example_fills_what_a_hand_calculation_gives(nanoaod: Path, tmp_path: Path) -> None:
    from massgap import stages

    result = stages.run(f"{EXAMPLE}:MyAnalysis", [str(nanoaod)], out=tmp_path / "run", executor="iterative")
    result.require_complete()
    ht = result.histograms["ht"]
    assert list(ht.axes["region"]) == ["two_muons", "off_z", "one_muon"]
    # Bins of 20 GeV: events with one jet of 60 GeV, and one with 60 and 35.
    for region, contents in {
        "two_muons": {3: 1.0 + 1.0 + 1.0 - 0.5, 4: 2.0},
        "off_z": {3: 0.5},
        "one_muon": {3: 1.0},
    }.items():
        values = ht[{"region": region}].project("ht").values()
        assert {i: values[i] for i in np.flatnonzero(values)} == contents, region
    variances = ht[{"region": "two_muons"}].project("ht").variances()
    assert (variances[3], variances[4]) == (3.25, 4.0)
    (table,) = result.features.values()
    assert table["weight"].tolist() == [1.0, 2.0, 1.0, 1.0, -0.5, 1.0]
    assert table["channel"].tolist() == ["2mu"] * 5 + ["1mu"]
    np.testing.assert_allclose(table["m_mumu"][:5], [mass(EVENTS[i][0]) for i in (0, 1, 4, 5, 6)], rtol=1e-6)
    assert np.isnan(table["m_mumu"][5])
    assert table["region_off_z"].tolist() == [False, False, False, True, True, False]


def test_a_changed_option_is_not_answered_from_a_finished_run(nanoaod: Path, tmp_path: Path) -> None:
    from massgap import stages

    found = {}
    for jet_pt in (30.0, 70.0):
        result = stages.run(
            f"{EXAMPLE}:MyAnalysis",
            [str(nanoaod)],
            out=tmp_path,
            executor="iterative",
            options={"jet_pt": jet_pt},
        )
        (rows,) = result.cutflow["processes"].values()
        found[jet_pt] = rows[-1]["raw"]
    assert found == {30.0: 1, 70.0: 0}
