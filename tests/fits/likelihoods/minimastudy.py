"""Are accepted points minima, and the lowest ones? Random models, five fits of each, looked at in three other ways.

``python tests/fits/likelihoods/minimastudy.py --models 10000 --out minima.jsonl`` takes about an hour on one core, goes on where it
was interrupted, and prints the figures. ``test_minima.py`` does the same for a few models.

Each fit is compared with

- fits from 20 random starts, with the same minimiser;
- SciPy's L-BFGS-B from a random start, on the likelihood with all parameters as its own;
- pyhf's own likelihood (of every fifth model): the points next to it along each parameter, at two distances both ways, 40 in random
  directions, and where L-BFGS-B ended.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if __name__ == "__main__":
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(threads, "1")  # before NumPy is imported
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pyhf
from randomworkspaces import random_workspace
from scipy.optimize import minimize

from massgap.fits.errors import InferenceError
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.inference.pyhf_likelihood import numpy_backend
from massgap.fits.likelihoods.evaluation import WITH_DERIVATIVES, evaluate
from massgap.fits.workspaces.schema import schema_warnings_off

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.fits.likelihoods.model import Data

Floats = np.ndarray

RANDOM_STARTS = 20
LOWER = 1e-5
"""By how much another place must be lower, in twice minus the logarithm of the likelihood, to be another minimum."""


class Fit(NamedTuple):
    """What is fitted."""

    name: str
    data: Data
    mu: float | None
    non_negative: bool


@dataclass
class Verdict:
    """What was found of one model."""

    seed: int
    parameters: int = 0
    accepted: int = 0
    in_the_limit: int = 0
    starts: int = 0
    neighbours: int = 0
    refused: list[list[str]] = field(default_factory=list)
    wrong: list[list[Any]] = field(default_factory=list)


def document_of(seed: int) -> dict[str, Any]:
    """Half of the models have few events, two thirds one channel."""
    return random_workspace(seed, few_events=seed % 2 == 0, channels=1 if seed % 3 else None)


def fits_of(likelihood: Likelihood) -> list[Fit]:
    """The fits of a test: of the data with the signal strength free, not below 0, without signal and at 2; and of Asimov data."""
    data, asimov = likelihood.observed, likelihood.expected(likelihood.with_poi(0.0))
    return [
        Fit("free", data, None, False),
        Fit("not below 0", data, None, True),
        Fit("without signal", data, 0.0, False),
        Fit("signal strength 2", data, 2.0, False),
        Fit("Asimov data, signal strength 3", asimov, 3.0, False),
    ]


def study(seed: int, *, with_pyhf: bool) -> Verdict:
    """Fit a model, and look for lower places."""
    document = document_of(seed)
    likelihood, rng = Likelihood(document), np.random.default_rng(seed)
    verdict = Verdict(seed, len(likelihood.names))
    reference = Reference(document, likelihood) if with_pyhf else None
    for fit in fits_of(likelihood):
        try:
            point = likelihood.fit(fit.data, mu=fit.mu, non_negative=fit.non_negative)
        except InferenceError as error:
            verdict.refused.append([fit.name, str(error)[:100]])
            continue
        verdict.accepted += 1
        endless = point.pars[likelihood._endless]
        verdict.in_the_limit += bool((endless >= 1e6).any())
        for value in from_other_starts(likelihood, fit, rng):
            verdict.starts += 1
            if value < point.nll2 - LOWER:
                verdict.wrong.append([fit.name, "another start", value - point.nll2])
        value, pars = by_scipy(likelihood, fit, rng)
        verdict.starts += 1
        if value < point.nll2 - LOWER:
            verdict.wrong.append([fit.name, "L-BFGS-B", value - point.nll2])
        if reference is not None:
            verdict.neighbours += reference.compare(fit, point.pars, pars, rng, verdict.wrong)
    return verdict


def random_start(likelihood: Likelihood, fit: Fit, rng: np.random.Generator) -> Floats:
    """Anywhere within a few standard deviations."""
    nominal = likelihood.nominal
    n = len(nominal)
    pulls = rng.normal(0.0, 1.5, n) if rng.random() < 0.5 else rng.uniform(-3.0, 3.0, n)
    start = np.where(nominal == 0.0, pulls, nominal * np.exp(rng.normal(0.0, 0.4, n)))
    start = np.where(likelihood.model.arrays.fixed, nominal, start)
    start[likelihood.poi] = rng.uniform(0.0, 5.0) if fit.mu is None else fit.mu
    return start


def bounds_of(likelihood: Likelihood, fit: Fit) -> tuple[Floats, Floats]:
    """Parameters that move, and their lower bounds."""
    free = np.flatnonzero(~likelihood.model.arrays.fixed)
    low = likelihood._low.copy()
    if fit.non_negative:
        low[likelihood.poi] = 0.0
    return free[free != likelihood.poi] if fit.mu is not None else free, low


def from_other_starts(likelihood: Likelihood, fit: Fit, rng: np.random.Generator) -> Iterator[float]:
    """Values where fits from random starts end; infinite where that is nowhere, or where less than nothing is expected."""
    free, low = bounds_of(likelihood, fit)
    free = free[np.isin(free, likelihood._free)]
    for _ in range(RANDOM_STARTS):
        found = likelihood._minimise(random_start(likelihood, fit, rng), free, low, fit.data)
        yield np.inf if not found.converged or found.below_zero() else 2.0 * found.value


def by_scipy(likelihood: Likelihood, fit: Fit, rng: np.random.Generator) -> tuple[float, Floats]:
    """Value and parameters where L-BFGS-B ends."""
    full = likelihood.unprofiled()
    arrays = full.model.arrays
    free, low = bounds_of(full, fit)
    theta = random_start(full, fit, rng)
    gradient, hessian = np.empty(len(theta)), np.empty((len(theta), len(theta)))

    def both(x: Floats) -> tuple[float, Floats]:
        theta[free] = x
        value = evaluate(
            arrays, theta, fit.data.counts, fit.data.auxiliary, WITH_DERIVATIVES, gradient, hessian
        )
        return (value, gradient[free]) if np.isfinite(value) else (1e10, np.zeros(len(free)))

    if free.size == 0:
        return both(theta[free])[0] * 2.0, theta
    high = [None if np.isinf(x) else x for x in full._high[free]]
    found = minimize(both, theta[free], jac=True, bounds=list(zip(low[free], high, strict=True)))
    theta[free] = found.x
    below_zero = bool((full.expected(theta).counts < 0.0).any())
    return (np.inf if below_zero or found.fun >= 1e10 else 2.0 * float(found.fun)), theta


class Reference:
    """pyhf's own likelihood of a model, at many points at once."""

    def __init__(self, document: dict[str, Any], likelihood: Likelihood) -> None:
        self.likelihood = likelihood
        with numpy_backend(), schema_warnings_off():
            workspace = pyhf.Workspace(document, validate=False)
            config = workspace.model(validate=False).config
            self.names = list(config.par_names)
            self.order = np.array([likelihood.names.index(name) for name in self.names])
            free = int((~likelihood.model.arrays.fixed).sum())
            self.size = 4 * free + 42
            self.model = workspace.model(validate=False, batch_size=self.size)
        self.channels = list(config.channels)
        self.auxiliary = [self.order[config.par_slice(name)] for name in config.auxdata_order]

    def compare(
        self, fit: Fit, pars: Floats, other: Floats, rng: np.random.Generator, wrong: list[list[Any]]
    ) -> int:
        """Add what is lower than a point; the number of points that were looked at."""
        rows = self._around(fit, pars, rng)
        if np.isfinite(other).all() and not (self.likelihood.expected(other).counts < 0.0).any():
            rows.append(("where L-BFGS-B ended", other))
        points = np.array([pars, *(row for _, row in rows)])
        filled = np.vstack([points, np.tile(pars, (self.size - len(points), 1))])
        data = np.tile(self._data(fit.data), (self.size, 1))
        with numpy_backend(), np.errstate(all="ignore"):
            values = -2.0 * np.asarray(self.model.logpdf(filled[:, self.order], data)).reshape(-1)
        for (what, row), value in zip(rows, values[1 : len(points)], strict=True):
            rounding = 1e-9 * abs(values[0]) + 2e-8
            allowed = LOWER if what.startswith("where") else rounding
            below_zero = bool((self.likelihood.expected(row).counts < 0.0).any())
            if np.isfinite(value) and value < values[0] - allowed and not below_zero:
                wrong.append([fit.name, what, float(value - values[0])])
        return len(rows)

    def _around(self, fit: Fit, pars: Floats, rng: np.random.Generator) -> list[tuple[str, Floats]]:
        free, low = bounds_of(self.likelihood, fit)
        high, names = self.likelihood._high, self.likelihood.names
        rows = []
        for p in free:
            for relative in (1e-4, -1e-4, 1e-2, -1e-2):
                row = pars.copy()
                row[p] += relative * max(1e-2, abs(pars[p]))
                if low[p] <= row[p] <= high[p]:
                    rows.append((f"{names[p]} {relative:+g}", row))
        for _ in range(40):
            row = pars.copy()
            size = 10.0 ** rng.uniform(-4.0, -0.5)
            row[free] += size * rng.normal(0.0, 1.0, len(free)) * np.maximum(0.05, np.abs(pars[free]))
            rows.append((f"random {size:.1g}", np.clip(row, low, high)))
        return rows

    def _data(self, data: Data) -> Floats:
        ends = np.cumsum([len(c["samples"][0]["data"]) for c in self.likelihood.model.channel_specifications])
        counts = dict(zip(self.likelihood.model.channels, np.split(data.counts, ends[:-1]), strict=True))
        main = [counts[channel] for channel in self.channels]
        return np.concatenate([*main, *(data.auxiliary[at] for at in self.auxiliary)])


