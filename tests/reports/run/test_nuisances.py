from __future__ import annotations

from typing import Any

from massgap.reports.run.nuisances import combined, parameters


def entry(name: str, *effects: tuple[str, str, float | None, float | None], **words: Any) -> dict[str, Any]:
    return {
        "name": name,
        "constraint": "Gaussian",
        "kinds": ["log-normal rate"],
        "channels": list(dict.fromkeys(e[0] for e in effects)),
        "processes": list(dict.fromkeys(e[1] for e in effects)),
        "effects": [dict(zip(("channel", "process", "up", "down"), e, strict=True)) for e in effects],
        **words,
    }


def cells(markup: Any) -> list[list[str]]:
    import re

    return [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        for row in re.findall(r"<tr>(.*?)</tr>", str(markup))
    ]


def test_a_row_per_parameter() -> None:
    page = parameters(
        {
            "nuisances": [
                entry("xsec", ("sr", "tt", 0.1, -0.08), ("cr", "tt", 0.1, -0.09)),
                entry(
                    "jes",
                    ("sr", "tt", 0.02, -0.03),
                    ("sr", "WW", 0.25, -0.1),
                    kinds=["log-normal rate", "shape"],
                ),
                entry("k", ("cr", "tt", None, None), constraint="free", kinds=["free rate"]),
                entry("none", ("sr", "tt", 0.0, 0.0)),
            ]
        }
    )
    assert cells(page)[1:] == [
        ["xsec", "Gaussian", "log-normal rate", "tt", "sr, cr", "2 of 3", "10.0 %"],
        ["jes", "Gaussian", "log-normal rate, shape", "tt, WW", "sr", "2 of 3", "3.00 % to 25.0 %"],
        ["k", "free", "free rate", "tt", "cr", "1 of 3", "as the data say"],
        ["none", "Gaussian", "log-normal rate", "tt", "sr", "1 of 3", "0 %"],
    ]


def test_many_names_are_counted() -> None:
    page = parameters({"nuisances": [entry("lumi", *[(f"c{i}", "tt", 0.02, -0.02) for i in range(9)])]})
    assert cells(page)[1][3:6] == ["tt", "9 channels", "9 of 9"]


def test_luminosities_and_reasons() -> None:
    lumis = [
        {
            "lumi_fb": lumi,
            "folder": folder,
            "expected_significance": z,
            "expected_limit": [0.1, 0.2, 0.3, 0.4, 0.5],
        }
        for lumi, folder, z in ((137.0, ".", 2.0), (300.0, "lumi_300", 3.0))
    ]
    page = str(combined({"disjoint": ["The runs a & b share none."], "luminosities": lumis}))
    assert "The runs a &amp; b share none." in page
    assert cells(page)[2][0] == "300 fb⁻¹"
    assert cells(page)[2][-1] == "lumi_300"


def test_fits_of_earlier_versions_have_none_of_it() -> None:
    assert str(combined({})) == str(parameters({})) == ""
