"""Names of processes: the sets of the analyses, single ones, signals at any mass, and what must not be mixed."""

from __future__ import annotations

import inspect
import itertools
import math

import pytest

from massgap.processors.slepton import Slepton
from massgap.samples.errors import UnknownProcessError
from massgap.samples.processes.catalogue import ANALYSES, GRIDS, PROCESSES, list_processes, processes_of
from massgap.samples.processes.process import phase_space_slices
from massgap.samples.processes.signals import SIGNAL_FORMS, signal_processes
from massgap.selections.slepton.precuts import PRECUTS


def names(*given):
    return [part.name for part in processes_of(list(given))]


def test_each_analysis_has_signal_and_background_of_one_energy():
    assert set(ANALYSES) == {"slepton", "smuon", "vlq", "cascade", "electroweakino"}
    for name in ANALYSES:
        parts = processes_of(name)
        assert [part.name for part in parts] == list(ANALYSES[name])
        assert {part.is_signal for part in parts} == {True, False}
        assert len({part.sqrt_s_tev for part in parts}) == 1


def test_tranches_of_a_process_do_not_overlap_and_leave_no_gap():
    for part in PROCESSES.values():
        for left, right in zip(part.tranches, part.tranches[1:], strict=False):
            assert left.max == right.min, part.name
        assert part.tranches[-1].max is None
        edges = getattr(part.filter, "edges", None)
        if edges:
            assert tuple(tranche.min for tranche in part.tranches) == edges
        assert len(part.tranches) <= 32  # as many as a seed has room for


def test_grids_are_signals_by_one_name():
    """The spectra of W* and Z* take long: those of sleptons tell as much."""
    half = processes_of(["vbf_wino_slepton_grid", "vbf_wino_slepton_600_25", "tt_vbf"])
    assert [part.name for part in half] == [*GRIDS["vbf_wino_slepton_grid"], "tt_vbf"]
    gaps = {round(part.masses["m_wino"] - part.masses["m_lsp"], 6) for part in half[:-1]}
    assert (min(gaps), max(gaps)) == (0.5, 75.0)
    assert GRIDS["vbf_wino_grid"] == GRIDS["vbf_wino_WZ_grid"] + GRIDS["vbf_wino_slepton_grid"]
    assert len(set(GRIDS["vbf_wino_grid"])) == 2 * len(half[:-1])


def test_groups_and_duplicates():
    assert names("mumu") == ["mumu_peak", "mumu_offpeak"]
    assert names("ZZ", "ZZ_other", "tt") == ["ZZ_leptons", "ZZ_other", "tt"]
    assert names("slepton", "slepton_160_120")[-1] == "slepton_160_120"


@pytest.mark.parametrize(
    ("name", "masses", "parts"),
    [
        ("slepton_160_120", {"m_slepton": 160.0, "m_lsp": 120.0}, 1),
        ("smuonL_202.9_150", {"m_slepton": 202.9, "m_lsp": 150.0}, 1),
        ("smuonR_300_0", {"m_slepton": 300.0, "m_lsp": 0.0}, 1),
        ("wino_WZ_300_0.5", {"m_wino": 300.0, "m_lsp": 299.5}, 2),
        ("wino_slepton_300_40", {"m_wino": 300.0, "m_lsp": 260.0}, 2),
        ("vlq_3200", {"m_T": 3200.0}, 1),
        ("cascade_sDM_691_660_631_600", {"m_X": 691.0, "m_Y": 660.0, "m_Z": 631.0, "m_chi": 600.0}, 1),
    ],
)
def test_signals_of_any_mass(name, masses, parts):
    found = processes_of(name)
    assert len(found) == parts
    assert all(part.masses == pytest.approx(masses) and part.is_signal for part in found)
    assert {part.label for part in found} == {name}


def test_every_form_of_signal_is_known():
    for form in SIGNAL_FORMS:
        words = form.split("_")
        falling = iter((500, 400, 300, 200))
        text = "_".join(
            str(next(falling)) if word in {"M", "LSP", "DM", "X", "Y", "Z", "CHI"} else word for word in words
        )
        assert signal_processes(text), form


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smuonR_100_200", r"smuonR_100_200 \(smuonR_M_LSP\): .*cannot decay"),
        ("wino_WZ_100_200", r"wino_WZ_100_200 \(wino_WZ_M_DM\)"),
        ("cascade_fDM_300_330_360_390", r"cascade_fDM_300_330_360_390"),
        ("smuonR_100", "unknown process 'smuonR_100'.*smuonR_M_LSP"),
        ("tth", "unknown process 'tth': did you mean tt.*massgap generate --list shows all"),
    ],
)
def test_impossible_signals(name, message):
    with pytest.raises(UnknownProcessError, match=message):
        processes_of(name)


