"""Compiled scoring of decision trees: one machine code for all models, the trees are data.

Events are taken in blocks. In a block each feature is replaced, once, by its rank among the thresholds
that the trees compare it with: a byte, or two where a feature has more than 255 thresholds. Few thresholds are counted, with
32 events side by side; among many the rank is looked up, event by event. A tree is
padded to a perfect one and evaluated for 32 (or 16) events at a time without a branch: all its comparisons
first, then the index of the leaf by selecting between the indices from the two subtrees, from the
bottom up. The comparison of many events with one threshold per instruction is that of QuickScorer and its
vectorised form (Lucchese et al., SIGIR 2015 and 2016); the ranks make the lanes four times as many.

Ranks lose nothing: ``x < t`` and ``rank(x) <= rank(t)`` are the same statement when ``rank`` counts the thresholds
not above x. A missing value has two ranks, the lowest where a split sends it the way of the small
values and the highest where not, so that the trees need not ask.

Each event is summed in float32 over its trees in their order, which is the sum that onnxruntime makes,
and no step depends on the events beside it: the same bits wherever an event stands.

The vector code is written in LLVM's own types for any width, so that it runs on all processors; numba's
loops would not become vectors here, because a tree reads from some thirty rows at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from massgap.arrays.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BLOCK", "DEEPEST", "cells_of", "score_by_ranks", "score_by_walking"]

COUNTED = 40
"""Thresholds of a feature, up to which comparing with all of them is faster than looking up where a value lies."""
_ABREAST = 32
DEEPEST = 6
"""Trees up to this depth are padded to perfect ones; deeper ones are walked."""
BLOCK = 256
"""Events per block: the ranks of some fifty columns stay in the nearest cache."""
TOGETHER = 8
"""Trees whose leaves are found before they are summed."""


def _perfect_tree(depth: int) -> Callable[..., Any]:
    """Return a compiled function that finds the leaves of one tree of `depth` for one vector of events."""

    @intrinsic
    def leaves(
        _typing: Any, ranks: Any, event: Any, columns: Any, limits: Any, node: Any, out: Any, at: Any
    ) -> Any:
        signature = types.void(ranks, event, columns, limits, node, out, at)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            def pointer(i: int, index: Any) -> Any:
                data = context.make_array(sig.args[i])(context, builder, args[i]).data
                return builder.gep(data, [index])

            bits = sig.args[0].dtype.bitwidth
            lanes = 256 // bits
            rank = ir.IntType(bits)
            vector, byte = ir.VectorType(rank, lanes), ir.IntType(8)
            first_rank, first_column = pointer(0, args[1]), pointer(2, args[4])
            first_limit = pointer(3, args[4])
            zero = ir.Constant(ir.IntType(32), 0)
            same = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

            def goes_false(number: int) -> Any:
                offset = ir.Constant(ir.IntType(64), number)
                column = builder.load(builder.gep(first_column, [offset]))
                row = builder.gep(first_rank, [builder.sext(column, ir.IntType(64))])
                have = builder.load(builder.bitcast(row, vector.as_pointer()))
                have.align = bits // 8
                limit = builder.load(builder.gep(first_limit, [offset]))
                one = builder.insert_element(ir.Constant(vector, ir.Undefined), limit, zero)
                spread = builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), same)
                return builder.icmp_signed(">", have, spread)

            def number_of_leaf(heap: int) -> Any:
                # heap: 0 is the root, the children of n are 2 n + 1 (true) and 2 n + 2 (false).
                if heap >= (1 << depth) - 1:
                    leaf = heap - ((1 << depth) - 1)
                    return ir.Constant(vector, [leaf] * lanes)
                condition = goes_false(heap)
                true, false = number_of_leaf(2 * heap + 1), number_of_leaf(2 * heap + 2)
                return builder.select(condition, false, true)

            found = number_of_leaf(0)
            if bits != 8:
                found = builder.trunc(found, ir.VectorType(byte, lanes))
            target = builder.bitcast(pointer(5, args[6]), ir.VectorType(byte, lanes).as_pointer())
            builder.store(found, target).align = 1
            return context.get_dummy_value()

        return signature, codegen

    return leaves


_leaves_1, _leaves_2, _leaves_3 = _perfect_tree(1), _perfect_tree(2), _perfect_tree(3)
_leaves_4, _leaves_5, _leaves_6 = _perfect_tree(4), _perfect_tree(5), _perfect_tree(6)


@intrinsic
def _count(
    _typing: Any, value: Any, event: Any, thresholds: Any, first: Any, n: Any, infinite: Any, missing: Any,
    ranks: Any, at: Any,
) -> Any:  # fmt: skip
    """Write the ranks of 32 values, and `missing` for one that is."""
    signature = types.void(value, event, thresholds, first, n, infinite, missing, ranks, at)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def pointer(i: int, index: Any) -> Any:
            data = context.make_array(sig.args[i])(context, builder, args[i]).data
            return builder.gep(data, [index])

        numbers, counts = ir.VectorType(ir.FloatType(), _ABREAST), ir.VectorType(ir.IntType(32), _ABREAST)
        zero, ones = ir.Constant(counts, [0] * _ABREAST), ir.Constant(counts, [0x7FFFFFFF] * _ABREAST)
        have = builder.load(builder.bitcast(pointer(0, args[1]), numbers.as_pointer()))
        have.align = 4
        # Of its bits without the sign: those of infinity are 0x7F800000, those of NaN are greater.
        size = builder.and_(builder.bitcast(have, counts), ones)
        endless = ir.Constant(counts, [0x7F800000] * _ABREAST)
        gone = builder.select(
            args[5], builder.icmp_signed(">=", size, endless), builder.icmp_signed(">", size, endless)
        )
        begin = pointer(2, args[3])
        total = cgutils.alloca_once_value(builder, zero)

        def spread(number: Any, of: Any) -> Any:
            one = builder.insert_element(
                ir.Constant(of, ir.Undefined), number, ir.Constant(ir.IntType(32), 0)
            )
            return builder.shuffle_vector(one, ir.Constant(of, ir.Undefined), zero)

        with cgutils.for_range(builder, args[4]) as loop:
            limit = spread(builder.load(builder.gep(begin, [loop.index])), numbers)
            passed = builder.sext(builder.fcmp_ordered(">=", have, limit), counts)
            builder.store(builder.sub(builder.load(total), passed), total)
        bits = sig.args[7].dtype.bitwidth
        small = ir.VectorType(ir.IntType(bits), _ABREAST)
        lowest = ir.Constant(counts, [-(1 << (bits - 1))] * _ABREAST)
        of_missing = spread(builder.trunc(args[6], ir.IntType(32)), counts)
        result = builder.add(builder.select(gone, of_missing, builder.load(total)), lowest)
        target = builder.bitcast(pointer(7, args[8]), small.as_pointer())
        builder.store(builder.trunc(result, small), target).align = bits // 8
        return context.get_dummy_value()

    return signature, codegen


@compiled
def _count_block(value, thresholds, first, n, infinite, missing, ranks, column):
    for e in range(0, value.size, _ABREAST):
        _count(value, e, thresholds, first, n, infinite, missing, ranks, column * BLOCK + e)  # type: ignore[call-arg]


@compiled
def cells_of(value, low, scale, n_cells, infinite_is_missing, cell):
    """Write the cell of each value, never decreasing with the value; a missing one gets the cell `n_cells`.

    Infinite values become NaN in `value` where they count as missing.
    """
    top, gone = np.float32(n_cells - 1), np.int32(n_cells)
    zero, inf, nan = np.float32(0), np.float32(np.inf), np.float32(np.nan)
    if infinite_is_missing:
        for i in range(value.size):
            value[i] = value[i] if abs(value[i]) < inf else nan
    for i in range(value.size):
        y = (value[i] - low) * scale
        y = y if y > zero else zero  # noqa: FURB136 - max would keep NaN
        y = y if y < top else top  # noqa: FURB136
        cell[i] = gone if np.isnan(value[i]) else np.int32(y)


@compiled
def _probability(margin):
    """The logistic function in float64, by arithmetic alone: a library's exp may differ between lanes."""
    m = np.float64(margin)
    a = np.float64(-700.0) if abs(m) > 700.0 else -abs(m)
    k = np.floor(a * 1.4426950408889634 + 0.5)
    r = (a - k * 0.693145751953125) - k * 1.4286068203094173e-06
    # exp(r), |r| <= ln 2 / 2, by its series to r^13: below 1e-16
    p = 1.0 + r / 13.0
    p = 1.0 + r * p * (1.0 / 12.0)
    p = 1.0 + r * p * (1.0 / 11.0)
    p = 1.0 + r * p * (1.0 / 10.0)
    p = 1.0 + r * p * (1.0 / 9.0)
    p = 1.0 + r * p * (1.0 / 8.0)
    p = 1.0 + r * p * (1.0 / 7.0)
    p = 1.0 + r * p * (1.0 / 6.0)
    p = 1.0 + r * p * (1.0 / 5.0)
    p = 1.0 + r * p * (1.0 / 4.0)
    p = 1.0 + r * p * (1.0 / 3.0)
    p = 1.0 + r * p * 0.5
    p = 1.0 + r * p
    k = k if k > -1022.0 else -1022.0  # noqa: FURB136 - NaN is no integer; r keeps it
    power = np.int64(k) + 1023
    e = p * np.int64(power << 52).view(np.float64)
    return np.float32(1.0 / (1.0 + e) if m >= 0.0 else e / (1.0 + e))


