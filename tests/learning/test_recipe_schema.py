"""learning/recipe/schema.py: what a recipe may say, and which keys contradict each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from samebut.errors import RecipeError
from samebut.learning.data.sampler import Queries
from samebut.learning.recipe.read import read_recipe, recipe_of
from samebut.learning.recipe.schema import Handoff, Loss, Recipe, Stage

STAGE = "[[stages]]\nlr = 0.1\nqueries = {{ epochs = 1, batch = 2{queries} }}\n"


def text_of(keys: str = "", queries: str = "", head: str = "") -> str:
    """A recipe of one stage: ``head`` on line 2, the stage's further ``keys`` from line 6 on."""
    return f'name = "x"\n{head}\n{STAGE.format(queries=queries)}{keys}\n'


FUSE = 'preset = "fuse"\n'
PICTURES = "loss = { contrast = 0, captions = 1 }\n"
MINED = ", mined = { count = 2, every = 2 }, resampled = 0.5"
# The keys of a stage, of its queries, of the head; its line; what is said and hinted.
CONTRADICTIONS = [
    ('features = "cached"', "", "", 6, '"all" trains both', 'features = "live"'),
    ('trains = "encoder"\nfeatures = "cached"', "", "", 7, '"encoder" trains both', '"fusion"'),
    ('trains = "fusion"\ncomposes = "sum"', "", "", 7, "uses no fusion", 'composes = "fusion"'),
    (f'{PICTURES}trains = "fusion"', "", "", 7, "composes no queries", "Give loss.contrast a"),
    ("", ", views = 2", "", 5, "queries.views = 2 is of cached", "Leave queries.views out"),
    ('trains = "image"\nfeatures = "cached"', ", views = 2", "", 5, "views = 2", "views out"),
    (f"{FUSE}size = 32", "", "", 7, "size = 32", "Leave the stage's size out"),
    ('features = "cached"\ntrains = "text"\nsize = 32', "", "", 8, "size = 32", "the recipe's"),
    (f"{FUSE}recompute = true", "", "", 7, "trains none", "Leave recompute out"),
    (PICTURES, ", resampled = 0.5", "", 5, "queries.resampled is of composed", "leave the key"),
    (PICTURES, ", cluster_size = 1", "", 5, "queries.cluster_size is of", "loss.contrast a weight"),
    (PICTURES, ", hard_negatives = 1", "", 5, "queries.hard_negatives is of", "leave the key out"),
    (PICTURES, ", mined = { count = 1 }", "", 5, "queries.mined is of composed", "leave the key"),
    ("", MINED, "", 5, "mined.every = 2 can't hold", "mined.every = 1, or resampled = 0"),
    ("loss.contrast = 0", "", "", 6, "every loss term has the weight 0", "captions"),
    (
        "loss.captions.weight = 0\nloss.attributes.columns = ['a']",
        "",
        "",
        7,
        "columns is set",
        "out",
    ),
    (
        "loss = { contrast = { weight = 0, symmetric = true }, captions = 1 }",
        "",
        "",
        6,
        "contrast.symmetric is set, and contrast.weight is 0",
        "Give contrast a weight, or leave symmetric out",
    ),
    ("[stages.handoff]\n[stages.loss]\ncontrast = 0", "", "", 7, "every loss term has", "captions"),
    (
        "[stages.loss]\n[stages.loss.captions]\nweight = 0\n[stages.loss.attributes]\n"
        "cosine_scale = 1",
        "",
        "",
        10,
        "attributes.cosine_scale is set",
        "Give attributes a weight",
    ),
    ("", "", "augment.backdrops = 0.4", 2, "one is missing", "Set both"),
    ("", "", 'reinit = ["fusion"]', 2, "there is no init", "leave reinit out"),
]


