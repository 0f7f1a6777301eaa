"""The electroweakino processor from file to histograms against the plain coffea way, and a compiled loop over arrays."""

from __future__ import annotations

import contextlib
import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numba
import numpy as np
from coffea import processor

from benchmarks.events import columns, write_events
from benchmarks.limit import Result
from benchmarks.measure import Effort, Row, cost, ratio
from benchmarks.plain_coffea import double, vectors_of
from benchmarks.slepton import inverse
from massgap.selections.electroweakino.features import FEATURES_OF_CHANNEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "Electroweakino processor, file to histograms"
CHANNELS = {"1l": 1, "2l": 2, "3l": 3}
COMMON = (
    "one to three leptons",
    "two jets",
    "two jets of vector boson fusion",
    "no b jet",
    "no hadronic tau",
)
READ = (
    "nMuon", "Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_pfRelIso04_all", "Muon_mediumId",
    "nElectron", "Electron_pt", "Electron_eta", "Electron_phi", "Electron_pfRelIso03_all", "Electron_cutBased",
    "nJet", "Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "Jet_btagDeepFlavB", "Jet_jetId", "Jet_puId",
    "nTau", "Tau_pt", "Tau_eta", "Tau_phi", "Tau_idDeepTau2018v2p5VSjet", "MET_pt", "genWeight",
)  # fmt: skip


