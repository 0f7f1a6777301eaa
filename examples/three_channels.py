"""Three channels, a TabNet for each, scores that are flat in H_T for background, one fit of all: from files to a page.

python examples/three_channels.py data/fileset.json runs/three
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from massgap import stages
from massgap.contracts.description import Feature, Region, Score
from massgap.events import Event
from massgap.models import Recipe
from massgap.processors import Analysis, Flow
from massgap.selections.objects.definitions import select_electrons, select_jets, select_muons

CHANNELS = {"mu": (1, 0), "mumu": (2, 0), "emu": (1, 1)}  # muons, electrons
INPUTS = ("pt_mu", "met", "m_t")


class ThreeChannels(Analysis):
    """A muon, two muons, or a muon and an electron, and a jet."""

    name = "three_channels"
    observables = (
        Feature("pt_mu", r"$p_T^{\mu}$", "GeV", 0, 200, 40, "Transverse momentum of the leading muon"),
        Feature("met", r"$E_T^{miss}$", "GeV", 0, 300, 30, "Missing transverse momentum"),
        Feature("m_t", r"$m_T$", "GeV", 0, 300, 30, "Transverse mass of leading muon and MET"),
        Feature("ht", r"$H_T$", "GeV", 0, 500, 25, "Scalar sum of the jets' transverse momenta"),
    )
    regions = tuple(Region(f"sr_{name}", channel=name) for name in CHANNELS)
    scores = tuple(Score(name, f"Score of {name}", (f"sr_{name}",), INPUTS, bins=20) for name in CHANNELS)

    def select(self, event: Event, flow: Flow) -> None:
        """Objects, a jet, and what the networks look at."""
        muons, electrons = select_muons(event.muons, pt=10.0), select_electrons(event.electrons, pt=10.0)
        jets = select_jets(event.jets, pt=30.0, eta=2.5).away_from(muons, 0.4)
        event = event.with_(muons=muons, electrons=electrons, jets=jets)
        event = flow.keep(event, "a jet", jets.counts > 0)
        for name, (n_muons, n_electrons) in CHANNELS.items():
            channel = flow.channel(name)
            mask = (event.muons.counts == n_muons) & (event.electrons.counts == n_electrons)
            chosen = channel.keep(event, name, mask)
            muon, met = chosen.muons.at(0), chosen.met
            m_t = np.sqrt(2 * muon.pt * met.pt * (1 - np.cos(muon.phi - met.phi)))
            channel.record(chosen, {"pt_mu": muon.pt, "met": met.pt, "m_t": m_t, "ht": chosen.jets.sum("pt")})


TABNET = {"n_d": 4, "n_a": 4, "n_steps": 2, "epochs": 12, "batch_size": 512, "virtual_batch_size": 128}


def analyse(fileset: Any, out: Path, lumi_fb: float = 100.0) -> tuple[Any, Path]:
    """Run, train a TabNet per channel, score with all of them, fit the three channels together, and write the page."""
    here = f"{Path(__file__)}:ThreeChannels"
    stages.run(here, fileset=fileset, out=out / "run", executor="iterative")
    recipe = Recipe("toy", kind="tabnet", n_folds=2, early_stopping=6, flatten="ht", hyperparameters=TABNET)
    models = {
        name: stages.train(out / "run", name=name, recipe=recipe, region=f"sr_{name}").model_file
        for name in CHANNELS
    }
    stages.run(here, fileset=fileset, out=out / "scored", executor="iterative", model=models)
    fit = stages.fit(out / "scored", out / "scored" / "fit", lumi_fb=lumi_fb)
    return fit, stages.report(out / "scored")


if __name__ == "__main__":
    found, page = analyse(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{found.results['discovery']['expected_significance']:.2f} sigma expected, see {page}")
