"""MET from the association map of ATLAS, against the same rules as a loop over sets."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import physlitefiles
import pytest
import uproot

from massgap.events.event import Event
from massgap.events.reading.files import inspect_file
from massgap.events.reading.open import Chunk, close_files, open_events

KINDS = ("electrons", "photons", "taus", "muons")
LEAST = {"electrons": 10.0, "photons": 25.0, "taus": 20.0, "muons": 10.0}
WIDEST = {"electrons": 2.47, "photons": 2.37, "taus": 2.5, "muons": 2.7}


def opened(path) -> Event:
    info = inspect_file(str(path))
    return Event(
        open_events(
            Chunk("d", str(path), 0, info.entries, info.tree, info.format, info.uuid), {}, columns=True
        )
    )


def counts(kind: str, x: dict[str, Any]) -> bool:
    eta = abs(x["eta"])
    if kind != "muons" and 1.37 < eta < 1.52:
        return False
    return x["good"] and x["pt"] > LEAST[kind] and eta < WIDEST[kind]


def momentum(x: dict[str, Any]) -> np.ndarray:
    return np.array([x["pt"] * math.cos(x["phi"]), x["pt"] * math.sin(x["phi"])])


def is_a_muon(event: dict[str, Any], jet: dict[str, Any], muons: list[tuple[str, int]]) -> bool:
    """A jet of few tracks whose momentum is nearly the muon's own."""
    for _, k in muons:
        inner, tracks = event["muons"][k]["inner"], jet["track_pt"]
        if 0.9999 * inner > tracks:
            tracks += inner
        if jet["pt"] / inner < 2 and inner / tracks > 0.8 and jet["tracks"] < 5:
            return True
    return False


def loop(event: dict[str, Any]) -> np.ndarray:
    """px and py of MET: objects one after the other, each constituent once; then jets; then tracks."""
    total = np.zeros(2)
    used: set[tuple[str, int]] = set()
    associations = event["map"]
    for kind in KINDS:
        for k, x in enumerate(event[kind]):
            if not counts(kind, x):
                continue
            mine = [a for a in associations if (kind, k) in a["objects"]]
            if kind == "electrons" and associations and not mine:
                continue
            shares = False
            for a in mine:
                place = a["objects"].index((kind, k))
                for users in a["calorimeter"]:
                    others = [a["objects"][u] for u in users if u != place]
                    shares |= place in users and any(other in used for other in others)
            if not shares and mine:
                used.add((kind, k))
            if not shares or kind == "muons":
                total += momentum(x)
    for number, jet in enumerate(event["jets"]):
        hard = jet["pt"] > (20 if abs(jet["eta"]) < 2.5 else 30) and abs(jet["eta"]) < 4.5 and jet["good"]
        if not associations:
            total += momentum(jet) * hard
            continue
        a = associations[number]
        taken = {k for k, one in enumerate(a["objects"]) if one in used}
        muons = {k for k in taken if a["objects"][k][0] == "muons"}
        shared = sum((np.array(v) for users, v in a["calorimeter"].items() if users & taken), np.zeros(3))
        of_muons = sum((np.array(v) for users, v in a["calorimeter"].items() if users & muons), np.zeros(3))
        if hard and is_a_muon(event, jet, [a["objects"][k] for k in muons]):
            hard = False
        if hard and shared[2] <= 0:
            total += momentum(jet)
            continue
        raw = jet["raw"]
        energy = math.hypot(raw["pt"] * math.cosh(raw["eta"]), raw["m"])
        part = 1 - (shared[2] - of_muons[2]) / energy
        left = momentum(raw) - shared[:2] + of_muons[:2]
        if hard and part > 0 and math.hypot(*left) > 20:
            total += part * momentum(jet)
        elif abs(jet["eta"]) < 2.5 and a["jet_tracks"][2] > 0:
            total += np.array(a["jet_tracks"][:2])
            total -= sum((np.array(v) for users, v in a["tracks"].items() if users & taken), np.zeros(2))
    if associations:
        rest = associations[-1]
        taken = {k for k, one in enumerate(rest["objects"]) if one in used}
        total += sum((np.array(v) for users, v in rest["tracks"].items() if not users & taken), np.zeros(2))
    return np.array(event["soft"]) - total


