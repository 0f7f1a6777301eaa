"""The libraries that train networks, imported where they are used, with one thread.

The forward pass of a network is written once, over a module of array functions `xp`: jax.numpy in float32 trains,
numpy in float64 says what the network is.  An ONNX graph is compared with the latter, so that its difference is the
rounding of one side, not of two; that is also why the layers here come from no library of layers.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Any

from massgap.extras import require
from massgap.models.errors import TrainerMissingError

__all__ = ["jax_and_optax", "library"]

_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
"""Sums are split over threads: with another number of them a training would have other bits.

A program that has computed with jax before keeps the threads that it has then: it sets XLA_FLAGS to this itself.
"""


def jax_and_optax() -> tuple[Any, Any]:
    """The modules jax and optax, on the CPU.

    Raises
    ------
    TrainerMissingError
        If one is not installed; the message says how to install it.
    """
    # jax reads the flags when it first computes, which may be long after somebody else has imported it.
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_ONE_THREAD}".strip()
    if "jax" not in sys.modules:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    jax = require("jax", "training of networks", error=TrainerMissingError)
    return jax, require("optax", "training of networks", error=TrainerMissingError)


def library() -> dict[str, str]:
    """Name and version of what decides a network beside the recipe and the data.

    Raises
    ------
    TrainerMissingError
        If jax or optax is not installed.
    """
    jax_and_optax()
    return {name: version(name) for name in ("jax", "jaxlib", "optax")}
