"""massgap publish and recast: the signal's own events give the CLs of the run, in an empty folder; nothing that was changed is used."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import eventfiles
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyhf
import pytest
from bareenvironment import bare_environment
from click.testing import CliRunner

from massgap import stages
from massgap.cli import main
from massgap.cli.printing.recast_words import card_lines, recast_lines
from massgap.contracts.errors import BundleError
from massgap.contracts.plane_folder import open_plane
from massgap.contracts.study_folder import StudyFolder, write_study
from massgap.errors import MassgapError
from massgap.fits.inference.toys.options import ToyOptions
from massgap.fits.plan import FitOptions, FitPart, FitPlan
from massgap.fits.planes.points import PlanePoint
from massgap.fits.planes.signals import with_signal
from massgap.fits.workspaces.nuisances import NuisanceSet
from massgap.fits.workspaces.patch_sets import patches_of
from massgap.fits.workspaces.schema import schema_warnings_off
from massgap.fits.workspaces.templates import Template
from massgap.fits.workspaces.workspace import WorkspaceOptions
from massgap.stages.publishing.bundle import SUMS, open_bundle, write_sums
from massgap.stages.publishing.cards import SignalLimits, signal_regions
from massgap.stages.publishing.pairing import paired_difference, weighted_means
from massgap.stages.publishing.publication import About
from massgap.stages.publishing.signal_events import EventOptions

ROOT = Path(__file__).parents[2]
SIGNALS = {"slepton_110_80": 40.0, "slepton_200_150": 20.0}


def write_fileset(folder: Path) -> Path:
    """Two backgrounds, two signals and data, of a few hundred events each."""
    fileset = {}
    samples = {"tt": 90.0, "WW": 60.0, **SIGNALS, "data": None}
    for seed, (name, xsec) in enumerate(samples.items(), 1):
        is_data = xsec is None
        version = "data" if is_data else "v12"
        events = eventfiles.make_events(900, seed=seed, first=10_000 * seed, negative=False)
        file = eventfiles.write_nano(folder / f"{name}.root", events, version)
        metadata = {"process": name, "is_data": is_data, "is_signal": name in SIGNALS, "sqrt_s_tev": 13.0}
        if not is_data:
            metadata["xsec_fb"] = xsec
        if name in SIGNALS:
            masses = dict(zip(("m_slepton", "m_lsp"), map(float, name.split("_")[1:]), strict=True))
            metadata["masses"] = masses
        fileset[name] = {"files": {str(file): "Events"}, "metadata": metadata}
    path = folder / "fileset.json"
    path.write_text(json.dumps(fileset))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Events, a scored run with a plane, and its bundle."""
    folder = tmp_path_factory.mktemp("published")
    stages.run(
        "slepton",
        fileset=write_fileset(folder),
        out=folder / "run",
        model="slepton-small",
        options={"variations": ("jes",)},
        executor="iterative",
    ).require_complete()
    options = FitOptions(histogram="met", region="topology", replicas=0, max_bins=4)
    stages.plane(folder / "run", luminosities=(10.0,), options=options)
    about = About(authors=("A. Physicist",), references={"hepdata": "ins1234567"})
    stages.publish(folder / "run", folder / "bundle", about=about)
    return folder


@pytest.fixture
def bundle(place: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(place / "bundle", tmp_path / "bundle"))


def recast(bundle: Path, file: Path, **options):
    return stages.recast(bundle, [file], events=EventOptions(**options)).results


def published(place: Path, name: str) -> dict:
    return next(row for row in open_plane(place / "run" / "plane").points() if row["name"] == name)


