"""The set of the smuon search: its usual cuts on the hard process, and decays after the shower that equal direct ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from massgap.samples.processes.catalogue import processes_of, wants_mpi
from massgap.samples.processes.hard_cut import with_usual_cut
from massgap.samples.processes.process import ALL
from massgap.samples.production.plan import with_repeated_decays
from massgap.selections.hard_process import OBSERVABLES
from massgap.stages import generation


def test_the_usual_cuts_of_the_set():
    made = {process.name: with_usual_cut(process, OBSERVABLES) for process in processes_of("smuon")}
    assert [(t.min, t.max) for t in made["tt_2mu"].tranches] == [(60.0, 80.0), (80.0, None)]
    for name in ("WW_2mu", "ZZ_2mu"):
        (only,) = made[name].tranches
        assert (only.variable, only.min, only.max) == ("M_T2", 80.0, None), name
        assert made[name].observable is OBSERVABLES["M_T2"]
    before = {process.name: process for process in processes_of("smuon")}
    # Signals and mumulnu are made as ever; shares stay.
    for name in ("WZ_2mu", "smuonR_200_50"):
        assert made[name] == before[name]
    for name, process in made.items():
        shares = [sum(t.share for t in p.tranches) for p in (process, before[name])]
        assert shares[0] == pytest.approx(shares[1]), name
    # Pairs near the Z mass, which the search vetoes, are left out; tops radiate before they decay, and theirs stay.
    assert made["ZZ_2mu"].filter.mass.half_width == 11.0
    assert not made["ZZ_2mu"].filter.inside
    assert made["tt_2mu"].filter.mass is None


@pytest.mark.parametrize(
    ("processes", "given", "mpi", "sliced"),
    [
        ("smuon", {}, True, True),
        (["smuon", "smuonR_400_0"], {}, True, True),
        ("smuon", {"mpi": False, "hard": "none"}, False, False),
        ("slepton", {}, False, True),
    ],
)
def test_what_a_set_is_made_with(monkeypatch, processes, given, mpi, sliced):
    seen = {}
    monkeypatch.setattr(
        "massgap.samples.production.generate.generate", lambda *args, **options: seen.update(options) or {}
    )
    generation.generate(processes, "nowhere", **given)
    assert seen["mpi"] is mpi
    assert (seen["observables"] is not None) is sliced
    assert seen["hard"] is None
    assert wants_mpi("smuon")
    assert not wants_mpi("slepton")


def test_repeats_are_for_the_signals_of_a_set():
    made = {p.name: p for p in with_repeated_decays(processes_of("smuon"), 10)}
    before = {p.name: p for p in processes_of("smuon")}
    assert made["tt_2mu"] == before["tt_2mu"]
    whole = sum(t.share for t in before["smuonR_200_50"].tranches)
    # As many events as without: a share counts copies.
    assert made["smuonR_200_50"].tranches == (replace(ALL, share=whole / 10),)


def test_decays_after_the_shower_equal_direct_ones(tmp_path):
    """Cutflow within errors, and distributions of one copy of each event, after the analysis."""
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    from scipy.stats import ks_2samp

    from massgap.contracts.filesets.fileset import load_fileset
    from massgap.processors import Smuon
    from massgap.runner import run
    from massgap.samples.production.generate import generate

    tables, counted = [], []
    for name, options in (("direct", {"events": 900}), ("repeated", {"events": 250, "repeat": 4})):
        states = []
        generate(
            "smuonR_300_100",
            tmp_path / name,
            workers=1,
            card="perfect",
            seed=2,
            progress=states.append,
            **options,
        )
        # Copies are no further work.
        assert states[-1].done == states[-1].total
        done = run(Smuon(features=True), load_fileset(tmp_path / name / "fileset.json"))
        done.require_complete()
        counted.append({row["step"]: row for row in done.cutflow["processes"]["smuonR_300_100"]})
        # Of the slices of the direct ones that which reaches the analysis: its events have one weight.
        table = max(done.features.values(), key=len)
        tables.append(table.drop_duplicates("fold_key") if name == "repeated" else table)
    for step in ("MET > 100", "two muons", "m_mumu", "M_T2 > 90", "muons above 50, 20"):
        one, many = (found[step] for found in counted)
        # Copies of an event are not independent: their error is at most so much larger.
        error = np.sqrt(one["variance"] + 4 * many["variance"])
        assert abs(one["weighted"] - many["weighted"]) < 3 * error, step
    assert len(tables[1]) > 80
    for name in ("met", "pt_mu1", "pt_mu2", "m_mumu", "m_t2", "abs_deta_mumu", "n_j"):
        assert ks_2samp(tables[0][name], tables[1][name]).pvalue > 0.01, name
