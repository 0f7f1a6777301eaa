"""The electroweakino study: its paper's numbers, and what a folder says of them."""

from __future__ import annotations

import json
import math

import pytest

from massgap.fits.planes.cross_sections import read_cross_sections
from massgap.fits.planes.points import PlanePoint
from massgap.fits.workspaces.nuisances import read_nuisances
from massgap.studies.cross_sections import cross_section_sets
from massgap.studies.electroweakino.places import CHANNELS, ENDLESS, GRID, LUMINOSITIES, TABLE_II, WITH_PYHF
from massgap.studies.electroweakino.study import NUISANCES, STUDY
from massgap.studies.electroweakino.validation import paper, validate
from massgap.studies.errors import StudyError


def test_the_paper_s_table_is_shares():
    table = paper().tables["Table II"]
    assert table.rows == tuple(f"dm {dm}" for dm in TABLE_II)
    for row in table.values:
        assert math.fsum(row) == pytest.approx(1.0, abs=2e-4)


def write_run(folder, analysis="electroweakino", **processes):
    """A run folder of nothing but counts: process -> (metadata, events of each channel)."""
    folder.mkdir(parents=True)
    datasets = {
        name: {"process": name, "is_signal": True, **metadata} for name, (metadata, _) in processes.items()
    }
    description = {"analysis": analysis, "title": analysis}
    datasets = datasets or {"mumu": {"process": "mumu"}}
    manifest = {"format": "massgap-run/1", "datasets": datasets, "description": description}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "analysis": analysis}))
    rows = {
        name: [
            {"channel": channel, "step": step, "raw": n, "weighted": value, "variance": value / 100}
            for channel, n in zip(CHANNELS, counts, strict=True)
            for step, value in (("all events", 5.0 * n), (f"exactly {channel}", 0.01 * n))
        ]
        for name, (_, counts) in processes.items()
    }
    cutflow = {
        "format": "massgap-cutflow/1",
        "unit": "fb",
        "channels": list(CHANNELS),
        "steps": [],
        "processes": rows,
    }
    (folder / "cutflow.json").write_text(json.dumps(cutflow))
    (folder / "histograms.json").write_text(json.dumps({"format": "massgap-histograms/1", "histograms": {}}))
    return folder


def test_shares_and_their_errors(tmp_path):
    metadata = {"masses": {"m_wino": 600.0, "m_lsp": 575.0}}
    write_run(tmp_path / "table2" / "run", vbf_N2C1_WZ_lep_600_25=(metadata, (100, 400, 500)))
    found = {(row.row, row.column): row for row in validate(tmp_path) if row.table == "Table II"}
    for channel, share in zip(CHANNELS, (0.1, 0.4, 0.5), strict=True):
        row = found["dm 25", channel]
        assert row.ours == pytest.approx(share)
        # the binomial error of 1000 unweighted events
        assert row.error == pytest.approx(math.sqrt(share * (1 - share) / 1000), rel=1e-6)
    assert found["dm 25", "1l"].verdict == "agrees"
    assert found["dm 50", "1l"].verdict == "absent"


def test_other_signals_are_not_in_the_table(tmp_path):
    write_run(
        tmp_path / "run",
        vbf_wino_WZ_lep_600_25=({"masses": {"m_wino": 600.0, "m_lsp": 575.0}}, (1, 1, 1)),
        vbf_N2C1_WZ_lep_500_25=({"masses": {"m_wino": 500.0, "m_lsp": 475.0}}, (1, 1, 1)),
    )
    found = [row for row in validate(tmp_path) if row.table == "Table II"]
    assert {row.verdict for row in found} == {"absent"}


def test_cross_section_of_the_samples(tmp_path):
    metadata = {"masses": {"m_wino": 200.0, "m_lsp": 175.0}, "hard_xsec_fb": 6.28, "hard_xsec_error_fb": 0.02}
    write_run(tmp_path / "scored", vbf_wino_WZ_lep_200_25=(metadata, (1, 1, 1)))
    (row,) = [row for row in validate(tmp_path) if row.row == "cross section, m = 200 GeV"]
    assert (row.ours, row.error, row.verdict) == (6.28, 0.02, "agrees")


