"""index/lists.py: the lists of paths of values, after any changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from samebut.index import Address, Index, lists
from samebut.index.described import DescribedStore
from samebut.index.lists import ID
from stores import create, picture


@pytest.fixture
def index(new_address: Callable[[], Address]) -> Iterator[Index]:
    with closing(create(new_address())) as index:
        index.put([picture(f"{i:02d}", i) for i in range(40)])
        yield index


def test_which_values_have_several_spellings_is_known_after_every_change(index: Index) -> None:
    dice = np.random.default_rng(7)
    assert isinstance(index, DescribedStore)
    seen = set()
    for _ in range(30):
        some = dice.choice(40, size=dice.integers(1, 20), replace=False)
        rows = {
            f"{i:02d}": {
                "word": (str(dice.choice(["", "Aa", "AA", "aa", "Bb", "bb", "c"])),),
                "other": (str(dice.choice(["aa", "Aa"])),) if dice.random() < 0.1 else (),
            }
            for i in some
        }
        index.describe(rows, {name: name for name in rows}, afresh=bool(dice.random() < 0.1))
        with index.snapshot() as connection:
            known = connection.execute("SELECT field_id, folded FROM variant").fetchall()
            counted = connection.execute(
                "SELECT field_id, folded FROM value GROUP BY field_id, folded HAVING count(*) > 1"
            ).fetchall()
        assert sorted(known) == sorted(counted)
        seen.add(len(known))
    assert {1, 2, 3} <= seen


@pytest.mark.parametrize("long", [1, 1_000])
def test_lists_are_ascending_and_have_each_path_once(
    index: Index, long: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "_LONG", long)
    dice = np.random.default_rng(long)
    assert isinstance(index, DescribedStore)
    said: dict[str, tuple[str, ...]] = {}
    for _ in range(20):
        some = dice.permutation(40)[: dice.integers(1, 30)]
        rows = {f"{i:02d}": tuple(dice.permutation(["a", "b"])[: dice.integers(3)]) for i in some}
        said |= rows
        index.describe({n: {"word": v} for n, v in rows.items()}, {n: n for n in rows})
        with index.snapshot() as connection:
            numbers = {name: number for number, name in connection.execute("SELECT * FROM path")}
            found = dict(connection.execute("SELECT text, paths FROM value"))
            (filled,) = connection.execute("SELECT paths FROM field").fetchone()
        for text, paths in {**found, None: filled}.items():
            holding = [n for n, v in said.items() if (v if text is None else text in v)]
            assert np.frombuffer(paths, ID).tolist() == sorted(numbers[n] for n in holding)
