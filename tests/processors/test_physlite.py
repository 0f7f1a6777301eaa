"""The slepton analysis on ATLAS PHYSLITE: the numbers of a loop over the same events, read by uproot alone."""

from __future__ import annotations

import copy
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import awkward as ak
import eventfiles
import numpy as np
import physlitefiles
import pytest
import slepton_reference as reference
import uproot
from click.testing import CliRunner
from coffea.nanoevents import BaseSchema, NanoEventsFactory, PHYSLITESchema
from coffea.processor import IterativeExecutor, ProcessorABC, Runner
from runs import bits

from massgap.cli import main
from massgap.contracts.description import Feature
from massgap.events.errors import UnknownFormatError
from massgap.processors import Analysis, Flow, Slepton
from massgap.runner import run
from massgap.selections.objects.definitions import select_electrons, select_jets

if TYPE_CHECKING:
    from massgap.events import Event

XSEC = 500.0
MEV = 1000.0


def read_physlite(path: str, tree: str = "CollectionTree") -> list[dict]:
    """Events as plain Python, with units and working points decided here."""
    with uproot.open(path) as file:
        names = [name for name in file[tree].keys() if "AuxDyn" in name]  # noqa: SIM118 (a tree is not its keys)
        columns = {name.replace(":", "."): file[tree][name].array().tolist() for name in names}

    def objects(i: int, container: str) -> list[dict]:
        def value(field: str, k: int) -> float:
            return columns[f"{container}AuxDyn.{field}"][i][k]

        out = []
        for k in range(len(columns[f"{container}AuxDyn.pt"][i])):
            x = {"pt": value("pt", k) / MEV, "eta": value("eta", k), "phi": value("phi", k)}
            if container == "AnalysisMuons":
                quality = int(value("quality", k))
                cones = value("ptvarcone30_Nonprompt_All_MaxWeightTTVA_pt500", k) + 0.4 * value(
                    "neflowisol20", k
                )
                x |= {"id": quality % 4 < 2 and bool(quality & 8), "iso": cones / value("pt", k)}
                x |= {"mass": reference.MUON_MASS, "charge": int(value("charge", k))}
            else:
                x["mass"] = value("m", k) / MEV
            if container == "AnalysisElectrons":
                cone = value("ptvarcone30_Nonprompt_All_MaxWeightTTVALooseCone_pt1000", k)
                x["iso"] = max(cone, value("topoetcone20", k)) / value("pt", k)
                x |= {"id": value("DFCommonElectronsLHMedium", k) > 0, "charge": int(value("charge", k))}
            if container == "AnalysisTauJets":
                medium = int(value("isTauFlags", k)) // 2**30 % 2 == 1
                x["id"] = medium and value("EleRNNLoose_v1", k) > 0 and abs(value("charge", k)) == 1
            if container == "AnalysisJets":
                b, c, u = (
                    columns[f"BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_{q}"][i][k] for q in ("pb", "pc", "pu")
                )
                x["b"] = b > 0 and math.log(b / (0.018 * c + 0.982 * u)) > 2.456
                x["id"] = value("NNJvtPass", k) > 0
            out.append(x)
        return out

    info = "EventInfoAuxDyn."
    weights = columns.get(f"{info}mcEventWeights")
    mpx, mpy = (columns[f"MET_Core_AnalysisMETAuxDyn.mp{x}"] for x in "xy")
    return [
        {
            "weight": weights[i][0] if weights else 1.0,
            "key": tuple(columns[info + n][i] for n in ("runNumber", "lumiBlock", "eventNumber")),
            "muons": objects(i, "AnalysisMuons"),
            "electrons": objects(i, "AnalysisElectrons"),
            "taus": objects(i, "AnalysisTauJets"),
            "jets": objects(i, "AnalysisJets"),
            "met": (math.hypot(mpx[i][0], mpy[i][0]) / MEV, math.atan2(mpy[i][0], mpx[i][0])),
        }
        for i in range(len(columns[info + "eventNumber"]))
    ]


