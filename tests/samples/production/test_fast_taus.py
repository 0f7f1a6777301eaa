"""Samples with fast taus against Pythia's own correlated decays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import uproot
from scipy import stats

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")

from massgap.samples.processes.catalogue import PROCESSES
from massgap.samples.production.generate import generate
from massgap.samples.production.plan import with_fast_taus
from massgap.samples.pythia.driver import Generated, generate_block


def lepton_shares(process, n, seed):
    """2 p(lepton) p(W) / m(W)^2 of leptons from taus."""
    found = []
    for record in generate_block(process, 0, n, seed, 0, Generated()):
        kind = np.abs(record.pdg)
        rows = np.flatnonzero(np.isin(kind, (11, 13)) & (record.mother >= 0))
        rows = rows[kind[record.mother[rows]] == 15]
        boson = np.flatnonzero((kind == 24) & ~record.repeated)
        w = np.full(record.n_events, -1)
        w[record.event[boson]] = boson
        w = w[record.event[rows]]
        product = record.energy[rows] * record.energy[w]
        product -= sum(getattr(record, name)[rows] * getattr(record, name)[w] for name in ("px", "py", "pz"))
        found.append(2 * product / record.mass[w] ** 2)
    return np.concatenate(found)


def test_leptons_are_those_of_pythias_polarised_taus():
    process = PROCESSES["Wlnu"]
    lines = ("24:onMode = off", "24:onIfAny = 15", "15:onMode = off", "15:onIfAny = 11 13")
    process = replace(process, settings=(*process.settings[:1], *lines))
    slow = lepton_shares(process, 500, 1)
    fast = lepton_shares(with_fast_taus(process, True), 1500, 2)
    assert stats.ks_2samp(slow, fast).pvalue > 1e-3
    # 7/20 - P/20 for a polarisation P (massless leptons): 0.35 without
    fast = fast[fast < 1]
    assert abs(fast.mean() - 0.40) < 4 * fast.std() / np.sqrt(len(fast))
    assert fast.mean() - 0.35 > 4 * fast.std() / np.sqrt(len(fast))


def test_the_command_knows_them(tmp_path):
    fileset = generate("Ztautau", tmp_path / "out", events=60, workers=1, fast_taus=True)
    metadata = fileset["Ztautau_all"]["metadata"]
    assert metadata["n_events"] == 60
    again = generate("Ztautau", tmp_path / "again", events=60, workers=1, fast_taus=True)
    other = generate("Ztautau", tmp_path / "other", events=60, workers=1)
    hashes = [one["Ztautau_all"]["metadata"]["settings_hash"] for one in (fileset, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    met = []
    for one in (fileset, again):
        (path,) = one["Ztautau_all"]["files"]
        with uproot.open(path) as file:
            met.append(file["Events"]["MET_pt"].array(library="np").tolist())
    assert met[0] == met[1]
