"""A trained network as bytes and back, without pickle: what is finished is not trained again after an interruption."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from massgap.models.networks.scaling import Scaling
from massgap.models.networks.trainer import Network

__all__ = ["from_bytes", "to_bytes"]


def to_bytes(network: Network) -> bytes:
    """The network as an archive of arrays and a description."""
    arrays: dict[str, Any] = {}
    about = {
        "settings": network.settings,
        "seed": network.seed,
        "clip": network.scaling.clip,
        "best_epoch": network.best_epoch,
        "n_epochs": network.n_epochs,
        "merit": network.merit,
        "curves": network.curves,
        "parameters": _taken(network.parameters, arrays),
        "state": _taken(network.state, arrays),
        "scaling": _taken([network.scaling.mean, network.scaling.inverse, network.scaling.told], arrays),
    }
    out = io.BytesIO()
    np.savez(out, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
    return out.getvalue()


def from_bytes(content: bytes) -> Network:
    """The inverse of `to_bytes`.

    Raises
    ------
    ValueError, KeyError, OSError, zipfile.BadZipFile
        If it is none.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        about = json.loads(found["about"].tobytes())
        mean, inverse, told = _put(about["scaling"], found)
        return Network(
            about["seed"],
            Scaling(mean, inverse, told, about["clip"]),
            about["settings"],
            _put(about["parameters"], found),
            _put(about["state"], found),
            about["best_epoch"],
            about["n_epochs"],
            about["merit"],
            about["curves"],
        )


def _taken(tree: Any, arrays: dict[str, Any]) -> Any:
    """The shape of a tree with names of arrays as leaves."""
    if isinstance(tree, dict):
        return {name: _taken(branch, arrays) for name, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_taken(branch, arrays) for branch in tree]
    name = f"a{len(arrays)}"
    arrays[name] = np.asarray(tree)
    return name


def _put(tree: Any, arrays: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _put(branch, arrays) for name, branch in tree.items()}
    return [_put(branch, arrays) for branch in tree] if isinstance(tree, list) else arrays[tree]
