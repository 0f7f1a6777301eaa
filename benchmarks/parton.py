"""Events of two muons and a photon at parton level against the full chain, and ensembles of them."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import Effort, Row, cost, paired
from massgap import stages
from massgap.models.measures.ensemble_draws import Part, best_threshold, ensemble_logits
from massgap.selections.cascade.spectrum import TRUTH_SPECTRUM
from massgap.studies.cascade.samples import background_events, signal_events

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "Parton level"


def _of_chain(folder: Path, events: int, seed: int) -> float:
    """CPU seconds per selected event of the full chain, generation and selection."""
    start = time.process_time()
    fileset = stages.generate(
        "cascade_fDM_390_360_330_300", folder / "made", events=events, seed=seed, workers=1
    )
    for entry in fileset.values():
        # as a background, so that the study's own reader counts what was selected
        entry["metadata"] |= {"is_signal": False}
        entry["files"] = {str(name): tree for name, tree in entry["files"].items()}
    stages.run("cascade", fileset=fileset, out=folder / "run", executor="iterative")
    return (time.process_time() - start) / len(background_events(folder / "run").events)


def _of_partons(events: int, seed: int) -> float:
    """CPU seconds per selected event at parton level, generation, resolution and selection."""
    start = time.process_time()
    signal_events("fDM", TRUTH_SPECTRUM, events, seed=seed)
    return (time.process_time() - start) / events


def rows(effort: Effort) -> Iterator[Row]:
    """The lines of the table.

    Parameters
    ----------
    effort
        How many events and rounds.

    Yields
    ------
    Row
    """
    from massgap.samples.matrix_elements.photon.generator import FINAL_STATES, PhotonGenerator

    n, chain = effort.of(2_000_000, 500_000, 2_000), effort.of(4_000, 1_000, 200)
    signal_events("fDM", TRUTH_SPECTRUM, 100)
    times = []
    for round_ in range(effort.rounds(5)):
        with tempfile.TemporaryDirectory() as folder:
            theirs = _of_chain(Path(folder), chain, round_ + 1)
        times.append((_of_partons(n, round_ + 1), theirs))
    yield Row(
        GROUP,
        "A selected signal event at parton level against the full chain",
        paired(times),
        goal=300.0,
        detail=f"fDM, truth spectrum; {n:,} selected events against {chain:,} generated with Pythia, detector and processor; compilation and "
        "set-up of Pythia included in the latter",
    )

    # adapting the grids takes longest: once is enough to see that it goes
    for final in effort.of(tuple(FINAL_STATES), tuple(FINAL_STATES), ("taus",)):
        generator = PhotonGenerator(final)
        generator.integrate()
        few = effort.of(20_000, 5_000, 100)
        yield Row(
            GROUP,
            f"Unweighted background events, {final}",
            cost(lambda g=generator, few=few: g.events(few), rounds=effort.rounds(3), scale=1e6 / few),
            "us per event",
            detail="within the cuts of generation, before resolution and selection; all tree diagrams",
        )

    rng = np.random.default_rng(1)
    ensembles = effort.of(100_000, 20_000, 500)
    logits = {k: rng.normal(0.3 * k, 0.8, 20_000) for k in (-1, 1)}
    background = rng.normal(0.0, 0.5, 600)

    def spins() -> None:
        both = [
            ensemble_logits([Part(one, 432.0), Part(background, 43.2)], ensembles) for one in logits.values()
        ]
        best_threshold(*both)

    yield Row(
        GROUP,
        "Ensembles of both spins at S/B = 0.1, and their best threshold",
        cost(spins, rounds=effort.rounds(3), scale=100_000 / ensembles),
        "s per 100,000 of each",
        goal=60.0,
        at_least=False,
        detail="432 signal and 43 background events on average in each",
    )