def test_in_a_bare_environment_the_signals_events_give_the_cls_of_the_plane(
    place: Path, tmp_path: Path
) -> None:
    """Another process that finds no extra, an empty folder: the bundle, the events, and nothing of the run."""
    bare, packages = tmp_path / "bare", tmp_path / "packages"
    packages.mkdir()
    shutil.copytree(place / "bundle", bare / "bundle")
    shutil.copy(place / "slepton_110_80.root", bare / "mine.root")
    words = ["recast", "bundle", "mine.root", "--xsec", "40", "--name", "mine", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "massgap", *words],
        cwd=bare,
        env={**bare_environment(packages), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    found, row = json.loads(done.stdout), published(place, "slepton_110_80")
    assert found["format"] == "massgap-recast/1"
    assert found["observed"] is True
    tested = found["as_published"]
    assert tested["cls"]["observed"] == pytest.approx(row["cls"]["observed"], rel=1e-6)
    assert tested["cls"]["expected"] == pytest.approx(row["cls"]["expected"], rel=1e-6)
    assert tested["limit_fb"]["observed"] == pytest.approx(row["limit_fb"]["observed"], rel=1e-6)
    assert tested["limit_fb"]["expected"] == pytest.approx(row["limit_fb"]["expected"], rel=1e-6)
    assert found["channels"][0]["efficiency"] == pytest.approx(row["efficiency"], rel=1e-12)
    assert found["channels"][0]["efficiency_error"] == pytest.approx(row["efficiency_error"], rel=1e-12)
    # What a finite sample does not know can only weaken what is expected.
    own = found["with_sample_statistics"]
    assert own["upper_limit"]["expected"][2] > tested["upper_limit"]["expected"][2]


def test_a_fileset_says_the_cross_section_and_another_one_scales(place: Path) -> None:
    row = published(place, "slepton_200_150")
    found = recast(place / "bundle", place / "fileset.json", name="slepton_200_150")
    assert found["cross_section_fb"] == 20.0
    assert found["as_published"]["cls"]["observed"] == pytest.approx(row["cls"]["observed"], rel=1e-6)
    twice = recast(place / "bundle", place / "fileset.json", name="slepton_200_150", xsec_fb=40.0)
    assert twice["channels"][0]["signal"] == pytest.approx(2.0 * found["channels"][0]["signal"])
    assert twice["as_published"]["limit_fb"]["expected"] == pytest.approx(
        found["as_published"]["limit_fb"]["expected"], rel=1e-5
    )
    # The fileset beside an event file says it, too; one with several signals is asked for a name.
    beside = recast(place / "bundle", place / "slepton_200_150.root")
    assert beside["cross_section_fb"] == 20.0
    with pytest.raises(BundleError, match=r"has 2 signals: .*--name slepton_110_80"):
        recast(place / "bundle", place / "fileset.json")


def test_statistics_of_the_sample_are_those_of_pyhf(place: Path) -> None:
    """A parameter per bin of the signal alone, as pyhf itself has it: CLs by its own fits."""
    from massgap.contracts.run_folder import open_run
    from massgap.fits.planes.published import with_sample_statistics
    from massgap.stages.publishing.recasting import signal_templates

    likelihood = open_bundle(place / "bundle").likelihood()
    name = "slepton_110_80"
    templates = signal_templates(likelihood, {"": open_run(place / "run")}, name)
    plane = likelihood.with_signal(name, templates)
    patch, same = likelihood.patch(plane, PlanePoint(name, {}, 40.0))
    assert same
    patch = with_sample_statistics(patch, plane, name, likelihood.lumi_fb)
    workspace = with_signal(likelihood.workspace, patch)
    errors = [m for m in workspace["channels"][0]["samples"][0]["modifiers"] if m["type"] == "staterror"]
    assert errors[0]["data"] == pytest.approx(10.0 * np.sqrt(templates[0].variances))
    (found,) = likelihood.test([patch])
    with schema_warnings_off():
        read = pyhf.Workspace(workspace)
        model = read.model()
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-9))
    observed, expected = pyhf.infer.hypotest(
        1.0, read.data(model), model, test_stat="qtilde", return_expected=True
    )
    assert found["cls"]["observed"] == pytest.approx(float(observed), abs=2e-5)
    assert found["cls"]["expected"][2] == pytest.approx(float(expected), abs=2e-5)


def test_pyhf_reads_what_is_published(place: Path) -> None:
    folder = place / "bundle" / "likelihood"
    with schema_warnings_off():
        background = pyhf.Workspace(json.loads((folder / "background.json").read_text()))
        patches = pyhf.PatchSet(json.loads((folder / "patchset.json").read_text()))
        patches.verify(background)
    assert patches.references == {"hepdata": "ins1234567"}
    assert [patch.name for patch in patches.patches] == list(SIGNALS)


