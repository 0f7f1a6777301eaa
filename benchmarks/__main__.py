"""Run the benchmarks and print their table: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
import warnings
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.measure import Effort, Row
from benchmarks.measured import keep

SUBJECTS = {
    "mt2": "M_T2 against the package mt2",
    "slepton": "the slepton processor against the plain coffea way, compiled RDataFrame and the limit",
    "smuon": "the smuon processor against the plain coffea way and the limit",
    "vlq": "the vector-like-quark processor against the plain coffea way and the limit",
    "electroweakino": "the electroweakino processor against the plain coffea way and a compiled loop",
    "reading": "RNTuple against TTree, and every compression against uproot",
    "running": "workers, chunks, memory, number of events",
    "merging": "adding the histograms of chunks",
    "scoring": "compiled trees against XGBoost, onnxruntime, lleaves and YDF; processors over onnxruntime",
    "training": "networks in jax against scikit-learn, PyTorch and pytorch-tabnet, and hundreds of small ones",
    "agreement": "scores of exported models against those of what trained them, on a million hard rows",
    "observables": "each observable against awkward and vector",
    "reconstruction": "VLQ, VBF and smuon kernels against awkward and vector",
    "cascade": "cascade observables against NumPy and vector",
    "parton": "events of two muons and a photon at parton level against the full chain, and ensembles",
    "fits": "CLs, limits and toys of workspaces against pyhf and NextStat, and massgap limit against pyhf cls",
    "scheduler": "tasks on a dask scheduler with many workers: time, memory, and 10^10 events",
}
PACKAGES = (
    "massgap", "numpy", "numba", "awkward", "uproot", "coffea", "hist", "boost-histogram", "vector", "mt2",
    "xgboost", "xgboost-cpu", "jax", "scikit-learn", "torch", "onnxruntime", "cramjam", "ROOT", "dask", "distributed",
    "pyhf", "scipy", "pytorch-tabnet", "lightgbm", "lleaves", "ydf",
)  # fmt: skip
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"some of: {', '.join(SUBJECTS)}")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder for results and event files")
    parser.add_argument(
        "--into", type=Path, help="also put the lines into this file of measurements, in place of older ones"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="fewer events and rounds: a first figure")
    size.add_argument("--smoke", action="store_true", help="hardly any: does it run at all, and agree")
    size.add_argument(
        "--full",
        action="store_true",
        help="scheduler: 10^5 chunks and 2,000 workers; fits: what takes minutes; training: all of 588 networks (half an hour each)",
    )
    parser.add_argument(
        "--opponents",
        type=Path,
        metavar="FOLDER",
        help="fits: also against pyhf with jax and NextStat, which are installed into an environment made there",
    )
    parser.add_argument(
        "--kinds",
        metavar="NAMES",
        help="agreement: some of trees,mlp,tabnet,tabm instead of all: minutes in pieces",
    )
    parser.add_argument("--list", action="store_true", help="list the subjects")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{name:15} {text}" for name, text in SUBJECTS.items()))
        return 0
    if options.into and (options.quick or options.smoke):
        parser.error("--into keeps what was measured in the whole form: leave out --quick and --smoke")
    unknown = sorted(set(options.subjects) - set(SUBJECTS))
    if unknown:
        parser.error(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    if options.kinds:
        _check_kinds(parser, options.kinds)
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):
        # Threads of libraries are decided when they are imported.
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]])
    if options.full:
        os.environ["MASSGAP_BENCH_FULL"] = "1"
    if options.kinds:
        os.environ["MASSGAP_BENCH_KINDS"] = options.kinds
    if options.opponents:
        os.environ["MASSGAP_BENCH_OPPONENTS"] = str(options.opponents.absolute())
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ["MASSGAP_BENCH"] = str(options.out.resolve())
    # coffea says for every chunk which cross-references a small file lacks.
    warnings.filterwarnings("ignore", message="Missing cross-reference index")
    effort = Effort.SMOKE if options.smoke else Effort.QUICK if options.quick else Effort.WHOLE
    start = time.perf_counter()
    rows: list[Row] = []
    skipped: list[str] = []
    print(f"{machine()['processor']}, {os.cpu_count()} cores; Python {platform.python_version()}", flush=True)
    print(f"{'':66}{'goal':>9} {'median':>9}   lowest to highest", flush=True)
    for subject in options.subjects or SUBJECTS:
        for row in importlib.import_module(f"benchmarks.{subject}").rows(effort):
            if isinstance(row, str):
                skipped.append(row)
                print(f"  not measured: {row}", flush=True)
                continue
            if not rows or rows[-1].group != row.group:
                print(row.group, flush=True)
            rows.append(row)
            print(line(row), flush=True)
    seconds = time.perf_counter() - start
    content = {
        "format": "massgap-benchmarks/1",
        "date": time.strftime("%Y-%m-%d %H:%M:%S%z"),
        "machine": machine(),
        "versions": versions(),
        "quick": effort is not Effort.WHOLE,
        "seconds": seconds,
        "skipped": skipped,
        "rows": [{**asdict(row), "reached": row.reached} for row in rows],
    }
    path = options.out / "benchmarks.json"
    path.write_text(json.dumps(content, indent=1, allow_nan=True) + "\n")
    if options.into:
        keep(options.into, content)
    missed = [row for row in rows if row.reached is False]
    print(f"{len(rows)} lines in {seconds / 60:.1f} min, {len(missed)} goals missed; results: {path}")
    print(f"the page: massgap report benchmarks {path}")
    return 0


def _check_kinds(parser: argparse.ArgumentParser, kinds: str) -> None:
    from benchmarks.agreement import KINDS

    if unknown := sorted(set(kinds.split(",")) - set(KINDS)):
        parser.error(f"--kinds: no such kind: {', '.join(unknown)}; there are {', '.join(KINDS)}")


def line(row: Row) -> str:
    """One line of the table."""
    m = row.measured
    goal = "" if row.goal is None else f"{'>=' if row.at_least else '<='} {row.goal:g}"
    mark = {True: "  reached", False: "  MISSED", None: ""}[row.reached]
    unit = "" if row.unit == "x" else f" {row.unit}"
    text = row.what if len(row.what) <= 64 else row.what[:63] + "~"
    return f"  {text:64}{goal:>9} {m.median:>9.3g}   {m.low:.3g} to {m.high:.3g}{unit}{mark}"


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = [row.split(":", 1)[1].strip() for row in info.read_text().splitlines() if "model name" in row]
        name = found[0] if found else name
    return {"processor": name, "cores": os.cpu_count(), "system": platform.platform()}


def versions() -> dict[str, str]:
    """Versions of what was compared."""
    out = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            continue
    return out


if __name__ == "__main__":
    raise SystemExit(main())
