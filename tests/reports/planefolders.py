"""Small plane folders as ``massgap plane`` writes them, with invented contents that are smooth functions of the masses.

The limit on the signal strength at 300 fb-1 is exp((m - 200) / 40 + (30 - gap) / 30) and falls with the square root of the
luminosity, the bands are factors of 0.55, 0.74, 1.4 and 1.95 of it, so every contour is a straight line that can be written down.
"""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any

from massgap.contracts.plane_folder import PLANE_FORMAT, write_plane_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BANDS = (0.55, 0.74, 1.0, 1.4, 1.95)
MASSES = (120.0, 160.0, 200.0, 240.0)
GAPS = (10.0, 20.0, 30.0)
LUMI = 300.0


def strength(m: float, gap: float, lumi: float) -> float:
    """Median expected upper limit on the signal strength."""
    return math.exp((m - 200) / 40 + (30 - gap) / 30) * math.sqrt(LUMI / lumi)


def cross_section(m: float) -> float:
    """In fb."""
    return 50 * (100 / m) ** 4


def efficiency(m: float, gap: float) -> float:
    return 0.01 * (gap / 30) * (m / 200)


def row(m: float, gap: float, lumi: float, *, observed: bool, converged: bool, line: bool) -> dict[str, Any]:
    sigma, mu = cross_section(m), strength(m, gap, lumi)
    masses = {"m_parent": m, "m_lsp": m - gap}
    signal = sigma * lumi * efficiency(m, gap)
    good: dict[str, Any] = {
        "cls": {"observed": 0.03 * mu if observed else None, "expected": [0.04 * mu * b for b in BANDS]},
        "upper_limit": {"observed": 1.2 * mu if observed else None, "expected": [mu * b for b in BANDS]},
        "limit_fb": {
            "observed": 1.2 * mu * sigma if observed else None,
            "expected": [mu * b * sigma for b in BANDS],
        },
        "significance": {"expected": 2 / mu, "observed": 0.4 if observed else None},
    }
    return {
        "name": f"pair_{m:g}_{m - gap:g}",
        "process": f"pair_{m:g}_{m - gap:g}",
        "masses": masses,
        "x": m,
        "y": None if line else m - gap,
        "lumi_fb": lumi,
        "cross_section_fb": sigma,
        "cross_section_uncertainty": 0.07 * sigma,
        "efficiency": efficiency(m, gap),
        "efficiency_error": 0.02 * efficiency(m, gap),
        "events": {
            "signal": signal,
            "background": 40.0 * lumi / LUMI,
            "observed": 43.0 if observed else None,
        },
        **(good if converged else dict.fromkeys(good)),
        "uncertainty": {},
        "converged": converged,
        "certificate": {
            "distance": 2e-9,
            "steps": 9,
            "flat": False,
            "on_bounds": ["rate_tt"],
            "second_start": 1e-12,
            "fits": 12,
        },
        "error": None if converged else "the fit of the signal strength 3.1 is no minimum",
    }


def contours(lumi: float, *, observed: bool, line: bool) -> list[dict[str, Any]]:
    """Where the limit is 1 / factor: m = 200 + 40 (log(target) - (30 - gap) / 30), a line in the plane."""
    found: list[dict[str, Any]] = []
    kinds: list[tuple[str, float, Any, float]] = [
        ("exclusion", 1.0, band, scale) for band, scale in zip((-1, 0, 1), BANDS[1:4], strict=True)
    ]
    # Expected significance is 2 / limit.
    kinds += [("evidence", 3.0, 0, 1.5), ("discovery", 5.0, 0, 2.5)]
    kinds += [("exclusion", 1.0, "observed", 1.2)] if observed else []
    for what, level, band, scale in kinds:
        shift = math.log(scale * math.sqrt(LUMI / lumi))
        gaps = (GAPS[0],) if line else (GAPS[0], 15.0, 20.0, 25.0, GAPS[-1])
        places = [[200 - 40 * (shift + (30 - gap) / 30), gap] for gap in gaps]
        inside = [[m, None if line else m - gap] for m, gap in places if MASSES[0] <= m <= MASSES[-1]]
        lines = ([inside] if inside else []) if line or len(inside) > 1 else []
        found.append(
            {
                "lumi_fb": lumi,
                "what": what,
                "level": level,
                "band": band,
                "cross_section": 0,
                "lines": lines,
                "open": [True] * len(lines),
                "note": "" if lines else "no point is this far",
            }
        )
    return found


def interpolation(rows: Sequence[dict[str, Any]], lumi: float) -> list[dict[str, Any]]:
    """Every other point foretold 4 % too large, the others at the edge, as logarithms."""
    good = [row for row in rows if row["lumi_fb"] == lumi and row["converged"]]
    true = [math.log(row["upper_limit"]["expected"][2]) for row in good]
    entries = [
        {
            **{key: row[key] for key in ("name", "x", "y")},
            "true": value,
            "interpolated": value + 0.04 if index % 2 == 0 else None,
            "inside": index % 2 == 0,
        }
        for index, (row, value) in enumerate(zip(good, true, strict=True))
    ]
    return [
        {
            "lumi_fb": lumi,
            "quantity": "log expected limit",
            "method": "spline",
            "left_out": entries,
            "mean": 0.03,
            "max": 0.08,
            "contour_shift": {"mean": 1.5, "max": 2.5, "points": 4},
        }
    ]


