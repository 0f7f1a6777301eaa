"""A HistFactory model as flat arrays, for compiled code.

A block is a sample in a channel: nominal contents times factors, plus shape variations. The parameters that matter in a
channel are numbered there anew (its local parameters), so that derivatives are small dense matrices per channel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from massgap.fits.errors import WorkspaceError
from massgap.fits.likelihoods.interpolation import rate_coefficients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.fits.likelihoods.parameters import ParameterSet

__all__ = ["LINEAR", "NORMSYS", "ModelArrays", "model_arrays"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LINEAR, NORMSYS = 0, 1
"""Kinds of factors of a whole block: the parameter itself, or an interpolated rate."""


class ModelArrays(NamedTuple):
    """What the kernels take.

    Pointers of n things have n + 1 entries: those of thing i are from ``pointer[i]`` to ``pointer[i + 1]``.

    Attributes
    ----------
    channel_bins, channel_blocks, channel_local : ndarray
        Pointers of channels to bins, blocks and local parameters.
    local_parameters : ndarray
        Parameter of each local one, rising within a channel; without the profiled ones.
    contents_at, contents : ndarray
        Where the nominal contents of a block begin, and all of them.
    grouped : ndarray of bool
        Whether a block is multiplied by the profiled parameters of its bins.
    rates, rate_parameters, rate_local, rate_kinds, rate_coefficients : ndarray
        Pointer of blocks to factors of whole blocks; coefficients of shape (n, 8), see :func:`rate_coefficients`.
    shapes, shape_parameters, shape_local, shapes_at, shape_means, shape_skews : ndarray
        Pointer of blocks to shape variations. With contents up and down of the nominal, a mean is half of up less down,
        and a skew is a sixteenth of up plus down less twice the nominal.
    factors, factor_parameters, factor_local : ndarray
        Pointer of blocks to factors per bin; the parameters are those of the first bin of the block.
    profiled : ndarray
        Parameter of each bin over which it is minimised analytically, -1 for none.
    constraints, widths, low, high : ndarray
        Of each parameter: kind and width of the constraint term, bounds.
    fixed : ndarray of bool
        Parameters that no fit moves.
    """

    channel_bins: Integers
    channel_blocks: Integers
    channel_local: Integers
    local_parameters: Integers
    contents_at: Integers
    contents: Floats
    grouped: NDArray[np.bool_]
    rates: Integers
    rate_parameters: Integers
    rate_local: Integers
    rate_kinds: Integers
    rate_coefficients: Floats
    shapes: Integers
    shape_parameters: Integers
    shape_local: Integers
    shapes_at: Integers
    shape_means: Floats
    shape_skews: Floats
    factors: Integers
    factor_parameters: Integers
    factor_local: Integers
    profiled: Integers
    constraints: Integers
    widths: Floats
    low: Floats
    high: Floats
    fixed: NDArray[np.bool_]


class _Block(NamedTuple):
    """A sample in a channel."""

    contents: Floats
    group: str
    rates: list[tuple[int, int, float, float]]
    shapes: list[tuple[int, Floats, Floats]]
    factors: list[tuple[str, int]]


def model_arrays(
    channels: Sequence[Mapping[str, Any]], parameters: Mapping[str, ParameterSet], *, profile: bool = True
) -> ModelArrays:
    """Lay out channels for the kernels.

    Parameters
    ----------
    channels : sequence of mapping
        Channels of a workspace, in the order of the observations.
    parameters : mapping
        From :func:`massgap.fits.likelihoods.parameters.collect_parameters`, in the order of the parameters.
    profile : bool
        Minimise over one constrained parameter per bin analytically.

    Raises
    ------
    WorkspaceError
        If a rate is not positive, or lengths do not fit.
    """
    first = dict(
        zip(parameters, np.cumsum([0, *(len(p) for p in parameters.values())]).tolist(), strict=False)
    )
    places = _places(channels, first)
    bins = [len(channel["samples"][0]["data"]) for channel in channels]
    blocks: list[_Block] = []
    profiled: list[Integers] = []
    local: list[Integers] = []
    for channel, n in zip(channels, bins, strict=True):
        of_channel = [_block(channel, sample, n, places) for sample in channel["samples"]]
        group = _profiled(of_channel, parameters) if profile else ""
        begin = next((at for block in of_channel for name, at in block.factors if name == group), -1)
        profiled.append(np.arange(begin, begin + n) if group else np.full(n, -1))
        blocks += [
            block._replace(
                group=group if group in [name for name, _ in block.factors] else "",
                factors=[(name, at) for name, at in block.factors if name != group],
            )
            for block in of_channel
        ]
        local.append(_local(blocks[-len(of_channel) :], n))
    owner = np.repeat(np.arange(len(channels)), [len(channel["samples"]) for channel in channels])

    def numbers(which: Sequence[int], block: int) -> list[int]:
        return np.searchsorted(local[owner[block]], which).tolist() if len(which) else []

    rates = [rate for block in blocks for rate in block.rates]
    shapes = [shape for block in blocks for shape in block.shapes]
    sets = list(parameters.values())
    return ModelArrays(
        _pointer(bins),
        _pointer([len(channel["samples"]) for channel in channels]),
        _pointer([len(entry) for entry in local]),
        _integers(np.concatenate(local)),
        _pointer([len(block.contents) for block in blocks])[:-1],
        np.concatenate([block.contents for block in blocks]),
        np.array([bool(block.group) for block in blocks]),
        _pointer([len(block.rates) for block in blocks]),
        _integers([rate[0] for rate in rates]),
        _integers([j for k, block in enumerate(blocks) for j in numbers([r[0] for r in block.rates], k)]),
        _integers([rate[1] for rate in rates]),
        rate_coefficients(np.array([rate[2] for rate in rates]), np.array([rate[3] for rate in rates])),
        _pointer([len(block.shapes) for block in blocks]),
        _integers([shape[0] for shape in shapes]),
        _integers([j for k, block in enumerate(blocks) for j in numbers([s[0] for s in block.shapes], k)]),
        _pointer([len(shape[1]) for shape in shapes])[:-1],
        np.concatenate([np.zeros(0), *(shape[1] for shape in shapes)]),
        np.concatenate([np.zeros(0), *(shape[2] for shape in shapes)]),
        _pointer([len(block.factors) for block in blocks]),
        _integers([at for block in blocks for _, at in block.factors]),
        _integers([j for k, block in enumerate(blocks) for j in numbers([a for _, a in block.factors], k)]),
        _integers(np.concatenate(profiled)),
        _integers([p.constraint for p in sets for _ in range(len(p))]),
        np.array([w for p in sets for w in (p.widths or (1.0,) * len(p))], dtype=np.float64),
        np.array([x for p in sets for x in p.low], dtype=np.float64),
        np.array([x for p in sets for x in p.high], dtype=np.float64),
        np.array([x for p in sets for x in p.fixed], dtype=bool),
    )


def _places(channels: Sequence[Mapping[str, Any]], first: Mapping[str, int]) -> dict[tuple[str, str], int]:
    """Channel and name of a modifier -> its parameter, that of the first bin if there is one per bin."""
    places: dict[tuple[str, str], int] = {}
    after = dict(first)  # a staterror of several channels goes on where it ended in the channel before
    for channel in sorted(channels, key=lambda entry: str(entry["name"])):
        statistics = {}
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                key = (str(channel["name"]), str(modifier["name"]))
                places.setdefault(key, after[key[1]])
                if modifier["type"] == "staterror":
                    statistics[key[1]] = len(sample["data"])
        for name, n in statistics.items():
            after[name] += n
    return places


def _block(
    channel: Mapping[str, Any], sample: Mapping[str, Any], n: int, places: Mapping[tuple[str, str], int]
) -> _Block:
    where = f"sample '{sample['name']}' in channel '{channel['name']}'"
    contents = _contents(sample["data"], n, where)
    block = _Block(contents, "", [], [], [])
    for modifier in _different(sample["modifiers"], where):
        kind, name, data = modifier["type"], str(modifier["name"]), modifier["data"]
        at = places[str(channel["name"]), name]
        if kind in ("normfactor", "lumi"):
            block.rates.append((at, LINEAR, 1.0, 1.0))
        elif kind == "normsys":
            if not (data["hi"] > 0.0 and data["lo"] > 0.0):
                message = (
                    f"The rates of the normsys '{name}' of {where} must be positive, not hi = {data['hi']:g} and lo = "
                    f"{data['lo']:g}: their logarithm is interpolated."
                )
                raise WorkspaceError(message)
            block.rates.append((at, NORMSYS, float(data["hi"]), float(data["lo"])))
        elif kind == "histosys":
            up = _contents(data["hi_data"], n, f"'{name}' up of {where}") - contents
            down = contents - _contents(data["lo_data"], n, f"'{name}' down of {where}")
            block.shapes.append((at, 0.5 * (up + down), 0.0625 * (up - down)))
        else:
            block.factors.append((name, at))
    block.rates.sort(key=lambda entry: entry[0])
    block.shapes.sort(key=lambda entry: entry[0])
    return block


def _contents(values: Sequence[float], n: int, where: str) -> Floats:
    contents = np.asarray(values, dtype=np.float64)
    if contents.shape != (n,):
        message = (
            f"The contents of {where} must be {n} numbers, as those of the first sample, not {contents.size}."
        )
        raise WorkspaceError(message)
    if not all(map(math.isfinite, values)):  # for a few numbers ten times as fast as with NumPy
        message = f"The contents of {where} must be numbers, not {contents[~np.isfinite(contents)][0]:g} as in bin {int(np.argmin(np.isfinite(contents)))}."
        raise WorkspaceError(message)
    return contents


def _different(modifiers: Sequence[Mapping[str, Any]], where: str) -> list[Mapping[str, Any]]:
    """Each modifier once: written twice alike it acts once, as in pyhf."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for modifier in modifiers:
        key = (str(modifier["type"]), str(modifier["name"]))
        if found.setdefault(key, modifier)["data"] != modifier["data"]:
            message = (
                f"There are two {key[0]} '{key[1]}' of {where}, which differ: rename or remove one of them."
            )
            raise WorkspaceError(message)
    return list(found.values())


def _profiled(blocks: Sequence[_Block], parameters: Mapping[str, ParameterSet]) -> str:
    """Name of the constrained factors per bin that belong to most samples; they stand in one bin each."""
    count: dict[str, int] = {}
    for block in blocks:
        for name, _ in block.factors:
            if parameters[name].auxiliary:
                count[name] = count.get(name, 0) + 1
    return max(count, key=lambda name: count[name]) if count else ""


def _local(blocks: Sequence[_Block], n: int) -> Integers:
    used = {rate[0] for block in blocks for rate in block.rates}
    used |= {shape[0] for block in blocks for shape in block.shapes}
    used |= {at + i for block in blocks for _, at in block.factors for i in range(n)}
    return _integers(sorted(used))


def _pointer(sizes: Sequence[int]) -> Integers:
    return _integers(np.cumsum([0, *sizes]))


def _integers(values: Any) -> Integers:
    return np.asarray(values, dtype=np.int64)
