"""Canonical objects from NanoAOD of several versions and from Delphes."""

from __future__ import annotations

import math
from typing import Any

import awkward as ak
import eventfiles
import numpy as np
import pytest

from massgap.arrays.errors import SelectionError
from massgap.events.errors import ImpossibleValueError, MissingBranchError, NonFiniteError
from massgap.events.event import Event, TaggerOptions
from massgap.events.variations import scale_jets
from massgap.physical_constants import MUON_MASS
from massgap.selections.objects.definitions import select_jets, select_muons


@pytest.fixture(scope="module")
def plain():
    return eventfiles.make_events(120, seed=7)


def nano(plain, version="v12", **changes):
    arrays = {**eventfiles.columns(plain, version), **changes}
    return ak.zip({k: v for k, v in arrays.items() if v is not None}, depth_limit=1)


def ordered(objects, key):
    return [[x[key] for x in sorted(xs, key=lambda x: -np.float32(x["pt"]))] for xs in objects]


def lists(objects, field):
    """A field of a collection as one list per event."""
    return objects.to_awkward([field])[field].tolist()


@pytest.mark.parametrize("version", eventfiles.VERSIONS)
def test_nanoaod(plain, version) -> None:
    event = Event(nano(plain, version))
    assert event.is_data == (version == "data")
    assert event.weights.tolist() == [
        1.0 if version == "data" else float(np.float32(e["weight"])) for e in plain
    ]
    assert event.identifiers.tolist() == [[e["run"], e["lumi"], e["number"]] for e in plain]
    muons = [e["muons"] for e in plain]
    assert lists(event.muons, "charge") == ordered(muons, "charge")
    assert lists(event.muons, "identified") == ordered(muons, "good")
    assert lists(event.electrons, "identified") == ordered([e["electrons"] for e in plain], "good")
    assert lists(event.taus, "identified") == ordered([e["taus"] for e in plain], "good")
    jets = [e["jets"] for e in plain]
    assert lists(event.jets, "b_tagged") == ordered(jets, "b")
    if version != "v15":
        quality = [[{**j, "ok": j["tight"]} for j in js] for js in jets]
        if version in ("v9", "data"):
            quality = [
                [{**j, "ok": j["tight"] and (j["pt"] > 50 or not j["pileup"])} for j in js] for js in jets
            ]
        assert lists(event.jets, "identified") == ordered(quality, "ok")
    pt = event.jets.awkward.pt
    assert ak.all(pt[:, :-1] >= pt[:, 1:])
    assert event.met.pt.tolist() == [float(np.float32(e["met"][0])) for e in plain]


def test_equal_pt_keeps_the_order_of_the_file() -> None:
    (event,) = eventfiles.make_events(1, seed=1)
    lepton = {"eta": 0.0, "phi": 0.0, "mass": 0.1, "charge": 1, "iso": 0.0, "good": True}
    event["muons"] = [{**lepton, "pt": p, "phi": float(i)} for i, p in enumerate((20.0, 40.0, 20.0, 40.0))]
    assert lists(Event(nano([event])).muons, "phi") == [[1.0, 3.0, 0.0, 2.0]]


def test_delphes(plain) -> None:
    columns = eventfiles.delphes_columns(plain)
    event = Event(ak.zip(columns, depth_limit=1))
    assert event.is_data is False
    assert event.weights.tolist() == [float(np.float32(e["weight"])) for e in plain]
    assert event.identifiers[:, 2].tolist() == [e["number"] for e in plain]
    assert set(event.muons.mass) == {MUON_MASS}
    assert lists(event.taus, "pt") == ordered(
        [[{**t, "pt": float(np.float32(t["pt"]))} for t in e["taus"] if t["good"]] for e in plain], "pt"
    )
    assert event.muons.identified.all()
    del columns["Muon.IsolationVar"], columns["Event.Weight"]
    old = Event(ak.zip(columns, depth_limit=1))
    assert (old.muons.isolation == 0).all()
    assert old.weights.tolist() == [1.0] * len(plain)