def test_a_changed_byte_in_any_file_is_refused_and_named(bundle: Path) -> None:
    files = [path for path in sorted(bundle.rglob("*")) if path.is_file()]
    assert len(files) > 15
    assert {"events_00.root", "score.onnx", "README.md", SUMS, "expected.parquet"} <= {f.name for f in files}
    for path in files:
        content = path.read_bytes()
        at = len(content) // 2
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(BundleError) as refused:
            open_bundle(bundle)
        assert path.name in str(refused.value)
        assert "massgap publish RUN --out BUNDLE" in str(refused.value)
        path.write_bytes(content)
    open_bundle(bundle)
    (bundle / "analysis.py").write_text("print('hello')")
    with pytest.raises(BundleError, match=r"analysis\.py is not in SHA256SUMS"):
        open_bundle(bundle)
    (bundle / "analysis.py").unlink()
    open_bundle(bundle)


def test_a_file_that_is_gone_and_one_that_was_added_are_refused_wherever_they_are(
    bundle: Path, tmp_path: Path
) -> None:
    files = [path for path in sorted(bundle.rglob("*")) if path.is_file()]
    for path in files:
        aside = path.rename(tmp_path / "aside")
        with pytest.raises(BundleError, match=re.escape(path.name)) as refused:
            open_bundle(bundle)
        assert ("cannot be read" if path.name == SUMS else "is missing") in str(refused.value)
        # A link that leads nowhere is no file either.
        path.symlink_to(tmp_path / "nowhere")
        with pytest.raises(BundleError, match=re.escape(path.name)):
            open_bundle(bundle)
        path.unlink()
        aside.rename(path)
    folders = [bundle, *(path for path in bundle.rglob("*") if path.is_dir())]
    assert len(folders) > 6
    (tmp_path / "elsewhere").mkdir()
    for folder in folders:
        added = folder / "numpy"
        # A folder behind a link would be imported, with no hash of what is in it.
        added.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        with pytest.raises(BundleError, match=r"numpy is not in SHA256SUMS"):
            open_bundle(bundle)
        added.unlink()
        added.write_bytes(b"")
        with pytest.raises(BundleError, match=r"numpy is not in SHA256SUMS"):
            open_bundle(bundle)
        added.unlink()
    open_bundle(bundle)


def test_the_sums_are_those_of_sha256sum(place: Path) -> None:
    for line in (place / "bundle" / SUMS).read_text().splitlines():
        sha256, name = line.split("  ")
        assert hashlib.sha256((place / "bundle" / name).read_bytes()).hexdigest() == sha256


def test_an_installation_that_is_right_gives_all_bits(place: Path) -> None:
    found = stages.check_bundle(place / "bundle")
    assert found.ok, found.problems()
    (run,) = found.runs
    # Of 250 wanted of each of four datasets, about half are selected by so small samples.
    assert run["events"] > 400
    kinds = {
        kind: [c for c in run["columns"] if c["kind"] == kind] for kind in ("region", "feature", "score")
    }
    assert len(kinds["feature"]) >= 20
    assert len(kinds["score"]) == 1
    assert all(column["same"] == column["compared"] == run["events"] for column in run["columns"])
    document = json.loads((place / "bundle" / "features.json").read_text())
    inputs = document["runs"][0]["scores"][0]["inputs"]
    assert inputs[0] == {"name": "m_ll", "unit": "GeV"}
    assert "NaN is missing" in document["runs"][0]["scores"][0]["missing"]


@pytest.mark.parametrize(
    ("column", "by", "ok"), [("score", 1e-7, True), ("score", 1e-4, False), ("met", 0.1, False)]
)
def test_an_installation_that_gives_others_is_found(bundle: Path, column, by, ok) -> None:
    path = bundle / "validation" / "expected.parquet"
    table = pq.read_table(path).to_pandas()
    at = table[column].first_valid_index()
    table.loc[at, column] += by
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path)
    write_sums(bundle)
    done = CliRunner().invoke(main, ["recast", str(bundle), "--check"])
    assert done.exit_code == (0 if ok else 1), done.output
    assert (f"differs: {column} differs by up to" in done.output) is not ok


def test_what_another_version_is_told(bundle: Path) -> None:
    path = bundle / "bundle.json"
    content = json.loads(path.read_text())
    content["versions"]["massgap"] = "0.0.1"
    path.write_text(json.dumps(content))
    write_sums(bundle)
    (note,) = open_bundle(bundle).notes()
    assert "was made by massgap 0.0.1" in note
    assert f"massgap recast {bundle} --check" in note


