"""Packages whose versions must agree between the driver and its workers."""

from __future__ import annotations

__all__ = ["DISTRIBUTED", "LIBRARIES", "MODULES"]

LIBRARIES = (
    "coffea", "awkward", "uproot", "numpy", "numba", "hist", "boost-histogram", "vector", "cramjam", "onnxruntime",
    "cloudpickle",
)  # fmt: skip
"""Distributions that read, compute and add up: another version may give other numbers."""

DISTRIBUTED = ("dask", "distributed", "msgpack", "tornado")
"""Distributions that carry tasks between machines."""

MODULES = tuple(name.replace("-", "_") for name in LIBRARIES)
"""What must be importable; onnxruntime only where it scores."""
