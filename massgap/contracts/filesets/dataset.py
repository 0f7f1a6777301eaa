"""What a fileset says of a dataset, as types: the keys that this package reads; others pass through."""

from __future__ import annotations

from typing import NotRequired, TypedDict

__all__ = ["Dataset", "Fileset", "KnownFile", "Metadata", "Tranche"]


class Tranche(TypedDict):
    """Events of a process with a generated quantity from ``min`` to below ``max`` (None for no end)."""

    variable: str
    min: float
    max: float | None
    group: NotRequired[str]


class Metadata(TypedDict, total=False):
    """How the events of a dataset are weighted, and what they are; ``xsec_fb`` in fb, ``masses`` in GeV.

    ``variations`` are the systematics of this dataset, instead of those that a run does for all; ``pdf_members`` says what the
    members of ``LHEPdfWeight`` are (:mod:`massgap.contracts.filesets.pdf_sets`).
    """

    process: str
    xsec_fb: float
    sum_weights: float
    is_data: bool
    is_signal: bool
    unnormalised: bool
    skimmed: bool
    sqrt_s_tev: float
    masses: dict[str, float]
    tranche: Tranche
    n_events: int
    variations: list[str]
    pdf_members: str


class KnownFile(TypedDict, total=False):
    """What a fileset says of one file: which entries are read, whether it is the one that was meant, and what is lost
    where it cannot be opened."""

    num_entries: int
    sum_weights: float
    uuid: str
    steps: list[list[int]]


class Dataset(TypedDict):
    """Files of a dataset (path or URL -> name of the tree) and what they are."""

    files: dict[str, str]
    metadata: Metadata
    known: NotRequired[dict[str, KnownFile]]
    preload: NotRequired[list[str]]


Fileset = dict[str, Dataset]
"""Dataset -> what it is."""
