"""The slepton selection in C++ with ROOT's RDataFrame: run by slepton.py in a process of its own.

Reads lines from standard input; for each it runs the event loop once and prints CPU seconds, the four counts, and a
checksum.  Object selection, loops and filling are C++, compiled with optimisation; the 27 observables of the
events that pass come from massgap's compiled function through a pointer, so that the comparison is one of
reading, looping and filling.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CODE = r"""
#include <ROOT/RDataFrame.hxx>
#include <ROOT/RVec.hxx>
#include <cmath>
#include <vector>
using ROOT::RVecF; using ROOT::RVecI; using ROOT::RVecB; using ROOT::RVec;
typedef void (*Observables)(const double*, double*);

static bool near(double eta1, double phi1, double eta2, double phi2) {
  double deta = eta1 - eta2;
  if (std::fabs(deta) >= 0.4) return false;
  double dphi = std::remainder(phi1 - phi2, 2 * M_PI);
  return deta * deta + dphi * dphi < 0.4 * 0.4;
}

extern "C" void slepton(const char* path, void* kernel, int nf, const double* low, const double* high,
                        const long* bins, const long* start, const int* cut, double* sumw, double* sumw2, long* counts) {
  auto observables = (Observables)kernel;
  ROOT::RDataFrame frame("Events", path);
  std::vector<double> x(nf), in(15);
  frame.Foreach([&](const RVecF& mpt, const RVecF& meta, const RVecF& mphi, const RVecF& mm, const RVecI& mq,
                    const RVecF& miso, const RVecB& mid, const RVecF& ept, const RVecF& eeta, const RVecF& ephi,
                    const RVecF& eiso, const RVecI& eid, const RVecF& jpt, const RVecF& jeta, const RVecF& jphi,
                    const RVecF& jm, const RVecF& jb, const RVecI& jid, const RVecI& jpu, const RVecF& tpt,
                    const RVecF& teta, const RVecF& tphi, const RVec<unsigned char>& tid, float met, float metphi,
                    float weight) {
    int n = 0, l1 = -1, l2 = -1;
    for (size_t k = 0; k < mpt.size(); ++k)
      if (mpt[k] > 10. && std::fabs(meta[k]) < 2.5f && miso[k] < 0.25 && mid[k]) { ++n; (n == 1 ? l1 : l2) = k; }
    if (n != 2 || mq[l1] + mq[l2] != 0) return;
    if (mpt[l2] > mpt[l1]) std::swap(l1, l2);
    for (size_t k = 0; k < ept.size(); ++k)
      if (ept[k] > 10. && std::fabs(eeta[k]) < 2.5f && eiso[k] < 0.15 && eid[k] >= 2) return;
    int hard = 0, jet = -1; bool central = true, b = false; double ht = 0;
    for (size_t k = 0; k < jpt.size(); ++k) {
      if (!(jpt[k] > 20. && std::fabs(jeta[k]) < 4.5f && (jid[k] & 2) && (jpt[k] > 50. || (jpu[k] & 4)))) continue;
      if (near(jeta[k], jphi[k], meta[l1], mphi[l1]) || near(jeta[k], jphi[k], meta[l2], mphi[l2])) continue;
      ht += jpt[k];
      bool inside = std::fabs(jeta[k]) < 2.5f;
      if (jpt[k] > 30.) { ++hard; central = central && inside; }
      b = b || (inside && jb[k] > 0.2783f);
      if (jet < 0 || jpt[k] > jpt[jet]) jet = k;
    }
    if (hard != 1 || !central || b) return;
    for (size_t k = 0; k < tpt.size(); ++k)
      if (tpt[k] > 20. && std::fabs(teta[k]) < 2.5f && tid[k] >= 5 && !near(teta[k], tphi[k], meta[l1], mphi[l1]) &&
          !near(teta[k], tphi[k], meta[l2], mphi[l2])) return;
    if (!(met > 30.)) return;
    in = {mpt[l1], meta[l1], mphi[l1], mm[l1], mpt[l2], meta[l2], mphi[l2], mm[l2],
          jpt[jet], jeta[jet], jphi[jet], jm[jet], met, metphi, ht};
    observables(in.data(), x.data());
    bool a1 = x[cut[0]] < 81. || x[cut[0]] > 101., a2 = x[cut[1]] > 110., a3 = x[cut[2]] < 0.5, all = a1 && a2 && a3;
    counts[0] += 1; counts[1] += a1; counts[2] += a1 && a2; counts[3] += all;
    double w = weight;
    for (int k = 0; k < nf; ++k) {
      if (x[k] != x[k]) continue;
      double z = (x[k] - low[k]) / (high[k] - low[k]) * bins[k];
      long place = z < 0 ? 0 : (z < bins[k] ? (long)z + 1 : bins[k] + 1), at = start[k] + place;
      sumw[at] += w; sumw2[at] += w * w;
      if (all) { sumw[at + bins[k] + 2] += w; sumw2[at + bins[k] + 2] += w * w; }
      if ((k == cut[0] && a2 && a3) || (k == cut[1] && a1 && a3) || (k == cut[2] && a1 && a2)) {
        at += 2 * (bins[k] + 2); sumw[at] += w; sumw2[at] += w * w;
      }
    }
  }, {"Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge", "Muon_pfRelIso04_all", "Muon_mediumId",
      "Electron_pt", "Electron_eta", "Electron_phi", "Electron_pfRelIso03_all", "Electron_cutBased", "Jet_pt",
      "Jet_eta", "Jet_phi", "Jet_mass", "Jet_btagDeepFlavB", "Jet_jetId", "Jet_puId", "Tau_pt", "Tau_eta", "Tau_phi",
      "Tau_idDeepTau2018v2p5VSjet", "MET_pt", "MET_phi", "genWeight"});
}
"""


def observables() -> Any:
    """massgap's compiled observables of one event as a function of C: 15 numbers in, 27 out."""
    import math

    import numba

    from massgap.selections.observables.mt2.kernels import mt2_kernel
    from massgap.selections.slepton.features import slepton_features_kernel

    @numba.cfunc("void(CPointer(float64), CPointer(float64))")
    def kernel(given, out):
        v = numba.carray(given, 15)
        x = numba.carray(out, 27)
        x1, y1, x2, y2 = (
            v[0] * math.cos(v[2]),
            v[0] * math.sin(v[2]),
            v[4] * math.cos(v[6]),
            v[4] * math.sin(v[6]),
        )
        mx, my = v[12] * math.cos(v[13]), v[12] * math.sin(v[13])
        row = slepton_features_kernel(
            (v[0], v[1], v[2], v[3]), (v[4], v[5], v[6], v[7]), (v[8], v[9], v[10], v[11]), v[12], v[13], v[14],
            mt2_kernel(v[3], x1, y1, v[7], x2, y2, mx, my, 0.0, 0.0),
            mt2_kernel(v[3], x1, y1, v[7], x2, y2, mx, my, 100.0, 100.0),
        )  # fmt: skip
        for k in range(27):
            x[k] = row[k]

    return kernel


