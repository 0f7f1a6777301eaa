"""Add results in a fixed tree, so that the sum is the same for every order of arrival and every place of addition.

The chunks of a run are the leaves, in order.  A node of level ``k`` is the sum of ``FAN_IN ** k`` consecutive leaves,
added in their order.  Workers add up nodes of low levels, the driver the rest; nobody's arrival changes the association
of a floating-point sum, and each complete node can be kept for a restart.  (Analyses of massgap add exactly in any order;
the tree is there for processors that fill plain histograms.)
"""

from __future__ import annotations

from typing import Any

__all__ = ["FAN_IN", "MergeTree", "Node", "add", "combine", "leaves_of"]

FAN_IN = 8

Node = tuple[int, int]
"""Level and number of a node: the leaves from ``number * FAN_IN ** level`` on."""


def leaves_of(node: Node, total: int) -> range:
    """The leaves below a node.

    Examples
    --------
    >>> leaves_of((1, 2), 20)
    range(16, 20)
    """
    level, number = node
    size = FAN_IN**level
    return range(number * size, min((number + 1) * size, total))


def add(a: Any, b: Any) -> Any:
    """The sum of two results, made in the place of the first; None is nothing."""
    from coffea.processor.accumulator import iadd

    if a is None or b is None:
        return b if a is None else a
    return iadd(a, b)


def _children(node: Node, total: int) -> list[Node]:
    level, number = node
    size = FAN_IN ** (level - 1)
    first = number * FAN_IN
    return [(level - 1, k) for k in range(first, first + FAN_IN) if k * size < total]


def combine(nodes: dict[Node, Any], total: int, level: int) -> dict[Node, Any]:
    """Add up complete families of nodes, up to a level.

    Parameters
    ----------
    nodes
        Node -> result.  Results may be changed in place.
    total
        Number of leaves of the whole tree.
    level
        Highest level to make.

    Returns
    -------
    dict
        The highest nodes that could be made.
    """
    nodes = dict(nodes)
    for current in range(level):
        for parent in sorted({(current + 1, number // FAN_IN) for (k, number) in nodes if k == current}):
            children = _children(parent, total)
            if all(child in nodes for child in children):
                value = None
                for child in children:
                    value = add(value, nodes.pop(child))
                nodes[parent] = value
    return nodes


class MergeTree:
    """The sum of all leaves of a tree whose nodes arrive in any order.

    A result that says of itself that it adds exactly (``adds_exactly``) is added at once, so that only one sum is kept;
    of others, those are kept that still wait for an earlier brother.

    Parameters
    ----------
    total
        Number of leaves.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.height = 0
        while FAN_IN**self.height < total:
            self.height += 1
        self._waiting: dict[Node, dict[Node, Any]] = {}
        self._partial: dict[Node, tuple[int, Any]] = {}
        self._exact: Any = None
        self._sum: Any = None

    @property
    def kept(self) -> int:
        """Number of results in memory."""
        waiting = sum(v is not None for found in self._waiting.values() for v in found.values())
        partial = sum(value is not None for _, value in self._partial.values())
        return waiting + partial + (self._exact is not None) + (self._sum is not None)

    def add(self, node: Node, value: Any) -> None:
        """Take the result of a node; None if it gave nothing."""
        if value is not None and _adds_exactly(value):
            self._exact, value = add(self._exact, value), None
        while True:
            level, number = node
            if level >= self.height:
                self._sum = add(self._sum, value)
                return
            parent = (level + 1, number // FAN_IN)
            waiting = self._waiting.setdefault(parent, {})
            waiting[node] = value
            children = _children(parent, self.total)
            done, partial = self._partial.get(parent, (0, None))
            while done < len(children) and children[done] in waiting:
                partial = add(partial, waiting.pop(children[done]))
                done += 1
            if done < len(children):
                self._partial[parent] = (done, partial)
                return
            del self._waiting[parent]
            self._partial.pop(parent, None)
            node, value = parent, partial

    def finish(self) -> Any:
        """The sum of what has arrived, None if nothing has."""
        for level in range(1, self.height + 1):
            for parent in sorted(p for p in {*self._waiting, *self._partial} if p[0] == level):
                waiting = self._waiting.pop(parent, {})
                _, value = self._partial.pop(parent, (0, None))
                for child in sorted(waiting):
                    value = add(value, waiting[child])
                if level == self.height:
                    self._sum = add(self._sum, value)
                else:
                    above = (level + 1, parent[1] // FAN_IN)
                    self._waiting.setdefault(above, {})[parent] = value
        # With exact sums the order does not matter; a processor gives either these or others.
        self._sum, self._exact = add(self._sum, self._exact), None
        return self._sum


def _adds_exactly(value: Any) -> bool:
    """Whether all parts of a result are sums that do not depend on the order."""
    parts = value.values() if isinstance(value, dict) else (value,)
    found = False
    for part in parts:
        if not getattr(part, "adds_exactly", False):
            return False
        found = True
    return found
