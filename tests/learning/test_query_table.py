"""learning/data/query_table.py: queries as tensors, against the same said with loops."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samebut.data.benchmark import Query
from samebut.learning.data.query_table import Lists, QueryTable

Said = tuple[int, list[int], list[str], list[int]]
"""Reference, targets, texts and wrong answers of a query."""

PLACE = {f"{row}.png": row for row in range(30)}


def query(reference: int, texts: tuple[str, ...], targets: tuple[int, ...], *subset: int) -> Query:
    names = tuple(f"{row}.png" for row in subset)
    return Query("", f"{reference}.png", texts, tuple(f"{row}.png" for row in targets), names)


def rows_of(names: tuple[str, ...]) -> set[int]:
    return {PLACE[name] for name in names}


def drawn(queries: int, pictures: int, seed: int = 0) -> list[Query]:
    rng = random.Random(seed)
    made = []
    for number in range(queries):
        rows = rng.sample(range(pictures), rng.randint(2, 6))
        texts = tuple(f"text {number % 7} {way}" for way in range(rng.randint(1, 4)))
        subset = rng.sample(range(pictures), rng.randint(0, 6))
        made.append(query(rows[0], texts, tuple(rows[1:]), *subset))
    return made


def read_back(table: QueryTable) -> list[Said]:
    """Every query of a table."""
    found = []
    for row in range(len(table)):
        one = torch.tensor([row])
        targets, said, wrong = (
            lists.rows(one)[0].tolist() for lists in (table.targets, table.said, table.wrong)
        )
        texts = [table.texts[number] for number in said]
        found.append((int(table.references[row]), targets, texts, wrong))
    return found


def expected(queries: list[Query], shift: int = 0) -> list[Said]:
    return [
        (
            PLACE[each.reference] + shift,
            [PLACE[name] + shift for name in each.targets],
            [*each.texts],
            [
                PLACE[name] + shift
                for name in each.subset or ()
                if name not in (each.reference, *each.targets)
            ],
        )
        for each in queries
    ]


def test_a_table_holds_what_its_queries_say() -> None:
    queries = drawn(40, 30)
    table = QueryTable.of(queries, PLACE)
    assert len(table) == 40
    assert len(set(table.texts)) == len(table.texts)
    assert read_back(table) == expected(queries)


def test_wrong_answers_are_neither_the_reference_nor_a_target_nor_unknown() -> None:
    one = Query("", "1.png", ("x",), ("2.png", "3.png"), ("1.png", "2.png", "9.png", "?", "3.png"))
    table = QueryTable.of([one, query(4, ("x",), (5,))], PLACE)
    assert [row[3] for row in read_back(table)] == [[9], []]
    bare = QueryTable.of([Query("", "1.png", ("x",), ("2.png",))], PLACE)
    assert read_back(bare) == [(1, [2], ["x"], [])]


def test_tables_are_joined_and_cut() -> None:
    """Of two folders: the rows of the second one's pictures begin behind the first one's."""
    first, second = drawn(12, 30, seed=1), drawn(9, 30, seed=2)
    behind = {name: row + 30 for name, row in PLACE.items()}
    parts = [QueryTable.of(first, PLACE), QueryTable.of([], {}), QueryTable.of(second, behind)]
    table = QueryTable.joined(parts)
    wanted = expected(first) + expected(second, shift=30)
    assert read_back(table) == wanted
    rows = [20, 3, 3, 15]
    assert read_back(table.take(torch.tensor(rows))) == [wanted[row] for row in rows]
    again = QueryTable.joined([table.take(torch.tensor([18, 2])), table.take(torch.tensor([7]))])
    assert read_back(again) == [wanted[row] for row in (18, 2, 7)]


def test_every_number_of_a_list_is_drawn_equally() -> None:
    """FashionIQ's four ways to say a query, 25 % each: 4,000 draws within five deviations."""
    lists, rng = Lists.of([[9], [1, 2, 3, 4]]), torch.Generator().manual_seed(0)
    found = lists.draw(torch.ones(4000, dtype=torch.int64), rng)
    counts = found.bincount()
    assert counts[0] == 0 and len(counts) == 5
    assert (counts[1:] - 1000).abs().max() < 5 * (4000 * 0.25 * 0.75) ** 0.5
    assert lists.draw(torch.zeros(5, dtype=torch.int64), rng).tolist() == [9] * 5


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.integers(0, 99), unique=True, max_size=6), min_size=1, max_size=8),
    st.integers(0, 5),
    st.integers(0, 99),
)
def test_a_sample_is_of_different_numbers_and_says_where_it_is_short(
    lists: list[list[int]], most: int, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    found = Lists.of(lists).sample(torch.arange(len(lists)), most, rng)
    assert found.shape == (len(lists), most)
    for numbers, chosen in zip(lists, found.tolist(), strict=True):
        real = chosen[: min(most, len(numbers))]
        assert set(real) <= set(numbers) and len(set(real)) == len(real)
        assert chosen[len(real) :] == [-1] * (most - len(real))


@pytest.mark.parametrize("seed", range(5))
def test_marks_are_what_loops_would_find(seed: int) -> None:
    """Candidates repeat, as targets, negatives and references of a batch do."""
    queries = drawn(40, 15, seed)
    table = QueryTable.of(queries, PLACE)
    rng = random.Random(seed)
    rows = torch.tensor(rng.sample(range(40), 12))
    candidates = torch.tensor([rng.randrange(15) for _ in range(50)])
    positives, allowed = table.marks(rows, candidates)
    for place, row in enumerate(rows.tolist()):
        for column, picture in enumerate(candidates.tolist()):
            assert positives[place, column] == (picture in rows_of(queries[row].targets))
            assert allowed[place, column] == (picture != PLACE[queries[row].reference])


def test_a_target_that_is_the_reference_counts() -> None:
    """A query that is answered by the picture it begins with would have no answer without it."""
    table = QueryTable.of([query(1, ("x",), (1, 2))], PLACE)
    positives, allowed = table.marks(torch.tensor([0]), torch.tensor([0, 1, 2]))
    assert positives.tolist() == [[False, True, True]]
    assert allowed.tolist() == [[True, True, True]]


def test_what_is_never_wrong() -> None:
    queries = drawn(20, 30)
    known = QueryTable.of(queries, PLACE).known()
    assert [set(rows) for rows in known] == [
        rows_of((each.reference, *each.targets)) for each in queries
    ]


def test_the_first_way_to_say_it() -> None:
    table = QueryTable.of([query(0, ("a", "b"), (1,)), query(1, ("b", "c"), (0,))], PLACE)
    assert table.texts == ["a", "b", "c"]
    assert table.first_texts == ["a", "b"]


def test_a_list_that_many_queries_share_lies_there_once() -> None:
    everything = tuple(PLACE)
    queries = [
        Query("", f"{row}.png", ("not red",), everything if row < 20 else ("3.png",), ())
        for row in range(30)
    ]
    table = QueryTable.of(queries, PLACE)
    assert len(table.targets.flat) <= 30 + 10
    positives, allowed = table.marks(torch.tensor([0, 25]), torch.tensor([0, 3, 25, 29]))
    assert positives.tolist() == [[True, True, True, True], [False, True, False, False]]
    assert allowed.tolist() == [[True, True, True, True], [True, True, False, True]]
