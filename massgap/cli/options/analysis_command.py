"""Commands on an analysis: what its constructor takes, the command takes as well."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from massgap.processors.constructors import Option

__all__ = ["AnalysisCommand", "parsed", "take_given"]

_OFFERED = "massgap.analysis_options"
_PREFIX = "of_the_analysis_"
_MORE = "What the constructor of ANALYSIS takes is an option here, too: massgap {command} ANALYSIS --help lists it."


class AnalysisCommand(click.Command):
    """A command whose first argument names an analysis, and which has the options of that analysis's constructor.

    ``massgap run slepton --help`` lists them; those whose name the command has already are given with ``--set``.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the analysis among the arguments, then read them with its options."""
        ctx.meta[_OFFERED] = []
        analysis = self._analysis(ctx, list(args))
        if analysis is not None:
            from massgap.processors.constructors import options_of
            from massgap.processors.registry import find_processor

            taken = {word for param in self.params for word in (*param.opts, *param.secondary_opts)}
            offered = [_as_click(option) for option in options_of(find_processor(analysis))]
            ctx.meta[_OFFERED] = [o for o in offered if not taken & {*o.opts, *o.secondary_opts}]
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters and those of the analysis."""
        return [*ctx.meta.get(_OFFERED, ()), *super().get_params(ctx)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of the command, and below them those of the analysis."""
        offered = ctx.meta.get(_OFFERED, [])
        own = [param for param in super().get_params(ctx) if isinstance(param, click.Option)]
        for heading, params in (("Options", own), ("Options of the analysis", offered)):
            records = [record for param in params if (record := param.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
        if not offered:
            formatter.write_paragraph()
            formatter.write_text(_MORE.format(command=ctx.info_name))

    def _analysis(self, ctx: click.Context, args: list[str]) -> str | None:
        """The name of the analysis, read with the options of the command alone."""
        from massgap.processors.registry import ANALYSES

        parser = super().make_parser(ctx)
        parser.ignore_unknown_options = True
        found, rest, _ = parser.parse_args(args)
        files = found.get("files")
        more = files if isinstance(files, (tuple, list)) else ()
        words = [word for word in (found.get("analysis"), *more, *rest) if isinstance(word, str)]
        if not words or not words[0].startswith("-"):
            return words[0] if words else None
        # An option of the analysis stands before it, and so perhaps does its value.
        return next((word for word in words if word in ANALYSES or re.search(r"\.py:\w+$", word)), None)


def take_given(settings: dict[str, Any]) -> dict[str, Any]:
    """Take what was given for the options of the analysis out of a command's settings."""
    taken = {name: settings.pop(name) for name in list(settings) if name.startswith(_PREFIX)}
    return {name.removeprefix(_PREFIX): value for name, value in taken.items() if value not in (None, ())}


def parsed(text: str) -> Any:
    """A value as it is typed: JSON, or else text.

    Examples
    --------
    >>> parsed("12"), parsed("true"), parsed("no_tau")
    (12, True, 'no_tau')
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _values(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> list[Any] | None:
    out: list[Any] = []
    for text in given:
        whole = parsed(text)
        if isinstance(whole, list):
            out += whole
        else:
            out += [parsed(part.strip()) for part in text.split(",") if part.strip()]
    return out if given else None


def _value(_: click.Context, __: click.Parameter, text: str | None) -> Any:
    return None if text is None else parsed(text)


def _as_click(option: Option) -> click.Option:
    """A parameter of a constructor as an option of a command."""
    word = option.name.replace("_", "-")
    name = f"{_PREFIX}{option.name}"
    text = option.text
    if option.default not in (None, ()) and not isinstance(option.default, bool):
        shown = option.default
        shown = ",".join(map(str, shown)) if isinstance(shown, (tuple, list)) else shown
        text = f"{text}  [default: {shown}]"
    if option.kind == "flag":
        return click.Option([f"--{word}/--no-{word}", name], default=None, help=text)
    if option.kind == "list":
        # A list of no entries is given as [].
        return click.Option(
            [f"--{word}", name], multiple=True, callback=_values, metavar="NAME,...", help=text
        )
    return click.Option([f"--{word}", name], callback=_value, metavar="VALUE", help=text)
