"""The numbers of the smuon paper beside those of a run: Tables III, IV, VII, VIII, IX, and the reach."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.studies.comparison import Compared, compare
from massgap.studies.errors import StudyError
from massgap.studies.smuon.numbers.contours import held_out
from massgap.studies.smuon.numbers.folders import Folders
from massgap.studies.smuon.numbers.performance import against_trees, areas, orderings, scored
from massgap.studies.smuon.numbers.samples import effective_events, scale_errors
from massgap.studies.smuon.numbers.trainings import trainings
from massgap.studies.smuon.places import signal_of_row
from massgap.studies.smuon.planes import REGIONS, counting_plane
from massgap.studies.smuon.reach import excluded_events, reach
from massgap.studies.smuon.yields import MIXTURES, Amount, Yields, share_of
from massgap.studies.tables import Paper, read_paper

if TYPE_CHECKING:
    from massgap.studies.smuon.yields import Mixture

    Numbers = dict[tuple[str, str], tuple[float, float | None] | None]

__all__ = ["BOUNDARY", "find_run", "paper", "printed_reach", "validate"]

BOUNDARY = 450.0
"""GeV: heavier smuons are looked for with the high network."""
_VETOES = ("veto_a", "veto_b", "veto_c", "veto_d")


def paper() -> Paper:
    """The paper's numbers, out of the data file beside this module."""
    return read_paper(Path(__file__).with_name("paper_tables.json"))


def find_run(folder: str | Path) -> Path:
    """The run of a study's folder, the one with scores if there are two, or the folder itself.

    Raises
    ------
    StudyError
        If there is none.
    """
    places = [Path(folder), Path(folder) / "scored", Path(folder) / "run"]
    found = next((place for place in places if (place / "manifest.json").is_file()), None)
    if found is None:
        msg = (
            f"{folder} holds no run (a folder with manifest.json, or scored or run in it): `massgap study smuon --out {folder}` "
            "makes all."
        )
        raise StudyError(msg)
    return found


def validate(folder: str | Path) -> list[Compared]:
    """Compare a run with the paper.

    Parameters
    ----------
    folder
        Folder of the study, or a run folder.

    Returns
    -------
    list of Compared
        What the run cannot say is absent: classifiers need a run with scores, step ratios whole samples.

    Raises
    ------
    massgap.errors.MassgapError
        If there is no run, or a file of it cannot be read.
    """
    yields, folders = Yields(find_run(folder)), Folders.of(folder)
    printed, found = paper(), scored(yields)
    steps = _steps(yields, folders)
    tables: dict[str, Numbers] = {
        "Table III": steps,
        "Table IV": steps,
        "Table IV, scales": scale_errors(folders),
        "Table VII": areas(yields, found),
        "Table VIII": _efficiencies(yields, printed.tables["Table VIII"].rows),
        "Table VIII, background": _background(yields),
        "Table IX, tt alone": _tt(yields),
        "Table IX": _efficiencies(yields, printed.tables["Table IX"].rows),
        "Table IX, all hadrons": _all_hadrons(yields, printed.tables["Table IX"].rows),
        "Reach of the printed yields": {
            (name, "reach"): (gev, None) for name, gev in printed_reach(printed).items()
        },
        "Reach": _reach(yields),
        "Networks against trees": against_trees(yields, found),
        "Samples": effective_events(yields),
        "Trainings": trainings(folders),
        "Held-out points": held_out(folders),
    }
    tables["Orderings"] = orderings(yields, tables["Table VII"], found)
    facts = {"small": folders.small}
    return [
        row
        for name, ours in tables.items()
        for row in compare(printed.tables[name], ours, printed.causes, facts)
    ]


def printed_reach(printed: Paper) -> dict[str, float]:
    """The reach of the networks, the BDT and the static veto (GeV) that follows from the numbers that the paper prints.

    Signal events of Tables IV and VIII at 400, 500 and 600 GeV with a massless neutralino; 2.4, 28.4 and 33.8 background
    events; exact CLs of the rounded background.  Beyond Table VIII the 6.0 events of Table IV at 600 GeV have the
    efficiencies of 500 GeV.
    """
    table = printed.tables["Table VIII"]
    after = {400.0: 32.1, 500.0: 13.3, 600.0: 6.0}
    background = {"network": 2.4, "bdt": 28.4, "static_veto": 33.8}
    out = {}
    for name, b in background.items():
        column = table.columns.index(name)
        share = {
            m: float(table.values[table.rows.index(f"{m:g}/0")][column] or 0.0) / 100 for m in (400.0, 500.0)
        }
        share[600.0] = share[500.0]
        if name == "network":
            del share[400.0]  # of the low network
        events = {mass: after[mass] * part for mass, part in share.items()}
        found = reach(events, excluded_events(b, method="exact"))
        assert found is not None
        out[name] = found
    return out


