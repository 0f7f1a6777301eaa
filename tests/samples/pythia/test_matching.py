"""Matching of multi-jet files: settings, hooks side by side, cross sections, and smoothness across the scale."""

from __future__ import annotations

import lhefiles
import numpy as np
import pytest

from massgap.samples.errors import LheError
from massgap.samples.extra import no_banner
from massgap.samples.lhe.blocks import extract
from massgap.samples.lhe.file import read_lhe
from massgap.samples.pythia.hooks import add_hooks, user_hook
from massgap.samples.pythia.matching import default_qcut, make_matching_hook, mlm_settings
from massgap.samples.pythia.shower_settings import EventCounter, block_setting, lhe_settings

pythia8mc = pytest.importorskip("pythia8mc")

QUIET = ("Print:quiet = on", "SLHA:verbose = 0", "PartonLevel:MPI = off", "HadronLevel:all = off")


@pytest.fixture
def multijet(tmp_path):
    """Make a file of Z + 0 jets, and of two quarks that scatter, with a run card."""

    def make(card=lhefiles.RUN_CARD, events=None):
        events = events or [*lhefiles.drell_yan(20, weights=1.0), *lhefiles.scattering(20)]
        return read_lhe(lhefiles.write(tmp_path / "e.lhe", events, header=card, xsec=1.0))

    return make


def test_default_scale_lies_above_the_cut():
    assert default_qcut(15.0) == pytest.approx(22.5)
    assert default_qcut(20.0) == pytest.approx(30.0)
    assert default_qcut(4.0) == pytest.approx(9.0)


def test_settings_follow_the_run_card_and_the_events(multijet):
    lines = mlm_settings(multijet())
    assert "JetMatching:qCut = 22.5" in lines
    assert "JetMatching:nJetMax = 2" in lines
    assert "JetMatching:nQmatch = 4" in lines
    assert "JetMatching:qCut = 30" in mlm_settings(multijet(), qcut=30.0, n_jet_max=3)
    assert "JetMatching:nJetMax = 3" in mlm_settings(multijet(), n_jet_max=3)
    pythia = pythia8mc.Pythia("", False)
    assert all(pythia.readString(line) for line in lines)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (("1 = ickkw", "3 = ickkw"), {}, r"FxFx.*\(ickkw = 3 in the run card\)"),
        (("1 = ickkw", "0 = ickkw\n 30.0 = ktdurham"), {}, r"CKKW-L.*\(ktdurham = 30.*--matching none"),
        (("15.0 = xqcut", "0.0 = xqcut"), {}, r"give qcut \(--qcut\)"),
        (("", ""), {"qcut": 10.0}, "below the cut of the matrix elements, xqcut = 15 GeV"),
        (("", ""), {"qcut": -1.0}, "no matching scale"),
        (("", ""), {"qcut": float("nan")}, "no matching scale"),
        (("", ""), {"n_jet_max": 1}, "2 light partons: raise n_jet_max"),
    ],
)
def test_what_cannot_be_matched(multijet, change, options, message):
    lhe = multijet(lhefiles.RUN_CARD.replace(*change) if change[0] else lhefiles.RUN_CARD)
    with pytest.raises(LheError, match=message):
        mlm_settings(lhe, **options)


def test_refused_hook():
    class Stubborn:
        def setUserHooksPtr(self, _hook):
            return True

        def addUserHooksPtr(self, _hook):
            return False

    with pytest.raises(LheError, match="refuses the hook int"):
        add_hooks(Stubborn(), ["first", 2])


class Veto(pythia8mc.UserHooks):
    """Refuses every fourth event before the shower; counts the ones that reach the end of the shower."""

    def __init__(self):
        super().__init__()
        self.calls = self.showered = 0

    def canVetoProcessLevel(self):
        return True

    def doVetoProcessLevel(self, _event):
        self.calls += 1
        return self.calls % 4 == 0

    def canVetoPartonLevel(self):
        return True

    def doVetoPartonLevel(self, _event):
        self.showered += 1
        return False


