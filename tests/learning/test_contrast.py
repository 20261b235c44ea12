"""learning/objective/contrast.py: queries against the candidates of a batch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from learners import Made, drift, made, recipe, shapes

from samebut.images import open_picture
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import Batch
from samebut.learning.encoders.base import Features, unit
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.learner import compose_by_sum
from samebut.learning.run.initial_model import initial_model

pytestmark = pytest.mark.usefixtures("quiet_torch")

PLAIN = {"crop": 1.0, "rotation": 0.0, "contrast": 0.0, "mirror": 0.0}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return shapes(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="module", params=["pooled", "tokens"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(corpus: Corpus, kind: str) -> CIRModel:
    return initial_model(recipe(fusion=kind), corpus).model


def by_loops(of: Made, batch: Batch, table: QueryTable, scale: float, pictures: list[int]) -> float:
    """The loss said with loops, from the encoder and the picture files themselves."""
    model, corpus = of.learner.model.eval(), of.sampler.corpus

    def image(row: int) -> Features:
        pixels = model.preprocess(open_picture(corpus.files[row]))
        return model.encoder.images(torch.tensor(pixels)[None])

    answers = [unit(image(row).pooled)[0] for row in pictures]
    total = 0.0
    for place, number in enumerate(batch.queries.tolist()):
        *targets, reference = table.known()[number]
        text = model.encoder.texts([table.texts[batch.texts[place]]])
        query = of.learner.compose(model, image(reference), text)[0]
        counted = [
            (scale * float(query @ answer), row in targets)
            for row, answer in zip(pictures, answers, strict=True)
            if row != reference
        ]
        log_sum = math.log(sum(math.exp(logit) for logit, _ in counted))
        right = [logit - log_sum for logit, positive in counted if positive]
        total -= sum(right) / len(right)
    return total / len(batch)


@torch.no_grad()
@pytest.mark.parametrize("composes", ["fusion", "sum"])
@pytest.mark.parametrize("candidates", ["targets", "references", "pictures"])
def test_it_is_the_loss_said_with_loops(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path, candidates: str, composes: str
) -> None:
    """On cached features of a tower that does not train, in fp16; texts are encoded live."""
    written = recipe(
        fusion=kind, trains="text", features="cached", composes=composes,
        loss={"contrast": {"candidates": candidates, "scale": 7.0}},
        queries={"mined": {"count": 2}},
    )  # fmt: skip
    of = made(written, corpus, tmp_path, model)
    batch, table = of.batch()
    pictures = [*batch.targets.tolist(), *batch.negatives.flatten().tolist()]
    if candidates == "references":
        pictures += batch.references.tolist()
    if candidates == "pictures":
        pictures = sorted({*pictures, *batch.references.tolist()})
    found = float(of.loss_of(batch, table))
    assert found == pytest.approx(by_loops(of, batch, table, 7.0, pictures), abs=2e-2)
    assert found > 0.5


def test_the_plain_sum_is_of_both_sides_whatever_fusion_there_is(model: CIRModel) -> None:
    torch.manual_seed(0)
    pooled = torch.randn(2, 3, 16)
    image, text = (Features(each, each[:, :0, None], each[:, :0].bool()) for each in pooled)
    expected = torch.nn.functional.normalize(pooled.sum(0), dim=-1)
    torch.testing.assert_close(compose_by_sum(model, image, text), expected)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("scale", 30.0),
        ("symmetric", True),
        ("smoothing", 0.5),
        ("hardness", 0.5),
        ("positive_weight", 0.5),
        ("candidates", "references"),
        ("candidates", "pictures"),
    ],
)
@pytest.mark.parametrize(("trains", "features"), [("encoder", "live"), ("fusion", "cached")])
def test_every_option_counts(
    corpus: Corpus,
    model: CIRModel,
    kind: str,
    tmp_path: Path,
    trains: str,
    features: str,
    option: str,
    value: Any,
) -> None:
    def loss(**options: Any) -> float:
        written = recipe(
            fusion=kind, trains=trains, features=features, frozen_norms=True,
            loss={"contrast": options},
        )  # fmt: skip
        of = made(written, corpus, tmp_path, model)
        drift(of.learner.model)
        return float(of.loss().detach())

    plain = loss()
    assert plain == loss()
    assert abs(plain - loss(**{option: value})) > 1e-4


def test_mined_negatives_are_candidates(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path
) -> None:
    def loss(count: int) -> float:
        written = recipe(fusion=kind, frozen_norms=True, queries={"mined": {"count": count}})
        return float(made(written, corpus, tmp_path / f"{count}", model).loss().detach())

    assert loss(3) > loss(0) + 1e-3  # of more wrong candidates each query has more to tell apart
