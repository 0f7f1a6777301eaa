"""A small run of the smuon analysis with scores: made-up events of all backgrounds and three signals."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import smuon_reference as reference

SIZES = dict.fromkeys(("tt", "mumununu", "mumulnu", "smuonR_200_0", "smuonR_300_0", "smuonR_500_0"), 1200)
XSEC = {
    "tt": 4.0,
    "mumununu": 2.0,
    "mumulnu": 0.5,
    "smuonR_200_0": 7.0,
    "smuonR_300_0": 1.4,
    "smuonR_500_0": 0.14,
}


def harder(event: dict, factor: float) -> dict:
    """The event with muons and missing momentum scaled."""
    muons = [{**muon, "pt": factor * muon["pt"]} for muon in event["Muon"]]
    return {**event, "Muon": muons, "met": (factor * event["met"][0], event["met"][1])}


def fileset_of(folder) -> dict:
    out = {}
    for k, (process, n) in enumerate(SIZES.items()):
        signal = process.startswith("smuon")
        factor = 1.0 + float(process.split("_")[1]) / 300 if signal else 1.0
        events = [harder(event, factor) for event in reference.make_events(n, seed=50 + k)]
        # As samples of this set are: weights of one sign, and numbers of their own.
        events = [{**e, "weight": abs(e["weight"]), "number": e["number"] + 10_000 * k} for e in events]
        path = reference.write(folder / f"{process}.root", events)
        metadata = {"process": process, "xsec_fb": XSEC[process], "is_signal": signal}
        if signal:
            _, m, lsp = process.split("_")
            metadata["masses"] = {"m_slepton": float(m), "m_lsp": float(lsp)}
            metadata["hard_xsec_fb"] = XSEC[process]
        out[process] = {"files": {str(path): "Events"}, "metadata": metadata}
    return out


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Folder with run, models and scored as the study names them, in which the networks are small."""
    from massgap import stages

    folder = tmp_path_factory.mktemp("smuon-study")
    fileset = fileset_of(folder)
    options = {"controls": ("tt",), "hadron_sum": True}
    stages.run("smuon", fileset=fileset, out=folder / "run", workers=1, options=options)
    models = {}
    for name, changes in {
        "low": {"hyperparameters": {"epochs": 5}, "n_folds": 3},
        "bdt": {"hyperparameters": {"n_trees": 15, "eta": 0.5}, "n_folds": 2},
        "lowlevel": {"hyperparameters": {"epochs": 10}, "n_folds": 2},
        "derived": {"hyperparameters": {"epochs": 10}, "n_folds": 2},
    }.items():
        made = stages.train(
            folder / "run",
            folder / "models" / name,
            name=name,
            importances=False,
            compare_protocols=False,
            **changes,
        )
        models[name] = made.model_file
    # What it was trained on does not matter here: it is another network of all features.
    models["high"] = models["low"]
    result = stages.run(
        "smuon", fileset=fileset, out=folder / "scored", model=models, workers=1, options=options
    )
    return SimpleNamespace(
        folder=folder, scored=folder / "scored", models=models, result=result, fileset=fileset
    )
