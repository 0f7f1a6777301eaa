"""Collections of ATLAS PHYSLITE: units, working points, links, truth, and what is said where something is missing."""

from __future__ import annotations

import math

import awkward as ak
import eventfiles
import numpy as np
import physlitefiles
import pytest
import uproot

from massgap.arrays.errors import SelectionError
from massgap.events.errors import MissingBranchError, NonFiniteError, UnknownFormatError
from massgap.events.event import Event, TaggerOptions
from massgap.events.formats.names import event_format
from massgap.events.reading.files import inspect_file
from massgap.events.reading.open import Chunk, open_events
from massgap.physical_constants import MUON_MASS

MEV = 1000.0
KEYS = {"combined": 873304470, "inDet": 490246363}
"""Of the containers CombinedMuonTrackParticles and InDetTrackParticles."""


@pytest.fixture(scope="module")
def plain():
    return eventfiles.make_events(120, seed=7)


@pytest.fixture
def columns(plain):
    return physlitefiles.columns(plain)


def event_of(columns, **options) -> Event:
    return Event(ak.zip(columns, depth_limit=1), **options)


def lists(objects, field):
    return objects.to_awkward([field])[field].tolist()


def test_momenta_are_in_gev_and_in_double_precision(plain, columns) -> None:
    event = event_of(columns)
    for name, container in (
        ("muons", "AnalysisMuons"),
        ("jets", "AnalysisJets"),
        ("taus", "AnalysisTauJets"),
    ):
        true = [
            sorted((x / MEV for x in xs), reverse=True) for xs in columns[f"{container}AuxDyn.pt"].tolist()
        ]
        assert lists(event[name], "pt") == true
    jets = event.jets
    assert jets.mass.max() == max(x / MEV for xs in columns["AnalysisJetsAuxDyn.m"].tolist() for x in xs)
    assert set(event.muons.mass) == {MUON_MASS}
    # A jet at exactly 30 GeV is not above the threshold.
    assert 30.0 in jets.pt
    met = event.met
    true = [
        float(np.hypot(*np.float64(xy))) / MEV
        for xy in zip(
            ak.flatten(columns["MET_Core_AnalysisMETAuxDyn.mpx"]),
            ak.flatten(columns["MET_Core_AnalysisMETAuxDyn.mpy"]),
            strict=True,
        )
    ]
    np.testing.assert_allclose(met.pt, true, rtol=1e-14)


def test_working_points(plain, columns) -> None:
    event = event_of(columns)

    def ordered(name, key):
        return [[x[key] for x in sorted(e[name], key=lambda x: -np.float32(x["pt"] * MEV))] for e in plain]

    assert lists(event.muons, "identified") == ordered("muons", "good")
    assert lists(event.electrons, "identified") == ordered("electrons", "good")
    assert lists(event.taus, "identified") == ordered("taus", "good")
    assert lists(event.jets, "identified") == ordered("jets", "tight")
    assert lists(event.jets, "b_tagged") == ordered("jets", "b")
    assert lists(event.muons, "charge") == ordered("muons", "charge")
    for name in ("muons", "electrons"):
        flat = [x for xs in ordered(name, "iso") for x in xs]
        np.testing.assert_allclose(event[name].isolation, flat, rtol=1e-6, atol=1e-7)
    assert not event.jets.tau_tagged.any()


@pytest.mark.parametrize(
    ("quality", "tight", "medium", "loose"),
    [(8, 1, 1, 1), (9, 0, 1, 1), (10, 0, 0, 1), (11, 0, 0, 0), (0, 0, 0, 0), (24, 1, 1, 1), (1, 0, 0, 0)],
)
def test_the_bits_of_the_muons_quality(columns, quality, tight, medium, loose) -> None:
    """Two bits of quality, bit 4 unused, bit 8 the cuts on the inner track, bit 16 those of high pT."""
    name = "AnalysisMuonsAuxDyn.quality"
    columns[name] = ak.full_like(columns[name], quality)
    for wanted, passes in (("Tight", tight), (None, medium), ("Medium", medium), ("Loose", loose)):
        identified = event_of(columns, taggers=TaggerOptions(muon_id=wanted)).muons.identified
        assert set(identified.tolist()) == {bool(passes)}, wanted


