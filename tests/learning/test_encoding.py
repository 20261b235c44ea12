"""learning/data/encoding.py: what is encoded at every step and what once, in which mode, and how
often."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import MAKERS
from learners import Made, made, recipe, shapes
from PIL import Image
from torch import Tensor, nn

from samebut.learning.data import encoding
from samebut.learning.data.augment import Augment
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.encoding import BatchEncoder, EncodingRules, possible_references
from samebut.learning.encoders.base import unit
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.run.initial_model import initial_model

pytestmark = pytest.mark.usefixtures("quiet_torch")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return shapes(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="module", params=["pooled", "tokens"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(corpus: Corpus, kind: str) -> CIRModel:
    return initial_model(recipe(fusion=kind), corpus).model


@pytest.mark.parametrize(
    ("rules", "cached"),
    [
        ({"trains": "fusion"}, ()),
        ({"trains": "fusion", "cached": True}, ("image", "text")),
        ({"trains": "fusion", "cached": True, "resampled": True}, ("image",)),
        ({"trains": "text", "cached": True}, ("image",)),
        ({"trains": "image", "cached": True}, ("text",)),
        ({"trains": "image", "cached": True, "resampled": True}, ()),
        ({"trains": "all", "cached": True}, ()),
        ({"trains": "encoder", "cached": True}, ()),
    ],
)
def test_which_side_is_cached(rules: dict[str, Any], cached: tuple[str, ...]) -> None:
    found = EncodingRules(**rules)
    assert tuple(side for side in ("image", "text") if found.caches(side)) == cached  # type: ignore[arg-type]


def encoded(model: CIRModel, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many pictures and texts a model has encoded from now on."""
    count = {"images": 0, "texts": 0}
    for side in count:
        encode = getattr(model.encoder, side)

        def counting(inputs: Any, side: str = side, encode: Any = encode) -> Any:
            count[side] += len(inputs)
            return encode(inputs)

        monkeypatch.setattr(model.encoder, side, counting)
    return count


@pytest.mark.parametrize("trains", ["fusion", "text", "image"])
def test_what_is_cached_is_encoded_once(
    corpus: Corpus,
    model: CIRModel,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trains: str,
) -> None:
    queries = {"mined": {"count": 2}, "views": 2 if trains != "image" else 1}
    of = made(
        recipe(fusion=kind, trains=trains, features="cached", queries=queries),
        corpus, tmp_path, model,
    )  # fmt: skip
    count = encoded(of.learner.model, monkeypatch)
    batches = [of.batch(seed, epoch=seed) for seed in range(3)]
    live = dict(count)  # what was mined with
    for batch, table in batches:
        of.loss_of(batch, table).backward()
    cached = {"fusion": ("images", "texts"), "text": ("images",), "image": ("texts",)}[trains]
    for side in count:
        assert (count[side] == 0) == (side in cached)
        assert (count[side] > live[side]) == (side not in cached)


@pytest.mark.parametrize("trains", ["all", "encoder", "image", "text", "fusion"])
def test_a_step_moves_what_trains_and_nothing_else(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path, trains: str
) -> None:
    """Weights, and running statistics too: a tower that does not train does not change at all."""
    of = made(recipe(fusion=kind, trains=trains), corpus, tmp_path, model)
    model = of.learner.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parameters = [each for each in of.learner.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.5)
    of.loss().backward()
    optimizer.step()
    changed = {
        name for name, value in model.state_dict().items() if not torch.equal(value, before[name])
    }
    towers = ("encoder.image_tower", "encoder.text_tower", "fusion")
    moving = {
        "all": towers, "encoder": towers[:2], "image": towers[:1], "text": towers[1:2],
        "fusion": towers[2:],
    }[trains]  # fmt: skip
    assert all(name.startswith(moving) for name in changed)
    for tower in moving:
        assert sum(name.startswith(tower) for name in changed) > 3


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_norms_keep_their_statistics(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path, frozen: bool
) -> None:
    of = made(recipe(fusion=kind, frozen_norms=frozen), corpus, tmp_path, model)
    norm = next(m for m in of.learner.modules() if isinstance(m, nn.BatchNorm2d))
    before = norm.running_mean.clone()
    of.loss()
    assert norm.training != frozen
    assert torch.equal(norm.running_mean, before) == frozen
    assert of.learner.model.encoder.training


