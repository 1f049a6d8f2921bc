"""The entry point: which commands there are, and how whatever goes wrong becomes a line and an exit code."""

import gc
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from recsys_unlearn import __version__
from recsys_unlearn.cli.audit import audit_command
from recsys_unlearn.cli.compare import compare_command
from recsys_unlearn.cli.demo import demo_command
from recsys_unlearn.cli.environment import prepare
from recsys_unlearn.cli.forget import forget_command
from recsys_unlearn.cli.ingest import ingest_command
from recsys_unlearn.cli.output import write_json
from recsys_unlearn.cli.purge import purge_command
from recsys_unlearn.cli.recommend import recommend_command
from recsys_unlearn.cli.residue import residue_command
from recsys_unlearn.cli.resume import resume_command
from recsys_unlearn.cli.status import status_command
from recsys_unlearn.cli.train import train_command
from recsys_unlearn.cli.ui import ui_command
from recsys_unlearn.cli.verify_receipt import verify_receipt_command
from recsys_unlearn.errors import RecsysUnlearnError, refusal

INTERRUPTED, BROKEN_PIPE = 130, 141  # as a shell reports SIGINT and SIGPIPE
DEBUG = "RECSYS_UNLEARN_DEBUG"

GROUP_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EPILOG = """\
\b
Exit codes:
  0 done · 1 failed, nothing changed · 2 usage · 3 unknown user
  4 partial, run resume · 5 verification failed · 6 locked by another process
\b
Example:
  recsys-unlearn demo
"""


class ReaderLeft(Exception):
    """Whoever read standard output has closed it, as `| head` does."""


class Commands(click.Group):
    """A group that lists its commands in the order of a first session, and ends in :func:`report`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a broken pipe goes on under another name, as click would make it exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderLeft from None

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, *rest: Any, **extra: Any
    ) -> None:
        """Run, and end the process with the command's exit code."""
        arguments = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        if args is None:
            gc.set_threshold(100_000, 20, 20)  # modules being imported are not garbage: 0.5 s of 3.5 s
        code = report(lambda: super(Commands, self).main(arguments, *rest, **extra), "--json" in arguments)
        if args is None:
            gc.freeze()  # else the interpreter, on its way out, walks torch and MLflow for 1.5 s
        sys.exit(code)


@click.group(cls=Commands, epilog=EPILOG, context_settings=GROUP_SETTINGS)
@click.version_option(__version__, prog_name="recsys-unlearn", message="%(prog)s %(version)s")
def main() -> None:
    """Train a recommender, forget a user on request, and measure that they are gone."""
    prepare()


for _command in (
    demo_command,
    ingest_command,
    train_command,
    recommend_command,
    forget_command,
    resume_command,
    audit_command,
    compare_command,
    status_command,
    purge_command,
    residue_command,
    verify_receipt_command,
    ui_command,
):
    main.add_command(_command)


def report(run: Callable[[], Any], as_json: bool) -> int:
    """Call ``run``; print what goes wrong as one line on standard error, or as JSON; return the exit code."""
    try:
        return _outcome(run, as_json)
    except (BrokenPipeError, ReaderLeft):
        return _reader_left()


def _outcome(run: Callable[[], Any], as_json: bool) -> int:
    try:
        code = run()
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except RecsysUnlearnError as error:
        return _failed(type(error).__name__, str(error), error.exit_code, as_json)
    except click.Abort:  # click's name for Ctrl-C
        return _failed("Interrupted", "interrupted", INTERRUPTED, as_json)
    except click.ClickException as error:
        return _failed("UsageError", _with_remedy(error), 2, as_json)
    except (BrokenPipeError, ReaderLeft):
        raise
    except Exception as error:
        return _failed(type(error).__name__, _refused(error) or _unexpected(error), 1, as_json)


def _failed(kind: str, message: str, code: int, as_json: bool) -> int:
    if os.environ.get(DEBUG):
        traceback.print_exc()
    click.echo(f"error: {message}", err=True)
    if as_json:
        write_json({"error": {"type": kind, "message": message, "exit_code": code}})
    return code


def _with_remedy(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "recsys-unlearn"
    return f"{error.format_message()} See '{path} --help'."


def _unexpected(error: Exception) -> str:
    """Say what and where. Its own text is left out: another library's message may quote a user's id."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}, line {frame.lineno}"
    return f"unexpected {type(error).__name__} in {place}; set {DEBUG}=1 to see the traceback"


def _refused(error: Exception) -> str | None:
    """Say what the system refused, and of which file; a file's name never holds an id."""
    reason = refusal(error) or ("the system refused" if isinstance(error, OSError) else None)
    filename = getattr(error, "filename", None)
    name = f"{Path(str(filename)).name}: " if filename else ""
    return reason and f"{name}{reason}; mend that, then run `recsys-unlearn resume`"


def _reader_left() -> int:
    # Else Python, flushing at exit, would complain about the same pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE
