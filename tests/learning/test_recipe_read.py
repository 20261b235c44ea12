"""learning/recipe/read.py: TOML to recipes; what is wrong is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from samebut.errors import RecipeError
from samebut.learning.recipe.read import line_of, read_recipe, recipe_of
from samebut.learning.tables import Place, Wrong
from samebut.recipes import shipped

NAME = 'name = "x"\n'
STAGE = '[[stages]]\npreset = "compose"\nlr = 0.1\nqueries = { epochs = 1, batch = 2 }\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.toml"


@pytest.mark.parametrize("path", shipped().values(), ids=shipped())
def test_every_recipe_that_ships_reads(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.stages


def test_lists_become_tuples(path: Path) -> None:
    stage = STAGE.replace("batch = 2", 'batch = 2, data = ["a", "b"]')
    path.write_text(f"{NAME}[encoder]\nwidths = [1, 2]\n{stage}")
    recipe = read_recipe(path)
    assert recipe.encoder == {"widths": (1, 2)}
    assert recipe.stages[0].queries.data == ("a", "b")


def test_a_whole_number_is_a_number(path: Path) -> None:
    path.write_text(f"{NAME}{STAGE}loss.contrast.scale = 100\n[fusion]\nweight = 2\n")
    recipe = read_recipe(path)
    assert recipe.stages[0].loss.contrast.scale == 100
    assert recipe.fusion == {"weight": 2}


# What is written, where the message says it stands, what it says, and what the hint allows.
WRONG = [
    (NAME, "", "there are no [[stages]]", "one or more"),
    (f"{NAME}stages = 3\n", ", line 2", "there are no [[stages]]", "one or more"),
    (f"{NAME}stages = [3]\n", ", line 2, stage 1", "a stage is no table", "[[stages]]"),
    (f'nam = "x"\n{STAGE}', "", "the key 'name' is missing", "a text"),
    (f'{NAME}nam = "x"\n{STAGE}', ", line 2", "unknown key 'nam'", "Did you mean 'name'?"),
    (f"{NAME}{STAGE}epoch = 2\n", ", line 6, stage 1", "unknown key 'epoch'", "queries"),
    (
        f'{NAME}[[stages]]\npreset = "align"\n',
        ", line 2, stage 1",
        "'lr' is missing",
        "more than 0",
    ),
    (
        f"{NAME}{STAGE.replace('epochs = 1, ', '')}",
        ", line 5, stage 1, [stages.queries]",
        "the key 'epochs' is missing",
        "a whole number, 1 or more",
    ),
    (f"{NAME}{STAGE}[augment]\ncrops = 1\n", ", line 7, [augment]", "'crops'", "mean 'crop'?"),
    (f'{NAME}precision = "fp8"\n{STAGE}', ", line 2", 'precision is "fp8"', '"bf16" or "fp32"'),
    (f"{NAME}augment = 3\n{STAGE}", ", line 2", "augment is 3", "a table"),
    (f"name = 3\n{STAGE}", ", line 1", "name is 3", "a text"),
    (f'{NAME}fusion = "sum"\n{STAGE}', ", line 2", 'fusion is "sum"', "a table"),
    (f"{NAME}encoder = [1]\n{STAGE}", ", line 2", "encoder is [1]", "a table"),
    (f"ema = 1\n{NAME}{STAGE}", ", line 1", "ema is 1", "0 or more, below 1"),
    (
        f"{NAME}{STAGE}[augment]\ncrop = 0\n",
        ", line 7, [augment]",
        "augment.crop is 0",
        "more than 0",
    ),
    (f"{NAME}{STAGE.replace('0.1', '0')}", ", line 4, stage 1", "lr is 0", "more than 0"),
    (f"{NAME}{STAGE.replace('0.1', 'true')}", ", line 4, stage 1", "lr is true", "a number"),
    (f'{NAME}{STAGE}trains = "words"\n', ", line 6, stage 1", 'trains is "words"', '"text"'),
    (f"{NAME}{STAGE}weight_decay = -0.1\n", ", line 6, stage 1", "is -0.1", "0 or more"),
    (f"{NAME}{STAGE}loss = 3\n", ", line 6, stage 1", "stages.loss is 3", "a table"),
    (
        f"{NAME}{STAGE.replace('compose', 'sing')}",
        ", line 3, stage 1",
        "no preset is called 'sing'",
        "align, tune, fuse, compose",
    ),
    (
        f"{NAME}{STAGE.replace('batch = 2', 'batch = 1')}",
        ", line 5, stage 1, [stages.queries]",
        "stages.queries.batch is 1",
        "a whole number, 2 or more",
    ),
    (
        f"{NAME}{STAGE.replace('batch = 2', 'batch = true')}",
        ", line 5, stage 1, [stages.queries]",
        "stages.queries.batch is true",
        "a whole number",
    ),
    (
        NAME + STAGE.replace("batch = 2", 'batch = 2, data = "p"'),
        ", line 5, stage 1, [stages.queries]",
        'stages.queries.data is "p"',
        "a list, each a text",
    ),
    (
        f"{NAME}{STAGE.replace('batch = 2', 'batch = 2, data = [1]')}",
        ", line 5, stage 1, [stages.queries]",
        "stages.queries.data is 1",
        "a list, each a text",
    ),
    (
        f"{NAME}[[stages]]\nlr = 1\n[stages.queries]\nepochs = 1\nbatch = 2\nmined.every = 0\n",
        ", line 7, stage 1, [stages.queries.mined]",
        "stages.queries.mined.every is 0",
        "1 or more",
    ),
    (
        f"{NAME}{STAGE}loss.contrast.symmetric = 1\n",
        ", line 6, stage 1, [stages.loss.contrast]",
        "symmetric is 1",
        "true or false",
    ),
    (
        f"{NAME}{STAGE}[stages.loss.contrast]\nsmoothing = 1.0\n",
        ", line 7, stage 1, [stages.loss.contrast]",
        "smoothing is 1.0",
        "0 or more, below 1",
    ),
    (
        f'{NAME}{STAGE}loss.contrast.smoothing = "a bit"\n',
        ", line 6, stage 1, [stages.loss.contrast]",
        'smoothing is "a bit"',
        "a number",
    ),
    (
        f"{NAME}{STAGE}loss.contrast.scale = nan\n",
        ", line 6, stage 1, [stages.loss.contrast]",
        "scale is nan",
        "a number, more than 0",
    ),
    (
        f"{NAME}{STAGE}loss = {{ caption = 1.0 }}\n",
        ", line 6, stage 1, [stages.loss]",
        "unknown key 'caption'",
        "Did you mean 'captions'?",
    ),
    (
        f"{NAME}{STAGE}loss.contrast = true\n",
        ", line 6, stage 1, [stages.loss]",
        "stages.loss.contrast is true",
        "a table",
    ),
    (
        f"{NAME}{STAGE}loss.distillation.weights = 20.0\n",
        ", line 6, stage 1, [stages.loss.distillation]",
        "weights is 20.0",
        "a table of names, each with a number",
    ),
    (
        f"{NAME}{STAGE}loss.distillation.weights = {{ a = inf }}\n",
        ", line 6, stage 1, [stages.loss.distillation.weights]",
        "weights.a is inf",
        "a table of names, each with a number",
    ),
    (
        f"{NAME}{STAGE}loss.distillation.weights = {{ a = true }}\n",
        ", line 6, stage 1, [stages.loss.distillation.weights]",
        "weights.a is true",
        "a table of names, each with a number",
    ),
    (
        f'{NAME}{STAGE}handoff.patience = "long"\n',
        ", line 6, stage 1, [stages.handoff]",
        'handoff.patience is "long"',
        "a whole number",
    ),
    (
        f"{NAME}{STAGE}handoff.patience = 1.5\n",
        ", line 6, stage 1, [stages.handoff]",
        "handoff.patience is 1.5",
        "a whole number",
    ),
    (
        f"{NAME}{STAGE}handoff = {{ patience = true }}\n",
        ", line 6, stage 1, [stages.handoff]",
        "handoff.patience is true",
        "a whole number",
    ),
    (
        f'{NAME}{STAGE}handoff.keep = "all"\n',
        ", line 6, stage 1, [stages.handoff]",
        'handoff.keep is "all"',
        '"last" or "best"',
    ),
    (
        f'{NAME}init = "bundled"\nreinit = ["encoder"]\n{STAGE}',
        ", line 3",
        'reinit is "encoder"',
        'a list, each "fusion"',
    ),
    (
        f"{NAME}{STAGE}[sources.shop]\nqueries_per_epoch = -1\n",
        ", line 7, [sources.shop]",
        "sources.shop.queries_per_epoch is -1",
        "a whole number, 0 or more",
    ),
    (
        f"{NAME}{STAGE}[sources.shop]\nmost = 1\n",
        ", line 7, [sources.shop]",
        "unknown key 'most'",
        "queries_per_epoch",
    ),
    (
        f"{NAME}{STAGE}[sources]\nshop = 3\n",
        ", line 7, [sources]",
        "sources.shop is 3",
        "a table",
    ),
    (
        f"{NAME}{STAGE}[sources.shop]\noptions = {{ size = true }}\n",
        ", line 7, [sources.shop.options]",
        "sources.shop.options.size is true",
        "each with a text or a whole number",
    ),
    (
        f'{NAME}{STAGE}[sources.shop.resampling]\nattribute = ["colour"]\n',
        ", line 7, [sources.shop.resampling]",
        "unknown key 'attribute'",
        "Known: attributes, groups",
    ),
    (
        f'{NAME}{STAGE}[sources.shop.resampling]\nattributes = ["c"]\nchinese = "much"\n',
        ", line 8, [sources.shop.resampling]",
        'resampling.chinese is "much"',
        "docs/training.md",
    ),
    (
        f"{NAME}{STAGE}{STAGE}size = -2\n",
        ", line 10, stage 2",
        "stages.size is -2",
        "0 or more",
    ),
]


@pytest.mark.parametrize(("text", "where", "message", "hint"), WRONG)
def test_what_is_wrong_is_named_with_its_place(
    path: Path, text: str, where: str, message: str, hint: str
) -> None:
    path.write_text(text)
    with pytest.raises(RecipeError) as error:
        read_recipe(path)
    place, _, said = str(error.value).partition(": ")
    assert place == f"{path}{where}"
    assert message in said
    assert hint in error.value.hint


def test_a_file_that_is_no_recipe(path: Path) -> None:
    with pytest.raises(RecipeError, match="can't be read"):
        read_recipe(path)
    for content in (b"name", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(RecipeError, match="is not valid TOML"):
            read_recipe(path)


LINES = """name = "x"
sources.shop.reader = "css"  # dotted
[[stages]]  # the first
lr = 1
[[ stages ]]
lr = 2
loss.contrast.scale = 3
[stages.queries]
mined = { count = 1 }
[augment]
crop = 0.5
[sources."a shop"]
reader = "css"
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("name",), 1),
        (("sources", "shop", "reader"), 2),
        (("stages", 0), 3),
        (("stages", 0, "lr"), 4),
        (("stages", 0, "queries", "batch"), 3),  # not written: the nearest table around it
        (("stages", 1, "lr"), 6),
        (("stages", 1, "loss", "contrast", "scale"), 7),
        (("stages", 1, "loss", "captions"), 7),  # not written: where its table begins
        (("stages", 1, "queries"), 8),
        (("stages", 1, "queries", "mined", "count"), 9),  # in an inline table
        (("augment", "crop"), 11),
        (("sources", "a shop", "reader"), 13),
        (("encoder", "kind"), None),
    ],
)
def test_the_line_of_a_key(place: Place, line: int | None) -> None:
    assert line_of(LINES, place) == line


