"""What the JSON files beside published models say: names of the inputs, in order, and how they are scaled."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.models.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SCALINGS", "Sidecar", "read_sidecar"]

SCALINGS = ("(x + offset) * scale", "(x - offset) / scale")
"""What scale and offset may mean: that of lwtnn, and that of scikit-learn. A sidecar does not say which."""


class Sidecar(NamedTuple):
    """Names of the inputs, in order, and what becomes of them: ``(x + shift) * factor``, float64, shape (n,)."""

    names: tuple[str, ...]
    shift: NDArray[np.float64]
    factor: NDArray[np.float64]


def read_sidecar(path: Path, scaling: str | None) -> Sidecar:
    """Read the file beside a model.

    Known are ``{variables, scale, offset}``, ``{inputs: [{name, scale, offset}, ...]}`` (lwtnn), and
    ``{branches, normalization: {mean, std}}``; lists in the order of the inputs, or objects by name.

    Parameters
    ----------
    path
        The file.
    scaling
        One of `SCALINGS`; needed where there are scale and offset, as the file does not tell.

    Raises
    ------
    ModelFileError
        If it cannot be read, has another form, a scale of zero, or numbers for other names.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"Cannot read the sidecar file {path}: {error.strerror or error}; name another (sidecar = ...)."
        raise ModelFileError(msg) from error
    except ValueError as error:
        msg = f"The sidecar file {path} is not JSON ({error})."
        raise ModelFileError(msg) from error
    content = content if isinstance(content, dict) else {}
    if isinstance(content.get("inputs"), list):
        entries = [entry for entry in content["inputs"] if isinstance(entry, dict)]
        content = {
            "variables": [entry.get("name") for entry in entries],
            "scale": [entry.get("scale", 1.0) for entry in entries],
            "offset": [entry.get("offset", 0.0) for entry in entries],
        }
    names = content.get("variables", content.get("branches"))
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        msg = (
            f"The sidecar file {path} does not list the inputs: known are variables (with scale and offset), inputs (lwtnn) and "
            f"branches (with normalization); it has {', '.join(map(str, content)) or 'nothing'}."
        )
        raise ModelFileError(msg)
    if len(set(names)) != len(names):
        msg = f"The sidecar file {path} names an input twice: {', '.join(names)}."
        raise ModelFileError(msg)
    ones, zeros = np.ones(len(names)), np.zeros(len(names))
    if (normal := content.get("normalization")) is not None:
        if not isinstance(normal, dict) or "mean" not in normal or "std" not in normal:
            msg = f"The normalization of the sidecar file {path} must have mean and std."
            raise ModelFileError(msg)
        mean, std = (_numbers(path, names, normal[key], key) for key in ("mean", "std"))
        return Sidecar(tuple(names), -mean, 1 / _not_zero(path, names, std, "std"))
    if "scale" not in content and "offset" not in content:
        return Sidecar(tuple(names), zeros, ones)
    if scaling is None:
        msg = (
            f"The sidecar file {path} has scale and offset, and does not say what they mean: write scaling = {SCALINGS[0]!r} (as "
            f"lwtnn) or scaling = {SCALINGS[1]!r} into the description."
        )
        raise ModelFileError(msg)
    scale = _numbers(path, names, content.get("scale", ones.tolist()), "scale")
    offset = _numbers(path, names, content.get("offset", zeros.tolist()), "offset")
    scale = _not_zero(path, names, scale, "scale")
    return (
        Sidecar(tuple(names), offset, scale)
        if scaling == SCALINGS[0]
        else Sidecar(tuple(names), -offset, 1 / scale)
    )


def _numbers(path: Path, names: Sequence[str], given: Any, what: str) -> NDArray[np.float64]:
    """Numbers in the order of the names."""
    if isinstance(given, dict):
        given = [given.get(name) for name in names]
    good = isinstance(given, list) and len(given) == len(names)
    if not good or not all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in given
    ):
        found = f"{len(given)} entries" if isinstance(given, list) else type(given).__name__
        msg = f"The {what} of the sidecar file {path} must be one finite number for each of {', '.join(names)}; it is {found}."
        raise ModelFileError(msg)
    return np.asarray(given, np.float64)


def _not_zero(
    path: Path, names: Sequence[str], values: NDArray[np.float64], what: str
) -> NDArray[np.float64]:
    if not values.all():
        msg = f"The {what} of {names[int(np.argmin(np.abs(values)))]!r} in the sidecar file {path} is 0: the input would be lost."
        raise ModelFileError(msg)
    return values
