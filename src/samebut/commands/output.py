"""What commands print: names and cells of others with their control characters shown, not sent.

Results go to stdout: where that can't be written to, the command ends. Remarks go to
stderr: where that can't be, the work goes on.
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
    """Results can't be written to where they were to go."""


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
    """Print a file's name as the bytes that it is, and a NUL, as ``xargs -0`` reads them."""
    with results():
        sys.stdout.buffer.write(os.fsencode(name) + b"\0")
        sys.stdout.buffer.flush()


@contextmanager
def results() -> Iterator[None]:
    """Around whatever writes to stdout: a disk that is full is told in words.

    A pipe that nobody reads any more stays a BrokenPipeError: there is nobody to tell.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"the results can't be written: {reason}") from error
