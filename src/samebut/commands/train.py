"""Training: ``train``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from samebut.commands.output import say
from samebut.errors import QueryError, RecipeError
from samebut.files import read_text
from samebut.recipes import purpose, recipe_file, shipped


def add_to(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(train)


def _list(wanted: bool) -> None:
    """Print the recipes that ship, and end."""
    if wanted:
        say("\n".join(f"{name:<12} {purpose(file)}" for name, file in shipped().items()))
        raise typer.Exit


def _show(recipe: str | None) -> None:
    """Print the text of a recipe, and end."""
    if recipe is not None:
        say(read_text(recipe_file(recipe)).rstrip("\n"))
        raise typer.Exit


def _starting_with(typed: str) -> list[str]:
    """What a shell offers to complete: names of recipes."""
    return [name for name in shipped() if name.startswith(typed)]


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A TOML file, or the name of a recipe that ships: see --list.",
            autocompletion=_starting_with,
        ),
    ],
    data: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]FOLDER",
            help="A folder to learn from; may be repeated. The first one's val is what every "
            "epoch is scored on. fashioniq=FOLDER and cirr=FOLDER are read as those.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The run: checkpoints, logs and, at last, model/.")],
    cache: Annotated[
        Path | None,
        typer.Option(help="Keep decoded pictures and features here.", show_default="OUT/cache"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the processor.", show_default="as torch takes")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the recipe, for example stages.2.lr=1e-4 or seed=3; may be repeated.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print the plan.")
    ] = False,
    list_recipes: Annotated[
        bool,
        typer.Option(
            "--list", is_eager=True, callback=_list, help="Name the recipes that ship, and end."
        ),
    ] = False,
    show: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            is_eager=True,
            callback=_show,
            autocompletion=_starting_with,
            help="Print a recipe, to change it in a file of your own, and end.",
        ),
    ] = None,
) -> None:
    """Train a model by a recipe.

    The same command carries on after a kill. Several processes: torchrun -m samebut train ...
    """
    if find_spec("torch") is None:
        raise RecipeError("training needs torch", hint="pip install 'samebut[train]'")
    from samebut.learning import distributed
    from samebut.learning.recipe.read import read_recipe
    from samebut.learning.run import train as training

    distributed.use_threads(threads)
    folders = _folders(data)
    wanted = read_recipe(recipe_file(recipe), change or [])
    if dry_run:
        say("\n".join(training.dry_run(wanted, folders, out, cache=cache)))
        return
    model = training.train(wanted, folders, out, cache=cache)
    if distributed.rank() == 0:
        say(str(model))
    distributed.stop()


def _folders(given: list[str]) -> dict[str, Path]:
    """Folders by name: the one that was said, or the folder's own."""
    folders: dict[str, Path] = {}
    for argument in given:
        name, equals, folder = argument.partition("=")
        path = Path(folder if equals else argument)
        name = name if equals else path.resolve().name
        if name in folders:
            raise QueryError(f"--data names '{name}' twice", hint="Write it as NAME=FOLDER.")
        folders[name] = path
    return folders