def match(lhe, block, *, hooks=(), qcut=None, seed=1):
    """Account of a block, and logarithms (base 10) of the scales (GeV) of the first and second jet."""
    pythia, counter, matching = pythia8mc.Pythia("", False), EventCounter(), make_matching_hook()
    lines = (*QUIET, *lhe_settings(lhe), *mlm_settings(lhe, qcut), block_setting(block.path))
    for line in (*lines, "Random:setSeed = on", f"Random:seed = {seed}"):
        assert pythia.readString(line), line
    first = user_hook(counter)
    add_hooks(pythia, [first, *hooks, matching])
    with no_banner():
        assert pythia.init()
    n, weights, jets = 0, 0.0, []
    while True:
        if pythia.next():
            n += 1
            weights += pythia.infoPython().weight()
            jets.append(list(matching.getDJR())[:2])
        elif pythia.infoPython().atEndOfFile():
            break
    account = counter.account(block, n, weights)
    with no_banner():
        del pythia, matching, first
    return account, np.log10([row for row in jets if len(row) == 2])


def test_all_hooks_have_their_say(multijet, tmp_path):
    # without light partons, events of the highest multiplicity always match: the shower may do as it likes
    lhe = multijet(events=lhefiles.drell_yan(60, weights=1.0))
    block = extract(lhe, 0, 60, tmp_path / "b.lhe")
    veto = Veto()
    account, _ = match(lhe, block, hooks=[veto])
    assert (account.returned, account.vetoed, account.failed) == (45, 15, 0)
    assert (veto.calls, veto.showered) == (60, 45)


def test_matching_refuses_jets_of_the_shower_where_the_file_has_them(tmp_path):
    # declared as a sample of up to two jets, Z + 0 jets must not radiate a third of its events above a low scale
    events = [*lhefiles.drell_yan(400, weights=1.0), *lhefiles.scattering(1)]
    card = lhefiles.RUN_CARD.replace("15.0 = xqcut", "5.0 = xqcut")
    lhe = read_lhe(lhefiles.write(tmp_path / "e.lhe", events, header=card, xsec=1.0))
    block = extract(lhe, 0, 400, tmp_path / "b.lhe")
    low, _ = match(lhe, block, qcut=5.0)
    high, _ = match(lhe, block, qcut=60.0)
    assert 0.25 < low.vetoed / low.tried < 0.95
    assert high.vetoed < 0.25 * low.vetoed


@pytest.mark.parametrize(
    ("name", "qcut", "n", "reference"),
    # fb; the references come from other runs of all events
    [
        ("w_01j_mlm", 20.0, 2500, 150e6),
        ("ttbar_01j_mlm", 30.0, 1500, 462e3),
        ("ttbar_01j_mlm", 40.0, 1500, 475e3),
    ],
)
def test_matched_cross_sections(real_files, tmp_path, name, qcut, n, reference):
    path = real_files / "lhe" / f"{name}.lhe.gz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    lhe = read_lhe(path)
    account, _ = match(lhe, extract(lhe, 2000, n, tmp_path / "b.lhe"), qcut=qcut)
    assert account.failed == 0
    xsec, efficiency = lhefiles.accepted_xsec_fb(lhe, account)
    error = lhe.xsec_fb * np.sqrt(efficiency * (1 - efficiency) / n)
    assert error < 0.04 * xsec
    # the reference has errors of its own, about a third of ours
    assert abs(xsec - reference) < 3.5 * error


def test_first_jet_across_the_matching_scale(real_files, tmp_path):
    path = real_files / "lhe" / "w_01j_mlm.lhe.gz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    lhe = read_lhe(path)
    _, jets = match(lhe, extract(lhe, 0, 5000, tmp_path / "b.lhe"))
    edges = np.log10(default_qcut(lhe.header.xqcut)) + 0.15 * np.arange(-2, 3)
    before, below, above, further = np.histogram(jets[:, 0], edges)[0]
    # the logarithm of a spectrum that falls smoothly is near to a line over these bins
    step = np.log(below / above) - (np.log(before / below) + np.log(above / further)) / 2
    spread = np.sqrt(1 / below + 1 / above + (1 / before + 1 / below + 1 / above + 1 / further) / 4)
    assert spread < 0.12
    # shower and matrix element meet at leading order: 8000 events show a step of 0.13 +- 0.08 here
    assert abs(step) < 0.3 + 2 * spread