def test_what_is_no_folder_of_the_study(tmp_path):
    with pytest.raises(StudyError, match=r"massgap study electroweakino --out"):
        validate(tmp_path)
    write_run(tmp_path / "run", analysis="slepton")
    with pytest.raises(StudyError, match="is a run of the analysis 'slepton'"):
        validate(tmp_path)


def test_nuisances_are_those_of_the_paper():
    """Section V: what is correlated over everything has one name, what is not has one per process."""
    found = read_nuisances(NUISANCES)
    by_name = {}
    for nuisance in found.nuisances:
        by_name.setdefault(nuisance.name, []).append(nuisance)
    assert by_name["lumi"][0].changes()[0] == pytest.approx(0.03)
    assert [each.changes()[0] for each in by_name["lepton_id"]] == pytest.approx([0.02])
    # a fit of one channel takes the file as well: no entry is of some channels only
    assert all(each.channels == ("*",) for each in found.nuisances)
    for name in ("pdf", "scale", "closure"):
        assert by_name[name][0].decorrelate == ("processes",)
        assert by_name[f"{name}_signal"][0].processes == ("signal",)
    assert found.drop == ("norm_*",)


def test_fits_and_planes_of_the_study_take_them():
    steps = [step for step in STUDY.steps if step.kind in ("fit", "plane") and step.nuisances]
    for step in steps:
        assert {each["name"] for each in step.nuisances["nuisance"]} >= {"lumi", "closure", "jes_rate"}
    assert {step.name for step in steps} >= {
        "fits/benchmark",
        "planes/WZ_own/combined",
        "planes/slepton_paper/3l",
    }


def test_the_planes_are_at_all_luminosities_of_both_models_and_normalisations():
    planes = [step for step in STUDY.steps if step.kind == "plane" and step.name not in (ENDLESS, WITH_PYHF)]
    assert len(planes) == 2 * 2 * 4
    assert {tuple(step.options["luminosities"]) for step in planes} == {LUMINOSITIES}
    assert {step.options["xsec"] for step in planes} == {"own", "paper"}


def test_every_signal_of_the_grid_is_made_once():
    steps = [step for step in STUDY.steps if step.kind == "generate"]
    made = [name for step in steps for name in step.processes if name.startswith("vbf")]
    assert len(made) == len(set(made))
    assert set(GRID) <= set(made)
    # Backgrounds that are made again are other events.
    again = [step for step in steps if step.name == "samples/leptonic_backgrounds"]
    assert [step.further_seed for step in again] == [1000]


def test_the_paper_s_cross_sections():
    """9 fb at 200 GeV, 1 fb at 650 GeV, and in between as an exponential: 3 fb half way."""
    found = read_cross_sections(cross_section_sets("electroweakino")["paper"])
    for m, fb in ((200.0, 9.0), (650.0, 1.0), (425.0, 3.0), (1100.0, 1.0 / 9.0)):
        point = PlanePoint("s", {"m_wino": m, "m_lsp": m - 10}, 1.0)
        assert found.of(point)[0] == pytest.approx(fb, rel=1e-3)


@pytest.mark.parametrize(
    ("shares", "answers"),
    [
        (((50, 30, 10), (10, 50, 40), (5, 30, 65)), (1.0, 1.0, 1.0)),
        (((30, 50, 10), (10, 40, 50), (5, 65, 30)), (0.0, 0.0, 0.0)),
    ],
)
def test_the_largest_channel(tmp_path, shares, answers):
    processes = {
        f"vbf_N2C1_WZ_lep_600_{dm}": ({"masses": {"m_wino": 600.0, "m_lsp": 600.0 - dm}}, counts)
        for dm, counts in zip((10, 25, 50), shares, strict=True)
    }
    write_run(tmp_path / "table2" / "run", **processes)
    found = [row for row in validate(tmp_path) if row.table == "Order"]
    assert tuple(row.ours for row in found) == answers
    assert all(0.0 <= (row.error or 0.0) < 0.5 for row in found)
