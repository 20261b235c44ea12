"""learning/recipe.py: TOML to validated recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from samebut.errors import RecipeError
from samebut.learning.recipe import read_recipe

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