def test_identifications_are_chosen(columns) -> None:
    for name, field, container in (
        ("electrons", "DFCommonElectronsLHTight", "AnalysisElectrons"),
        ("taus", "GNTauTight_v0", "AnalysisTauJets"),
        ("muons", "DFCommonMuonPassPreselection", "AnalysisMuons"),
    ):
        like = columns[f"{container}AuxDyn.pt"]
        flat = np.arange(len(ak.flatten(like))) % 2
        columns[f"{container}AuxDyn.{field}"] = ak.unflatten(flat.astype(np.int8), ak.num(like))
        option = {"electrons": "electron_id", "taus": "tau_id", "muons": "muon_id"}[name]
        event = event_of(columns, taggers=TaggerOptions(**{option: field}))
        assert event[name].identified.sum() == flat.sum()
    with pytest.raises(SelectionError, match=r"muon_id='tightId' is neither one of Tight.*DFCommonMuonPass"):
        event_of(columns, taggers=TaggerOptions(muon_id="tightId")).muons.identified  # noqa: B018


def test_taus_by_other_networks_and_their_charge(columns) -> None:
    prefix = "AnalysisTauJetsAuxDyn."
    n = len(ak.flatten(columns[prefix + "pt"]))
    assert event_of(columns).taus.identified.sum() > 3
    doubled = {**columns, prefix + "charge": columns[prefix + "charge"] * 2}
    assert not event_of(doubled).taus.identified.any()
    electrons = {**columns, prefix + "EleRNNLoose_v1": ak.zeros_like(columns[prefix + "EleRNNLoose_v1"])}
    assert not event_of(electrons).taus.identified.any()
    del columns[prefix + "isTauFlags"]
    columns[prefix + "JetDeepSetMedium"] = ak.ones_like(columns[prefix + "EleRNNLoose_v1"])
    assert event_of(columns).taus.identified.sum() == n


def test_jet_vertex_tagging_of_older_files(columns) -> None:
    jets = "AnalysisJetsAuxDyn."
    del columns[jets + "NNJvtPass"]
    assert event_of(columns).jets.identified.all()
    columns[jets + "Jvt"] = ak.full_like(columns[jets + "pt"], 0.4)
    event = event_of(columns)
    exempt = (event.jets.pt >= 60) | (abs(event.jets.eta) >= 2.4)
    assert event.jets.identified.tolist() == exempt.tolist()
    assert 0 < exempt.sum() < len(exempt)


# ---- b tags


def tagged(columns, **options) -> list[list[bool]]:
    event = event_of(columns, taggers=TaggerOptions(**options))
    return (
        event._read.collection("jets").to_awkward(["b_tagged"])["b_tagged"].tolist()
    )  # in the order of the file


def test_the_discriminant_and_its_threshold(columns) -> None:
    name = "BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_"
    rng = np.random.default_rng(1)
    like = columns[name + "pb"]
    n = len(ak.flatten(like))
    p = rng.dirichlet([0.4, 0.4, 0.4], n).astype(np.float32)
    for k, kind in enumerate(("pb", "pc", "pu")):
        columns[name + kind] = ak.unflatten(p[:, k], ak.num(like))
    b, c, u = np.float64(p).T
    score = np.log(b / (0.018 * c + 0.982 * u))
    assert np.concatenate(tagged(columns)).tolist() == (score > 2.456).tolist()
    assert np.concatenate(tagged(columns, b_threshold=0.9)).tolist() == (score > 0.9).tolist()
    jets = {f"AnalysisJetsAuxDyn.GN2v01_{k}": columns[name + k] for k in ("pb", "pc", "pu")}
    jets["AnalysisJetsAuxDyn.GN2v01_ptau"] = columns[name + "pc"]
    options = {"b_tagger": "GN2v01", "b_threshold": 1.0, "b_charm_fraction": 0.2, "b_tau_fraction": 0.05}
    score = np.log(b / (0.2 * c + 0.05 * c + 0.75 * u))
    assert np.concatenate(tagged({**columns, **jets}, **options)).tolist() == (score > 1.0).tolist()


def test_jets_without_an_answer_are_not_tagged(columns) -> None:
    name = "BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_"
    for value in (np.nan, 0.0):
        for kind in ("pb", "pc", "pu"):
            columns[name + kind] = ak.full_like(columns[name + kind], value)
        assert not np.concatenate(tagged(columns)).any()


