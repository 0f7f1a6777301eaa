"""Answers questions about fits with another program's means, line by line: run by the Python that has it, without massgap.

``python fit_opponent_driver.py {pyhf-numpy,pyhf-minuit,pyhf-jax,nextstat}`` reads a JSON object per line (``workspace``, ``what``:
``cls`` or ``limit``, ``mu``) and writes one (``observed``, ``expected``, ``cpu``, ``versions``). Models are built once per workspace and are
not part of the CPU time.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

_STRENGTHS = (1e-2, 10.0)
"""Signal strengths between which pyhf looks for limits."""


class Pyhf:
    """pyhf with one of its backends; all its defaults otherwise."""

    def __init__(self, backend: str) -> None:
        import pyhf

        self.pyhf, self.backend = pyhf, backend
        if backend == "minuit":
            pyhf.set_backend("numpy", "minuit")
        else:
            pyhf.set_backend(backend)
        self.packages = ["pyhf", "scipy", *{"jax": ["jax"], "minuit": ["iminuit"]}.get(backend, [])]

    def model(self, workspace: dict[str, Any]) -> Any:
        document = self.pyhf.Workspace(workspace, validate=False)
        model = document.model(validate=False)
        return model, document.data(model)

    def cls(self, made: Any, mu: float) -> tuple[float, list[float]]:
        model, data = made
        seen, band = self.pyhf.infer.hypotest(mu, data, model, test_stat="qtilde", return_expected_set=True)
        return float(seen), [float(x) for x in band]

    def limit(self, made: Any) -> tuple[float, list[float]]:
        model, data = made
        if self.backend == "jax":
            return self._limit_with_jax(made)
        # At a signal strength of 0 both test statistics vanish, and CLs may be 0 / 0, by the processor: we begin beside it.
        seen, band = self.pyhf.infer.intervals.upper_limits.toms748_scan(data, model, *_STRENGTHS, rtol=1e-5)
        return float(seen), [float(x) for x in band]

    def above(self, made: Any, pars: dict[str, float]) -> float:
        """How far -2 ln L at the end of the free fit lies above that at other parameters."""
        model, data = made
        own = self.pyhf.infer.mle.fit(data, model)
        other = self.pyhf.tensorlib.astensor([pars[name] for name in model.config.par_names])
        first, second = (float(-2.0 * model.logpdf(point, data)[0]) for point in (own, other))
        return first - second

    def _limit_with_jax(self, made: Any) -> tuple[float, list[float]]:
        """As pyhf does it, which keeps jax's arrays as keys of a dictionary and so fails with today's jax."""
        from scipy.optimize import toms748

        known: dict[float, list[float]] = {}

        def excess(mu: float, which: int) -> float:
            if mu not in known:
                seen, band = self.cls(made, mu)
                known[mu] = [seen, *band]
            return known[mu][which] - 0.05

        first, *rest = (
            float(toms748(excess, *_STRENGTHS, args=(k,), k=2, xtol=1e-5, rtol=1e-5)) for k in range(6)
        )
        return first, rest


class NextStat:
    """NextStat on one thread; its CLs brings no band."""

    packages = ("nextstat",)

    def __init__(self) -> None:
        import nextstat
        import nextstat.infer

        nextstat.set_threads(1)
        self.nextstat = nextstat

    def model(self, workspace: dict[str, Any]) -> Any:
        return self.nextstat.from_pyhf(json.dumps(workspace))

    def cls(self, made: Any, mu: float) -> tuple[float, list[float]]:
        return float(self.nextstat.infer.hypotest(mu, made)), []

    def limit(self, made: Any) -> tuple[float, list[float]]:
        seen, band = self.nextstat.infer.upper_limit(made, method="root", hi=10.0)
        return float(seen), [float(x) for x in band]


def main() -> None:
    """Answer until there is no more to read."""
    warnings.simplefilter("ignore")
    name = sys.argv[1]
    engine: Any = NextStat() if name == "nextstat" else Pyhf(name.removeprefix("pyhf-"))
    models: dict[str, Any] = {}
    versions = {package: importlib.metadata.version(package) for package in engine.packages}
    for line in sys.stdin:
        asked = json.loads(line)
        key = asked["workspace"]
        if key not in models:
            models[key] = engine.model(json.loads(Path(key).read_text(encoding="utf-8")))
        start = time.process_time()
        if asked["what"] == "cls":
            observed, expected = engine.cls(models[key], asked["mu"])
        elif asked["what"] == "above":
            observed, expected = engine.above(models[key], asked["pars"]), []
        else:
            observed, expected = engine.limit(models[key])
        cpu = time.process_time() - start
        print(
            json.dumps({"observed": observed, "expected": expected, "cpu": cpu, "versions": versions}),
            flush=True,
        )


if __name__ == "__main__":
    main()
