"""The commands ``massgap study``, ``massgap demo`` and ``massgap validate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from massgap.cli.console import Ticker, command_line, duration, say
from massgap.cli.options.cluster_options import add_options, executor_options, take_cluster
from massgap.cli.options.run_options import event_number
from massgap.cli.printing.documents import TO_STDOUT, emit
from massgap.cli.printing.words import fit_lines, print_fit, print_validation

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["demo", "scan", "study", "validate"]

FEW_FITS = 3
"""Of more fits than this, each has one line."""

_SIZE = (
    click.option(
        "--events",
        callback=event_number,
        help="Events to generate, all processes together.  [default: as the study says]",
    ),
    click.option("--seed", default=1, show_default=True, help="Of the samples and the training."),
    click.option("--lumi", "lumi_fb", type=float, help="Luminosity in fb-1.  [default: that of the study]"),
)


def _size_options(command: Callable[..., Any]) -> Callable[..., Any]:
    return add_options(command, _SIZE)


def _numbers_of_steps(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, int]:
    """``STEP=N`` as a dict."""
    found: dict[str, int] = {}
    for word in given:
        step, sign, number = word.partition("=")
        if not sign or not step:
            msg = f"{word!r} is not STEP=N; write for instance --sample samples/spectra=20k"
            raise click.BadParameter(msg)
        found[step] = int(event_number(context, parameter, number) or 0)
    return found


@click.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for everything.  [default: study-NAME]")
@click.option("--quick", "small", is_flag=True, help="A small form of it, of a few minutes.")
@click.option(
    "--sample",
    "samples",
    multiple=True,
    callback=_numbers_of_steps,
    metavar="STEP=N",
    help="Events of one of the study's samples, e.g. samples/spectra=20k; again for others.",
)
@_size_options
@executor_options
def study(name: str, **options: Any) -> None:
    """Do a whole study: generate, run, train, run with the scores, fit, test planes of signals, report.

    NAME is a study of massgap, such as slepton.  What an earlier call finished in the folder is used again.

    \b
    Examples:
      massgap study slepton --out slepton
      massgap study slepton --out small --quick
    """
    from massgap import stages

    _carry_out(stages.study, name, **options)


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for everything.",
)
@_size_options
@executor_options
def demo(**options: Any) -> None:
    """The slepton analysis from nothing to a report, in a few minutes.

    Generates a small sample, runs the processor, trains, runs again with the score, fits and reports.
    What an earlier call finished is used again.  massgap study slepton does all of the paper.

    \b
    Example:
      massgap demo --out demo
    """
    from massgap import stages

    _carry_out(stages.demo, **options)


@click.command()
@click.argument("name")
@click.option(
    "--background",
    "run",
    required=True,
    type=click.Path(path_type=Path),
    help="A run of the analysis over backgrounds, made with --features.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for scan.json.  [default: scan-NAME]")
@click.option("--variables", default="", help="Sets of variables: 'momenta|met,delta4,m_mumugamma'.")
@click.option("--spin", help="Spin models of the signal, such as fDM,sDM.  [default: all]")
@click.option(
    "--line",
    "lines",
    multiple=True,
    help="Train again along a line of spectra, such as alpha=-20:20:5 (GeV); again for others.",
)
@click.option(
    "--triplets", is_flag=True, help="Also the paper's triplets, and the search that orderings guide."
)
@click.option(
    "--stages",
    "beyond",
    is_flag=True,
    help="Also what ensembles tell: spins, the mass scale, likelihoods of the spectrum.",
)
@click.option(
    "--process",
    "processes",
    multiple=True,
    help="Process of the background to train against; again for others.  [default: those that the study says]",
)
@click.option(
    "--events",
    callback=event_number,
    help="Selected signal events per network.  [default: 200k, with --quick 20k]",
)
@click.option("--quick", is_flag=True, help="Small networks, a few minutes.")
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Worker processes that share the spin models; no number depends on it.",
)
def scan(name: str, run: Path, out: Path | None, **options: Any) -> None:
    """Train networks of sets of variables on signals made on the spot, and rank observables by their decision ordering.

    NAME is a study that scans.

    \b
    Example:
      massgap scan cascade --background runs/backgrounds --variables "momenta|met,delta4,m_mumugamma" --spin fDM
    """
    from massgap import stages

    given = {key: value for key, value in options.items() if value not in (None, "", ())}
    found = stages.scan(name, run, out or Path(f"scan-{name}"), announce=say, **given)
    for line in found["summary"]:
        click.echo(line)
    emit("massgap-variable-scan/1", found)


@click.command()
@click.argument("name")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--json",
    "json_file",
    is_flag=False,
    flag_value=TO_STDOUT,
    metavar="[FILE]",
    help="Print the numbers as JSON, for programs, in place of text; with FILE, write them to it beside the text.",
)
@click.option(
    "--page", type=click.Path(path_type=Path), help="Also write them to this file as a page of Markdown."
)
def validate(name: str, folder: Path | None, json_file: str | None, page: Path | None) -> None:
    """Put the numbers of a study beside those of its paper.

    NAME is a study, FOLDER where massgap study has done it (by default study-NAME), or a run of its analysis.  Hard numbers must come out, moderate
    ones depend on details that the paper prints, trends on such that it does not.  Ends with code 1 if a hard one differs
    and nobody knows why.

    \b
    Examples:
      massgap validate slepton demo
      massgap validate slepton runs/scored --json numbers.json
      massgap validate slepton slepton --page slepton-validation.md
    """
    from massgap import stages

    found = stages.validate(name, folder or Path(f"study-{name}"))
    print_validation(found)
    emit("massgap-validation/1", found.as_dict())
    if json_file not in (None, TO_STDOUT):
        from massgap.contracts.writing import write_json

        write_json(json_file, found.as_dict())
        click.echo(f"numbers: {json_file}")
    if page is not None:
        from massgap.contracts.writing import prepare_folder, write_atomically

        prepare_folder(page.parent)
        write_atomically(page, found.page().encode())
        click.echo(f"page: {page}")
    if not found.holds:
        raise click.exceptions.Exit(1)


def _carry_out(stage: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    ticker = Ticker()
    hooks = {"generate": ticker.generate, "run": ticker.run, "train": ticker.train}

    def announce(text: str) -> None:
        ticker.close()
        say(text)

    cluster = take_cluster(options)
    done = stage(
        *arguments, hooks=hooks, announce=announce, command=command_line(), cluster=cluster, **options
    )
    ticker.close()
    if len(done.fits) > FEW_FITS:
        for line in fit_lines(done.fits, done.folder):
            click.echo(line)
    else:
        for fitted in done.fits:
            print_fit(fitted)
    say("time: " + ", ".join(f"{stage} {duration(s)}" for stage, s in done.seconds.items()))
    for path in done.reports:
        click.echo(f"report: {path.resolve()}")
    emit(
        "massgap-study-result/1",
        {
            "folder": done.folder,
            "seconds": done.seconds,
            "fits": [{"fit_folder": fitted.out, **fitted.results} for fitted in done.fits],
            "reports": [path.resolve() for path in done.reports],
        },
    )
