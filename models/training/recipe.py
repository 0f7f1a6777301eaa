"""A recipe: everything that somebody who trains a classifier decides, as plain data.

The trainer knows no analysis: which events, features, folds and numbers it uses is written in a `Recipe`. What a recipe
leaves open (None), the run that is trained on says; see `massgap.models.training.defaults`. Recipes are found by
`massgap.models.recipes.registry.find_recipe`, shipped ones by name, a user's own in a file.

Three protocols say which events stop the training early:

``nested`` (default)
    A fifth of the training events, chosen by other bits of the stable key, is set aside; their logloss stops the
    training, and the best iteration is used. The held-out fold is not looked at.
``held_out``
    The held-out fold itself stops the training and everything trained is used. The evaluation is then slightly
    optimistic; the comparison of protocols in ``training.json`` shows by how much.
``next_fold``
    The fold after the held-out one stops the training and is not fitted to. With ten folds this is the split 8:1:1,
    rotated so that each event is evaluated once; at least three folds are needed.

Another kind of classifier is a module in `KINDS`, with its own hyperparameters; what it needs beyond the fields here
becomes a field with a default that leaves the existing recipes as they are.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np

from massgap.models.conditioning.balance import checked_balance
from massgap.models.conditioning.labels import TRUE_RANDOM
from massgap.models.errors import ModelError, RecipeError
from massgap.models.folds import check_n_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ALL_ROWS", "KINDS", "PROTOCOLS", "Protocol", "Recipe", "trainer_of"]

Protocol = Literal["nested", "held_out", "next_fold"]
PROTOCOLS: tuple[Protocol, ...] = ("nested", "held_out", "next_fold")
WEIGHTINGS = ("weights", "counts", "components", "signal_counts", "drawn")
NEGATIVE_WEIGHTS = ("error", "absolute", "drop")
SEED_CHOICES = ("best", "all")
CLASSES = ("signal", "background")
LATER = (
    "seeds",
    "seed_choice",
    "class_weights",
    "balance",
    "label",
    "flatten",
    "signal_masses",
    "fraction",
)
"""Fields that plain data leave out where they have their defaults, as recipes of earlier versions do."""
ALL_ROWS = "all"
"""As a region: every row of the feature tables (unless there is a region of this name)."""

KINDS = {
    "trees": "massgap.models.training.boosted_trees",
    "mlp": "massgap.models.networks.dense",
    "tabnet": "massgap.models.networks.tabnet",
    "tabm": "massgap.models.networks.tabm",
}
"""Kind of classifier -> the module that trains it, or has a ``TRAINER`` that does.

