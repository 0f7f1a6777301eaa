"""What tests of runs share: the fileset of one dataset, and the bits of a result."""

from __future__ import annotations

from typing import Any


def fileset_of(*paths: object, **metadata: Any) -> dict[str, Any]:
    """A fileset of simulated ttbar events."""
    given = {"process": "tt", "xsec_fb": 100.0, "is_data": False, **metadata}
    return {"tt": {"files": {str(p): "Events" for p in paths}, "metadata": given}}


def bits(found: Any) -> dict[str, bytes]:
    """Histograms, or those of a result, to the last bit."""
    histograms = getattr(found, "histograms", found)
    return {name: h.view(flow=True).tobytes() for name, h in histograms.items()}
