"""The command ``massgap``: the group of all commands, how it ends on errors and signals.

Nothing but wiring: each command calls the function of the same name in :mod:`massgap.stages` and prints what
it returns.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import click

from massgap import __version__
from massgap.cli import batch
from massgap.cli.console import say
from massgap.cli.fit import fit, limit
from massgap.cli.generate import generate, slha
from massgap.cli.plane import plane
from massgap.cli.printing.documents import errors_as_documents, with_json
from massgap.cli.publish import publish, recast
from massgap.cli.report import report
from massgap.cli.run import preflight, run, verify
from massgap.cli.study import demo, scan, study, validate
from massgap.cli.train import models, train
from massgap.errors import MassgapError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main"]


class _Group(click.Group):
    """Turns the errors of the package into one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        words = [*getattr(ctx, "_protected_args", ()), *ctx.args]
        try:
            with _terminate_as_interrupt(), errors_as_documents(ctx, words):
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            say("\nInterrupted. What was finished is kept: the same command goes on from there.")
            ctx.exit(130)
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(1)
        except Exception as error:  # noqa: BLE001 - the last place where a person can be told
            if ctx.params.get("debug"):
                traceback.print_exc()
            elif isinstance(error, MassgapError):
                say(f"Error: {error}")
            elif isinstance(error, OSError):
                name = f"{error.filename}: " if error.filename else ""
                say(f"Error: {name}{error.strerror or error}")
            else:
                say(
                    f"Error: {type(error).__name__}: {error}\n(This looks like a fault of massgap. Run again as 'massgap --debug ...' for the details.)"
                )
            ctx.exit(1)


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """A batch system ends a job with SIGTERM: like Ctrl-C, so that the workers end and the ledger is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_versions(ctx: click.Context) -> None:
    """What belongs into a report of a fault, and into a paper."""
    from massgap.contracts.writing import NUMBERS, OPTIONAL, versions

    click.echo(f"massgap {__version__}")
    found = versions((*NUMBERS, *OPTIONAL))
    for name in ("python", *NUMBERS[1:], *OPTIONAL):
        click.echo(f"  {name:12s} {found.get(name, 'not installed')}")
    ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, asked: _show_versions(ctx) if asked and not ctx.resilient_parsing else None,
    help="Show the versions of massgap and of what its numbers depend on, and exit.",
)
@click.option("--debug", is_flag=True, help="Show the full traceback of an error.")
def main(debug: bool) -> None:
    """Columnar searches for new particles behind small mass gaps: from event files to limits.

    \b
    The stages, each reading what the one before wrote:
      massgap generate slepton --events 100k --out data
      massgap run slepton --fileset data/fileset.json --out runs/slepton
      massgap train runs/slepton --out runs/model
      massgap run slepton --fileset data/fileset.json --model runs/model/slepton.onnx --out runs/scored
      massgap fit runs/scored
      massgap report runs/scored
      massgap publish runs/scored --out bundle
    Or all of them at once: massgap study slepton, and in a few minutes massgap demo
    In place of run, with batch jobs: massgap submit, status, resubmit, merge
    """


for _command in (
    generate,
    slha,
    run,
    preflight,
    train,
    models,
    fit,
    limit,
    plane,
    report,
    publish,
    recast,
    scan,
    verify,
    study,
    validate,
    demo,
    *batch.COMMANDS,
):
    main.add_command(with_json(_command))


if __name__ == "__main__":
    main()