def test_no_event_in_any_channel_excludes_nothing(place: Path, tmp_path: Path) -> None:
    soft = {"Muon_pt": lambda pt: 0.01 * pt}
    file = eventfiles.write_nano(
        tmp_path / "soft.root", eventfiles.make_events(50, negative=False), change=soft
    )
    found = recast(place / "bundle", file, xsec_fb=1.0)
    assert found["channels"][0]["efficiency"] == 0.0
    assert found["as_published"]["cls"] == {"observed": 1.0, "expected": [1.0] * 5}
    assert found["as_published"]["upper_limit"] is None
    assert any("no event of the signal is in any channel" in note for note in found["notes"])


def test_faults_of_the_events_are_one_sentence_with_what_can_be_typed(place: Path, tmp_path: Path) -> None:
    bundle, events = place / "bundle", eventfiles.make_events(40, negative=False)
    plain = eventfiles.write_nano(tmp_path / "plain.root", events)
    blind = eventfiles.write_nano(tmp_path / "blind.root", events, drop=("Jet_pt",))
    entry = {"process": "s", "xsec_fb": 1.0, "is_signal": True, "sqrt_s_tev": 14.0}
    (tmp_path / "14.json").write_text(json.dumps({"s": {"files": {str(plain): "Events"}, "metadata": entry}}))
    for files, options, words in (
        ([plain], {}, ("does not say its cross section", "--xsec 12.5")),
        ([blind], {"xsec_fb": 1.0}, ("Jet_pt",)),
        ([tmp_path / "14.json"], {}, ("is of 14 TeV", "--energy 13", "--accept-energy")),
        ([plain], {"xsec_fb": 1.0, "card": "atlas"}, ("--detector goes with .lhe",)),
        ([plain, tmp_path / "a.lhe"], {"xsec_fb": 1.0}, ("of one kind",)),
        ([tmp_path / "14.json"], {"tree": "Events"}, ("--tree goes with event files",)),
        ([plain], {"xsec_fb": 1.0, "name": "tt"}, ("'tt'", "--name NAME")),
        ([tmp_path / "nosuch.root"], {"xsec_fb": 1.0}, ("nosuch.root",)),
    ):
        with pytest.raises(MassgapError) as refused:
            stages.recast(bundle, files, events=EventOptions(**options))
        assert all(word in str(refused.value) for word in words), str(refused.value)
    accepted = EventOptions(accept_energy=True)
    assert stages.recast(bundle, [tmp_path / "14.json"], events=accepted).results["signal"] == "s"
    with pytest.raises(BundleError, match=r"--xsec must be"):
        EventOptions(xsec_fb=-1.0)
    with pytest.raises(BundleError, match=r"it has 10 fb-1 \(--lumi 10\)"):
        stages.recast(bundle, [plain], events=EventOptions(xsec_fb=1.0), lumi_fb=300.0)


def test_matrix_element_events_need_the_generator(place: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "my.lhe").write_text("<LesHouchesEvents/>")
    monkeypatch.setitem(sys.modules, "fastjet", None)
    with pytest.raises(MassgapError, match=r'pip install "massgap\[generator\]"'):
        stages.recast(place / "bundle", [tmp_path / "my.lhe"])


