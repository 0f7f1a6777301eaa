"""The tree operator of an ONNX graph: whether it can be scored by compiled trees, and the trees it holds.

Only graphs of one shape are read: optionally ``IsInf`` and ``Where`` that make infinite values missing,
one ``TreeEnsembleRegressor`` that sums, one ``Sigmoid``. Everything else is for onnxruntime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.models.scoring.tree_layout import forest
from massgap.models.scoring.tree_nodes import need, read_nodes
from massgap.models.scoring.trees import TreeModel, UnsupportedTreesError

if TYPE_CHECKING:
    import onnx

__all__ = ["read_trees"]


def read_trees(model: onnx.ModelProto, width: int, n_folds: int) -> TreeModel:
    """Return the trees of a graph with `width` features and `n_folds` columns of scores.

    Raises
    ------
    UnsupportedTreesError
        If the graph has another shape, with the reason.
    """
    import numba

    need(not getattr(numba.config, "DISABLE_JIT", 0), "numba is told not to compile (NUMBA_DISABLE_JIT)")
    node, infinite = _ensemble(model.graph)
    attributes = {a.name: a for a in node.attribute}
    tree = read_nodes(attributes, width)
    n_targets = attributes["n_targets"].i if "n_targets" in attributes else 1
    need(n_targets == n_folds, "its trees have another number of columns")
    base = np.zeros(n_targets, np.float32)
    if "base_values" in attributes and (given := attributes["base_values"].floats):
        need(len(given) == n_targets, "its base values are not one per column")
        base = np.array(given, np.float32)
    need(bool(np.isfinite(base).all()), "it has base values that are not finite")
    targets = tree.target_of_tree
    need(bool(((targets >= 0) & (targets < n_targets)).all()), "it has trees without column")
    return TreeModel(
        tuple(forest(tree, tree.roots[targets == i], base[i]) for i in range(n_targets)), infinite
    )


def _ensemble(graph: onnx.GraphProto) -> tuple[onnx.NodeProto, bool]:
    """Return the tree operator and whether infinite values are made missing before it."""
    from onnx import numpy_helper

    nodes = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in constants]
    last = nodes.get(graph.output[0].name)
    need(last is not None and last.op_type == "Sigmoid", "it does not end in a Sigmoid")
    trees = nodes.get(last.input[0]) if last is not None else None
    if trees is None or trees.op_type != "TreeEnsembleRegressor" or trees.domain != "ai.onnx.ml":
        reason = "it has no TreeEnsembleRegressor before its Sigmoid"
        raise UnsupportedTreesError(reason)
    if list(trees.input) == inputs:
        need(len(graph.node) == 2, "it has other operators")
        return trees, False
    where = nodes.get(trees.input[0])
    need(
        len(graph.node) == 4 and where is not None and where.op_type == "Where",
        "it prepares features its own way",
    )
    assert where is not None
    is_inf = nodes.get(where.input[0])
    missing = constants.get(where.input[1])
    need(
        is_inf is not None
        and is_inf.op_type == "IsInf"
        and not is_inf.attribute
        and list(is_inf.input) == inputs
        and where.input[2] == inputs[0]
        and missing is not None
        and missing.data_type == 1
        and not [d for d in missing.dims if d != 1]
        and len(missing.dims) <= 2
        and bool(np.isnan(numpy_helper.to_array(missing)).all()),
        "it prepares features its own way",
    )
    return trees, True
