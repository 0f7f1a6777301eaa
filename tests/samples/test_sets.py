"""The set of samples of each analysis, at a small size: everything there, normalised, and readable.

Of the signals that differ in their masses alone, the first and the last: each takes seconds before its first event.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import uproot

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")

from massgap.contracts.filesets.fileset import load_fileset
from massgap.samples.detector.response import CARD_FOLDER
from massgap.samples.processes.catalogue import ANALYSES, PROCESSES, processes_of
from massgap.samples.production.generate import generate

CARDS = {"smuon": "atlas", "vlq": "cms", "cascade": "cascade", "electroweakino": "hl-lhc"}


def some_of(analysis):
    names = ANALYSES[analysis]
    signals = [name for name in names if PROCESSES[name].is_signal]
    return [name for name in names if name not in signals[1:-1]]


def test_the_name_of_an_analysis_means_all_its_processes():
    for analysis, names in ANALYSES.items():
        assert [process.name for process in processes_of(analysis)] == list(names)


@pytest.mark.parametrize("analysis", CARDS)
def test_the_set_of_an_analysis(analysis, tmp_path):
    names = some_of(analysis)
    fileset = generate(names, tmp_path, events=120, seed=4, workers=2)
    assert load_fileset(tmp_path / "fileset.json").keys() == fileset.keys()
    assert (tmp_path / "detector.toml").read_text() == (CARD_FOLDER / f"{CARDS[analysis]}.toml").read_text()
    rates = json.loads((tmp_path / "generation.json").read_text())["datasets"]
    planned = {f"{name}_{t.name}" for name in names for t in PROCESSES[name].tranches}
    assert set(rates) == planned
    # what is not in the fileset had no event, and that is on record
    assert all("note" in rates[name] for name in planned - set(fileset))
    assert len(planned - set(fileset)) <= len(planned) // 3
    for name, entry in fileset.items():
        metadata = entry["metadata"]
        part = PROCESSES[metadata["tranche"]["group"]]
        assert metadata["sqrt_s_tev"] == part.sqrt_s_tev
        assert metadata["is_signal"] == part.is_signal
        assert metadata["complete"], name
        low, high = metadata["tranche"]["min"], metadata["tranche"]["max"]
        weights, values = [], []
        for path in entry["files"]:
            with uproot.open(path) as file:
                found = file["Events"].arrays(["genWeight", "Generator_binvar", "nMuon"], library="np")
            weights.append(found["genWeight"].astype(float))
            values.append(found["Generator_binvar"])
        weights, values = np.concatenate(weights), np.concatenate(values)
        assert weights.sum() == pytest.approx(metadata["sum_weights"])
        # decay weights change the efficiency, equal ones do not
        kept = metadata["filter_efficiency"]
        assert metadata["xsec_fb"] == pytest.approx(metadata["hard_xsec_fb"] * kept)
        assert 0 < kept <= 1.0 if not part.decay_weight else kept > 0
        if metadata["tranche"]["variable"] != "all":
            # Pythia cuts on pT_hat before it gives the partons their masses
            slack = 0.0 if metadata["tranche"]["variable"] == "met_hard" else 0.005
            assert (values >= low * (1 - slack)).all(), name
            assert high is None or (values < high * (1 + slack)).all(), name
