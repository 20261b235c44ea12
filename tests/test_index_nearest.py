"""index/nearest.py: the suggestions for a filter that no picture passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from samebut.errors import FilterError
from samebut.index import Address, Index, PictureRow

ROWS = {
    "a": {"colour": "blue", "price": "$19.90", "sale": "yes"},
    "b": {"colour": "light blue", "price": "1,299.00", "sale": "yes"},
    "c": {"colour": "red", "price": "ask us", "sale": "yes"},
    "d": {"colour": "blue", "price": "$5"},
    "not there": {"colour": "blux", "size": "L"},
}


@pytest.fixture(scope="module")
def index(new_address: Callable[[], Address]) -> Iterator[Index]:
    with closing(new_address().create(dim=2, fingerprint="f", model="m")) as index:
        vector = np.array([1, 0], np.float32)
        index.put([PictureRow(name, 1, 1, name, 1, 1, vector) for name in "abcd"])
        index.set_metadata(ROWS)
        yield index


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("colour = 'blu'", "colour: no picture has 'blu'; nearest: 'blue' (2), 'light blue' (1)"),
        ("COLOUR in ('blu', 'pnk')", "colour: no picture has any of 'blu', 'pnk'; nearest: "
         "'blue' (2), 'light blue' (1)"),
        ("colour like 'gre%'", "colour: no picture has like 'gre%'; nearest: 'red' (1)"),
        ("colour = 'zzz'", "colour: no picture has 'zzz'; nearest: 'blue' (2), 'light blue' (1), "
         "'red' (1)"),
        ("colour = 'N/A'", "colour: 'N/A' counts as no value; write colour is null"),
        ("price > 5000", "price: no picture has > 5000; they go from '$5' to '1,299.00', read as "
         "prices in $; 1 could not be read as prices in $: 'ask us' (1)"),
        ("price = '€19.90'", "price: no picture has '€19.90'; they go from '$5' to '1,299.00', "
         "read as prices in $; 1 could not be read as prices in $: 'ask us' (1)"),
        ("sale = 'no'", "sale: no picture has 'no'; they go from 'yes' to 'yes', read as yes "
         "and no"),
        ("size = 'L'", "size: no picture has a value"),
        ("colour is null", "colour: every picture has a value"),
        ("colour = 'red' and price < 50",
         "some pictures pass each test of the filter, and none passes all of it"),
        ("not sale = 'yes' and sale is not null",
         "some pictures pass each test of the filter, and none passes all of it"),
    ],
)  # fmt: skip
def test_why_nothing_passes(index: Index, where: str, said: str) -> None:
    assert index.count(where) == 0
    assert index.why_nothing(where) == [said]


def test_every_test_that_lets_nothing_through_is_told(index: Index) -> None:
    said = index.why_nothing("(colour = 'blu' or colour = 'blu') and price < 1 and sale = 'yes'")
    assert [sentence.split(":")[0] for sentence in said] == ["colour", "price"]


def test_a_filter_that_lets_something_through_has_no_reason(index: Index) -> None:
    assert index.why_nothing("colour = 'blue' or colour = 'blu'") == []
    with pytest.raises(FilterError, match="no column colr"):
        index.why_nothing("colr = 'blue'")


def test_how_columns_are_read(index: Index) -> None:
    price = index.readings()[1]
    assert (price.name, str(price.column)) == ("price", "prices in $")
    assert (price.told, price.untold, price.unread) == (4, 0, (("ask us", 1),))
    assert [reading.untold for reading in index.readings()] == [0, 0, 1, 4]
