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
from massgap.stages.publishing.pairing import paired_difference, ratio_of, resampled, spread, weighted_means
from massgap.stages.publishing.recasting import run_signal, signal_templates, working_folder
from massgap.stages.publishing.signal_events import EventOptions, is_lhe, signal_events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.planes.published import PublishedLikelihood
    from massgap.fits.workspaces.patch_sets import Patch
    from massgap.fits.workspaces.templates import Template
    from massgap.stages.publishing.bundle import Bundle
    from massgap.stages.publishing.signal_events import SignalEvents

__all__ = ["CARDS_FORMAT", "CardComparison", "SignalLimits", "compare_cards", "signal_regions"]

CARDS_FORMAT = "massgap-recast-cards/1"
REPLICAS = 40
"""Of the bootstrap: its error of an error is a ninth."""


@dataclass(frozen=True)
class CardComparison:
    """What the cards change.

    Attributes
    ----------
    results : dict
        ``massgap-recast-cards/1``: ``controls``, channels that are control regions; ``cards``, an entry for each with ``card``,
        ``channels`` and the combined limit: ``limit`` (median expected, in units of the signal), its ``limit_error`` from the
        finite sample, ``limit_ratio`` to the first card, with its error.  A row per channel has ``efficiency`` and error,
        ``efficiency_change`` from the first card and its paired error; of what is fitted and of the scores ``means`` (``mean``,
        ``error``), ``mean_changes`` (``change``, ``error``) and ``shifts``, mean differences over events that both cards select (``mean``,
        ``error``); and the limit of this region with the control regions alone, as above (null of control regions, and where
        there is none).
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
    controls: Sequence[str] | None = None,
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
    controls
        Channels that are control regions: they stay beside each region whose own limit is computed, and have none. By default
        those that the bundle names.

    Returns
    -------
    CardComparison

    Raises
    ------
    BundleError
        If the events are simulated already, there are not at least two cards, or a control region is no channel.
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
    regions = signal_regions(likelihood, controls)
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
    return CardComparison(_compared(opened, likelihood, found, regions))


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


@dataclass(frozen=True)
class SignalLimits:
    """A signal as it is tested: of all channels together, and of each region with the control regions alone.

    Attributes
    ----------
    likelihood : PublishedLikelihood
    regions : dict
        Of :func:`signal_regions`.
    produced_fb : float
        Cross section of what was produced.
    name : str
    scale : float
        Cross section of the test, over that.
    """

    likelihood: PublishedLikelihood
    regions: dict[str, frozenset[str]]
    produced_fb: float
    name: str
    scale: float

    def limits(self, templates: Sequence[Template]) -> dict[str, float | None]:
        """Median expected limits, in units of the signal: "" of all channels, and by region; None where there is none."""
        from massgap.fits.planes.points import PlanePoint

        channels = self.likelihood.channels
        filled = {name for name, each in zip(channels, templates, strict=True) if np.any(each.values)}
        wanted = {"": frozenset(channels), **self.regions}
        if not filled:
            return dict.fromkeys(wanted)
        plane = self.likelihood.with_signal(self.name, templates)
        patch, _ = self.likelihood.patch(plane, PlanePoint(self.name, {}, self.produced_fb), self.scale)
        found: dict[frozenset[str], float | None] = {}
        for kept in wanted.values():
            # The only signal region, with all control regions, is the whole likelihood.
            if kept not in found:
                found[kept] = self._limit(patch, kept) if kept & filled else None
        return {name: found[kept] for name, kept in wanted.items()}

    def _limit(self, patch: Patch, kept: frozenset[str]) -> float | None:
        every = len(kept) == len(self.likelihood.channels)
        (tested,) = self.likelihood.test([patch], channels=None if every else kept)
        return None if "error" in tested else float(tested["upper_limit"]["expected"][2])


def signal_regions(
    likelihood: PublishedLikelihood, controls: Sequence[str] | None
) -> dict[str, frozenset[str]]:
    """Channel of each signal region -> the channels that its own limit is of: itself, and the control regions.

    Parameters
    ----------
    likelihood
    controls
        Channels that are control regions; None for those that the bundle names.

    Raises
    ------
    BundleError
        If a control region is no channel, or nothing else is left.
    """
    channels = likelihood.channels
    chosen = likelihood.controls if controls is None else tuple(controls)
    unknown = [name for name in chosen if name not in channels]
    if unknown:
        msg = f"'{unknown[0]}' is no channel of the bundle: --control takes {', '.join(channels)}"
        raise BundleError(msg)
    signal = [name for name in channels if name not in chosen]
    if not signal and controls is not None:
        msg = f"all channels of the bundle would be control regions ({', '.join(chosen)}): leave out one of them (--control {chosen[0]})"
        raise BundleError(msg)
    return {name: frozenset({name, *chosen}) for name in signal}


def _compared(
    bundle: Bundle,
    likelihood: PublishedLikelihood,
    found: Sequence[_Through],
    regions: dict[str, frozenset[str]],
) -> dict[str, Any]:
    first = found[0]
    tested = [
        SignalLimits(likelihood, regions, s.produced_fb, s.process, s.scale)
        for s in (each.signal for each in found)
    ]
    limits = [each.limits(through.templates) for each, through in zip(tested, found, strict=True)]
    replicas = _replicas(likelihood, found, tested)

    def about(i: int, name: str) -> dict[str, float | None]:
        """The limit of a region, or "" of all, through a card."""
        own, of_first = ([each[name] for each in replicas[k]] for k in (i, 0))
        ratio, error = ratio_of(limits[i][name], limits[0][name], own, of_first) if i else (None, None)
        return {
            "limit": limits[i][name],
            "limit_error": None if limits[i][name] is None else spread(own),
            "limit_ratio": ratio,
            "limit_ratio_error": error,
        }

    cards = []
    for i, each in enumerate(found):
        rows = [
            {**row, **(about(i, row["channel"]) if row["channel"] in regions else dict.fromkeys(_LIMITS))}
            for row in _rows(likelihood, first, each, regions)
        ]
        cards.append({"card": each.card, "channels": rows, **about(i, "")})
    notes = [*bundle.notes(), *first.signal.notes[1:]]
    if len(regions) > 1 and len(regions) == len(likelihood.channels):
        notes.append(
            "the limit of a region is of its channel alone, as the bundle names no control region; where channels constrain the backgrounds of "
            f"others, say which (--control {likelihood.channels[-1]})"
        )
    if all(limit is None for each in limits for limit in each.values()):
        notes.append(
            "no limit could be computed through any card: hardly an event of the signal is in a signal region; more events tell more (--events)"
        )
    return {
        "format": CARDS_FORMAT,
        "bundle": {"path": str(bundle.path), "digest": bundle.digest},
        "signal": first.signal.process,
        "cross_section_fb": first.signal.used_fb,
        "lumi_fb": likelihood.lumi_fb,
        "level": likelihood.level,
        "controls": [name for name in likelihood.channels if name not in regions],
        "events": sum(int(e["metadata"]["n_generated"]) for e in first.signal.fileset.values()),
        "replicas": REPLICAS,
        "cards": cards,
        "notes": list(dict.fromkeys(notes)),
    }


_LIMITS = ("limit", "limit_error", "limit_ratio", "limit_ratio_error")
_CHANGES = ("efficiency_change", "efficiency_change_error", "shifts", "mean_changes")
_YIELDS = ("efficiency", "efficiency_error", "effective_events")


def _rows(
    likelihood: PublishedLikelihood, first: _Through, each: _Through, regions: dict[str, frozenset[str]]
) -> list[dict[str, Any]]:
    """What is selected per channel, and its changes from the first card."""
    from massgap.stages.publishing.tables import channel_yields

    rows = []
    for part, template, one, two in zip(
        likelihood.filled.parts, each.templates, first.events, each.events, strict=True
    ):
        fb = each.signal.produced_fb
        yields = channel_yields(template, fb)
        rows.append(
            {
                "channel": part.templates.channel,
                "region": part.part.region,
                "control": part.templates.channel not in regions,
                "fitted": part.part.histogram,
                **{key: yields[key] for key in _YIELDS},
                "events": len(two),
                "means": weighted_means(two),
                **(dict.fromkeys(_CHANGES) if each is first else paired_difference(one, two, fb)),
            }
        )
    return rows


def _replicas(
    likelihood: PublishedLikelihood, found: Sequence[_Through], tested: Sequence[SignalLimits]
) -> list[list[dict[str, float | None]]]:
    """Limits of all cards with the same random weights of the generated events, Poisson with mean 1."""
    parts = likelihood.filled.parts
    keys = np.unique(
        np.concatenate([table["fold_key"].to_numpy() for each in found for table in each.events])
    )
    out: list[list[dict[str, float | None]]] = [[] for _ in found]
    kept = all(
        part.part.histogram in table for each in found for part, table in zip(parts, each.events, strict=True)
    )
    if not len(keys) or not kept:
        return out
    rng = np.random.default_rng(1)
    for _ in range(REPLICAS):
        factors = rng.poisson(1.0, len(keys)).astype(float)
        for each, signal, limits in zip(found, tested, out, strict=True):
            templates = [
                resampled(part, template, table, factors[np.searchsorted(keys, table["fold_key"].to_numpy())])
                for part, template, table in zip(parts, each.templates, each.events, strict=True)
            ]
            limits.append(signal.limits(templates))
    return out
