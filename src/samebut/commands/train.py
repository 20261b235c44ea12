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
            help="Name a recipe that ships (--list names them), or a TOML file of your own.",
            autocompletion=_starting_with,
        ),
    ],
    data: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]FOLDER",
            help="Learn from this folder; may be repeated. Every epoch is scored on the first "
            "one's validation split. Names of benchmarks, such as fashioniq=FOLDER, are "
            "read in their formats.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="RUN",
            help="Write the run to this folder: checkpoints, logs and, at its end, model/.",
        ),
    ],
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep decoded pictures and features in this folder; several runs may share it.",
            show_default="OUT/cache",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Use this many threads of the processor.",
            show_default="as torch takes",
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a key of the recipe for this run, such as stages.2.lr=1e-4 or seed=3;"
            " may be repeated.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check recipe and data, print the plan, and stop.")
    ] = False,
    list_recipes: Annotated[
        bool,
        typer.Option(
            "--list", is_eager=True, callback=_list, help="List the recipes that ship, and stop."
        ),
    ] = False,
    show: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            is_eager=True,
            callback=_show,
            autocompletion=_starting_with,
            help="Print the text of a recipe, to save and change it, and stop.",
        ),
    ] = None,
) -> None:
    """Train a model by a recipe.

    The same command continues an interrupted run. On several GPUs:
    torchrun --nproc-per-node N -m samebut train ...
    """
    if find_spec("torch") is None:
        raise RecipeError(
            "training needs PyTorch, which is not installed",
            hint="Install it: pip install 'samebut[train]'",
        )
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
    """Folders by the name given as NAME=FOLDER, or else the folder's own."""
    folders: dict[str, Path] = {}
    for argument in given:
        name, equals, folder = argument.partition("=")
        path = Path(folder if equals else argument)
        name = name if equals else path.resolve().name
        if name in folders:
            raise QueryError(
                f"--data gives the name '{name}' twice",
                hint="Give each folder a name of its own: NAME=FOLDER.",
            )
        folders[name] = path
    return folders
