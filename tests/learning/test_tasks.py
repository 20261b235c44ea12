"""learning/tasks.py: what is learned of pictures beside queries."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional

from samebut.errors import RecipeError
from samebut.learning.corpus import Composed, Corpus, Part
from samebut.learning.encoders import Features, every_token
from samebut.learning.recipe import Recipe, Stage
from samebut.learning.tasks import SMOOTHING, UNSAID, Align, Compose, attributes_of
from samebut.preprocess import Preprocess

SMALL = Preprocess(size=16, padding="target", fill="edge", mean=(0.5,) * 3, std=(0.25,) * 3)


def labels_of(rows: list[dict[str, str]], *, by_kind: bool = False) -> dict[str, list[int]]:
    found = attributes_of(rows, by_kind=by_kind)
    return {name: attribute.labels.tolist() for name, attribute in found.items()}


def test_labels_are_numbers_of_values_and_unknown_where_nothing_is_said() -> None:
    rows = [
        {"file": "a", "title": "x", "colour": "red", "article": "shirt"},
        {"file": "b", "title": "y", "colour": "", "article": "dress"},
        {"file": "c", "title": "z", "colour": "blue", "article": "shirt"},
    ] * 2
    # Nothing that names the file or says it twice.
    assert labels_of(rows) == {"colour": [1, -1, 0] * 2, "article": [1, 0, 1] * 2}


def test_what_is_worn_is_one_attribute_in_every_catalogue() -> None:
    rows = [{"article": "shirt", "gender": "men"}, {"kind": "shirt"}, {"kind": "dress"}] * 2
    assert labels_of(rows) == {"article": [1, 1, 0] * 2}
    assert labels_of([{"kind": row.get("kind", "shirt")} for row in rows]) == labels_of(rows)


def test_a_column_of_one_value_teaches_nothing() -> None:
    rows = [{"colour": "red"}, {"colour": "red"}, {"colour": ""}]
    assert labels_of(rows) == {}
    rows = [{"kind": "bag", "colour": "red"}, {"kind": "coat", "colour": "red"}] * 2
    assert labels_of(rows, by_kind=True).keys() == {"article"}


def test_a_column_in_which_most_pictures_differ_describes_none() -> None:
    rows = [{"price": f"{n // 2 * 10 + n % 3}", "colour": "red" if n % 2 else ""} for n in range(9)]
    rows += [{"colour": "blue", "price": ""}] * 3
    assert labels_of(rows).keys() == {"colour"}


class TestByKind:
    rows: ClassVar = [
        {"article": "bag", "pockets": "yes"},
        {"kind": "coat", "pockets": "yes"},
        {"kind": "coat", "pockets": "no"},
        {"kind": "hat", "pockets": ""},
        {"pockets": "no"},
    ] * 2

    def test_a_value_counts_apart_for_each_kind(self) -> None:
        labels = labels_of(self.rows, by_kind=True)
        assert labels["pockets"] == [1, 3, 2, -1, 0] * 2
        assert labels["article"] == [0, 1, 1, 2, -1] * 2
        assert labels["article"] == labels_of(self.rows)["article"]

    def test_it_is_chosen_among_those_of_its_kind(self) -> None:
        pockets = attributes_of(self.rows, by_kind=True)["pockets"]
        assert pockets.groups.tolist() == [0, 1, 2, 2]
        logits = torch.tensor([[5.0, 9.0, 0.0, 0.0]]).expand(5, 4)
        loss = pockets.loss(logits, torch.arange(5))
        # The only value of its kind costs nothing; one of two, as likely, the log of two.
        assert loss.tolist() == pytest.approx([0.0, math.log(2), math.log(2), 0.0])

    def test_other_kinds_learn_nothing_from_it(self) -> None:
        pockets = attributes_of(self.rows, by_kind=True)["pockets"]
        logits = torch.randn(1, 4, generator=torch.manual_seed(0)).requires_grad_()
        pockets.loss(logits, torch.tensor([1])).sum().backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        assert (logits.grad[0] != 0).tolist() == [False, False, True, True]

    def test_a_stage_says_it(self) -> None:
        corpus = Corpus((), tuple(self.rows), (Part("all", 0, 10, ()),), SMALL, Path())
        for by_kind, values in ((False, 2), (True, 4)):
            stage = Stage("align", epochs=1, batch=4, lr=1e-3, attributes=1.0, by_kind=by_kind)
            task = Align(corpus, stage, Recipe("r", (stage,)))
            sizes = [len(head.weight) for head in task.heads(3)]
            assert dict(zip(task.attributes, sizes, strict=True))["pockets"] == values


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


@pytest.mark.parametrize("said", [{"columns": ("colour",)}, {"by_kind": True}])
def test_how_attributes_are_named_is_not_said_where_none_are(said: dict[str, Any]) -> None:
    rows = ({"kind": "bag", "colour": "red"}, {"kind": "hat", "colour": "blue"}) * 2
    corpus = Corpus((), rows, (Part("all", 0, 4, ()),), SMALL, Path())
    stage = Stage("align", epochs=1, batch=2, lr=1e-3, **said)
    with pytest.raises(RecipeError, match="columns and by_kind"):
        Align(corpus, stage, Recipe("r", (stage,))).check(None)  # type: ignore[arg-type]


def test_without_kinds_it_is_the_usual_cross_entropy() -> None:
    colours = attributes_of([{"colour": c} for c in ("red", "", "blue", "green") * 2])["colour"]
    logits = torch.randn(8, 3, generator=torch.manual_seed(0))
    expected = functional.cross_entropy(
        logits, colours.labels, ignore_index=UNSAID, label_smoothing=SMOOTHING, reduction="sum"
    )
    torch.testing.assert_close(colours.loss(logits, torch.arange(8)).sum(), expected)


def test_a_column_may_be_called_anything() -> None:
    rows = ({"type": "boot", "heel.height": "low"}, {"type": "pump", "heel.height": "high"}) * 2
    stage = Stage("align", epochs=1, batch=4, lr=1e-3, attributes=1.0)
    corpus = Corpus((), rows, (Part("all", 0, 4, ()),), SMALL, Path())
    heads = Align(corpus, stage, Recipe("r", (stage,))).heads(3)
    assert [head.weight.shape for head in heads] == [(2, 3), (2, 3)]


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
    heard = {text for _ in range(40) for ((_, _, text),) in task.batches(dice)}
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
        return [query.reference for query, _, _ in batch]

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
        lonely = [query.reference >= 120 for query, _, _ in batch]
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
        late = [n for n, (query, _, _) in enumerate(batch) if 6 <= query.reference < 12]
        assert len(late) == 18 and late == list(range(late[0], late[0] + 18))
        early = [n for n, (query, _, _) in enumerate(batch) if query.reference < 6]
        assert early != list(range(early[0], early[0] + 18))
        other = replace(stage, similar_in=("early",))
        with pytest.raises(RecipeError, match="no query has a hard subset"):
            Compose(
                Corpus((), corpus.rows, halves[1:], SMALL, Path()), other, Recipe("r", (other,))
            ).check(None)  # type: ignore[arg-type]


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


class TestAttributeLoss:
    rows: ClassVar = tuple({"colour": name} for name in ("red", "blue", "", "red", "blue"))

    @pytest.fixture
    def task(self) -> Align:
        stage = Stage("align", epochs=1, batch=5, lr=1e-3, captions=0.0, attributes=2.0)
        corpus = Corpus((), self.rows, (Part("all", 0, 5, ()),), SMALL, Path())
        return Align(corpus, stage, Recipe("r", (stage,)))

    def loss(self, task: Align, pooled: torch.Tensor, rows: list[int]) -> float:
        class Heads(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.heads = task.heads(2)
                nn.init.eye_(self.heads[0].weight)
                nn.init.zeros_(self.heads[0].bias)

        images = Features(pooled, pooled[:, None], every_token(pooled[:, None]))
        return float(task.picture_loss(Heads(), images, rows, []).detach())  # type: ignore[arg-type]

    def test_it_is_smoothed_cross_entropy_times_the_weight(self, task: Align) -> None:
        pooled = torch.tensor([[1.0, 2.0], [3.0, 0.5]])  # blue is 0, red is 1
        log_p = pooled.log_softmax(1)
        aims = torch.tensor([[0.05, 0.95], [0.95, 0.05]])
        expected = 2.0 * float(-(aims * log_p).sum(1).mean())
        assert self.loss(task, pooled, [0, 1]) == pytest.approx(expected, rel=1e-5)

    def test_what_a_catalogue_does_not_say_is_not_asked(self, task: Align) -> None:
        known, unknown = [1.0, 2.0], [5.0, -5.0]
        alone = self.loss(task, torch.tensor([known]), [0])
        both = self.loss(task, torch.tensor([known, unknown]), [0, 2])
        assert both == pytest.approx(alone / 2, rel=1e-5)  # half of the pictures know theirs
        assert self.loss(task, torch.tensor([unknown]), [2]) == 0.0

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