@compiled
def _probabilities(margins, base):
    for i in range(margins.size):
        margins[i] = _probability(margins[i] + base)


@compiled
def _take(x, rows, feature, stride_event, stride_feature, values):
    """Write a row per feature, in the order in which the table lies: columns a power of two apart share places of the cache."""
    if stride_event >= stride_feature:
        for i in range(rows.size):
            for u in range(feature.size):
                values[u, np.uintp(i)] = x[rows[i] + np.uintp(feature[u] * stride_feature)]
        return
    together = True
    for i in range(rows.size):
        together &= rows[i] == rows[0] + np.uintp(i * stride_event)
    for u in range(feature.size):
        first = np.uintp(feature[u] * stride_feature)
        value = values[u, : rows.size]
        if together and stride_event == 1:
            value[:] = x[first + rows[0] : first + rows[0] + np.uintp(rows.size)]
        else:
            for i in range(rows.size):
                value[i] = x[rows[i] + first]


@compiled
def _look_up(value, cell, start, thresholds, steps, lowest, row):
    """Write the rank of each value: from where its cell starts, by bisection within the cell."""
    if steps == 1:
        for i in range(value.size):
            r = np.uintp(start[np.uintp(cell[i])])
            row[i] = np.intp(r) + (value[i] >= thresholds[r]) + lowest
    else:
        for i in range(value.size):
            r = np.uintp(start[np.uintp(cell[i])])
            step = np.uintp(1) << np.uintp(steps - 1)
            while step:
                r = r + step if value[i] >= thresholds[r + step - np.uintp(1)] else r
                step >>= np.uintp(1)
            row[i] = np.intp(r) + lowest