def test_a_recipe_from_values_says_the_place() -> None:
    stage = {"lr": 0.0, "queries": {"epochs": 1, "batch": 2}}
    with pytest.raises(Wrong) as error:
        recipe_of({"name": "x", "stages": [stage | {"lr": 0.1}, stage]})
    assert error.value.place == ("stages", 1, "lr")


def test_changes_of_a_recipe(path: Path) -> None:
    path.write_text(f'{NAME}seed = 3\n{STAGE}[fusion]\nname = "maaf"\nblocks = 2\n')
    changes = ["seed=4", "stages.1.lr=2e-4", 'fusion.name="sum"', "fusion.blocks="]
    recipe = read_recipe(path, changes)
    assert (recipe.seed, recipe.stages[0].lr) == (4, 2e-4)
    assert recipe.fusion == {"name": "sum"}


def test_changes_of_keys_that_are_not_written_yet(path: Path) -> None:
    path.write_text(NAME + STAGE)
    changes = [
        "stages.1.queries.mined.count=3",
        "stages.1.loss.contrast.scale=5.0",
        "stages.1.loss.captions=0.5",
        "sources.shop.queries_per_epoch=7",
        "augment.crop=0.5",
    ]
    recipe = read_recipe(path, changes)
    stage = recipe.stages[0]
    assert stage.queries.mined.count == 3
    assert stage.queries.batch == 2  # what stood beside it
    assert (stage.loss.contrast.scale, stage.loss.captions.weight) == (5.0, 0.5)
    assert stage.loss.contrast.candidates == "pictures"  # the preset's
    assert recipe.sources["shop"].queries_per_epoch == 7
    assert recipe.augment.crop == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stages.2.lr=1", "can't be applied"),
        ("stages.0.lr=1", "can't be applied"),
        ("stages.one.lr=1", "can't be applied"),
        ("name.such=1", "can't be applied"),
        ("seed=three", "can't be applied"),
        ("seed", "has no '='"),
        ("sead=3", "unknown key 'sead'"),
        ("no.such=1", "unknown key 'no'"),
        ("stages.1.lr=0", "lr is 0"),
        ("stages.1.queries.batch=", "'batch' is missing"),
        ("stages.1.queries.mined.cuont=1", "unknown key 'cuont'"),
    ],
)
def test_bad_changes(path: Path, change: str, message: str) -> None:
    path.write_text(NAME + STAGE)
    with pytest.raises(RecipeError, match=message) as error:
        read_recipe(path, [change])
    if message == "can't be applied":
        assert "counted from 1" in error.value.hint


def test_what_a_change_got_wrong_is_named_as_the_change(path: Path) -> None:
    path.write_text(f"{NAME}{STAGE}")
    with pytest.raises(RecipeError) as error:
        read_recipe(path, ["seed=4", "stages.1.lr=-1"])
    assert str(error.value) == f"{path}, --set stages.1.lr=-1: stages.lr is -1"


def test_the_changes_that_recipes_name_can_be_made() -> None:
    made = 0
    for path in shipped().values():
        for line in path.read_text().splitlines():
            for given in line.split("--set ")[1:] if line.startswith("#") else ():
                change = given.split("'")[1] if given.startswith("'") else given.split()[0]
                assert read_recipe(path, [change]) != read_recipe(path), change
                made += 1
    assert made >= 6