def test_tags_follow_their_links(columns) -> None:
    true = tagged(columns)
    name = "BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_"
    link = "AnalysisJetsAuxDyn.btaggingLink"
    n = ak.num(columns[name + "pb"])
    places = ak.local_index(columns[name + "pb"])
    for kind in ("pb", "pc", "pu"):
        columns[name + kind] = columns[name + kind][:, ::-1]
    columns[f"{link}/{link}.m_persIndex"] = ak.values_astype(n[:, None] - 1 - places, np.uint32)
    columns[f"{link}/{link}.m_persKey"] = ak.full_like(places, 7, dtype=np.uint32)
    assert tagged(columns) == true
    assert any(any(x) for x in true)
    # A jet with no link has no answer; a link beyond the container is an error.
    columns[f"{link}/{link}.m_persKey"] = ak.zeros_like(places, dtype=np.uint32)
    assert not np.concatenate(tagged(columns)).any()
    columns[f"{link}/{link}.m_persKey"] = ak.ones_like(places, dtype=np.uint32)
    columns[f"{link}/{link}.m_persIndex"] = ak.values_astype(places + 1, np.uint32)
    with pytest.raises(
        SelectionError, match=r"btaggingLink lead to more objects than BTagging_AntiKt4EMPFlow"
    ):
        tagged(columns)


def test_taggers_that_are_missing_or_have_no_working_point(columns) -> None:
    with pytest.raises(
        MissingBranchError, match=r"lacks the branch .*GN2v01_pb.* What asks for no b tag still runs"
    ):
        tagged(columns, b_tagger="GN2v01")
    for kind in ("pb", "pc", "pu"):
        columns[f"BTagging_AntiKt4EMPFlowAuxDyn.GN2v01_{kind}"] = columns.pop(
            f"BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_{kind}"
        )
    with pytest.raises(
        SelectionError, match=r"GN2v01: give b_threshold and b_charm_fraction.*Known: DL1dv01"
    ):
        tagged(columns, b_tagger="GN2v01")
    with pytest.raises(MissingBranchError, match=r"DL1dv01_pb.*name another tagger with --taggers"):
        tagged(columns)


# ---- links, MET, event


def test_charges_from_tracks(plain, columns) -> None:
    """Files that store no charge: the sign of q/p of the combined track, else of the inner one."""
    true = lists(event_of(columns).muons, "charge")
    charges = columns.pop("AnalysisMuonsAuxDyn.charge").tolist()
    rng = np.random.default_rng(3)
    keys, places = {"combined": [], "inDet": []}, {"combined": [], "inDet": []}
    tracks = {"combined": [], "inDet": []}
    for mine in charges:
        kinds = ["combined" if rng.random() < 0.6 else "inDet" for _ in mine]
        here = {
            kind: [0.7 * x / 20_000 for x, k in zip(mine, kinds, strict=True) if k == kind] for kind in keys
        }
        order = {kind: rng.permutation(len(x)) for kind, x in here.items()}
        for kind in ("combined", "inDet"):
            tracks[kind].append([here[kind][k] for k in order[kind]])
            number = iter(np.argsort(order[kind]))
            keys[kind].append([KEYS[k] if k == kind else 0 for k in kinds])
            places[kind].append([int(next(number)) if k == kind else 0xFFFFFFFF for k in kinds])
    for kind, target in (("combined", "CombinedMuonTrackParticles"), ("inDet", "InDetTrackParticles")):
        link = f"AnalysisMuonsAuxDyn.{kind}TrackParticleLink"
        for part, values in (("m_persKey", keys), ("m_persIndex", places)):
            columns[f"{link}/{link}.{part}"] = ak.values_astype(
                ak.Array([*values[kind], [1]])[:-1], np.uint32
            )
        columns[f"{target}AuxDyn.qOverP"] = ak.values_astype(
            ak.Array([*tracks[kind], [0.5]])[:-1], np.float32
        )
    assert lists(event_of(columns).muons, "charge") == true
    link = "AnalysisMuonsAuxDyn.inDetTrackParticleLink"
    # Forward muons name another container, which is not in the file: its places mean nothing here.
    columns[f"{link}/{link}.m_persKey"] = ak.full_like(columns[f"{link}/{link}.m_persKey"], 339503174)
    with pytest.raises(SelectionError, match=r"AnalysisMuons have neither a charge nor a track"):
        event_of(columns).muons.charge  # noqa: B018
    for name in [n for n in columns if "TrackParticle" in n]:
        del columns[name]
    with pytest.raises(MissingBranchError, match=r"AnalysisMuonsAuxDyn.charge"):
        event_of(columns).muons.charge  # noqa: B018


