"""What a chunk of events adds up to: histograms, cutflow, weights and feature rows.

A :class:`Tally` is the accumulator that an analysis returns from ``process``.  Tallies add with ``+`` in any
order and give the same bits (see :mod:`massgap.arrays.exact_sum`); :meth:`Tally.result` turns the sum
into histograms, cutflow and tables in fb.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from massgap.arrays.exact_sum import ExactSum
from massgap.contracts.feature_table import LazyTables
from massgap.contracts.filesets.normalisation import normalisation
from massgap.events.pdf_members import is_member
from massgap.processors.base.results.copies import CopyErrors, copies_of
from massgap.processors.base.results.members import PDF_DOWN, PDF_UP, sides_of_members
from massgap.processors.base.results.steps import all_steps, joined_steps
from massgap.processors.base.sums import HistogramSums
from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from massgap.processors.base.histograms import Layout

__all__ = ["NOT_CHOSEN", "CutCount", "DatasetTally", "Tally"]

NOT_CHOSEN = "it was not chosen for this data set"
"""Why the events of a data set count as nominal in a systematic that others have."""


@dataclass
class CutCount:
    """Events that reach a step of the cutflow: number, sum of weights, sum of squared weights."""

    raw: int = 0
    sums: ExactSum = field(default_factory=lambda: ExactSum(2))

    def fill(self, weights: np.ndarray) -> None:
        """Count events with these generator weights."""
        self.raw += len(weights)
        self.sums.fill_total(weights)

    def fill_equal(self, weights: np.ndarray) -> None:
        """Count events whose weights are equal but for their signs: the same sums, faster."""
        self.raw += len(weights)
        if len(weights):
            positive = int(np.count_nonzero(weights > 0))
            size = abs(float(weights[0]))
            self.sums.add_times(0, size, 2 * positive - len(weights))
            self.sums.add_times(1, size * size, len(weights))

    def __iadd__(self, other: CutCount) -> Self:
        self.raw += other.raw
        self.sums += other.sums
        return self

    def copy(self) -> CutCount:
        """A count that can be added to without changing this one."""
        out = CutCount()
        out += self
        return out


class Rows(Protocol):
    """Feature rows of a chunk that are kept elsewhere."""

    def read(self) -> dict[str, np.ndarray]:
        """The columns."""


@dataclass
class DatasetTally:
    """The part of a tally that belongs to one dataset.  Weights are generator weights throughout.

    Steps of the cutflow are pairs of channel and step.  ``systematics`` are those that are done for it, and ``nominal`` tells
    of each why events have no such weights, and how many: they count as nominal.  ``labels`` counts, for each column of a score whose
    model has labels, the events that are ``scored`` and those ``outside`` of what it was trained in.
    """

    metadata: dict[str, Any]
    steps: tuple[tuple[str, str], ...]
    total: CutCount = field(default_factory=CutCount)
    cutflow: dict[tuple[str, str], CutCount] = field(default_factory=dict)
    histograms: HistogramSums = field(default_factory=HistogramSums)
    undefined: dict[str, int] = field(default_factory=dict)
    features: dict[tuple[str, int], dict[str, np.ndarray] | Rows] = field(default_factory=dict)
    systematics: tuple[str, ...] = ()
    nominal: dict[str, dict[str, int]] = field(default_factory=dict)
    labels: dict[str, dict[str, int]] = field(default_factory=dict)

    def count_nominal(self, systematic: str, reasons: Mapping[str, int]) -> None:
        """Count events that have no weights of a systematic.

        Parameters
        ----------
        systematic
            Its name.
        reasons
            Why -> how many.
        """
        counts = self.nominal.setdefault(systematic, {})
        for why, n in reasons.items():
            counts[why] = counts.get(why, 0) + n

    def __iadd__(self, other: DatasetTally) -> Self:
        name = self.metadata.get("dataset", "?")
        shorter = self if len(self.steps) <= len(other.steps) else other
        left = {key: count.raw for key, count in shorter.cutflow.items()}
        steps = joined_steps(self.steps, other.steps, left)
        if self.metadata != other.metadata or steps is None or not self.histograms.matches(other.histograms):
            msg = f"dataset {name!r}: its chunks were processed with different metadata or options and cannot be added"
            raise ProcessorError(msg)
        for path, start in self.features.keys() & other.features.keys():
            msg = (
                f"dataset {name!r}: the events of {path or 'a chunk without a file name'} from entry {start} on were "
                'added twice. Events made by hand need "filename" and "entrystart" in their metadata to keep features'
            )
            raise ProcessorError(msg)
        self.steps = steps
        self.total += other.total
        for step, count in other.cutflow.items():
            self.cutflow.setdefault(step, CutCount())
            self.cutflow[step] += count
        self.histograms += other.histograms
        for key, n in other.undefined.items():
            self.undefined[key] = self.undefined.get(key, 0) + n
        for systematic, reasons in other.nominal.items():
            self.count_nominal(systematic, reasons)
        for kind, columns in other.labels.items():
            counts = self.labels.setdefault(kind, {})
            for column, n in columns.items():
                counts[column] = counts.get(column, 0) + n
        self.features.update(other.features)
        return self

    def copy(self) -> DatasetTally:
        """A copy that can be added to without changing this one."""
        empty = HistogramSums(self.histograms.variations, self.histograms.bins)
        out = DatasetTally(dict(self.metadata), self.steps, histograms=empty, systematics=self.systematics)
        out += self
        return out


class Tally:
    """The sum over chunks of events; add with ``+``.

    Parameters
    ----------
    layout
        The histograms of the analysis.
    channels
        Names of its channels.
    """

    adds_exactly = True
    """Sums do not depend on the order, see :mod:`massgap.runner.checkpoints.merge_tree`."""

    def __init__(self, layout: Layout, channels: tuple[str, ...]) -> None:
        self.layout = layout
        self.channels = tuple(channels)
        self.datasets: dict[str, DatasetTally] = {}

    def __iadd__(self, other: Tally) -> Self:
        if self.layout != other.layout or self.channels != other.channels:
            msg = "results of different analyses or options cannot be added: their histograms differ"
            raise ProcessorError(msg)
        for name, part in other.datasets.items():
            if name in self.datasets:
                self.datasets[name] += part
            else:
                self.datasets[name] = part.copy()
        return self

    def __add__(self, other: Tally) -> Tally:
        out = Tally(self.layout, self.channels)
        out += self
        out += other
        return out

    def normalise(self, sum_weights: Mapping[str, float]) -> None:
        """Say what the generator weights of datasets sum to, where their chunks were processed without knowing it.

        Parameters
        ----------
        sum_weights
            Dataset -> sum of generator weights of all its events; datasets without a chunk are left out.
        """
        for name, total in sum_weights.items():
            if name in self.datasets:
                self.datasets[name].metadata["sum_weights"] = total

    def scales(self) -> dict[str, float]:
        """Factor from generator weight to fb for each dataset."""
        return {
            name: normalisation(part.metadata, float(part.total.sums.values()[0]), part.total.raw)
            for name, part in sorted(self.datasets.items())
        }

    def result(self) -> dict[str, Any]:
        """Histograms, cutflow and tables of the sum, in fb.

        Returns
        -------
        dict
            ``unit`` of all weighted numbers, ``histograms`` {name: hist.Hist}, ``cutflow`` (contents of ``cutflow.json``), ``datasets``
            {dataset: metadata with ``scale``, ``events``, ``sum_weights_processed``}, ``undefined``
            {feature: number of undefined values left out of histograms}, ``labels`` {dataset: counts of events whose label a model
            knows or not}, ``variations`` (see :meth:`variations`), ``features``
            {dataset: pandas.DataFrame} where features were kept; each table is made when it is asked for where its rows are
            on disk.
        """
        scales = self.scales()
        copies = self._copies()
        out: dict[str, Any] = {
            "unit": self.unit(),
            "histograms": self._histograms(scales, copies),
            "cutflow": self._cutflow(scales, copies),
            "datasets": {},
            "undefined": {},
            "labels": {name: part.labels for name, part in self.datasets.items()},
            "variations": self.variations(),
        }
        for name, part in sorted(self.datasets.items()):
            sums = part.total.sums.values()
            out["datasets"][name] = {
                **part.metadata,
                "scale": scales[name],
                "events": part.total.raw,
                "sum_weights_processed": float(sums[0]),
                "sum_weights2_processed": float(sums[1]),
            }
            for key, n in sorted(part.undefined.items()):
                out["undefined"][key] = out["undefined"].get(key, 0) + n
        if any(part.features for part in self.datasets.values()):
            tables = LazyTables(sorted(self.datasets), lambda name: self._features(name, scales[name]))
            aside = any(
                not isinstance(block, dict)
                for part in self.datasets.values()
                for block in part.features.values()
            )
            out["features"] = tables if aside else dict(tables)
        return out

    def variations(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What the systematics are in each simulated dataset.

        Returns
        -------
        dict
            Systematic -> dataset -> ``events`` (all), ``nominal`` (how many of them count as nominal), and ``why``
            (reason -> number of events).
        """
        simulated = {name: part for name, part in self.datasets.items() if not part.metadata.get("is_data")}
        out: dict[str, dict[str, dict[str, Any]]] = {}
        for systematic in sorted({name for part in simulated.values() for name in part.systematics}):
            out[systematic] = {}
            for name, part in sorted(simulated.items()):
                events = part.total.raw
                why = part.nominal.get(systematic, {})
                if systematic not in part.systematics:
                    why = {NOT_CHOSEN: events}
                out[systematic][name] = {"events": events, "nominal": sum(why.values()), "why": dict(why)}
        return out

    def _processes(self) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for name, part in sorted(self.datasets.items()):
            out.setdefault(str(part.metadata.get("process", name)), []).append(name)
        return dict(sorted(out.items()))

    def _copies(self) -> dict[str, CopyErrors]:
        """Errors of the data sets in which hard processes are there several times."""
        out = {}
        for name, part in self.datasets.items():
            if (copies := copies_of(part.metadata)) > 1:
                table = self._features(name, 1.0) if part.features else None
                known = None if table is None or table.empty else {str(c): table[c].to_numpy() for c in table}
                out[name] = CopyErrors(self.layout, copies, known)
        return out

    def _histograms(self, scales: dict[str, float], copies: dict[str, CopyErrors]) -> dict[str, Any]:
        processes = self._processes()
        every = sorted({key for part in self.datasets.values() for key in part.histograms})
        contents: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
        for process, names in processes.items():
            for name in names:
                sums = self.datasets[name].histograms
                # Simulation without a variation counts as nominal in it; data are in nominal alone.
                is_data = self.datasets[name].metadata.get("is_data")
                factors = copies[name].factors(sums.values("nominal")[1]) if name in copies else 1.0
                for variation in sums if is_data else every:
                    w, w2 = sums.values(variation if variation in sums else "nominal")
                    w, w2 = w * scales[name], w2 * factors * scales[name] ** 2
                    old = contents.get((process, variation))
                    contents[process, variation] = (w, w2) if old is None else (old[0] + w, old[1] + w2)
        variations = self._with_sides(contents, every)
        out = {}
        for name, spec in self.layout.specs.items():
            histogram = spec.empty(list(processes), list(self.layout.regions[name]), variations)
            view: Any = histogram.view(flow=True)
            block, shape = self.layout.block(name), self.layout.shape(name)
            for (process, variation), (w, w2) in contents.items():
                place = (list(processes).index(process), slice(None), variations.index(variation))
                view["value"][place] = w[block].reshape(shape)
                view["variance"][place] = w2[block].reshape(shape)
            out[name] = histogram
        return out

    def _with_sides(
        self, contents: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]], every: list[str]
    ) -> list[str]:
        """Replace members of sets of parton densities by what they make of each bin; the variations that there are then."""
        members = [name for name in every if is_member(name)]
        if not any("pdf" in part.systematics for part in self.datasets.values()):
            return every
        for process in {process for process, _ in contents}:
            found = {name: contents.pop((process, name), None) for name in members}
            own = {name: pair[0] for name, pair in found.items() if pair is not None}
            if own or not all(self.datasets[n].metadata.get("is_data") for n in self._processes()[process]):
                w, w2 = contents[process, "nominal"]
                sides = sides_of_members(w, own)
                contents |= {
                    (process, side): (x, w2) for side, x in zip((PDF_UP, PDF_DOWN), sides, strict=True)
                }
        return sorted({*every, PDF_UP, PDF_DOWN} - set(members))

    def _cutflow(self, scales: dict[str, float], copies: dict[str, CopyErrors]) -> dict[str, Any]:
        processes: dict[str, list[dict[str, Any]]] = {}
        every = all_steps((part.steps for part in self.datasets.values()), self.channels)
        for process, names in self._processes().items():
            rows: dict[tuple[str, str], dict[str, Any]] = {
                (channel, step): {
                    "channel": channel,
                    "step": step,
                    "raw": 0,
                    "weighted": 0.0,
                    "variance": 0.0,
                }
                for channel, step in every
            }
            for name in names:
                for key, count in self.datasets[name].cutflow.items():
                    sums = count.sums.values()
                    rows[key]["raw"] += count.raw
                    rows[key]["weighted"] += float(sums[0]) * scales[name]
                    factor = (
                        copies[name].of_step(key[0], count.raw, float(sums[1])) if name in copies else 1.0
                    )
                    rows[key]["variance"] += float(sums[1]) * factor * scales[name] ** 2
            processes[process] = list(rows.values())
        steps = list(dict.fromkeys(step for _, step in every))
        return {
            "format": "massgap-cutflow/1",
            "unit": self.unit(),
            "channels": list(self.channels),
            "steps": steps,
            "processes": processes,
        }

    def unit(self) -> str:
        """Unit of weighted numbers: fb if any dataset has a cross section; data are counted in events beside it."""
        kinds = [part.metadata for part in self.datasets.values()]
        if all(meta.get("is_data") for meta in kinds):
            return "events"
        if all(meta.get("is_data") or meta.get("xsec_fb") is not None for meta in kinds):
            return "fb"
        return "sum of generator weights"

    def _features(self, name: str, scale: float) -> pd.DataFrame:
        import pandas as pd

        part = self.datasets[name]
        found = (
            block if isinstance(block, dict) else block.read()
            for _, block in sorted(part.features.items(), key=lambda item: item[0])
        )
        blocks = [block for block in found if block]
        if not blocks:
            return pd.DataFrame()
        # A channel may have columns that others do not have, and a chunk nothing of a channel.
        columns = dict.fromkeys(column for block in blocks for column in block)
        table = pd.DataFrame(
            {
                column: np.concatenate([b.get(column, np.full(len(b["weight"]), np.nan)) for b in blocks])
                for column in columns
            }
        )
        table["weight"] *= scale
        codes = table.pop("channel").to_numpy()
        table.insert(len(table.columns), "process", str(part.metadata.get("process", name)))
        table.insert(len(table.columns), "dataset", name)
        table.insert(len(table.columns), "channel", np.array(self.channels, dtype=object)[codes])
        return table