def rows(effort: Effort) -> Iterator[Row | str]:
    """Yield the lines."""
    n, rounds = effort.of(300_000, 60_000, 20_000), effort.rounds()
    path = write_events(
        Path(os.environ.get("MASSGAP_BENCH", "bench")) / f"vbf_{n}.root", n, content=vbf_columns
    )
    ours, loop, plain = package(path), compiled(path), coffea_way(path)
    mine = ours()
    agree(mine, loop(), "the compiled loop")
    agree(mine, plain(), "the plain coffea way")
    detail = f"{n:,} events in {path.stat().st_size / 1e6:.0f} MB; identical counts {mine.counts}"
    few = max(rounds // 2, min(rounds, 3))
    yield Row(
        GROUP,
        "against the plain coffea way, chunks of 100k",
        ratio(ours, plain, rounds=few, least=0.3),
        goal=4.0,
        detail=f"NanoEvents, vector behaviours, hist.Hist; {detail}, contents to rounding of single precision",
    )
    yield Row(
        GROUP,
        "E = limit / massgap",
        inverse(ratio(loop, ours, rounds=rounds, least=0.3)),
        detail="limit: uproot reads the same columns, then one compiled loop over flat arrays; no sums beyond doubles",
    )
    yield Row(
        GROUP, "massgap", cost(ours, rounds=rounds, least=0.3, scale=1e9 / n), "ns per event", at_least=False
    )


def vbf_columns(n: int, seed: int) -> dict[str, Any]:
    """Columns of :func:`benchmarks.events.columns` with other multiplicities: soft leptons, and jets up to abs(eta) = 5."""
    rng = np.random.default_rng([seed, n, 1])
    out = columns(n, seed)

    def drawn(name: str, counts: np.ndarray, pt: float, eta: float) -> None:
        _, fields = out[name]
        size = int(counts.sum())
        new = {key: np.resize(values, size) for key, values in fields.items()}
        new["pt"] = (3.0 + rng.exponential(pt, size)).astype(np.float32)
        new["eta"] = rng.uniform(-eta, eta, size).astype(np.float32)
        new["phi"] = rng.uniform(-np.pi, np.pi, size).astype(np.float32)
        out[name] = (counts, new)

    drawn("Muon", rng.choice([0, 1, 2, 3], n, p=[0.5, 0.35, 0.1, 0.05]), 15.0, 2.4)
    drawn("Electron", rng.choice([0, 1, 2], n, p=[0.6, 0.3, 0.1]), 15.0, 2.5)
    drawn("Jet", rng.poisson(2.5, n), 50.0, 5.0)
    return out


def package(path: Path) -> Callable[[], Result]:
    """As ``massgap run`` does it."""
    from massgap.processors.electroweakino import Electroweakino
    from massgap.runner.runner import run

    fileset = {"events": {"files": {str(path): "Events"}, "metadata": {}}}

    def work() -> Result:
        done = run(Electroweakino(), fileset, chunksize=100_000)
        done.require_complete()
        (steps,) = done.output["cutflow"]["processes"].values()
        raw = {(row["channel"], row["step"]): row["raw"] for row in steps}
        counts = [raw["1l", step] for step in COMMON]
        counts += [raw[name, f"exactly {k} lepton{'s' * (k > 1)}"] for name, k in CHANNELS.items()]
        histograms = {}
        for name, features in FEATURES_OF_CHANNEL.items():
            for feature in features:
                filled = done.output["histograms"][feature.name][{"region": name}]
                histograms[f"{name} {feature.name}"] = filled.values(flow=True).squeeze()
        return Result(tuple(counts), histograms)

    return work


def agree(one: Result, other: Result, what: str) -> None:
    """Stop if counts differ, or contents by more than observables within rounding of a bin edge can do."""
    if one.counts != other.counts:
        msg = f"{what}: events that pass are {one.counts} and {other.counts}"
        raise AssertionError(msg)
    for name, content in one.histograms.items():
        moved = np.abs(content - other.histograms[name]).sum()
        if moved > 1e-6 * np.abs(content).sum() + 60.0:
            msg = f"{what}: the contents of {name} differ by {moved:g}"
            raise AssertionError(msg)


def coffea_way(path: Path) -> Callable[[], Result]:
    """The analysis as a coffea user writes it."""
    from coffea.nanoevents import NanoAODSchema
    from coffea.processor import IterativeExecutor, Runner

    def work() -> Result:
        run = Runner(IterativeExecutor(), schema=NanoAODSchema, chunksize=100_000, savemetrics=False)
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            done = run({"events": {"files": {str(path): "Events"}}}, PlainElectroweakino())
        histograms = {name: found.values(flow=True) for name, found in done["histograms"].items()}
        return Result(tuple(done["counts"].values()), histograms)

    return work


class PlainElectroweakino(processor.ProcessorABC):
    """Table I and the observables, one array expression each."""

    def process(self, events: Any) -> dict[str, Any]:
        """Process one chunk of NanoEvents."""
        counts = {}
        muons, electrons = events.Muon, events.Electron
        muons = muons[
            (muons.pt > 5) & (abs(muons.eta) < 2.4) & (muons.pfRelIso04_all < 0.25) & muons.mediumId
        ]
        electrons = electrons[
            (electrons.pt > 5)
            & (abs(electrons.eta) < 2.4)
            & (electrons.pfRelIso03_all < 0.15)
            & (electrons.cutBased >= 2)
        ]
        n = ak.num(muons) + ak.num(electrons)
        keep = np.asarray((n >= 1) & (n <= 3))
        counts[COMMON[0]] = int(keep.sum())
        muons, electrons, jets, taus = muons[keep], electrons[keep], events.Jet[keep], events.Tau[keep]
        met, weight, n = events.MET.pt[keep], np.asarray(events.genWeight[keep], np.float64), n[keep]
        jets = jets[
            (jets.pt > 20)
            & (abs(jets.eta) < 5)
            & ((jets.jetId & 2) != 0)
            & ((jets.pt > 50) | ((jets.puId & 4) != 0))
        ]
        taus = taus[(taus.pt > 20) & (abs(taus.eta) < 2.5) & (taus.idDeepTau2018v2p5VSjet >= 5)]
        for others in (muons, electrons):
            jets = jets[ak.all(jets.metric_table(others) >= 0.4, axis=2)]
            taus = taus[ak.all(taus.metric_table(others) >= 0.4, axis=2)]
        hard = jets[jets.pt > 30]
        keep = np.asarray(ak.num(hard) >= 2)
        counts[COMMON[1]] = int(keep.sum())
        vectors = vectors_of(hard)
        first, second = ak.unzip(ak.combinations(vectors, 2))
        candidates = (
            (first.eta * second.eta < 0) & (abs(first.eta - second.eta) > 2.5) & ((first + second).mass > 200)
        )
        steps = {
            COMMON[2]: ak.any(candidates, axis=1),
            COMMON[3]: ~ak.any((abs(hard.eta) < 2.5) & (hard.btagDeepFlavB > 0.2783), axis=1),
            COMMON[4]: ak.num(taus) == 0,
        }
        for step, mask in steps.items():
            keep = keep & np.asarray(mask)
            counts[step] = int(keep.sum())
        leptons = ak.concatenate([_light(muons[keep]), _light(electrons[keep])], axis=1)
        leptons = leptons[ak.argsort(leptons.pt, ascending=False, stable=True)]
        hard, jets, met, weight = vectors[keep], vectors_of(jets[keep]), met[keep], weight[keep]
        hard = hard[ak.argsort(hard.pt, ascending=False, stable=True)]
        n = np.asarray(n[keep])
        a, b = ak.unzip(ak.combinations(jets, 2))
        best = ak.argmax((a + b).mass, axis=1, keepdims=True)
        a, b = ak.flatten(a[best]), ak.flatten(b[best])
        x = {"met": met, "m_jj": (a + b).mass, "pt_jj": (a + b).pt, "abs_deta_jj": abs(a.eta - b.eta)}
        for name, objects in (("j", ak.pad_none(hard, 2)), ("l", ak.pad_none(leptons, 3))):
            for k in range(2 if name == "j" else 3):
                x |= {f"pt_{name}{k + 1}": objects.pt[:, k], f"eta_{name}{k + 1}": objects.eta[:, k]}
        plain = {name: ak.to_numpy(ak.fill_none(values, np.nan)) for name, values in x.items()}
        for name, wanted in CHANNELS.items():
            counts[name] = int((n == wanted).sum())
        return {"counts": counts, "histograms": _filled(plain, n, weight)}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Nothing to do."""
        return accumulator


def _light(objects: Any) -> Any:
    return ak.zip({name: double(objects[name]) for name in ("pt", "eta")})


def _filled(x: dict[str, np.ndarray], n: np.ndarray, weight: np.ndarray) -> dict[str, Any]:
    import hist

    out = {}
    for name, features in FEATURES_OF_CHANNEL.items():
        own = n == CHANNELS[name]
        for feature in features:
            axis = hist.axis.Regular(feature.bins, feature.low, feature.high, name=feature.name)
            filled = hist.Hist(axis, storage="weight")
            out[f"{name} {feature.name}"] = filled.fill(x[feature.name][own], weight=weight[own])
    return out


def compiled(path: Path) -> Callable[[], Result]:
    """Read the columns with uproot, then everything in one loop."""
    import uproot

    names = [feature.name for feature in FEATURES_OF_CHANNEL["3l"]]
    features = FEATURES_OF_CHANNEL["3l"]
    bins = np.array([f.bins for f in features], np.int64)
    low, high = (np.array([getattr(f, key) for f in features], np.float64) for key in ("low", "high"))
    start = np.concatenate([[0], np.cumsum(bins + 2)]).astype(np.int64)

    def work() -> Result:
        with uproot.open(path, array_cache=None) as file:
            data = file["Events"].arrays(list(READ), how=dict)

        def flat(name: str) -> np.ndarray:
            return np.asarray(ak.flatten(data[name], axis=None))

        def group(name: str, *fields: str) -> tuple[np.ndarray, ...]:
            offsets = np.concatenate([[0], np.cumsum(flat(f"n{name}"))]).astype(np.int64)
            return offsets, *(flat(f"{name}_{field}") for field in fields)

        momentum = ("pt", "eta", "phi")
        counts, sums, squares = np.zeros(8, np.int64), np.zeros((3, start[-1])), np.zeros((3, start[-1]))
        _loop(
            group("Muon", *momentum, "pfRelIso04_all", "mediumId"),
            group("Electron", *momentum, "pfRelIso03_all", "cutBased"),
            group("Jet", *momentum, "mass", "btagDeepFlavB", "jetId", "puId"),
            group("Tau", *momentum, "idDeepTau2018v2p5VSjet"),
            flat("MET_pt"),
            flat("genWeight"),
            (low, high, bins, start),
            counts,
            sums,
            squares,
        )
        histograms = {
            f"{channel} {names[k]}": sums[c, start[k] : start[k + 1]]
            for c, channel in enumerate(CHANNELS)
            for k in range(8 + 2 * (c + 1))
        }
        return Result(tuple(int(c) for c in counts), histograms)

    return work


@numba.njit(nogil=True, error_model="numpy")
def _near(eta, phi, others, n):
    for k in range(n):
        d = abs(phi - others[2, k])
        d = min(d, 2 * math.pi - d)
        if (eta - others[1, k]) ** 2 + d * d < 0.16:
            return True
    return False


@numba.njit(nogil=True, error_model="numpy")
def _pair(a, b):
    px, py, pz, e = 0.0, 0.0, 0.0, 0.0
    for p in (a, b):
        x, y, z = p[0] * math.cos(p[2]), p[0] * math.sin(p[2]), p[0] * math.sinh(p[1])
        px, py, pz = px + x, py + y, pz + z
        e += math.sqrt(x * x + y * y + z * z + p[3] * p[3])
    return e * e - px * px - py * py - pz * pz, math.hypot(px, py)


@numba.njit(nogil=True, error_model="numpy")
def _loop(muons, electrons, jets, taus, met, weight, axes, counts, sums, squares):
    low, high, bins, start = axes
    leptons, good, x = np.empty((3, 64)), np.empty((5, 128)), np.empty(14)
    for i in range(met.size):
        n = 0
        for k in range(muons[0][i], muons[0][i + 1]):
            if muons[1][k] > 5 and abs(muons[2][k]) < 2.4 and muons[4][k] < 0.25 and muons[5][k]:
                leptons[0, n], leptons[1, n], leptons[2, n] = muons[1][k], muons[2][k], muons[3][k]
                n += 1
        for k in range(electrons[0][i], electrons[0][i + 1]):
            if (
                electrons[1][k] > 5
                and abs(electrons[2][k]) < 2.4
                and electrons[4][k] < 0.15
                and electrons[5][k] >= 2
            ):
                leptons[0, n], leptons[1, n], leptons[2, n] = (
                    electrons[1][k],
                    electrons[2][k],
                    electrons[3][k],
                )
                n += 1
        if not 1 <= n <= 3:
            continue
        counts[0] += 1
        m, hard = 0, 0
        for k in range(jets[0][i], jets[0][i + 1]):
            identified = (jets[6][k] & 2) != 0 and (jets[1][k] > 50 or (jets[7][k] & 4) != 0)
            if not (identified and jets[1][k] > 20 and abs(jets[2][k]) < 5):
                continue
            if _near(jets[2][k], jets[3][k], leptons, n):
                continue
            good[0, m], good[1, m], good[2, m], good[3, m] = jets[1][k], jets[2][k], jets[3][k], jets[4][k]
            good[4, m] = jets[5][k]
            hard += jets[1][k] > 30
            m += 1
        if hard < 2:
            continue
        counts[1] += 1
        found, best, b_jet = False, -1.0, False
        for a in range(m):
            b_jet = b_jet or (good[0, a] > 30 and abs(good[1, a]) < 2.5 and good[4, a] > np.float32(0.2783))
            for b in range(a + 1, m):
                square, pt = _pair(good[:4, a], good[:4, b])
                if square > best:
                    best = square
                    x[5], x[6], x[7] = math.sqrt(square), pt, abs(good[1, a] - good[1, b])
                fusion = good[0, a] > 30 and good[0, b] > 30 and good[1, a] * good[1, b] < 0
                found = found or (fusion and abs(good[1, a] - good[1, b]) > 2.5 and square > 40000)
        if not found:
            continue
        counts[2] += 1
        if b_jet:
            continue
        counts[3] += 1
        tau = False
        for k in range(taus[0][i], taus[0][i + 1]):
            chosen = taus[1][k] > 20 and abs(taus[2][k]) < 2.5 and taus[4][k] >= 5
            tau = tau or (chosen and not _near(taus[2][k], taus[3][k], leptons, n))
        if tau:
            continue
        counts[4] += 1
        counts[4 + n] += 1
        for k in range(2):
            top = k
            for b in range(k + 1, m):
                if good[0, b] > good[0, top]:
                    top = b
            x[2 * k], x[2 * k + 1] = good[0, top], good[1, top]
            good[0, top], good[1, top] = good[0, k], good[1, k]
        for k in range(n):
            top = k
            for b in range(k + 1, n):
                if leptons[0, b] > leptons[0, top]:
                    top = b
            x[8 + 2 * k], x[9 + 2 * k] = leptons[0, top], leptons[1, top]
            leptons[0, top], leptons[1, top] = leptons[0, k], leptons[1, k]
        x[4] = met[i]
        w = weight[i]
        for k in range(8 + 2 * n):
            position = (x[k] - low[k]) / (high[k] - low[k]) * bins[k]
            place = 0 if position < 0 else bins[k] + 1
            if 0 <= position < bins[k]:
                place = int(position) + 1
            sums[n - 1, start[k] + place] += w
            squares[n - 1, start[k] + place] += w * w
