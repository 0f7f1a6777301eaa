"""The scan of variables and spectra: networks of each set for both spin models, orderings, and masses from the discovery cut."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.selections.cascade.spectrum import TESTING_SPECTRUM
from massgap.studies.cascade.discovery import EPS_B, cut_at
from massgap.studies.cascade.ensembles.lines import RATIOS, Direction, require_different
from massgap.studies.cascade.ensembles.spin import spin_study
from massgap.studies.cascade.ensembles.stages import Beyond, lines_of
from massgap.studies.cascade.ordering import Sides, Training
from massgap.studies.cascade.samples import (
    MODELS,
    PAPER_BACKGROUND_FB,
    PAPER_PROCESSES,
    Backgrounds,
    Events,
    background_events,
    checked_models,
    observables,
    signal_events,
)
from massgap.studies.cascade.scanning.model_scan import PURIFYING, PURIFYING_NAME, ModelScan, announced
from massgap.studies.cascade.variables import columns_of, variable_sets
from massgap.studies.errors import StudyError
from massgap.studies.side_by_side import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from massgap.studies.cascade.networks import Scored

__all__ = ["FORMAT", "RATIOS", "Direction", "scan", "summary"]

FORMAT = "massgap-scan/1"
_SHOWN = 5


def scan(
    out: Path,
    background: str | Path,
    *,
    variables: str = "momenta",
    models: Sequence[str] = MODELS,
    lines: Sequence[Direction] = (),
    triplets: bool = False,
    ensembles: int = 0,
    further: Beyond | None = None,
    processes: Sequence[str] = PAPER_PROCESSES,
    events: int = 20_000,
    along_events: int = 20_000,
    training: Training | None = None,
    workers: int = 1,
    announce: Callable[[str], None] = lambda _: None,
    part: Callable[[str, Callable[[], Any]], Any],
) -> dict[str, Any]:
    """Train networks of sets of variables at the testing spectrum, and along lines through it; all results go into ``scan.json``.

    Parameters
    ----------
    out
        Folder for the results.
    background
        A run of the analysis over backgrounds, with feature tables.
    variables
        Sets as :func:`massgap.studies.cascade.variables.variable_sets` reads them.  The momenta are always there: orderings refer to
        their network.
    models
        Spin models.
    lines
        Lines of spectra along which each set is trained again, one network a point.
    triplets
        Also the triplets of Table III, and the search that orderings guide.
    ensembles
        So many ensembles of each model and S/B tell how well spins are determined, behind the discovery cut of the network of
        :data:`PURIFYING`; 0 for none.
    further
        Also a network with the spectrum as input, the likelihood of all four parameters and the mass scale, of so much; None for none.
    processes
        Of the background; by default those that the paper's 2.88 fb can hold.
    events
        Selected signal events per network at the testing spectrum.
    along_events
        As many, or fewer if ``events`` is less, of each spectrum of a line, with at most three times as many of the background, in half of
        the epochs: there are hundreds of them.
    training
        Sizes and epochs of the networks.
    workers
        Processes that share the spin models; no number depends on it.
    announce
        Called with a line of text when something begins.
    part
        Called with a name and what makes the part of that name: made now, or kept from a call that was interrupted. Networks of sets
        of variables at the testing spectrum are none, for what follows needs them.

    Returns
    -------
    dict
        What is in the file.

    Raises
    ------
    massgap.errors.MassgapError
        If a set, model or line is unknown, masses do not fall, a parameter has two lines, or there are too few events.
    """
    from massgap.contracts.writing import prepare_folder, write_json

    models = _checked(models, lines)
    begun, training = announced(announce, part), training or Training()
    sets = {"momenta": ("momenta",), **variable_sets(variables)}
    if further is not None:
        sets.setdefault(PURIFYING_NAME, PURIFYING)
    every_background = background_events(background)
    other = every_background.of(processes)
    folder = prepare_folder(out)
    result = {**_about(every_background, other, events), "training": training._asdict(), "models": {}}
    of_model = ModelScan(
        every_background,
        tuple(processes),
        sets,
        tuple(lines),
        triplets,
        further,
        events,
        along_events,
        training,
        part,
    )
    purifiers: dict[str, Scored] = {}
    for model, (found, purifier) in side_by_side(of_model, models, workers, announce).items():
        result["models"][model] = found
        if purifier is not None:
            purifiers[model] = purifier
    if ensembles:
        spins = partial(_spin, other, events, training, ensembles, purifiers.get("fDM"))
        result |= begun("spins from ensembles", spins)
    result |= {"summary": summary(result), "complete": True}
    write_json(folder / "scan.json", result)
    return result


def _checked(models: Sequence[str], lines: Sequence[Direction]) -> tuple[str, ...]:
    """The spin models, each once; what cannot be is refused before anything is trained."""
    require_different(lines)
    return checked_models(models)


def _about(every: Backgrounds, other: Events, events: int) -> dict[str, Any]:
    """What a scan says of itself first."""
    return {
        "format": FORMAT,
        "spectrum": list(TESTING_SPECTRUM),
        "eps_b": EPS_B,
        "events": {"signal": events, "background": len(other)},
        "background_fb": {"here": float(other.weight.sum()), "paper": PAPER_BACKGROUND_FB},
        "background_effective": float(other.weight.sum() ** 2 / (other.weight**2).sum()),
        "processes": every.shares(),
    }


def _spin(
    other: Events, events: int, training: Training, ensembles: int, purifier: Scored | None
) -> dict[str, Any]:
    """What is found of spins, or why nothing is: too few events for it are no reason to lose the rest."""
    try:
        return {"spin": _spins(other, events, training, ensembles, purifier)}
    except StudyError as error:
        return {"spin_missing": str(error)}


def _spins(
    other: Events, events: int, training: Training, ensembles: int, purifier: Scored | None
) -> dict[str, Any]:
    """Spins behind the discovery cut of one network, that of the testing spectrum and fermions: trained here if it was not yet."""
    scored = purifier
    if scored is None:
        signal = signal_events("fDM", TESTING_SPECTRUM, events, seed=training.seed)
        scored = Sides.of(signal, other, TESTING_SPECTRUM).fitted(PURIFYING, training)
    cut = cut_at(scored.first, scored.second, other.weight)
    columns = columns_of(PURIFYING)

    def passes(sample: Events) -> NDArray[np.bool_]:
        x = observables(sample, TESTING_SPECTRUM)
        return scored.logits(np.stack([x[name] for name in columns], axis=1)) > cut.threshold

    beside = other.take(scored.second > cut.threshold)
    return spin_study(
        beside,
        passes,
        events=2 * events,
        epochs=training.epochs,
        patience=training.patience,
        ensembles=ensembles,
        seed=training.seed,
    )


def summary(result: Mapping[str, Any]) -> list[str]:
    """Lines that tell what a scan has found."""
    sizes = result["events"]
    fb = result["background_fb"]
    lines = [
        f"{sizes['signal']:,} signal and {sizes['background']:,} background events, {fb['here']:.3g} fb (the paper's: {fb['paper']:g} fb)"
    ]
    for model, found in result["models"].items():
        for name, told in found["networks"].items():
            line = f"{model}  AUC {told['auc'][0]:.4f} +- {told['auc'][1]:.4f}  {name}"
            if "cut" in told:
                cut = told["cut"]
                line += (
                    f"; eps_S = {cut['eps_s']:.3f} +- {cut['eps_s_error']:.3f} at eps_B = {result['eps_b']:g}"
                )
            lines.append(line)
        ranked = ", ".join(
            f"{name} {value:.3f}" for name, (value, _) in list(found["orderings"].items())[:_SHOWN]
        )
        lines.append(f"{model}  decision ordering with the network of the momenta: {ranked}")
        if "search" in found:
            steps = zip(found["search"]["names"], found["search"]["aucs"], strict=True)
            lines.append(f"{model}  guided search: {', '.join(f'{name} (AUC {a:.4f})' for name, a in steps)}")
        for line_name, sets in found["lines"].items():
            for name, told in sets.items():
                best = ", ".join(
                    f"{b['mean']:.1f} +- {b['spread']:.1f} GeV at S/B = {ratio}"
                    for ratio, b in told["best"].items()
                )
                lines.append(f"{model}  {line_name} by {name}: {best}")
        lines += lines_of(model, found)
    if "spin_missing" in result:
        lines.append(f"spin: {result['spin_missing']}")
    for name, told in result.get("spin", {}).get("networks", {}).items():
        rates = ", ".join(f"{row['accuracy']:.4f} at S/B = {row['ratio']:g}" for row in told["accuracies"])
        lines.append(f"spin by {name}: AUC {told['auc'][0]:.4f} +- {told['auc'][1]:.4f}; accuracy {rates}")
    return lines