def test_the_same_events_through_two_cards(place: Path, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "samples"))
    import lhefiles

    file = lhefiles.write(tmp_path / "pairs.lhe", lhefiles.pairs(80, 2000013, -2000013, 200.0))
    (tmp_path / "pairs.slha").write_text(stages.slha("smuonR_200_100"))
    events = EventOptions(slha=tmp_path / "pairs.slha", xsec_fb=50.0)
    alone = stages.recast(place / "bundle", [file], events=events).results
    assert alone["events"] == 80
    assert 0.02 < alone["channels"][0]["efficiency"] < 0.5
    # A card that differs in nothing, by another name, changes nothing: the events are the same ones.
    (tmp_path / "mine.toml").write_text('base = "cms"\n')
    cards = ["cms", str(tmp_path / "mine.toml"), "perfect"]
    found = stages.compare_cards(place / "bundle", [file], cards, events=events).results
    assert found["events"] == 80
    first, same, perfect = found["cards"]
    assert first["channels"][0]["efficiency"] == alone["channels"][0]["efficiency"]
    assert first["limit"] == pytest.approx(alone["as_published"]["upper_limit"]["expected"][2], rel=1e-6)
    assert same["channels"][0]["efficiency_change"] == 0.0
    assert same["channels"][0]["efficiency_change_error"] == 0.0
    assert same["channels"][0]["shifts"]["score"] == {"mean": 0.0, "error": 0.0}
    assert (same["limit_ratio"], same["limit_ratio_error"]) == (1.0, 0.0)
    assert same["channels"][0]["mean_changes"]["score"] == {"change": 0.0, "error": 0.0}
    assert found["controls"] == []
    limits = ("limit", "limit_error", "limit_ratio", "limit_ratio_error")
    for card in found["cards"]:
        # The only region alone is all that there is.
        assert [card["channels"][0][key] for key in limits] == [card[key] for key in limits]
        assert 0.0 < card["limit_error"] < card["limit"]
        assert 0.0 < card["channels"][0]["means"]["score"]["mean"] < 1.0
    lines = "\n".join(card_lines(found))
    assert "mean score" in lines
    assert "all together" in lines
    row = perfect["channels"][0]
    moved = row["means"]["score"]["mean"] - first["channels"][0]["means"]["score"]["mean"]
    assert row["mean_changes"]["score"]["change"] == pytest.approx(moved)
    change = row["efficiency"] - first["channels"][0]["efficiency"]
    assert row["efficiency_change"] == pytest.approx(change, abs=1e-9)
    # Paired, they are known far better than as two samples.
    apart = np.hypot(row["efficiency_error"], first["channels"][0]["efficiency_error"])
    assert 0.0 < row["efficiency_change_error"] < apart
    assert perfect["limit_ratio_error"] > 0.0


def test_cards_need_generated_events(place: Path) -> None:
    with pytest.raises(BundleError, match=r"my\.lhe\.gz --cards cms,atlas"):
        stages.compare_cards(place / "bundle", [place / "tt.root"], ["cms", "atlas"])
    same = EventOptions(xsec_uncertainty=0.1)
    with pytest.raises(BundleError, match="--xsec-uncertainty is the same"):
        stages.compare_cards(place / "bundle", ["my.lhe"], ["cms", "atlas"], events=same)
    with pytest.raises(BundleError, match="two cards or more"):
        stages.compare_cards(place / "bundle", ["my.lhe"], ["cms"])
    with pytest.raises(BundleError, match="'sr' is no channel of the bundle: --control takes mumu1j"):
        stages.compare_cards(place / "bundle", ["my.lhe"], ["cms", "atlas"], controls=["sr"])
    with pytest.raises(BundleError, match="all channels of the bundle would be control regions"):
        stages.compare_cards(place / "bundle", ["my.lhe"], ["cms", "atlas"], controls=["mumu1j"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--check", "--xsec", "3"), "leave out --xsec"),
        (("--check", "my.root"), "leave out FILES"),
        (("my.lhe", "--cards", "cms,atlas", "--toys", "100"), "--detector cms --toys 100"),
        (("my.lhe", "--control", "cr"), "--control goes with --cards"),
    ],
)
def test_options_that_go_with_others_are_refused_where_they_would_be_ignored(
    place: Path, words, said
) -> None:
    done = CliRunner().invoke(main, ["recast", str(place / "bundle"), *words])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_differences_of_the_same_events_against_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    weights = rng.uniform(0.5, 2.0, 400)
    truth = rng.uniform(0.0, 1.0, 400)
    one = {i: truth[i] for i in range(400) if truth[i] > 0.4}
    two = {i: truth[i] + 0.01 * rng.normal() for i in range(400) if truth[i] > 0.45 or truth[i] < 0.02}
    tables = [
        pd.DataFrame(
            {
                "fold_key": np.array(list(each), np.uint64),
                "weight": weights[list(each)],
                "met": list(each.values()),
            }
        )
        for each in (one, two)
    ]
    found = paired_difference(*tables, produced_fb=weights.sum())
    change = variance = moved = total = 0.0
    for i in range(400):
        step = (i in two) - (i in one)
        change += weights[i] * step
        variance += (weights[i] * step) ** 2
        if i in one and i in two:
            moved += weights[i] * (two[i] - one[i])
            total += weights[i]
    assert found["efficiency_change"] == pytest.approx(change / weights.sum())
    assert found["efficiency_change_error"] == pytest.approx(np.sqrt(variance) / weights.sum())
    assert found["shifts"]["met"]["mean"] == pytest.approx(moved / total)
    assert found["shifts"]["met"]["error"] == pytest.approx(0.01 / np.sqrt(len(set(one) & set(two))), rel=0.2)
    mean, error = _mean_and_error(weights, [two], [1.0])
    means = weighted_means(tables[1])["met"]
    assert (means["mean"], means["error"]) == (pytest.approx(mean), pytest.approx(error, rel=1e-4))
    mean, error = _mean_and_error(weights, [two, one], [1.0, -1.0])
    changed = found["mean_changes"]["met"]
    assert (changed["change"], changed["error"]) == (pytest.approx(mean), pytest.approx(error, rel=1e-4))
    # Of a single event the mean is known, and its error is not.
    single = weighted_means(tables[0].head(1))["met"]
    assert (single["mean"], single["error"]) == (pytest.approx(tables[0]["met"][0]), None)
    same = paired_difference(tables[0], tables[0], weights.sum())
    assert (same["efficiency_change"], same["efficiency_change_error"]) == (0.0, 0.0)
    assert same["shifts"]["met"] == {"mean": 0.0, "error": 0.0}


