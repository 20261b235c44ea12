"""Printing for commands: control characters in file names and cells are escaped.

Results go to stdout: if writing fails, the command ends. Remarks go to stderr: if writing fails,
the work continues.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import typer

from samebut.errors import SamebutError
from samebut.printable import shown


class OutputError(SamebutError):
    """Results can't be written to stdout."""


def say(text: str, *, err: bool = False) -> None:
    """Print lines of text; their control characters, newlines apart, are shown.

    Raises:
        OutputError: they can't be written to stdout.
    """
    lines = shown(text, keep="\n")
    if err:
        with suppress(OSError):
            typer.echo(lines, err=True)
    else:
        with results():
            typer.echo(lines)


def say_json(value: Any) -> None:
    """Print ``value`` as JSON, control characters in its texts as JSON escapes them."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    with results():
        typer.echo(shown(text, keep="\n", escape=lambda sign: f"\\u{ord(sign):04x}"))


def say_zero_ended(name: str) -> None:
    """Print a file name as its raw bytes, followed by a NUL, as ``xargs -0`` reads it."""
    with results():
        sys.stdout.buffer.write(os.fsencode(name) + b"\0")
        sys.stdout.buffer.flush()


@contextmanager
def results() -> Iterator[None]:
    """Context for writing to stdout: turns a full disk into an OutputError.

    A closed pipe stays a BrokenPipeError, which ends the command without a message.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"the results can't be written: {reason}") from error
