"""Event files through Pythia: settings, weights, and what becomes of each event."""

from __future__ import annotations

import lhefiles
import numpy as np
import pytest

from massgap.samples.errors import GenerationError, LheError
from massgap.samples.lhe.batch_weights import lhe_weights, shower_columns
from massgap.samples.lhe.blocks import extract
from massgap.samples.lhe.file import read_lhe
from massgap.samples.pythia.hooks import user_hook
from massgap.samples.pythia.shower_settings import EventCounter, block_setting, lhe_settings

pythia8mc = pytest.importorskip("pythia8mc")

QUIET = ("Print:quiet = on", "SLHA:verbose = 0", "PartonLevel:MPI = off", "HadronLevel:all = off")


def shower(lhe, block, *, batch=50, lines=(), hooks=(), settings=None):
    """Weights of all events of a block, its account, and what ``lhe_weights`` makes of each batch."""
    pythia, counter = pythia8mc.Pythia("", False), EventCounter()
    first = user_hook(counter)
    for line in (*QUIET, *(settings or lhe_settings(lhe)), block_setting(block.path), *lines):
        assert pythia.readString(line), line
    assert pythia.setUserHooksPtr(first)
    for hook in hooks:
        assert pythia.addUserHooksPtr(hook)
    assert pythia.init()
    found, named = [], []
    while not pythia.infoPython().atEndOfFile():
        events = pythia.nextBatch(batch, errorMode="skip")
        if len(events) and events.fields:
            found.append(np.asarray(events.info.weights))
            named.append(lhe_weights(pythia, events.info.weights, lhe))
    weights = np.concatenate(found)
    account = counter.account(block, len(weights), float(weights[:, 0].sum()))
    return weights, account, {key: np.concatenate([part[key] for part in named]) for key in named[0]}


