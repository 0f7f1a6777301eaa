"""The slepton analysis against a plain Python loop over the same events (``slepton_reference``)."""

from __future__ import annotations

import math

import boost_histogram as bh
import eventfiles
import numpy as np
import pytest
import slepton_reference as reference

from massgap.processors import Slepton
from massgap.processors.errors import ProcessorError
from massgap.runner import run
from massgap.selections.slepton.features import FEATURES

XSEC = 250.0
NAMES = [f.name for f in FEATURES]
WITHOUT_MT2 = [n for n in NAMES if n not in reference.MT2_FEATURES]
CUTS = ("z_window", "met", "cos_theta_star")


def process(path, *, is_data=False, **options):
    metadata = {"process": "p"} | ({"is_data": True} if is_data else {"xsec_fb": XSEC})
    fileset = {"d": {"files": {str(path): None}, "metadata": metadata}}
    result = run(Slepton(features=True, **options), fileset)
    result.require_complete()
    return result


def close(found, true, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(found, true, rtol=tolerance, atol=1e-300)


def check_cutflow(rows, selected: reference.Selected, scale: float) -> None:
    assert rows[0]["step"] == "all events"
    for row in rows:
        n, w, w2 = reference.sums(selected.steps.get(row["step"], []))
        assert row["raw"] == n, row["step"]
        close(row["weighted"], w * scale)
        close(row["variance"], w2 * scale**2)
    assert {r["step"] for r in rows} >= set(selected.steps)


def check_features(table, selected: reference.Selected, scale: float) -> None:
    rows = selected.rows
    assert len(table) == len(rows)
    true = reference.as_columns(rows, [*WITHOUT_MT2, "weight", "precuts"])
    close(table["weight"], true["weight"] * scale)
    assert table["region_precuts"].tolist() == true["precuts"].tolist()
    sine = np.sin(true["dphi_l1_l2"])
    for name in WITHOUT_MT2:
        if name in ("m_ll", "m_tautau"):
            # The reference subtracts energies, and divides by the sine of a small angle.
            good = (np.abs(sine) > 1e-3) & (true["m_ll"] > 1)
            close(table[name][good], true[name][good], 1e-8)
            assert (np.isnan(table[name]) == np.isnan(true[name])).all()
        else:
            np.testing.assert_allclose(table[name], true[name], rtol=1e-12, atol=1e-12, err_msg=name)


def check_mt2(table, selected: reference.Selected) -> None:
    from mt2 import mt2

    inputs = np.array([r["_mt2"] for r in selected.rows]).T
    # The package is wrong for parallel visibles and where M_T2 is at its lower edge.
    x, y = inputs[1] + 1j * inputs[2], inputs[4] + 1j * inputs[5]
    angle = np.abs(np.angle(x / y))
    good = (angle > 0.01) & (angle < math.pi - 0.01) & (np.abs(inputs[6] + 1j * inputs[7]) > 1)
    assert good.sum() > 50
    for chi, name in ((0.0, "mt2_0"), (100.0, "mt2_100")):
        np.testing.assert_allclose(table[name][good], mt2(*inputs[:, good], chi, chi), rtol=1e-6, atol=1e-4)
    finite = table["ratio_mt2"].notna()
    close(table["ratio_mt2"][finite], ((table["mt2_100"] - 100) / table["mt2_0"])[finite])


def check_histograms(result, selected: reference.Selected, scale: float) -> None:
    """Fill once more with boost-histogram: features as stored, cuts and weights of the reference."""
    table = result.features["d"]
    weights = np.array([r["weight"] for r in selected.rows]) * scale
    passes = {c: np.array([r["cuts"][c] for r in selected.rows], dtype=bool) for c in CUTS}
    every = np.ones(len(table), dtype=bool)
    both = passes["z_window"] & passes["met"] & passes["cos_theta_star"]
    wanted = [(f.name, f, s, m) for f in FEATURES for s, m in (("topology", every), ("precuts", both))]
    for cut, name in zip(CUTS, ("m_ll", "met", "cos_theta_star"), strict=True):
        others = np.logical_and.reduce([m for c, m in passes.items() if c != cut])
        wanted.append((f"nminus1_{cut}", next(f for f in FEATURES if f.name == name), "precuts", others))
    for name, f, region, mask in wanted:
        mine = bh.Histogram(bh.axis.Regular(f.bins, f.low, f.high), storage=bh.storage.Weight())
        use = mask & table[f.name].notna().to_numpy()
        mine.fill(table[f.name].to_numpy()[use], weight=weights[use])
        found = result.histograms[name][{"process": "p", "region": region, "variation": "nominal"}]
        np.testing.assert_allclose(
            found.values(flow=True), mine.values(flow=True), rtol=1e-12, atol=1e-12 * scale
        )
        np.testing.assert_allclose(found.variances(flow=True), mine.variances(flow=True), rtol=1e-12, atol=0)


@pytest.mark.parametrize("version", eventfiles.VERSIONS)
def test_synthetic_nanoaod(version, nano_files) -> None:
    result = process(nano_files[version], is_data=version == "data")
    selected = reference.select(reference.read_nano(str(nano_files[version])))
    assert len(selected.rows) > 100
    assert sum(r["precuts"] for r in selected.rows) > 10
    total = reference.sums(selected.steps["all events"])[1]
    scale = 1.0 if version == "data" else XSEC / total
    check_cutflow(result.cutflow["processes"]["p"], selected, scale)
    check_features(result.features["d"], selected, scale)
    check_mt2(result.features["d"], selected)
    check_histograms(result, selected, scale)
    undefined = {n: int(c.isna().sum()) for n, c in result.features["d"][NAMES].items() if c.isna().any()}
    assert {k: v for k, v in result.undefined.items() if not k.startswith("nminus1")} == undefined
    assert undefined["m_tautau"] > 0  # the parallel muons


def test_delphes_columns(tmp_path) -> None:
    """Branches named as in Delphes, in a flat tree: uproot cannot write its split classes."""
    from coffea.nanoevents import BaseSchema, NanoEventsFactory

    columns = eventfiles.delphes_columns(eventfiles.make_events(700, seed=5))
    path = eventfiles.write_columns(tmp_path / "delphes.root", columns, tree="Delphes")
    events = NanoEventsFactory.from_root(
        {str(path): "Delphes"},
        schemaclass=BaseSchema,
        metadata={"dataset": "d", "xsec_fb": XSEC, "process": "p"},
    ).events()
    processor = Slepton(features=True)
    out = processor.postprocess(processor.process(events))
    selected = reference.select(reference.read_delphes(columns))
    assert len(selected.rows) > 80
    scale = XSEC / reference.sums(selected.steps["all events"])[1]
    check_cutflow(out["cutflow"]["processes"]["p"], selected, scale)
    check_features(out["features"]["d"], selected, scale)


@pytest.mark.parametrize(
    "name", ["nano_dy", "nano_dimuon", "nano_tt_v15", "nanoAOD_2015_CMS_Open_Data_ttbar"]
)
def test_real_nanoaod(name: str, real_files) -> None:
    path = real_files / f"{name}.root"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    # A loose selection, so that something is left of a few dozen events.
    result = run(
        Slepton(features=True),
        {"d": {"files": {str(path): None}, "metadata": {"process": "p", "unnormalised": True}}},
    )
    selected = reference.select(reference.read_nano(str(path)))
    check_cutflow(result.cutflow["processes"]["p"], selected, 1.0)
    check_features(result.features["d"], selected, 1.0)


def test_real_delphes(real_files) -> None:
    import uproot

    path = real_files / "delphes_seungjin.root"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    result = run(Slepton(features=True), {"d": {"files": {str(path): None}, "metadata": {"process": "p"}}})
    with uproot.open(path) as file:
        tree = file["Delphes"]
        names = [f"{c}.{f}" for c in ("Muon", "Electron", "Jet") for f in ("PT", "Eta", "Phi")]
        names += ["Muon.Charge", "Electron.Charge", "Jet.Mass", "Jet.BTag", "Jet.TauTag", "Event.Number"]
        names += ["MissingET.MET", "MissingET.Phi"]
        names += [n for n in ("Event.Weight", "Muon.IsolationVar", "Electron.IsolationVar") if n in tree]
        columns = {n: tree[f"{n.split('.')[0]}/{n}"].array() for n in names}
    selected = reference.select(reference.read_delphes(columns))
    assert len(selected.steps["all events"]) == 10
    check_cutflow(result.cutflow["processes"]["p"], selected, 1.0)


def test_jes_moves_jets_and_met_together(nano_files) -> None:
    plain = process(nano_files["v12"])
    varied = process(nano_files["v12"], variations=["jes", "isr"])
    for name, h in plain.histograms.items():
        found = varied.histograms[name]
        assert list(found.axes["variation"]) == ["isr_down", "isr_up", "jes_down", "jes_up", "nominal"]
        assert (
            found[{"variation": "nominal"}].view(flow=True) == h[{"variation": "nominal"}].view(flow=True)
        ).all()
    assert varied.cutflow == plain.cutflow
    assert varied.features["d"].equals(plain.features["d"])

    events = reference.read_nano(str(nano_files["v12"]))
    scale = XSEC / math.fsum(e["weight"] for e in events)
    for variation, factor in (("jes_up", 1.03), ("jes_down", 0.97)):
        shifted = reference.select([reference.scaled(e, factor) for e in events])
        for name in ("pt_j", "met", "ht", "m_j", "eta_l1"):
            f = next(f for f in FEATURES if f.name == name)
            mine = bh.Histogram(bh.axis.Regular(f.bins, f.low, f.high), storage=bh.storage.Weight())
            mine.fill([r[name] for r in shifted.rows], weight=[r["weight"] * scale for r in shifted.rows])
            found = varied.histograms[name][{"process": "p", "region": "topology", "variation": variation}]
            np.testing.assert_allclose(found.values(flow=True), mine.values(flow=True), rtol=1e-9, atol=1e-9)
    # PSWeight is 1.1, 0.9, 0.8, 1.3 in every event: ISR up is the first, down the third.
    nominal = varied.histograms["met"][{"variation": "nominal"}].values(flow=True)
    for variation, factor in (("isr_up", 1.1), ("isr_down", 0.8)):
        found = varied.histograms["met"][{"variation": variation}].values(flow=True)
        np.testing.assert_allclose(found, nominal * np.float32(factor), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"met": "objects", "without": ["no_tau", "no_electron"]}])