@compiled
def _replace_missing(cell, gone, row, rank_of_missing, out):
    for i in range(out.size):
        out[i] = rank_of_missing if cell[i] == gone else row[i]


@compiled
def _add_leaves(found, first, n, first_leaf, leaves, total):
    """Add the leaves of `n` trees from `first` on to each event's total, a tree after the other."""
    m = total.size
    if n == TOGETHER:
        l0, l1, l2, l3 = (
            first_leaf[first],
            first_leaf[first + 1],
            first_leaf[first + 2],
            first_leaf[first + 3],
        )
        first += 4
        l4, l5, l6, l7 = (
            first_leaf[first],
            first_leaf[first + 1],
            first_leaf[first + 2],
            first_leaf[first + 3],
        )
        for i in range(m):
            s = total[i] + leaves[l0 + np.uintp(found[0, i])]
            s += leaves[l1 + np.uintp(found[1, i])]
            s += leaves[l2 + np.uintp(found[2, i])]
            s += leaves[l3 + np.uintp(found[3, i])]
            s += leaves[l4 + np.uintp(found[4, i])]
            s += leaves[l5 + np.uintp(found[5, i])]
            s += leaves[l6 + np.uintp(found[6, i])]
            s += leaves[l7 + np.uintp(found[7, i])]
            total[i] = s
    else:
        for k in range(n):
            leaf = first_leaf[first + k]
            for i in range(m):
                total[i] += leaves[leaf + np.uintp(found[k, i])]


