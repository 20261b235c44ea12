"""learning/objective/negatives.py: the most similar wrong candidates, and when they are mined."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learners import Made, drift, made, recipe, shapes
from torch.nn import functional

from samebut.errors import RecipeError
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.sampler import Mined
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective import negatives
from samebut.learning.objective.negatives import Miner, everything, mine
from samebut.learning.run.initial_model import initial_model

pytestmark = pytest.mark.usefixtures("quiet_torch")


def drawn(rows: int, seed: int, copies: int = 0) -> torch.Tensor:
    """Unit rows, the last ``copies`` of them equal to the first ones."""
    rng = torch.Generator().manual_seed(seed)
    vectors = functional.normalize(torch.randn(rows, 6, generator=rng), dim=1)
    vectors[rows - copies :] = vectors[:copies]
    return vectors


def test_the_nearest_first_without_what_is_known() -> None:
    candidates = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]])
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert mine(queries, candidates, [[0], [3, 1]], 2).tolist() == [[1, 2], [2, 0]]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 99),
    st.integers(1, 5),
    st.integers(1, 9),
    st.lists(st.integers(0, 19), max_size=9),
)
def test_it_is_the_whole_order_cut(seed: int, count: int, chunk: int, known: list[int]) -> None:
    """Beside a sort of all candidates; five of them are copies, so scores tie."""
    queries, candidates = drawn(7, seed), drawn(20, seed + 1, copies=5)
    found = mine(queries, candidates, [known] * 7, count, chunk=chunk)
    scores = (queries.double() @ candidates.double().T).float().tolist()
    for row, numbers in zip(scores, found.tolist(), strict=True):
        wrong = [number for number in range(20) if number not in known]
        assert numbers == sorted(wrong, key=lambda number: (-row[number], number))[:count]


def test_many_equal_scores_stand_in_the_order_of_candidates() -> None:
    """Short rows are sorted stably by accident; long ones only if it is asked for."""
    candidates = functional.normalize(torch.ones(4000, 2), dim=1)
    candidates[::7] = -candidates[::7]  # two values, so that there is something to sort
    found = mine(candidates[1:2], candidates, [[0]], 3900)[0]
    near = [row for row in range(1, 4000) if row % 7]
    far = [row for row in range(1, 4000) if row % 7 == 0]
    assert found.tolist() == [*near, *far][:3900]


def test_every_query_leaves_out_its_own() -> None:
    queries, candidates = drawn(9, 1), drawn(30, 2)
    known = [[row, 2 * row, 2 * row + 1] for row in range(9)]
    found = mine(queries, candidates, known, 27, chunk=4)
    for numbers, rows in zip(found.tolist(), known, strict=True):
        assert set(numbers) <= set(range(30)) - set(rows)
        assert len(set(numbers)) == 27


def test_it_learns_nothing_and_changes_nothing() -> None:
    queries, candidates = drawn(3, 1).requires_grad_(), drawn(8, 2)
    before = candidates.clone()
    found = mine(queries, candidates, [[0]] * 3, 2)
    assert found.dtype == torch.int64
    assert torch.equal(candidates, before)


def test_no_queries_have_no_negatives() -> None:
    assert mine(drawn(0, 1), drawn(8, 2), [], 3).shape == (0, 3)


def test_too_few_wrong_candidates_are_an_error() -> None:
    with pytest.raises(RecipeError, match="query 1 has 2 wrong candidates, and 3 negatives"):
        mine(drawn(2, 1), drawn(5, 2), [[0], [0, 1, 2, 2]], 3)
    with pytest.raises(ValueError, match="1 lists of answers for 2 queries"):
        mine(drawn(2, 1), drawn(5, 2), [[0]], 3)
    with pytest.raises(RecipeError, match="for each query is 0"):
        mine(drawn(2, 1), drawn(5, 2), [[0], [1]], 0)


# Of a learner, for the queries of an epoch.


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return shapes(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="module", params=["pooled", "tokens"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(corpus: Corpus, kind: str) -> CIRModel:
    return initial_model(recipe(fusion=kind), corpus).model


@pytest.fixture(params=[("all", "live"), ("fusion", "cached"), ("text", "cached")])
def learned(
    request: pytest.FixtureRequest, corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path
) -> Made:
    trains, features = request.param
    written = recipe(fusion=kind, trains=trains, features=features, queries={"resampled": 0.5})
    return made(written, corpus, tmp_path, model)


def test_mining_finds_the_most_similar_wrong_pictures(learned: Made, tmp_path: Path) -> None:
    learner = learned.learner
    table = learned.sampler.epoch(random.Random(0)).table
    found = Miner(Mined(count=3), tmp_path / "stage").negatives(learner, table, 0)
    assert found is not None and found.shape == (len(table), 3)
    assert learner.training
    learner.eval()
    with torch.no_grad():
        queries, pictures = everything(learner, table)
    scores = (queries @ pictures.T).numpy()
    assert scores.shape == (24, 30)
    for row, known in enumerate(table.known()):
        scores[row, list(known)] = -np.inf
        best = np.sort(scores[row])[::-1][:3]
        assert scores[row, found[row].numpy()] == pytest.approx(best, abs=1e-5)


def test_everything_is_what_the_model_says_of_each(learned: Made) -> None:
    """Of plain pictures and plain texts, one at a time."""
    learner, table = learned.learner, learned.sampler.given
    learner.eval()
    with torch.no_grad():
        queries, pictures = everything(learner, table)
        encoder, model = learner.encoder, learner.model
        for row in (0, 7, 23):
            reference = table.references[row : row + 1]
            image = encoder.plain_pictures(model, reference)
            text = model.encoder.texts([table.first_texts[row]])
            alone = model.compose(image, text)
            torch.testing.assert_close(queries[row : row + 1], alone, rtol=2e-3, atol=2e-3)
            own = functional.normalize(image.pooled, dim=-1)
            torch.testing.assert_close(pictures[reference], own, rtol=2e-3, atol=2e-3)


def test_mined_negatives_are_kept_for_a_run_that_resumes(
    corpus: Corpus, model: CIRModel, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = made(recipe(fusion=kind, trains="fusion", features="cached"), corpus, tmp_path, model)
    mined, folder, table = Mined(count=4, every=2, first=1), tmp_path / "stage", of.sampler.given
    assert Miner(mined, folder).negatives(of.learner, table, 0) is None
    assert not folder.exists()
    found = Miner(mined, folder).negatives(of.learner, table, 1)
    assert found is not None and found.dtype == torch.int64
    # Resuming at epoch 2, which mines nothing: those of epoch 1 are read, not mined from now.
    drift(of.learner.model, 2.0)
    with monkeypatch.context() as without:
        without.setattr(negatives, "mine", None)
        again = Miner(mined, folder).negatives(of.learner, table, 2)
    assert again is not None and torch.equal(again, found)
    later = Miner(mined, folder).negatives(of.learner, table, 3)
    assert later is not None and not torch.equal(later, found)
    assert [path.name for path in folder.iterdir()] == ["negatives-3.npy"]
