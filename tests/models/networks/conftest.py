"""The gradients of one step, and those of finite differences in numpy."""

from __future__ import annotations

import json

import numpy as np
import pytest

from massgap.models.networks.backend import jax_and_optax
from massgap.models.networks.layers import Training
from massgap.models.networks.optimisation import compiled


@pytest.fixture(scope="session")
def slopes_of():
    """Function of a forward pass, its settings, parameters and state, and a batch: both gradients, flat."""

    def slopes(forward, settings, start, batch):
        jax, _ = jax_and_optax()
        x, label, weight = (np.asarray(a, np.float64) for a in batch)
        parameters, state = jax.tree.map(lambda a: np.asarray(a, np.float64), start)
        leaves, shape = jax.tree.flatten(parameters)
        ends = np.cumsum([leaf.size for leaf in leaves])
        flat = np.concatenate([leaf.ravel() for leaf in leaves])

        def tree(at):
            parts = zip(np.split(at, ends[:-1]), leaves, strict=True)
            return jax.tree.unflatten(shape, [part.reshape(leaf.shape) for part, leaf in parts])

        def loss(at):
            """Written down once more, without jax."""
            logits, _, penalty = forward(np, settings, tree(at), state, x, Training(None, None))
            y, w = (label[:, None], weight[:, None]) if logits.ndim == 2 else (label, weight)
            return (w * (np.logaddexp(0, logits) - y * logits)).mean() + penalty

        with jax.enable_x64(True):
            own = compiled(forward, json.dumps(settings, sort_keys=True)).loss
            found, _ = jax.jit(jax.grad(own, has_aux=True))(
                parameters, state, x, label, weight, jax.random.key(0)
            )
            found = np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(found)])
        step = 1e-6
        expected = [(loss(flat + step * e) - loss(flat - step * e)) / (2 * step) for e in np.eye(len(flat))]
        return found, np.array(expected)

    return slopes
