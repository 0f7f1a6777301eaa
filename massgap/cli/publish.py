"""The commands ``massgap publish`` and ``massgap recast``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from massgap.cli.console import Ticker, command_line, say
from massgap.cli.options.run_options import event_number, names
from massgap.cli.printing.documents import emit
from massgap.cli.printing.recast_words import card_lines, check_lines, recast_lines

__all__ = ["publish", "recast"]


def _references(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for value in values:
        kind, sign, name = value.partition("=")
        if not (kind and sign and name):
            msg = f"{value!r}: write KIND=NAME, for instance hepdata=ins1234567 or arxiv=2309.10197"
            raise click.BadParameter(msg)
        found[kind] = name
    return found


@click.command()
@click.argument("folder", metavar="RUN|STUDY", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the bundle.  [default: RUN/bundle]")
@click.option(
    "--likelihood",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Plane or fit that is published.  [default: plane of the run, else its fit; of a study the only one]",
)
@click.option("--title", default="", help="Title.  [default: that of the analysis]")
@click.option("--author", "authors", multiple=True, help="Somebody who made it; again for others.")
@click.option("--licence", default="CC0-1.0", show_default=True, help="Of the data, as SPDX names it.")
@click.option("--citation", default="", help="How it is to be cited.")
@click.option(
    "--reference",
    "references",
    multiple=True,
    callback=_references,
    metavar="KIND=NAME",
    help="Where it is published: hepdata=ins1234567, arxiv=2309.10197; again for others.",
)
def publish(folder: Path, out: Path | None, likelihood: Path | None, **about: Any) -> None:
    """Publish a run or study, so that others can test signals of their own with massgap recast and nothing else at hand.

    Writes models, specification of the observables, likelihood, tables, validation events and the hash of every file into one
    folder; docs/recasting.md says what each is.  The run needs a plane or a fit.

    \b
    Examples:
      massgap publish runs/scored --out bundle
      massgap publish study-slepton --out bundle --author "A. Physicist" --reference arxiv=2309.10197
      massgap publish runs/scored --likelihood runs/scored/fit --out bundle
    """
    from massgap import stages
    from massgap.stages.publishing.publication import About

    target = folder / "bundle" if out is None else out
    made = stages.publish(
        folder, target, likelihood=likelihood, about=About(**about), command=command_line(), announce=say
    )
    content = made.content
    for run in content["runs"]:
        validation = run["validation"]
        label = f" of {run['label']}" if run["label"] else ""
        click.echo(
            f"validation{label}: {validation['kind']}, {validation.get('selected', 0):,} selected events"
            + (f" ({validation['why']})" if validation.get("why") else "")
        )
    if content["tables"]["hepdata"] is None:
        say(f"note: no tables for HEPData: {content['tables']['why_no_hepdata']}")
    lumis = ", ".join(f"{lumi:g}" for lumi in made.luminosities)
    made_of = ", ".join(content["published"]["runs"])
    click.echo(f"likelihood: the {content['kind']} {content['published']['likelihood']}, of {made_of}")
    click.echo(f"signals: {len(content['points'])}, at {lumis} fb-1")
    click.echo(f"sha256: {made.digest}")
    click.echo(f"bundle: {made.path}")
    emit("massgap-publication/1", {"bundle": made.path, "digest": made.digest, "content": content})


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1)
@click.option("--check", is_flag=True, help="Run the validation events instead: is this installation right?")
@click.option(
    "--xsec",
    "xsec_fb",
    type=float,
    help="Cross section of all that was produced, fb.  [default: that of the files]",
)
@click.option(
    "--xsec-uncertainty",
    type=float,
    help="Relative, for instance 0.1: a parameter of the likelihood.  [default: none]",
)
@click.option("--name", help="Of the signal; of a fileset with several, which one.")
@click.option("--lumi", "lumi_fb", type=float, help="Of several luminosities of the bundle, which, fb-1.")
@click.option("--tree", help="Name of the tree, if not Events, Delphes or CollectionTree.")
@click.option(
    "--detector", "card", help="For .lhe: detector card, name or file.  [default: that of the bundle]"
)
@click.option(
    "--cards",
    callback=names,
    metavar="CARD,CARD,...",
    help="For .lhe: the same generated events through several detector cards, compared with the first.",
)
@click.option(
    "--control",
    "controls",
    multiple=True,
    metavar="CHANNEL",
    help="With --cards: a control region, which stays beside each region whose own limit is given; again for others.  [default: as the bundle says]",
)
@click.option("--events", callback=event_number, help="For .lhe: how many.  [default: all]")
@click.option("--slha", type=click.Path(path_type=Path), help="For .lhe: spectrum and decays.")
@click.option(
    "--toys",
    type=int,
    metavar="N",
    help="Also with N toys of each hypothesis, for small counts; 20000 is a good number.",
)
@click.option("--seed", default=1, show_default=True, help="Of shower, detector and toys.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Worker processes, and threads that fit toys.",
)
@click.option("--accept-energy", is_flag=True, help="Take events of another energy than the bundle's.")
@click.option("--trust-code", is_flag=True, help="Run the source of an analysis that the bundle brings.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Keep simulated events and run here.  [default: nothing is kept]",
)
def recast(
    bundle: Path,
    files: tuple[str, ...],
    check: bool,
    toys: int | None,
    cards: list[str] | None,
    controls: tuple[str, ...],
    trust_code: bool,
    lumi_fb: float | None,
    out: Path | None,
    **events: Any,
) -> None:
    """Test a signal of your own with a published bundle: CLs, upper limit, efficiency per channel.

    FILES are NanoAOD, PHYSLITE or Delphes files, a fileset (.json), or matrix-element events (.lhe, .lhe.gz), which are showered and
    simulated first (needs massgap[generator]).  Every file of the bundle is compared with its published hash before.

    \b
    Examples:
      massgap recast bundle --check
      massgap recast bundle my.root --xsec 12.5
      massgap recast bundle data/fileset.json --name smuonR_300_100
      massgap recast bundle my.root --xsec 12.5 --toys 20000
      massgap recast bundle my.lhe.gz --json
      massgap recast bundle my.lhe.gz --cards cms,atlas,perfect
      massgap recast bundle my.lhe.gz --cards cms,atlas --control cr_top
    """
    from massgap import stages
    from massgap.arrays.compiled import for_arrays_only
    from massgap.fits.inference.toys.options import wanted_toys
    from massgap.stages.publishing.signal_events import EventOptions

    if check:
        _require_alone(files)
        found = stages.check_bundle(bundle, trust_code=trust_code)
        _echo(check_lines(found), found.notes)
        emit("massgap-bundle-check/1", found.as_dict())
        if not found.ok:
            raise click.exceptions.Exit(1)
        return
    if not files:
        msg = f"give the events of the signal: massgap recast {bundle} my.root --xsec 12.5, or --check for those of the bundle"
        raise click.UsageError(msg)
    if controls and not cards:
        msg = f"--control goes with --cards, which gives the limit of each region: leave it out, or add --cards cms,atlas (--control {controls[0]})"
        raise click.UsageError(msg)
    if toys is not None and cards:
        msg = f"--toys goes with one detector card: leave it out where --cards compares them, or say which (--detector {cards[0]} --toys {toys})"
        raise click.UsageError(msg)
    ticker = Ticker()
    options = EventOptions(**events)
    shared: dict[str, Any] = {
        "events": options,
        "lumi_fb": lumi_fb,
        "out": out,
        "trust_code": trust_code,
        # What is planned is of interest where thousands of chunks are.
        "progress": lambda progress: None if progress.stage == "plan" else ticker.run(progress),
        "generated": ticker.generate,
    }
    with for_arrays_only():
        if cards:
            compared = stages.compare_cards(bundle, files, cards, controls=controls or None, **shared)
            ticker.close()
            _echo(card_lines(compared.results), compared.results["notes"])
            emit("massgap-recast-cards/1", compared.results)
            return
        wanted = wanted_toys(toys, options.seed if toys else None, options.workers if toys else None)
        if wanted is not None:
            say(f"toys come last: {wanted.number:,} of each hypothesis and signal strength")
        done = stages.recast(bundle, files, toys=wanted, **shared)
    ticker.close()
    _echo(recast_lines(done.results), done.results["notes"])
    if done.out is not None:
        say(f"kept: {done.out}")
    emit("massgap-recast/1", done.results)
    if not done.converged:
        raise click.exceptions.Exit(1)


def _require_alone(files: tuple[str, ...]) -> None:
    """Refuse what a check would not look at."""
    context = click.get_current_context()
    given = [
        param.opts[0]
        for param in context.command.params
        if isinstance(param, click.Option)
        and param.name not in ("check", "trust_code")
        and param.expose_value
        and context.get_parameter_source(str(param.name)) is click.core.ParameterSource.COMMANDLINE
    ]
    if files or given:
        what = " and ".join(["FILES"] * bool(files) + given)
        msg = f"--check runs the events of the bundle: leave out {what}"
        raise click.UsageError(msg)


def _echo(lines: list[str], notes: list[str]) -> None:
    for line in lines:
        click.echo(line)
    for note in notes:
        say(f"note: {note}")
