"""What a training looked like: ROC and loss per fold, and which features it used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.labels import NOTHING, plottable
from massgap.reports.figures.style import legend_above, log_range, new_figure, nothing, style, thin_log_ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from massgap.contracts.description import Description

FOLD_COLOURS = ("#1f6fb5", "#d9730d", "#2a7d3f", "#832db6", "#a96b59", "#56606a")


def roc(folds: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw background efficiency against signal efficiency for each fold's held-out events.

    Parameters
    ----------
    folds
        Entries of ``training.json``: ``fold``, ``auc_eval``, ``roc`` with ``fpr`` and ``tpr``, and ``roc_band``.
    """
    with style():
        figure, (axes,) = new_figure(3.6)
        handles, labels, curves = [], [], []
        for index, fold in enumerate(folds):
            fpr = np.asarray(fold["roc"]["fpr"], dtype=float)
            tpr = np.asarray(fold["roc"]["tpr"], dtype=float)
            curves.append(fpr[(fpr > 0) & (tpr > 0.02)])
            colour = FOLD_COLOURS[index % len(FOLD_COLOURS)]
            handles.append(axes.plot(tpr, np.where(fpr > 0, fpr, np.nan), color=colour)[0])
            if band := fold.get("roc_band"):
                low, high = (np.asarray(band[name], dtype=float) for name in ("low", "high"))
                axes.fill_between(band["tpr"], low, high, where=low > 0, color=colour, alpha=0.25, lw=0)
            auc = fold.get("auc_eval")
            labels.append(f"fold {fold['fold']}" + ("" if auc is None else f": AUC {auc:.4f}"))
        limits = log_range(curves, decades=5)
        if limits is None:
            nothing(axes, "no curve")
        else:
            diagonal = np.linspace(0.001, 1, 200)
            handles.append(axes.plot(diagonal, diagonal, color="#9aa4ad", lw=0.9, ls="--")[0])
            labels.append("no separation")
            axes.set_yscale("log")
            axes.set_ylim(limits[0], 1.3)
            thin_log_ticks(axes)
        axes.set_xlim(0, 1)
        axes.set_xlabel("Signal efficiency")
        axes.set_ylabel("Background efficiency")
        legend_above(figure, handles, labels, columns=2)
    return figure


