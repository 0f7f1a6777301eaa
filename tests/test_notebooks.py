"""The notebooks run from top to bottom, on samples of their own that are as small as they bear.

The one of sleptons is run on the demo's folder, in ``test_demo.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"cascade": 4000, "electroweakino": 3000, "own_analysis": 7000, "smuon": 3000, "vlq": 3000}
FIGURES = {"cascade": 2, "electroweakino": 1, "own_analysis": 3, "smuon": 2, "vlq": 2}


def test_each_has_a_test() -> None:
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == {*SIZES, "slepton"}


@pytest.mark.parametrize("name", sorted(SIZES))
def test_it_is_kept_with_what_it_shows(name: str) -> None:
    text = (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    kept = [out for cell in json.loads(text)["cells"] for out in cell.get("outputs", [])]
    assert sum("image/png" in out.get("data", {}) for out in kept) >= FIGURES[name]
    assert not [out for out in kept if out["output_type"] == "error" or out.get("name") == "stderr"]
    # Pages of documentation, not samples: small, and without the folders of a machine.
    assert len(text) < 200_000
    assert not [place for place in ("/tmp/", "/home/", "/work/", "/Users/") if place in text]


@pytest.mark.parametrize("name", sorted(SIZES))
def test_it_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pythia8mc")
    monkeypatch.setenv("MASSGAP_NOTEBOOK", str(tmp_path))
    monkeypatch.setenv("MASSGAP_NOTEBOOK_EVENTS", str(SIZES[name]))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=1200,
        kernel_name="python3",
        resources={"metadata": {"path": str(ROOT / "notebooks")}},
    )
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= FIGURES[name]
    # What is written there is a warning, or worse.
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
