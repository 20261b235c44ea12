"""The help: every command with an example that can be parsed, every option in a sentence."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from samebut.cli import app
from samebut.commands.examples import EXAMPLES

ROOT: Any = typer.main.get_command(app)


def commands(group: Any = ROOT, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


ALL = dict(commands())


def lines(name: str) -> Iterator[str]:
    """The examples of a command, each in one line."""
    yield from "\n".join(EXAMPLES[name]).replace("\\\n", "").splitlines()


def test_every_command_has_examples() -> None:
    assert list(EXAMPLES) and set(EXAMPLES) == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_the_help_says_in_sentences_what_options_do(name: str) -> None:
    for parameter in ALL[name].params:
        said = parameter.help or ""
        assert said[:1].isupper() and said.endswith("."), parameter.name
        assert len(said.split()) >= 3, f"{parameter.name}: {said}"


@pytest.mark.parametrize("name", ALL)
def test_examples_are_commands_that_can_be_given(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("shop-queries", "~/photos"):  # export wants them to be there
        (tmp_path / folder).mkdir(parents=True)
    for line in lines(name):
        program, *words = shlex.split(line.partition(" > ")[0])
        said, given = words[: name.count(" ") + 1], words[name.count(" ") + 1 :]
        assert (program, " ".join(said)) == ("samebut", name)
        if "--list" in given or "--show" in given:
            continue  # these end at once, which tests/test_commands_train.py has
        ALL[name].make_context(name, given)


def test_examples_stand_in_the_help_as_they_are() -> None:
    context = typer.Context(ALL["search"], info_name="search")
    shown = ALL["search"].get_help(context)
    assert all(f"    {line}\n" in f"{shown}\n" for line in EXAMPLES["search"])


def test_help_fits_into_eighty_columns() -> None:
    long = [line for rows in EXAMPLES.values() for line in rows if len(line) > 76]
    assert not long, f"the help indents by 4: {long}"