def test_delphes_bits_and_single_entries(plain) -> None:
    columns = eventfiles.delphes_columns(plain)
    columns["Jet.BTag"] = columns["Jet.BTag"] * 2
    event = Event(ak.zip(columns, depth_limit=1))
    assert not event.jets.b_tagged.any()
    second = Event(ak.zip(columns, depth_limit=1), taggers=TaggerOptions(b_tag_bit=1))
    assert second.jets.b_tagged.any()
    columns["MissingET.MET"] = ak.Array([[1.0, 2.0]] * len(plain))
    with pytest.raises(SelectionError, match=r"MissingET.MET has not exactly one entry"):
        Event(ak.zip(columns, depth_limit=1)).met  # noqa: B018


def test_masks_and_replaced_collections(plain) -> None:
    event = Event(nano(plain))
    mask = np.arange(len(plain)) % 3 == 0
    part = event[mask]
    assert lists(part.muons, "pt") == lists(event.muons[mask], "pt")  # read before and after the cut
    assert (
        part[part.met.pt > 50].weights.tolist()
        == event.weights[mask & np.asarray(event.met.pt > 50)].tolist()
    )
    other = part.with_(muons=part.muons.leading(1))
    assert other.muons.counts.max() == 1
    assert lists(part.muons, "pt") == lists(event.muons[mask], "pt")
    again = other[np.ones(len(other), dtype=bool)]
    assert again.muons.counts.max() == 1
    assert lists(again.jets, "pt") == lists(event.jets[mask], "pt")
    half = other[np.arange(len(other)) % 2 == 0]
    assert half.muons.pt.tolist() == part.muons.leading(1)[::2].pt.tolist()


def test_a_collection_that_is_made_later_is_made_of_the_events_that_are_left(plain) -> None:
    event = Event(nano(plain))
    asked: list[int] = []

    def doubled(some: Event) -> Any:
        asked.append(len(some))
        return some.jets.with_fields(pt=some.jets.pt * 2)

    later = event.with_later(jets=doubled)
    mask, again = np.arange(len(plain)) % 3 == 0, np.arange(len(plain))[::3] % 2 == 0
    part = later[mask].with_(muons=event.muons[mask].leading(1))[again]
    assert not asked
    assert part.jets.pt.tolist() == (event.jets[mask][again].pt * 2).tolist()
    assert part.jets.pt.tolist() == part[np.ones(len(part), bool)].jets.pt.tolist()
    assert asked == [len(part)]  # once, and of no more events than these
    # Of the events as they were then: what is replaced afterwards does not matter.
    assert later.with_(muons=event.muons.leading(1)).jets.pt.tolist() == (event.jets.pt * 2).tolist()
    assert later.with_(jets=event.jets).jets.pt.tolist() == event.jets.pt.tolist()
    wrong = event.with_later(jets=lambda some: some.jets[:-1])
    with pytest.raises(
        SelectionError, match=rf"the jets are of {len(plain) - 1} events, but there are {len(plain)}"
    ):
        wrong.jets  # noqa: B018


def test_several_passes_share_what_object_definitions_select(plain) -> None:
    single, event = Event(nano(plain)), Event(nano(plain)).for_several_passes()
    mask = np.arange(len(plain)) % 3 == 0
    for events, true in ((event, single), (event[mask], single[mask])):
        for _ in range(2):
            for pt in (10.0, 25.0):
                assert lists(select_muons(events.muons, pt=pt), "pt") == lists(
                    select_muons(true.muons, pt=pt), "pt"
                )
                assert lists(select_jets(events.jets, pt=pt), "eta") == lists(
                    select_jets(true.jets, pt=pt), "eta"
                )
    assert len(event.muons.in_any_order()._known) == 2
    assert len(event.jets.in_any_order()._known) == 2
    # Others of the same name are not those that are known.
    shifted = scale_jets(event, 1.5)
    assert lists(select_jets(shifted.jets, pt=25.0), "pt") == lists(
        select_jets(scale_jets(single, 1.5).jets, pt=25.0), "pt"
    )
    assert single.muons.in_any_order()._known is None


