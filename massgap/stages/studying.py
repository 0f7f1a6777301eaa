"""Whole studies: from nothing to a report, resumable."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.stages.fitting import fit
from massgap.stages.generation import generate
from massgap.stages.processing import run
from massgap.stages.reporting import report
from massgap.stages.training import train

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DemoResult", "demo"]


@dataclass(frozen=True)
class DemoResult:
    """Where the demo's results are, and how long each stage took in seconds."""

    folder: Path
    report: Path
    seconds: dict[str, float]
    fit: Any


def demo(
    out: str | Path = "demo",
    *,
    events: int | None = None,
    seed: int = 1,
    workers: int = 2,
    executor: str = "futures",
    adapt: tuple[int, int] | None = None,
    timeout: float | None = None,
    cluster: dict[str, Any] | None = None,
    lumi_fb: float = 300.0,
    command: str = "massgap demo",
    announce: Callable[[str], None] | None = None,
    hooks: dict[str, Any] | None = None,
) -> DemoResult:
    """The slepton analysis from nothing to a report: generate, run, train, run with score, fit, report.

    Parameters
    ----------
    out
        Folder; what an earlier call finished there is used again.
    events, seed, workers, executor, adapt, timeout, cluster
        Size of the sample (None for one that takes a few minutes), seed, and how to run, see :class:`massgap.stages.execution.Execution`.
    lumi_fb
        Luminosity in fb-1.
    announce
        Called with a line when a stage starts.
    hooks
        Progress callbacks by stage (``generate``, ``run``, ``train``).

    Returns
    -------
    DemoResult
    """
    from massgap.samples.production.generate import DEMO_EVENTS

    folder = Path(out)
    events = events or DEMO_EVENTS
    say = announce or (lambda _: None)
    hooks = hooks or {}
    seconds: dict[str, float] = {}

    def timed(stage: str, text: str, function: Callable[[], Any]) -> Any:
        say(text)
        start = time.perf_counter()
        value = function()
        seconds[stage] = time.perf_counter() - start
        return value

    timed(
        "generate",
        f"1/6  generate {events:,} events with Pythia (kept in {folder / 'samples'})",
        lambda: generate(
            "slepton",
            folder / "samples",
            events=events,
            seed=seed,
            workers=workers,
            progress=hooks.get("generate"),
        ),
    )
    fileset = folder / "samples" / "fileset.json"
    common: dict[str, Any] = {
        "fileset": fileset,
        "executor": executor,
        "workers": workers,
        "adapt": adapt,
        "timeout": timeout,
        "cluster": cluster,
        "command": command,
    }
    systematics = {"variations": ["jes"]}

    def first_run() -> Any:
        result = run("slepton", out=folder / "run", progress=hooks.get("run"), **common)
        result.require_complete()
        return result

    timed("run", "2/6  run the slepton processor", first_run)
    model = timed(
        "train",
        "3/6  train three rotated folds of boosted trees and export them to ONNX",
        lambda: train(folder / "run", folder / "model", seed=seed, progress=hooks.get("train")),
    )

    def second_run() -> Any:
        result = run(
            "slepton",
            out=folder / "scored",
            model=model.model_file,
            options=systematics,
            progress=hooks.get("run"),
            **common,
        )
        result.require_complete()
        return result

    timed(
        "score",
        "4/6  run again with the score inside the processor and the jet energy scale varied",
        second_run,
    )
    fitted = timed("fit", "5/6  fit the score", lambda: fit(folder / "scored", lumi_fb=lumi_fb))
    path = timed(
        "report",
        "6/6  write the report",
        lambda: report(folder / "scored", folder / "report.html", model_folder=folder / "model"),
    )
    return DemoResult(folder, path, seconds, fitted)