@compiled
def _find_leaves(ranks, columns, limits, node, depth, found, m, lanes):
    """Write the number of the leaf that each event reaches in one tree."""
    if depth == 5:
        for e in range(0, m, lanes):
            _leaves_5(ranks, e, columns, limits, node, found, e)
    elif depth == 4:
        for e in range(0, m, lanes):
            _leaves_4(ranks, e, columns, limits, node, found, e)
    elif depth == 3:
        for e in range(0, m, lanes):
            _leaves_3(ranks, e, columns, limits, node, found, e)
    elif depth == 6:
        for e in range(0, m, lanes):
            _leaves_6(ranks, e, columns, limits, node, found, e)
    elif depth == 2:
        for e in range(0, m, lanes):
            _leaves_2(ranks, e, columns, limits, node, found, e)
    else:
        for e in range(0, m, lanes):
            _leaves_1(ranks, e, columns, limits, node, found, e)


@compiled
def score_by_ranks(
    x, stride_event, stride_feature, events, infinite_is_missing,
    feature, low, scale, n_cells, first_cell, start, first_threshold, n_thresholds, steps, thresholds,
    column_true, column_false,
    n_columns, depth, first_node, columns, limits, first_leaf, leaves, base, out,
):  # fmt: skip
    """Write the score of each of `events` (row numbers of x) into `out`, for one forest."""
    lanes = 32 // limits.itemsize
    lowest = -(1 << (8 * limits.itemsize - 1))
    rows = np.zeros(BLOCK, np.uintp)
    # Rows that lay whole kilobytes apart would share a few places of the cache.
    values = np.zeros((feature.size, BLOCK + 16), np.float32)
    cell = np.zeros(BLOCK, np.int32)
    ranks = np.zeros((n_columns, BLOCK), limits.dtype)
    found = np.zeros((TOGETHER, BLOCK), np.uint8)
    totals = np.empty(BLOCK, np.float32)
    n_trees = depth.size
    for block in range(0, events.size, BLOCK):
        m = min(BLOCK, events.size - block)
        total = totals[:m]
        for i in range(m):
            rows[i] = events[block + i] * stride_event
        _take(x, rows[:m], feature, stride_event, stride_feature, values)
        for u in range(feature.size):
            value = values[u, :m]
            if n_thresholds[u] <= COUNTED:
                for column, missing in ((column_true[u], 0), (column_false[u], n_thresholds[u])):
                    if column >= 0:
                        _count_block(
                            value, thresholds, first_threshold[u], n_thresholds[u], infinite_is_missing, missing, ranks,
                            column,
                        )  # fmt: skip
                continue
            cells_of(value, low[u], scale[u], n_cells[u], infinite_is_missing, cell)
            # A missing value has the rank that `start` holds for its cell: that of column_true if it is there.
            first = column_true[u] if column_true[u] >= 0 else column_false[u]
            _look_up(
                value, cell, start[first_cell[u] :], thresholds[first_threshold[u] :],
                steps[u], lowest, ranks[first],
            )  # fmt: skip
            if first != column_false[u] and column_false[u] >= 0:
                highest = n_thresholds[u] + lowest
                _replace_missing(
                    cell, np.int32(n_cells[u]), ranks[first], highest, ranks[column_false[u], :m]
                )
        total[:] = np.float32(0)
        for first in range(0, n_trees, TOGETHER):
            n = min(TOGETHER, n_trees - first)
            for k in range(n):
                _find_leaves(
                    ranks, columns, limits, first_node[first + k], depth[first + k], found[k], m, lanes
                )
            _add_leaves(found, first, n, first_leaf, leaves, total)
        # Apart from where they go to, so that it is done by vector instructions.
        _probabilities(total, base)
        for i in range(m):
            out[events[block + i]] = total[i]


@compiled
def score_by_walking(
    x, stride_event, stride_feature, events, infinite_is_missing,
    roots, feature, threshold, missing_true, true, false, weight, base, out,
):  # fmt: skip
    """Write the score of each of `events` into `out`, for one forest of any depth."""
    inf = np.float32(np.inf)
    for e in events:
        s = np.float32(0)
        for root in roots:
            node = root
            while feature[node] >= 0:
                v = x[e * stride_event + feature[node] * stride_feature]
                gone = not (abs(v) < inf) if infinite_is_missing else np.isnan(v)
                if (missing_true[node] != 0) if gone else (v < threshold[node]):
                    node = true[node]
                else:
                    node = false[node]
            s += weight[node]
        out[e] = _probability(s + base)