def test_met_from_terms(plain, columns) -> None:
    met = "MET_Core_AnalysisMETAuxDyn."
    n = len(plain)
    x, y = np.array([[10.0, -40.0, 999.0]] * n) * MEV, np.array([[5.0, 0.0, 999.0]] * n) * MEV
    columns |= {met + "mpx": ak.from_regular(x), met + "mpy": ak.from_regular(y)}
    columns[met + "name"] = ak.Array([["PVSoftTrk", "RefJet", "SoftClus"]] * n)
    assert event_of(columns).met.pt.tolist() == [math.hypot(30.0, 5.0)] * n
    columns[met + "name"] = ak.Array([["PVSoftTrk", "Final", "RefJet"]] * n)
    assert event_of(columns).met.phi.tolist() == [math.atan2(0.0, -40.0)] * n
    columns[met + "name"] = ak.Array([["SoftClusCore", "SoftClusCore", "Other"]] * n)
    with pytest.raises(
        SelectionError, match=r"not one term PVSoftTrkCore.*it has Other, SoftClusCore.*--met objects"
    ):
        event_of(columns).met.pt  # noqa: B018
    del columns[met + "name"]
    with pytest.raises(MissingBranchError, match=r"MET_Core_AnalysisMETAuxDyn.name.*--met objects"):
        event_of(columns).met.pt  # noqa: B018


def test_met_of_objects_where_a_skim_has_lost_the_map(plain, columns) -> None:
    """The core from tracks minus electrons, taus, muons and jets that are none of them; no photons in these files."""
    met = "MET_Core_AnalysisMETAuxDyn."
    n = len(plain)
    columns |= {
        met + "mpx": ak.from_regular(np.array([[7.0, 3.0]] * n) * MEV),
        met + "mpy": ak.from_regular(np.array([[7.0, -4.0]] * n) * MEV),
        met + "source": ak.from_regular(np.array([[0x11020, 0x14020]] * n, np.uint64)),
    }
    for field, kind in (
        ("pt", "f4"),
        ("eta", "f4"),
        ("phi", "f4"),
        ("m", "f4"),
        ("DFCommonPhotonsIsEMTight", "i1"),
    ):
        columns[f"AnalysisPhotonsAuxDyn.{field}"] = ak.values_astype(
            ak.Array([[]] * (n - 1) + [[0]])[:, :0], kind
        )
    found = event_of(columns).met

    def near(a, b, radius):
        dphi = math.remainder(a["phi"] - b["phi"], 2 * math.pi)
        return math.hypot(a["eta"] - b["eta"], dphi) < radius

    def single(x):
        return {
            k: float(np.float32(v * MEV)) / MEV if k == "pt" else float(np.float32(v))
            for k, v in x.items()
            if k in ("pt", "eta", "phi")
        } | {k: x[k] for k in ("good", "tight") if k in x}

    for i, e in enumerate(plain):
        taken: list[dict] = []
        for name, least, widest in (("electrons", 10, 2.47), ("taus", 20, 2.5), ("muons", 10, 2.7)):
            mine = []
            for x in map(single, e[name]):
                gap = name != "muons" and 1.37 < abs(x["eta"]) < 1.52
                if x["good"] and x["pt"] > least and abs(x["eta"]) < widest and not gap:
                    mine.append(x)
            if name != "muons":
                mine = [x for x in mine if not any(near(x, other, 0.2) for other in taken)]
            taken += mine
        jets = [
            j
            for j in map(single, e["jets"])
            if j["tight"]
            and j["pt"] > (20 if abs(j["eta"]) < 2.5 else 30)
            and abs(j["eta"]) < 4.5
            and not any(near(j, x, 0.4) for x in taken)
        ]
        px = 3.0 - sum(x["pt"] * math.cos(x["phi"]) for x in (*taken, *jets))
        py = -4.0 - sum(x["pt"] * math.sin(x["phi"]) for x in (*taken, *jets))
        assert found.pt[i] == pytest.approx(math.hypot(px, py), rel=1e-6), i


def test_met_of_objects_alone(plain, columns) -> None:
    for name in [n for n in columns if n.startswith("MET_Core")]:
        del columns[name]
    with pytest.raises(
        MissingBranchError, match=r"MET_Core_AnalysisMETAuxDyn.mpx.*What asks for no met still runs"
    ):
        event_of(columns).met  # noqa: B018
    assert np.isfinite(event_of(columns, met="objects").met.pt).all()