def _mean_and_error(weights, selections, signs):
    """A sum of weighted means, and its error by moving the weight of one event after the other."""

    def value(w):
        return sum(
            sign * sum(w[i] * x for i, x in each.items()) / sum(w[i] for i in each)
            for each, sign in zip(selections, signs, strict=True)
        )

    variance = 0.0
    for i in range(len(weights)):
        up = weights.copy()
        up[i] *= 1.0 + 1e-6
        variance += ((value(up) - value(weights)) / 1e-6) ** 2
    return value(weights), np.sqrt(variance)


OWN = """
from massgap.contracts.description import Feature, Region
from massgap.processors import Analysis


class Mine(Analysis):
    name = "mine"
    observables = (Feature("met", "MET", "GeV", 0.0, 400.0, 8),)
    regions = (Region("loose", channel="all"), Region("hard", channel="all", within="loose"))
    scores = ()

    def select(self, event, flow):
        left = flow.keep(event, "two muons", event.muons.counts >= 2)
        flow.region("hard", left.met.pt > 100.0)
        flow.record(left, {"met": left.met.pt})
"""


@pytest.fixture(scope="module")
def own(place: Path, tmp_path_factory) -> Path:
    """A run of an analysis of one's own, over two backgrounds and one signal."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.py").write_text(OWN)
    fileset = json.loads((place / "fileset.json").read_text())
    del fileset["data"], fileset["slepton_200_150"]
    made = stages.run(f"{folder}/mine.py:Mine", fileset=fileset, out=folder / "one", executor="iterative")
    made.require_complete()
    return folder


def test_an_analysis_of_ones_own_brings_its_source_and_a_fit_its_signal(
    own: Path, place: Path, tmp_path: Path, monkeypatch
) -> None:
    """The new signal has another name, and the nuisance that was of the published one by name."""
    monkeypatch.chdir(tmp_path)
    entry = {"name": "theory", "kind": "lnN", "size": 0.3, "processes": ["slepton_110_80"]}
    model = WorkspaceOptions(nuisances=NuisanceSet.from_dict({"nuisance": [entry]}))
    toys = ToyOptions(1760, seed=5)
    options = FitOptions(histogram="met", region="loose", replicas=0, max_bins=3, model=model, toys=toys)
    fitted = stages.fit(own / "one", "fit", lumi_fb=10.0, options=options)
    made = stages.publish(own / "one", "bundle", likelihood="fit")
    assert (made.path / "analysis" / "mine.py").read_text() == OWN
    assert made.content["runs"][0]["analysis"] == "analysis/mine.py:Mine"
    events = EventOptions(name="another", xsec_fb=SIGNALS["slepton_110_80"])
    file = place / "slepton_110_80.root"
    with pytest.raises(BundleError, match=r"mine\.py: read it, and let it be run with --trust-code"):
        stages.recast("bundle", [file], events=events)
    with pytest.raises(MassgapError, match=r"9 toys are too few .*--toys 1759"):
        stages.recast("bundle", [file], events=events, trust_code=True, toys=ToyOptions(9))
    found = stages.recast("bundle", [file], events=events, trust_code=True, toys=toys).results
    # The same toys of the same likelihood: the same numbers.
    drawn = found["as_published"]["toys"]["upper_limit"]
    assert drawn["expected"] == pytest.approx(fitted.results["toys"]["upper_limit"]["expected"], rel=1e-6)
    assert found["with_sample_statistics"]["toys"]["number"] == 1760
    assert "1,760 of each hypothesis" in "\n".join(recast_lines(found))
    assert found["as_published"]["cls"]["observed"] is None
    assert found["as_published"]["cls"]["expected"] == pytest.approx(
        fitted.results["cls"]["expected"], rel=1e-6
    )
    limit = found["as_published"]["upper_limit"]["expected"]
    assert limit == pytest.approx(fitted.results["upper_limit"]["expected"], rel=1e-6)
    assert stages.check_bundle("bundle", trust_code=True).ok


def test_a_plane_of_two_runs_runs_both_analyses(own: Path, place: Path, tmp_path: Path) -> None:
    name = "slepton_110_80"
    hard = FitPart("hard", "met", (0.0, 200.0, 400.0), control=True)
    parts = FitPlan([("topology", "met", (0.0, 100.0, 500.0)), hard])
    plane = stages.plane(
        [place / "run", own / "one"],
        tmp_path / "plane",
        luminosities=[20.0],
        plan=parts,
        options=FitOptions(replicas=0, use_data=False),
        plane_options={"signals": [name]},
        allow_overlap=True,
    )
    (row,) = plane.results["points"]
    made = stages.publish(place / "run", tmp_path / "bundle", likelihood=tmp_path / "plane")
    assert [run["label"] for run in made.content["runs"]] == ["run", "one"]
    events = EventOptions(xsec_fb=SIGNALS[name])
    file = place / f"{name}.root"
    found = stages.recast(made, [file], events=events, trust_code=True).results
    assert [channel["channel"] for channel in found["channels"]] == ["mumu1j", "all"]
    assert found["as_published"]["cls"]["expected"] == pytest.approx(row["cls"]["expected"], rel=1e-6)
    _require_limits_of_regions(made.likelihood(), {"run": place / "run", "one": own / "one"}, name, row)


def _require_limits_of_regions(likelihood, runs, name, row) -> None:
    """Of all channels that of the plane; of a region alone, the CLs of pyhf's own pruned workspace is 5 % there."""
    from massgap.contracts.run_folder import open_run

    opened = {label: open_run(path) for label, path in runs.items()}
    templates = likelihood.templates_of(opened, name)
    assert likelihood.controls == ("all",)
    assert signal_regions(likelihood, None) == {"mumu1j": frozenset({"mumu1j", "all"})}
    regions = signal_regions(likelihood, [])
    assert regions == {"mumu1j": frozenset({"mumu1j"}), "all": frozenset({"all"})}
    signal = SignalLimits(likelihood, regions, SIGNALS[name], name, 1.0)
    limits = signal.limits(templates)
    assert limits[""] == pytest.approx(row["upper_limit"]["expected"][2], rel=1e-6)
    plane = likelihood.with_signal(name, templates)
    patch, _ = likelihood.patch(plane, PlanePoint(name, {}, SIGNALS[name]))
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-9))
    with schema_warnings_off():
        whole = pyhf.Workspace(with_signal(likelihood.workspace, patch))
        for channel, other in (("mumu1j", "all"), ("all", "mumu1j")):
            assert limits[channel] > limits[""]
            alone = whole.prune(channels=[other])
            model = alone.model()
            poi = model.config.poi_index
            bounds = model.config.suggested_bounds()
            bounds[poi] = (0.0, max(10.0, 3.0 * limits[channel]))
            # Expected at the nominal parameters, as the bundle has no data.
            data = model.expected_data([*_nominal(model)])
            _, expected = pyhf.infer.hypotest(
                limits[channel], data, model, par_bounds=bounds, test_stat="qtilde", return_expected=True
            )
            assert float(expected) == pytest.approx(0.05, abs=2e-4)
    nothing = [Template(np.zeros(2), np.zeros(2)), templates[1]]
    assert signal.limits(nothing)["mumu1j"] is None
    assert signal.limits(nothing)["all"] == pytest.approx(limits["all"], rel=1e-6)
    assert set(signal.limits([nothing[0], nothing[0]]).values()) == {None}


