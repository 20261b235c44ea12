"""commands/train.py: samebut train."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drawn_shapes import ALIGN_AND_COMPOSE, COMBINER, HEAD, draw
from samebut.cli import app
from samebut.commands import train as command
from samebut.errors import QueryError, RecipeError
from samebut.recipes import recipe_file, shipped


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(HEAD + COMBINER + ALIGN_AND_COMPOSE)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw(tmp_path / "shapes")


def test_a_dry_run_prints_the_plan(recipe: Path, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["train", str(recipe), "--data", str(root), "--out", str(out), "--dry-run"]
    done = CliRunner().invoke(app, [*arguments, "--set", "stages.1.queries.epochs=7"])
    assert done.exit_code == 0, done.output
    assert "stage 1    align" in done.stdout
    assert "7 epochs" in done.stdout
    assert not out.exists()


def test_training_prints_the_model(
    recipe: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samebut.learning.run import train as training

    asked = []

    def train(*arguments: object, **options: object) -> Path:
        asked.append((arguments, options))
        return tmp_path / "model"

    monkeypatch.setattr(training, "train", train)
    arguments = ["--data", f"a={root}", "--data", str(root), "--out", "x", "--cache", "y"]
    done = CliRunner().invoke(app, ["train", str(recipe), *arguments])
    assert done.stdout == f"{tmp_path / 'model'}\n"
    ((_, data, out), options) = asked[0]
    assert data == {"a": root, "shapes": root}
    assert (out, options) == (Path("x"), {"cache": Path("y")})


def test_a_name_can_not_be_given_twice(recipe: Path, root: Path) -> None:
    arguments = ["train", str(recipe), "--data", str(root), "--data", f"shapes={root}"]
    with pytest.raises(QueryError, match="gives the name 'shapes' twice"):
        CliRunner().invoke(app, [*arguments, "--out", "x"], catch_exceptions=False)


def test_without_torch_it_says_what_to_install(
    recipe: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    arguments = ["train", str(recipe), "--data", str(root), "--out", "x"]
    with pytest.raises(RecipeError, match="needs PyTorch") as error:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "samebut[train]" in error.value.hint


def test_the_help_names_every_option() -> None:
    done = CliRunner().invoke(app, ["train", "--help"])
    for option in ["data", "out", "cache", "threads", "set", "dry-run", "list", "show"]:
        assert re.search(rf"--{option}\b", done.stdout)


def test_a_recipe_that_ships_is_found_by_its_name(root: Path, tmp_path: Path) -> None:
    arguments = ["train", "catalogue", "--data", str(root), "--out", str(tmp_path), "--dry-run"]
    small = (f"--set=stages.{number}.queries.batch=2" for number in (1, 2, 3))
    done = CliRunner().invoke(app, [*arguments, *small], catch_exceptions=False)
    assert "stage 2" in done.stdout


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    arguments = ["train", "finetun", "--data", "x", "--out", "x"]
    with pytest.raises(RecipeError, match="there is no recipe 'finetun'") as error:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "Did you mean 'finetune'?" in error.value.hint
    assert ", ".join(shipped()) in error.value.hint


def test_the_recipes_that_ship_are_listed_with_what_they_are_for() -> None:
    done = CliRunner().invoke(app, ["train", "--list"])
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(shipped())
    assert all(line.endswith(".") for line in done.stdout.splitlines())  # whole sentences


def test_a_recipe_is_printed_as_it_ships() -> None:
    done = CliRunner().invoke(app, ["train", "--show", "finetune"])
    assert done.stdout == shipped()["finetune"].read_text(encoding="utf-8")


def test_a_file_of_ones_own_is_no_name(recipe: Path, tmp_path: Path) -> None:
    assert recipe_file(str(recipe)) == recipe
    assert recipe_file("gone.toml") == Path("gone.toml")  # whoever reads it says that it is gone
