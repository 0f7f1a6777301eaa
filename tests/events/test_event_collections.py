"""Which collections there are in each format, and what is said of those that are not."""

from __future__ import annotations

import awkward as ak
import eventfiles
import numpy as np
import pytest

from massgap.arrays import Collection, PerEvent
from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.columns import UnknownFieldError
from massgap.errors import MassgapError
from massgap.events.errors import MissingBranchError
from massgap.events.event import Event

ALL = (
    "muons", "electrons", "leptons", "photons", "taus", "jets", "fat_jets", "wide_jets",
    "gen_particles", "gen_jets", "met", "gen_met",
)  # fmt: skip


@pytest.fixture(scope="module")
def plain():
    return eventfiles.make_events(80, seed=9)


def four_vectors(n: int, pt: list[float]) -> dict[str, ak.Array]:
    k = len(pt)
    return {
        "pt": ak.Array([pt] * n),
        "eta": ak.Array([[0.1 * i for i in range(k)]] * n),
        "phi": ak.Array([[0.2 * i for i in range(k)]] * n),
        "mass": ak.Array([[1.0 * i for i in range(k)]] * n),
    }


def nano(plain, **more) -> Event:
    return Event(ak.zip({**eventfiles.columns(plain), **more}, depth_limit=1))


def delphes(plain, **more) -> Event:
    return Event(ak.zip({**eventfiles.delphes_columns(plain), **more}, depth_limit=1))


@pytest.mark.parametrize("make", [nano, delphes])
def test_names_are_those_of_every_format(plain, make) -> None:
    event = make(plain)
    assert set(event.collections) == set(ALL)
    assert event.with_(good_jets=event.jets).collections[-1] == "good_jets"
    assert {"muons", "photons"} <= set(dir(event))


def test_photons(plain) -> None:
    n = len(plain)
    fields = four_vectors(n, [10.0, 30.0])
    del fields["mass"]
    photons = ak.zip(
        fields | {"pfRelIso03_all": ak.Array([[0.1, np.inf]] * n), "cutBased": ak.Array([[0, 1]] * n)}
    )
    found = nano(plain, Photon=photons).photons
    assert found.pt.tolist() == [30.0, 10.0] * n
    assert found.identified.tolist() == [True, False] * n
    assert found.isolation.tolist() == [np.inf, 0.1] * n
    assert found.mass.tolist() == [0.0] * 2 * n
    old = ak.zip(
        {name: photons[name] for name in ("pt", "eta", "phi")} | {"mvaID_WP90": photons.cutBased == 1}
    )
    assert nano(plain, Photon=old).photons.identified.tolist() == [True, False] * n
    columns = {
        f"Photon.{key}": photons[field] for key, field in (("PT", "pt"), ("Eta", "eta"), ("Phi", "phi"))
    }
    found = delphes(plain, **columns).photons
    assert (found.pt.tolist(), found.identified.all()) == ([30.0, 10.0] * n, True)
    with pytest.raises(MissingBranchError, match="Photon_pt"):
        nano(plain).photons.pt  # noqa: B018


def test_jets_of_other_radii_by_attribute_and_by_name(plain) -> None:
    wide = ak.zip(four_vectors(len(plain), [200.0, 500.0]))
    event = nano(plain, WideJet=wide, FatJet=wide, GenJet=wide)
    for name in ("wide_jets", "fat_jets", "gen_jets"):
        for found in (event[name], getattr(event, name), event[np.ones(len(plain), dtype=bool)][name]):
            assert found.pt.tolist() == [500.0, 200.0] * len(plain)
            assert found.mass.tolist() == [1.0, 0.0] * len(plain)
    assert event["muons"] is event.muons


def test_leptons_have_their_flavour(plain) -> None:
    event = nano(plain)
    leptons = event.leptons
    expected = [
        sorted(
            [(-float(np.float32(x["pt"])), 11, x["charge"]) for x in e["electrons"]]
            + [(-float(np.float32(x["pt"])), 13, x["charge"]) for x in e["muons"]],
            key=lambda x: x[0],
        )
        for e in plain
    ]
    assert leptons.counts.tolist() == [len(x) for x in expected]
    assert leptons.pt.tolist() == [-pt for event in expected for pt, _, _ in event]
    assert leptons.flavour.tolist() == [flavour for event in expected for _, flavour, _ in event]
    assert leptons.charge.tolist() == [charge for event in expected for _, _, charge in event]
    assert {"isolation", "identified", "mass"} <= set(leptons.fields)
    assert 11 in leptons.flavour
    # They follow the muons that an analysis selects.
    chosen = event.with_(muons=event.muons.where(event.muons.pt > 30))
    assert chosen.leptons.count(chosen.leptons.flavour == 13).tolist() == chosen.muons.counts.tolist()
    assert chosen.leptons.count(chosen.leptons.flavour == 11).tolist() == event.electrons.counts.tolist()


