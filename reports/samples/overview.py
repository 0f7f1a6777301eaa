"""What a folder of samples holds: cross sections, events, weights, times; and whether its books balance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from massgap.reports.html.html import Markup, fold_away, lines, table
from massgap.reports.html.numbers import measured, number, percent
from massgap.reports.samples.checks import Check, Part, decided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.reports.samples.inputs import Chunk, Dataset

#: Sums of weights in another order, or from single precision, differ by less than this fraction.
SAME = 1e-5


class Overview:
    """Counts and weights of every dataset."""

    branches = ("genWeight", "run", "luminosityBlock", "event")

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self.datasets = datasets
        self.events = dict.fromkeys((d.name for d in datasets), 0)
        # sum, sum of squares, smallest and largest size of weights, in fb; number of negative ones
        self.weights = {d.name: [0.0, 0.0, math.inf, 0.0, 0.0] for d in datasets}
        # numbers of hard processes that are there several times, and weights: their copies are one event
        self._copies: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}

    def fill(self, chunk: Chunk) -> None:
        """Add events."""
        name, weight = chunk.dataset.name, chunk.weight
        self.events[name] += chunk.n
        found, size = self.weights[name], np.abs(weight[weight != 0])
        found[0] += float(weight.sum())
        copies = int(chunk.dataset.metadata.get("n_copies") or 1)
        if copies > 1 and chunk.has("luminosityBlock", "event"):
            number = chunk.values("luminosityBlock").astype(np.uint64) << np.uint64(40)
            self._copies.setdefault(name, []).append(
                (number | chunk.values("event").astype(np.uint64), weight)
            )
        else:
            found[1] += copies * float((weight**2).sum())
        if len(size):
            found[2], found[3] = min(found[2], float(size.min())), max(found[3], float(size.max()))
        found[4] += int((weight < 0).sum())

    def finish(self, problems: Sequence[str]) -> Part:
        """Return tables and checks."""
        part = Part()
        for name, pieces in self._copies.items():
            keys, weights = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
            _, event = np.unique(keys, return_inverse=True)
            self.weights[name][1] += float((np.bincount(event, weights) ** 2).sum())
        self._copies = {}
        part.tables.append(self._processes())
        times = self._times(part)
        if times is not None:
            part.tables.append(times)
        short = len(self.datasets) <= 12
        part.tables.append(fold_away("Datasets, one by one", self._datasets(), is_open=short))
        part.tables.append(fold_away("Where they come from", self._origins(), is_open=short))
        part.checks = self._checks(problems)
        return part

    def _processes(self) -> Markup:
        rows: list[list[object]] = []
        for process in dict.fromkeys(d.process for d in self.datasets):
            own = [d for d in self.datasets if d.process == process]
            xsec = sum(float(d.metadata.get("xsec_fb", 0.0)) for d in own)
            total = [self.weights[d.name] for d in own]
            events = sum(self.events[d.name] for d in own)
            squares = sum(t[1] for t in total)
            low, high = min(t[2] for t in total), max(t[3] for t in total)
            rows.append(
                [
                    process + (" (signal)" if own[0].metadata.get("is_signal") else ""),
                    measured(xsec, self._error(own)) if xsec else "0",
                    _whole(own, "n_generated"),
                    f"{events:,}",
                    number(sum(t[0] for t in total) ** 2 / squares) if squares > 0 else "-",
                    f"{math.log10(high / low):.1f}" if 0 < low <= high else "-",
                    "yes" if all(d.metadata.get("complete", True) for d in own) else "no",
                    percent(sum(t[4] for t in total) / events) if events else "-",
                ]
            )
        return table(
            ["Process", "Cross section [fb]", "Generated", "Written", "Effective",
             "Weights span", "Complete", "Negative"],
            rows,
            caption="Per process. The cross section is that of the events in the files, after all filters. Effective: as "
            "many events of equal weight have the same statistical error, where copies of one hard process (massgap generate --repeat or --responses) are one "
            "event. Weights span: decades from the smallest "
            "to the largest. Negative: share of events with negative weight.",
        )  # fmt: skip

    def _error(self, datasets: Sequence[Dataset]) -> float:
        return math.sqrt(sum(_xsec_error(d) ** 2 for d in datasets))

    def _datasets(self) -> Markup:
        rows: list[list[object]] = []
        for d in self.datasets:
            meta, weights = d.metadata, self.weights[d.name]
            efficiency = meta.get("filter_efficiency")
            xsec = float(meta.get("xsec_fb", 0.0))
            stated = meta.get("filter_efficiency_error")
            relative = _xsec_error(d) / xsec if xsec else 0.0
            if stated is not None and efficiency:
                relative = float(stated) / float(efficiency)
            hard, hard_error = meta.get("hard_xsec_fb"), meta.get("hard_xsec_error_fb")
            tranche = d.tranche
            span = "not sliced"
            if tranche and tranche.get("variable") not in {None, "all"}:
                high = tranche.get("max")
                span = f"{tranche['variable']}: {number(tranche.get('min'))} to {'inf' if high is None else number(high)}"
            rows.append(
                [
                    d.name,
                    span,
                    measured(hard, hard_error) if hard and hard_error else number(hard, 4),
                    "-"
                    if efficiency is None
                    else measured(100 * efficiency, 100 * efficiency * relative) + " %",
                    number(xsec, 4),
                    f"{meta['n_generated']:,}" if "n_generated" in meta else "-",
                    f"{self.events[d.name]:,}",
                    number(weights[0] ** 2 / weights[1]) if weights[1] > 0 else "-",
                    "-" if self._ratio(d) is None else f"{self._ratio(d):.6f}",
                    "yes" if meta.get("complete", True) else "no",
                    str(meta.get("settings_hash", "-")),
                ]
            )
        return table(
            ["Dataset", "Slice", "Hard [fb]", "Filter efficiency", "After filter [fb]", "Generated", "Written",
             "Effective", "Sum of weights, read / stated", "Complete", "Settings"],
            rows,
            caption="Per dataset. Hard: cross section of the hard process before filters. Filter efficiency: with the "
            "statistical error of the events that were tried.",
            text_columns=(1,),
        )  # fmt: skip

    def _origins(self) -> Markup:
        keys = ("generator", "order", "detector", "seed", "description", "filter", "xsec_source")
        rows: dict[tuple[str, ...], list[object]] = {}
        for d in self.datasets:
            found = tuple(str(d.metadata.get(key) or "") for key in keys)
            generator, order, card, seed, description, wanted, source = found
            rows.setdefault(
                (d.group, *found),
                [
                    d.group,
                    lines(description or "-", *([f"Filter: {wanted}"] if wanted else [])),
                    lines(generator or "-", *([order] if order else []), *([source] if source else [])),
                    card or "-",
                    seed or "-",
                ],
            )
        return table(
            ["Sample", "Description", "Generator and cross section", "Card", "Seed"],
            list(rows.values()),
            caption="All slices of a sample are in one line. Equal settings and seeds give equal events.",
            text_columns=(1, 2, 3),
        )

    def _times(self, part: Part) -> Markup | None:
        rows: list[list[object]] = []
        steps = list(
            dict.fromkeys(
                step for d in self.datasets for block in d.blocks for step in (block.get("cpu_s") or {})
            )
        )
        total: dict[str, float] = {}
        generated_in_all = 0
        for process in dict.fromkeys(d.process for d in self.datasets):
            blocks = [b for d in self.datasets if d.process == process for b in d.blocks if b.get("cpu_s")]
            seconds = {step: sum(float(b["cpu_s"].get(step, 0.0)) for b in blocks) for step in steps}
            spent = sum(seconds.values())
            if spent <= 0:
                continue
            generated = sum(int(b.get("generated", 0)) for b in blocks)
            generated_in_all += generated
            for step in steps:
                total[step] = total.get(step, 0.0) + seconds[step]
            shares = [percent(seconds[step] / spent) for step in steps]
            rows.append([process, number(generated / spent), number(spent), *shares])
        if not rows:
            part.absent.append("Time per step: the files carry no record of processor time.")
            return None
        spent = sum(total.values())
        shares = [percent(total[step] / spent) for step in steps]
        rows.append(["all", number(generated_in_all / spent), number(spent), *shares])
        return table(
            ["Process", "Events/s per core", "CPU time [s]", *steps],
            rows,
            caption="Speed: generated events per second of one core, and the share of time of each step.",
        )

    def _ratio(self, d: Dataset) -> float | None:
        stated, per = float(d.metadata.get("sum_weights") or 0.0), d.per_weight
        return self.weights[d.name][0] / per / stated if stated and per else None

    def _checks(self, problems: Sequence[str]) -> list[Check]:
        ratios = [self._ratio(d) for d in self.datasets]
        worst = max((abs(r - 1) for r in ratios if r is not None), default=0.0)
        lost = sum(
            abs(self.events[d.name] - int(d.metadata["n_events"]))
            for d in self.datasets
            if "n_events" in d.metadata
        )
        off = max(
            (
                abs(float(m["hard_xsec_fb"]) * float(m["filter_efficiency"]) / float(m["xsec_fb"]) - 1)
                for m in (d.metadata for d in self.datasets)
                if m.get("hard_xsec_fb") and m.get("filter_efficiency") and m.get("xsec_fb")
            ),
            default=None,
        )
        without = sum(not d.metadata.get("complete", True) for d in self.datasets)
        checks = [
            decided("bookkeeping", "files that cannot be read", len(problems), 0, not problems,
                    "Every file of the fileset must open; damaged ones are named below.", unit="files"),
            decided("bookkeeping", "events missing or too many", lost, 0, lost == 0,
                    "Events in the files against the number that the fileset states.", unit="events"),
            decided("bookkeeping", "sum of weights", worst, 0, worst < SAME,
                    "Largest relative difference between the weights read and the fileset's sum_weights: with it, "
                    "each dataset adds up to its cross section.", unit=""),
            decided("bookkeeping", "incomplete datasets", without, 0, not without,
                    "Datasets with blocks still to be generated: right in weight, but with fewer events than planned.",
                    unit="datasets"),
        ]  # fmt: skip
        if off is not None:
            checks.append(
                decided("bookkeeping", "cross section after the filters", off, 0, off < SAME,
                        "Largest relative difference between the stated cross section and that of the hard process "
                        "times the filter efficiency.")
            )  # fmt: skip
        # a file without the tree has nothing to compare
        runs = [d for d in self.datasets if d.files and len(d.runs) == len(d.files)]
        if runs:
            wrong = max(
                abs(sum(w for _, w in d.runs) / float(d.metadata.get("sum_weights") or 1.0) - 1) for d in runs
            )
            checks.append(
                decided("bookkeeping", "weights in the Runs trees", wrong, 0, wrong < SAME,
                        "Largest relative difference between the files' own sums (genEventSumw) and the fileset's.")
            )  # fmt: skip
        return checks


def _whole(datasets: Sequence[Dataset], key: str) -> str:
    values = [d.metadata.get(key) for d in datasets]
    return "-" if None in values else f"{sum(int(v) for v in values if v is not None):,}"


def _xsec_error(d: Dataset) -> float:
    """Statistical error of the cross section (fb): the stated one, or of the share of tried events that was kept."""
    stated = d.metadata.get("xsec_error_fb")
    if stated is not None:
        return float(stated)
    efficiency = float(d.metadata.get("filter_efficiency") or 0.0)
    hard = float(d.metadata.get("hard_xsec_fb") or 0.0)
    if (
        efficiency
        and hard
        and ("filter_efficiency_error" in d.metadata or "hard_xsec_error_fb" in d.metadata)
    ):
        return float(d.metadata.get("xsec_fb", 0.0)) * math.hypot(
            float(d.metadata.get("filter_efficiency_error") or 0.0) / efficiency,
            float(d.metadata.get("hard_xsec_error_fb") or 0.0) / hard,
        )
    tried, events = d.count("tried"), int(d.metadata.get("n_events") or 0)
    if not tried or not events:
        return 0.0
    share = min(1.0, events / tried)
    return float(d.metadata.get("xsec_fb", 0.0)) * math.sqrt((1 - share) / events)