@pytest.mark.parametrize(("keys", "queries", "head", "line", "message", "hint"), CONTRADICTIONS)
def test_what_contradicts_itself(
    tmp_path: Path, keys: str, queries: str, head: str, line: int, message: str, hint: str
) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text_of(keys, queries, head))
    with pytest.raises(RecipeError) as error:
        read_recipe(path)
    stage = "" if head else ", stage 1"
    assert str(error.value).startswith(f"{path}, line {line}{stage}")
    assert message in str(error.value)
    assert hint in error.value.hint


def test_a_key_below_a_table_is_named_by_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    text = 'name = "x"\n[[stages]]\nlr = 1\n[stages.queries]\nepochs = 1\nviews = 2\nbatch = 2\n'
    path.write_text(text)
    with pytest.raises(
        RecipeError, match=r"line 6, stage 1, \[stages.queries\]: queries.views = 2"
    ):
        read_recipe(path)


@pytest.mark.parametrize(
    ("keys", "queries"),
    [
        ('features = "cached"\ntrains = "text"', ", views = 2"),
        ('features = "cached"\ntrains = "image"\nsize = 32', ""),
        (FUSE, ", views = 2, mined = { count = 2, every = 2 }"),
        ("", ", mined = { count = 2, every = 1 }, resampled = 0.5"),
        ('trains = "text"\ncomposes = "sum"\nrecompute = true', ", cluster_size = 3"),
        (
            "loss = { contrast = { weight = 0, scale = 5.0 }, captions = 1 }",
            "",
        ),
        ("loss = { contrast = 0, distillation = { weights = { a = 1.0 } } }", ""),
    ],
)
def test_what_agrees(tmp_path: Path, keys: str, queries: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text_of(keys, queries))
    assert read_recipe(path).stages


@pytest.mark.parametrize("keys", ['init = "bundled"', 'init = "x"\nreinit = ["fusion"]'])
def test_init_may_be_reinitialised(tmp_path: Path, keys: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text_of(head=keys))
    assert read_recipe(path).init


def test_a_number_is_the_weight_of_a_term() -> None:
    loss = Loss.of({"captions": 2, "attributes": 0.5})
    assert (loss.contrast.weight, loss.captions.weight, loss.attributes.weight) == (1.0, 2.0, 0.5)


@pytest.mark.parametrize(
    ("loss", "wanted"),
    [
        ({}, True),
        ({"contrast": 0.0, "captions": 1.0}, False),
        ({"contrast": 0.0, "distillation": {"weights": {"a": 1.0}}}, False),
        ({"contrast": 0.1, "captions": 1.0}, True),
    ],
)
def test_which_stages_compose_queries(loss: dict[str, object], wanted: bool) -> None:
    stage = Stage.of({"lr": 0.1, "queries": {"epochs": 1, "batch": 2}, "loss": loss})
    assert stage.has_queries == wanted


TABLES = ("queries", "loss", "handoff")


def test_a_stage_is_four_answers_of_ten_keys_at_most() -> None:
    """What trains, on which queries, compared how, handed on how: each can be seen at a look."""
    kinds = {name: field.annotation for name, field in Stage.model_fields.items()}
    assert (kinds["queries"], kinds["loss"], kinds["handoff"]) == (Queries, Loss, Handoff)
    own = [name for name in kinds if name not in TABLES]
    for answer in (own, Queries.model_fields, Loss.model_fields, Handoff.model_fields):
        assert 0 < len(answer) <= 10


def test_every_key_has_a_meaning() -> None:
    for kind in (Recipe, Stage, Queries, Handoff):
        for name, field in kind.model_fields.items():
            assert (field.description or "").strip().endswith((".", "below")), name


@pytest.mark.parametrize("preset", ["align", "tune", "fuse", "compose"])
def test_a_recipe_with_every_default_reads_as_itself(preset: str) -> None:
    """So that the recipe.json of a run can be run again."""
    stage = {"preset": preset, "lr": 0.1, "queries": {"epochs": 1, "batch": 2}}
    recipe = recipe_of({"name": "x", "stages": [stage]})
    assert recipe_of(recipe.model_dump(mode="json")) == recipe