Either offers ``checked_hyperparameters(changes)``, ``fit(data, parts, recipe, steps)``, ``predict(classifier, features)``,
``importance(classifier, features, held_out)``, ``operators(classifiers, features, score, double)`` and ``library()``, where
there are masks also ``attention(folds)``, and the constants of `massgap.models.training.boosted_trees`.
"""


def trainer_of(kind: str) -> Any:
    """What trains a kind of classifier, see `KINDS`."""
    module = importlib.import_module(KINDS[kind])
    return getattr(module, "TRAINER", module)


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Parameters
    ----------
    name
        By which it is called and cited.
    kind
        One of `KINDS`.
    description, source
        What it is for, in one sentence, and the paper that it follows.
    features
        Inputs, in order; by default those that the analysis describes.
    region
        Region whose events are trained on, several joined by ``+``, or ``"all"``; by default the region of the score.
    signal, backgrounds
        Process names; by default as the samples say.
    signal_masses
        Name of a mass -> lowest and highest, GeV: only signals between them are trained on, the edges included.
    subsets
        Name -> backgrounds that are also trained against alone, for the importances.
    process_weights
        Process -> factor on its weights in the training; performance is measured without it.
    weighting
        ``"weights"``: events count with their weight; ``"counts"``: each counts one; ``"components"``: with their weight, and
        every process of a class has the same sum. ``"signal_counts"``: each event of signal counts one, whatever the cross
        section of its mass, and background its weight. ``"drawn"``: so, and background events are drawn in proportion to their
        weights and count one, as those of a sample without slices. In any case the sums of signal and of background are each
        one in every set of events.
    negative_weights
        ``"error"``: refuse them, as boosting does not work with them. ``"absolute"``: train on absolute weights, which uses
        all events and is right where the shares of negative weights are alike everywhere. ``"drop"``: train on the
        events of positive weight alone. Either way every process is scaled to keep its signed total, and performance
        is measured with the signed weights of all events.
    n_folds
        Number of rotated folds, at least 2.
    protocol
        ``"nested"``, ``"held_out"`` or ``"next_fold"``, see the module's description.
    early_stopping
        Iterations (trees, or epochs) without improvement after which the training stops.
    hyperparameters
        Those of the kind; what is not named has the kind's default.
    seed
        For what is random in the training.
    seeds, seed_choice
        Number of trainings per fold, with seeds from `seed` on, and what is made of them: ``"best"`` takes the one that
        the stopping events like best, ``"all"`` the mean of their scores.
    class_weights
        ``"signal"`` and ``"background"`` -> sum of the weights of the class in the training, one each by default.
    balance
        ``column``, ``low``, ``high`` and ``width``: in each bin of the column signal and background have the same sum of
        weights in the training, and all bins the same; events outside are not trained on. Bins of less than ``least`` (50)
        events of a class are refused, or left out with ``thin`` = ``"drop"``.
    label
        A column that is an input beside the features, or ``"true:random"``: the true masses of the signal, from the
        metadata of its datasets, and masses drawn from the same distribution for the background.
    flatten
        A column: the score becomes the quantile of the background given it, see `massgap.models.conditioning.flattening`.
    fraction
        Share of the training events that are used, for a learning curve: those that stop and evaluate stay as they are. A smaller
        share is part of any larger one.
    code
        Digest of the file that the recipe comes from and of what it imports; filled in by who reads it.

    Raises
    ------
    RecipeError
        If a field has a value that it cannot have; the message names recipe, field and what it may be.

    Examples
    --------
    >>> Recipe("small", hyperparameters={"n_trees": 20}).hyperparameters["n_trees"]
    20
    """

    name: str
    kind: str = "trees"
    description: str = ""
    source: str = ""
    features: tuple[str, ...] | None = None
    region: str | None = None
    signal: tuple[str, ...] | None = None
    backgrounds: tuple[str, ...] | None = None
    subsets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    process_weights: Mapping[str, float] = field(default_factory=dict)
    weighting: str = "weights"
    negative_weights: str = "error"
    n_folds: int = 3
    protocol: Protocol = "nested"
    early_stopping: int = 10
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    seeds: int = 1
    seed_choice: str = "best"
    class_weights: Mapping[str, float] = field(default_factory=dict)
    balance: Mapping[str, Any] | None = None
    label: str | None = None
    flatten: str | None = None
    signal_masses: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fraction: float = 1.0
    code: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        self._check_words()
        for name in ("features", "signal", "backgrounds"):
            value = getattr(self, name)
            self._set(name, None if value is None else self._names(name, value))
        subsets = self._mapping("subsets")
        self._set("subsets", {key: self._names(f"subsets[{key!r}]", value) for key, value in subsets.items()})
        self._set("signal_masses", self._ranges("signal_masses"))
        self._set("process_weights", self._factors("process_weights"))
        self._set("class_weights", self._factors("class_weights"))
        for name in self.class_weights:
            self._need(
                name in CLASSES, f"class_weights names {name!r}", f"its keys are {' and '.join(CLASSES)}"
            )
        if self.balance is not None:
            self._set("balance", self._checked(checked_balance, self._mapping("balance")))
        for name, more in (("label", f", or {TRUE_RANDOM!r}"), ("flatten", "")):
            column = getattr(self, name)
            good = column is None or (isinstance(column, str) and bool(column))
            self._need(good, f"{name} is {column!r}", f"it must be the name of a column{more}")
        clean = self.flatten is None or self.protocol != "held_out"
        must = "the events that stop the training must not be those that are evaluated, --protocol nested"
        self._need(clean, f"flatten is {self.flatten!r}", must)
        self._check_numbers()
        changes = self._mapping("hyperparameters")
        self._set("hyperparameters", self._checked(self.trainer.checked_hyperparameters, changes))
        several = self.seeds > 1 and not self.trainer.SEEDED
        self._need(not several, f"seeds is {self.seeds}", f"nothing is random in {self.kind}, it must be 1")
        too_few = self.protocol == "next_fold" and self.n_folds < 3
        self._need(
            not too_few, f"n_folds is {self.n_folds}", "the protocol next_fold needs at least 3 (--folds)"
        )

    @property
    def trainer(self) -> Any:
        """What trains this kind of classifier, see `KINDS`."""
        return trainer_of(self.kind)

    @property
    def digest(self) -> str:
        """SHA-256 of the content, the code that made it left out."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()

    def changed(self, **changes: Any) -> Self:
        """A copy with other fields; None leaves a field as it is, hyperparameters are changed one by one.

        Raises
        ------
        RecipeError
            If a value cannot be.
        """
        changes = {name: value for name, value in changes.items() if value is not None}
        if "hyperparameters" in changes:
            changes["hyperparameters"] = {**self.hyperparameters, **changes["hyperparameters"]}
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name != "code"}
        for f in fields(self):
            default = f.default_factory() if f.default_factory is not MISSING else f.default
            if f.name in LATER and plain[f.name] == _plain(default):
                del plain[f.name]
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, code: str = "") -> Self:
        """The inverse of `as_dict`.

        Raises
        ------
        RecipeError
            If a field is unknown, the name is missing, or a value cannot be.

        Examples
        --------
        >>> Recipe.from_dict(Recipe("small", seed=3).as_dict()) == Recipe("small", seed=3)
        True
        """
        known = [f.name for f in fields(cls) if f.name != "code"]
        if not isinstance(cast("Any", data), dict) or "name" not in data:
            msg = f"A recipe is a table of fields with at least a name; its fields are {', '.join(known)}."
            raise RecipeError(msg)
        unknown = [str(key) for key in data if key not in known]
        if unknown:
            msg = f"The recipe {data['name']!r} has the unknown field {unknown[0]!r}; known are {', '.join(known)}."
            raise RecipeError(msg)
        return cls(**data, code=code)

    # ---- checks

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _need(self, condition: bool, what: str, must: str) -> None:
        if not condition:
            msg = f"The recipe {self.name!r}: {what}: {must}."
            raise RecipeError(msg)

    def _check_words(self) -> None:
        for name in (
            "name",
            "kind",
            "description",
            "source",
            "weighting",
            "negative_weights",
            "protocol",
            "seed_choice",
        ):
            value = getattr(self, name)
            self._need(isinstance(value, str), f"{name} is {value!r}", "it must be a text")
        self._need(bool(self.name), "name is empty", "it must be a text")
        must = f"it must be the name of a region, or {ALL_ROWS!r} for all rows"
        region: Any = self.region
        is_name = region is None or (isinstance(region, str) and bool(region))
        self._need(is_name, f"region is {region!r}", must)
        choices: dict[str, Iterable[str]] = {
            "kind": KINDS,
            "protocol": PROTOCOLS,
            "weighting": WEIGHTINGS,
            "negative_weights": NEGATIVE_WEIGHTS,
            "seed_choice": SEED_CHOICES,
        }
        for name, known in choices.items():
            value = getattr(self, name)
            self._need(value in known, f"Unknown {name} {value!r}", f"choose one of {', '.join(known)}")

    def _check_numbers(self) -> None:
        self._checked(check_n_folds, self.n_folds, at_least=2)
        self._set("n_folds", int(self.n_folds))
        for name, lowest in (("early_stopping", 1), ("seed", 0), ("seeds", 1)):
            value = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            must = f"it must be an integer of at least {lowest}"
            self._need(whole and value >= lowest, f"{name} is {value!r}", must)
            self._set(name, int(value))
        share: Any = self.fraction
        number = isinstance(share, (int, float)) and not isinstance(share, bool)
        must = "it must be above 0, and 1 at most"
        self._need(number and 0.0 < share <= 1.0, f"fraction is {share!r}", must)
        self._set("fraction", float(share))

    def _names(self, what: str, value: Any) -> tuple[str, ...]:
        is_list = not isinstance(value, (str, Mapping)) and hasattr(value, "__iter__")
        self._need(is_list, f"{what} is {value!r}", "it must be a list of names")
        names = tuple(value)
        named = bool(names) and all(isinstance(name, str) and name for name in names)
        self._need(named, f"{what} is {list(names)!r}", "it must be a list of at least one name")
        twice = next((name for name in names if names.count(name) > 1), None)
        self._need(twice is None, f"{what} lists {twice!r} twice", "each name may come once")
        return names

    def _mapping(self, name: str) -> dict[str, Any]:
        value = getattr(self, name)
        is_table = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
        self._need(is_table, f"{name} is {value!r}", "it must be a table with names as keys")
        return dict(value)

    def _ranges(self, name: str) -> dict[str, tuple[float, float]]:
        ranges = self._mapping(name)
        for mass, value in ranges.items():
            pair = isinstance(value, (list, tuple)) and len(value) == 2
            rising = pair and all(isinstance(x, (int, float)) for x in value) and value[0] < value[1]
            must = "it must be a lower and an upper mass in GeV"
            self._need(rising, f"{name}[{mass!r}] is {value!r}", must)
        return {mass: (float(low), float(high)) for mass, (low, high) in ranges.items()}

    def _factors(self, name: str) -> dict[str, float]:
        factors = self._mapping(name)
        for process, value in factors.items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            what = f"{name}[{process!r}] is {value!r}"
            self._need(number and np.isfinite(value) and value > 0, what, "it must be a positive number")
        return {process: float(value) for process, value in factors.items()}

    def _checked(self, check: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What a check of another module gives; its errors bear the name of the recipe."""
        try:
            return check(*arguments, **named)
        except ModelError as error:
            msg = f"The recipe {self.name!r}: {error}"
            raise RecipeError(msg) from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return list(value) if isinstance(value, tuple) else value
