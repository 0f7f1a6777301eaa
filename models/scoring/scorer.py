"""Scoring inside processors: an ONNX model that travels with them and checks its features by name.

onnxruntime takes permuted columns without a word, so a scorer compares names, order, types and
widths when it is made, before any event is processed. It carries the bytes of the model: a worker
that cannot see the file scores all the same.

A model made of decision trees, such as ``massgap train`` writes, is scored by compiled trees
(`massgap.models.scoring.trees`), some ten times faster than by onnxruntime; every other model by onnxruntime,
in a session with one thread on the CPU that is never pickled, each classifier on the events of its fold alone
(`massgap.models.scoring.sessions`). The ONNX file stays the contract: when a
scorer is made, its compiled trees are compared with onnxruntime on rows chosen to be difficult. These rows
and onnxruntime's scores of them travel along, so that each worker process repeats the comparison before its
first event in about a millisecond, without loading onnxruntime.
"""

from __future__ import annotations

import copy
import hashlib
import warnings
from typing import TYPE_CHECKING

import numpy as np

from massgap.models.errors import ModelError, ModelFileError
from massgap.models.model_content import read_content
from massgap.models.scoring.features import agreed_features, columns_beside, feature_matrix
from massgap.models.scoring.hypothesis import (
    checked_hypothesis,
    names_of,
    outside_hypothesis,
    outside_notes,
    trained_ranges,
)
from massgap.models.scoring.onnx_file import read_model
from massgap.models.scoring.sessions import Apart, Whole, apart
from massgap.models.scoring.tree_reading import read_trees
from massgap.models.scoring.trees import TreeModel, UnsupportedTreesError, probes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

COMPILED, ONNXRUNTIME = "compiled trees", "onnxruntime"
ENGINES = ("auto", COMPILED, ONNXRUNTIME)
"""What a caller may ask for; "auto" takes compiled trees where the model allows it."""
AGREEMENT = 2e-6
"""Largest accepted difference between the two engines in a score."""
ROUNDING = 1e-6
"""So far beyond 0 and 1 a score may be that is taken for 0 or 1."""
N_PROBES = 512
"""Rows on which the two engines are compared."""

# By SHA-256 (and width): trees that agreed with onnxruntime, and those that agree in this process.
_read: dict[tuple[str, int], TreeModel] = {}
_verified: set[str] = set()


