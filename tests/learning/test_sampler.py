"""learning/tasks.py: what is learned of pictures beside queries."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from samebut.errors import RecipeError
from samebut.learning.objective.attributes import Prototypes, naming_loss
from samebut.learning.data.corpus import Composed, Corpus, Part
from samebut.learning.encoders.base import Features, every_token
from samebut.learning.recipe.schema import Recipe, Stage
from samebut.learning.objective.tasks import Align, Compose, Drawn, Learner
from samebut.preprocess import Preprocess

SMALL = Preprocess(size=16, padding="target", fill="edge", mean=(0.5,) * 3, std=(0.25,) * 3)


def test_only_columns_that_are_wanted_are_named() -> None:
    rows = ({"kind": "bag", "colour": "red"}, {"kind": "hat", "colour": "blue"}) * 2
    corpus = Corpus((), rows, (Part("all", 0, 4, ()),), SMALL, Path())
    stage = Stage("align", epochs=1, batch=2, lr=1e-3, attributes=1.0, columns=("colour",))
    task = Align(corpus, stage, Recipe("r", (stage,)))
    task.check(None)  # type: ignore[arg-type]
    assert task.attributes.keys() == {"colour"}
    stage = replace(stage, columns=("colour", "pocket"))
    with pytest.raises(RecipeError, match="'pocket'") as raised:
        Align(corpus, stage, Recipe("r", (stage,))).check(None)  # type: ignore[arg-type]
    assert "article, colour" in str(raised.value.hint)


@pytest.mark.parametrize("task", [Align, Compose])
def test_what_is_to_stay_is_learned_from(task: type[Align | Compose]) -> None:
    corpus = Corpus((), ({"title": "a"}, {"title": "b"}), (Part("all", 0, 2, ()),), SMALL, Path())
    stage = Stage("align", epochs=1, batch=2, lr=1e-3, stay={"all": 1.0})
    task(corpus, stage, Recipe("r", (stage,))).check(None)  # type: ignore[arg-type]
    stage = replace(stage, stay={"all": 1.0, "photos": 2.0})
    with pytest.raises(RecipeError, match="'photos' is to stay"):
        task(corpus, stage, Recipe("r", (stage,))).check(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("said", [{"columns": ("colour",)}, {"prototypes": 8.0}])
def test_how_attributes_are_named_is_not_said_where_none_are(said: dict[str, Any]) -> None:
    rows = ({"kind": "bag", "colour": "red"}, {"kind": "hat", "colour": "blue"}) * 2
    corpus = Corpus((), rows, (Part("all", 0, 4, ()),), SMALL, Path())
    stage = Stage("align", epochs=1, batch=2, lr=1e-3, **said)
    with pytest.raises(RecipeError, match="columns and prototypes"):
        Align(corpus, stage, Recipe("r", (stage,))).check(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", [Align, Compose])
def test_attributes_need_a_catalogue_that_has_some(task: type[Align | Compose]) -> None:
    stage = Stage("align", epochs=1, batch=2, lr=1e-3, attributes=1.0)
    corpus = Corpus((), ({"title": "a"}, {"title": "b"}), (Part("all", 0, 2, ()),), SMALL, Path())
    with pytest.raises(RecipeError, match="no column of a catalogue"):
        task(corpus, stage, Recipe("r", (stage,))).check(None)  # type: ignore[arg-type]


def test_what_is_drawn_anew_needs_rules() -> None:
    stage = Stage("compose", epochs=1, batch=2, lr=1e-3, fresh=0.5)
    corpus = Corpus((), ({"title": "a"},) * 2, (Part("all", 0, 2, ()),), SMALL, Path())
    with pytest.raises(RecipeError, match="nothing says how"):
        Compose(corpus, stage, Recipe("r", (stage,))).check(None)  # type: ignore[arg-type]


def test_every_way_to_say_a_query_is_heard() -> None:
    stage = Stage("compose", epochs=1, batch=1, lr=1e-3)
    query = Composed(0, ("in red and long", "long and in red", "long"), (1,))
    corpus = Corpus((), ({}, {}), (Part("all", 0, 2, (query,)),), SMALL, Path())
    task = Compose(corpus, stage, Recipe("r", (stage,)))
    dice = random.Random(0)
    heard = {each.text for _ in range(40) for (each,) in task.batches(dice)}
    assert heard == set(query.texts)


class TestSimilarTogether:
    """Pictures 0 to 5 and 6 to 11 are alike among themselves; 12 is like nothing."""

    @pytest.fixture
    def corpus(self) -> Corpus:
        kin = (range(6), range(6, 12))
        alike = {row: tuple(r for r in rows if r != row) for rows in kin for row in rows}
        queries = tuple(Composed(row, ("x",), (12 - row,)) for row in range(13) for _ in range(3))
        return Corpus((), ({},) * 13, (Part("all", 0, 13, queries, alike),), SMALL, Path())

    def references(self, corpus: Corpus, similar: int) -> list[int]:
        stage = Stage("compose", epochs=1, batch=39, lr=1e-3, similar=similar)
        task = Compose(corpus, stage, Recipe("r", (stage,)))
        task.check(None)  # type: ignore[arg-type]
        (batch,) = task.batches(random.Random(2))
        return [query.reference for query, *_ in batch]

    @pytest.mark.parametrize("similar", [1, 3, 6])
    def test_every_query_is_asked_once(self, corpus: Corpus, similar: int) -> None:
        assert Counter(self.references(corpus, similar)) == dict.fromkeys(range(13), 3)

    def test_like_follows_like(self, corpus: Corpus) -> None:
        def changes(similar: int) -> int:
            kinds = [row // 6 for row in self.references(corpus, similar)]
            return sum(a != b for a, b in pairwise(kinds))

        assert changes(6) <= changes(3) < changes(1)
        assert changes(6) == 2  # three clumps, each whole: 0 to 5, 6 to 11, and 12

    def test_an_epoch_does_not_end_on_what_is_like_nothing(self) -> None:
        """As many pictures are like five others as are like none: both come early and late."""
        kin = [range(start, start + 6) for start in range(0, 120, 6)]
        alike = {row: tuple(r for r in rows if r != row) for rows in kin for row in rows}
        queries = tuple(Composed(row, ("x",), (239 - row,)) for row in range(240))
        corpus = Corpus((), ({},) * 240, (Part("all", 0, 240, queries, alike),), SMALL, Path())
        stage = Stage("compose", epochs=1, batch=240, lr=1e-3, similar=6)
        (batch,) = Compose(corpus, stage, Recipe("r", (stage,))).batches(random.Random(2))
        lonely = [query.reference >= 120 for query, *_ in batch]
        assert 40 < sum(lonely[:120]) < 80

    def test_something_has_to_say_what_is_alike(self, corpus: Corpus) -> None:
        plain = Corpus((), corpus.rows, (Part("all", 0, 13, corpus.queries),), SMALL, Path())
        with pytest.raises(RecipeError, match="no query has a hard subset"):
            self.references(plain, 3)

    def test_only_where_it_is_asked_for(self, corpus: Corpus) -> None:
        (whole,) = corpus.parts
        kin = {row: whole.alike.get(row, ()) for row in range(13)}
        queries = corpus.queries
        halves = tuple(
            Part(name, rows[0], rows[-1] + 1, queries[3 * rows[0] : 3 * rows[-1] + 3], near)
            for name, rows, near in (
                ("early", range(6), {row: kin[row] for row in range(6)}),
                ("late", range(6, 13), {row: kin[row] for row in range(6, 13)}),
            )
        )
        stage = Stage("compose", epochs=1, batch=39, lr=1e-3, similar=6, similar_in=("late",))
        both = Corpus((), corpus.rows, halves, SMALL, Path())
        task = Compose(both, stage, Recipe("r", (stage,)))
        (batch,) = task.batches(random.Random(2))
        late = [n for n, (query, *_) in enumerate(batch) if 6 <= query.reference < 12]
        assert len(late) == 18 and late == list(range(late[0], late[0] + 18))
        early = [n for n, (query, *_) in enumerate(batch) if query.reference < 6]
        assert early != list(range(early[0], early[0] + 18))
        other = replace(stage, similar_in=("early",))
        with pytest.raises(RecipeError, match="no query has a hard subset"):
            Compose(
                Corpus((), corpus.rows, halves[1:], SMALL, Path()), other, Recipe("r", (other,))
            ).check(None)  # type: ignore[arg-type]


class TestWrongAnswers:
    """Those of a query's hard subset come along as candidates, a few of them each time."""

    def batch(
        self, wrong: int, seed: int = 0, parts: tuple[Part, ...] | None = None
    ) -> list[Drawn]:
        queries = tuple(Composed(row, ("x",), (row + 1,), (7, 8, 9)) for row in range(0, 6, 2))
        parts = parts or (Part("all", 0, 10, queries),)
        corpus = Corpus((Path("x.png"),) * 10, ({},) * 10, parts, SMALL, Path())
        stage = Stage("compose", epochs=1, batch=3, lr=1e-3, wrong=wrong)
        self.task = Compose(corpus, stage, Recipe("r", (stage,)))
        self.task.check(None)  # type: ignore[arg-type]
        (batch,) = self.task.batches(random.Random(seed))
        return batch

    @pytest.mark.parametrize(("wrong", "come"), [(0, 0), (1, 1), (2, 2), (5, 3)])
    def test_so_many_of_each_query(self, wrong: int, come: int) -> None:
        for each in self.batch(wrong):
            assert len(set(each.wrong)) == len(each.wrong) == come
            assert set(each.wrong) <= {7, 8, 9}
            assert set(each.pictures) == {each.query.reference, each.target, *each.wrong}

    def test_they_are_candidates(self) -> None:
        batch = self.batch(3)
        assert {7, 8, 9} <= set(self.task._pictures_of(batch))

    def test_not_the_same_each_time(self) -> None:
        assert len({each.wrong for seed in range(8) for each in self.batch(1, seed)}) == 3

    def test_other_chance_is_as_it_was(self) -> None:
        """A recipe without them draws as it did before there were any."""
        plain = [(query.reference, target) for query, target, *_ in self.batch(0)]
        queries = tuple(Composed(row, ("x",), (row + 1,)) for row in range(0, 6, 2))
        bare = self.batch(0, parts=(Part("all", 0, 10, queries),))
        assert plain == [(query.reference, target) for query, target, *_ in bare]

    def test_something_has_to_say_what_is_near(self) -> None:
        queries = tuple(Composed(row, ("x",), (row + 1,)) for row in range(0, 6, 2))
        with pytest.raises(RecipeError, match="no query has a hard subset") as caught:
            self.batch(1, parts=(Part("all", 0, 10, queries),))
        assert "leave wrong out" in str(caught.value.hint)