def in_single_precision(value: Any) -> Any:
    """As the file stores it: the loop must see the same numbers."""
    if isinstance(value, float):
        return float(np.float32(value))
    if isinstance(value, dict):
        return {key: in_single_precision(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(in_single_precision(x) for x in value)
    return value


@pytest.fixture(scope="module")
def made() -> list[dict[str, Any]]:
    rng = random.Random(5)
    return [in_single_precision(physlitefiles.association_event(rng)) for _ in range(3000)]


def test_the_numbers_of_a_loop(made, tmp_path) -> None:
    path = physlitefiles.write_rntuple(tmp_path / "a.root", physlitefiles.association_columns(made))
    met = opened(path).met
    true = np.array([loop(event) for event in made])
    np.testing.assert_allclose(met.pt * np.cos(met.phi), true[:, 0], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(met.pt * np.sin(met.phi), true[:, 1], rtol=1e-5, atol=1e-4)
    # The rules have been at work: without sharing, MET would be another one in many events.
    plain = [
        np.array(e["soft"]) - sum((momentum(x) for k in KINDS for x in e[k] if counts(k, x)), np.zeros(2))
        for e in made
    ]
    assert (np.hypot(*(true - np.array(plain)).T) > 1).mean() > 0.5
    close_files()


def test_a_real_file_is_balanced(real_files) -> None:
    """Z to ee has no true MET: what is left is the resolution, and the map makes it smaller."""
    path = real_files / "PHYSLITE_example.root"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    event = opened(path)
    assert event.gen_met.pt.max() < 20
    electrons = event.electrons
    good = electrons.where(electrons.identified & (electrons.pt > 20) & (abs(electrons.eta) < 2.47))
    two = good.counts == 2
    assert two.sum() > 20
    z = np.array([good.sum(good.pt * np.cos(good.phi)), good.sum(good.pt * np.sin(good.phi))])[:, two]
    met = np.array([event.met.pt * np.cos(event.met.phi), event.met.pt * np.sin(event.met.phi)])[:, two]
    along = (met * z).sum(axis=0) / np.hypot(*z)
    # Within twice the uncertainty of the mean, and a resolution as ATLAS publishes it (arXiv:1802.08168, 10 to 20 GeV).
    assert abs(along.mean()) < 2 * along.std() / math.sqrt(len(along))
    assert np.sqrt((met**2).mean()) < 25
    soft = uproot.open(path)["CollectionTree"]["MET_Core_AnalysisMETAuxDyn.mpx"].array()[:, 1]
    assert not np.allclose(met[0], np.asarray(soft)[two] / 1000)


def test_a_map_of_other_jets_is_refused(made, tmp_path) -> None:
    columns = physlitefiles.association_columns(made[:200])
    first = columns["AnalysisJetsAuxDyn.pt"]
    for name in [n for n in columns if n.startswith("AnalysisJetsAuxDyn")]:
        columns[name] = columns[name][first > 20_000.0]
    event = opened(physlitefiles.write_rntuple(tmp_path / "a.root", columns))
    with pytest.raises(ValueError, match=r"jets were removed.*--met objects"):
        event.met.pt  # noqa: B018
    close_files()


def test_links_with_unknown_containers_are_refused(made, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(physlitefiles.KEYS, "muons", 4711)
    columns = physlitefiles.association_columns(made[:200])
    event = opened(physlitefiles.write_rntuple(tmp_path / "a.root", columns))
    with pytest.raises(ValueError, match=r"keys 4711.*--met objects"):
        event.met.pt  # noqa: B018
    close_files()