def loss_curves(folds: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the log loss against the number of iterations (trees, epochs): training dashed, validation full.

    The dot is the iteration that is used.
    """
    with style():
        figure, (axes,) = new_figure(3.6)
        handles, labels = [], []
        for index, fold in enumerate(folds):
            colour = FOLD_COLOURS[index % len(FOLD_COLOURS)]
            train = np.asarray(fold["loss_curve"].get("train", ()), dtype=float)
            valid = np.asarray(fold["loss_curve"].get("valid", ()), dtype=float)
            axes.plot(np.arange(1, len(train) + 1), train, color=colour, ls="--", lw=1.1)
            handles.append(axes.plot(np.arange(1, len(valid) + 1), valid, color=colour)[0])
            labels.append(f"fold {fold['fold']}")
            best = fold.get("best_iteration")
            if best is not None and 0 <= int(best) < len(valid):
                axes.plot([int(best) + 1], [valid[int(best)]], "o", ms=4.5, color=colour)
        if not axes.lines:
            nothing(axes, "no curve")
        axes.set_xlabel("Iterations")
        axes.set_ylabel("Log loss (dashed: training)")
        legend_above(figure, handles, labels, columns=4)
    return figure


def calibration_curves(folds: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the share of signal against the score, for each fold's held-out events with the weights of the training."""
    with style():
        figure, (axes,) = new_figure(3.6)
        handles: list[Any] = []
        labels: list[str] = []
        for index, fold in enumerate(folds):
            found = fold.get("calibration")
            if not found:
                continue
            drawn = axes.errorbar(
                found["score"], found["signal"], found["uncertainty"], color=FOLD_COLOURS[index % len(FOLD_COLOURS)],
                marker="o", ms=3, lw=1,
            )  # fmt: skip
            handles.append(drawn)
            labels.append(f"fold {fold['fold']}")
        if not handles:
            nothing(axes, "no curve")
        else:
            handles.append(axes.plot([0, 1], [0, 1], color="#9aa4ad", lw=0.9, ls="--")[0])
            labels.append("a probability")
            axes.set_xlim(0, 1)
            axes.set_ylim(-0.05, 1.05)
        axes.set_xlabel("Score")
        axes.set_ylabel("Share of signal")
        legend_above(figure, handles, labels, columns=4)
    return figure


def importances(
    share: Mapping[str, float],
    *,
    title: str = "",
    most: int = 15,
    description: Description | None = None,
    meaning: str = "share of the total gain",
) -> Figure:
    """Draw the importance of each feature in a training.

    Parameters
    ----------
    share
        Share per feature; all add up to one.
    most
        Number of features to show; the others are added up in one bar.
    description
        The run's own, for labels; names without it.
    meaning
        Of what the share is.
    """
    described = description or NOTHING
    ranked = sorted(share.items(), key=lambda item: (-item[1], item[0]))
    shown = [
        (plottable(described.feature(name).label or name), part) for name, part in ranked[:most] if part > 0
    ]
    rest = [part for _, part in ranked if part > 0][len(shown) :]
    if rest:
        shown.append((f"{len(rest)} others", sum(rest)))
    with style():
        figure, (axes,) = new_figure(0.95 + 0.2 * max(4, len(shown)), left=0.36)
        figure.subplots_adjust(top=1 - 0.3 / figure.get_figheight())
        if not shown:
            nothing(axes, "no split was made")
        else:
            names, parts = zip(*shown, strict=True)
            positions = np.arange(len(shown))[::-1]
            axes.barh(positions, [100 * part for part in parts], color="#1f6fb5", height=0.72)
            for position, part in zip(positions, parts, strict=True):
                axes.annotate(
                    f"{100 * part:.1f}",
                    (100 * part, position),
                    (3, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                )
            axes.set_yticks(positions, names)
            axes.set_xlim(0, 118 * max(parts))
            axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.tick_params(axis="y", which="both", length=0, right=False)
        axes.minorticks_off()
        axes.set_xlabel(f"{meaning[:1].upper()}{meaning[1:]} [%]")
        axes.set_title(title, loc="left")
    return figure


def attention_masks(
    steps: Sequence[Mapping[str, Any]],
    features: Sequence[str],
    *,
    most: int = 20,
    description: Description | None = None,
) -> Figure:
    """Draw the mean attention mask of each decision, of signal and of background.

    Parameters
    ----------
    steps
        Of each decision its ``share``, and per class (``background``, ``signal``) the mean mask of each feature.
    features
        Their names.
    most
        Number of features to show, those that are looked at most first; the others are added up in one column.
    description
        The run's own, for labels; names without it.
    """
    described = description or NOTHING
    classes = ("background", "signal")
    values = np.array([[step[kind] for kind in classes] for step in steps]).reshape(-1, len(features))
    first = np.argsort(-values.mean(axis=0), kind="stable")
    labels = [plottable(described.feature(features[i]).label or features[i]) for i in first[:most]]
    if rest := len(first) - len(labels):
        values = np.column_stack([values[:, first[:most]], values[:, first[most:]].sum(axis=1)])
        labels.append(f"{rest} others")
    else:
        values = values[:, first]
    rows = [
        f"{kind} {number + 1} ({100 * step['share']:.0f} %)"
        for number, step in enumerate(steps)
        for kind in classes
    ]
    with style():
        figure, (axes,) = new_figure(1.6 + 0.22 * max(4, len(rows)), left=0.36)
        figure.subplots_adjust(bottom=1.0 / figure.get_figheight(), top=1 - 0.15 / figure.get_figheight())
        axes.imshow(100 * values, aspect="auto", cmap="Blues", vmin=0.0, vmax=100 * max(values.max(), 0.01))
        for row, column in np.ndindex(*values.shape):
            dark = values[row, column] > 0.6 * values.max()
            axes.text(
                column,
                row,
                f"{100 * values[row, column]:.0f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if dark else "black",
            )
        axes.set_yticks(range(len(rows)), rows)
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
    return figure