def _nominal(model):
    pars = np.array(model.config.suggested_init())
    pars[model.config.poi_index] = 0.0
    return pars


def test_of_other_formats_the_scores_are_checked(tmp_path: Path) -> None:
    """Delphes files: the analysis runs over them, and validation events are features and scores alone."""
    fileset = {}
    for seed, (name, xsec) in enumerate({"tt": 100.0, "mine": 20.0}.items(), 1):
        events = eventfiles.make_events(400, seed=seed, first=10_000 * seed, negative=False)
        columns = eventfiles.delphes_columns(events)
        file = eventfiles.write_columns(tmp_path / f"{name}.root", columns, tree="Delphes")
        about = {"process": name, "xsec_fb": xsec, "is_signal": name == "mine"}
        fileset[name] = {"files": {str(file): "Delphes"}, "metadata": about}
    run = tmp_path / "run"
    made = stages.run("slepton", fileset=fileset, out=run, model="slepton-small", executor="iterative")
    made.require_complete()
    options = FitOptions(histogram="met", region="topology", replicas=0, max_bins=3)
    fitted = stages.fit(run, lumi_fb=20.0, options=options)
    bundle = stages.publish(run, tmp_path / "bundle")
    (entry,) = bundle.content["runs"]
    assert entry["validation"]["kind"] == "scores"
    assert "not NanoAOD" in entry["validation"]["why"]
    checked = stages.check_bundle(bundle)
    assert checked.ok
    assert [column["name"] for column in checked.runs[0]["columns"]] == ["score"]
    found = recast(bundle.path, tmp_path / "mine.root", xsec_fb=20.0)
    assert found["as_published"]["cls"]["expected"] == pytest.approx(
        fitted.results["cls"]["expected"], rel=1e-6
    )