class TestPicturesOfABatch:
    """References and targets first; others until their number is round."""

    @pytest.mark.parametrize(("pictures", "wanted"), [(100, 32), (40, 32), (20, 20)])
    def test_up_to_a_round_number(self, pictures: int, wanted: int) -> None:
        queries = tuple(Composed(row, ("x",), (row + 1,)) for row in range(0, 18, 2))
        files = tuple(Path(f"{row}.png") for row in range(pictures))
        corpus = Corpus(
            files, ({},) * pictures, (Part("all", 0, pictures, queries),), SMALL, Path()
        )
        stage = Stage("compose", epochs=1, batch=9, lr=1e-3)
        task = Compose(corpus, stage, Recipe("r", (stage,)))
        (batch,) = task.batches(random.Random(0))
        rows = task._pictures_of(batch)
        assert len(rows) == len(set(rows)) == wanted
        assert set(range(18)) <= set(rows) <= set(range(pictures))
        assert rows == task._pictures_of(batch)


class TestPictureLoss:
    rows: ClassVar = tuple({"colour": name} for name in ("red", "blue", "", "red", "blue"))

    @pytest.fixture
    def task(self) -> Align:
        stage = Stage("align", epochs=1, batch=5, lr=1e-3, captions=0.0, attributes=2.0)
        corpus = Corpus((), self.rows, (Part("all", 0, 5, ()),), SMALL, Path())
        return Align(corpus, stage, Recipe("r", (stage,)))

    def test_it_counts_by_the_weight(self, task: Align) -> None:
        pooled = torch.tensor([[1.0, 2.0], [3.0, 0.5]])
        heads = nn.ModuleList([nn.Linear(2, 2)])
        nn.init.eye_(heads[0].weight)  # type: ignore[arg-type]
        nn.init.zeros_(heads[0].bias)  # type: ignore[arg-type]
        learner = Learner(nn.Identity(), 0.07, heads)  # type: ignore[arg-type]
        images = Features(pooled, pooled[:, None], every_token(pooled[:, None]))
        named = naming_loss(heads, task.attributes, pooled, [0, 1]).detach()
        assert float(named) > 0
        found = task.picture_loss(learner, images, [0, 1], []).detach()
        torch.testing.assert_close(found, 2.0 * named)

    def test_heads_are_prototypes_where_a_stage_says_so(self, task: Align) -> None:
        assert [type(head) for head in task.heads(2)] == [nn.Linear]
        stage = replace(task.stage, prototypes=8.0)
        (head,) = Align(task.corpus, stage, task.recipe).heads(2)
        assert isinstance(head, Prototypes) and head.scale == 8.0

    def test_captions_count_where_nothing_else_is_learned(self, task: Align) -> None:
        corpus, recipe = task.corpus, task.recipe
        plain = Stage("align", epochs=1, batch=4, lr=1e-3)
        assert Align(corpus, plain, recipe).captions == 1.0
        assert Align(corpus, plain, recipe, beside=True).captions == 0.0
        assert task.captions == 0.0

    def test_no_caption_is_drawn_where_none_is_learned(self, task: Align) -> None:
        (batch,) = task.batches(random.Random(0))
        assert sorted(batch[0]) == [0, 1, 2, 3, 4]
        assert batch[1] == []
