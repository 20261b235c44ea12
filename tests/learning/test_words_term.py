"""learning/objective/words.py: the text tower learns words that no caption has."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from learners import DICTIONARY, ENCODER, made, recipe, shapes, use_tiny_words
from torch import Tensor

from samebut.errors import RecipeError
from samebut.learning.data import encoding
from samebut.learning.encoders.base import unit
from samebut.learning.objective import words
from samebut.learning.objective.words import Words, pair_of, same_meaning
from samebut.learning.run.initial_model import initial_model

pytestmark = pytest.mark.usefixtures("quiet_torch", "tiny_lists")

OWN = (("trainers", "sneakers", "运动鞋"), ("cup", "mug", "杯子"))
LOSS = {"contrast": {"weight": 0.0}, "words": {"weight": 1.0, "batch": 16}}


@pytest.fixture
def tiny_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_words(monkeypatch)
    monkeypatch.setattr(words, "own_groups", lambda: OWN)


def test_it_learns_what_it_is_taught(tmp_path: Path) -> None:
    """Translations find each other, and the map of the features agrees with the teacher."""
    of = made(recipe(loss=LOSS, trains="text"), shapes(tmp_path), tmp_path)
    weights = [each for each in of.learner.parameters() if each.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=0.01)
    term = of.learner.objective.terms["words"]

    @torch.no_grad()
    def judged() -> tuple[float, float]:
        """The share of phrases next to one of their own group; the mean cosine to the teacher."""
        said = unit(of.learner.model.encoder.texts(list(term.place)).pooled)
        group_of = {phrase: n for n, group in enumerate((*OWN, *DICTIONARY)) for phrase in group}
        groups = torch.tensor([group_of[phrase] for phrase in term.place])
        nearest = (said @ said.T).fill_diagonal_(-2).argmax(1)
        found = (groups[nearest] == groups).float().mean()
        return float(found), float((unit(term.map(said)) * term.vectors.float()).sum(1).mean())

    before = judged()
    for seed in range(60):
        optimizer.zero_grad()
        of.loss_of(*of.batch(), seed=seed).backward()
        optimizer.step()
    after = judged()  # the teacher tells apart what is one in a group: no cosine of 1
    assert after[0] == 1 and after[1] > 0.4
    assert before[0] < 0.8 and before[1] < 0.2


def test_phrases_encoded_by_length_keep_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []
    for at_once in (64, 3):
        monkeypatch.setattr(encoding, "ALIKE_AT_ONCE", at_once)
        torch.manual_seed(4)
        of = made(recipe(loss=LOSS), shapes(tmp_path / str(at_once)), tmp_path / str(at_once))
        losses.append(of.loss())
    torch.testing.assert_close(*losses)


def test_pairs_are_two_phrases_of_a_group_and_mostly_translations() -> None:
    rng = random.Random(0)
    pairs = [pair_of(OWN[0], rng) for _ in range(200)]
    assert all(one != other and {one, other} <= set(OWN[0]) for one, other in pairs)
    translated = sum(one.isascii() != other.isascii() for one, other in pairs)
    assert 150 < translated < 200
    assert {pair_of(("cup", "mug"), rng) for _ in range(20)} == {("cup", "mug"), ("mug", "cup")}


def test_groups_that_share_a_phrase_mean_the_same() -> None:
    found = same_meaning([("a", "b"), ("b", "c"), ("d", "e")])
    assert found.tolist() == [[True, True, False], [True, True, False], [False, False, True]]


def test_both_lists_are_drawn_from(tmp_path: Path) -> None:
    options = Words.Options(weight=1.0, batch=400)
    corpus = shapes(tmp_path)
    term = Words(options, corpus, initial_model(recipe(), corpus).model)
    drawn = term.drawn(random.Random(0))
    assert len(drawn) == 200 and set(drawn) == {*OWN, *DICTIONARY}
    assert 60 < sum(group in OWN for group in drawn) < 100


def test_the_tokenizer_learns_the_words_that_a_stage_teaches(tmp_path: Path) -> None:
    corpus = shapes(tmp_path)

    def pieces(loss: dict[str, dict[str, float]], text: str) -> Tensor:
        written = recipe(loss=loss, top={"encoder": ENCODER | {"vocabulary": 900}})
        return initial_model(written, corpus).model.encoder.tokenize([text])[1].sum()

    assert set(Words.texts(Words.Options())) == {each for g in (*OWN, *DICTIONARY) for each in g}
    assert pieces(LOSS, "鹬鸵") < pieces({}, "鹬鸵")


def test_a_missing_package_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise RecipeError("not installed", hint="pip install")

    for name in ("published_teacher", "dictionary_groups"):
        with monkeypatch.context() as patched:
            patched.setattr(words, name, missing)
            with pytest.raises(RecipeError, match="not installed"):
                Words.check(Words.Options(weight=1.0), shapes(tmp_path / name))
