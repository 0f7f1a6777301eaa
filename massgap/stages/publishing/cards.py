"""How much a signal depends on the detector card: the same generated events through several, compared event by event.

The shower has random numbers of its own, so that each card gets the same events; an event that both cards select thus says nothing
on their difference in efficiency.  Errors of differences are of these pairs, and those of ratios of limits from a bootstrap in
which each generated event has one weight for all cards.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import BundleError
from massgap.stages.publishing.bundle import open_bundle
from massgap.stages.publishing.recasting import run_signal, signal_templates, signal_tests, working_folder
from massgap.stages.publishing.signal_events import EventOptions, is_lhe, signal_events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.parts import FilledPart
    from massgap.fits.planes.published import PublishedLikelihood
    from massgap.fits.workspaces.templates import Template
    from massgap.stages.publishing.bundle import Bundle
    from massgap.stages.publishing.signal_events import SignalEvents

    Floats = NDArray[np.float64]

__all__ = ["CARDS_FORMAT", "CardComparison", "compare_cards", "paired_difference"]

CARDS_FORMAT = "massgap-recast-cards/1"
REPLICAS = 40
"""Of the bootstrap: its error of an error is a ninth."""


@dataclass(frozen=True)
class CardComparison:
    """What the cards change.

    Attributes
    ----------
    results : dict
        ``massgap-recast-cards/1``: ``cards``, an entry for each with ``card``, ``channels`` (rows with ``efficiency`` and error,
        ``efficiency_change`` from the first card and its paired error, ``shifts``: mean differences of what is fitted and of the scores,
        over events that both cards select, each ``mean`` and ``error``), ``limit`` (median expected, in units of the signal), ``limit_ratio`` to the first
        card, with its error.
    """

    results: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class _Through:
    """A signal through one card: templates, and per channel key, weight (fb), fitted value and scores of each event."""

    card: str
    signal: SignalEvents
    templates: list[Template]
    events: list[pd.DataFrame]


def compare_cards(
    bundle: str | Path | Bundle,
    files: Sequence[str | Path],
    cards: Sequence[str],
    *,
    events: EventOptions | None = None,
    lumi_fb: float | None = None,
    out: str | Path | None = None,
    trust_code: bool = False,
    progress: Callable[[Any], None] | None = None,
    generated: Callable[[Any], None] | None = None,
) -> CardComparison:
    """Send the same generated events through several detector cards and compare what comes out.

    Parameters
    ----------
    bundle, files, events, lumi_fb, out, trust_code, progress, generated
        As of :func:`massgap.stages.publishing.recasting.recast`; the files are matrix-element events.
    cards
        Names or TOML files; differences are from the first.

    Returns
    -------
    CardComparison

    Raises
    ------
    BundleError
        If the events are simulated already, or there are not at least two cards.
    """
    options = events or EventOptions()
    if options.card is not None:
        msg = "give --cards or --detector, not both: --cards cms,atlas compares the second with the first"
        raise BundleError(msg)
    if options.xsec_uncertainty is not None:
        msg = (
            "--xsec-uncertainty is the same for all detector cards: leave it out where --cards compares them"
        )
        raise BundleError(msg)
    if len(set(cards)) < 2 or len(set(cards)) < len(cards):
        msg = f"--cards compares two cards or more, each once (--cards cms,atlas), not {','.join(cards) or 'none'}"
        raise BundleError(msg)
    simulated = [str(file) for file in files if not is_lhe(file)]
    if simulated:
        msg = f"{simulated[0]} is simulated already: --cards needs matrix-element events (massgap recast BUNDLE my.lhe.gz --cards {','.join(cards)})"
        raise BundleError(msg)
    opened = open_bundle(bundle)
    likelihood = opened.likelihood(lumi_fb)
    found = []
    with working_folder(out) as scratch:
        for i, card in enumerate(cards):
            place = scratch / f"card_{i}"
            place.mkdir(exist_ok=True)
            signal = signal_events(opened, files, replace(options, card=card), place, generated)
            runs = run_signal(
                opened,
                signal,
                place,
                trust_code=trust_code,
                workers=options.workers,
                progress=progress,
            )
            templates = signal_templates(likelihood, runs, signal.process)
            found.append(_Through(card, signal, templates, _selected(likelihood, runs)))
    return CardComparison(_compared(opened, likelihood, found))


def _selected(likelihood: PublishedLikelihood, runs: dict[str, RunFolder]) -> list[pd.DataFrame]:
    """Per channel the events of the signal: ``fold_key``, ``weight`` in fb, what is fitted, and the scores."""
    import pandas as pd

    from massgap.contracts.feature_table import selected_events

    found = []
    for part in likelihood.filled.parts:
        run, region, fitted = runs[part.run], f"region_{part.part.region}", part.part.histogram
        scores = [score.column for score in run.description.scores]
        wanted = list(dict.fromkeys(["fold_key", "weight", fitted, *scores]))
        tables = [
            each.table[each.table[region].to_numpy(bool)]
            for each in selected_events(run.path, run.manifest, (*wanted, region))
        ]
        empty = pd.DataFrame({"fold_key": np.zeros(0, np.uint64), "weight": np.zeros(0), fitted: np.zeros(0)})
        table = pd.concat(tables, ignore_index=True) if tables else empty
        found.append(table[[name for name in wanted if name in table]])
    return found


def paired_difference(one: pd.DataFrame, two: pd.DataFrame, produced_fb: float) -> dict[str, Any]:
    """What changes between two selections of the same events.

    Parameters
    ----------
    one, two : DataFrame
        ``fold_key``, ``weight`` (fb) and further columns of the events that are selected.
    produced_fb : float
        Cross section of all that was produced.

    Returns
    -------
    dict
        ``efficiency_change`` of the second from the first, and ``efficiency_change_error``: only events that one of them selects
        alone contribute, each with its weight squared.  ``shifts``: column -> ``mean`` (weighted) of its differences over events that both
        select, and its ``error``; None where there are fewer than two.
    """
    both = one.merge(two, on="fold_key", how="outer", suffixes=("_1", "_2"))
    w1, w2 = (both[f"weight_{i}"].fillna(0.0).to_numpy(float) for i in (1, 2))
    change, error = float((w2 - w1).sum()), float(np.sqrt(((w2 - w1) ** 2).sum()))
    shifts: dict[str, dict[str, float | None]] = {}
    for name in one.columns.intersection(two.columns).difference(["fold_key", "weight"], sort=False):
        step = (both[f"{name}_2"] - both[f"{name}_1"]).to_numpy(float)
        there = (w1 != 0.0) & (w2 != 0.0) & np.isfinite(step)
        total = float(w1[there].sum())
        if np.count_nonzero(there) < 2 or total == 0.0:
            shifts[name] = {"mean": None, "error": None}
            continue
        mean = float((w1[there] * step[there]).sum()) / total
        spread = float(np.sqrt((w1[there] ** 2 * (step[there] - mean) ** 2).sum()))
        shifts[name] = {"mean": mean, "error": spread / abs(total)}
    return {
        "efficiency_change": change / produced_fb,
        "efficiency_change_error": error / produced_fb,
        "shifts": shifts,
    }


def _compared(bundle: Bundle, likelihood: PublishedLikelihood, found: Sequence[_Through]) -> dict[str, Any]:
    from massgap.stages.publishing.tables import channel_yields

    first = found[0]
    limits = [_limit(likelihood, each.templates, each.signal) for each in found]
    replicas = _replicas(likelihood, found)
    cards = []
    for i, (each, limit) in enumerate(zip(found, limits, strict=True)):
        rows = []
        for part, template, one, two in zip(
            likelihood.filled.parts, each.templates, first.events, each.events, strict=True
        ):
            fb = each.signal.produced_fb
            change = paired_difference(one, two, fb) if i else dict.fromkeys(_CHANGES)
            yields = channel_yields(template, fb)
            about = {
                "channel": part.templates.channel,
                "region": part.part.region,
                "fitted": part.part.histogram,
            }
            rows.append({**about, **{k: yields[k] for k in _YIELDS}, "events": len(two), **change})
        ratio, error = _ratio(limit, limits[0], replicas[i], replicas[0]) if i else (None, None)
        cards.append(
            {
                "card": each.card,
                "channels": rows,
                "limit": limit,
                "limit_ratio": ratio,
                "limit_ratio_error": error,
            }
        )
    return {
        "format": CARDS_FORMAT,
        "bundle": {"path": str(bundle.path), "digest": bundle.digest},
        "signal": first.signal.process,
        "cross_section_fb": first.signal.used_fb,
        "lumi_fb": likelihood.lumi_fb,
        "events": sum(int(e["metadata"]["n_generated"]) for e in first.signal.fileset.values()),
        "replicas": REPLICAS,
        "cards": cards,
        "notes": list(dict.fromkeys([*bundle.notes(), *first.signal.notes[1:]])),
    }


_CHANGES = ("efficiency_change", "efficiency_change_error", "shifts")
_YIELDS = ("efficiency", "efficiency_error", "effective_events")


def _limit(
    likelihood: PublishedLikelihood, templates: Sequence[Template], signal: SignalEvents
) -> float | None:
    """Median expected limit, in units of the signal."""
    published = signal_tests(likelihood, templates, signal, statistics=False)[0]
    limit = published["upper_limit"]
    return None if limit is None else float(limit["expected"][2])


def _replicas(likelihood: PublishedLikelihood, found: Sequence[_Through]) -> list[list[float | None]]:
    """Limits of all cards with the same random weights of the generated events, Poisson with mean 1."""
    keys = np.unique(
        np.concatenate([table["fold_key"].to_numpy() for each in found for table in each.events])
    )
    out: list[list[float | None]] = [[] for _ in found]
    if not len(keys):
        return out
    rng = np.random.default_rng(1)
    for _ in range(REPLICAS):
        factors = rng.poisson(1.0, len(keys)).astype(float)
        for each, limits in zip(found, out, strict=True):
            templates = [
                _resampled(
                    part, template, table, factors[np.searchsorted(keys, table["fold_key"].to_numpy())]
                )
                for part, template, table in zip(
                    likelihood.filled.parts, each.templates, each.events, strict=True
                )
            ]
            limits.append(_limit(likelihood, templates, each.signal))
    return out


def _resampled(part: FilledPart, template: Template, table: pd.DataFrame, factors: Floats) -> Template:
    """A template of reweighted events; variations keep their ratio to the nominal yields, bin by bin."""
    values = table[part.part.histogram].to_numpy(float)
    edges = part.templates.edges
    there = np.isfinite(values)
    at = np.clip(np.searchsorted(edges, values[there], side="right") - 1, 0, len(edges) - 2)
    weights = (table["weight"].to_numpy(float) * factors)[there]
    filled, squares = (
        np.asarray(np.bincount(at, each, len(edges) - 1), dtype=np.float64) for each in (weights, weights**2)
    )
    nominal = template.values  # noqa: PD011 (no data frame)
    ratio = np.where(nominal, filled / np.where(nominal, nominal, 1.0), 0.0)
    return replace(
        template,
        values=filled,
        variances=squares,
        variations={k: (up * ratio, down * ratio) for k, (up, down) in template.variations.items()},
        one_sided={k: (side, v * ratio) for k, (side, v) in template.one_sided.items()},
    )


def _ratio(
    limit: float | None,
    first: float | None,
    own: Sequence[float | None],
    of_first: Sequence[float | None],
) -> tuple[float | None, float | None]:
    if limit is None or first is None:
        return None, None
    pairs = [(a, b) for a, b in zip(own, of_first, strict=True) if a is not None and b is not None]
    ratios = [a / b for a, b in pairs]
    return limit / first, float(np.std(ratios, ddof=1)) if len(ratios) > 1 else None
