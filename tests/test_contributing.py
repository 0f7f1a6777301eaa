"""What README and CONTRIBUTING promise: commands that exist, and an analysis of one's own that works on files."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "my_analysis.py"
MUON_MASS = 0.1056583755


# Each event: muons (pt, eta, phi, charge), jets (pt, eta, phi), generator weight. All muons are isolated and identified.
Z_PAIR = [(50.0, 0.3, 0.0, 1), (41.0, -0.2, 3.0, -1)]  # m_ll = 2 sqrt(50*41) * ..., inside the window
EVENTS = [
    (Z_PAIR, [(60.0, 1.0, 1.5)], 1.0),  # passes everything
    (Z_PAIR, [(60.0, 1.0, 1.5), (35.0, -2.0, -1.5), (29.0, 0.0, 1.0)], 2.0),  # passes, two jets above 30
    (Z_PAIR, [(60.0, 3.0, 1.5)], 1.0),  # its jet is too far forward
    (Z_PAIR, [(60.0, 0.3, 0.1)], 1.0),  # its jet is a muon
    ([(50.0, 0.3, 0.0, 1), (41.0, -0.2, 3.0, 1)], [(60.0, 1.0, 1.5)], 1.0),  # the same charge
    ([(50.0, 0.3, 0.0, 1), (19.0, -0.2, 3.0, -1)], [(60.0, 1.0, 1.5)], 1.0),  # a soft muon
    ([(120.0, 0.3, 0.0, 1), (90.0, -0.2, 3.0, -1)], [(60.0, 1.0, 1.5)], -0.5),  # far above the window
    ([(50.0, 0.3, 0.0, 1)], [(60.0, 1.0, 1.5)], 1.0),  # one muon
    ([], [], 1.0),
]
STEPS = {"all events": (9, 8.5), "two muons": (5, 4.5), "a jet": (3, 2.5), "Z window": (2, 3.0)}


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
    pages = ("README.md", "CONTRIBUTING.md")
    lines = [line for page in pages for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("massgap ")]


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
    assert len(commands()) >= 10


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_python_shown_compiles(page: str) -> None:
    shown = blocks(page, "python")
    assert shown
    for code in shown:
        compile(code, page, "exec")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_to_files_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}
    assert targets
    assert [link for link in sorted(targets) if not (ROOT / link).exists()] == []


def test_fileset_shown_is_valid() -> None:
    from massgap.contracts.fileset import validate_fileset

    (text,) = blocks("README.md", "json")
    fileset = validate_fileset(json.loads(text), check_files=False)
    assert {entry["metadata"]["process"] for entry in fileset.values()} == {"tt", "slepton_110_80", "data"}


def test_contributing_shows_the_example_verbatim() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") in blocks("CONTRIBUTING.md", "python")


def test_example_is_short() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 75


def test_example_runs_on_a_file(nanoaod: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from massgap.cli import main

    assert abs(mass(Z_PAIR) - 91.19) < 10 < abs(mass(EVENTS[6][0]) - 91.19)
    monkeypatch.chdir(ROOT)
    out = tmp_path / "run"
    command = [
        "run",
        "./examples/my_analysis.py:MyAnalysis",
        str(nanoaod),
        "--out",
        str(out),
        "--executor",
        "iterative",
    ]
    done = CliRunner().invoke(main, [*command, "--set", "features=true"])
    assert done.exit_code == 0, done.output
    assert "Z window" in done.output

    cutflow = json.loads((out / "cutflow.json").read_text())
    (rows,) = cutflow["processes"].values()
    assert {row["step"]: (row["raw"], row["weighted"]) for row in rows} == STEPS


def test_example_fills_what_a_hand_calculation_gives(nanoaod: Path, tmp_path: Path) -> None:
    from massgap import stages

    result = stages.run(
        f"{EXAMPLE}:MyAnalysis",
        [str(nanoaod)],
        out=tmp_path / "run",
        executor="iterative",
        options={"features": True},
    )
    result.require_complete()
    # three events with a jet, of which two are within the window: weights 1 and 2, with one and two jets
    n_jets = result.histograms["n_jets"].project("n_jets")
    assert n_jets.values().tolist() == [0, 1, 2, 0, 0, 0, 0, 0]
    assert n_jets.variances().tolist() == [0, 1, 4, 0, 0, 0, 0, 0]
    m_ll = result.histograms["m_ll"].project("m_ll")
    assert m_ll.values()[m_ll.axes[0].index(mass(Z_PAIR))] == 3.0
    assert m_ll.values(flow=True)[-1] == -0.5
    (table,) = result.features.values()
    np.testing.assert_allclose(table["m_ll"], [mass(EVENTS[i][0]) for i in (0, 1, 6)], rtol=1e-6)
    assert table["weight"].tolist() == [1.0, 2.0, -0.5]


def test_a_changed_option_is_not_answered_from_a_finished_run(nanoaod: Path, tmp_path: Path) -> None:
    from massgap import stages

    found = {}
    for window in (10.0, 500.0):
        result = stages.run(
            f"{EXAMPLE}:MyAnalysis",
            [str(nanoaod)],
            out=tmp_path,
            executor="iterative",
            options={"window": window},
        )
        (rows,) = result.cutflow["processes"].values()
        found[window] = rows[-1]["raw"]
    assert found == {10.0: 2, 500.0: 3}