def test_weights_and_identifiers(plain, columns) -> None:
    event = event_of(columns)
    assert event.is_data is False
    assert event.weights.tolist() == [float(np.float32(e["weight"])) for e in plain]
    assert event.identifiers.tolist() == [[e["run"], e["lumi"], e["number"]] for e in plain]
    assert event.weight_vector("PSWeight") is None
    weights = "EventInfoAuxDyn.mcEventWeights"
    columns[weights] = columns[weights][:, :0]
    with pytest.raises(SelectionError, match="mcEventWeights has no entry in some events"):
        event_of(columns).weights  # noqa: B018
    del columns[weights]
    assert event_of(columns).is_data is True
    with pytest.raises(MissingBranchError, match=r"mcEventWeights.*Declare the dataset as collision data"):
        event_of(columns, is_data=False).weights  # noqa: B018
    del columns["EventInfoAuxDyn.lumiBlock"]
    with pytest.raises(MissingBranchError, match=r"EventInfoAuxDyn.lumiBlock.*Keep runNumber"):
        event_of(columns).identifiers  # noqa: B018


def test_links_as_rntuples_hold_them(plain, columns) -> None:
    """Records, the parts of a link in the record of its base class."""
    true = tagged(columns)
    n = ak.num(columns["AnalysisJetsAuxDyn.pt"])
    places = ak.local_index(columns["AnalysisJetsAuxDyn.pt"])
    link = ak.zip({"m_persKey": ak.ones_like(places), "m_persIndex": n[:, None] - 1 - places})
    columns["AnalysisJetsAuxDyn:btaggingLink"] = ak.zip({":_0": link}, depth_limit=2)
    assert tagged(columns) != true
    for kind in ("pb", "pc", "pu"):
        name = f"BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_{kind}"
        columns[name] = columns[name][:, ::-1]
    assert tagged(columns) == true


# ---- what is missing


def test_a_missing_collection_and_a_missing_field_say_what_still_runs(columns) -> None:
    with pytest.raises(MissingBranchError) as found:
        event_of(columns).photons  # noqa: B018
    text = str(found.value)
    assert "lacks the branch AnalysisPhotonsAuxDyn.pt" in text
    assert "What asks for no photons still runs on this file." in text
    assert "--collections photons=NAME" in text
    assert "AnalysisElectrons" in text
    del columns["AnalysisElectronsAuxDyn.topoetcone20"]
    with pytest.raises(
        MissingBranchError, match=r"topoetcone20.*What asks for no isolation of AnalysisElectrons"
    ):
        event_of(columns).electrons.isolation  # noqa: B018
    assert event_of(columns).electrons.pt.size > 0


def test_a_container_that_is_never_filled_is_empty_and_not_missing(columns, tmp_path) -> None:
    """Athena writes no columns of a container without a single object in the file, but the container."""
    n = len(columns["EventInfoAuxDyn.runNumber"])
    for name in [name for name in columns if name.startswith("AnalysisTauJets")]:
        del columns[name]
    columns["AnalysisTauJetsAux."] = np.zeros(n, np.int8)
    path = physlitefiles.write_tree(tmp_path / "a.root", columns)
    event = opened(path)
    assert event.taus.counts.tolist() == [0] * n
    assert event.taus.identified.tolist() == []
    assert (event.taus.identified.dtype, event.taus.pt.dtype) == (bool, float)


def test_nan_is_named(columns) -> None:
    name = "AnalysisJetsAuxDyn.pt"
    columns[name] = ak.where(columns[name] > 100 * MEV, np.nan, columns[name])
    with pytest.raises(NonFiniteError, match=r"AnalysisJetsAuxDyn.pt has \d+ NaN"):
        event_of(columns).jets.pt  # noqa: B018


def test_other_formats_of_atlas_are_called_so() -> None:
    assert event_format(["AnalysisMuonsAuxDyn:pt", "EventInfoAuxDyn:runNumber"]) == "PHYSLITE"
    assert event_format(["AnalysisJetsAuxDyn_pt", "EventInfoAuxDyn_runNumber"]) == "PHYSLITE"
    assert event_format(["EventInfo", "Muons", "Jets"]) == "PHYSLITE"
    with pytest.raises(
        UnknownFormatError, match=r"ATLAS xAOD file without the calibrated collections.*DAOD_PHYSLITE"
    ):
        event_format(["MuonsAuxDyn.pt", "EventInfoAuxDyn.runNumber"])