def workspace(lumi: float) -> dict[str, Any]:
    """One channel of two bins, without signal."""

    def modifiers(name: str) -> list[dict[str, Any]]:
        return [
            {"name": "lumi_scale", "type": "normsys", "data": {"hi": 1.025, "lo": 0.975}},
            {"name": f"rate_{name}", "type": "normsys", "data": {"hi": 1.2, "lo": 0.8}},
            {"name": "staterror_sr", "type": "staterror", "data": [0.5, 0.4]},
        ]

    scale = lumi / LUMI
    samples = [
        {"name": name, "data": [share * scale, share * scale], "modifiers": modifiers(name)}
        for name, share in (("tt", 12.0), ("WW", 8.0))
    ]
    return {
        "version": "1.0.0",
        "channels": [{"name": "sr", "samples": samples}],
        "observations": [{"name": "sr", "data": [21.0, 22.0]}],
        "measurements": [{"name": "fit", "config": {"poi": "mu", "parameters": []}}],
    }


def patch_set(rows: Sequence[dict[str, Any]], digest: str) -> dict[str, Any]:
    patches = [
        {
            "metadata": {"name": row["name"], "values": list(row["masses"].values())},
            "patch": [
                {
                    "op": "add",
                    "path": "/channels/0/samples/-",
                    "value": {
                        "name": row["process"],
                        "data": [row["events"]["signal"] / 2] * 2,
                        "modifiers": [
                            {"name": "mu", "type": "normfactor", "data": None},
                            {"name": "lumi_scale", "type": "normsys", "data": {"hi": 1.025, "lo": 0.975}},
                        ],
                    },
                }
            ],
        }
        for row in rows
    ]
    labels = list(rows[0]["masses"])
    metadata = {
        "name": "plane",
        "description": "a plane",
        "digests": {"sha256": digest},
        "labels": labels,
        "references": {"hepdata": "ins0000000"},
    }
    return {"version": "1.0.0", "metadata": metadata, "patches": patches}


def make_plane(
    folder: Path,
    *,
    luminosities: Sequence[float] = (LUMI,),
    observed: bool = False,
    failed: Sequence[str] = (),
    line: bool = False,
    masses: Sequence[float] = MASSES,
    runs: Sequence[dict[str, Any]] = (),
    **changes: Any,
) -> dict[str, Any]:
    """Write a plane folder and return the content of its ``plane.json``; ``changes`` replace entries of it.

    With ``line`` only the smallest gap is there, and no second axis.
    """
    import pyhf

    places = [(m, gap) for m, gap in itertools.product(masses, GAPS) if not line or gap == GAPS[0]]
    rows = [
        row(
            m,
            gap,
            lumi,
            observed=observed,
            converged=f"pair_{m:g}_{m - gap:g}" not in failed,
            line=line,
        )
        for lumi in luminosities
        for m, gap in places
    ]
    files, workspaces = {}, []
    for lumi in luminosities:
        mark = "" if len(luminosities) == 1 else f"_{lumi:g}"
        model = workspace(lumi)
        digest = pyhf.utils.digest(model)
        names = f"background{mark}.json", f"patchset{mark}.json"
        files[names[0]] = json.dumps(model)
        files[names[1]] = json.dumps(patch_set([r for r in rows if r["lumi_fb"] == lumi], digest))
        part = {
            "channel": "sr",
            "region": "sr",
            "histogram": "score",
            "observable": "score",
            "binning": [0.0, 0.5, 1.0],
            "yields": {"tt": [0.04, 0.04], "WW": [0.03, 0.03]},
            "stat_errors": {"tt": [0.001, 0.001], "WW": [0.001, 0.001]},
            "observations": [21.0, 22.0] if observed else None,
        }
        kept = {"lumi_fb": lumi, "workspace": names[0], "patch_set": names[1], "digest": digest}
        workspaces.append({**kept, "parts": [part]})
    content: dict[str, Any] = {
        "format": PLANE_FORMAT,
        "runs": list(runs),
        "level": 0.95,
        "luminosities": list(luminosities),
        "sqrt_s_tev": 13.0,
        "xsec": {"set": "nlo", "source": "arXiv:1310.2621", "profiled": False},
        "axes": {
            "x": {"name": "m_parent", "label": r"m_{\tilde{\ell}}", "unit": "GeV"},
            "y": None if line else {"name": "m_lsp", "label": r"m_{\tilde{\chi}_1^0}", "unit": "GeV"},
            "shape": "line" if line else "plane",
            "forbidden": None if line else "y > x",
        },
        "points": rows,
        "contours": [c for lumi in luminosities for c in contours(lumi, observed=observed, line=line)],
        "interpolation": [entry for lumi in luminosities for entry in interpolation(rows, lumi)],
        "workspaces": workspaces,
        "options": {"engine": "massgap", "lumi_uncertainty": 0.025},
        "warnings": ["pair_240_230 has 3 simulated events in the last bin"],
        "versions": {"massgap": "0.1.0", "pyhf": "0.7.6"},
        "digest": "c0ffee",
        **changes,
    }
    write_plane_folder(folder, files, content)
    return content