def test_passes_that_share_objects_give_the_same_as_each_by_itself(nano_files, options) -> None:
    together = process(nano_files["v12"], variations=["jes", "muon_scale"], **options).histograms
    for systematic in ("jes", "muon_scale", None):
        alone = process(
            nano_files["v12"], variations=[systematic] if systematic else [], **options
        ).histograms
        for name, h in alone.items():
            for variation in h.axes["variation"]:
                one, other = (x[{"variation": variation}].view(flow=True) for x in (h, together[name]))
                assert one.tobytes() == other.tobytes(), (name, variation)


def test_data_are_not_varied(nano_files) -> None:
    result = process(nano_files["data"], is_data=True, variations=["jes", "isr"])
    assert list(result.histograms["met"].axes["variation"]) == ["nominal"]


def test_steps_can_be_switched_off(nano_files) -> None:
    events = reference.read_nano(str(nano_files["v12"]))
    result = process(nano_files["v12"], without=["no_tau"])
    scale = XSEC / math.fsum(e["weight"] for e in events)
    check_cutflow(result.cutflow["processes"]["p"], reference.select(events, without=["no_tau"]), scale)
    assert "no hadronic tau" not in result.cutflow["steps"]
    bare = process(nano_files["v12"], without=list(Slepton.STEPS), precuts=())
    assert bare.cutflow["steps"] == ["all events", "two opposite-sign muons", "exactly one hard jet"]
    assert (bare.features["d"]["region_precuts"]).all()
    assert not [n for n in bare.histograms if n.startswith("nminus1")]