def main() -> None:
    """Serve."""
    path = sys.argv[1]
    for package in ("ROOT", "numba", "massgap"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            print("skip", f"{package} cannot be imported: {error}", flush=True)
            return
    import numpy as np
    import ROOT

    from massgap.selections.slepton.features import FEATURES

    kernel = observables()
    names = [feature.name for feature in FEATURES]
    low = np.array([f.low for f in FEATURES], dtype=np.float64)
    high = np.array([f.high for f in FEATURES], dtype=np.float64)
    bins = np.array([f.bins for f in FEATURES], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(3 * (bins + 2))]).astype(np.int64)
    cut = np.array([names.index(name) for name in ("m_ll", "met", "cos_theta_star")], dtype=np.int32)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "slepton.cpp"
        source.write_text(CODE)
        ROOT.gErrorIgnoreLevel = ROOT.kError
        ROOT.gSystem.SetBuildDir(folder, True)
        if not ROOT.gSystem.CompileMacro(str(source), "kOs", "", folder):
            print("skip the C++ could not be compiled", flush=True)
            return
        library = ctypes.CDLL(str(next(Path(folder).rglob("slepton_cpp.so"))))
        address = ctypes.c_void_p(kernel.address)

        def run() -> str:
            sumw, sumw2 = np.zeros(start[-1]), np.zeros(start[-1])
            counts = np.zeros(4, dtype=np.int64)
            begin = time.process_time()
            library.slepton(
                ctypes.c_char_p(path.encode()), address, ctypes.c_int(27),
                *(ctypes.c_void_p(array.ctypes.data) for array in (low, high, bins, start, cut, sumw, sumw2, counts)),
            )  # fmt: skip
            seconds = time.process_time() - begin
            histograms = {}
            for k, name in enumerate(names):
                content = np.stack([sumw[start[k] : start[k + 1]], sumw2[start[k] : start[k + 1]]]).reshape(
                    2, 3, -1
                )
                histograms[name] = content[:, :2]
                if name in ("m_ll", "met", "cos_theta_star"):
                    histograms["nminus1_" + {"m_ll": "z_window"}.get(name, name)] = content[:, 2]
            from benchmarks.limit import Result
            from benchmarks.slepton import checksum_of

            checksum = checksum_of(Result(tuple(counts), histograms))
            return f"{seconds} {' '.join(map(str, counts))} {checksum}"

        run()
        print("ready", "ROOT", getattr(ROOT, "__version__", "?"), flush=True)
        for _ in sys.stdin:
            print(run(), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