def processed(path, *, is_data: bool = False):
    metadata = {"process": "p"} | ({"is_data": True} if is_data else {"xsec_fb": XSEC})
    result = run(Slepton(features=True), {"d": {"files": {str(path): None}, "metadata": metadata}})
    result.require_complete()
    return result


def check(result, selected: reference.Selected, scale: float) -> None:
    for row in result.cutflow["processes"]["p"]:
        n, weight, square = reference.sums(selected.steps.get(row["step"], []))
        assert row["raw"] == n, row["step"]
        assert row["weighted"] == pytest.approx(weight * scale, rel=1e-12)
        assert row["variance"] == pytest.approx(square * scale**2, rel=1e-12)
    names = ["pt_l1", "met", "weight"]
    names = [name for name in names if name in selected.rows[0]]
    true = reference.as_columns(selected.rows, names)
    for name in names:
        factor = scale if name == "weight" else 1.0
        np.testing.assert_allclose(result.features["d"][name], true[name] * factor, rtol=1e-9, err_msg=name)


@pytest.fixture(scope="module")
def events() -> list[dict]:
    return eventfiles.make_events(900, seed=3)


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize("kind", ["tree", "rntuple"])
def test_the_numbers_of_a_loop(events, tmp_path, data, kind) -> None:
    write = physlitefiles.write_tree if kind == "tree" else physlitefiles.write_rntuple
    path = write(tmp_path / "a.root", physlitefiles.columns(events, data=data))
    selected = reference.select(read_physlite(str(path), "CollectionTree" if kind == "tree" else "EventData"))
    assert len(selected.rows) > 100
    assert sum(row["precuts"] for row in selected.rows) > 10
    result = processed(path, is_data=data)
    check(result, selected, 1.0 if data else XSEC / reference.sums(selected.steps["all events"])[1])


def test_a_file_without_events(events, tmp_path) -> None:
    columns = physlitefiles.columns(events[:40])
    full = physlitefiles.write_tree(tmp_path / "full.root", columns)
    empty = physlitefiles.write_tree(tmp_path / "empty.root", {name: a[:0] for name, a in columns.items()})
    files = {str(full): None, str(empty): None}
    result = run(Slepton(), {"d": {"files": files, "metadata": {"process": "p", "xsec_fb": XSEC}}})
    result.require_complete()
    assert result.cutflow["processes"]["p"][0]["raw"] == 40


def test_data_and_simulation_are_told_apart(events, tmp_path) -> None:
    for data in (False, True):
        path = physlitefiles.write_tree(tmp_path / f"{data}.root", physlitefiles.columns(events, data=data))
        result = run(Slepton(), {"d": {"files": {str(path): None}, "metadata": {"process": "p"}}})
        total = sum(1.0 if data else float(np.float32(e["weight"])) for e in events)
        assert result.cutflow["processes"]["p"][0]["weighted"] == pytest.approx(total)


def test_the_same_events_as_nanoaod(events, tmp_path) -> None:
    """One analysis, two experiments: the same events pass."""
    kept = [
        e for e in events if abs(e["met"][0] - 110) > 1e-3
    ]  # not at the threshold, which rounding decides
    atlas = processed(physlitefiles.write_tree(tmp_path / "atlas.root", physlitefiles.columns(kept)))
    cms = processed(eventfiles.write_nano(tmp_path / "cms.root", kept))
    assert [r["raw"] for r in atlas.cutflow["processes"]["p"]] == [
        r["raw"] for r in cms.cutflow["processes"]["p"]
    ]
    assert len(atlas.features["d"]) > 100
    for name in ("met", "m_ll"):
        np.testing.assert_allclose(atlas.features["d"][name], cms.features["d"][name], rtol=1e-4, atol=1e-3)


