"""``massgap limit``: a workspace, a patch set, and files that are neither."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from randomworkspaces import random_workspace

from massgap import stages
from massgap.cli.group import main
from massgap.errors import MassgapError
from massgap.fits.inference.hypothesis_tests import hypothesis_test, upper_limit
from massgap.fits.inference.toys import ToyOptions
from massgap.fits.workspace_fit import WorkspaceFitOptions


@pytest.fixture
def workspace(tmp_path):
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(random_workspace(3)))
    return path


def signal_at(document: dict[str, Any]) -> tuple[str, list[float]]:
    for c, channel in enumerate(document["channels"]):
        for s, sample in enumerate(channel["samples"]):
            if any(modifier["name"] == "mu" for modifier in sample["modifiers"]):
                return f"/channels/{c}/samples/{s}/data", sample["data"]
    raise AssertionError


@pytest.fixture
def patch_set(workspace, tmp_path):
    place, data = signal_at(json.loads(workspace.read_text()))
    patches = [
        {
            "metadata": {"name": f"m{mass}", "values": [mass]},
            "patch": [{"op": "replace", "path": place, "value": [x * 200 / mass for x in data]}],
        }
        for mass in (100, 200, 400)
    ]
    path = tmp_path / "patchset.json"
    path.write_text(json.dumps({"metadata": {"labels": ["mass"]}, "patches": patches, "version": "1.0.0"}))
    return path


def test_the_limits_are_those_of_the_likelihood(workspace, tmp_path) -> None:
    found = stages.limit(
        workspace, tmp_path / "out" / "limits.json", options=WorkspaceFitOptions(impacts=True)
    )
    document = json.loads(workspace.read_text())
    (point,) = found.points
    assert point.results["cls"]["cls"] == hypothesis_test(document).cls
    assert point.results["upper_limit"]["observed"] == upper_limit(document, observed=True).observed
    assert {"pulls", "signal_strength", "impacts", "discovery"} <= point.results.keys()
    written = json.loads((tmp_path / "out" / "limits.json").read_text())
    assert written["format"] == "massgap-limits/1"
    assert written["points"][0]["cls"] == json.loads(json.dumps(point.results["cls"]))
    assert "numpy" in written["versions"]


def test_every_patch_is_a_signal(workspace, patch_set) -> None:
    seen = []
    found = stages.limit(workspace, patch_set=patch_set, progress=lambda *numbers: seen.append(numbers))
    assert [point.name for point in found.points] == ["m100", "m200", "m400"]
    assert [point.values for point in found.points] == [{"mass": mass} for mass in (100, 200, 400)]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    unpatched = stages.limit(workspace).points[0].results
    limits = found.points[1].results["upper_limit"], unpatched["upper_limit"]
    assert limits[0]["expected"] == pytest.approx(limits[1]["expected"], rel=1e-9)
    (one,) = stages.limit(workspace, patch_set=patch_set, patches=["m400"]).points
    assert one.results == found.points[2].results


def test_the_command(workspace, patch_set, tmp_path) -> None:
    result = CliRunner().invoke(main, ["limit", str(workspace)])
    assert result.exit_code == 0, result.output
    assert "observed 95 % CLs limit" in result.output
    out = tmp_path / "limits.json"
    result = CliRunner().invoke(
        main, ["limit", str(workspace), "--patchset", str(patch_set), "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["signal", "m100", "m200", "m400"]
    assert f"results: {out}" in result.stderr
    result = CliRunner().invoke(main, ["limit", str(workspace), "--expected", "--no-limit"])
    assert "observed" not in result.output
    assert "limit" not in result.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a HistFactory workspace"),
        ("[]", "no channels"),
        ('{"a": 1}', "no channels"),
        (None, "cannot be read"),
    ],
)
def test_files_that_are_no_workspace(tmp_path, content, message) -> None:
    path = tmp_path / "some.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(MassgapError, match=message) as caught:
        stages.limit(path)
    assert str(path) in str(caught.value)


def test_patches_that_are_none_or_do_not_fit(workspace, patch_set, tmp_path) -> None:
    with pytest.raises(MassgapError, match=r"no patch 'm5'.*m100, m200, m400"):
        stages.limit(workspace, patch_set=patch_set, patches=["m5"])
    with pytest.raises(MassgapError, match="no patch set"):
        stages.limit(workspace, patch_set=workspace)
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps([{"op": "replace", "path": "/channels/77/samples/0/data", "value": []}]))
    with pytest.raises(MassgapError, match="does not fit the workspace"):
        stages.limit(workspace, patch_set=bad)


def test_options_that_make_no_sense(workspace) -> None:
    with pytest.raises(MassgapError, match="--mu"):
        stages.limit(workspace, options=WorkspaceFitOptions(mu=0.0))
    with pytest.raises(MassgapError, match="--engine massgap"):
        stages.limit(workspace, options=WorkspaceFitOptions(impacts=True, engine="pyhf"))


def small_count(tmp_path, background: float = 0.8):
    samples = [
        {"name": "s", "data": [2.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [background], "modifiers": []},
    ]
    document = {
        "channels": [{"name": "sr", "samples": samples}],
        "observations": [{"name": "sr", "data": [0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    path = tmp_path / "small.json"
    path.write_text(json.dumps(document))
    return path


def test_small_counts_are_told_and_toys_take_their_place(tmp_path) -> None:
    path, out = small_count(tmp_path), tmp_path / "limits.json"
    result = CliRunner().invoke(main, ["limit", str(path)])
    assert "bin 0 of channel 'sr' (0.8 events, 100 %)" in result.output
    assert "--toys 20000" in result.output
    result = CliRunner().invoke(
        main, ["limit", str(path), "--toys", "2000", "--seed", "3", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "may not be good enough" not in result.output
    (point,) = json.loads(out.read_text())["points"]
    found = point["toys"]
    assert (found["number"], found["seed"]) == (2000, 3)
    # No event: CLs = exp(-s mu), whatever the background.
    limit = found["upper_limit"]
    assert limit["observed"] == pytest.approx(-np.log(0.05) / 2.0, abs=4.0 * limit["observed_error"])
    line = next(
        line for line in result.output.splitlines() if line.startswith("observed 95 % CLs limit on mu, toys")
    )
    assert f"{limit['observed']:.4g} +- {limit['observed_error']:.2g}" in line
    assert found["certificate"]["failed"] == 0
    assert f"{found['certificate']['toys']:,} of {found['certificate']['toys']:,} fitted" in result.output


def test_options_of_toys_that_make_no_sense(tmp_path) -> None:
    path = small_count(tmp_path)
    for words, told in (
        (["--seed", "3"], "--toys 20000"),
        (["--toys", "0"], "--toys"),
        (["--toys", "100", "--engine", "pyhf"], "--engine massgap"),
    ):
        result = CliRunner().invoke(main, ["limit", str(path), *words])
        assert result.exit_code != 0
        assert told in result.output + str(result.exception)


def test_a_table_of_signals_is_that_of_toys(workspace, patch_set) -> None:
    words = ["limit", str(workspace), "--patchset", str(patch_set), "--no-limit", "--toys", "200"]
    result = CliRunner().invoke(main, words)
    assert "From 200 toys of each hypothesis:" in result.output
    options = WorkspaceFitOptions(limit=False, toys=ToyOptions(200))
    point = stages.limit(workspace, patch_set=patch_set, patches=["m200"], options=options).points[0]
    row = next(line for line in result.output.splitlines() if line.startswith("m200"))
    assert f"{point.results['toys']['cls']['cls']:.4f}" in row
