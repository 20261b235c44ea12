"""learning/plan.py and corpus.py: data sets as they come, checked before anything is trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import COLOURS, draw_picture
from drawn_shapes import COMBINER, HEAD, TUNE_AND_FUSE, draw
from samebut.errors import DataError, ModelError, RecipeError
from samebut.learning.data.corpus import Source, source_of
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.run.plan import READ_BY, TASKS, make_plan, new_model
from samebut.learning.recipe.schema import Recipe, Stage, read_recipe
from samebut.learning.run.train import dry_run, train

pytestmark = pytest.mark.usefixtures("quiet_torch")

ANNOTATIONS = Path(__file__).parents[3] / "shared" / "data" / "annotations"
needs_annotations = pytest.mark.skipif(
    not ANNOTATIONS.is_dir(), reason="the annotations are not beside the repository"
)
RECIPES = Path(__file__).parents[2] / "recipes"
QUERIES = 5  # of each category: batches of eight


def recipe_of(folder: Path, more: str = "") -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(more + HEAD + COMBINER + TUNE_AND_FUSE)
    return read_recipe(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw(tmp_path / "shapes")


def stand_in(path: Path, number: int) -> None:
    """A drawn picture in the place of one that is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = list(COLOURS.values())
    draw_picture(colours[number % 5], ("round", "square")[number % 2], 40 + number).save(path)


def few_of_fashioniq(root: Path) -> Path:
    """The first real queries of each category, train and val, with drawn pictures."""
    names: dict[str, None] = {}
    for file in sorted(ANNOTATIONS.glob("fashioniq/captions/cap.*.json")):
        _, category, split, _ = file.name.split(".")
        if split == "test":
            continue
        entries = json.loads(file.read_text())[:QUERIES]
        used = dict.fromkeys(e[role] for e in entries for role in ("candidate", "target"))
        write(root / "captions" / file.name, entries)
        write(root / "image_splits" / f"split.{category}.{split}.json", list(used))
        names |= used
    for number, name in enumerate(names):
        stand_in(root / "images" / f"{name}.png", number)
    return root


def few_of_cirr(root: Path) -> Path:
    """The first real queries of val, once more as train, whose captions are not beside us."""
    entries = json.loads(next(ANNOTATIONS.glob("cirr/**/cap.rc2.val.json")).read_text())[:12]
    names = dict.fromkeys(
        name for e in entries for name in (e["target_hard"], *e["img_set"]["members"])
    )
    for split in ("train", "val"):
        write(root / "captions" / f"cap.rc2.{split}.json", entries)
        places = {name: f"./{split}/{name}.png" for name in names}
        write(root / "image_splits" / f"split.rc2.{split}.json", places)
    for number, name in enumerate(names):
        stand_in(root / "dev" / f"{name}.png", number)
    return root


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@needs_annotations
def test_fashioniq_is_trained_on_as_it_is(tmp_path: Path) -> None:
    """Real captions, said in four ways; scored by its own rules."""
    root = few_of_fashioniq(tmp_path / "fashioniq")
    recipe = recipe_of(tmp_path, 'metric = "(R@10+R@50)/2"\n')
    plan = make_plan(recipe, {"fashioniq": root}, tmp_path / "cache")
    queries = plan.stages[0].corpus.queries
    assert len(queries) == 3 * QUERIES
    assert all(len(query.texts) == 4 for query in queries)
    assert queries[0].texts[0].endswith(queries[0].texts[3].lower()[-5:])
    assert plan.validation.name == "fashioniq"
    train(recipe, {"fashioniq": root}, tmp_path / "run")
    told = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert told["metric"] in told["stage2"]["epochs"][0]


@needs_annotations
def test_cirr_is_trained_on_as_it_is(tmp_path: Path) -> None:
    root = few_of_cirr(tmp_path / "cirr")
    recipe = recipe_of(tmp_path, 'metric = "(R@5+RecallSubset@1)/2"\n')
    train(recipe, {"cirr": root}, tmp_path / "run")
    told = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "RecallSubset@1" in told["stage2"]["epochs"][0]