@pytest.mark.parametrize("kind", ["nano", "delphes"])
def test_generated_particles_stay_in_the_order_of_the_file(plain, kind) -> None:
    n = len(plain)
    momenta = four_vectors(n, [5.0, 40.0, 20.0])
    ids, status, mother = (ak.Array([x] * n) for x in ([23, 13, -13], [22, 1, 1], [-1, 0, 0]))
    if kind == "nano":
        fields = {"pdgId": ids, "status": status, "genPartIdxMother": mother}
        event = nano(plain, GenPart=ak.zip(momenta | fields))
    else:
        fields = {"PID": ids, "Status": status, "M1": mother}
        names = {"PT": "pt", "Eta": "eta", "Phi": "phi", "Mass": "mass"}
        fields |= {key: momenta[field] for key, field in names.items()}
        event = delphes(plain, **{f"Particle.{key}": values for key, values in fields.items()})
    for found in (event.gen_particles, event[np.arange(n) % 3 == 1].gen_particles):
        assert found.pt.tolist() == [5.0, 40.0, 20.0] * len(found)
        assert found.pdg_id.tolist() == [23, 13, -13] * len(found)
        assert found.mother.tolist() == [-1, 0, 0] * len(found)
        assert found.status.tolist() == [22, 1, 1] * len(found)


def test_met_of_the_generator(plain) -> None:
    met = np.arange(len(plain), dtype=np.float32)
    event = nano(plain, GenMET_pt=met, GenMET_phi=met / 100)
    assert isinstance(event.gen_met, PerEvent)
    assert event.gen_met.pt.tolist() == met.tolist()


def test_unknown_names_are_told_what_there_is(plain) -> None:
    event = nano(plain)
    with pytest.raises(
        SelectionError, match=r"there is no collection 'photon'; there are muons, electrons, photons"
    ):
        event["photon"]
    with pytest.raises(AttributeError, match=r"the events have no 'photon'; there are muons, electrons"):
        event.photon  # noqa: B018
    added = event.with_(good_jets=event.jets)
    with pytest.raises(AttributeError, match=r"no 'good_jest'; there are .*, good_jets"):
        added.good_jest  # noqa: B018
    assert not hasattr(event, "_anything")
    with pytest.raises(MassgapError):
        event["photon"]


def test_an_error_inside_a_collection_is_not_taken_for_a_missing_one(plain) -> None:
    """Fields that are missing are AttributeErrors, too, which Python would hide behind __getattr__."""
    event = nano(plain)
    broken = event.with_(muons=Collection(event.muons.offsets, {"eta": event.muons.eta}, where="my muons"))
    with pytest.raises(UnknownFieldError, match=r"leptons: there is no field 'pt'; they have eta, flavour"):
        broken.leptons  # noqa: B018


@pytest.mark.parametrize(
    ("mask", "shape"), [([True], r"\(1,\)"), (np.ones((2, 2)), r"\(2, 2\)"), (True, r"\(\)")]
)
def test_masks_are_one_per_event(plain, mask, shape) -> None:
    with pytest.raises(SelectionError, match=f"the mask has the shape {shape}, but there are 80 events"):
        nano(plain)[mask]


def test_replacements_are_of_the_same_events_and_ordered(plain) -> None:
    event = nano(plain)
    part = event[np.arange(80) < 10]
    with pytest.raises(SelectionError, match="the jets are of 80 events, but there are 10: select them"):
        part.with_(jets=event.jets)
    rising = event.jets.awkward[:, ::-1]
    assert event.with_(jets=rising).jets.pt.tolist() == event.jets.pt.tolist()
    met = ak.zip({"pt": np.arange(80.0), "phi": np.zeros(80)})
    assert event.with_(met=met).met.pt.tolist() == list(range(80))
    with pytest.raises(
        SelectionError, match=r"met='truth': MET is that of the detector or of the objects.*--met objects"
    ):
        Event(event.columns, met="truth")
