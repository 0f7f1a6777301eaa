"""Expected numbers in a report carry the uncertainty of the simulation."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from reportfolders import dump

from massgap.reports.figures import threshold_scan, upper_limit
from massgap.reports.run.expected import expected_range, expected_text
from massgap.reports.run.fit import fit_section
from massgap.reports.run.inputs import read_inputs
from massgap.reports.run.score import score_section
from massgap.reports.run.summary import headline_cards

if TYPE_CHECKING:
    from pathlib import Path

MERITS = ("S", "B", "s_over_1pb", "asimov", "asimov_uncertain")


def spread(std: float, low: float = 0.1, high: float = 0.3) -> dict[str, Any]:
    return {"std": std, "interval": [low, high], "mean": 0.2, "defined": 50}


@pytest.fixture
def inputs(folders: Any, tmp_path: Path) -> Any:
    """The run with a fit whose numbers have uncertainties."""
    fit = shutil.copytree(folders.fit, tmp_path / "fit")
    results = json.loads((fit / "results.json").read_text(encoding="utf-8"))
    results["cls"] = {"mu": 1.0, "cls": None, "expected": [1e-5, 1e-4, 1e-3, 1e-2, 0.1]}
    results["simulation"] = {
        "replicas": 50,
        "seed": 4,
        "method": "mixed",
        "why": ["the feature tables have no column 'met'"],
        "expected_significance": spread(0.4321, 6.9, 7.8),
        "upper_limit": {"expected": [spread(0.017 * (i + 1)) for i in range(5)]},
        "cls": {"expected": [spread(0.5, 2e-9, 4e-2)] * 5},
        "joined": 3,
        "problems": {"no expected limit was found": 2},
    }
    scan = json.loads((fit / "scan.json").read_text(encoding="utf-8"))
    (entry,) = scan["scans"]
    for rows in (*entry["folds"], entry["combined"]):
        rows["std"] = {
            name: (0.1 * np.asarray(rows[name], dtype=float)).tolist()
            for name in ("S_smooth", "s_over_1pb_smooth", "asimov_smooth")
        }
    figures = {name: spread(0.62) for name in MERITS}
    best = {**figures, "threshold": spread(0.1, 0.71, 0.93), "maximum": spread(0.5), "optimism": 0.37}
    entry["simulation"] = {
        "replicas": 50,
        "seed": 4,
        "method": "events",
        "why": [],
        "all_events": figures,
        "best": best,
    }
    dump(fit / "results.json", results)
    dump(fit / "scan.json", scan)
    return read_inputs(folders.run, None, fit)


def words(markup: Any) -> str:
    """Text without images and tags."""
    return " ".join(
        re.sub(r"<[^>]*>", " ", re.sub(r"<svg.*?</svg>", " ", str(markup), flags=re.DOTALL)).split()
    )


def test_the_chapter_of_the_fit(inputs: Any) -> None:
    section = fit_section(inputs)
    assert section is not None
    text = words(section.body)
    assert "7.39 ± 0.43" in text
    assert "Expected upper limit, median 0.271 ± 0.051" in text
    assert "Expected CLs of this model, median 0.00100 (2.0e-9 to 0.040)" in text
    assert "50 replicas" in text
    assert "seed 4" in text
    assert "where they are those of the histogram, else its bins" in text
    assert "because the feature tables have no column 'met'" in text.replace("&#x27;", "'").replace(
        "&#39;", "'"
    )
    assert "In 3 replicas a bin lost all its background" in text
    assert "In 2 replicas no expected limit was found" in text
    assert "between 6.90 and 7.80" in text
    assert "tt 812 ± 95 790 ± 21" in text
    assert "all backgrounds 1,400 ± 110 1,381 ± 30" in text
    without = dataclasses.replace(inputs, results={**inputs.results, "yields": []})
    assert "before and after the fit" not in words(fit_section(without).body)


def test_the_chapter_of_the_scan_and_the_headline(inputs: Any) -> None:
    section = score_section(inputs)
    assert section is not None
    text = words(section.body)
    best = inputs.scans[0]["best"]
    assert (
        f"Asimov significance {expected_text(inputs.scans[0]['all_events']['asimov'], {'std': 0.62})}" in text
    )
    assert "+0.37 σ more" in text
    assert "between 0.71 and 0.93" in text
    cards = words(headline_cards(inputs))
    assert "7.39 ± 0.43 σ" in cards
    assert "0.271 ± 0.051" in cards
    assert f"{best['asimov']:.2f} ± 0.62 σ" in cards
    assert "0.4 σ of it from its choice" in cards


def test_figures_draw_bands(inputs: Any) -> None:
    rows = inputs.scans[0]["combined"]
    with_band = threshold_scan(rows)
    bare = threshold_scan({name: column for name, column in rows.items() if name != "std"})
    assert [len(axes.collections) for axes in with_band.axes] == [2, 2, 2]
    assert [len(axes.collections) for axes in bare.axes] == [1, 1, 1]
    (band,) = [c for c in with_band.axes[2].collections if c.get_alpha() == 0.4]
    vertices, smooth = band.get_paths()[0].vertices, np.asarray(rows["asimov_smooth"])
    assert vertices[:, 1].max() == pytest.approx(1.1 * smooth.max())
    limit = {"expected": [1.0, 2.0, 3.0, 4.0, 5.0], "observed": None, "level": 0.95}
    bar = upper_limit(limit, {"expected": [spread(0.7)] * 5}).axes[0].containers[-1]
    assert bar.lines[2][0].get_segments()[0][:, 0] == pytest.approx([2.3, 3.7])


def test_numbers_without_uncertainty_are_as_before() -> None:
    assert expected_text(0.686, None) == expected_text(0.686, {"std": None}) == "0.686"
    assert expected_text(None, {"std": 0.1}) == "-"
    assert "0.686</data>" in expected_range(0.686, None)
