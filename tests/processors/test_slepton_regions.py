"""Control regions, further selections, the authors' order of steps, and scores by name."""

from __future__ import annotations

import eventfiles
import numpy as np
import pytest

from massgap import stages
from massgap.processors import Slepton
from massgap.processors.errors import ProcessorError
from massgap.runner import run
from massgap.selections.slepton.features import FEATURE_NAMES


@pytest.fixture(scope="module")
def fileset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regions")
    out = {}
    for seed, process in enumerate(("slepton_110_80", "tt", "WW")):
        events = eventfiles.make_events(2500, seed=seed, first=5000 * seed, negative=False)
        path = eventfiles.write_nano(folder / f"{process}.root", events, "v12")
        metadata = {"process": process, "xsec_fb": 5.0 + seed, "is_signal": not seed, "is_data": False}
        out[process] = {"files": {str(path): "Events"}, "metadata": metadata}
    return out


def table_of(fileset, **options):
    import pandas as pd

    made = run(Slepton(features=True, met="objects", **options), fileset)
    return pd.concat(made.features.values(), ignore_index=True), made


@pytest.fixture(scope="module")
def plain(fileset):
    return table_of(fileset)[0]


@pytest.fixture(scope="module")
def full(fileset):
    return table_of(fileset, order="authors", controls=("tt", "WW"), selections=("low_mt2", "earlier"))


def test_the_order_of_the_steps_selects_the_same_events(plain, full) -> None:
    mine = full[0][full[0].channel == "mumu1j"].sort_values("fold_key").reset_index(drop=True)
    same = plain.sort_values("fold_key").reset_index(drop=True)
    assert len(same) > 300
    for name in (*FEATURE_NAMES, "weight", "region_precuts"):
        np.testing.assert_array_equal(mine[name], same[name])


def test_regions_are_what_their_cuts_say(full) -> None:
    table = full[0]
    no_b, b = (table[table.channel == name] for name in ("mumu1j", "mumu1b"))
    off_z = (no_b.m_ll < 81.0) | (no_b.m_ll > 101.0)
    wide = abs(no_b.cos_theta_star) >= 0.5
    np.testing.assert_array_equal(no_b.region_cr_WW, off_z & (no_b.met > 110.0) & wide)
    np.testing.assert_array_equal(no_b.region_low_mt2, no_b.region_precuts & (no_b.mt2_100 < 130.0))
    np.testing.assert_array_equal(no_b.region_earlier, off_z & (no_b.m_tautau >= 125.0) & (no_b.met >= 125.0))
    assert not (no_b.region_cr_WW & no_b.region_precuts).any()
    off_z = (b.m_ll < 81.0) | (b.m_ll > 101.0)
    np.testing.assert_array_equal(
        b.region_cr_tt.astype(bool), off_z & (b.met > 110.0) & (abs(b.cos_theta_star) < 0.5)
    )
    assert {"cr_tt", "cr_WW"} <= {str(name) for name in full[1].histograms["met"].axes["region"]}
    assert min(no_b.region_cr_WW.sum(), b.region_cr_tt.sum()) > 5


def with_electrons(events):
    """The events with an electron in place of the second muon, as flavour symmetry has it."""
    out = []
    for event in events:
        muons = sorted(event["muons"], key=lambda muon: -muon["pt"])
        # The same isolation means the same for both below the tighter threshold, that of electrons.
        changed = [{**muon, "iso": 0.3 if muon["iso"] > 0.15 else muon["iso"]} for muon in muons]
        out.append({**event, "muons": changed[:1], "electrons": changed[1:]})
    return out