def test_a_study_that_was_moved_is_published(place: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(place / "run" / "plane", study / "planes" / "all")
    shutil.copytree(place / "run", study / "runs" / "scored")
    plane = study / "planes" / "all" / "plane.json"
    content = json.loads(plane.read_text())
    content["runs"][0]["path"] = "where/it/was"
    plane.write_text(json.dumps(content))
    record = StudyFolder(
        study, "slepton", runs={"runs/scored": {}}, planes={"planes/all": {"run": "runs/scored"}}
    )
    write_study(record)
    made = stages.publish(study, tmp_path / "bundle")
    assert made.content["points"] == list(SIGNALS)
    (made.path / "models" / SUMS).write_text("of another place")
    with pytest.raises(BundleError, match=f"models/{SUMS} is not in {SUMS}"):
        open_bundle(made.path)


def test_what_was_made_again_since_is_published_where_it_is_the_same(place: Path, tmp_path: Path) -> None:
    """Another code may give the same numbers; where the last signal alone differs, it is refused."""
    shutil.copytree(place / "run", tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    manifest["code_hash"] = "0" * 64
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    results = tmp_path / "run" / "plane" / "plane.json"
    plane = json.loads(results.read_text())
    plane["runs"][0]["path"] = str(tmp_path / "run")
    results.write_text(json.dumps(plane))
    said: list[str] = []
    made = stages.publish(tmp_path / "run", tmp_path / "bundle", announce=said.append)
    assert made.content["published"] == {"likelihood": "plane", "runs": ["run"]}
    assert any("run was made again after plane, and gives the same likelihood" in line for line in said)
    patches = tmp_path / "run" / "plane" / plane["workspaces"][0]["patch_set"]
    content = json.loads(patches.read_text())
    content["patches"][-1]["patch"][0]["value"]["data"][0] *= 1.001
    patches.write_text(json.dumps(content))
    with pytest.raises(
        BundleError, match=r"does not come out of its runs any more: massgap plane .*run --out"
    ):
        stages.publish(tmp_path / "run", tmp_path / "second")
    assert not (tmp_path / "second").exists()
    manifest_of = tmp_path / "run" / "manifest.json"
    manifest_of.rename(tmp_path / "aside.json")
    with pytest.raises(BundleError, match=r"is not there any more: massgap plane"):
        stages.publish(tmp_path / "run", tmp_path / "second")
    with pytest.raises(BundleError, match=r"is no bundle: choose another folder"):
        stages.publish(place / "run", place / "run")


def test_patches_and_tables_name_the_same_signals(place: Path) -> None:
    table = pd.read_csv(place / "bundle" / "tables" / "efficiencies.csv")
    names = [
        patch.name
        for patch in patches_of(json.loads((place / "bundle/likelihood/patchset.json").read_text()))
    ]
    assert list(table["signal"]) == names
    for _, row in table.iterrows():
        assert row["efficiency"] == pytest.approx(published(place, row["signal"])["efficiency"], rel=1e-12)