class OnnxScorer:
    """Scores events with a model file, each event by the classifier that has not seen it.

    Parameters
    ----------
    path
        An ONNX file, the model folder that ``massgap train`` wrote, the name of a model of the zoo, or the description (.toml) of
        a published model: see `massgap.models.model_content`.
    features
        The names, in order, that the caller can provide. They must equal those in the model's
        metadata; a model without metadata (somebody's own) needs them. What is done with models of other
        programs, such as classifiers with a label and two probabilities, says `massgap.models.scoring.foreign`;
        the attribute `notes` tells it.
    engine
        ``"auto"``: compiled trees if the model is made of trees that they can score and they agree
        with onnxruntime, else onnxruntime. ``"compiled trees"`` or ``"onnxruntime"``: this one or an error.
        The attribute `engine` says which one scores.
    hypothesis
        Of a model that is parameterised in masses: name -> GeV. ``"columns"``: they come with the features.
    beside
        Further names that the caller can provide: the label of a model, and the column in which it is flat, may be of them.

    Warns
    -----
    RuntimeWarning
        If the compiled trees do not agree with onnxruntime, which then scores.

    Raises
    ------
    ModelFolderError
        If a folder does not hold one model, or the file is not the one that its ``training.json`` describes.
    ModelError
        If the file is missing, truncated, not ONNX, has external data, operators or an opset that
        are not supported, inputs or outputs of another type or shape, no feature names, or feature
        names other than `features`. Both sides are named. If `engine` is "compiled trees" and the
        model cannot be scored so, or differs from onnxruntime.
    """

    def __init__(
        self,
        path: str | Path,
        features: Sequence[str] | None = None,
        *,
        engine: str = "auto",
        hypothesis: Mapping[str, float] | str | None = None,
        beside: Sequence[str] = (),
    ) -> None:
        name, content = read_content(path)
        self._set_up(content, name, features, engine, hypothesis, beside)

    @classmethod
    def from_bytes(
        cls,
        content: bytes,
        name: str,
        features: Sequence[str] | None = None,
        *,
        engine: str = "auto",
        hypothesis: Mapping[str, float] | str | None = None,
        beside: Sequence[str] = (),
    ) -> OnnxScorer:
        """Make a scorer of a model in memory; `name` is what messages call it."""
        scorer = cls.__new__(cls)
        scorer._set_up(content, name, features, engine, hypothesis, beside)
        return scorer

    def _set_up(
        self,
        content: bytes,
        name: str,
        features: Sequence[str] | None,
        engine: str,
        hypothesis: Mapping[str, float] | str | None,
        beside: Sequence[str],
    ) -> None:
        if engine not in ENGINES:
            msg = f"The engine {engine!r} is not known (--engine); known are {', '.join(map(repr, ENGINES))}."
            raise ModelError(msg)
        self.path = name
        self._sha256 = hashlib.sha256(content).hexdigest()
        self._apart: Apart | None = None
        model, self._description = read_model(content, name, features)
        # What was rewritten is what travels and scores; the hash stays that of the file.
        self._content = model.SerializeToString() if self._description.rewritten else content
        properties = self._description.properties
        self._masses = names_of(properties)
        self._hypothesis = checked_hypothesis(self._masses, hypothesis, name)
        given = [] if self._hypothesis is None else self._masses
        more = (*given, *(column for column in columns_beside(properties) if column in beside))
        self._inputs = agreed_features(self._description, features, name, more)
        # What the caller provides: all inputs but the hypothesis, which stand at the end.
        self._features = self._inputs[: len(self._inputs) - len(given)]
        self._whole = Whole(self._content, self._description, name)
        self._whole.open()  # a damaged tree or an unknown operator shows here, not on a worker
        self._trees: TreeModel | None = None
        self._probes: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self._whole.run(np.zeros((2, len(self._inputs)), dtype=np.float32))
        if engine != ONNXRUNTIME:
            self._take_trees(forced=engine == COMPILED)
        if self.engine == ONNXRUNTIME and self.n_folds > 1:
            self._apart = apart(model, self._description, name, len(self._inputs), self._whole.run)

    def at(self, hypothesis: Mapping[str, float]) -> OnnxScorer:
        """The same model asked about another hypothesis: its graph, trees and session are shared.

        Raises
        ------
        ModelError
            If the model is not parameterised in these masses.
        """
        other = copy.copy(self)
        other._hypothesis = checked_hypothesis(self._masses, dict(hypothesis), self.path)
        return other

    def _take_trees(self, *, forced: bool) -> None:
        """Score by compiled trees from now on, if the model allows it and onnxruntime agrees."""
        import onnx

        try:
            trees = _read.get((self._sha256, len(self._inputs))) or read_trees(
                onnx.load_model_from_string(self._content), len(self._inputs), self.n_folds
            )
        except UnsupportedTreesError as reason:
            if forced:
                msg = (
                    f"The model {self.path} cannot be scored by compiled trees: {reason}. "
                    "Have onnxruntime score (engine='auto', --engine auto)."
                )
                raise ModelFileError(msg) from reason
            return
        x = probes(trees, len(self._inputs), N_PROBES)
        expected = self._whole.run(x)
        difference = _largest_difference(trees.score_all(x), expected)
        if not difference <= AGREEMENT:
            msg = (
                f"The compiled trees of the model {self.path} differ from onnxruntime by {difference:.2g} in the score, "
                f"more than {AGREEMENT:g}"
            )
            if forced:
                raise ModelFileError(msg + ": have it score (engine='onnxruntime', --engine onnxruntime).")
            warnings.warn(msg + ": onnxruntime scores instead.", RuntimeWarning, stacklevel=4)
            return
        self._trees, self._probes = trees, (x, expected)
        _read[self._sha256, len(self._inputs)] = trees
        _verified.add(self._sha256)

    def _compiled(self) -> TreeModel | None:
        """Return the compiled trees, None without; compared with the scores brought along in a new process."""
        if self._trees is not None and self._probes is not None and self._sha256 not in _verified:
            x, expected = self._probes
            difference = _largest_difference(self._trees.score_all(x), expected)
            if not difference <= AGREEMENT:
                msg = (
                    f"On this machine the compiled trees of the model {self.path} differ by {difference:.2g} from the "
                    f"scores of onnxruntime that they were compared with, more than {AGREEMENT:g}: have "
                    "onnxruntime score (engine='onnxruntime', --engine onnxruntime)."
                )
                raise ModelError(msg)
            _verified.add(self._sha256)
        return self._trees

    # ---- what it is

    @property
    def features(self) -> list[str]:
        """Names of the columns to give, in order."""
        return list(self._features)

    @property
    def n_folds(self) -> int:
        """Number of folds, 1 for a model without folds."""
        return self._description.n_folds

    @property
    def engine(self) -> str:
        """What scores: "compiled trees" or "onnxruntime"."""
        return ONNXRUNTIME if self._trees is None else COMPILED

    @property
    def sha256(self) -> str:
        """SHA-256 of the model file."""
        return self._sha256

    @property
    def fold_rule(self) -> str:
        """By what an event belongs to a fold, "" for its key: see `massgap.models.folds.fold_of`."""
        return self._description.properties.get("massgap.fold_rule", "")

    @property
    def training_hash(self) -> str | None:
        """Hash of the training data and settings, None for somebody's own model."""
        return self._description.properties.get("massgap.training_hash")

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata properties of the file."""
        return dict(self._description.properties)

    @property
    def notes(self) -> list[str]:
        """What somebody who gives this model should know, in sentences."""
        notes = list(self._description.notes)
        notes += outside_notes(self._masses, self._hypothesis, self._description.properties)
        if self._description.features is None:
            notes.append(
                f"the model {self.path} does not name its features: its columns are taken for {', '.join(self._features)}, in "
                "this order. To have that checked, write them into it: onnx.helper.set_model_props(model, {'feature_names': 'a,b,...'})"
            )
        return notes

    @property
    def label_ranges(self) -> dict[str, tuple[float, float]]:
        """Label among the features -> its smallest and largest value in the training."""
        ranges = trained_ranges(self._description.properties)
        return {name: ends for name, ends in ranges.items() if name in self._features}

    @property
    def outside_hypothesis(self) -> dict[str, tuple[float, float, float]]:
        """Mass of the hypothesis -> its value and the ends of the trained range, where it lies outside of that."""
        return outside_hypothesis(self._masses, self._hypothesis, self._description.properties)

    @property
    def whole(self) -> Whole:
        """The graph, which is the same object for a model at several hypotheses."""
        return self._whole

    def __repr__(self) -> str:
        return (
            f"OnnxScorer({self.path!r}, {len(self._features)} features, "
            f"{self.n_folds} folds, sha256 {self._sha256[:12]}, {self.engine})"
        )

    # ---- scoring

    def score(
        self,
        columns: Mapping[str, ArrayLike] | NDArray[np.float32],
        fold: ArrayLike | None = None,
    ) -> NDArray[np.float32]:
        """Return the cross-fitted score of each event, shape (N,), between 0 and 1.

        Parameters
        ----------
        columns
            Either a mapping of feature name to an array of shape (N,), float32 or float64 (rounded
            to float32 here), picked by name in the model's order; or a float32 matrix of shape
            (N, n_features) in the model's order. NaN is missing.
        fold
            Integers of shape (N,): the fold in which each event is held out
            (`massgap.models.folds.held_out_fold`). Needed when the model has several folds.

        Raises
        ------
        ModelError
            If a feature is missing or unexpected, has another type or length, a fold is out of
            range, or the model gives a score that is not between 0 and 1.
        """
        return self.score_inputs(self.inputs(columns), fold)

    def score_inputs(self, x: NDArray[np.float32], fold: ArrayLike | None = None) -> NDArray[np.float32]:
        """The score of each event of a matrix that `inputs` made for this model, or for the same at another hypothesis.

        The hypothesis is written into `x`; `fold` and what is raised are as for `score`.
        """
        if self._hypothesis is not None:
            x[:, len(self._features) :] = self._hypothesis
        which = self._which(fold, len(x))
        trees = self._compiled()
        if trees is not None:
            return self._checked(trees.score(x, which))
        found = (
            self._whole.run(x)[np.arange(len(x)), which]
            if self._apart is None
            else self._apart.score(x, which)
        )
        return self._checked(found)

    def inputs(self, columns: Mapping[str, ArrayLike] | NDArray[np.float32]) -> NDArray[np.float32]:
        """The matrix of features, with room for the masses of the hypothesis beside it."""
        x = feature_matrix(columns, self._features, self.path)
        if self._hypothesis is None:
            return x
        wide = np.full((len(self._inputs), len(x)), np.nan, dtype=np.float32).T
        wide[:, : len(self._features)] = x
        return wide

    def _which(self, fold: ArrayLike | None, n: int) -> NDArray[np.intp]:
        """Return the column of the output that scores each of `n` events."""
        if fold is None:
            if self.n_folds > 1:
                msg = (
                    f"The model {self.path} has {self.n_folds} folds: give the fold in which each event is "
                    "held out (massgap.models.folds.held_out_fold)."
                )
                raise ModelError(msg)
            return np.zeros(n, dtype=np.intp)
        which = np.asarray(fold)
        if which.shape != (n,) or (n and which.dtype.kind not in "iu"):
            msg = (
                f"'fold' has shape {which.shape} and type {which.dtype}: one integer for each of the "
                f"{n} events is needed."
            )
            raise ModelError(msg)
        if self.n_folds == 1:
            return np.zeros(n, dtype=np.intp)
        if n and (which.min() < 0 or which.max() >= self.n_folds):
            msg = f"Folds run from {which.min()} to {which.max()}, but the model {self.path} has {self.n_folds} folds."
            raise ModelError(msg)
        return which.astype(np.intp, copy=False)

    def score_all_folds(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores of all classifiers for a float32 matrix, shape (N, n_folds)."""
        x = self.inputs(x)
        if self._hypothesis is not None:
            x[:, len(self._features) :] = self._hypothesis
        trees = self._compiled()
        return self._checked(self._whole.run(x) if trees is None else trees.score_all(x))

    def _checked(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        bad = ~((scores >= 0) & (scores <= 1))
        if bad.any():
            # The sigmoid of onnxruntime in float32 ends a rounding above 1.
            inside = np.clip(scores, 0, 1)
            bad = ~(abs(scores - inside) <= ROUNDING)
            scores = scores if bad.any() else inside
        if bad.any():
            value = scores[bad][0]
            msg = (
                f"The model {self.path} gives the score {value:g} for {int(bad.reshape(len(bad), -1).any(axis=1).sum())} "
                f"of {len(bad)} events: "
                "a score must lie between 0 and 1 (end the model in a sigmoid, treat NaN features inside it)."
            )
            raise ModelError(msg)
        return scores


def _largest_difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the largest difference, NaN if there is one."""
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))
