"""Labels as inputs of a classifier: a physical column, or the true masses of a parameterised classifier.

A parameterised classifier (Baldi et al., arXiv:1601.07913) takes the masses of the hypothesis as inputs. In training they
are the true ones for signal; background has none and gets masses drawn from those of the signal, with the signal's training
weights, so that a label alone tells nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import TableError
from massgap.models.folds import uniform_of_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["PREFIX", "TRUE_RANDOM", "hypothesis_names", "with_true_masses"]

TRUE_RANDOM = "true:random"
PREFIX = "true_"
"""Before the name of a mass, the name of the input that it is."""
_SALT = 0x6C6162656C  # "label" in ASCII: independent of the folds


def hypothesis_names(features: Sequence[str], label: str | None) -> list[str]:
    """Those of the inputs that a hypothesis gives.

    Examples
    --------
    >>> hypothesis_names(["met", "true_m"], "true:random")
    ['true_m']
    """
    return [name for name in features if name.startswith(PREFIX)] if label == TRUE_RANDOM else []


def with_true_masses(
    table: pd.DataFrame,
    datasets: Mapping[str, Mapping[str, Any]],
    signal: Sequence[str],
    *,
    weight: NDArray[np.float64],
    seed: int,
) -> tuple[pd.DataFrame, list[str]]:
    """The table with a column for each mass that differs among the signals, and the names of these columns.

    Parameters
    ----------
    table
        A feature table with the column ``dataset``.
    datasets
        Dataset -> metadata of the run, with ``masses`` (GeV) for signals.
    signal
        Processes that are signal.
    weight
        How much each row counts in the training, shape (N,), see `massgap.models.training.table.weights_of_rows`: in these shares of
        the signal, and not in those of rows that are not trained on, masses are drawn for background.
    seed
        Of the drawing; an event gets the same masses wherever it stands.

    Raises
    ------
    TableError
        If a dataset of signal has no masses or others than the rest, or all have the same ones.
    """
    is_signal = np.isin(table["process"].astype(str), list(signal))
    origin = table["dataset"].astype(str).to_numpy()
    known = {name: datasets.get(name, {}).get("masses") or {} for name in sorted(set(origin[is_signal]))}
    names = sorted({mass for masses in known.values() for mass in masses})
    for dataset, masses in known.items():
        lacking = [name for name in names if name not in masses]
        if lacking or not names:
            msg = (
                f"The label {TRUE_RANDOM} needs the masses of every signal, and the dataset {dataset!r} has none called "
                f'{", ".join(lacking) or "anything"}: give them in the fileset, "masses": {{"NAME": GEV}}, and run again.'
            )
            raise TableError(msg)
    varied = [name for name in names if len({masses[name] for masses in known.values()}) > 1]
    if not varied:
        msg = (
            f"The label {TRUE_RANDOM} needs signals of several masses; all have "
            f"{', '.join(f'{name} {masses[name]:g}' for masses in [*known.values()][:1] for name in names)}. Leave out --label."
        )
        raise TableError(msg)
    out = table.copy()
    place = np.array([sorted(known).index(name) if name in known else 0 for name in origin])
    values = np.array([[known[dataset][name] for name in varied] for dataset in sorted(known)], float)
    share = np.bincount(place[is_signal], weight[is_signal], minlength=len(values))
    drawn = _drawn(table["fold_key"].to_numpy(np.uint64), share / share.sum(), seed)
    chosen = np.where(is_signal, place, drawn)
    for column, name in enumerate(varied):
        out[f"{PREFIX}{name}"] = values[chosen, column]
    return out, [f"{PREFIX}{name}" for name in varied]


def _drawn(key: NDArray[np.uint64], share: NDArray[np.float64], seed: int) -> NDArray[np.intp]:
    """Numbers drawn with these probabilities, decided by the key of each event."""
    uniform = uniform_of_key(key, _SALT, seed)
    return np.minimum(np.searchsorted(np.cumsum(share), uniform, side="right"), len(share) - 1)
