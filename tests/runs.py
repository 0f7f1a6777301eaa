"""What tests of runs share: the fileset of one dataset, the bits of a result, and a run folder with feature tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from massgap.contracts.feature_table import write_feature_tables

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.contracts.description import Description


def fileset_of(*paths: object, **metadata: Any) -> dict[str, Any]:
    """A fileset of simulated ttbar events."""
    given = {"process": "tt", "xsec_fb": 100.0, "is_data": False, **metadata}
    return {"tt": {"files": {str(p): "Events" for p in paths}, "metadata": given}}


def bits(found: Any) -> dict[str, bytes]:
    """Histograms, or those of a result, to the last bit."""
    histograms = getattr(found, "histograms", found)
    return {name: h.view(flow=True).tobytes() for name, h in histograms.items()}


def write_feature_run(
    folder: Path, tables: dict[str, Any], datasets: dict[str, Any], description: Description
) -> Path:
    """A run folder with feature tables, as a training reads it."""
    folder.mkdir()
    manifest = {
        "format": "massgap-run/1",
        "analysis": "mine",
        "datasets": datasets,
        "description": description.as_dict(),
        "features": write_feature_tables(folder / "features", tables, {}),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "ledger.json").write_text(json.dumps({"format": "massgap-ledger/1", "complete": True}))
    return folder
