"""What all commands have in common: two options, examples at the end of ``--help``, quiet usage errors."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "allow_extra_args": True}

CommandFunction = Callable[..., Any]


class Command(click.Command):
    """A click command whose epilog is printed as it stands, and which never repeats what it was given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; what is left over is counted and not quoted, as it may be a user's id."""
        super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            count = len(ctx.args)
            found = "an argument" if count == 1 else f"{count} arguments"
            raise click.UsageError(f"{found} too many: an option such as --user takes one value each", ctx)
        return ctx.args

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples without refilling their lines."""
        with formatter.section("Examples"):
            for line in (self.epilog or "").strip().splitlines():
                formatter.write(f"  {line.strip()}\n")


def command(examples: str, workspace: str = ".") -> Callable[[CommandFunction], Command]:
    """Make a command of a function that takes ``workspace`` (a path), ``as_json``, and its own options.

    If the function returns a number, the command ends with that exit code.

    Parameters
    ----------
    examples
        Command lines, one per line, that end the help.
    workspace
        Default of ``--workspace``.
    """

    def decorate(function: CommandFunction) -> Command:
        shared = _workspace_option(workspace)(_json_option(function))
        name = function.__name__.removesuffix("_command").replace("_", "-")
        return click.command(name, Command, epilog=examples, context_settings=SETTINGS)(shared)

    return decorate


def wait_option(function: Any) -> Any:
    """Give a command that changes the workspace ``wait``: seconds, 0 unless given."""
    help_text = "Wait for another process that is changing the workspace, for so long if SECONDS is given."
    return click.option(
        "--wait",
        type=click.FloatRange(0),
        is_flag=False,
        flag_value=math.inf,
        default=0.0,
        metavar="[SECONDS]",
        help=help_text,
    )(function)


def _workspace_option(default: str) -> Callable[[Any], Any]:
    return click.option(
        "--workspace",
        type=click.Path(file_okay=False, path_type=Path),
        default=default,
        show_default=True,
        metavar="DIR",
        help="Directory with data/ and mlruns/.",
    )


def _json_option(function: Any) -> Any:
    help_text = "Print one JSON value on standard output, and nothing else there."
    return click.option("--json", "as_json", is_flag=True, help=help_text)(function)