def test_css_is_drawn_and_planned(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path)
    plan = make_plan(recipe, {"css": tmp_path / "drawn"}, tmp_path / "cache")
    assert len(plan.stages[0].corpus.queries) == 400
    assert plan.validation.split == "test"


def test_a_source_is_its_name_or_what_the_recipe_says() -> None:
    assert source_of("shop", Path("x"), {}) == Source(Path("x"), "triplets", {})
    assert source_of("cirr", Path("x"), {}).reader == "cirr"
    said = source_of("mine", Path("x"), {"reader": "css", "size": "original", "seed": 3})
    assert said == Source(Path("x"), "css", {"size": "original", "seed": "3"})
    with pytest.raises(RecipeError, match="reader 'coco'"):
        source_of("mine", Path("x"), {"reader": "coco"})


def test_what_is_read_by_which_task() -> None:
    for tasks in READ_BY.values():
        assert set(tasks) <= set(TASKS)


def test_a_dry_run_says_what_it_will_do_and_does_nothing(root: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path)
    lines = "\n".join(dry_run(recipe, {"shapes": root}, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    plan = make_plan(recipe, {"shapes": root}, tmp_path / "run" / "cache")
    model = new_model(recipe, plan.vocabulary)
    for part in (
        f"{sum(p.numel() for p in model.encoder.parameters()):,} parameters",
        f"{sum(p.numel() for p in model.fusion.parameters()):,} parameters",
        "30 pictures, 24 queries; epochs are compared by R@1",
        "stage 1    tune: 30 pictures, 24 queries; 2 epochs of 3 steps of 8",
        "stage 2    fuse: 30 pictures, 24 queries; 3 epochs of 3 steps of 8",
        "features cached",
    ):
        assert part in lines


@pytest.mark.parametrize(
    ("mix", "rest", "wanted"),
    [
        (1.0, -1, ""),
        (0.5, -1, "; 0.5 of it goes on, with 0.5 of what it began with"),
        (0.8, 0, "; 0.8 of it goes on, with 0.2 of what the run began with"),
        (0.45, 1, "; 0.45 of it goes on, with 0.55 of what stage 1 handed on"),
    ],
)
def test_a_dry_run_says_what_is_mixed(
    root: Path, tmp_path: Path, mix: float, rest: int, wanted: str
) -> None:
    recipe = recipe_of(tmp_path)
    stages = (recipe.stages[0], replace(recipe.stages[1], mix=mix, mix_with=rest))
    lines = dry_run(replace(recipe, stages=stages), {"shapes": root}, tmp_path / "run")
    (line,) = [line for line in lines if line.startswith("stage 2")]
    assert line.endswith(f"steps of 8{wanted}")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('metric = "R@7"\n', "gives no score 'R@7'"),
        ("sources.shapes = 3\n", "sources.shapes is no table"),
    ],
)
def test_what_a_recipe_may_not_ask(root: Path, tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        make_plan(recipe_of(tmp_path, more), {"shapes": root}, tmp_path / "cache")


def test_what_a_model_can_not_be_built_from(root: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path)
    corpus = make_plan(recipe, {"shapes": root}, tmp_path / "cache").vocabulary
    for part, options in (
        ("encoder", {"wdths": [1]}),
        ("fusion", {"name": "combiner", "dropout": "x"}),
    ):
        bad = Recipe(**{**vars(recipe), part: options})
        with pytest.raises(RecipeError, match="can't be built"):
            new_model(bad, corpus)


def test_captions_need_titles(root: Path, tmp_path: Path) -> None:
    (root / "catalog.csv").unlink()
    recipe = recipe_of(tmp_path)
    make_plan(recipe, {"shapes": root}, tmp_path / "cache")  # tune and fuse do without
    aligned = read_recipe_with(
        tmp_path, '[[stages]]\ntask = "align"\nepochs = 1\nbatch = 8\nlr = 0.1\n'
    )
    with pytest.raises(RecipeError, match="title"):
        make_plan(aligned, {"shapes": root}, tmp_path / "cache")


def read_recipe_with(folder: Path, stage: str) -> Recipe:
    path = folder / "aligned.toml"
    path.write_text(HEAD + COMBINER + stage)
    return read_recipe(path)


def test_queries_without_targets_can_not_be_used(tmp_path: Path) -> None:
    entry = {"candidate": "a", "captions": ["is red", "is blue"], "target": "b"}
    for category in ("dress", "shirt", "toptee"):
        for split in ("train", "val"):
            write(tmp_path / f"cap.{category}.{split}.json", [])
            write(tmp_path / f"split.{category}.{split}.json", ["a", "b"])
    with pytest.raises(DataError, match="holds no query"):
        Source(tmp_path, "fashioniq").training()
    write(tmp_path / "cap.dress.train.json", [entry])
    (query,) = Source(tmp_path, "fashioniq").training().queries
    assert query.texts == ("Is red and is blue", "Is blue and is red", "Is red", "Is blue")


def saved(root: Path, recipe: Recipe, folder: Path) -> Path:
    plan = make_plan(recipe, {"shapes": root}, folder / "cache")
    new_model(recipe, plan.vocabulary).save(folder / "model", name="begun")
    return folder / "model"


def test_init_brings_the_same_fusion_and_no_other(root: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path)
    corpus = make_plan(recipe, {"shapes": root}, tmp_path / "cache").vocabulary
    init = saved(root, recipe, tmp_path)
    first = new_model(recipe, corpus).state_dict()
    other = {**vars(recipe), "seed": 9, "init": str(init)}
    same = new_model(Recipe(**other), corpus)
    assert same.training
    assert all(torch.equal(value, first[name]) for name, value in same.state_dict().items())
    options = {**recipe.fusion, "dropout": 0.2}
    new = new_model(Recipe(**{**other, "fusion": options}), corpus).state_dict()
    moved = {
        name.split(".")[0] for name, value in new.items() if not torch.equal(value, first[name])
    }
    assert moved == {"fusion"}


def test_the_bundled_model_is_trained_on(tmp_path: Path, root: Path) -> None:
    recipe = read_recipe(RECIPES / "finetune.toml")
    corpus = make_plan(recipe_of(tmp_path), {"shapes": root}, tmp_path / "cache").vocabulary
    model = new_model(recipe, corpus).state_dict()
    bundled = CIRModel.load("bundled").state_dict()
    assert all(torch.equal(value, model[name]) for name, value in bundled.items())


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({"dim": 32}, r"encoder has dim = 32, that of .* 16"),
        ({"kind": "clip"}, r"encoder has kind = clip, that of .* small"),
        ({"depth": 3}, r"encoder has depth = 3"),
    ],
)
def test_init_is_what_the_recipe_says(
    root: Path, tmp_path: Path, encoder: dict[str, Any], message: str
) -> None:
    recipe = recipe_of(tmp_path)
    corpus = make_plan(recipe, {"shapes": root}, tmp_path / "cache").vocabulary
    init = saved(root, recipe, tmp_path)
    bad = Recipe(**{**vars(recipe), "init": str(init), "encoder": encoder})
    with pytest.raises(RecipeError, match=message):
        new_model(bad, corpus)