# ---- truth and real files


def test_true_particles_from_components(columns) -> None:
    n = len(columns["EventInfoAuxDyn.runNumber"])
    kinds = {"TruthElectrons": (11, 2), "TruthNeutrinos": (12, 1)}
    for name, (pdg_id, count) in kinds.items():
        for key, value in (("px", 3e4), ("py", -4e4), ("pz", 5e4), ("m", 0.5), ("e", 7.1e4)):
            columns[f"{name}AuxDyn.{key}"] = ak.from_regular(np.full((n, count), value, np.float32))
        columns[f"{name}AuxDyn.pdgId"] = ak.from_regular(np.full((n, count), pdg_id, np.int32))
        columns[f"{name}AuxDyn.status"] = ak.from_regular(np.ones((n, count), np.int32))
    event = event_of(columns)
    electrons = event["gen_electrons"]
    assert electrons.counts.tolist() == [2] * n
    assert electrons.at(0).pt[0] == pytest.approx(50.0)
    assert electrons.at(0).eta[0] == pytest.approx(math.asinh(1.0))
    assert electrons.at(0).phi[0] == pytest.approx(math.atan2(-4, 3))
    assert electrons.at(0).mass[0] == pytest.approx(5e-4)
    everything = event["gen_particles"]
    assert lists(everything, "pdg_id") == [[11, 11, 12]] * n
    with pytest.raises(SelectionError, match="mother"):
        everything["mother"]


def opened(path, **options) -> Event:
    info = inspect_file(str(path))
    chunk = Chunk("d", str(path), 0, info.entries, info.tree, info.format, info.uuid)
    return Event(open_events(chunk, {}, columns=True), **options)


@pytest.fixture
def real(real_files):
    path = real_files / "PHYSLITE_example.root"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    return path


def test_a_real_file(real) -> None:
    event = opened(real)
    tree = uproot.open(real)["CollectionTree"]

    def flat(container, field):
        array = tree[f"{container}AuxDyn.{field}"].array()
        order = ak.argsort(tree[f"{container}AuxDyn.pt"].array(), axis=1, ascending=False, stable=True)
        return ak.to_numpy(ak.flatten(array[order]))

    for name, container, size in (
        ("muons", "AnalysisMuons", 5),
        ("electrons", "AnalysisElectrons", 134),
        ("photons", "AnalysisPhotons", 292),
        ("taus", "AnalysisTauJets", 143),
        ("jets", "AnalysisJets", 881),
        ("fat_jets", "AnalysisLargeRJets", 97),
    ):
        found = event[name]
        assert found.size == size
        np.testing.assert_array_equal(found.pt, flat(container, "pt").astype(np.float64) / MEV)
        np.testing.assert_array_equal(found.eta, flat(container, "eta").astype(np.float64))
    assert event.muons.charge.tolist() == flat("AnalysisMuons", "charge").tolist() == [1, -1, -1, 1, -1]
    # Qualities 9, 10, 10, 8, 9: medium, loose, loose, tight, medium.
    assert event.muons.identified.tolist() == [True, False, False, True, True]
    # Bit 30 is the medium point of the network: where the score that is flattened in efficiency passes 75 % (one prong).
    medium = [int(flags) // 2**30 % 2 == 1 for flags in flat("AnalysisTauJets", "isTauFlags")]
    assert flat("AnalysisTauJets", "RNNJetScoreSigTrans")[medium].min() == pytest.approx(0.25, abs=0.005)
    electron = flat("AnalysisTauJets", "EleRNNLoose_v1") == 1
    true = electron & medium & (abs(flat("AnalysisTauJets", "charge")) == 1)
    assert event.taus.identified.tolist() == true.tolist()
    assert 0 < true.sum() < 10  # most candidates are the electrons of the Z
    assert event.is_data is False
    weights = tree["EventInfoAuxDyn.mcEventWeights"].array()[:, 0]
    assert event.weights.tolist() == weights.tolist()
    assert event["gen_tops"].size == 0  # a container that is never filled


def test_charges_of_a_real_file_are_those_of_its_tracks(real, monkeypatch) -> None:
    event = opened(real)
    has = type(event.columns).has
    stored = event.muons.charge.tolist()
    monkeypatch.setattr(
        type(event.columns),
        "has",
        lambda self, c, f: (c, f) != ("AnalysisMuons", "charge") and has(self, c, f),
    )
    assert opened(real).muons.charge.tolist() == stored