def test_simulation_without_weights_is_not_taken_for_data(plain) -> None:
    arrays = nano(plain, genWeight=None, GenPart_pt=ak.Array([[1.0]] * len(plain)))
    event = Event(arrays)
    assert event.is_data is False
    with pytest.raises(MissingBranchError, match=r'genWeight.*"is_data": true'):
        event.weights  # noqa: B018
    assert Event(arrays, is_data=True).weights.tolist() == [1.0] * len(plain)


def test_taggers(plain) -> None:
    tight = Event(nano(plain), taggers=TaggerOptions(b_threshold=0.95))
    assert not tight.jets.b_tagged.any()
    assert ak.any(Event(nano(plain, "v15"), taggers=TaggerOptions(b_tagger="btagUParTAK4B")).jets.b_tagged)
    with pytest.raises(SelectionError, match="No working point is known for the b tagger Jet_btagMine"):
        Event(nano(plain), taggers=TaggerOptions(b_tagger="btagMine")).jets.b_tagged  # noqa: B018
    with pytest.raises(MissingBranchError, match="Jet_btagMine"):
        Event(nano(plain), taggers=TaggerOptions(b_tagger="btagMine", b_threshold=0.1)).jets.b_tagged  # noqa: B018
    with pytest.raises(MissingBranchError, match="PuppiMET_pt"):
        Event(nano(plain), taggers=TaggerOptions(met="PuppiMET")).met  # noqa: B018
    with pytest.raises(MissingBranchError, match="Muon_softId"):
        Event(nano(plain), taggers=TaggerOptions(muon_id="softId")).muons.identified  # noqa: B018


def changed(plain, branch, value):
    array = eventfiles.columns(plain)["Muon"]
    parts = {f: array[f] for f in ak.fields(array)}
    flat = ak.to_numpy(ak.flatten(parts[branch])).copy()
    flat[5] = value
    parts[branch] = ak.unflatten(flat, ak.num(array))
    return Event(nano(plain, Muon=ak.zip(parts)))


@pytest.mark.parametrize(
    ("branch", "value", "error"),
    [
        ("pt", math.nan, NonFiniteError),
        ("pt", math.inf, NonFiniteError),
        ("pt", -1.0, ImpossibleValueError),
        ("pt", 1e7, ImpossibleValueError),
        ("eta", 400.0, ImpossibleValueError),
        ("phi", 7.0, ImpossibleValueError),
        ("mass", -1e20, ImpossibleValueError),
        ("charge", 2, ImpossibleValueError),
        ("pfRelIso04_all", math.nan, NonFiniteError),
    ],
)
def test_values_that_cannot_be(plain, branch, value, error) -> None:
    with pytest.raises(error, match=f"Muon_{branch}"):
        changed(plain, branch, value).muons["isolation" if "Iso" in branch else branch]


def test_infinite_isolation_is_legal(plain) -> None:
    assert np.isinf(changed(plain, "pfRelIso04_all", math.inf).muons.isolation).any()


@pytest.mark.parametrize(
    ("name", "branch", "passes"),
    [
        # NanoAOD up to version 9 stores bit masks and says so in the title of the branch.
        ("nano_dy", "Tau_idDeepTau2017v2p1VSjet", lambda raw: (raw & 16) > 0),
        ("nanoAOD_2015_CMS_Open_Data_ttbar", "Tau_idMVAoldDM", lambda raw: (raw & 4) > 0),
        # Later versions store the number of the working point; this file lost its titles.
        ("nano_tt_v15", "Tau_idDeepTau2018v2p5VSjet", lambda raw: raw >= 5),
    ],
)
def test_medium_taus_of_real_files(real_files, name, branch, passes) -> None:
    import uproot
    from coffea.nanoevents import BaseSchema, NanoEventsFactory

    path = real_files / f"{name}.root"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    with uproot.open(path) as file:
        raw = file["Events"][branch].array()
        pt = file["Events"]["Tau_pt"].array()
    events = NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=BaseSchema).events()
    order = ak.argsort(pt, ascending=False, stable=True)
    assert lists(Event(events).taus, "identified") == passes(raw)[order].tolist()
    assert ak.any(passes(raw))
    assert not ak.all(passes(raw))
