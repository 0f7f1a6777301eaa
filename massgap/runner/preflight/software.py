"""Judge the software of workers: versions, imports, the analysis and its models."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.runner.preflight.answers import FAILED, WARNING, Answer, Finding, Here
from massgap.runner.preflight.versions import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["analysis", "imports", "loaded", "massgap", "model", "model_request", "packages", "python"]

AGREEMENT = 2e-6
"""Difference in a score between machines that is rounding and not another model."""


def model_request(scorer: Any, seed: int = 20, n: int = 256) -> tuple[dict[str, Any], np.ndarray]:
    """Rows for a model, as plain data, and their scores here.

    Parameters
    ----------
    scorer
        A :class:`massgap.models.scoring.scorer.OnnxScorer`.
    seed, n
        The same seed gives the same rows; how many.

    Returns
    -------
    request : dict
        The rows themselves: another NumPy might draw others.
    scores : ndarray
        Of shape (n, folds).
    """
    rng = np.random.default_rng(seed)
    shape = (n, len(scorer.features))
    # Of the size of angles, ratios, masses and momenta, and some that are missing.
    rows = (rng.standard_normal(shape) * 10.0 ** rng.uniform(-1, 3, shape)).astype("<f4")
    rows[rng.random(shape) < 0.05] = np.nan
    text = base64.b64encode(rows.tobytes()).decode("ascii")
    return {"rows": text, "shape": list(shape)}, scorer.score_all_folds(rows)


_INSTALL = (
    "install the same versions on the workers: the environment that massgap ships with --environment ship, an image "
    "with these versions, or pip install there"
)


def python(here: Here, answer: Answer) -> Iterator[Finding]:
    """Whether the minor version of Python is that here."""
    theirs, mine = str(answer.look["python"]), str(here.look["python"])  # type: ignore[index]
    if theirs.split(".")[:2] != mine.split(".")[:2]:
        yield Finding(
            answer.name,
            f"Python {theirs} (here {mine})",
            "code cannot be sent between them: use the same minor version on both sides, for instance by "
            "--environment ship or an image with it",
        )


def massgap(here: Here, answer: Answer) -> Iterator[Finding]:
    """Whether massgap is there, in this version and with this source."""
    mine, theirs = here.look["massgap"], answer.look["massgap"]  # type: ignore[index]
    if "error" in theirs:
        yield Finding(
            answer.name,
            f"massgap cannot be imported: {theirs['error']}",
            f"install massgap {mine['version']} on the workers, or send it along with --environment ship",
        )
    elif theirs["version"] != mine["version"]:
        yield Finding(
            answer.name,
            f"massgap {theirs['version']} in {theirs['place']} (here {mine['version']})",
            f"install massgap {mine['version']} on the workers, or send it along with --environment ship",
        )
    elif theirs["code"] != mine["code"]:
        yield Finding(
            answer.name,
            f"massgap {theirs['version']} in {theirs['place']} has other source ({theirs['code'][:12]}, here {mine['code'][:12]})",
            "one side was edited or is another commit: install the same there, or send yours along with --environment ship",
        )


def packages(here: Here, answer: Answer, names: Iterable[str]) -> Iterator[Finding]:
    """Whether packages are there in the versions here."""
    mine, theirs = here.look["packages"], answer.look["packages"]  # type: ignore[index]
    if "error" in theirs:
        yield Finding(answer.name, f"its packages could not be listed: {theirs['error']}", _INSTALL)
        return
    wrong, absent = [], []
    for name in names:
        if name not in theirs or mine.get(name) is None:
            continue
        if theirs[name] is None:
            if name != "onnxruntime" or "onnxruntime" in here.engines.values():
                absent.append(name)
        elif theirs[name] != mine[name]:
            wrong.append(f"{name} {theirs[name]} (here {mine[name]})")
    if absent:
        yield Finding(
            answer.name,
            f"not installed: {', '.join(absent)}",
            f"pip install {' '.join(f'{name}=={mine[name]}' for name in absent)} there, or --environment ship",
        )
    if wrong:
        yield Finding(answer.name, ", ".join(wrong), _INSTALL)


def imports(here: Here, answer: Answer) -> Iterator[Finding]:
    """Whether modules can be imported."""
    modules = answer.look["modules"]  # type: ignore[index]
    if isinstance(modules.get("error"), str):
        yield Finding(answer.name, modules["error"], _INSTALL)
        return
    for module in MODULES:
        error = modules.get(module)
        if error and not (module == "onnxruntime" and "onnxruntime" not in here.engines.values()):
            yield Finding(
                answer.name,
                f"import {module}: {error}",
                f"install {module} on the workers for their Python and machine, or send it along with --environment ship",
            )


def loaded(answer: Answer) -> bool:
    """Whether the analysis could be loaded there."""
    processor = (answer.tried or {}).get("processor")
    return processor is not None and processor["error"] is None


def analysis(answer: Answer) -> Iterator[Finding]:
    """Why the analysis cannot be loaded."""
    processor = (answer.tried or {}).get("processor")
    if processor is not None and processor["error"] is not None:
        yield Finding(
            answer.name,
            f"the analysis cannot be loaded: {processor['error']}",
            "a module that it imports is not on the workers, or has another version there: install it, or send it along "
            "with --environment ship",
        )


def model(here: Here, name: str, answer: Answer) -> Iterator[Finding]:
    """Whether the model of a score gives the scores that it gives here."""
    found = ((answer.tried or {}).get("models") or {}).get(name)
    if found is None or found.get("error"):
        yield Finding(
            answer.name,
            f"the model cannot be scored: {(found or {}).get('error', 'no answer')}",
            "install the versions of numba, numpy and onnxruntime that are here, and look at the memory of the worker",
        )
        return
    scores = np.frombuffer(base64.b64decode(found["scores"]), dtype="<f4")
    mine = np.ascontiguousarray(here.scores[name], dtype="<f4").ravel()
    if scores.tobytes() == mine.tobytes():
        return
    same = scores.shape == mine.shape
    difference = float(np.abs(scores.astype(np.float64) - mine).max()) if same else float("nan")
    small = difference <= AGREEMENT
    yield Finding(
        answer.name,
        f"scores differ by up to {difference:.2g} from those here",
        "the results depend a little on where a chunk is scored: use the same versions of numba, numpy and onnxruntime, and "
        "workers of one kind of processor, where the same bits matter"
        if small
        else "do not run there: install the same massgap, numba, numpy and onnxruntime as here",
        WARNING if small else FAILED,
    )
