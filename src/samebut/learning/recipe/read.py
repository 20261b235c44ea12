"""Recipes: TOML to a checked ``Recipe``. What is wrong is named with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from samebut.errors import RecipeError
from samebut.files import toml_of
from samebut.learning.recipe.presets import PRESETS, with_preset
from samebut.learning.recipe.schema import Recipe
from samebut.learning.tables import Place, Wrong, read_table

HEADER = re.compile(r"^\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?$")
KEY = re.compile(r"^\s*([\w\"'.+-]+)\s*=")


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read and check a TOML recipe. RecipeError names the key that is wrong, and its line.

    ``changes`` are made first, each ``KEY=VALUE`` as TOML writes values: ``seed=2``,
    ``stages.3.lr=1e-4`` (stages are counted from 1); without a value the key is taken out.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = toml_of(text)
    except OSError as error:
        raise RecipeError(
            f"{path} can't be read: {error.strerror}",
            hint="Give a recipe file that exists and that you may read, or the name of a recipe: "
            "samebut train --list",
        ) from error
    except ValueError as error:
        raise RecipeError(
            f"{path} is not valid TOML: {error}",
            hint="Correct the file at that line, and save it as UTF-8.",
        ) from error
    made = {_change(table, change): f"{path}, --set {change}" for change in changes}
    try:
        return recipe_of(table)
    except Wrong as error:
        place = made.get(error.place) or where(path, text, error.place)
        raise RecipeError(f"{place}: {error}", hint=error.hint) from error


def recipe_of(table: Mapping[str, Any]) -> Recipe:
    """A recipe from the values of its TOML. Raises Wrong with the place of a wrong key."""
    values = dict(table)
    stages = values.get("stages")
    if not isinstance(stages, list | tuple) or not stages:
        raise Wrong("there are no [[stages]]", ("stages",), hint="A recipe has one or more.")
    values["stages"] = [_stage(number, stage) for number, stage in enumerate(stages)]
    return read_table(Recipe, values)


def _stage(number: int, stage: Any) -> dict[str, Any]:
    if not isinstance(stage, Mapping):
        raise Wrong("a stage is no table", ("stages", number), hint="Write it as [[stages]].")
    name = stage.get("preset", "")
    if name and (not isinstance(name, str) or name not in PRESETS):
        raise Wrong(
            f"no preset is called '{name}'",
            ("stages", number, "preset"),
            hint=f"Known: {', '.join(PRESETS)}.",
        )
    return with_preset(stage)


def where(path: Path, text: str, place: Place) -> str:
    """A key's place for people: the file, the line if the key is written there, and the table."""
    line = line_of(text, place)
    table = [part for part in place if isinstance(part, str)][:-1]
    stage = int(place[1]) + 1 if place[:1] == ("stages",) and len(place) > 1 else None
    parts = [str(path)]
    if line:
        parts.append(f"line {line}")
    if stage:
        parts.append(f"stage {stage}")
    if table and table != ["stages"]:
        parts.append(f"[{'.'.join(table)}]")
    return ", ".join(parts)


def line_of(text: str, place: Place) -> int | None:
    """The line of a key or, if it is not written, of the nearest table around it; or None."""
    lines = dict(reversed(list(_written(text))))
    around = (place[:length] for length in range(len(place), 0, -1))
    return next((lines[part] for part in around if part in lines), None)


def _written(text: str) -> Iterator[tuple[Place, int]]:
    """The place of every table and key that has a line of its own, and that line.

    A dotted key counts for the tables on its path, too: ``loss.contrast = 0`` is a line of
    ``loss``.
    """
    table: Place = ()
    stage = -1
    for line, content in enumerate(text.splitlines(), start=1):
        if match := HEADER.match(content):
            first, *rest = _names(match[2])
            stage += match[1] == "[["
            table = (first, stage, *rest) if first == "stages" else (first, *rest)
            yield table, line
        elif match := KEY.match(content):
            names = _names(match[1])
            for length in range(1, len(names) + 1):
                yield (*table, *names[:length]), line


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _change(table: dict[str, Any], change: str) -> Place:
    """Set what ``KEY=VALUE`` says in ``table``; returns the place of the key."""
    name, equals, value = change.partition("=")
    if not equals:
        raise RecipeError(f"the change {change} has no '='", hint="Write it as KEY=VALUE.")
    *path, key = name.strip().split(".")
    inner: Any = table
    place: list[int | str] = []
    try:
        for part in path:
            is_list = isinstance(inner, list)
            place.append(_index(part) if is_list else part)
            inner = inner[_index(part)] if is_list else inner.setdefault(part, {})
        if value.strip():
            inner[key] = toml_of(f"value = {value}")["value"]
        else:
            inner.pop(key, None)
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise RecipeError(
            f"the change {change} can't be applied to the recipe",
            hint="Write KEY=VALUE with the value as in TOML, for example stages.2.lr=1e-4 or "
            "'fusion.name=\"sum\"'. Stages are counted from 1.",
        ) from error
    return (*place, key)


def _index(part: str) -> int:
    if int(part) < 1:
        raise IndexError(part)
    return int(part) - 1
