"""Packages of the extras: imported where they are used, or said to be missing with the command that brings them."""

from __future__ import annotations

import importlib
from importlib.metadata import packages_distributions
from typing import Any

from massgap.errors import MassgapError

__all__ = ["EXTRAS", "MissingExtraError", "require"]

EXTRAS = {
    "xgboost": "train",
    "jax": "neural",
    "optax": "neural",
    "pythia8mc": "generator",
    "fastjet": "generator",
    "dask": "dask",
    "distributed": "dask",
    "cryptography": "htcondor",
    "hepdata_lib": "hepdata",
    "hepdata_validator": "hepdata",
    "zstandard": "zstd",
}
"""Package as it is imported -> the extra of massgap that brings it (the smallest one, where several do)."""

_LIGHTER = {"train": ' (or, 0.7 GB less, without CUDA: pip install "massgap[train-cpu]")'}
_LONGEST = 300


class MissingExtraError(MassgapError):
    """A package of an extra that is not installed, or cannot be imported."""


def require(
    package: str,
    purpose: str,
    *,
    extra: str | None = None,
    error: type[MassgapError] = MissingExtraError,
) -> Any:
    """Import a package of an extra, or say which command brings it.

    Parameters
    ----------
    package
        Name under which it is imported, one of :data:`EXTRAS`.
    purpose
        What needs it, as the message begins: "training", "the executor dask".
    extra
        Another extra than that of :data:`EXTRAS`, where more of it is needed.
    error
        Which error is raised.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        Or ``error``: if the package is not installed, or is installed and cannot be imported; the message says which.

    Examples
    --------
    >>> require("distributed", "the executor dask").__name__
    'distributed'
    """
    extra = extra or EXTRAS[package]
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as fault:
        missing = (fault.name or package).partition(".")[0]
        if missing == package:
            msg = f'{purpose} needs {package}, which is not installed: pip install "massgap[{extra}]"{_LIGHTER.get(extra, "")}'
            raise error(msg) from None
        msg = (
            f"{purpose} needs {package}, which needs {missing}, which is not installed: pip install {missing}"
        )
        raise error(msg) from fault
    except Exception as fault:  # a shared library that does not load: each package has an error of its own
        name = (packages_distributions().get(package) or [package])[0]
        why = " ".join(str(fault).split())[:_LONGEST]
        msg = (
            f"{purpose} needs {package}, which is installed but cannot be imported ({type(fault).__name__}: {why}); "
            f"if a file of it is damaged: pip install --force-reinstall --no-deps {name}"
        )
        raise error(msg) from fault