def gradients_and_memory(of: Made) -> tuple[list[Tensor], int]:
    kept = 0

    def pack(value: Tensor) -> Tensor:
        nonlocal kept
        kept += value.numel()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        loss = of.loss()
    loss.backward()
    return [p.grad.clone() for p in of.learner.parameters() if p.grad is not None], kept


def test_recomputing_gives_the_same_gradients_for_less_memory(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts of three, with a last one that is smaller; texts are padded to the longest."""
    monkeypatch.setattr(encoding, "RECOMPUTED_AT_ONCE", 3)
    results = []
    for recompute in (False, True):
        written = recipe(fusion=kind, frozen_norms=True, recompute=recompute)
        results.append(gradients_and_memory(made(written, corpus, tmp_path, model)))
    (plain, much), (again, less) = results
    assert len(plain) == len(again) > 20
    for one, other in zip(plain, again, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    assert less < 0.5 * much


@pytest.mark.parametrize("family", MAKERS)
def test_encoders_of_the_hub_recompute(
    corpus: Corpus, family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "RECOMPUTED_AT_ONCE", 3)
    source = MAKERS[family](tmp_path / family)
    if (file := source / "config.json").exists():  # not in a folder of OpenCLIP
        config = json.loads(file.read_text())
        # BERT's dropout would be drawn for each part anew.
        config["text_config"] |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        file.write_text(json.dumps(config))
    top = {"encoder": {"kind": family, "source": source.as_posix()}}
    model = initial_model(recipe(top=top), corpus).model
    (plain, much), (again, less) = (
        gradients_and_memory(made(recipe(top=top, recompute=each), corpus, tmp_path, model))
        for each in (False, True)
    )
    assert len(plain) == len(again) > 60
    ours, theirs = (torch.cat([each.flatten() for each in both]) for both in (plain, again))
    assert (ours - theirs).norm() < 1e-5 * ours.norm()
    assert less < 0.2 * much


def test_precision_is_that_of_encoders_and_fusion_and_losses_are_in_fp32(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path
) -> None:
    seen: dict[str, list[torch.dtype]] = {}
    for precision in ("bf16", "fp32"):
        written = recipe(fusion=kind, top={"precision": precision})
        of = made(written, corpus, tmp_path, model)
        found = seen.setdefault(precision, [])
        model_of = of.learner.model
        for part in (model_of.fusion, model_of.encoder.text_tower, model_of.encoder.image_tower):
            layer = next(m for m in part.modules() if isinstance(m, nn.Linear | nn.Conv2d))
            layer.register_forward_hook(lambda _, given, answer, to=found: to.append(answer.dtype))
        steps: list[Any] = []
        term = of.learner.objective.terms["contrast"]
        term.register_forward_pre_hook(lambda _, given, to=steps: to.append(given[0]))
        loss = of.loss()
        (step,) = steps
        kept = (loss, step.seen.pooled, step.queries, step.words.pooled, step.words.tokens)
        assert {each.dtype for each in kept} == {torch.float32}
        for rows in (step.queries, unit(step.seen.pooled)):
            torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))
    assert set(seen["bf16"]) == {torch.bfloat16} and len(seen["bf16"]) == 3
    assert set(seen["fp32"]) == {torch.float32} and len(seen["fp32"]) == 3


def test_references_stand_where_they_are_said_to(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path
) -> None:
    """Cached: each picture in one view of the batch, the same as reference and as candidate."""
    of = made(
        recipe(fusion=kind, trains="fusion", features="cached", queries={"views": 3}),
        corpus, tmp_path, model,
    )  # fmt: skip
    rows, places = torch.tensor([3, 8, 0, 11]), torch.tensor([1, 1, 3])
    drawn = set()
    references = of.sampler.given.references
    rows[1], rows[3] = references[0], references[-1]
    for seed in range(8):
        torch.manual_seed(seed)
        seen = of.learner.encoder.pictures(of.learner.model, rows, places)
        assert torch.equal(seen.pooled[places], seen.references.pooled)
        assert torch.equal(seen.references.pooled[0], seen.references.pooled[1])
        assert seen.pixels is None
        drawn.add(seen.pooled[1].sum().item())
    assert len(drawn) == 3  # every view comes


def test_live_pictures_are_views_in_the_stages_size(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path
) -> None:
    of = made(recipe(fusion=kind, size=48), corpus, tmp_path, model)
    rows, places = torch.tensor([3, 8, 0]), torch.tensor([2, 0])
    seen = of.learner.encoder.pictures(of.learner.model, rows, places)
    assert seen.pixels is not None and seen.pixels.shape == (3, 3, 48, 48)
    assert torch.equal(seen.pooled[places], seen.references.pooled)
    again = of.learner.encoder.pictures(of.learner.model, rows, places)
    assert not torch.allclose(again.pixels, seen.pixels)


def test_live_views_stand_before_backdrops(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path
) -> None:
    photo = tmp_path / "dark.png"
    Image.new("RGB", (64, 64), (0, 60, 0)).save(photo)
    with_photo = replace(corpus, backdrop_files=(photo,), cache=tmp_path)
    still = Augment(crop=1.0, rotation=0.0, contrast=0.0, mirror=0.0)
    behind = still.model_copy(update={"backdrops": 1.0, "backdrop_folders": ("phone",)})
    rows = torch.arange(6)
    seen = [
        BatchEncoder(of, EncodingRules(size=48, augment=augment)).views(model, rows)
        for of, augment in ((corpus, still), (with_photo, behind), (with_photo, still))
    ]
    assert torch.equal(seen[0], seen[2])
    assert not torch.isclose(seen[0], seen[1], atol=0.1).flatten(1).all(1).any()


def test_texts_have_noise_where_they_are_encoded_at_every_step(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path
) -> None:
    noise = {"augment": {"filler": 1.0}}
    live = made(recipe(fusion=kind, top=noise), corpus, tmp_path, model).learner
    cached = made(
        recipe(fusion=kind, top=noise, trains="fusion", features="cached"),
        corpus, tmp_path, model,
    ).learner  # fmt: skip
    texts = live.encoder.corpus.parts[0].table.texts[:3]
    _, written = live.encoder.texts(live.model, texts)
    assert all(text in said and said != text for text, said in zip(texts, written, strict=True))
    words, same = cached.encoder.texts(cached.model, texts)
    assert same == texts
    cached.model.eval()
    with torch.no_grad():
        wanted = cached.model.encoder.texts(texts).pooled
    torch.testing.assert_close(words.pooled, wanted, rtol=2e-3, atol=2e-3)
    assert torch.equal(cached.encoder.plain_texts(cached.model, texts).pooled, words.pooled)


def test_tokens_are_cached_of_pictures_that_a_query_may_begin_with(corpus: Corpus) -> None:
    table, rules = corpus.parts[0].table, EncodingRules(trains="fusion", cached=True)
    given = sorted(set(table.references.tolist()))
    assert len(given) < 30
    assert possible_references(corpus, table, rules) == given
    anew = replace(rules, resampled=True)
    assert possible_references(corpus, table, anew) == [*range(30)]
    (part,) = corpus.parts
    alone = replace(corpus, parts=(replace(part, catalogue=None),))
    assert possible_references(alone, table, anew) == given