def test_other_precuts_and_thresholds(nano_files) -> None:
    result = process(nano_files["v12"], precuts=["met_125", "mt2_100"], muon_pt=25, topology_met=60)
    table = result.features["d"]
    assert (table["pt_l2"] > 25).all()
    assert (table["met"] > 60).all()
    assert (table["region_precuts"] == ((table["met"] >= 125) & (table["mt2_100"] < 130))).all()
    assert result.cutflow["steps"][-3:] == ["MET > 60", "met_125", "mt2_100"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precuts": ["z_windw"]}, r"precuts: unknown 'z_windw'; known are z_window, met"),
        ({"precuts": "met_30"}, r"precuts: unknown 'met_30'"),
        ({"without": ["no_photon"]}, r"without: unknown 'no_photon'; known are no_electron"),
        ({"variations": ["jez"]}, r"unknown variation 'jez'; known are btag, electron_scale, fsr"),
        ({"muon_pt": -1}, r"muon_pt is -1"),
        ({"hard_jet_pt": math.nan}, r"hard_jet_pt is nan"),
    ],
)
def test_unknown_names_and_values_are_refused(options, message) -> None:
    with pytest.raises(ProcessorError, match=message):
        Slepton(**options)


def test_one_precut_may_be_a_name() -> None:
    assert Slepton(precuts="met", without="no_tau", variations="jes").options()["precuts"] == ["met"]
