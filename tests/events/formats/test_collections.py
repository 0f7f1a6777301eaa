"""Which collection of a file is read: Delphes and NanoAOD files with several of a kind, and with some missing."""

from __future__ import annotations

import awkward as ak
import eventfiles
import numpy as np
import pytest

from massgap.events.errors import MissingBranchError
from massgap.events.event import Event, TaggerOptions
from massgap.events.formats.names import collection_names, event_format
from massgap.events.reading.files import inspect_file
from massgap.events.reading.open import Chunk, open_events
from massgap.processors import Slepton
from massgap.processors.base.options import collection_choice
from massgap.processors.errors import ProcessorError
from massgap.runner import run


@pytest.fixture(scope="module")
def plain():
    return eventfiles.make_events(300, seed=11)


def scaled(plain, factor: float):
    """The same events with harder jets and more MET."""
    return [
        {
            **e,
            "jets": [{**j, "pt": j["pt"] * factor} for j in e["jets"]],
            "met": (e["met"][0] * factor, e["met"][1]),
        }
        for e in plain
    ]


@pytest.fixture
def delphes(plain):
    """Columns of a card with PUPPI: jets and MET twice, generator MET and jets, two lists of large jets."""
    columns = eventfiles.delphes_columns(plain)
    harder = eventfiles.delphes_columns(scaled(plain, 1.25))
    columns |= {n.replace("Jet.", "JetPUPPI."): a for n, a in harder.items() if n.startswith("Jet.")}
    columns |= {n.replace("MissingET", "PuppiMissingET"): a for n, a in harder.items() if "MissingET" in n}
    columns |= {
        n.replace("MissingET", "GenMissingET"): a for n, a in columns.items() if n.startswith("MissingET")
    }
    for name in ("GenJet", "FatJet", "VLCjetR05N2"):
        columns |= {f"{name}.{f}": harder[f"Jet.{f}"] for f in ("PT", "Eta", "Phi", "Mass")}
    return columns


def event_of(columns, **options) -> Event:
    return Event(ak.zip(columns, depth_limit=1), **options)


def flat(array) -> list[float]:
    """Of the objects of each event by falling pT."""
    return ak.flatten(ak.sort(array, axis=1, ascending=False)).tolist()


def test_delphes_collections_are_chosen(delphes) -> None:
    plain = event_of(delphes)
    assert plain.jets.pt.tolist() == flat(delphes["Jet.PT"])
    choice = {"jets": "JetPUPPI", "met": "PuppiMissingET", "wide_jets": "VLCjetR05N2"}
    event = event_of(delphes, collections=choice)
    assert event.jets.pt.tolist() == flat(delphes["JetPUPPI.PT"])
    assert event.jets.pt.sum() > 1.2 * plain.jets.pt.sum()
    assert event.met.pt.tolist() == ak.flatten(delphes["PuppiMissingET.MET"]).tolist()
    assert event["wide_jets"].pt.tolist() == flat(delphes["VLCjetR05N2.PT"])
    # Taus are the tagged ones of the same jets, unless others are chosen for them.
    tagged = delphes["JetPUPPI.PT"][delphes["JetPUPPI.TauTag"] > 0]
    assert event.taus.pt.tolist() == flat(tagged)
    own = event_of(delphes, collections={**choice, "taus": "Jet"})
    assert own.taus.pt.tolist() == flat(delphes["Jet.PT"][delphes["Jet.TauTag"] > 0])
    true = event_of(delphes, collections={"met": "GenMissingET"})
    assert true.met.pt.tolist() == plain["gen_met"].pt.tolist()


def test_nanoaod_collections_are_chosen(plain) -> None:
    arrays = eventfiles.columns(plain)
    other = eventfiles.columns(scaled(plain, 1.25))
    arrays |= {"JetPuppi": other["Jet"], "PuppiMET_pt": other["MET_pt"], "PuppiMET_phi": other["MET_phi"]}
    event = event_of(arrays, collections={"jets": "JetPuppi", "met": "PuppiMET"})
    assert event.jets.pt.tolist() == flat(other["Jet"].pt)
    assert event.jets.b_tagged.any()
    assert event.met.pt.tolist() == other["MET_pt"].tolist()
    assert event_of(arrays, taggers=TaggerOptions(met="PuppiMET")).met.pt.tolist() == other["MET_pt"].tolist()
    with pytest.raises(MissingBranchError, match=r"with pt the file has: MET, PuppiMET\."):
        event_of(arrays, collections={"met": "RawMET"}).met  # noqa: B018
    with pytest.raises(
        MissingBranchError, match=r"lacks the branch JetAK8_pt.*--collections jets=NAME.*Jet, JetPuppi"
    ):
        event_of(arrays, collections={"jets": "JetAK8"}).jets  # noqa: B018


