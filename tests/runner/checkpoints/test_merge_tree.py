"""The tree of sums: one association of a floating-point sum for every order and place of addition."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.runner.checkpoints.merge_tree import FAN_IN, MergeTree, combine, leaves_of


def expected(values):
    """By the definition: eight neighbours at a time, from the left."""
    while len(values) > 1:
        above = []
        for k in range(0, len(values), FAN_IN):
            total = None
            for v in values[k : k + FAN_IN]:
                if v is not None:
                    total = v if total is None else total + v
            above.append(total)
        values = above
    return values[0]


def leaves(seed: int, n: int, absent: float = 0.0) -> list[float | None]:
    draw = random.Random(seed)
    return [
        None if draw.random() < absent else draw.uniform(-1, 1) * 10 ** draw.uniform(-8, 8) for _ in range(n)
    ]


@given(
    st.integers(0, 10**6),
    st.integers(1, 700),
    st.sampled_from([0.0, 0.1, 0.9]),
    st.randoms(use_true_random=False),
)
def test_any_order_gives_the_bits_of_the_definition(seed, n, absent, order) -> None:
    values = leaves(seed, n, absent)
    numbers = list(range(n))
    order.shuffle(numbers)
    tree = MergeTree(n)
    for i in numbers:
        tree.add((0, i), values[i])
    assert tree.finish() == expected(values)


@given(st.integers(0, 10**6), st.integers(1, 700), st.integers(0, 3), st.randoms(use_true_random=False))
def test_added_up_elsewhere(seed, n, level, order) -> None:
    """Any subset of complete families may arrive as one sum."""
    values = leaves(seed, n)
    numbers = list(range(n))
    order.shuffle(numbers)
    cut = order.randint(0, n)
    tree = MergeTree(n)
    for part in (numbers[:cut], numbers[cut:]):
        for node, value in combine({(0, i): values[i] for i in part}, n, level).items():
            assert node[0] <= level
            assert set(leaves_of(node, n)) <= set(part)
            tree.add(node, value)
    assert tree.finish() == expected(values)


def test_what_never_arrives_is_nothing() -> None:
    values = leaves(1, 100, 0.4)
    tree = MergeTree(100)
    for i in reversed(range(100)):
        if values[i] is not None:
            tree.add((0, i), values[i])
    assert tree.finish() == expected(values)
    assert MergeTree(100).finish() is None


def test_an_order_that_matters() -> None:
    """The numbers of these tests are such that another association gives other bits."""
    values = leaves(1, 100)
    sums = {sum(order) for order in itertools.islice(itertools.permutations(values), 50)}
    assert len({sum(values), expected(values), *sums}) > 1


@pytest.mark.parametrize("n", [64, 4096, 20_000])
def test_in_order_a_few_sums_are_kept(n) -> None:
    tree = MergeTree(n)
    most = 0
    for i in range(n):
        tree.add((0, i), 1.0)
        most = max(most, tree.kept)
    assert most <= tree.height + 1
    assert tree.finish() == n


class Exact(int):
    adds_exactly = True

    def __add__(self, other):
        return Exact(int(self) + int(other))

    __iadd__ = __add__


def test_exact_sums_are_added_at_once() -> None:
    """In any order: nothing waits."""
    tree = MergeTree(5000)
    numbers = list(range(5000))
    random.Random(1).shuffle(numbers)
    for i in numbers:
        tree.add((0, i), Exact(i))
        assert tree.kept == 1
    assert tree.finish() == sum(range(5000))