@pytest.mark.parametrize("order", ["paper", "authors"])
def test_an_electron_in_place_of_a_muon_changes_nothing_but_the_channel(tmp_path, order) -> None:
    events = [
        {
            **event,
            "electrons": [],
            "muons": [{**m, "iso": 0.3 if m["iso"] > 0.15 else m["iso"]} for m in event["muons"]],
        }
        for event in eventfiles.make_events(5000, seed=5, negative=False)
        if len(event["muons"]) == 2
    ]
    found = {}
    for name, made in (("muons", events), ("mixed", with_electrons(events))):
        path = eventfiles.write_nano(tmp_path / f"{name}.root", made, "v12")
        metadata = {"process": name, "xsec_fb": 5.0, "is_signal": False, "is_data": False}
        fileset = {name: {"files": {str(path): "Events"}, "metadata": metadata}}
        table, run_ = table_of(fileset, order=order, controls=("tt", "WW", "emu"))
        found[name] = table.sort_values("fold_key").reset_index(drop=True), run_
    muons, mixed = (found[name][0] for name in ("muons", "mixed"))
    assert set(mixed.channel) == {"emu1j"}
    assert set(muons.channel) == {"mumu1j", "mumu1b"}
    muons = muons[muons.channel == "mumu1j"].reset_index(drop=True)
    assert len(muons) == len(mixed) > 400
    # The electron keeps the mass of the muon that it was.
    for name in (*FEATURE_NAMES, "weight", "fold_key"):
        np.testing.assert_allclose(mixed[name], muons[name], rtol=1e-13, err_msg=name)
    assert muons.region_precuts.sum() > 20
    np.testing.assert_array_equal(mixed.region_cr_emu.astype(bool), muons.region_precuts.astype(bool))
    steps = {
        name: {
            row["step"]: row["raw"]
            for row in found[name][1].cutflow["processes"][name]
            if row["channel"] == channel
        }
        for name, channel in (("muons", "mumu1j"), ("mixed", "emu1j"))
    }
    shared = [step for step in steps["muons"] if step in steps["mixed"]]
    assert {"no b jet", "MET > 30", "met", "cos_theta_star"} <= set(shared)
    assert [steps["muons"][step] for step in shared] == [steps["mixed"][step] for step in shared]


def test_a_control_region_of_b_jets_needs_the_veto() -> None:
    with pytest.raises(ProcessorError, match="leave out --controls tt, or --without no_b_jet"):
        Slepton(controls="tt", without="no_b_jet")
    with pytest.raises(ProcessorError, match="order is 'mine': choose from paper, authors"):
        Slepton(order="mine")


def test_scores_by_name_are_filled_where_their_models_were_trained(fileset, tmp_path) -> None:
    options = {"controls": ("tt",), "selections": ("low_mt2",)}
    stages.run("slepton", fileset=fileset, out=tmp_path / "run", executor="iterative", options=options)
    models = {
        name: stages.train(
            tmp_path / "run",
            tmp_path / name,
            region=region,
            protocol="held_out",
            importances=False,
            compare_protocols=False,
        ).model_file
        for name, region in (("score", "precuts"), ("soft", "low_mt2"), ("wide", "topology"))
    }
    made = run(Slepton({name: str(path) for name, path in models.items()}, features=True, **options), fileset)
    regions = {
        name: [str(r) for r in made.histograms[name].axes["region"]]
        for name in ("score", "score_soft", "score_wide")
    }
    assert regions == {"score": ["precuts"], "score_soft": ["low_mt2"], "score_wide": ["topology"]}
    with pytest.raises(
        ProcessorError, match="the score 'soft' is of the region 'low_mt2', which is not there"
    ):
        Slepton({"soft": str(models["soft"])}).layout()


def test_without_pre_cuts_regions_are_what_they_lie_within(fileset) -> None:
    table, _ = table_of(fileset, precuts=(), controls=("tt", "emu"))
    for channel, selected in (("mumu1j", "precuts"), ("mumu1b", "cr_tt"), ("emu1j", "cr_emu")):
        inside = table.channel == channel
        assert inside.any()
        np.testing.assert_array_equal(table[f"region_{selected}"].astype(bool), inside)
