"""The command ``massgap report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["report"]


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="FOLDER")
@click.option("--out", type=click.Path(path_type=Path), help="HTML file.  [default: FOLDER/report.html]")
@click.option(
    "--model",
    "model_folder",
    type=click.Path(path_type=Path),
    help="Model folder.  [default: as the run says]",
)
@click.option(
    "--fit", "fit_folder", type=click.Path(path_type=Path), help="Fit folder.  [default: FOLDER/fit]"
)
@click.option("--title", help="Title of the page.")
@click.option(
    "--reference",
    multiple=True,
    help="For samples: PROCESS=FILE.root, a NanoAOD file to compare a process with.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    help="For benchmarks: write the table of goals between the two markers of this text file instead of a page.",
)
def report(
    what: tuple[str, ...], out: Path | None, reference: tuple[str, ...], table: Path | None, **options: Any
) -> None:
    """Write a report: one HTML page with tables, plots and provenance.

    FOLDER is a run folder, or a folder of generated samples: then the page shows closure plots.  With the word
    benchmarks before it, it is what make bench wrote.

    \b
    Examples:
      massgap report runs/scored
      massgap report samples data --reference tt=nano_tt.root
      massgap report benchmarks bench/benchmarks.json
      massgap report benchmarks benchmarks/measured.json --table README.md
    """
    from massgap import stages

    if len(what) > 2 or (len(what) == 2 and what[0] not in ("samples", "benchmarks")):
        msg = f"give one folder, or 'samples' or 'benchmarks' and a folder, not {' '.join(what)}"
        raise click.UsageError(msg)
    if what[0] == "benchmarks" and (len(what) == 2 or not Path("benchmarks/manifest.json").is_file()):
        given = [name for name, value in options.items() if value is not None and name != "title"]
        if given or reference:
            name = given[0].replace("_folder", "") if given else "reference"
            msg = f"--{name} does not go with benchmarks"
            raise click.UsageError(msg)
        results = Path(what[1]) if len(what) == 2 else Path("bench")
        if table is not None:
            if out is not None or options["title"] is not None:
                msg = "--table writes no page: leave out --out and --title"
                raise click.UsageError(msg)
            click.echo(f"table: {stages.benchmarks_table(results, table)}")
            return
        path = stages.report_benchmarks(results, out, title=options["title"])
        click.echo(f"report: {path.resolve()}")
        return
    if table is not None:
        msg = (
            "--table goes with benchmarks: massgap report benchmarks bench/benchmarks.json --table README.md"
        )
        raise click.UsageError(msg)
    folder = Path(what[-1])
    if what == ("samples",) and not folder.is_dir():
        folder = Path("data")
    of_samples = (folder / "fileset.json").is_file() and not (folder / "manifest.json").is_file()
    if what[0] == "samples" or of_samples:
        if given := [name for name, value in options.items() if value is not None and name != "title"]:
            msg = f"--{given[0].replace('_folder', '')} goes with a run folder, not with samples"
            raise click.UsageError(msg)
        path = stages.report_samples(folder, out, reference=_pairs(reference), title=options["title"])
    else:
        if reference:
            msg = "--reference goes with samples: massgap report samples FOLDER"
            raise click.UsageError(msg)
        path = stages.report(folder, out, **options)
    click.echo(f"report: {path.resolve()}")


def _pairs(values: tuple[str, ...]) -> dict[str, Path]:
    out = {}
    for value in values:
        process, sign, path = value.partition("=")
        if not sign or not process or not path:
            msg = f"--reference {value!r}: write PROCESS=FILE.root"
            raise click.UsageError(msg)
        out[process] = Path(path)
    return out
