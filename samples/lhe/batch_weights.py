"""Weights of the events of a file as Pythia hands them out, batch by batch: those of the file, and those of the shower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.errors import LheError
from massgap.samples.lhe.weights import SCALE_NAMES, pythia_order

if TYPE_CHECKING:
    from massgap.samples.lhe.file import LheFile


def lhe_weights(pythia: Any, batch_weights: Any, lhe: LheFile) -> dict[str, np.ndarray]:
    """Weights from the event file, of the events of a batch, by NanoAOD's names.

    Parameters
    ----------
    pythia : Pythia
        The object that made the batch.
    batch_weights : array, shape (n, k)
        ``batch.info.weights``: XWGTUP, the file's weights as :func:`~massgap.samples.lhe.weights.pythia_order` says, then those of the shower.
    lhe : LheFile
        The file.

    Returns
    -------
    dict
        ``LHEWeight_originalXWGTUP`` (n,) as in the file; ``LHEScaleWeight`` (n, 9) and ``LHEPdfWeight`` (n, members)
        relative to XWGTUP, where the file has them. Where XWGTUP is zero they are 1: such an event counts nothing.

    Raises
    ------
    LheError
        If a weight is not a finite number, or Pythia hands out others than expected.
    """
    values = np.asarray(batch_weights, dtype=np.float64)
    order = pythia_order(lhe.weight_ids)
    _check_order(pythia, values.shape[1], order, lhe.path)
    nominal = values[:, 0]
    found = {"LHEWeight_originalXWGTUP": nominal.copy()}
    column = {"": 0, **{name: index for index, name in enumerate(order, 1)}}
    empty = (nominal == 0)[:, None]
    for key, ids in (("LHEScaleWeight", lhe.header.scale_ids), ("LHEPdfWeight", lhe.header.pdf_ids)):
        if not ids:
            continue
        # Pythia divides by XWGTUP, which may be zero
        chosen = np.where(empty, 0.0, values[:, [column[name] for name in ids]])
        bad = np.flatnonzero(~np.isfinite(chosen).all(axis=0))
        if len(bad):
            msg = f"{lhe.path}: the weight {ids[bad[0]]!r} of an event is not a finite number"
            raise LheError(msg)
        found[key] = np.where(empty, 1.0, chosen / np.where(empty, 1.0, nominal[:, None]))
    return found


def shower_columns(pythia: Any, batch_weights: Any, lhe: LheFile) -> tuple[list[str], np.ndarray]:
    """Names and columns of the shower's weights in a batch, XWGTUP first, without those of the file.

    Names must not be asked of Pythia by column: when the last batch has come, it has forgotten the file's, and all
    others have moved.
    """
    values = np.asarray(batch_weights, dtype=np.float64)
    n_file = len(pythia_order(lhe.weight_ids))
    info = pythia.infoPython()
    names = [str(info.weightNameByIndex(index)) for index in range(info.numberOfWeights())]
    n_shower = values.shape[1] - 1 - n_file
    if not 0 <= n_shower < len(names):
        msg = f"{lhe.path}: {values.shape[1]} weights of an event do not fit {n_file} of the file and {names} of Pythia"
        raise LheError(msg)
    columns = np.concatenate([values[:, :1], values[:, 1 + n_file :]], axis=1)
    return ["Weight", *names[len(names) - n_shower :]], columns


def _check_order(pythia: Any, n_columns: int, order: list[str], path: str) -> None:
    info = pythia.infoPython()
    names = [str(info.weightNameByIndex(index)) for index in range(info.numberOfWeights())]
    good = n_columns > len(order)
    # after the end of the file Pythia has forgotten the names
    if len(names) == n_columns:
        good = good and all(
            given == name.replace(":", ".") or name in SCALE_NAMES
            for given, name in zip(names[1:], order, strict=False)
        )
    if not good:
        msg = f"{path}: Pythia hands out the weights {', '.join(names)} where {', '.join(order)} are expected"
        raise LheError(msg)