def test_init_has_to_be_there(root: Path, tmp_path: Path) -> None:
    recipe = Recipe(**{**vars(recipe_of(tmp_path)), "init": str(tmp_path / "none")})
    with pytest.raises(ModelError, match=r"init = .* holds no trained model"):
        dry_run(recipe, {"shapes": root}, tmp_path / "run")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"shapes": 0}, r"most.shapes is 0"),
        ({"shapes": True}, r"most.shapes is True"),
        ({"shapes": "few"}, r"most.shapes is 'few'"),
        ({"nowhere": 5}, r"learns from 'nowhere'"),
    ],
)
def test_most_is_a_number_of_queries_of_a_known_folder(
    root: Path, tmp_path: Path, said: dict[str, Any], message: str
) -> None:
    bad = replace(recipe_of(tmp_path), most=said)
    with pytest.raises(RecipeError, match=message):
        dry_run(bad, {"shapes": root}, tmp_path / "run")


@pytest.mark.parametrize(("mix", "mix_with"), [(0.5, 2), (0.5, 3), (1.0, 0)])
def test_a_stage_is_mixed_with_what_is_there_before_it(
    root: Path, tmp_path: Path, mix: float, mix_with: int
) -> None:
    first, last = recipe_of(tmp_path).stages
    bad = replace(recipe_of(tmp_path), stages=(first, replace(last, mix=mix, mix_with=mix_with)))
    with pytest.raises(RecipeError, match=f"stage 2, fuse: mix_with is {mix_with} and mix {mix}"):
        dry_run(bad, {"shapes": root}, tmp_path / "run")