@pytest.mark.filterwarnings("ignore:Skipping")
def test_the_same_in_coffeas_runner(events, tmp_path) -> None:
    path = physlitefiles.write_tree(tmp_path / "a.root", physlitefiles.columns(events))
    metadata = {"process": "p", "xsec_fb": XSEC, "sum_weights": 1000.0, "is_data": False}
    fileset = {"d": {"files": {str(path): "CollectionTree"}, "metadata": metadata}}
    processor = Slepton(features=True)
    expected = run(processor, fileset, accept_loss=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = Runner(IterativeExecutor(status=False), schema=PHYSLITESchema, chunksize=1000)(
            copy.deepcopy(fileset), processor
        )
    assert out["cutflow"] == expected.cutflow
    assert bits(out["histograms"]) == bits(expected.histograms)


def test_variations_shift_jets_and_met(events, tmp_path) -> None:
    path = physlitefiles.write_tree(tmp_path / "a.root", physlitefiles.columns(events))
    metadata = {"process": "p", "xsec_fb": XSEC}
    result = run(Slepton(variations=["jes"]), {"d": {"files": {str(path): None}, "metadata": metadata}})
    met = result.histograms["met"][{"process": "p", "region": "topology"}]
    nominal, up = (met[{"variation": name}].values().sum() for name in ("nominal", "jes_up"))
    assert nominal > 0
    assert up != nominal


class ElectronPairs(Analysis):
    """Two electrons, their mass, hard jets, MET: what 100 events of a Z to ee sample can fill."""

    name = "electron_pairs"
    observables = (
        Feature("m_ee", "m", "GeV", 0, 200, 20, "Mass of the two electrons"),
        Feature("n_jets", "n", "", 0, 10, 10, "Jets above 30 GeV away from them"),
        Feature("ht", "H", "GeV", 0, 500, 20, "Sum of their pT"),
        Feature("met", "E", "GeV", 0, 200, 20, "MET"),
    )

    def select(self, event: Event, flow: Flow) -> None:
        """Two identified electrons above 20 GeV."""
        electrons = select_electrons(event.electrons, pt=20.0, isolation=0.2)
        event = event.with_(electrons=electrons)
        event = flow.keep(event, "two electrons", event.electrons.counts == 2)
        jets = select_jets(event.jets, pt=30.0).away_from(event.electrons, 0.4)
        first, second = event.electrons.at(0).awkward, event.electrons.at(1).awkward
        x = {"m_ee": (first + second).mass, "n_jets": jets.counts, "ht": jets.sum("pt"), "met": event.met.pt}
        flow.record(event, x)


def plain_columnar(path: str) -> dict[str, np.ndarray]:
    """The same with uproot, awkward and vector alone."""
    tree = uproot.open(path)["CollectionTree"]

    def read(container: str, *fields: str) -> ak.Array:
        # In double precision: the mass of a pair in single precision would be good to a few parts in a million.
        double = {f: ak.values_astype(tree[f"{container}AuxDyn.{f}"].array(), np.float64) for f in fields}
        return ak.zip(double, with_name="Momentum4D")

    cone = "ptvarcone30_Nonprompt_All_MaxWeightTTVALooseCone_pt1000"
    e = read("AnalysisElectrons", "pt", "eta", "phi", "m", "DFCommonElectronsLHMedium", cone, "topoetcone20")
    isolated = (e[cone] < 0.2 * e.pt) & (e.topoetcone20 < 0.2 * e.pt)
    e = e[(e.DFCommonElectronsLHMedium == 1) & (e.pt > 20_000) & (abs(e.eta) < 2.5) & isolated]
    two = ak.num(e) == 2
    j = read("AnalysisJets", "pt", "eta", "phi", "m", "NNJvtPass")
    j = j[(j.pt > 30_000) & (abs(j.eta) < 4.5) & (j.NNJvtPass == 1)][two]
    e = e[two]
    pairs = ak.cartesian({"j": j, "e": e}, nested=True)
    j = j[ak.all(pairs.j.deltaR(pairs.e) >= 0.4, axis=2)]
    return {
        "m_ee": ak.to_numpy((e[:, 0] + e[:, 1]).mass) / MEV,
        "n_jets": ak.to_numpy(ak.num(j)),
        "ht": ak.to_numpy(ak.sum(j.pt, axis=1)) / MEV,
        "weight": ak.to_numpy(tree["EventInfoAuxDyn.mcEventWeights"].array()[two, 0]).astype(np.float64),
    }


@pytest.fixture
def real_file(real_files):
    path = real_files / "PHYSLITE_example.root"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    return path


def test_a_real_file(real_file) -> None:
    metadata = {"process": "p", "xsec_fb": XSEC}
    fileset = {"d": {"files": {str(real_file): None}, "metadata": metadata}}
    result = run(ElectronPairs(features=True), fileset, chunksize=30)
    result.require_complete()
    true = plain_columnar(str(real_file))
    assert len(true["m_ee"]) > 20
    weights = uproot.open(real_file)["CollectionTree"]["EventInfoAuxDyn.mcEventWeights"].array()[:, 0]
    scale = XSEC / np.sum(ak.to_numpy(weights).astype(np.float64))
    table = result.features["d"]
    for name in ("m_ee", "n_jets", "ht"):
        np.testing.assert_allclose(table[name], true[name], rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(table["weight"], true["weight"] * scale, rtol=1e-12)
    # Of real Z bosons.
    assert 85 < np.median(table["m_ee"]) < 95
    first = result.cutflow["processes"]["p"][0]
    assert (first["raw"], first["weighted"]) == (100, pytest.approx(XSEC))


@pytest.mark.filterwarnings("ignore:Skipping")
def test_a_real_file_in_coffeas_runner(real_file) -> None:
    metadata = {"process": "p", "xsec_fb": XSEC, "is_data": False}
    fileset = {"d": {"files": {str(real_file): "CollectionTree"}, "metadata": metadata}}
    expected = run(ElectronPairs(features=True), fileset)
    out = Runner(IterativeExecutor(status=False), schema=PHYSLITESchema)(
        copy.deepcopy(fileset), ElectronPairs(features=True)
    )
    assert bits(out["histograms"]) == bits(expected.histograms)
    assert out["features"]["d"].equals(expected.features["d"])


class CountsMuons(ProcessorABC):
    """Somebody's coffea processor, which knows nothing of massgap."""

    def process(self, events):
        return {"muons": int(ak.sum(ak.num(events.Muons.pt))), "events": len(events)}

    def postprocess(self, accumulator):
        return accumulator


def test_a_processor_of_coffea_gets_its_physlite_schema(real_file) -> None:
    fileset = {"d": {"files": {str(real_file): None}, "metadata": {"process": "p"}}}
    out = run(CountsMuons(), fileset, chunksize=50).output
    assert out == {"muons": 5, "events": 100}


@pytest.mark.filterwarnings("ignore:Skipping")
def test_rntuples_in_coffeas_physlite_schema_are_refused(events, tmp_path) -> None:
    path = physlitefiles.write_rntuple(tmp_path / "a.root", physlitefiles.columns(events[:20]))
    opened = NanoEventsFactory.from_root({str(path): "EventData"}, schemaclass=PHYSLITESchema).events()
    with pytest.raises(UnknownFormatError, match=r"does not know the names.*BaseSchema, or with massgap run"):
        Slepton().process(opened)
    opened = NanoEventsFactory.from_root({str(path): "EventData"}, schemaclass=BaseSchema).events()
    assert Slepton().process(opened)["tally"] is not None


@pytest.mark.parametrize("analysis", ["slepton", "my_analysis"])
def test_a_real_file_from_the_command_to_the_report(real_file, tmp_path, analysis) -> None:
    example = Path(__file__).parent.parent.parent / "examples" / "my_analysis.py"
    name = "slepton" if analysis == "slepton" else f"{example}:MyAnalysis"
    out = tmp_path / "run"
    words = ["run", name, str(real_file), "--process", "x", "--xsec", "1", "--out", str(out)]
    done = CliRunner().invoke(main, [*words, "--executor", "iterative"])
    assert done.exit_code == 0, done.output
    assert "all events" in done.output
    done = CliRunner().invoke(main, ["report", str(out)])
    assert done.exit_code == 0, done.output
    assert (out / "report.html").is_file()
