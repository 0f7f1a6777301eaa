"""Names and types of NanoAOD branches, as in CMS NanoAOD v12.

A ``Photon`` has no mass branch there, and taus carry ``idDeepTau2018v2p5VS*``. ``WideJet`` (anti-kt, R = 1.0) is the
one collection that NanoAOD lacks, ``Jet_btagEff``, the probability that the jet is b tagged, the one field.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_F, _I, _U8, _I16, _B = np.float32, np.int32, np.uint8, np.int16, np.bool_
_LEPTON: dict[str, Any] = {
    "pt": _F,
    "eta": _F,
    "phi": _F,
    "mass": _F,
    "charge": _I,
    "pdgId": _I,
    "dxy": _F,
    "dz": _F,
}
_MATCH: dict[str, Any] = {"genPartIdx": _I16, "genPartFlav": _U8, "jetIdx": _I16}
_JET: dict[str, Any] = {"pt": _F, "eta": _F, "phi": _F, "mass": _F}
_FLAVOUR: dict[str, Any] = {"hadronFlavour": _U8, "partonFlavour": _I16}
COLLECTIONS: dict[str, dict[str, Any]] = {
    "Muon": {
        **_LEPTON,
        **_MATCH,
        "pfRelIso03_all": _F,
        "pfRelIso04_all": _F,
        "looseId": _B,
        "mediumId": _B,
        "tightId": _B,
        "isPFcand": _B,
        "isGlobal": _B,
        "isTracker": _B,
        "pfIsoId": _U8,
        "fsrPhotonIdx": _I16,
    },
    "Electron": {
        **_LEPTON,
        **_MATCH,
        "pfRelIso03_all": _F,
        "cutBased": _U8,
        "mvaIso_WP80": _B,
        "mvaIso_WP90": _B,
        "deltaEtaSC": _F,
        "convVeto": _B,
        "lostHits": _U8,
        "photonIdx": _I16,
    },
    "Photon": {
        "pt": _F,
        "eta": _F,
        "phi": _F,
        **_MATCH,
        "pfRelIso03_all": _F,
        "cutBased": _U8,
        "mvaID_WP80": _B,
        "mvaID_WP90": _B,
        "electronVeto": _B,
        "pixelSeed": _B,
        "electronIdx": _I16,
    },
    "Tau": {
        **_LEPTON,
        **_MATCH,
        "decayMode": _U8,
        "idDecayModeNewDMs": _B,
        "idDeepTau2018v2p5VSjet": _U8,
        "idDeepTau2018v2p5VSe": _U8,
        "idDeepTau2018v2p5VSmu": _U8,
        "rawDeepTau2018v2p5VSjet": _F,
    },
    "Jet": {
        **_JET,
        "rawFactor": _F,
        "area": _F,
        "jetId": _U8,
        "btagDeepFlavB": _F,
        "btagEff": _F,
        **_FLAVOUR,
        "genJetIdx": _I16,
        "nConstituents": _U8,
        "nMuons": _U8,
        "nElectrons": _U8,
        "muonIdx1": _I16,
        "muonIdx2": _I16,
        "electronIdx1": _I16,
        "electronIdx2": _I16,
        "chHEF": _F,
        "neHEF": _F,
        "chEmEF": _F,
        "neEmEF": _F,
        "muEF": _F,
    },
    "FatJet": {
        **_JET,
        "area": _F,
        "jetId": _U8,
        "nConstituents": _U8,
        "genJetAK8Idx": _I16,
        "subJetIdx1": _I16,
        "subJetIdx2": _I16,
    },
    "WideJet": {**_JET, "area": _F, "jetId": _U8, "nConstituents": _U8},
    "GenJet": {**_JET, **_FLAVOUR},
    "GenJetAK8": {**_JET, **_FLAVOUR},
    "GenVisTau": {**_JET, "charge": _I16, "status": _U8, "genPartIdxMother": _I16},
    "GenPart": {
        **_JET,
        "pdgId": _I,
        "status": _I,
        "statusFlags": np.uint16,
        "genPartIdxMother": _I16,
    },
    # always empty: readers look for them because other collections may point there
    "SubJet": _JET,
    "FsrPhoton": {"pt": _F, "eta": _F, "phi": _F, "muonIdx": _I16},
    "LowPtElectron": {**_JET, "electronIdx": _I16, "photonIdx": _I16, "genPartIdx": _I16},
}
EMPTY = ("SubJet", "FsrPhoton", "LowPtElectron")
SCALARS: dict[str, Any] = {
    "run": np.uint32,
    "luminosityBlock": np.uint32,
    "event": np.uint64,
    "genWeight": _F,
    "MET_pt": _F,
    "MET_phi": _F,
    "MET_sumEt": _F,
    "MET_significance": _F,
    "GenMET_pt": _F,
    "GenMET_phi": _F,
    "Generator_weight": _F,
    "Generator_id1": _I,
    "Generator_id2": _I,
    "Generator_x1": _F,
    "Generator_x2": _F,
    "Generator_xpdf1": _F,
    "Generator_xpdf2": _F,
    "Generator_scalePDF": _F,
    "Generator_binvar": _F,
    "Pileup_nPU": _I,
    "Pileup_nTrueInt": _F,
    "PV_npvs": _U8,
    "PV_npvsGood": _U8,
}
#: Weights of variations, several per event, relative to the nominal one; in a file only where they were made.
#: The value is the name of the sums in the Runs tree, as ratios to genEventSumw.
VARIATIONS = {"PSWeight": "PSSumw", "LHEScaleWeight": "LHEScaleSumw", "LHEPdfWeight": "LHEPdfSumw"}
#: Optional numbers of an event.
OPTIONAL: dict[str, Any] = {"LHEWeight_originalXWGTUP": _F}
RUNS: dict[str, Any] = {
    "run": np.uint32,
    "genEventCount": np.int64,
    "genEventSumw": np.float64,
    "genEventSumw2": np.float64,
}