def test_a_name_that_is_missing_lists_what_there_is(delphes) -> None:
    with pytest.raises(MissingBranchError) as found:
        event_of(delphes, collections={"jets": "JetCHS"}).jets  # noqa: B018
    text = str(found.value)
    assert "lacks the branch JetCHS.PT" in text
    assert "What asks for no jets still runs on this file." in text
    for name in ("FatJet", "GenJet", "Jet", "JetPUPPI", "VLCjetR05N2"):
        assert name in text.partition("the file has: ")[2]
    with pytest.raises(
        MissingBranchError, match=r"with MET the file has: GenMissingET, MissingET, PuppiMissingET"
    ):
        event_of(delphes, collections={"met": "MET"}).met  # noqa: B018


def test_only_what_needs_a_missing_collection_is_refused(delphes) -> None:
    event = event_of(delphes)
    with pytest.raises(
        MissingBranchError, match=r"lacks the branch Photon.PT.*What asks for no photons still runs"
    ):
        event.photons  # noqa: B018
    del delphes["Jet.BTag"]
    jets = event_of(delphes).jets
    assert jets.pt.size > 0
    with pytest.raises(
        MissingBranchError, match=r"lacks the branch Jet.BTag.*What asks for no b tagged of Jet still"
    ):
        jets.b_tagged  # noqa: B018


def test_delphes_without_any_met_is_delphes(delphes, tmp_path) -> None:
    columns = {name: a for name, a in delphes.items() if "MissingET" not in name}
    path = eventfiles.write_columns(tmp_path / "a.root", columns, tree="Delphes")
    assert inspect_file(str(path)).format == "Delphes"
    with pytest.raises(
        MissingBranchError, match=r"MissingET.MET.*no collection with MET that could be chosen.*--met objects"
    ):
        event_of(columns).met  # noqa: B018
    assert np.isfinite(event_of(columns, met="objects").met.pt).all()
    assert event_format(["Event", "Event_size", "Jet", "Jet_size"]) == "Delphes"
    assert event_format(["event", "run", "Jet"]) == "NanoAOD"


def test_the_choice_goes_through_a_run_and_changes_its_identity(plain, delphes, tmp_path) -> None:
    path = eventfiles.write_columns(tmp_path / "a.root", delphes, tree="Delphes")
    harder = eventfiles.delphes_columns(scaled(plain, 1.25))
    alone = eventfiles.write_columns(tmp_path / "b.root", harder, tree="Delphes")

    def counted(file, **options):
        fileset = {"d": {"files": {str(file): None}, "metadata": {"process": "p"}}}
        result = run(Slepton(**options), fileset, checkpoints=tmp_path / "checkpoints")
        result.require_complete()
        return [row["raw"] for row in result.cutflow["processes"]["p"]]

    choice = "jets=JetPUPPI,met=PuppiMissingET"
    usual, chosen = counted(path), counted(path, collections=choice)
    assert usual != chosen  # from the same checkpoints
    assert chosen == counted(alone)
    assert Slepton(collections=choice).options()["collections"] == {
        "jets": "JetPUPPI",
        "met": "PuppiMissingET",
    }


def test_words_that_choose_nothing_are_refused() -> None:
    for given, message in (
        ("JetPUPPI", r"'JetPUPPI' is not NAME=COLLECTION"),
        ("jet=JetPUPPI", r"there is no collection 'jet' to choose for; there are muons, electrons"),
        (["jets=A", "jets=B"], r"jets is to be read from A and from B"),
        ("jets=", r"is not NAME=COLLECTION"),
    ):
        with pytest.raises(ProcessorError, match=message):
            Slepton(collections=given)
    assert (
        collection_choice({"jets": "A"})
        == collection_choice("jets=A")
        == collection_choice(["jets=A", "jets=A"])
    )


def test_names_of_collections() -> None:
    names = ["Jet", "Jet_size", "Event", "Event_size"]
    assert {"Jet", "Event"} <= set(collection_names("Delphes", names))
    assert "AnalysisJets" in collection_names("PHYSLITE", ["AnalysisJetsAuxDyn.pt", "AnalysisJetsAux."])


def test_a_real_delphes_file(real_files) -> None:
    path = real_files / "delphes_seungjin.root"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    info = inspect_file(str(path))
    chunk = Chunk("d", str(path), 0, info.entries, info.tree, info.format, info.uuid)
    columns = open_events(chunk, {}, columns=True)
    true = Event(columns, collections={"jets": "GenJet", "met": "GenMissingET"})
    assert true.jets.pt.tolist() == Event(columns)["gen_jets"].pt.tolist()
    with pytest.raises(MissingBranchError, match=r"JetPUPPI.PT.*the file has: .*GenJet, Jet"):
        Event(columns, collections={"jets": "JetPUPPI"}).jets  # noqa: B018
