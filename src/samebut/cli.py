"""The command line: ``samebut`` and its commands.

Results go to stdout, progress and errors to stderr. Exit status: 0 done; 1 an error that is
explained; 2 wrong usage; 3 done, but some pictures were skipped. What is heavy is imported inside
the commands, so ``--help`` stays instant.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from samebut import __version__
from samebut.commands import benchmarks, calibrate, export, gallery, serve, train, triplets
from samebut.errors import SamebutError

app = typer.Typer(
    name="samebut",
    help="Find pictures by example plus words: this one, but in blue.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"samebut {__version__}")
        raise typer.Exit


gallery.add_to(app)
benchmarks.add_to(app)
serve.add_to(app)
triplets.add_to(app)
train.add_to(app)
export.add_to(app)
calibrate.add_to(app)


def main() -> None:
    """The entry point: runs a command, and turns errors of ours into words and a status."""
    # Odd file names must not end a listing half-way.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except SamebutError as error:
        typer.echo(f"samebut: {error}", err=True)
        if error.hint:
            typer.echo(f"  {error.hint}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
