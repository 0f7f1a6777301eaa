"""The command ``massgap generate``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from massgap.cli.console import Ticker, say
from massgap.cli.options.run_options import event_number
from massgap.cli.printing.documents import emit

__all__ = ["generate", "slha"]


_DEFAULTS = ("matching", "empty_events")
_OF_FILES = ("process", "filter_name", "slha", "decays", "qcut", "signal", "accept_truncated", *_DEFAULTS)


def _leptons(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    return () if value is None else tuple(word.strip() for word in value.split(","))


@click.command()
@click.argument("processes", nargs=-1)
@click.option(
    "--events",
    callback=event_number,
    help="Events, all processes together.  [default: 100k; with --lhe all of the files]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("data"),
    show_default=True,
    help="Folder for the files.",
)
@click.option(
    "--seed", default=1, show_default=True, help="The same seed gives the same events for any --workers."
)
@click.option("--workers", type=int, help="Worker processes.  [default: one per core]")
@click.option(
    "--detector",
    help="Detector response, e.g. cms, atlas or perfect; a wrong name lists all.  [default: the analysis' own; cms with --lhe]",
)
@click.option("--card", type=click.Path(path_type=Path), help="Own detector card (TOML) instead.")
@click.option(
    "--energy", "sqrt_s_tev", type=float, help="Centre-of-mass energy in TeV.  [default: the analysis']"
)
@click.option(
    "--variations",
    is_flag=True,
    help="Also weights of shower variations (2.5 times slower); those of scales and PDFs are always there.",
)
@click.option(
    "--mpi/--no-mpi",
    default=None,
    help="Multiparton interactions (about ten times slower).  [default: as the set of the analysis has them]",
)
@click.option("--rntuple", is_flag=True, help="Write RNTuples instead of TTrees.")
@click.option(
    "--lhe",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Matrix-element events (.lhe, also .gz, .bz2, .xz) instead of PROCESSES; may be given several times.",
)
@click.option("--process", help="With --lhe: process name.  [default: the file's name]")
@click.option("--signal", is_flag=True, help="With --lhe: the events are a signal.")
@click.option(
    "--filter",
    "filter_name",
    help="With --lhe: keep events with none, lepton, dimuon, 3l, dimuon-photon or vbf.",
)
@click.option("--slha", type=click.Path(path_type=Path), help="With --lhe: spectrum and decays.")
@click.option(
    "--decays",
    help="With --lhe: decay as this signal does, for instance wino_WZ_200_30.",
)
@click.option("--matching", type=click.Choice(["auto", "mlm", "none"]), default="auto", show_default=True)
@click.option("--qcut", type=float, help="With --lhe: matching scale in GeV.  [default: told by the file]")
@click.option(
    "--accept-truncated",
    is_flag=True,
    help="With --lhe: take the complete events of a file that is cut short.",
)
@click.option(
    "--empty-events",
    type=click.Choice(["count", "drop", "refuse"]),
    default="count",
    show_default=True,
    help="With --lhe: events without particles count in the cross section, or are left out, or end the command.",
)
@click.option(
    "--leptonic",
    is_flag=False,
    flag_value="e,mu",
    callback=_leptons,
    help="W, Z, top and new particles decay to these only, e,mu unless said otherwise (e,mu,tau); the weights have the fraction.",
)
@click.option(
    "--fast-taus",
    is_flag=True,
    help="Taus of W and Z decay ten times as fast, with their spin; three mesons and more without.",
)
@click.option(
    "--hard",
    help="Only hard processes with 'M_T2 > 80' (or m_ll, MET; also '40 < M_T2 < 80', slices 'M_T2: 0, 40, 80'), before the shower; "
    "or none.  [default: as is usual for the process]",
)
@click.option(
    "--repeat",
    type=int,
    default=1,
    show_default=True,
    help="With --lhe: shower each event so many times; for smuons: decay them so often. Weight / N; copies share number and fold.",
)
@click.option(
    "--responses",
    type=int,
    default=1,
    show_default=True,
    help="Let the detector respond so many times to each event. Weight / N; the responses share number and fold. For selections that "
    "few events pass.",
)
@click.option(
    "--parton",
    is_flag=True,
    help="Decay chains and their backgrounds at parton level, no shower: matrix elements, decays, resolution, in the same files, hundreds "
    "of times as fast.",
)
@click.option(
    "--mediator", type=float, help="With --parton: mass of what is exchanged, GeV.  [default: 4000]"
)
@click.option(
    "--chiral", is_flag=True, help="With --parton: the mediator couples to right-handed quarks alone."
)
@click.option("--list", "list_only", is_flag=True, help="List the processes and stop.")
def generate(processes: tuple[str, ...], list_only: bool, **options: Any) -> None:
    """Generate event samples with Pythia and a parametrised detector, as NanoAOD files.

    PROCESSES is an analysis (slepton, smuon, vlq, cascade, electroweakino: all its processes), names of single
    processes, or signals of any mass.  With --lhe, matrix-element events are showered instead.
    Needs the extra massgap[generator].  Interrupted, the same command goes on.

    \b
    Examples:
      massgap generate slepton --events 100k --out samples
      massgap generate smuonR_300_100 smuonR_400_50 --events 20k --detector atlas
      massgap generate vbf_wino_WZ_600_25 --events 20k --leptonic
      massgap generate --lhe my_events.lhe.gz --process tt --filter dimuon
      massgap generate --lhe wzj.lhe.gz --leptonic e,mu --repeat 5
      massgap generate cascade_fDM_691_660_631_600 --parton --events 1M
      massgap generate --list
    """
    from massgap import stages

    if list_only:
        _list_processes()
        return
    ticker = Ticker()
    out, lhe = options["out"], options.pop("lhe")
    card = options.pop("card")
    detector = options.pop("detector")
    if card is not None and detector is not None:
        msg = "give --detector or --card, not both"
        raise click.UsageError(msg)
    _check_words(processes, options)
    options["card"] = card or detector or ("cms" if lhe else None)
    options["form"] = "rntuple" if options.pop("rntuple") else "ttree"
    options["workers"] = options["workers"] or os.cpu_count() or 1
    of_files = {name: options.pop(name) for name in _OF_FILES}
    of_partons = {name: options.pop(name) for name in ("mediator", "chiral")}
    if options.pop("parton"):
        _parton_level(processes, lhe, of_partons, {**of_files, **options}, ticker)
        return
    if given := [name for name, value in of_partons.items() if value]:
        msg = f"--{given[0]} goes with --parton"
        raise click.UsageError(msg)
    if lhe:
        options["mpi"] = bool(options["mpi"])
        if processes:
            msg = "give PROCESSES or --lhe files, not both"
            raise click.UsageError(msg)
        if options.pop("fast_taus"):
            msg = "--fast-taus does not go with --lhe: a file may have taus without W or Z"
            raise click.UsageError(msg)
        if options.pop("sqrt_s_tev") is not None:
            msg = "--energy does not go with --lhe: the file tells the energy"
            raise click.UsageError(msg)
        of_files["is_signal"] = of_files.pop("signal")
        made = stages.generate_lhe(list(lhe), progress=ticker.generate, **of_files, **options)
    else:
        if given := [name for name, value in of_files.items() if value and name not in _DEFAULTS]:
            msg = f"--{given[0].replace('_name', '').replace('_', '-')} goes with --lhe"
            raise click.UsageError(msg)
        if not processes:
            msg = (
                "say what to generate: an analysis or processes; massgap generate --list shows what there is"
            )
            raise click.UsageError(msg)
        options["events"] = options["events"] or 100_000
        made = stages.generate(list(processes), progress=ticker.generate, **options)
    ticker.close()
    if lhe:
        _tell_notes(made)
    _tell_generation(out, made)


def _parton_level(
    processes: tuple[str, ...],
    lhe: tuple[Path, ...],
    own: dict[str, Any],
    options: dict[str, Any],
    ticker: Ticker,
) -> None:
    """Generate without Pythia; what only a generator has is refused."""
    from massgap import stages

    names = {"sqrt_s_tev": "energy", "filter_name": "filter", "variations": "variations"}
    of_generator = (*_OF_FILES, "variations", "mpi", "leptonic", "fast_taus", "hard")
    usual = {"matching": "auto", "empty_events": "count"}
    given = ["lhe"] if lhe else []
    given += [name for name in of_generator if options[name] and options[name] != usual.get(name)]
    given += [name for name in ("repeat", "responses") if options[name] > 1]
    if given:
        name = given[0]
        msg = f"--{names.get(name, name).replace('_', '-')} does not go with --parton, which has no showers"
        raise click.UsageError(msg)
    if not processes:
        msg = "say what to generate: signals that are decay chains, or their backgrounds; massgap generate --list shows their form"
        raise click.UsageError(msg)
    out = options["out"]
    made = stages.generate_partons(
        list(processes),
        out,
        events=options["events"] or 100_000,
        progress=ticker.generate,
        **{name: options[name] for name in ("seed", "workers", "card", "sqrt_s_tev", "form")},
        **{name: value for name, value in own.items() if value is not None},
    )
    ticker.close()
    for name, entry in made.items():
        about = entry["metadata"]
        say(
            f"{name}: {about['hard_xsec_fb']:.4g} +- {about['hard_xsec_error_fb']:.2g} fb, "
            f"{100 * about['filter_efficiency']:.2f} % of it written"
        )
    _tell_generation(out, made)


def _check_words(processes: tuple[str, ...], options: dict[str, Any]) -> None:
    """Refuse words that stand where options end: names behind a flag, leptons with blanks between them."""
    from massgap.events.variations import known_variations
    from massgap.samples.pythia.leptonic import LEPTONS, check_leptons

    words = {part.strip() for word in processes for part in word.split(",")}
    if named := sorted(words & {*known_variations(), "none"}):
        msg = (
            f"massgap generate --variations is a switch and takes no names, such as {', '.join(named)}: it adds the weights of "
            f"showers to those of scales and PDFs; which are used is said later, massgap run --variations {','.join(named)}"
        )
        raise click.UsageError(msg)
    if words & set(LEPTONS):
        together = ",".join(name for name in LEPTONS if name in {*words, *options["leptonic"]})
        msg = f"leptons are no processes; write them with commas and without blanks: --leptonic {together}"
        raise click.UsageError(msg)
    if options["leptonic"]:
        check_leptons(options["leptonic"])


@click.command()
@click.argument("point")
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this file.  [default: print it]")
def slha(point: str, out: Path | None) -> None:
    """Print spectrum and decays of a signal as SLHA: what its samples are made with, for other generators and for --slha.

    POINT is a signal at a mass point.

    \b
    Examples:
      massgap slha wino_WZ_600_25
      massgap slha wino_slepton_200_50 --out spectrum.slha
    """
    from massgap import stages

    text = stages.slha(point)
    emit("massgap-slha/1", {"point": point, "slha": text, "file": out})
    if out is None:
        click.echo(text, nl=False)
        return
    from massgap.contracts.writing import prepare_folder, write_atomically

    prepare_folder(out.parent)
    write_atomically(out, text.encode())
    click.echo(f"spectrum: {out}")


def _list_processes() -> None:
    from massgap.samples.processes.catalogue import GRIDS
    from massgap.samples.processes.signals import SIGNAL_FORMS
    from massgap.samples.production.generate import list_processes

    analysis = None
    rows = list_processes()
    emit("massgap-processes/1", {"processes": rows, "signals": list(SIGNAL_FORMS), "grids": list(GRIDS)})
    for row in rows:
        heading = ", ".join(row["analyses"]) or "single processes, nothing filtered"
        if heading != analysis:
            analysis = heading
            click.echo(f"{heading} ({row['sqrt_s_tev']:g} TeV)")
        xsec = f"{'computed':>12s}" if row["xsec_fb"] is None else f"{row['xsec_fb']:9.4g} fb"
        click.echo(f"  {row['name']:28s} {xsec}  {row['description']}")
    click.echo(f"signals of any mass in GeV: {', '.join(SIGNAL_FORMS)}; grids of them: {', '.join(GRIDS)}")
    click.echo(
        "Cross sections are leading order, before the filters; those of signals are computed when they are made."
    )


def _tell_notes(made: dict[str, Any]) -> None:
    """What reading the event files has found, which the fileset keeps beside the source of the cross section."""
    for name, entry in made.items():
        for note in entry["metadata"]["xsec_source"].split("; ")[1:]:
            say(f"note: {name}: {note}")


def _tell_generation(out: Path, made: dict[str, Any]) -> None:
    """Totals, rates and shares of the time of a generation."""
    rates = json.loads((out / "generation.json").read_text())["datasets"]
    for name, row in rates.items():
        if "note" in row:
            say(f"note: {name}: {row['note']}")
    steps: dict[str, float] = {}
    for row in rates.values():
        for step, seconds in row["cpu_s"].items():
            steps[step] = steps.get(step, 0.0) + seconds
    total = sum(steps.values())
    generated = sum(row["generated"] for row in rates.values())
    if total:
        shares = ", ".join(f"{step} {seconds / total:.0%}" for step, seconds in steps.items())
        click.echo(f"{generated / total:,.0f} generated events per second and core ({shares})")
    events = sum(entry["metadata"].get("n_events", 0) for entry in made.values())
    click.echo(f"{events:,} events in {len(made)} dataset{'' if len(made) == 1 else 's'}")
    emit(
        "massgap-generation/1",
        {
            "fileset": out / "fileset.json",
            "events": events,
            "generated": generated,
            "generated_per_cpu_s": generated / total if total else None,
            "datasets": {name: entry["metadata"] for name, entry in made.items()},
        },
    )
    click.echo(f"fileset: {out / 'fileset.json'}")
