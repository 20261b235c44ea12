"""learning/data/sampler.py: from a corpus's queries to batches."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from samebut.data.benchmark import Query
from samebut.errors import RecipeError
from samebut.learning.data.corpus import Corpus, Part
from samebut.learning.data.sampler import Batch, Epoch, Mined, Queries, Sampler
from samebut.learning.tables import read_table
from samebut.preprocess import Preprocess
from samebut.query_maker.queries import CatalogueQueries, QueryRules

SMALL = Preprocess(size=16, padding="target", fill="edge", mean=(0.5,) * 3, std=(0.25,) * 3)
COLOURS = ("red", "blue", "green", "black", "white")
FIELDS = ("queries", "references", "targets", "texts", "negatives", "pictures")


def names(*rows: int) -> tuple[str, ...]:
    return tuple(f"{row}.png" for row in rows)


def part(count: int, queries: list[Query], name: str = "all", first: int = 0) -> Part:
    """Pictures ``0.png`` and so on, rows ``first`` and so on of the corpus."""
    place = {f"{row}.png": first + row for row in range(count)}
    return Part(name, first, first + count, tuple(queries), place)


def corpus_of(*parts: Part) -> Corpus:
    files = tuple(Path(f"{row}.png") for row in range(parts[-1].last))
    return Corpus(files, ({},) * len(files), parts, SMALL, Path())


def drawn(queries: int, pictures: int, seed: int = 0) -> list[Query]:
    rng = random.Random(seed)
    made = []
    for number in range(queries):
        rows = rng.sample(range(pictures), rng.randint(2, 6))
        texts = tuple(f"text {number} {way}" for way in range(rng.randint(1, 4)))
        made.append(Query(str(number), *names(rows[0]), texts, names(*rows[1:])))
    return made


def sampler(corpus: Corpus, *, composes: bool = True, epochs: int = 1, **keys: object) -> Sampler:
    return Sampler(corpus, read_table(Queries, {"epochs": epochs, **keys}), composes=composes)


def batches(epoch: Epoch, size: int, mined: torch.Tensor | None = None) -> list[Batch]:
    return list(epoch.batches(size, mined))


def same(ours: list[Batch], theirs: list[Batch]) -> bool:
    pairs = zip(ours, theirs, strict=True)
    return all(torch.equal(getattr(a, name), getattr(b, name)) for a, b in pairs for name in FIELDS)


class TestEpochs:
    def test_every_query_once_in_whole_batches(self) -> None:
        queries = drawn(50, 30)
        plain = sampler(corpus_of(part(30, queries)), batch=8)
        assert (plain.size, plain.steps) == (50, 6)
        epoch = plain.epoch(random.Random(1))
        found = batches(epoch, 8)
        assert [len(batch) for batch in found] == [8] * 6  # two queries are left out
        seen = torch.cat([batch.queries for batch in found]).tolist()
        assert len(set(seen)) == 48
        assert seen != sorted(seen)
        for batch in found:
            for row in range(8):
                query = queries[batch.queries[row]]
                assert names(int(batch.references[row])) == (query.reference,)
                assert names(int(batch.targets[row]))[0] in query.targets
                assert epoch.table.texts[batch.texts[row]] in query.texts
            assert batch.negatives.shape == (8, 0)
            assert not len(batch.pictures)

    def test_steps_are_of_several_batches(self) -> None:
        corpus = corpus_of(part(30, drawn(50, 30)))
        assert sampler(corpus, batch=8, accumulate=4).steps == 1
        assert sampler(corpus, batch=51).steps == 0

    @pytest.mark.parametrize("keys", [{}, {"cluster_size": 1}, {"cluster_size": 2}])
    def test_the_same_random_numbers_give_the_same_epochs(self, keys: dict[str, int]) -> None:
        plain = sampler(corpus_of(part(30, drawn(40, 30))), batch=8, **keys)
        ours, again, others = (batches(plain.epoch(random.Random(seed)), 8) for seed in (3, 3, 4))
        assert same(ours, again)
        assert not same(ours, others)
        epoch = plain.epoch(random.Random(3))
        assert same(batches(epoch, 8), batches(epoch, 8))  # an epoch resumes from its beginning

    def test_every_target_and_every_text_is_drawn(self) -> None:
        query = Query("", *names(0), ("a", "b", "c", "d"), names(1, 2, 3, 4))
        plain = sampler(corpus_of(part(5, [query] * 2)), batch=2)
        rng = random.Random(0)
        found = [batch for _ in range(500) for batch in batches(plain.epoch(rng), 2)]
        for field, least in (("texts", 0), ("targets", 1)):
            counts = torch.cat([getattr(batch, field) for batch in found]).bincount()[least:]
            assert counts.sum() == 1000 and len(counts) == 4
            assert (counts - 250).abs().max() < 5 * (1000 * 0.25 * 0.75) ** 0.5

    def test_pictures_without_queries(self) -> None:
        plain = sampler(corpus_of(part(11, [])), composes=False, batch=4)
        assert (plain.size, plain.steps) == (11, 2)
        ours, again, others = (
            list(plain.batches_of_pictures(random.Random(seed))) for seed in (3, 3, 4)
        )
        assert same(ours, again)
        assert not same(ours, others)
        assert [len(batch) for batch in ours] == [4, 4]
        rows = torch.cat([batch.pictures for batch in ours]).tolist()
        assert len(set(rows)) == 8 and set(rows) <= set(range(11))
        assert not any(len(batch.queries) for batch in ours)

    def test_a_share_of_a_batch_is_a_batch(self) -> None:
        plain = sampler(corpus_of(part(30, drawn(20, 30))), batch=12)
        mined = torch.arange(60).reshape(20, 3)
        (batch,) = batches(plain.epoch(random.Random(0)), 12, mined)
        batch = replace(batch, pictures=torch.arange(6))
        for count in (1, 2, 3):
            shares = [batch.share(rank, count) for rank in range(count)]
            assert len({len(share) for share in shares}) == 1
            for name in FIELDS:
                whole = torch.cat([getattr(share, name) for share in shares])
                assert torch.equal(whole, getattr(batch, name))


class TestSources:
    """Several data folders, limits, and queries that are drawn anew."""

    def resampling(self, *, limit: int = 0) -> tuple[Corpus, list[dict[str, str]]]:
        """A folder with pictures alone, one with queries, and one with queries and rules."""
        rows = [{"article": "bag", "colour": COLOURS[row % 5]} for row in range(20)]
        names = [f"{row}.png" for row in range(len(rows))]
        catalogue = CatalogueQueries(names, rows, QueryRules(("article", "colour"), chinese=0.0))
        parts = (
            part(4, [], "pictures"),
            part(30, drawn(10, 30), "given", first=4),
            replace(part(20, drawn(40, 20, seed=5), "rules", 34), catalogue=catalogue, limit=limit),
        )
        return corpus_of(*parts), rows

    def asked(self, epoch: Epoch) -> list[tuple[int, str]]:
        table = epoch.table
        return list(zip(table.references.tolist(), table.first_texts, strict=True))

    def test_an_epoch_has_the_queries_of_all_folders(self) -> None:
        corpus, _ = self.resampling()
        plain = sampler(corpus, batch=8)
        assert plain.size == 50 and not plain.varies
        epoch = plain.epoch(random.Random(0))
        assert len(epoch.table) == len(plain.given) == 50
        assert sorted(epoch.order.tolist()) == list(range(50))
        assert (epoch.table.references[:10] < 34).all() and (
            epoch.table.references[10:] >= 34
        ).all()

    def test_so_many_queries_of_a_folder_anew_in_each_epoch(self) -> None:
        corpus, _ = self.resampling(limit=12)
        plain = sampler(corpus, batch=8)
        assert plain.size == 22 and plain.steps == 2 and plain.varies
        seen: set[tuple[int, str]] = set()
        for seed in range(20):
            asked = self.asked(plain.epoch(random.Random(seed)))
            assert len(asked) == len(set(asked)) == 22
            assert sum(reference < 34 for reference, _ in asked) == 10
            seen |= set(asked)
        assert len(seen) == 50  # none is left out for ever

    @pytest.mark.parametrize(("limit", "share", "new"), [(0, 0.25, 10), (12, 0.5, 6), (0, 1.0, 40)])
    def test_a_share_is_drawn_anew(self, limit: int, share: float, new: int) -> None:
        """Of the folder that has rules; the other one keeps its own."""
        corpus, rows = self.resampling(limit=limit)
        plain = sampler(corpus, batch=8, resampled=share)
        own = set(self.asked(replace_epoch(plain)))
        epochs = [plain.epoch(random.Random(seed)) for seed in (0, 1)]
        for epoch in epochs:
            assert len(epoch.table) == plain.size == 10 + (limit or 40)
            asked = self.asked(epoch)
            drawn_anew = [each for each in asked if each not in own]
            assert len(drawn_anew) == new
            assert all(reference >= 34 for reference, _ in drawn_anew)
            assert sum(reference < 34 for reference, _ in asked) == 10
            assert sorted(epoch.order.tolist()) == list(range(plain.size))
            for row in range(len(asked) - new, len(asked)):
                reference = rows[int(epoch.table.references[row]) - 34]
                targets, _ = epoch.table.targets.rows(torch.tensor([row]))
                assert len(targets)
                for target in (targets - 34).tolist():
                    assert rows[target]["colour"] != reference["colour"]
                    assert rows[target]["colour"] in asked[row][1]
        assert self.asked(epochs[0]) != self.asked(epochs[1])
        assert self.asked(plain.epoch(random.Random(0))) == self.asked(epochs[0])

    def test_negatives_of_long_ago_are_of_other_queries(self) -> None:
        mined = {"count": 2, "every": 2}
        with pytest.raises(RecipeError, match=r"mined\.every = 2 can't hold"):
            sampler(corpus_of(part(9, [])), batch=2, mined=mined, resampled=0.1)


def replace_epoch(plain: Sampler) -> Epoch:
    """An epoch of all queries as their folders have them."""
    return Epoch(plain.given, torch.arange(len(plain.given)), 0, 0)


class TestClusters:
    """Pictures 0 to 5 and 6 to 11 are alike among themselves; 12 is like nothing."""

    @pytest.fixture
    def corpus(self) -> Corpus:
        queries = []
        for row in range(13):
            near = range(6) if row < 6 else range(6, 12)
            subset = names(*near) if row < 12 else None
            queries += [Query("", *names(row), ("x",), names(12 - row), subset)] * 3
        return corpus_of(part(13, queries))

    def references(self, corpus: Corpus, cluster_size: int, batch: int = 39) -> list[list[int]]:
        plain = sampler(corpus, batch=batch, cluster_size=cluster_size)
        return [each.references.tolist() for each in batches(plain.epoch(random.Random(2)), batch)]

    @pytest.mark.parametrize("cluster_size", [0, 1, 3, 6])
    def test_every_query_is_asked_once(self, corpus: Corpus, cluster_size: int) -> None:
        plain = sampler(corpus, batch=39, cluster_size=cluster_size)
        (batch,) = batches(plain.epoch(random.Random(2)), 39)
        assert sorted(batch.queries.tolist()) == list(range(39))
        assert Counter(batch.references.tolist()) == dict.fromkeys(range(13), 3)

    def test_queries_of_a_reference_come_together(self, corpus: Corpus) -> None:
        """Three at most: the others come by themselves, elsewhere."""
        for batch in self.references(corpus, 1, batch=3):
            assert len(set(batch)) == 1
        many = corpus_of(part(13, [*corpus.queries, *corpus.queries[:4]]))
        (whole,) = self.references(many, 1, batch=43)
        runs = [whole[at : at + 3] for at in range(41) if len(set(whole[at : at + 3])) == 1]
        assert len(runs) >= 13
        assert Counter(whole)[0] == 6 and Counter(whole)[1] == 4

    def test_like_follows_like(self, corpus: Corpus) -> None:
        def changes(cluster_size: int) -> int:
            ((*rows,),) = self.references(corpus, cluster_size)
            return sum(a // 6 != b // 6 for a, b in pairwise(rows))

        assert changes(6) <= changes(3) < changes(1) < changes(0)
        assert changes(6) == 2  # three clusters, each whole: 0 to 5, 6 to 11, and 12

    def test_references_that_are_alike_are_in_one_batch(self) -> None:
        """Batches of two clusters each; a reference has one query."""
        queries = []
        for row in range(60):
            near = range(row // 3 * 3, row // 3 * 3 + 3)
            queries.append(Query("", *names(row), ("x",), names((row + 9) % 60), names(*near)))
        corpus = corpus_of(part(60, queries))
        for batch in self.references(corpus, 3, batch=6):
            assert sorted(Counter(row // 3 for row in batch).values()) == [3, 3]

    def test_an_epoch_does_not_end_on_what_is_like_nothing(self) -> None:
        """As many pictures are like five others as are like none: both come early and late."""
        queries = []
        for row in range(240):
            near = names(*range(row // 6 * 6, row // 6 * 6 + 6)) if row < 120 else None
            queries.append(Query("", *names(row), ("x",), names(239 - row), near))
        (batch,) = self.references(corpus_of(part(240, queries)), 6, batch=240)
        lonely = [row >= 120 for row in batch]
        assert 40 < sum(lonely[:120]) < 80


class TestNegatives:
    """Those of a query's hard subset come along as candidates, a few of them each time."""

    @pytest.fixture
    def corpus(self) -> Corpus:
        queries = [
            Query("", *names(row), ("x",), names(row + 1), names(row, row + 1, 7, 8, 9))
            for row in range(0, 6, 2)
        ]
        return corpus_of(part(10, queries))

    @pytest.mark.parametrize(("asked", "come"), [(1, 1), (2, 2), (5, 3)])
    def test_so_many_of_each_query(self, corpus: Corpus, asked: int, come: int) -> None:
        plain = sampler(corpus, batch=3, hard_negatives=asked)
        (batch,) = batches(plain.epoch(random.Random(0)), 3)
        assert batch.negatives.shape == (3, asked)
        for negatives in batch.negatives.tolist():
            real = [row for row in negatives if row >= 0]
            assert len(set(real)) == len(real) == come
            assert set(real) <= {7, 8, 9}
            assert negatives.count(-1) == asked - come

    def test_not_the_same_each_time(self, corpus: Corpus) -> None:
        plain = sampler(corpus, batch=3, hard_negatives=1)
        found = [batches(plain.epoch(random.Random(seed)), 3)[0] for seed in range(8)]
        assert torch.cat([batch.negatives for batch in found]).unique().tolist() == [7, 8, 9]

    def test_a_recipe_without_them_draws_the_same_epochs(self, corpus: Corpus) -> None:
        """Whether or not the data has hard subsets."""
        bare = corpus_of(part(10, [replace(query, subset=None) for query in corpus.queries]))
        (ours,), (theirs,) = (
            batches(sampler(each, batch=3).epoch(random.Random(0)), 3) for each in (corpus, bare)
        )
        assert same([ours], [theirs])

    def test_mined_ones_are_those_of_the_query(self, corpus: Corpus) -> None:
        mined = torch.arange(6).reshape(3, 2)
        plain = sampler(corpus, batch=3, hard_negatives=1)
        orders = set()
        for seed in range(8):
            (batch,) = batches(plain.epoch(random.Random(seed)), 3, mined)
            assert batch.negatives.shape == (3, 3)
            assert torch.equal(batch.negatives[:, :2], mined[batch.queries])
            assert set(batch.negatives[:, 2].tolist()) <= {7, 8, 9}
            orders.add(tuple(batch.queries.tolist()))
        assert len(orders) > 2


class TestMined:
    def test_at_an_interval(self) -> None:
        mined = Mined(count=1, every=3, first=2)
        found = [mined.mined_before(epoch) for epoch in range(9)]
        assert found == [None, None, 2, 2, 2, 5, 5, 5, 8]
        assert [Mined(count=1).mined_before(epoch) for epoch in range(4)] == [0, 1, 2, 3]

    def test_never_where_none_are_asked_for(self) -> None:
        assert [Mined(every=3).mined_before(epoch) for epoch in range(4)] == [None] * 4

    @pytest.mark.parametrize("wrong", [{"every": 0}, {"every": -1}, {"first": -1}, {"count": -1}])
    def test_an_interval_is_an_epoch_or_more(self, wrong: dict[str, int]) -> None:
        with pytest.raises(RecipeError, match=f"{next(iter(wrong))} is "):
            read_table(Mined, wrong)