def _steps(yields: Yields, folders: Folders) -> Numbers:
    """Shares of the cuts on m_mumu and M_T2, by rows of Tables III and IV.

    Samples with a cut on M_T2 of the hard process tell what passes M_T2, those without one what comes before it.
    """
    cut = {str(m["process"]) for m in yields.run.manifest["datasets"].values() if m.get("hard_cut")}
    out: Numbers = {}
    for process, rows in yields.run.cutflow["processes"].items():
        if process in cut or (counted := _counted(rows)) is None:
            continue
        row = process.removeprefix("smuonR_").replace("_", "/")
        for before, after, column in zip(counted, counted[1:], _STEPS[1:], strict=False):
            out[row, column] = share_of(after, before)
    whole = folders.run("whole")
    for process, rows in whole.cutflow["processes"].items() if whole is not None else ():
        if process not in cut or (counted := _counted(rows)) is None:
            continue
        opposite, mass, _ = counted
        passed = yields.one(process, "preselection")
        out[process, "m_mumu"] = share_of(mass, opposite)
        if mass.value > 0.0 and passed.value > 0.0:
            share = passed.value / mass.value
            error = share * math.hypot(passed.error / passed.value, mass.error / mass.value)
            out[process, "M_T2"] = (share, error)
    return out


_STEPS = ("opposite charge", "m_mumu", "M_T2")


def _counted(rows: list[dict[str, Any]]) -> list[Amount] | None:
    """What the steps of a process leave, None without them."""
    by_step = {row["step"].split(" >")[0]: row for row in rows}
    if not set(_STEPS) <= set(by_step):
        return None
    return [Amount(by_step[n]["weighted"], math.sqrt(by_step[n]["variance"])) for n in _STEPS]


def _percent(found: Amount | None) -> tuple[float, float | None] | None:
    return None if found is None else (100.0 * found.value, 100.0 * found.error)


def _efficiencies(yields: Yields, rows: tuple[str, ...]) -> Numbers:
    out: Numbers = {}
    for row in rows:
        name = signal_of_row(row)
        if name not in yields.masses:
            continue
        network = "low" if yields.masses[name][0] < BOUNDARY else "high"
        regions = {"network": network, **{k: k for k in ("bdt", "static_veto", *_VETOES)}}
        for column, region in regions.items():
            if region in yields.regions:
                out[row, column] = _percent(yields.efficiency(name, region))
    return out


def _background(yields: Yields) -> Numbers:
    return {
        ("background", name): _percent(yields.background_efficiency(name, "as Table VIII"))
        for name in ("low", "high", "bdt", "static_veto", *_VETOES)
        if name in yields.regions
    }


def _all_hadrons(yields: Yields, rows: tuple[str, ...]) -> Numbers:
    """Vetoes (b) and (d) by the other reading of H_T, of a run with ``hadron_sum``."""
    out: Numbers = {}
    for name in (f"veto_{v}_sum" for v in "bd"):
        if name not in yields.regions:
            continue
        out["background", name] = _percent(yields.background_efficiency(name, "as Table VIII"))
        for row in rows:
            if (signal := signal_of_row(row)) in yields.masses:
                out[row, name] = _percent(yields.efficiency(signal, name))
    return out


def _tt(yields: Yields) -> Numbers:
    return {("tt", name): _percent(yields.efficiency("tt", name)) for name in ("static_veto", "veto_c")}


def _reach(yields: Yields) -> Numbers:
    """Networks: the better of the two."""
    out: Numbers = {}
    mixtures: tuple[Mixture, ...] = (*MIXTURES, "printed yields")
    for region in (name for name in REGIONS if name in yields.regions):
        row = "network" if region in ("low", "high") else region
        for mixture in mixtures:
            gev = counting_plane(yields, region, mixture, 139.0, 0.0, "exact").reach()
            if gev is not None:
                before = out.get((row, mixture))
                out[row, mixture] = (max(gev, before[0] if before else 0.0), None)
    return out
