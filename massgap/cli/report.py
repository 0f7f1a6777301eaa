"""The command ``massgap report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from massgap.cli.options.run_options import models
from massgap.cli.printing.documents import emit

__all__ = ["report"]


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="FOLDER")
@click.option("--out", type=click.Path(path_type=Path), help="HTML file.  [default: FOLDER/report.html]")
@click.option(
    "--model",
    "model_folder",
    multiple=True,
    callback=models,
    metavar="[NAME=]FOLDER",
    help="Model folder; of several scores NAME=FOLDER, again for each.  [default: as the run says]",
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
    "--overlay",
    multiple=True,
    metavar="FILE.csv[:LABEL]",
    help="For a plane, again for each: another contour (x,y per line; of a line of points mass,limit in fb) drawn beside.",
)
@click.option(
    "--hepdata",
    is_flag=True,
    help="For a plane: also write tables for HEPData, into hepdata and hepdata.tar.gz.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    help="For benchmarks: write the table of goals between the two markers of this text file instead of a page.",
)
def report(
    what: tuple[str, ...],
    out: Path | None,
    reference: tuple[str, ...],
    overlay: tuple[str, ...],
    hepdata: bool,
    table: Path | None,
    **options: Any,
) -> None:
    """Write a report: one HTML page with tables, plots and provenance.

    FOLDER is a run folder; a plane folder: then figures, efficiencies and cutflows are also written beside the page; or a
    folder of generated samples: then the page shows closure plots.  With the word benchmarks before it, it is what make
    bench wrote.

    \b
    Examples:
      massgap report runs/scored
      massgap report runs/scored/plane --hepdata --overlay atlas.csv:"ATLAS 2019"
      massgap report samples data --reference tt=nano_tt.root
      massgap report benchmarks bench/benchmarks.json
      massgap report benchmarks benchmarks/measured.json --table README.md
    """
    from massgap import stages

    if len(what) > 2 or (len(what) == 2 and what[0] not in ("samples", "benchmarks")):
        msg = f"give one folder, or 'samples' or 'benchmarks' and a folder, not {' '.join(what)}"
        raise click.UsageError(msg)
    is_plane = len(what) == 1 and (Path(what[0]) / "plane.json").is_file()
    if (overlay or hepdata) and not is_plane:
        name = "overlay" if overlay else "hepdata"
        msg = f"--{name} goes with a plane folder, which massgap plane writes; {what[-1]} holds no plane.json"
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
            written = stages.benchmarks_table(results, table)
            click.echo(f"table: {written}")
            emit(_FORMAT, {"table": written})
            return
        _tell(stages.report_benchmarks(results, out, title=options["title"]))
        return
    if table is not None:
        msg = (
            "--table goes with benchmarks: massgap report benchmarks bench/benchmarks.json --table README.md"
        )
        raise click.UsageError(msg)
    if is_plane:
        if reference or options["model_folder"] is not None or options["fit_folder"] is not None:
            msg = "--model, --fit and --reference do not go with a plane folder"
            raise click.UsageError(msg)
        _report_plane(Path(what[0]), out, title=options["title"], overlays=overlay, hepdata=hepdata)
        return
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
    _tell(path)


_FORMAT = "massgap-report/1"


def _tell(page: Path, **more: Any) -> None:
    """Say where a page is."""
    click.echo(f"report: {page.resolve()}")
    emit(_FORMAT, {"page": page.resolve(), **more})


def _report_plane(folder: Path, out: Path | None, **options: Any) -> None:
    from massgap import stages

    written = stages.report_plane(folder, out, **options)
    for why in written.absent:
        click.echo(f"left out: {why}")
    figures = sum(path.suffix == ".pdf" for path in written.files)
    click.echo(f"figures: {figures}, as PDF and PNG in {written.page.parent / 'figures'}")
    click.echo(
        f"tables: {', '.join(path.name for path in written.files if path.suffix in ('.csv', '.json'))}"
    )
    if written.hepdata is not None:
        click.echo(f"hepdata: {written.hepdata}")
    _tell(written.page, files=written.files, hepdata=written.hepdata, absent=written.absent)


def _pairs(values: tuple[str, ...]) -> dict[str, Path]:
    out = {}
    for value in values:
        process, sign, path = value.partition("=")
        if not sign or not process or not path:
            msg = f"--reference {value!r}: write PROCESS=FILE.root"
            raise click.UsageError(msg)
        out[process] = Path(path)
    return out
