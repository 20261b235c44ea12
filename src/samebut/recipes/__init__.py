"""The recipes that ship, one TOML file each: ``samebut train NAME`` trains by one."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from samebut.errors import RecipeError
from samebut.files import read_text


def shipped() -> Mapping[str, Path]:
    """The file of every recipe that ships, by its name."""
    return {file.stem: file for file in sorted(Path(__file__).parent.glob("*.toml"))}


def recipe_file(recipe: str) -> Path:
    """The file of a recipe that ships, by its name; else ``recipe`` is the file.

    Raises:
        RecipeError: it is neither. What looks like a path (it has a folder or ends in .toml) is
            left to whoever reads it.
    """
    ours = shipped()
    file = Path(recipe)
    if recipe in ours:
        return ours[recipe]
    if file.is_file() or file.suffix == ".toml" or len(file.parts) > 1:
        return file
    near = get_close_matches(recipe, ours, n=1)
    meant = f"Did you mean '{near[0]}'? " if near else ""
    raise RecipeError(
        f"there is no recipe '{recipe}'",
        hint=f"{meant}Recipes that ship: {', '.join(ours)}. A recipe of your own is a TOML file.",
    )


def purpose(file: Path) -> str:
    """What a recipe is for: the first line of its file, a comment."""
    return read_text(file).partition("\n")[0].removeprefix("#").strip()