def test_a_limit_makes_an_epoch_shorter(root: Path, tmp_path: Path) -> None:
    stage = Stage("compose", epochs=1, batch=8, lr=1e-3)
    recipe = replace(recipe_of(tmp_path), stages=(stage,))
    (whole,) = make_plan(recipe, {"shapes": root}, tmp_path / "cache").stages
    limited = replace(recipe, most={"shapes": 16})
    (short,) = make_plan(limited, {"shapes": root}, tmp_path / "cache").stages
    assert short.steps == 2 < whole.steps


def cut_down(name: str, folder: Path) -> Recipe:
    """A recipe of the repository with its stages, tasks and fusion, for tiny pictures."""
    recipe, tiny = read_recipe(RECIPES / name), recipe_of(folder)
    stages = tuple(
        replace(
            stage,
            epochs=1,
            batch=8,
            size=32 * bool(stage.size),
            data=(),
            similar=1,  # the shapes have no hard subsets
            similar_in=(),
            wrong=0,
            columns=(),
            stay=dict.fromkeys(stage.stay and ["shapes"], 1.0),
            negatives=min(stage.negatives, 2),
            mine_from=0,
        )
        for stage in recipe.stages
    )
    return replace(
        recipe,
        stages=stages,
        size=tiny.size,
        encoder=recipe.encoder if recipe.init else tiny.encoder,
        precision="fp32",
        tokenizer_data=(),
        sources={},
        fresh={"shapes": {"attributes": ["article", "colour"]}} if recipe.fresh else {},
        most={},
        metric="",
    )


@pytest.mark.parametrize("name", sorted(path.name for path in RECIPES.glob("*.toml")))
def test_every_recipe_of_the_repository_can_start(name: str, root: Path, tmp_path: Path) -> None:
    recipe = cut_down(name, tmp_path)
    lines = dry_run(recipe, {"shapes": root}, tmp_path / "run")
    assert sum(line.startswith("stage ") for line in lines) == len(recipe.stages)


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("products.toml", ["align", "tune", "fuse", "compose"]),
        ("bundled.toml", ["align", "compose", "compose", "compose", "compose", "tune"]),
        ("bundled-parts.toml", ["align", "compose", "align"]),
        ("bundled-queries.toml", ["compose", "compose"]),
    ],
)
def test_a_recipe_of_photos_runs_to_its_end(
    name: str, tasks: list[str], root: Path, tmp_path: Path
) -> None:
    """Whatever is in them: cached features with mined negatives, mixes with older weights."""
    recipe = cut_down(name, tmp_path)
    assert [stage.task for stage in recipe.stages] == tasks
    folder = train(recipe, {"shapes": root}, tmp_path / "run")
    assert (folder / "training.json").is_file()
    mined = (tmp_path / "run" / "stage3" / "negatives-0.npy").is_file()
    assert mined == (name == "products.toml")
    mixed = [path.parent.name for path in (tmp_path / "run").glob("stage*/handed_on.json")]
    assert sorted(mixed) == [
        f"stage{number}" for number, stage in enumerate(recipe.stages, start=1) if stage.mix < 1
    ]
