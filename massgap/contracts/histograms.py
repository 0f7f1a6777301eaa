"""Histograms of a run: found in a result, written to ``histograms.json`` in UHI form, and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import RunFolderError
from massgap.contracts.writing import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from hist import Hist

__all__ = ["find_histograms", "read_histograms", "write_histograms"]

FORMAT = "massgap-histograms/1"
_REMEDY = "Run the analysis again into this folder."


def find_histograms(output: Any, prefix: str = "") -> dict[str, Any]:
    """All ``hist.Hist`` objects in a nested result, under their joined names."""
    if hasattr(output, "axes") and hasattr(output, "storage_type"):
        return {prefix or "histogram": output}
    found: dict[str, Any] = {}
    if isinstance(output, dict):
        for key, value in output.items():
            name = str(key) if not prefix or prefix == "histograms" else f"{prefix}/{key}"
            found.update(find_histograms(value, name))
    return found


def write_histograms(path: Path, histograms: dict[str, Any], unit: str) -> None:
    """Write histograms, complete or not at all.

    Parameters
    ----------
    path
        The file.
    histograms
        Name -> ``hist.Hist``.
    unit
        Of their contents: "fb", "events", "sum of generator weights" or "as filled".

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    import uhi.io.json

    content = {"format": FORMAT, "unit": unit, "histograms": histograms}
    write_json(path, content, indent=None, default=uhi.io.json.default)


def read_histograms(path: Path) -> dict[str, Hist[Any]]:
    """All histograms of a file by name.

    Raises
    ------
    RunFolderError
        If the file is missing, damaged or of another format.
    """
    import uhi.io.json
    from hist import Hist

    content = read_json(
        path, FORMAT, error=RunFolderError, remedy=_REMEDY, object_hook=uhi.io.json.object_hook
    )
    out: dict[str, Hist[Any]] = {}
    for name, form in content.get("histograms", {}).items():
        try:
            out[name] = Hist(form)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"{path}: histogram '{name}' is not in UHI form ({error}). {_REMEDY}"
            raise RunFolderError(message) from error
    return out
