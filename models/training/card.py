"""The model card: what a classifier is, how well it does, and where it should not be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def model_card(training: Mapping[str, Any]) -> str:
    """Return the card in Markdown from the content of ``training.json``."""
    sections = (_what, _data, _features, _method, _performance, _importance, _limits, _provenance)
    return "\n\n".join("\n".join(section(training)) for section in sections) + "\n"


def _what(t: Mapping[str, Any]) -> list[str]:
    analysis = t["source"].get("analysis", "")
    return [
        f"# Model card: {t['model_file']}",
        "",
        f"Boosted decision trees that separate {_names(t['signal'])} from {_names(t['backgrounds'])}"
        + (f" in the analysis `{analysis}`." if analysis else "."),
        (
            f"{t['n_folds']} classifiers in one ONNX file: output column i is the signal probability from the "
            "classifier that has not seen fold i. An event is scored by the one that has not seen it."
        ),
    ]


def _data(t: Mapping[str, Any]) -> list[str]:
    lines = ["## Data", ""]
    lines += [
        f"- {key.replace('_', ' ')}: `{t['source'][key]}`"
        for key in ("run_folder", "fileset_hash", "code_hash", "processor")
        if t["source"].get(key)
    ]
    rows = [
        [name, _role(t, name), f"{c['raw']:,}", f"{c['weight_fb']:.5g}", f"{c['effective']:,.1f}"]
        for name, c in t["processes"].items()
    ]
    lines += ["", *_table(["process", "role", "raw events", "weight sum (fb)", "effective events"], rows)]
    return lines + [f"- {note}" for note in t.get("notes", [])]


def _role(t: Mapping[str, Any], name: str) -> str:
    return "signal" if name in t["signal"] else "background"


def _features(t: Mapping[str, Any]) -> list[str]:
    rows = [[str(i), f"`{name}`", t["units"].get(name) or "1"] for i, name in enumerate(t["features"])]
    return [
        "## Features",
        "",
        f"Input `features`, float32, in this order. Preprocessing inside the file: {t['preprocessing']}.",
        "",
        *_table(["column", "name", "unit"], rows),
    ]


def _method(t: Mapping[str, Any]) -> list[str]:
    how = {
        "nested": "a fifth of the training events stops the training, the best iteration is used; "
        "the held-out fold is used for nothing but the evaluation",
        "paper": "the held-out fold stops the training and all trees are used, as in the paper; "
        "the evaluation below is therefore slightly optimistic",
    }[t["protocol"]]
    values = ", ".join(f"{k} {v:g}" for k, v in t["hyperparameters"].items())
    return [
        "## Training",
        "",
        f"- XGBoost: {values}; signal and background weight sums each normalised to one",
        f"- {t['n_folds']} rotated folds by the stable event key; seed {t['seed']}",
        f"- early stopping, protocol `{t['protocol']}`: {how}",
    ]


def _performance(t: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            str(f["fold"]),
            f"{f['n_train_signal']:,} / {f['n_train_background']:,}",
            f"{f['n_eval_signal']:,} / {f['n_eval_background']:,}",
            str(f["n_trees"]),
            f"{f['auc_train']:.4f}",
            f"{f['auc_eval']:.4f}",
            f"{f['logloss_eval']:.4f}",
        ]
        for f in t["folds"]
    ]
    heads = [
        "fold",
        "training events (s / b)",
        "held out (s / b)",
        "trees",
        "AUC training",
        "AUC held out",
        "logloss",
    ]
    lines = [
        "## Performance",
        "",
        "Weighted, on events the classifier has not seen.",
        "",
        *_table(heads, rows),
    ]
    comparison = t.get("protocol_comparison") or {}
    if comparison:
        lines += [
            "",
            (
                f"Mean held-out AUC: nested {comparison['nested']['mean_auc_eval']:.4f}, "
                f"paper {comparison['paper']['mean_auc_eval']:.4f} "
                f"(difference {comparison['auc_eval_paper_minus_nested']:+.4f})."
            ),
        ]
    return lines


def _importance(t: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, shares in t["importance"].items():
        leading = sorted(shares.items(), key=lambda item: -item[1])[:3]
        rows.append([name, ", ".join(f"`{feature}` {share:.0%}" for feature, share in leading)])
    heads = ["trained against", "leading features (share of total gain)"]
    lines = ["## Importance", "", *_table(heads, rows)]
    left_out = t.get("importance_left_out", {})
    return lines + ([""] if left_out else []) + [f"- {name}: {why}" for name, why in left_out.items()]


def _limits(t: Mapping[str, Any]) -> list[str]:
    where = "events after the pre-cuts" if t.get("precuts", True) else "events passing the topology selection"
    return [
        "## Limits of use",
        "",
        f"- Trained on {where}; elsewhere the score is an extrapolation.",
        "- Trained on simulation only, for the signal masses named above; other masses are separated less well.",
        "- The score is a probability for equal total signal and background weight, not for the expected yields.",
        "- Simulated events must be scored by the classifier of their held-out fold, never by another one.",
        "- Feature definitions and units must be those above: the file checks names, not meanings.",
    ]


def _provenance(t: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in t["versions"].items())
    return [
        "## Provenance",
        "",
        f"- model file SHA-256: `{t['model_sha256']}`",
        f"- training hash: `{t['training_hash']}`",
        f"- largest difference between the ONNX score and XGBoost on the training events: {t['onnx_difference']:.1e}",
        f"- versions: {versions}",
    ]


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
