"""A complete run, model and fit folder as the stages write them, with invented contents.

Falling spectra, weights over decades, a process without events (ZZ after the pre-cuts), and a
bin whose weights add up to less than zero.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.description import Cut, Description, Feature, ProcessLabel, Region, Score

if TYPE_CHECKING:
    from pathlib import Path

FEATURES: dict[str, tuple[float, float]] = {
    "m_ll": (0, 400),
    "m_j": (0, 100),
    "mt2_0": (0, 200),
    "mt2_100": (100, 250),
    "m_tautau": (-400, 400),
    "met": (0, 500),
    "ht": (0, 500),
    "meff": (0, 1000),
    "pt_l1": (0, 300),
    "pt_l2": (0, 200),
    "pt_j": (0, 500),
    "ratio_mt2": (0, 5),
    "pt_l1_over_met": (0, 3),
    "pt_l2_over_met": (0, 3),
    "pt_j_over_met": (0, 3),
    "dphi_l1_met": (0, math.pi),
    "dphi_l2_met": (0, math.pi),
    "dphi_j_met": (0, math.pi),
    "dphi_l1_l2": (0, math.pi),
    "dphi_l1_j": (0, math.pi),
    "dphi_l2_j": (0, math.pi),
    "cos_theta_star": (-1, 1),
    "tanh_deta_l1_j": (-1, 1),
    "tanh_deta_l2_j": (-1, 1),
    "eta_l1": (-2.5, 2.5),
    "eta_l2": (-2.5, 2.5),
    "eta_j": (-2.5, 2.5),
}
SIGNAL = "slepton_110_80"
# Cross section in fb after the topology and after the pre-cuts.
YIELDS = {
    SIGNAL: (12.3, 1.38),
    "WW": (72.6, 5.44),
    "WZ": (46.9, 0.355),
    "ZZ": (26.6, 0.0),
    "mumu": (12500.0, 3.19),
    "tautau": (596.0, 14.6),
    "tt": (66.8, 5.49),
}
STEPS = ["events", "one muon pair", "one jet", "topology", "m_ll veto", "met", "cos theta*"]
BINS = 40
EDGES = [0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0]
LUMI = 300.0


@dataclass(frozen=True)
class Folders:
    """The three folders, and what is written in them for comparison."""

    run: Path
    model: Path
    fit: Path
    cutflow: dict[str, Any]
    results: dict[str, Any]
    scan: dict[str, Any]
    training: dict[str, Any]
    ledger: dict[str, Any]


def _shape(name: str, process: str, rng: np.random.Generator) -> np.ndarray:
    low, high = FEATURES[name]
    centre = np.linspace(low, high, BINS, endpoint=False) + (high - low) / BINS / 2
    steep = 3 + 9 * (sorted(YIELDS).index(process) / len(YIELDS))
    if low < 0:
        shape = np.exp(-((centre / high) ** 2) * steep / 3)
    elif high == math.pi:
        shape = 1 + np.cos(centre) * rng.uniform(-0.9, 0.9)
    else:
        shape = np.exp(-steep * (centre - low) / (high - low)) * np.sqrt(centre - low)
    shape = shape * rng.normal(1, 0.08, BINS).clip(0.5, 1.5)
    return shape / shape.sum()


def description() -> Description:
    """What the analysis of these folders says of itself."""
    precuts = (
        Cut("z_window", "m_ll", edges=(81.0, 101.0), keeps=(True, False, True)),
        Cut("met", "met", edges=(110.0,), keeps=(False, True)),
        Cut("cos_theta_star", "cos_theta_star", edges=(-0.5, 0.5), keeps=(False, True, False)),
    )
    groups = {"m_ll": "Masses", "m_j": "Masses", "met": "Scales", "ht": "Scales"}
    return Description(
        "slepton",
        "Lepton partners",
        tuple(
            Feature(name, f"{name} label", "", low, high, BINS, f"The quantity {name}.", groups.get(name, ""))
            for name, (low, high) in FEATURES.items()
        ),
        (
            Region("topology", "Topology", "mumu1j"),
            Region("precuts", "Pre-cuts", "mumu1j", within="topology", cuts=precuts),
        ),
        (Score("score", "BDT score", ("precuts",)),),
        {"tt": ProcessLabel(r"$t\bar{t}$", "#3f90da"), "WW": ProcessLabel("WW", "#ffa90e")},
        LUMI,
    )


def _empty(processes: list[str], regions: list[str], *axes: Any) -> Any:
    import hist

    return hist.Hist(
        hist.axis.StrCategory(processes, name="process"),
        hist.axis.StrCategory(regions, name="region"),
        *axes[:-1],
        hist.axis.StrCategory(["nominal"], name="variation"),
        axes[-1],
        storage=hist.storage.Weight(),
    )


def _histograms(rng: np.random.Generator) -> dict[str, Any]:
    import hist

    processes = sorted(YIELDS)
    made: dict[str, Any] = {}
    for name, (low, high) in FEATURES.items():
        axis = hist.axis.Regular(BINS, low, high, name=name, label=f"{name} label")
        filled = _empty(processes, ["precuts", "topology"], axis)
        view = filled.view(flow=True)
        for row, process in enumerate(processes):
            for region, total in zip(("topology", "precuts"), YIELDS[process], strict=True):
                index = list(filled.axes["region"]).index(region)
                values = total * 0.98 * _shape(name, process, rng)
                if name == "pt_j" and process == "tt" and region == "precuts":
                    values[-1] = -0.002
                view.value[row, index, 0, 1:-1] = values
                view.value[row, index, 0, -1] = 0.02 * total
                # One event weighs between 1e-6 and 1e-2 fb.
                view.variance[row, index, 0, 1:-1] = np.abs(values) * 10 ** rng.uniform(-6, -2, BINS)
        made[name] = filled
    for cut, name in (("z_window", "m_ll"), ("met", "met"), ("cos_theta_star", "cos_theta_star")):
        low, high = FEATURES[name]
        filled = _empty(processes, ["precuts"], hist.axis.Regular(BINS, low, high, name=name))
        view = filled.view(flow=True)
        for row, process in enumerate(processes):
            values = YIELDS[process][1] * 3 * _shape(name, process, rng)
            view.value[row, 0, 0, 1:-1] = values
            view.variance[row, 0, 0, 1:-1] = values * 1e-3
        made[f"nminus1_{cut}"] = filled
    axes = (
        hist.axis.Integer(0, 3, name="fold"),
        hist.axis.Regular(400, 0, 1, name="score", label="score"),
    )
    score = _empty(processes, ["precuts"], *axes)
    view = score.view(flow=True)
    centre = (np.arange(400) + 0.5) / 400
    for row, process in enumerate(processes):
        hardness = {SIGNAL: 3.0, "tt": -1.2, "WW": -1.0}.get(process, -8.0)
        shape = np.exp(hardness * centre) * centre**0.3 * (1 - centre) ** 0.35
        shape /= shape.sum()
        for fold in range(3):
            values = YIELDS[process][1] / 3 * shape * rng.normal(1, 0.1, 400).clip(0.3)
            view.value[row, 0, fold + 1, 0, 1:-1] = values
            view.variance[row, 0, fold + 1, 0, 1:-1] = values * 1e-3
    made["score"] = score
    return made


def _cutflow() -> dict[str, Any]:
    processes = {}
    for process, (topology, precuts) in YIELDS.items():
        fractions = np.geomspace(40 * topology, topology, 4).tolist()
        last = [topology * (precuts / topology) ** (k / 3) if precuts else 0.0 for k in (1, 2, 3)]
        weighted = [*fractions, *last]
        processes[process] = [
            {
                "channel": "mumu1j",
                "step": step,
                "raw": round(2e5 * (value / weighted[0]) ** 0.6),
                "weighted": value,
                "variance": (0.013 * value) ** 2,
            }
            for step, value in zip(STEPS, weighted, strict=True)
        ]
    return {
        "format": "massgap-cutflow/1",
        "unit": "fb",
        "channels": ["mumu1j"],
        "steps": STEPS,
        "processes": processes,
    }


def _scan_rows(score: Any, fold: int | None) -> dict[str, Any]:
    factor = 1 if fold is None else 3
    values = score.values()[:, 0, :, 0]
    content = values.sum(axis=1) if fold is None else values[:, fold]
    above = factor * content[:, ::-1].cumsum(axis=1)[:, ::-1]
    processes = list(score.axes["process"])
    signal = LUMI * above[processes.index(SIGNAL)]
    background = LUMI * above.sum(axis=0) - signal
    ratio = signal / (1 + background)
    asimov = np.sqrt(2 * np.maximum((signal + background) * np.log1p(signal / background) - signal, 0))
    columns = {"S": signal, "B": background, "s_over_1pb": ratio, "asimov": asimov}
    return {
        **({} if fold is None else {"fold": fold}),
        "threshold": (np.arange(400) / 400).tolist(),
        **{name: column.tolist() for name, column in columns.items()},
        **{f"{k}_smooth": np.convolve(v, np.ones(9) / 9, "same").tolist() for k, v in columns.items()},
        "xsec_fb": {p: above[row].tolist() for row, p in enumerate(processes)},
        # An event weighs 1e-3 fb, in a fold three times as much.
        "n_eff_signal": (signal / LUMI / factor * 1e3).tolist(),
        "n_eff_background": (background / LUMI / factor * 1e3).tolist(),
        "reliable": (np.arange(400) < 390).tolist(),
    }


def _scan(score: Any, backgrounds: list[str]) -> dict[str, Any]:
    combined = _scan_rows(score, None)
    at = 372
    merits = ("threshold", "S", "B", "s_over_1pb", "asimov")
    return {
        "histogram": "score",
        "region": "precuts",
        "observable": "score",
        "lumi_fb": LUMI,
        "signal": SIGNAL,
        "backgrounds": backgrounds,
        "options": {
            "keep": "above",
            "background_uncertainty": 0.2,
            "min_s_over_1pb": 0.15,
            "min_effective_events": 10.0,
            "bandwidth": 0.02,
        },
        "folds": [_scan_rows(score, fold) for fold in range(3)],
        "combined": combined,
        "all_events": {name: combined[name][0] for name in merits},
        "best": {name: combined[name][at] for name in merits},
        "ranges": [],
    }


def _training(rng: np.random.Generator) -> dict[str, Any]:
    def share(leader: str) -> dict[str, float]:
        parts = rng.dirichlet(np.full(len(FEATURES), 0.35))
        named = dict(zip(FEATURES, (0.6 * parts).tolist(), strict=True))
        named[leader] += 0.4
        return named

    tpr = np.linspace(0, 1, 150)
    return {
        "format": "massgap-training/1",
        "model_file": "slepton.onnx",
        "model_sha256": "ab" * 32,
        "training_hash": "feedc0de",
        "features": list(FEATURES),
        "units": dict.fromkeys(FEATURES, "GeV"),
        "signal": [SIGNAL],
        "backgrounds": [p for p in YIELDS if p != SIGNAL],
        "n_folds": 3,
        "hyperparameters": {"max_depth": 5, "eta": 0.5, "min_child_weight": 0},
        "protocol": "nested",
        "seed": 12,
        "versions": {"xgboost": "3.2.0", "numpy": "2.4.6"},
        "source": {"run": "run"},
        "folds": [
            {
                "fold": fold,
                "n_train_signal": 12345 + fold,
                "n_train_background": 23456,
                "n_eval_signal": 6000,
                "n_eval_background": 11000,
                "best_iteration": 21 + fold,
                "auc_train": 0.9412,
                "auc_eval": 0.9301 + 0.001 * fold,
                "logloss_eval": 0.31,
                "loss_curve": {
                    "train": (0.2 + 0.5 * np.exp(-np.arange(27) / 5)).tolist(),
                    "valid": (0.3 + 0.4 * np.exp(-np.arange(27) / 4)).tolist(),
                },
                "roc": {"fpr": (tpr ** (9 + fold)).tolist(), "tpr": tpr.tolist()},
            }
            for fold in range(3)
        ],
        "importance": {
            "all": share("mt2_100"),
            **{p: share("m_tautau") for p in ("WZ", "ZZ", "mumu", "tautau")},
            "tt": share("mt2_100"),
            "WW": share("mt2_100"),
            "tt+WW": share("mt2_100"),
        },
        "protocol_comparison": {"nested": {"auc_eval": [0.93, 0.931]}, "paper": {"auc_eval": [0.932, 0.933]}},
    }


def _ledger() -> dict[str, Any]:
    datasets, chunks = {}, []
    for process in sorted(YIELDS):
        for tranche in range(2):
            dataset = f"{process}_{tranche}"
            datasets[dataset] = {
                "events_expected": 100_000,
                "events_processed": 100_000,
                "events_failed": 0,
                "events_missing": 0,
                "weights_expected": 1234.5,
                "weights_processed": 1234.5,
            }
            chunks.append(
                {
                    "dataset": dataset,
                    "file": f"{dataset}.root",
                    "start": 0,
                    "stop": 100_000,
                    "status": "processed",
                    "error": None,
                    "sum_weights": 1234.5,
                }
            )
    return {
        "format": "massgap-ledger/1",
        "complete": True,
        "accepted_loss": False,
        "datasets": datasets,
        "files": [{"dataset": c["dataset"], "file": c["file"]} for c in chunks],
        "chunks": chunks,
    }


def _manifest() -> dict[str, Any]:
    datasets = {}
    for process in sorted(YIELDS):
        for tranche in range(2):
            metadata = {
                "process": process,
                "xsec_fb": 1000.0 * 10**-tranche * YIELDS[process][0],
                "sum_weights": 1234.5,
                "is_data": False,
                "is_signal": process == SIGNAL,
                "sqrt_s_tev": 13.0,
                "n_events": 100_000,
                "events": 100_000,
                "scale": 0.81,
                "tranche": {"variable": "pt_l", "min": 100.0 * tranche, "max": None if tranche else 100.0},
            }
            if process == SIGNAL:
                metadata["masses"] = {"m_slepton": 110.0, "m_lsp": 80.0}
            datasets[f"{process}_{tranche}"] = metadata
    return {
        "format": "massgap-run/1",
        "analysis": "slepton",
        "processor": "massgap.processors.slepton:Slepton",
        "options": {"jet_pt": 30.0},
        "description": description().as_dict(),
        "models": {"score": {"file": "model/slepton.onnx", "sha256": "ab" * 32}},
        "fileset_hash": "f1" * 16,
        "code_hash": "c0" * 16,
        "versions": {"massgap": "0.1.0", "numpy": "2.4.6", "coffea": "2026.9.0"},
        "command": "massgap run slepton --fileset fileset.json --model model --out run",
        "created": "2026-01-02T03:04:05+00:00",
        "seed": 7,
        "datasets": datasets,
    }


def _results(score: Any, rng: np.random.Generator) -> dict[str, Any]:
    content = score.values()[:, 0, :, 0].sum(axis=1)
    starts = [round(edge * 400) for edge in EDGES]
    yields = {
        process: [float(LUMI * content[row, a:b].sum()) for a, b in itertools.pairwise(starts)]
        for row, process in enumerate(score.axes["process"])
    }
    return {
        "format": "massgap-fit/2",
        "lumi_fb": LUMI,
        "workspace": "workspace.json",
        "signal": SIGNAL,
        "backgrounds": [p for p in sorted(YIELDS) if p != SIGNAL],
        "options": {"lumi_uncertainty": 0.025},
        "parts": [
            {
                "region": "precuts",
                "histogram": "score",
                "channel": "mumu1j",
                "observable": "score",
                "binning": EDGES,
                "yields": yields,
                "stat_errors": {p: [0.03 * v for v in values] for p, values in yields.items()},
                "observations": None,
            }
        ],
        "discovery": {"expected_significance": 7.3912, "observed_significance": None, "p_value": 7e-14},
        "upper_limit": {"observed": None, "expected": [0.14, 0.19, 0.271, 0.38, 0.52], "level": 0.95},
        "signal_strength": {"value": 1.0, "error": 0.143, "nll": 12.0},
        "pulls": {"lumi": {"pull": 0.1, "error": 0.99}, "norm_tt": {"pull": -0.4, "error": 0.5}},
        "yields": [
            {"channel": "mumu1j", "process": "tt", "prefit": [812.5, 95.2], "postfit": [790.1, 21.3]},
            {"channel": "mumu1j", "process": None, "prefit": [1403.0, 110.0], "postfit": [1381.0, 30.5]},
        ],
    }


def dump(path: Path, content: Any) -> None:
    """Write JSON, histograms in UHI form."""
    import uhi.io.json

    path.write_text(json.dumps(content, default=uhi.io.json.default), encoding="utf-8")


def make_folders(base: Path) -> Folders:
    """Write a complete run with its model and fit."""
    rng = np.random.default_rng(20260102)
    run, model, fit = base / "run", base / "model", base / "fit"
    for folder in (run, model, fit):
        folder.mkdir()
    histograms = _histograms(rng)
    cutflow, training, ledger = _cutflow(), _training(rng), _ledger()
    results = _results(histograms["score"], rng)
    scan = {"format": "massgap-scan/2", "scans": [_scan(histograms["score"], results["backgrounds"])]}
    dump(run / "manifest.json", _manifest())
    dump(run / "histograms.json", {"format": "massgap-histograms/1", "unit": "fb", "histograms": histograms})
    dump(run / "cutflow.json", cutflow)
    dump(run / "ledger.json", ledger)
    dump(model / "training.json", training)
    (model / "card.md").write_text("# Model card\n\nTrained on <simulation>.\n", encoding="utf-8")
    dump(fit / "results.json", results)
    dump(fit / "scan.json", scan)
    return Folders(run, model, fit, cutflow, results, scan, training, ledger)
