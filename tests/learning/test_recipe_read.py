"""learning/recipe.py: TOML to validated recipes."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from samebut.errors import RecipeError
from samebut.learning.run.plan import READ_BY
from samebut.learning.recipe.schema import CHOICES, LIMITS, Augment, Recipe, Stage, read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
STAGE = '[[stages]]\ntask = "align"\nepochs = 1\nbatch = 2\nlr = 0.1\n'


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.name)
def test_every_recipe_of_the_repository_reads(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.stages
    assert path.read_text().startswith("#")  # a recipe says how it is run


def test_lists_become_tuples(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(f'name = "x"\ntokenizer_data = ["a"]\n{STAGE}data = ["a", "b"]\n')
    recipe = read_recipe(path)
    assert recipe.tokenizer_data == ("a",)
    assert recipe.stages[0].data == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('name = "x"\n', r"has no \[\[stages\]\]", "at least one"),
        (f'nam = "x"\n{STAGE}', "unknown key 'nam'", "'name'"),
        (STAGE, "lacks name", ""),
        (
            f'name = "x"\n{STAGE}epoch = 2\n',
            r"\[\[stages\]\] has an unknown key 'epoch'",
            "'epochs'",
        ),
        ('name = "x"\n[[stages]]\ntask = "align"\n', "lacks epochs, batch, lr", ""),
        (f'name = "x"\n{STAGE}[augment]\ntwist = 1\n', "unknown key 'twist'", "tilt"),
        ("name", "is not TOML", ""),
        (f'name = "x"\nprecision = "fp8"\n{STAGE}', "the precision 'fp8'", "bf16, fp32"),
        ("stages = 3\n", "stages that are no tables", "[[stages]]"),
        (f'name = "x"\naugment = 3\n{STAGE}', "augment is no table", "[augment]"),
        (f"name = 3\n{STAGE}", "name is 3", "a text"),
        (f'name = "x"\n{STAGE}symmetric = 1\n', "symmetric is 1", "true or false"),
        (f'name = "x"\n{STAGE}patience = "long"\n', "patience is 'long'", "a whole number"),
        (f'name = "x"\n{STAGE}patience = 1.5\n', "patience is 1.5", "a whole number"),
        (f'name = "x"\n{STAGE}patience = true\n', "patience is True", "a whole number"),
        (f'name = "x"\n{STAGE}smoothing = "a bit"\n', "smoothing is 'a bit'", "a number"),
        (f'name = "x"\n{STAGE}data = "products"\n', "data is 'products'", "a list of texts"),
        (f'name = "x"\n{STAGE}data = [1]\n', "data is", "a list of texts"),
        (f'name = "x"\nfusion = "sum"\n{STAGE}', "fusion is 'sum'", "a table"),
        (f'name = "x"\nencoder = [1]\n{STAGE}', "encoder is", "a table"),
        (f'name = "x"\n{STAGE}smoothing = 1.0\n', "smoothing is 1.0", "0 or more, below 1"),
        (f'name = "x"\n{STAGE}mine_every = 0\n', "mine_every is 0", "1 or more"),
        (f'name = "x"\n{STAGE}scale = nan\n', "scale is nan", "0 or more"),
        (f'name = "x"\n{STAGE}stay = 20.0\n', "stay is 20.0", "a table of numbers"),
        (f'name = "x"\n{STAGE}stay = {{ a = -1 }}\n', "stay is", "0 or more"),
        (f'name = "x"\n{STAGE}stay = {{ a = inf }}\n', "stay is", "0 or more"),
        (f'name = "x"\n{STAGE}stay = {{ a = true }}\n', "stay is", "a table of numbers"),
        (f'name = "x"\n{STAGE}weight_decay = -0.1\n', "weight_decay is -0.1", "0 or more"),
        (f'name = "x"\n{STAGE}encoder = "words"\n', "encoder 'words'", "both, text, image"),
        (f'name = "x"\n{STAGE}keep = "all"\n', "the keep 'all'", "last, best"),
        (f'name = "x"\n{STAGE.replace("0.1", "0")}', "lr is 0", "more than 0"),
        (f'name = "x"\n{STAGE.replace("batch = 2", "batch = 1")}', "batch is 1", "2 or more"),
        (f'name = "x"\n{STAGE}[augment]\ncrop = 0\n', "crop is 0", "more than 0"),
        (f'name = "x"\nema = 1\n{STAGE}', "ema is 1", "below 1"),
    ],
)
def test_bad_recipes(tmp_path: Path, text: str, message: str, hint: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message) as error:
        read_recipe(path)
    assert hint in error.value.hint


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="can't be read"):
        read_recipe(tmp_path / "none.toml")


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(f'name = "x"\n{STAGE}scale = 100\n[fusion]\nname = "sum"\nweight = 2\n')
    assert read_recipe(path).stages[0].scale == 100


def test_every_limit_and_choice_is_of_a_key() -> None:
    for table in (LIMITS, CHOICES):
        for kind, rows in table.items():
            assert rows.keys() <= {field.name for field in fields(kind)}


def test_every_default_is_within_its_limits() -> None:
    stage = Stage(task="align", epochs=1, batch=2, lr=0.1)
    for made in (stage, Augment(), Recipe(name="x", stages=(stage,))):
        for key, (said, within) in LIMITS[type(made)].items():
            assert within(getattr(made, key)), f"{key}: {said}"


def test_changes_of_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(f'name = "x"\nseed = 3\n{STAGE}[fusion]\nname = "maaf"\nblocks = 2\n')
    changes = ["seed=4", "stages.1.lr=2e-4", 'fusion.name="sum"', "fusion.blocks="]
    recipe = read_recipe(path, changes)
    assert (recipe.seed, recipe.stages[0].lr) == (4, 2e-4)
    assert recipe.fusion == {"name": "sum"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stages.2.lr=1", "can't be made"),
        ("stages.one.lr=1", "can't be made"),
        ("no.such=1", "can't be made"),
        ("seed=three", "can't be made"),
        ("seed", "has no '='"),
        ("sead=3", "unknown key 'sead'"),
        ("stages.1.lr=0", "lr is 0"),
    ],
)
def test_bad_changes(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(f'name = "x"\n{STAGE}')
    with pytest.raises(RecipeError, match=message):
        read_recipe(path, [change])


def test_the_changes_that_recipes_name_can_be_made() -> None:
    made = 0
    for path in RECIPES.glob("*.toml"):
        for line in path.read_text().splitlines():
            for given in line.split("--set ")[1:] if line.startswith("#") else ():
                change = given.split("'")[1] if given.startswith("'") else given.split()[0]
                assert read_recipe(path, [change]) != read_recipe(path), change
                made += 1
    assert made >= 6


@pytest.mark.parametrize(
    ("kind", "start"),
    [(Stage, "Of a `[[s"), (Recipe, "Of the recipe"), (Augment, "Of `[augment]`")],
)
def test_the_page_of_training_names_every_key(kind: type[Any], start: str) -> None:
    """docs/training.md has a row for each key, in its order, with its default."""
    page = (RECIPES.parent / "docs" / "training.md").read_text(encoding="utf-8")
    table = page[page.index(start) :].partition("\n\n")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table]
    said = {name.strip("`"): default.strip("`") for name, default, *_ in cells}
    assert said.keys() == {field.name for field in fields(kind)}
    for field in fields(kind):
        if isinstance(field.default, bool | int | float) or field.default in CHOSEN:
            assert said[field.name] == toml(field.default), field.name


CHOSEN = ("target", "edge", "bf16", "last", "both", "sum")


def toml(value: Any) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else str(value)
        if not isinstance(value, str)
        else f'"{value}"'
    )


def test_the_page_of_training_names_the_tasks_that_read_a_key() -> None:
    page = (RECIPES.parent / "docs" / "training.md").read_text(encoding="utf-8")
    for key, tasks in READ_BY.items():
        (row,) = [
            line
            for line in page.splitlines()
            if line.startswith(f"| `{key}` |") and line.count(" | ") == 3
        ]
        assert row.split(" | ")[3].strip(" |") == ", ".join(f"`{task}`" for task in tasks), key
    said = re.findall(r"^\| `(\w+)` \|(?:[^|]*\|){2} `", page, re.MULTILINE)
    assert sorted(said) == sorted(READ_BY)  # what the page says is read by few is refused to others