class Veto(pythia8mc.UserHooks):
    """Refuses every fourth event."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def canVetoProcessLevel(self):
        return True

    def doVetoProcessLevel(self, _event):
        self.calls += 1
        return self.calls % 4 == 0


# --- settings


def test_settings_of_an_ordinary_file(tmp_path):
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(5)))
    assert lhe_settings(lhe, sqrt_s_tev=13.0) == [
        "Beams:frameType = 4",
        "SpaceShower:dipoleRecoil = off",
        "SLHA:readFrom = 0",
    ]
    assert "SLHA:readFrom = 2" in lhe_settings(lhe, own_spectrum=True)
    with pytest.raises(LheError, match=r"is for 13 TeV, but 13.6 TeV"):
        lhe_settings(lhe, sqrt_s_tev=13.6)


def test_dipole_recoil_for_vbf_unless_told(tmp_path):
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.scattering(5), xsec=1.0))
    assert "SpaceShower:dipoleRecoil = on" in lhe_settings(lhe)
    assert "SpaceShower:dipoleRecoil = off" in lhe_settings(lhe, vbf=False)


def test_other_beams_are_refused(tmp_path):
    path = lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(5), beams="11 -11 6.5e3 6.5e3")
    with pytest.raises(LheError, match="beams 11 and -11"):
        lhe_settings(read_lhe(path))


# --- weights


@pytest.mark.parametrize("idwtup", [-4, 4, 3, -3, 1])
def test_weights_keep_size_and_sign_whatever_the_strategy(tmp_path, idwtup):
    weights = np.random.default_rng(2).choice([-1.5, 1.5, 3.0, 0.75], 60, p=[0.1, 0.5, 0.2, 0.2])
    events = lhefiles.drell_yan(60, weights=weights)
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", events, idwtup=idwtup, xsec=weights.mean()))
    found, account, named = shower(lhe, extract(lhe, 0, 60, tmp_path / "b.lhe"))
    assert found[:, 0] == pytest.approx(weights)
    assert named["LHEWeight_originalXWGTUP"] == pytest.approx(weights)
    assert sorted(named) == ["LHEWeight_originalXWGTUP"]
    assert lhefiles.accepted_xsec_fb(lhe, account) == (
        pytest.approx(1000 * weights.mean()),
        pytest.approx(1.0),
    )


@pytest.mark.parametrize("style", ["madgraph", "powheg", "sherpa"])
@pytest.mark.parametrize("batch", [7, 100])
def test_variations_arrive_under_their_names(tmp_path, style, batch):
    block, (scales, members) = lhefiles.weight_block(style)
    factor = {name: 1 + 0.1 * k for k, name in enumerate(dict.fromkeys([*scales, *members])) if name}
    others = {"zzz": 7.0, "5": 9.0, "5001": 11.0}

    def extra(i, weight):
        # neither sorted nor in the order of the declaration
        rows = [*others.items(), *reversed(factor.items())]
        return [
            "<rwgt>",
            *(f"<wgt id='{name}'> {weight * value * (1 + i / 100):.10e} </wgt>" for name, value in rows),
            "</rwgt>",
        ]

    events = lhefiles.drell_yan(20, weights=np.where(np.arange(20) % 4, 2.0, -1.0), extra=extra)
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", events, xsec=1.25, header=block))
    # the last batch ends with the file, when Pythia has forgotten names; the shower adds weights of its own
    bands = ("UncertaintyBands:doVariations = on", "UncertaintyBands:List = {up fsr:muRfac=0.5}")
    _, _, named = shower(lhe, extract(lhe, 0, 20, tmp_path / "b.lhe"), batch=batch, lines=bands)
    growth = 1 + np.arange(20)[:, None] / 100

    def expected(ids):
        return np.hstack([growth * factor[name] if name else np.ones((20, 1)) for name in ids])

    assert named["LHEScaleWeight"] == pytest.approx(expected(scales))
    assert named["LHEPdfWeight"] == pytest.approx(expected(members))


def test_weight_that_is_no_number(tmp_path):
    block, (scales, members) = lhefiles.weight_block("madgraph")

    def extra(i, weight):
        value = "nan" if i == 3 else weight
        return ["<rwgt>", *(f"<wgt id='{name}'> {value} </wgt>" for name in (*scales, *members)), "</rwgt>"]

    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(5, extra=extra), header=block))
    with pytest.raises(LheError, match="not a finite number"):
        shower(lhe, extract(lhe, 0, 5, tmp_path / "b.lhe"))


def test_weights_of_the_shower_are_found_behind_those_of_the_file(tmp_path):
    bands = (
        "UncertaintyBands:doVariations = on",
        "UncertaintyBands:List = {up fsr:muRfac=0.5, dn fsr:muRfac=2.0}",
    )

    def run(extra, block):
        lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(12, extra=extra), header=block))
        pythia = pythia8mc.Pythia("", False)
        path = extract(lhe, 0, 12, tmp_path / "b.lhe").path
        for line in (*QUIET, *lhe_settings(lhe), block_setting(path), *bands, "Random:setSeed = on"):
            assert pythia.readString(line), line
        assert pythia.init()
        found = []
        # the second batch ends with the file
        for n in (5, 30):
            events = pythia.nextBatch(n, errorMode="skip")
            names, columns = shower_columns(pythia, events.info.weights, lhe)
            assert names == ["Weight", "fsr.murfac=0.5", "fsr.murfac=2.0", "up", "dn"]
            found.append(columns)
        return np.concatenate(found)

    block, (scales, members) = lhefiles.weight_block("madgraph")
    ids = (*scales, *members)
    with_file = run(
        lambda *_: ["<rwgt>", *(f"<wgt id='{name}'> 77. </wgt>" for name in ids), "</rwgt>"], block
    )
    # the same events and random numbers without weights in the file
    assert with_file == pytest.approx(run(None, ""))
    assert with_file[:, 1].std() > 0


def test_event_of_no_weight_has_no_variations(tmp_path):
    block, (scales, members) = lhefiles.weight_block("madgraph")

    def extra(_, weight):
        return [
            "<rwgt>",
            *(f"<wgt id='{name}'> {2 * weight} </wgt>" for name in (*scales, *members)),
            "</rwgt>",
        ]

    events = lhefiles.drell_yan(6, weights=np.array([1.5, 1.5, 0.0, 1.5, 1.5, 3.0]), extra=extra)
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", events, header=block))
    _, account, named = shower(lhe, extract(lhe, 0, 6, tmp_path / "b.lhe"))
    assert account.returned + account.failed == 6
    assert account.failed <= 1
    scale = named["LHEScaleWeight"][:, 0]
    assert scale == pytest.approx(np.where(named["LHEWeight_originalXWGTUP"] == 0, 1.0, 2.0))


def test_weights_must_be_the_same_in_all_events(tmp_path):
    def events(choose):
        def extra(i, _):
            return ["<rwgt>", *(f"<wgt id='{name}'> 1. </wgt>" for name in choose(i)), "</rwgt>"]

        return lhefiles.drell_yan(5, extra=extra)

    path = tmp_path / "e.lhe"
    for choose in (lambda i: "abc"[: 2 + i // 4], lambda i: "ba" if i == 3 else "ab"):
        with pytest.raises(LheError, match="other weights"):
            read_lhe(lhefiles.write(path, events(choose)))
    with pytest.raises(LheError, match="two weights"):
        read_lhe(lhefiles.write(path, events(lambda _: "aa")))


def test_declared_weights_that_events_do_not_carry(tmp_path):
    block, _ = lhefiles.weight_block("madgraph")
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(5), header=block))
    assert lhe.header.scale_ids == lhe.header.pdf_ids == ()
    assert "no LHEScaleWeight: the header declares the weight '10'" in lhe.notes[0]


# --- accounts


def test_failed_and_vetoed_events_are_counted_apart(tmp_path):
    events = lhefiles.drell_yan(70)
    # a colour that nothing takes up fails before the shower; the event of the last line fails with the file's end
    no_colour = [i for i in range(70) if i % 7 == 6]
    for i in no_colour:
        events[i] = events[i].replace(" 501 ", " 601 ", 1)
    # one without the Z at rest passes there and fails the final check of energy and momentum
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", events))
    weights, account, _ = shower(lhe, extract(lhe, 0, 70, tmp_path / "b.lhe"))
    assert (account.tried, account.returned, account.vetoed, account.failed) == (70, 60, 0, 10)
    _, account, _ = shower(lhe, extract(lhe, 0, 70, tmp_path / "b.lhe"), hooks=[Veto()])
    assert (account.tried, account.returned, account.vetoed, account.failed) == (70, 45, 15, 10)
    # failed events say nothing about the efficiency
    assert lhefiles.accepted_xsec_fb(lhe, account) == (pytest.approx(0.75 * 1500), pytest.approx(0.75))
    assert len(weights) == 60


def test_late_failures_are_counted_once_with_several_hooks(tmp_path):
    class Late(pythia8mc.UserHooks):
        """Breaks the balance of energy after the shower, in every fifth event."""

        def __init__(self):
            super().__init__()
            self.calls = 0

        def canVetoPartonLevel(self):
            return True

        def doVetoPartonLevel(self, event):
            self.calls += 1
            if self.calls % 5 == 0:
                last = event[event.size() - 1]
                last.e(last.e() + 100.0)
            return False

    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(40)))
    late = Late()
    _, account, _ = shower(lhe, extract(lhe, 0, 40, tmp_path / "b.lhe"), hooks=[late, Veto()])
    assert account.vetoed == 10
    assert account.failed + account.returned == 30


def test_counter_that_is_not_first_is_noticed(tmp_path):
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", lhefiles.drell_yan(10)))
    block = extract(lhe, 0, 10, tmp_path / "b.lhe")
    counter = EventCounter()
    counter.seen = 5
    with pytest.raises(GenerationError, match="must be the first hook"):
        counter.account(block, 8, 12.0)


# --- files of real programs


@pytest.mark.parametrize(
    "name",
    [
        *("ewk_m200", "ewk_m400", "zjj_vbf", "wzj_m800", "wzj_m1600", "tautaugamma", "smuons_left_m203"),
        *("mmavv_sherpa", "vbs_wzjj_sherpa"),
    ],
)
def test_real_files_shower(real_files, tmp_path, name):
    path = real_files / "lhe" / f"{name}.lhe.gz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    lhe = read_lhe(path)
    block = extract(lhe, 100, 150, tmp_path / "b.lhe")
    _, account, _ = shower(lhe, block, hooks=[Veto()])
    assert account.tried == 150
    assert 37 - account.failed <= account.vetoed <= 37
    assert account.failed <= 2
    # constant weights: the efficiency of the veto is that of the numbers
    expected = lhe.xsec_fb * account.returned / (150 - account.failed)
    assert lhefiles.accepted_xsec_fb(lhe, account)[0] == pytest.approx(expected, rel=1e-6)
