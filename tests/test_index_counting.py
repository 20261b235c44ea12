"""index/counting.py: counting a long column from a part of its values gives the exact counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from samebut.index import Address, Index, counting
from samebut.index.mentions import mentions_in
from samebut.language.labels import Labels
from samebut.values import fold
from stores import create, picture

LONG = {"READ_WHOLE": 4, "_HEAD": 3, "_AT_ONCE": 2}
"""So that columns of five values are long."""


@pytest.fixture
def index(new_address: Callable[[], Address]) -> Iterator[Index]:
    with closing(create(new_address())) as index:
        index.put([picture(f"{i:02d}", i) for i in range(40)])
        yield index


@pytest.fixture
def long_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LONG.items():
        monkeypatch.setattr(counting, name, value)


def cells(dice: np.random.Generator, values: int) -> dict[str, str]:
    """By picture: rare and common values, in capitals or not; a fifth have none, and some paths
    have no picture."""
    names = [f"value {dice.integers(1, 1 + dice.integers(1, values + 1)):02d}" for _ in range(48)]
    spelled = [name.upper() if dice.random() < 0.3 else name for name in names]
    return {f"{i:02d}": text if dice.random() < 0.8 else "" for i, text in enumerate(spelled)}


def counted(column: dict[str, str], passing: set[str], limit: int) -> list[tuple[str, int]]:
    """The right answer, cell by cell."""
    groups: dict[str, Counter[str]] = {}
    for name, text in column.items():
        if text and name in passing:
            groups.setdefault(fold(text), Counter())[text] += 1
    best = sorted((-spelled.total(), folded) for folded, spelled in groups.items())[:limit]
    return [
        (max((n, text) for text, n in groups[folded].items())[1], -count) for count, folded in best
    ]


@pytest.mark.usefixtures("long_columns")
@pytest.mark.parametrize("affordable", [0, 1, 2, 100])
@pytest.mark.parametrize("values", [6, 20, 400])
def test_facets_of_long_columns(
    index: Index, values: int, affordable: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_ROWS_A_PICTURE", affordable)
    dice = np.random.default_rng(values)
    for _ in range(5):
        table = {name: cells(dice, values) for name in ("title", "seller")}
        share = {f"{i:02d}": "yes" if dice.random() < 0.4 else "no" for i in range(40)}
        index.set_metadata(
            {
                name: {column: table[column][name] for column in table}
                | {"share": share.get(name, "")}
                for name in table["title"]
            }
        )
        indexed = set(share)
        some = {name for name, said in share.items() if said == "yes"}
        for limit in (1, 3, 5, 60):
            for where, passing in ((None, indexed), ("share = 'yes'", some)):
                facets = index.facets(limit, where)
                for column, texts in table.items():
                    assert facets[column] == counted(texts, passing, limit)


@pytest.mark.usefixtures("long_columns")
def test_values_that_no_sample_holds_are_found_in_sentences(index: Index) -> None:
    rows = {f"{i:02d}": {"brand": f"Maker{i}"} for i in range(40)}
    index.set_metadata(rows)
    labels = Labels(values={("brand", "maker7"): {"zh": "七牌"}})
    vocabulary = index.vocabulary(labels)
    assert vocabulary.sampled == ("brand",)
    assert len(vocabulary.values) < 20
    for sentence, brand in (
        ("red shoes by Maker33", "Maker33"),
        ("brand maker1, in blue", "Maker1"),
        ("MAKER25 shoes", "Maker25"),
        ("七牌的鞋子", "Maker7"),
    ):
        assert [str(each.where) for each in mentions_in(sentence, vocabulary)] == [
            f"\"brand\" = '{brand}'"
        ]
    assert mentions_in("shoes by Maker99", vocabulary) == []
    assert "maker33" not in vocabulary.values


@pytest.mark.usefixtures("long_columns")
def test_a_column_that_has_left_names_nothing(index: Index) -> None:
    index.set_metadata({f"{i:02d}": {"brand": f"Maker{i}"} for i in range(40)})
    vocabulary = index.vocabulary(Labels())
    index.set_metadata({"00": {"colour": "red"}})
    assert mentions_in("shoes by Maker33", vocabulary) == []