def test_one_process_with_two_filters_is_refused():
    with pytest.raises(UnknownProcessError, match="would count events twice"):
        processes_of(["tt", "tt_2mu"])


def test_two_energies_are_refused():
    with pytest.raises(UnknownProcessError, match="14 TeV and tt at 13 TeV"):
        processes_of(["tt", "cascade_fDM_390_360_330_300"])


def test_no_process():
    with pytest.raises(UnknownProcessError, match="no process given"):
        processes_of([])


def test_list_has_a_row_for_each():
    rows = list_processes()
    assert {row["name"] for row in rows} == set(PROCESSES)
    assert all(row["description"] and row["source"] for row in rows)
    # what is not a signal has a cross section from the start
    assert all(row["xsec_fb"] > 0 for row in rows if not PROCESSES[row["name"]].is_signal)


def test_backgrounds_of_the_electroweakino_study_stand_together():
    """WZ and ZZ of leptonic decays take the place of all decays; with those they would count twice."""
    wanted = ["tt_vbf", "WW_vbf", "WZ_lep_vbf", "ZZ_lep_vbf", "vbf_wino_WZ_lep_200_25"]
    chosen = {process.name: process for process in processes_of(wanted)}
    assert chosen["WZ_lep_vbf"].leptonic == ("e", "mu", "tau")
    assert chosen["vbf_wino_WZ_lep_200_25"].leptonic == ("e", "mu")
    assert len({process.label for process in chosen.values()}) == 5


def test_slices_in_m_hat_may_leave_out_the_forward_part():
    """The bound follows the lower edge of each slice, and slices still meet."""
    slices = phase_space_slices("m_hat", (400, 1.0, 3.0), (800, 2.0, 1.0), pt_share=0.05)
    assert [s.settings for s in slices] == [
        ("PhaseSpace:mHatMin = 400", "PhaseSpace:mHatMax = 800", "PhaseSpace:pTHatMin = 20"),
        ("PhaseSpace:mHatMin = 800", "PhaseSpace:mHatMax = -1", "PhaseSpace:pTHatMin = 40"),
    ]
    assert all(len(s.settings) == 2 for s in phase_space_slices("m_hat", (400, 1.0, 3.0)))
    with pytest.raises(ValueError, match="m_hat"):
        phase_space_slices("pT_hat", (20, 1.0), pt_share=0.05)


def test_the_slices_of_wz_fall_and_have_events():
    tranches = PROCESSES["WZ_3l"].tranches
    assert len(tranches) == 29
    per_gev = [t.xsec_fb / (t.max - t.min) for t in tranches if t.max is not None]
    assert all(a > b > 0 for a, b in itertools.pairwise(per_gev))
    assert [t.max for t in tranches[:-1]] == [t.min for t in tranches[1:]]


@pytest.mark.parametrize("name", [name for name in ANALYSES["slepton"] if PROCESSES[name].filter.edges])
def test_what_falls_into_the_lowest_slice_lies_far_beyond_the_cuts_of_the_search(name):
    """What passes from there all the same has the largest weights: jets lose half of their momentum, muons win as much."""
    search = inspect.signature(Slepton).parameters
    acceptance = PROCESSES[name].filter.acceptance
    assert acceptance.jet.several_pt >= 2 * search["hard_jet_pt"].default
    assert acceptance.jet.second_pt >= 2 * search["hard_jet_pt"].default
    assert acceptance.jet.pt <= search["hard_jet_pt"].default / 1.4
    assert acceptance.pt <= 0.6 * search["muon_pt"].default
    if PROCESSES[name].is_signal:
        assert acceptance.eta >= 2.5 + 0.4
        (cos_theta_star,) = PRECUTS["cos_theta_star"].edges
        assert acceptance.delta_eta >= 2 * math.atanh(cos_theta_star) + 0.8


@pytest.mark.parametrize("name", [name for name in ANALYSES["slepton"] if PROCESSES[name].filter.edges])
def test_what_heads_for_the_search_behind_several_jets_is_a_slice_of_its_own(name):
    first, lowest = PROCESSES[name].tranches[:2]
    assert (first.name, first.max, lowest.min) == ("jets_met95toinf", -95.0, -95.0)
    assert lowest.name == "met0to40"
    assert first.min < -13_000  # no event heads for more than there is
