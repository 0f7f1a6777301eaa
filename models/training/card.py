"""The model card: what a classifier is, how well it does, and where it should not be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.models.training.recipe import ALL_ROWS, trainer_of
from massgap.models.training.weights import FEW

if TYPE_CHECKING:
    from collections.abc import Mapping


def model_card(training: Mapping[str, Any]) -> str:
    """Return the card in Markdown from the content of ``training.json``."""
    sections = (_what, _use, _data, _features, _method, _performance, _importance, _limits, _provenance)
    return "\n\n".join("\n".join(section(training)) for section in sections) + "\n"


def _what(t: Mapping[str, Any]) -> list[str]:
    analysis, kind = t["source"].get("analysis", ""), t["recipe"]["kind"]
    return [
        f"# Model card: {t['model_file']}",
        "",
        f"{trainer_of(kind).TITLE} that separate {_names(t['signal'])} from {_names(t['backgrounds'])}"
        + (f" in the analysis `{analysis}`." if analysis else "."),
        (
            f"{t['n_folds']} classifiers in one ONNX file: output column i is the signal probability from the "
            "classifier that has not seen fold i. An event is scored by the one that has not seen it."
        ),
    ]


def _use(t: Mapping[str, Any]) -> list[str]:
    analysis, all_rows = t["source"].get("analysis", ""), t["region"] == ALL_ROWS
    where = "the selected events" if all_rows else f"events of the region `{t['region']}`"
    return [
        "## Intended use",
        "",
        (
            f"To rank {where}{f' of the analysis `{analysis}`' if analysis else ''} by how much they look like "
            f"{_names(t['signal'])}: simulated events by the classifier of their held-out fold, collision data likewise. For "
            "other signals, regions or detectors train again (`massgap train`)."
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
    rows = [[str(i), f"`{name}`", t["units"].get(name) or "1"] for i, name in enumerate(_inputs(t))]
    return [
        "## Features",
        "",
        f"Input `features`, float32, in this order. Preprocessing inside the file: {t['preprocessing']}.",
        "",
        *_table(["column", "name", "unit"], rows),
    ]


def _inputs(t: Mapping[str, Any]) -> list[str]:
    """The features, and the column in which the score is flat, if it is none of them."""
    column = t.get("flatness", {}).get("column")
    return [*t["features"], *([column] if column and column not in t["features"] else [])]


def _method(t: Mapping[str, Any]) -> list[str]:
    how = {
        "nested": "a fifth of the training events stops the training, the best iteration is used; "
        "the held-out fold is used for nothing but the evaluation",
        "held_out": "the held-out fold stops the training and everything trained is used; "
        "the evaluation below is therefore slightly optimistic",
        "next_fold": "the fold after the held-out one stops the training; the held-out fold is used for nothing but the "
        "evaluation",
    }[t["protocol"]]
    recipe = t["recipe"]
    values = ", ".join(f"{name} {_shown(value)}" for name, value in t["hyperparameters"].items())
    events = {
        "weights": "each event with its weight",
        "counts": "each event counts one",
        "components": "each event with its weight, all processes of a class with the same sum",
        "signal_counts": "each signal event counts one, background events with their weight",
        "drawn": "each event counts one, background events drawn in proportion to their weight",
    }[recipe["weighting"]]
    lines = [
        "## Training",
        "",
        f"- recipe `{recipe['name']}`" + (f": {recipe['description']}" if recipe["description"] else ""),
        f"- {recipe['kind']}: {values}",
        f"- {events}; signal and background sums each normalised to one",
        f"- {t['n_folds']} rotated folds by the stable event key; seed {t['seed']}",
        f"- early stopping after {t['early_stopping']} {t.get('iterations', 'iterations') if recipe['kind'] != 'trees' else 'iterations'}, protocol `{t['protocol']}`: {how}",
    ]
    if recipe.get("seeds", 1) > 1:
        kept = "the mean of their scores" if recipe.get("seed_choice") == "all" else "the best of them"
        lines.append(f"- {recipe['seeds']} seeds per fold, {kept}")
    if recipe.get("class_weights"):
        sums = ", ".join(f"{name} {value:g}" for name, value in recipe["class_weights"].items())
        lines.append(f"- sums of the classes instead of one: {sums}")
    lines += [f"- weights of {name} times {factor:g}" for name, factor in recipe["process_weights"].items()]
    return lines + ([f"- source: {recipe['source']}"] if recipe["source"] else [])


def _largest(flat: Any, place: str) -> str:
    """Uncertainty of each level, the largest of the folds."""
    return ", ".join(
        f"{level} to {max(fold[place][level] for fold in flat['folds']):.2g}" for level in flat["background"]
    )


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
        t.get("iterations", "trees"),
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
    if flat := t.get("flatness"):
        chi2 = ", ".join(
            f"above {level} {found['chi2']:.1f} for {found['bins']} bins"
            for level, found in flat["background"].items()
        )
        middle, ends = (_largest(flat, place) for place in ("uncertainty", "uncertainty_at_ends"))
        lines += [
            "",
            (
                f"The score is the quantile of the background given `{flat['column']}`; the table above is of the probability "
                f"before. AUC of the flat score {flat['auc_eval']:.4f}. Chi-square of the background's share in bins of "
                f"`{flat['column']}`: {chi2}. Statistical uncertainty of the quantiles in its middle: {middle}; where it is largest, "
                f"at its ends: {ends}."
            ),
        ]
    if comparison:
        lines += [
            "",
            (
                f"Mean held-out AUC: nested {comparison['nested']['mean_auc_eval']:.4f}, "
                f"stopped by the held-out fold {comparison['held_out']['mean_auc_eval']:.4f} "
                f"(difference {comparison['auc_eval_held_out_minus_nested']:+.4f})."
            ),
        ]
    return lines


def _importance(t: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, shares in t["importance"].items():
        leading = sorted(shares.items(), key=lambda item: -item[1])[:3]
        rows.append([name, ", ".join(f"`{feature}` {share:.0%}" for feature, share in leading)])
    heads = ["trained against", f"leading features ({t.get('importance_is', 'share of total gain')})"]
    lines = ["## Importance", "", *_table(heads, rows)]
    left_out = t.get("importance_left_out", {})
    return lines + ([""] if left_out else []) + [f"- {name}: {why}" for name, why in left_out.items()]


def _limits(t: Mapping[str, Any]) -> list[str]:
    all_rows = t["region"] == ALL_ROWS
    where = "all rows of the feature tables" if all_rows else f"events of the region `{t['region']}`"
    return [
        "## Limits of use",
        "",
        f"- Trained on {where}; elsewhere the score is an extrapolation.",
        "- Trained on simulation only, for the signals named above; others are separated less well.",
        _meaning(t),
        "- Simulated events must be scored by the classifier of their held-out fold, never by another one.",
        "- Feature definitions and units must be those above: the file checks names, not meanings.",
        *_few(t),
    ]


def _few(t: Mapping[str, Any]) -> list[str]:
    """Processes of which there was little to learn from."""
    few = [f"`{n}` ({c['effective']:.1f})" for n, c in t["processes"].items() if c["effective"] < FEW]
    return (
        [f"- Effective events below {FEW}, so that little was learned of them: {', '.join(few)}."]
        if few
        else []
    )


def _meaning(t: Mapping[str, Any]) -> str:
    if "flatness" in t:
        return f"- The score is a quantile of the background, given `{t['flatness']['column']}`, not a probability of signal."
    recipe = t["recipe"]
    sums = recipe.get("class_weights") or {}
    share = f"{sums.get('signal', 1):g} to {sums.get('background', 1):g} of" if sums else "equal"
    changed = recipe["weighting"] != "weights" or recipe["process_weights"] or recipe.get("balance")
    where = " in the training" if changed else ""
    if balance := recipe.get("balance"):
        where += f", in each bin of `{balance['column']}`"
    return f"- The score is a probability for {share} total signal and background weight{where}, not for the expected yields."


def _provenance(t: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in t["versions"].items())
    return [
        "## Provenance",
        "",
        f"- model file SHA-256: `{t['model_sha256']}`",
        f"- training hash: `{t['training_hash']}`",
        f"- largest difference between the ONNX score and the library that trained, on the training events: {t['onnx_difference']:.1e}",
        f"- versions: {versions}",
    ]


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value).replace(", ", "-").strip("[]")


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
