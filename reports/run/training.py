"""The training: folds, ROC, loss, importances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from massgap.reports.figures import attention_masks, calibration_curves, importances, loss_curves, render, roc
from massgap.reports.html.html import (
    Markup,
    Section,
    figure,
    fold_away,
    grid,
    heading,
    join,
    paragraph,
    table,
    value,
)
from massgap.reports.html.numbers import percent
from massgap.reports.run.settings import plain_rows

if TYPE_CHECKING:
    from massgap.contracts.model_folder import ModelFolder
    from massgap.reports.run.inputs import Inputs


def training_section(inputs: Inputs) -> Section | None:
    """Return the chapter on the trainings, a block for each model, if a model folder was given."""
    blocks = [_training(inputs, name, model) for name, model in inputs.models.items()]
    return Section("training", "Training", join(*blocks)) if blocks else None


def _training(inputs: Inputs, name: str, model: ModelFolder) -> Markup:
    training = model.training
    title = next((score.label for score in inputs.description.scores if score.name == name), "") or name
    folds = training.get("folds", [])
    intro = paragraph(
        f"Signal: {', '.join(training.get('signal', []))}; backgrounds: {', '.join(training.get('backgrounds', []))}; "
        f"{len(training.get('features', []))} features, {training.get('n_folds', len(folds))} folds, "
        f"protocol {training.get('protocol', 'unknown')}"
        f"{_place(training)}."
    )
    curves = grid(
        [
            figure(
                render(roc(folds)),
                alt="Background efficiency against signal efficiency, one curve per held-out fold.",
                caption="ROC of each held-out fold; the band holds 68 % of the replicas of a bootstrap over its events.",
            ),
            figure(
                render(loss_curves(folds)),
                alt="Log loss against the number of iterations per fold, training and validation.",
                caption="Log loss: full for validation, dashed for training; the dot is the iteration that is used.",
            ),
            *_calibration(folds),
        ],
        wide=True,
    )
    parts = [
        heading(f"Training of {title}") if len(inputs.models) > 1 else "",
        intro,
        _fold_table(folds),
        curves,
    ]
    parts.append(_flatness(training.get("flatness")))
    parts.append(_protocols(training.get("protocol_comparison")))
    meaning = str(training.get("importance_is") or _GAIN)
    parts.append(_importances(inputs, training.get("importance") or {}, meaning))
    parts.append(_attention(inputs, training))
    left_out = training.get("importance_left_out") or {}
    parts += [paragraph(f"No importances against {name}: {why}") for name, why in sorted(left_out.items())]
    options = training.get("hyperparameters") or {}
    if options:
        parts.append(
            table(
                ["Hyperparameter", "Value"],
                plain_rows(options),
                caption="Hyperparameters",
            )
        )
    if card := model.card:
        parts.append(fold_away("Model card", Markup(f"<pre>{_escaped(card)}</pre>"), is_open=False))
    return join(*parts)


_GAIN = "share of total gain"
_MEANINGS = {
    _GAIN: "Share of the total gain (the sum of the loss reductions of all splits on a feature)",
    "rise of the log loss when it is shuffled": (
        "Rise of the log loss of held-out events when a feature is shuffled among them, as a share of all rises"
    ),
    "share of the attention masks": (
        "Share of a feature in the attention masks of held-out events, each mask weighed with its decision"
    ),
}


def _calibration(folds: list[Mapping[str, Any]]) -> list[Markup]:
    if not any(fold.get("calibration") for fold in folds):
        return []
    return [
        figure(
            render(calibration_curves(folds)),
            alt="Share of signal against the score, one curve per held-out fold.",
            caption="Share of signal among held-out events of a score, with the weights of the training (classes, bins, processes): "
            "a probability lies on the diagonal.",
        )
    ]


def _flatness(flat: Any) -> Markup:
    """How flat the score is for background, if it was made so."""
    if not isinstance(flat, Mapping) or not flat:
        return Markup("")
    rows: list[list[object]] = []
    for level, found in flat["background"].items():
        middle, ends = (
            max(fold.get(place, fold["uncertainty"])[level] for fold in flat["folds"])
            for place in ("uncertainty", "uncertainty_at_ends")
        )
        shares = ", ".join(f"{share:.3f}" for share in found["shares"])
        chi2 = value(found["chi2"], f"{found['chi2']:.1f} / {found['bins']}")
        rows.append([level, shares, chi2, value(middle, f"{middle:.2g}"), value(ends, f"{ends:.2g}")])
    return join(
        heading(f"Flat in {flat['column']}"),
        paragraph(
            f"The score is the quantile of the background given {flat['column']}; curves and table above are of the "
            f"probability before. AUC of the flat score: {flat['auc_eval']:.4f}."
        ),
        table(
            [
                "Threshold",
                "Background above it in bins of equal weight",
                "Chi2 / bins",
                "Uncertainty of the quantile, middle",
                "At an end",
            ],
            rows,
            caption=f"Held-out background above a threshold, in bins of {flat['column']}",
            text_columns=(1,),
        ),
    )


def _place(training: Mapping[str, Any]) -> str:
    """By which recipe, and on which events."""
    recipe = (training.get("recipe") or {}).get("name")
    region = training.get("region")
    return f"{f'; recipe {recipe}' if recipe else ''}{f'; trained on {region} events' if region else ''}"


def _escaped(text: str) -> str:
    import html

    return html.escape(text)


def _fold_table(folds: list[Mapping[str, Any]]) -> Markup:
    columns = {
        "n_train_signal": "Signal, trained",
        "n_train_background": "Background, trained",
        "n_eval_signal": "Signal, evaluated",
        "n_eval_background": "Background, evaluated",
        "best_iteration": "Best iteration",
        "auc_train": "AUC, trained",
        "auc_eval": "AUC, evaluated",
        "logloss_eval": "Log loss, evaluated",
    }

    def cell(entry: Mapping[str, Any], key: str) -> object:
        exact = entry.get(key)
        if exact is None:
            return "-"
        return value(exact, f"{exact:,}" if isinstance(exact, int) else f"{exact:.4f}")

    return table(
        ["Held-out fold", *columns.values()],
        [[str(entry.get("fold")), *[cell(entry, key) for key in columns]] for entry in folds],
        caption="Events and results per fold",
    )


def _protocols(comparison: Any) -> Markup:
    """Return the comparison of two ways to train, whatever it contains."""
    if not isinstance(comparison, Mapping) or not comparison:
        return Markup("")
    return join(
        heading("Protocols compared"),
        paragraph(
            "Stopping a training on the fold that is also evaluated flatters it; the clean way stops it on a part of "
            "the training folds."
        ),
        table(
            ["Quantity", "Value"],
            plain_rows(comparison),
            caption="Comparison of the protocols",
            text_columns=(1,),
        ),
    )


def _attention(inputs: Inputs, training: Mapping[str, Any]) -> Markup:
    """The masks of a network that has some."""
    steps, features = training.get("attention") or [], training.get("features") or []
    if not steps:
        return Markup("")
    return join(
        heading("Attention masks"),
        paragraph(
            "Mean over held-out events of the mask with which each decision looks at the features, in percent; a row adds up "
            "to 100. A row is named by class, number of the decision and, in brackets, how much the decision has of the sum of all."
        ),
        figure(
            render(attention_masks(steps, features, description=inputs.description)),
            alt="Mean mask of each feature, a row for each decision and class.",
        ),
    )


def _importances(inputs: Inputs, importance: Mapping[str, Mapping[str, float]], meaning: str) -> Markup:
    if not importance:
        return Markup("")
    shown = "share of the total gain" if meaning == _GAIN else meaning
    trainings = sorted(importance, key=lambda name: (name != "all", "+" not in name, name))
    figures, leaders = [], []
    for name in trainings:
        shares = importance[name]
        against = "all backgrounds" if name == "all" else name
        best = max(shares, key=lambda feature: (shares[feature], feature)) if shares else None
        if best is not None and shares[best] > 0:
            leaders.append(f"{against}: {best} ({percent(shares[best])})")
        figures.append(
            figure(
                render(
                    importances(
                        shares, title=f"against {against}", description=inputs.description, meaning=shown
                    )
                ),
                alt=f"{shown} in the training against {against}, largest: {best}.",
            )
        )
    features = sorted(
        {feature for shares in importance.values() for feature in shares},
        key=lambda feature: (-importance[trainings[0]].get(feature, 0.0), feature),
    )
    rows: list[list[object]] = [
        [
            feature,
            *[value(importance[t].get(feature), percent(importance[t].get(feature, 0.0))) for t in trainings],
        ]
        for feature in features
    ]
    return join(
        heading("Importances"),
        paragraph(
            f"{_MEANINGS.get(meaning, meaning)} in trainings against one background alone, and against all. Leading:"
            if len(trainings) > 1
            else f"{_MEANINGS.get(meaning, meaning)}. Leading:",
            "; ".join(leaders) + ".",
        ),
        grid(figures, wide=True),
        fold_away(
            "All importances as numbers",
            table(["Feature", *trainings], rows, caption=f"{shown[:1].upper()}{shown[1:]} per training"),
            is_open=False,
        ),
    )
