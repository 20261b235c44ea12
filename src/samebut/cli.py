"""The command line: ``samebut`` and its commands.

Results go to stdout, progress and errors to stderr. Exit status: 0 done; 1 an error with an
explanation, or the reader of stdout has gone; 2 wrong usage; 3 done, but some pictures were
skipped, or next to none were found; 70 a fault of samebut itself, which is written to a file to
report. Commands import heavy modules themselves, so that ``--help`` stays fast.
"""

from __future__ import annotations

import os
import platform
import shlex
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from samebut import __version__
from samebut.commands import (
    benchmarks,
    calibrate,
    embeddings,
    examples,
    export,
    gallery,
    mcp,
    serve,
    train,
    triplets,
)
from samebut.commands.output import say
from samebut.errors import SamebutError

FAULT = 70
"""The status of an error that nobody foresaw."""

app = typer.Typer(
    name="samebut",
    help="Find pictures by example plus words: this one, but in blue.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        say(f"samebut {__version__}")
        raise typer.Exit


gallery.add_to(app)
benchmarks.add_to(app)
serve.add_to(app)
mcp.add_to(app)
triplets.add_to(app)
train.add_to(app)
export.add_to(app)
embeddings.add_to(app)
calibrate.add_to(app)
examples.add_to(app)  # last: it needs all commands


def main() -> None:
    """The entry point: runs a command, and turns every error into a message and an exit status."""
    _make_ready()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except SamebutError as error:
        _end(1, str(error), error.hint)
    except BrokenPipeError:
        _end(1)  # the reader of stdout has gone
    except KeyboardInterrupt:
        _end(130)
    except MemoryError:
        _end(1, "there is not enough memory for this")
    except OSError as error:
        _end(1, _of_the_system(error), f"The details: {_written_down(error)}")
    except Exception as error:
        _end(FAULT, *_fault(error))


def _make_ready() -> None:
    """Make stdout and stderr accept any text, and replace tracebacks of threads by messages."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # The stream was closed before we started. The next file opened, perhaps the store,
            # would get its number, and a library that prints would write into that file.
            number = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        # A file name that can't be encoded must not abort a listing.
        getattr(sys, name).reconfigure(errors="backslashreplace")
    threading.excepthook = _thread_failed


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if isinstance(failed.exc_value, Exception):
        _complain(*_fault(failed.exc_value))


def _fault(error: Exception) -> tuple[str, str]:
    """The message and hint for an unexpected error: what it is, and what to report."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (
        f"a fault of samebut's own: {what}",
        f"Please report it, with this file (it names files of yours): {_written_down(error)}",
    )


def _of_the_system(error: OSError) -> str:
    """Such as "photos/a.jpg: permission denied"."""
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    return f"{error.filename}: {reason}" if error.filename is not None else reason


def _written_down(error: Exception) -> str:
    """Write a report about ``error`` and return its path; if that fails, the line that raised
    it."""
    from traceback import extract_tb, format_exception

    said = [
        f"samebut {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"samebut {shlex.join(_without_token(sys.argv[1:]))}",
        "",
        *format_exception(error),
    ]
    try:
        number, name = tempfile.mkstemp(prefix="samebut-", suffix=".log")
        with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123
            file.write("\n".join(said))
    except OSError:
        place = extract_tb(error.__traceback__)[-1]
        return f"{place.filename}, line {place.lineno} (no file could be written)"
    return name


def _without_token(arguments: Sequence[str]) -> list[str]:
    secret, kept = "--token", []
    for before, argument in zip(("", *arguments), arguments, strict=False):
        hidden = f"{secret}=..." if argument.startswith(f"{secret}=") else argument
        kept.append("..." if before == secret else hidden)
    return kept


def _complain(message: str, hint: str = "") -> None:
    say(f"samebut: {message}", err=True)
    if hint:
        say(f"  {hint}", err=True)


def _end(status: int, message: str = "", hint: str = "") -> NoReturn:
    if message:
        _complain(message, hint)
    try:
        sys.stdout.flush()
    except OSError:
        # Python flushes stdout again at exit, and would print a second error: let that write to
        # nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


if __name__ == "__main__":
    main()