def figures(path: Path) -> str:
    """What all models together say."""
    verdicts = [Verdict(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    total: Counter[str] = Counter()
    for verdict in verdicts:
        total["accepted"] += verdict.accepted
        total["limit"] += verdict.in_the_limit
        total["refused"] += len(verdict.refused)
        total["starts"] += verdict.starts
        total["neighbours"] += verdict.neighbours
        total["wrong"] += len({entry[0] for entry in verdict.wrong})
    lines = [
        (
            f"{len(verdicts)} models of {min(v.parameters for v in verdicts)} to {max(v.parameters for v in verdicts)} parameters: "
            f"{total['accepted']} fits accepted ({total['limit']} in the limit of a factor without a minimum), {total['refused']} refused"
        ),
        (
            f"{total['starts']} other starts and {total['neighbours']} points of pyhf's likelihood: {total['wrong']} accepted points "
            "are not the lowest minimum"
        ),
    ]
    lines += [f"  seed {v.seed}, refused: {entry}" for v in verdicts for entry in v.refused]
    lines += [f"  seed {v.seed}, wrong: {entry}" for v in verdicts for entry in v.wrong]
    return "\n".join(lines)


def main() -> None:
    """Study models until all are done, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, default=10_000, help="seeds 0 to this")
    parser.add_argument("--out", type=Path, default=Path("minima.jsonl"), help="a line per model")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="end after so many, to go on another time"
    )
    arguments = parser.parse_args()
    done = set()
    if arguments.out.exists():
        done = {json.loads(line)["seed"] for line in arguments.out.read_text(encoding="utf-8").splitlines()}
    end = time.monotonic() + 60.0 * arguments.minutes
    with arguments.out.open("a", encoding="utf-8") as file:
        for seed in range(arguments.models):
            if seed not in done and time.monotonic() < end:
                file.write(json.dumps(asdict(study(seed, with_pyhf=seed % 5 == 0))) + "\n")
                file.flush()
    print(figures(arguments.out))


if __name__ == "__main__":
    main()
