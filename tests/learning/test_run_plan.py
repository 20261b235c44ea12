"""learning/run/plan.py: data sets as they come, checked before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from learners import use_tiny_words

from conftest import COLOURS, draw_picture
from drawn_shapes import COMBINER, HEAD, TUNE_AND_FUSE, draw
from samebut.errors import DataError, RecipeError
from samebut.learning.data.corpus import Source, SourceSettings, source_of
from samebut.learning.encoders.hub import HubEncoder
from samebut.learning.recipe import read as reading
from samebut.learning.recipe.read import read_recipe
from samebut.learning.recipe.schema import Recipe
from samebut.learning.run.initial_model import encoder_family, initial_model
from samebut.learning.run.plan import make_plan
from samebut.learning.run.train import dry_run, train
from samebut.recipes import shipped

pytestmark = pytest.mark.usefixtures("quiet_torch")

ANNOTATIONS = Path(__file__).parents[3] / "shared" / "data" / "annotations"
needs_annotations = pytest.mark.skipif(
    not ANNOTATIONS.is_dir(), reason="the annotations are not beside the repository"
)
QUERIES = 5  # of each category: batches of eight


def recipe_of(folder: Path, more: str = "") -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(more + HEAD + COMBINER + TUNE_AND_FUSE)
    return read_recipe(path)


def with_keys(recipe: Recipe, **keys: Any) -> Recipe:
    return reading.recipe_of(recipe.model_dump() | keys)


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


MINE = {"reader": "css", "options": {"size": "original", "seed": 3}}


def test_a_source_is_its_name_or_what_the_recipe_says() -> None:
    assert source_of("shop", Path("x"), SourceSettings()) == Source(Path("x"), "triplets", {})
    assert source_of("cirr", Path("x"), SourceSettings()).reader == "cirr"
    said = source_of("mine", Path("x"), SourceSettings.of(MINE))
    assert said == Source(Path("x"), "css", {"size": "original", "seed": "3"})
    with pytest.raises(RecipeError, match="reader 'coco'"):
        source_of("mine", Path("x"), SourceSettings(reader="coco"))


def test_a_dry_run_says_what_it_will_do_and_does_nothing(root: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path)
    lines = "\n".join(dry_run(recipe, {"shapes": root}, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    plan = make_plan(recipe, {"shapes": root}, tmp_path / "run" / "cache")
    model = initial_model(recipe, plan.vocabulary).model
    for part in (
        f"{sum(p.numel() for p in model.encoder.parameters()):,} parameters",
        f"{sum(p.numel() for p in model.fusion.parameters()):,} parameters",
        "30 pictures, 24 queries; epochs are compared by R@1",
        "stage 1    tune: trains encoder; 30 pictures, 24 queries; 2 epochs of 3 steps of 8",
        "stage 2    fuse: trains fusion; 30 pictures, 24 queries; 3 epochs of 3 steps of 8",
        "features cached",
    ):
        assert part in lines


@pytest.mark.parametrize(("share", "wanted"), [(1.0, 0), (0.8, 1)])
def test_a_dry_run_says_what_is_interpolated(
    root: Path, tmp_path: Path, share: float, wanted: int
) -> None:
    stages = recipe_of(tmp_path).model_dump()["stages"]
    stages[1]["handoff"]["interpolate"] = share
    recipe = with_keys(recipe_of(tmp_path), stages=list(stages))
    lines = dry_run(recipe, {"shapes": root}, tmp_path / "run")
    said = "           hands on 0.8 of its weights and 0.2 of those it began with"
    assert lines.count(said) == wanted


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('metric = "R@7"\n', "has no score called 'R@7'"),
        ("sources.shapes = 3\n", "sources.shapes is 3"),
    ],
)
def test_what_a_recipe_may_not_ask(root: Path, tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        make_plan(recipe_of(tmp_path, more), {"shapes": root}, tmp_path / "cache")


def test_captions_need_titles(root: Path, tmp_path: Path) -> None:
    (root / "catalog.csv").unlink()
    recipe = recipe_of(tmp_path)
    make_plan(recipe, {"shapes": root}, tmp_path / "cache")  # tune and fuse do without
    aligned = read_recipe_with(
        tmp_path, '[[stages]]\npreset = "align"\nlr = 0.1\nqueries = { epochs = 1, batch = 8 }\n'
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


def test_sources_are_known_folders(root: Path, tmp_path: Path) -> None:
    bad = with_keys(recipe_of(tmp_path), sources={"nowhere": {"queries_per_epoch": 5}})
    with pytest.raises(RecipeError, match="names the data folder 'nowhere', which was not given"):
        dry_run(bad, {"shapes": root}, tmp_path / "run")


COMPOSE = {"preset": "compose", "lr": 1e-3}


@pytest.mark.parametrize(
    ("queries", "loss", "message"),
    [
        ({"hard_negatives": 1}, {}, "queries.hard_negatives needs hard subsets"),
        ({"cluster_size": 2}, {}, "queries.cluster_size needs hard subsets"),
        ({"resampled": 0.5}, {}, "no rules for it are given"),
        ({"mined": {"count": 27}}, {}, "mined.count = 27, and a query has only 26 wrong"),
        ({"batch": 800}, {}, "24 queries, fewer than one step needs .1 x 800"),
        ({}, {"attributes": {"weight": 1.0, "columns": ["taste"]}}, "names 'taste'"),
        ({}, {"distillation": {"weights": {"b": 1.0}}}, "weights names 'b'"),
        ({}, {"distillation": {"weights": {"shapes": -1.0}}}, "weights.shapes is -1"),
    ],
)
def test_what_the_data_has_not(
    root: Path, tmp_path: Path, queries: dict[str, Any], loss: dict[str, Any], message: str
) -> None:
    stage = COMPOSE | {"queries": {"epochs": 1, "batch": 8} | queries, "loss": loss}
    recipe = with_keys(recipe_of(tmp_path), stages=[stage])
    with pytest.raises(RecipeError, match=rf"stage 1 \(compose\): .*{message}"):
        make_plan(recipe, {"shapes": root}, tmp_path / "cache")


def test_rules_that_give_no_query(root: Path, tmp_path: Path) -> None:
    """The epoch would otherwise be shorter than planned, without a word."""
    stage = COMPOSE | {"queries": {"epochs": 1, "batch": 8, "resampled": 0.5}}
    rules = {"attributes": ("article",), "min_support": 1000}
    keys = {"stages": [stage], "sources": {"shapes": {"resampling": rules}}}
    with pytest.raises(RecipeError, match=r"\[sources.shapes.resampling\] gives no query at all"):
        make_plan(with_keys(recipe_of(tmp_path), **keys), {"shapes": root}, tmp_path / "cache")


def test_mined_negatives_of_queries_that_change(root: Path, tmp_path: Path) -> None:
    queries = {"epochs": 1, "batch": 8, "mined": {"count": 2, "every": 2}}
    keys = {"stages": [COMPOSE | {"queries": queries}]}
    make_plan(with_keys(recipe_of(tmp_path), **keys), {"shapes": root}, tmp_path / "cache")
    limited = keys | {"sources": {"shapes": {"queries_per_epoch": 16}}}
    with pytest.raises(RecipeError, match=r"mined\.every = 2, but with queries_per_epoch"):
        make_plan(with_keys(recipe_of(tmp_path), **limited), {"shapes": root}, tmp_path / "cache")


def test_what_a_model_can_not_train(root: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path)
    with pytest.raises(RecipeError, match="stage 2: the fusion 'sum' has no weights"):
        dry_run(with_keys(recipe, fusion={"name": "sum"}), {"shapes": root}, tmp_path / "run")
    stage = COMPOSE | {"queries": {"epochs": 1, "batch": 8}, "recompute": True}
    with pytest.raises(RecipeError, match="trainable batch norms would count it twice"):
        dry_run(with_keys(recipe, stages=[stage]), {"shapes": root}, tmp_path / "run")


def test_a_limit_makes_an_epoch_shorter(root: Path, tmp_path: Path) -> None:
    stage = COMPOSE | {"queries": {"epochs": 1, "batch": 8}}
    recipe = with_keys(recipe_of(tmp_path), stages=[stage])
    (whole,) = make_plan(recipe, {"shapes": root}, tmp_path / "cache").stages
    limited = with_keys(recipe, sources={"shapes": {"queries_per_epoch": 16}})
    (short,) = make_plan(limited, {"shapes": root}, tmp_path / "cache").stages
    assert short.steps == 2 < whole.steps


def cut_down(name: str, folder: Path) -> Recipe:
    """A recipe of the repository with its stages and fusion, for tiny pictures."""
    recipe, tiny = read_recipe(shipped()[name]), recipe_of(folder)
    said = recipe.model_dump()
    for stage in said["stages"]:
        queries, loss = stage["queries"], stage["loss"]
        queries |= {"epochs": 1, "batch": 8, "data": ()}
        queries["mined"] |= {"count": min(queries["mined"]["count"], 2), "first": 0}
        # The shapes have no hard subsets.
        queries |= {"cluster_size": min(queries["cluster_size"], 1), "hard_negatives": 0}
        stage["size"] = 32 * bool(stage["size"])
        loss["attributes"]["columns"] = ()
        loss["distillation"] = {
            "weights": {"shapes": 1.0} if loss["distillation"]["weights"] else {}
        }
    rules = {"resampling": {"attributes": ("article", "colour")}}
    fresh = any(stage["queries"]["resampled"] for stage in said["stages"])
    keys = {"size": tiny.size, "precision": "fp32", "metric": ""}
    keys |= {"sources": {"shapes": rules} if fresh else {}}
    keys |= {} if recipe.init else {"encoder": small_encoder(recipe, tiny.encoder)}
    said["augment"]["backdrop_folders"] = ("shapes",) if recipe.augment.backdrop_folders else ()
    return reading.recipe_of(said | {"stages": list(said["stages"])} | keys)


def small_encoder(recipe: Recipe, sizes: dict[str, Any]) -> dict[str, Any]:
    """One of the recipe's kind, with those of ``sizes`` that it has; for one of the hub a small
    one of ours."""
    family = encoder_family(recipe)
    if issubclass(family, HubEncoder):
        return sizes
    fitting = {key: size for key, size in sizes.items() if key in family.Options.model_fields}
    return fitting | {"kind": family.kind}


@pytest.fixture(autouse=True)
def tiny_words(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_words(monkeypatch)


@pytest.mark.parametrize("name", shipped())
def test_every_recipe_that_ships_can_start(name: str, root: Path, tmp_path: Path) -> None:
    recipe = cut_down(name, tmp_path)
    lines = dry_run(recipe, {"shapes": root}, tmp_path / "run")
    assert sum(line.startswith("stage ") for line in lines) == len(recipe.stages)


@pytest.mark.parametrize("name", ["products", "bundled"])
def test_a_recipe_of_photos_runs_to_its_end(name: str, root: Path, tmp_path: Path) -> None:
    recipe = cut_down(name, tmp_path)
    folder = train(recipe, {"shapes": root}, tmp_path / "run")
    assert (folder / "training.json").is_file()
    for number, stage in enumerate(recipe.stages, start=1):
        made = tmp_path / "run" / f"stage{number}"
        assert any(made.glob("negatives-*")) == bool(stage.queries.mined.count)
        assert (made / "handed_on.json").is_file() == (stage.handoff.interpolate < 1)
