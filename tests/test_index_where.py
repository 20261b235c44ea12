"""The filter language, and what filters let through."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebut.errors import FilterError
from samebut.index import Address, Index, PictureRow, metadata
from samebut.index.local import LocalIndex, StoreFile
from samebut.index.where import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_TESTS,
    Among,
    And,
    Compare,
    Filter,
    Missing,
    Not,
    Or,
    parse,
)
from samebut.values import as_number, fold

BLUE = Compare("colour", "=", "blue")
RED = Compare("colour", "=", "red")
CHEAP = Compare("price", "<", 50.0)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("colour = 'blue'", BLUE),
        ("colour == 'blue'", BLUE),
        ('colour="blue"', BLUE),
        ('"colour" = "blue"', BLUE),
        ("[colour] = 'blue'", BLUE),
        ("`colour` = 'blue'", BLUE),
        ("colour\n=\t'blue'", BLUE),
        ("colour ＝ ‘blue’", BLUE),
        ("（colour ＝ “blue”）", BLUE),
        ("colour != 'blue'", Not(BLUE)),
        ("colour <> 'blue'", Not(BLUE)),
        ("price<-5", Compare("price", "<", -5.0)),
        ("price >= .5", Compare("price", ">=", 0.5)),
        ("price <= 1.5e3", Compare("price", "<=", 1500.0)),
        ("price > 5.", Compare("price", ">", 5.0)),
        ("colour in ('red', 7)", Among("colour", ("red", 7.0))),
        ("colour not in ('red')", Not(Among("colour", ("red",)))),
        ("颜色 in ('红'，'蓝')", Among("颜色", ("红", "蓝"))),
        ("title like '%shirt_'", Compare("title", "like", "%shirt_")),
        ("title not like 'a%'", Not(Compare("title", "like", "a%"))),
        ("title contains 'it''s'", Compare("title", "contains", "it's")),
        ('title not contains "it\'s"', Not(Compare("title", "contains", "it's"))),
        ("colour is null", Missing("colour")),
        ("colour IS NOT NULL", Not(Missing("colour"))),
        ('"sleeve ""length""" is null', Missing('sleeve "length"')),
        ("[a]]b] is null", Missing("a]b")),
        ("sleeve-length.eu is null", Missing("sleeve-length.eu")),
        ("สีเสื้อ is null", Missing("สีเสื้อ")),
        ('"in" is null', Missing("in")),
        ("_x1 is null", Missing("_x1")),
        ("android = 'x'", Compare("android", "=", "x")),
        ("colour = 'a\nb'", Compare("colour", "=", "a\nb")),
        ("not colour = 'blue'", Not(BLUE)),
        ("not not colour = 'blue'", Not(Not(BLUE))),
        ("((colour = 'blue'))", BLUE),
        ("colour='blue'and price<50", And((BLUE, CHEAP))),
        ("colour='blue' OR colour='red' OR price<50", Or((BLUE, RED, CHEAP))),
        ("colour='blue' or colour='red' and price<50", Or((BLUE, And((RED, CHEAP))))),
        ("(colour='blue' or colour='red') and price<50", And((Or((BLUE, RED)), CHEAP))),
        ("not colour='blue' and price<50", And((Not(BLUE), CHEAP))),
        ("not (colour='blue' and price<50)", Not(And((BLUE, CHEAP)))),
    ],
)
def test_what_a_text_means(text: str, meaning: Filter) -> None:
    assert parse(text) == meaning


@pytest.mark.parametrize(
    ("text", "column", "expected", "hint"),
    [
        ("colour = blue", 9, "a number or quoted text, found blue", "Write it in quotes: 'blue'"),
        ("'blue' = colour", 0, "a column, found blue", "Write the column first"),
        ("colour 'blue'", 7, "an operator", ""),
        ("colour", 6, "found the end", ""),
        ("", 0, "expected a column, found the end", ""),
        ("colour = 'blue", 9, "this ' is never closed", "end the text with '"),
        ("colour = ''", 9, "a text can't be empty", "is null"),
        ("colour is 'blue'", 10, "expected null", "Use = for a value"),
        ("colour not = 'blue'", 11, "expected in, like or contains", "before the column"),
        ("title like 5", 11, "a text in quotes after like, found 5", "Write it in quotes: '5'"),
        ("colour in 'blue'", 10, "expected (", "in ('red', 'blue')"),
        ("colour in ()", 11, "a number or quoted text, found )", ""),
        ("colour in ('a' 'b')", 15, "expected , or )", ""),
        ("(colour = 'a'", 13, "expected and, or, or )", ""),
        ("colour = 'a')", 12, "expected and, or, or the end", ""),
        ("colour = 'a' price < 5", 13, "expected and, or, or the end, found price", ""),
        ("in = 'a'", 0, "a column, found in", 'as "in"'),
        ("price < 5x", 8, "5x is neither a number nor a name", ""),
        ("added > 2024-05-01", 8, "2024-05-01 is neither a number", "a text in single quotes"),
        ("price < 1e999", 8, "too large a number", ""),
        ("colour = 'a'; drop table picture", 12, "';' has no meaning here", ""),
        ("colour = 'a' -- b", 13, "'-' has no meaning here", ""),
        ("颜色 = 蓝色", 7, "found 蓝色", ""),
    ],
)
def test_an_error_points_at_the_place(text: str, column: int, expected: str, hint: str) -> None:
    with pytest.raises(FilterError, match=re.escape(expected)) as caught:
        parse(text)
    _, shown, caret = str(caught.value).split("\n")
    assert shown == f"  {text}"
    assert caret.index("^") == 2 + column
    assert hint in caught.value.hint


def test_the_caret_finds_its_line_and_a_long_one_is_cut() -> None:
    with pytest.raises(FilterError) as caught:
        parse("colour = 'a'\nand price ! 5\nor x is null")
    assert str(caught.value).split("\n")[1:] == ["  and price ! 5", "            ^"]
    with pytest.raises(FilterError) as caught:
        parse("colour = 'a' and " * 50 + "?")
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) < 100 and shown[caret.index("^")] == "?"


def test_limits_keep_a_hostile_text_from_the_stack() -> None:
    deep = "(" * MAX_DEPTH + "a = 1" + ")" * MAX_DEPTH
    assert parse(deep) == Compare("a", "=", 1.0)
    wide = " or ".join(["a = 1"] * MAX_TESTS)
    assert parse(wide) == Or((Compare("a", "=", 1.0),) * MAX_TESTS)
    for text, message in [
        (f"({deep})", "nested more than"),
        ("not " * (MAX_DEPTH + 1) + "a = 1", "nested more than"),
        (wide + " or a = 1", "more than"),
        ("a = '" + "x" * MAX_LENGTH + "'", "characters, at most"),
        ("(" * MAX_LENGTH, "nested more than"),
    ]:
        with pytest.raises(FilterError, match=message):
            parse(text)


texts = st.text(min_size=1, max_size=6)
values = texts | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-99, 99)
tests = st.one_of(
    st.builds(Compare, texts, st.sampled_from(["=", "<", "<=", ">", ">="]), values),
    st.builds(Compare, texts, st.sampled_from(["like", "contains"]), texts),
    st.builds(Among, texts, st.lists(values, min_size=1, max_size=3).map(tuple)),
    st.builds(Missing, texts),
)


def trees(leaves: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    def joined(below: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        terms = st.lists(below, min_size=2, max_size=3).map(tuple)
        return st.builds(Not, below) | st.builds(And, terms) | st.builds(Or, terms)

    return st.recursive(leaves, joined, max_leaves=8)


@given(trees(tests))
@settings(deadline=None)
def test_a_filter_written_out_reads_back_the_same(where: Filter) -> None:
    assert parse(str(where)) == where


fragments = st.sampled_from(
    ["and", "or", "not", "in", "like", "contains", "is", "null", "(", ")", ",", "=", "<>", "'",
     '"', "[", "]", "a", "b", "'x'", "5", "-", ".", "--", ";", "/*", "\n", "‘", "”", "＝"]
)  # fmt: skip


@given(st.text(max_size=40) | st.lists(fragments, max_size=25).map(" ".join))
@settings(deadline=None, max_examples=500)
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        where = parse(text)
    except FilterError as error:
        assert "^" in str(error)
    else:
        assert parse(str(where)) == where


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), (" 007.50 ", 7.5), ("-1e2", -100), ("４２", 42), (".5", 0.5)]
    + [(text, None) for text in ["", "7a", "1_000", "nan", "inf", "1e999", "0x1f", "1,5", "七"]],
)
def test_which_texts_are_numbers(text: str, number: float | None) -> None:
    assert as_number(text) == number


ROWS: dict[str, dict[str, str]] = {
    "a": {"colour": "Blue", "gender": "women", "price": "30", "title": "Blue shirt", "颜色": "蓝"},
    "b": {"colour": "blue", "gender": "men", "price": "120.0", "title": "Long-sleeved SHIRT"},
    "c": {"colour": "red", "gender": "women", "price": "on request", "title": "It's 100% wool"},
    "d": {"colour": "", "gender": "men", "price": "030", "title": "Straße", "added": "2024-05-01"},
    "e": {"gender": "WOMEN", "price": "-7", "added": "2023"},
    "f": {},
}
DIM = 8
NewAddress = Callable[[], Address]


@pytest.fixture(scope="module")
def index(new_address: NewAddress) -> Iterator[Index]:
    with closing(create(new_address())) as index:
        index.put([picture(name) for name in ROWS])
        index.set_metadata(ROWS)
        yield index


def create(address: Address) -> Index:
    return address.create(dim=DIM, fingerprint="f", model="m")


def picture(name: str) -> PictureRow:
    return PictureRow(name, 1, 1, name, 1, 1, np.eye(DIM, dtype=np.float32)[0])


def passing(index: Index, where: str | Filter) -> str:
    """The names of the pictures a filter lets through, in a row."""
    found = index.search(np.ones((1, DIM), np.float32), 99, where=where)
    return "".join(entry.path for entry in index.pictures(found.ids[0].tolist()))


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("colour = 'BLUE'", "ab"),
        ("COLOUR = 'ｂｌｕｅ'", "ab"),
        ("colour != 'blue'", "cdef"),
        ("colour != 'blue' and colour is not null", "c"),
        ("not colour = 'blue'", "cdef"),
        ("colour is null", "def"),
        ("colour is not null", "abc"),
        ("颜色 is null", "bcdef"),
        ("colour in ('red', 'Blue')", "abc"),
        ("colour not in ('red')", "abdef"),
        ("price in (30, 'ON REQUEST')", "acd"),
        ("price = 30", "ad"),
        ("price = '30'", "a"),
        ("price = '030'", "d"),
        ("price < 50", "ade"),
        ("price < '50'", "ade"),
        ("price > 50", "b"),
        ("price > '50'", "bc"),
        ("price <= 30 and price >= 30", "ad"),
        ("not price < 50", "bcf"),
        ("price = -7", "e"),
        ("added >= '2024'", "d"),
        ("added < '2024-01'", "e"),
        ("title like '%shirt'", "ab"),
        ("title like '%shir_'", "ab"),
        ("title like 'shirt'", ""),
        ("title not like '%shirt'", "cdef"),
        ("title contains '100%'", "c"),
        ("title contains 'it''s'", "c"),
        ("title contains 'STRASSE'", "d"),
        ("title not contains 'shirt'", "cdef"),
        ("gender = 'women' and (colour = 'red' or price < 0)", "ce"),
        ("gender = 'women' and colour = 'red' or price < 0", "ce"),
        ("gender = 'women' or gender = 'men'", "abcde"),
        ("gender = 'women' and gender = 'men'", ""),
        ("颜色 = '蓝'", "a"),
    ],
)
def test_which_pictures_pass(index: Index, where: str, names: str) -> None:
    assert passing(index, where) == names


SHOP = {
    "a": {"price": "$19.90", "off": "20%", "long": "10 cm", "added": "2024-05-01", "new": "yes"},
    "b": {"price": "1,299.00", "off": "5 %", "long": "1 m", "added": "1 June 2024", "new": "FALSE"},
    "c": {"price": "19.90 USD", "long": "50cm", "added": "2023-01-01 12:00", "new": "是"},
    "d": {"price": "10,50", "long": "S", "added": "soon", "new": "n", "off": "none"},
    "e": {"price": "ask us", "off": "N/A", "long": "70", "new": "无"},
}


@pytest.fixture(scope="module")
def shop(new_address: NewAddress) -> Iterator[Index]:
    with closing(create(new_address())) as index:
        index.put([picture(name) for name in SHOP])
        index.set_metadata(SHOP)
        yield index


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("price < 50", "acd"),
        ("price > 50", "b"),
        ("price > '$50'", "b"),
        ("price = 19.9", "ac"),
        ("price = '19.90'", "ac"),
        ("price in ('US$19.90', 'ASK US')", "ace"),
        ("price = 'ask us'", "e"),
        ("price != 19.9", "bde"),
        ("off >= 20", "a"),
        ("off < '10 %'", "b"),
        ("off is null", "cde"),
        ("off = 'none'", ""),
        ("long > 40", "bce"),
        ("long <= '0.5 m'", "ac"),
        ("long = 's'", "d"),
        ("long in ('1 m', '70 cm')", "be"),
        ("added = '2024-05'", "a"),
        ("added <= '2024-05'", "ac"),
        ("added > '2024-05'", "b"),
        ("added >= 2024", "ab"),
        ("added < 2024", "c"),
        ("added = '2023-01-01'", "c"),
        ("added in (2023, '2024-06-01')", "bc"),
        ("added in ('soon')", "d"),
        ("new = 'yes'", "ac"),
        ("new = 'no'", "bd"),
        ("new != 'yes' and new is not null", "bd"),
        ("new is null", "e"),
    ],
)
def test_values_compare_as_people_mean(shop: Index, where: str, names: str) -> None:
    assert passing(shop, where) == names


@pytest.mark.parametrize(
    ("where", "said", "hint"),
    [
        ("added > 'yesterday'", "added is read as dates, and 'yesterday' is not", "2024-05-31"),
        ("added = 7", "added holds dates, and 7 is not one of them", "2024-05-31"),
        ("price < '€5'", "prices in $ and USD, and '€5' is not one of them", "as 50 or '50.00'"),
        ("long < '5 kg'", "sizes in cm (also m), and '5 kg' is not one of them", "'50 cm'"),
    ],
)
def test_what_a_column_can_not_say_is_refused(
    shop: Index, where: str, said: str, hint: str
) -> None:
    with pytest.raises(FilterError, match=re.escape(said)) as caught:
        passing(shop, where)
    assert hint in caught.value.hint


def test_metadata_from_before_values_were_understood_compares_as_it_did(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with LocalIndex.create(path, dim=DIM, fingerprint="f", model="m") as index:
        index.put([picture(name) for name in ROWS])
        index.set_metadata(ROWS)
    connection = sqlite3.connect(path)
    connection.executescript("UPDATE field SET understood = NULL; UPDATE value SET number = NULL")
    connection.close()
    with LocalIndex.open(path) as index:
        assert passing(index, "price = 'ON REQUEST'") == "c"
        assert [reading.column for reading in index.readings()] == [None] * 6


def test_an_unknown_column_lists_the_known_ones_nearest_first(index: Index) -> None:
    with pytest.raises(FilterError, match="no column colr") as caught:
        passing(index, "colr = 'blue' and price < 5")
    assert caught.value.hint == "Known columns: colour, price, title, gender, 颜色, added."


def test_columns_that_differ_by_case_must_be_written_exactly(new_address: NewAddress) -> None:
    with closing(create(new_address())) as index:
        index.put([picture("a"), picture("b")])
        with pytest.raises(FilterError, match="has no metadata"):
            passing(index, "size = 'x'")
        index.set_metadata({"a": {"Size": "x"}, "b": {"size": "x"}, "unknown": {"size": "x"}})
        assert (passing(index, "Size = 'x'"), passing(index, "size = 'x'")) == ("a", "b")
        with pytest.raises(FilterError, match="SIZE could be Size or size"):
            passing(index, "SIZE = 'x'")
        index.set_metadata({"a": {f"column {i}": "x" for i in range(30)}})
        with pytest.raises(FilterError) as caught:
            passing(index, "colum_7 = 'x'")
        assert caught.value.hint.startswith("Known columns: column 7, ")
        assert caught.value.hint.endswith(" and 18 more.")


@pytest.mark.parametrize(
    "attack",
    [
        "colour = 'x' or 1=1",
        '"colour"" = 1 or """ = \'x\'',
        '"colour) or (1" is not null',
        "[picture.digest] = 'a'",
        "digest = 'a'",
        "path = 'a'",
        "paths is not null",
        "value.folded is not null",
        "rowid = 1",
        "field_id = 1",
        "colour = 'x' union select vector from embedding",
        "colour in (select digest from picture)",
        "colour = 'x'; attach 'other' as other",
        "load_extension('x') = 'x'",
        "colour = char(98)",
        "colour = colour",
        "1 = 1",
        "colour = 'x' collate nocase",
        "colour = 'x' /* */ or gender is not null",
        "colour = ?",
        "colour = :x",
    ],
)
def test_a_filter_reads_metadata_and_nothing_else(index: Index, attack: str) -> None:
    with pytest.raises(FilterError):
        passing(index, attack)
    assert passing(index, "gender is not null") == "abcde"


def test_groups_beside_each_other_are_not_nested() -> None:
    count = MAX_DEPTH + 1
    assert parse(" or ".join(["(a = 1 and b = 2)"] * count)) == Or(
        (And((Compare("a", "=", 1.0), Compare("b", "=", 2.0))),) * count
    )
    assert parse(" or ".join(["not a = 1"] * count)) == Or((Not(Compare("a", "=", 1.0)),) * count)


def test_groups_beside_each_other_do_not_allow_deeper_nesting() -> None:
    beside = "(a = 1) or " * 9
    parse(beside + "(" * MAX_DEPTH + "a = 1" + ")" * MAX_DEPTH)
    with pytest.raises(FilterError, match=f"nested more than {MAX_DEPTH} deep"):
        parse(beside + "(" * (MAX_DEPTH + 1) + "a = 1" + ")" * (MAX_DEPTH + 1))


def test_a_value_that_looks_like_sql_is_a_value(index: Index) -> None:
    assert passing(index, "colour = 'x'' or ''1''=''1'") == ""
    assert passing(index, "colour in ('blue'') or (1=1', 'red')") == "c"


def test_the_statements_of_a_filter_touch_two_tables(tmp_path: Path) -> None:
    read: set[tuple[str, str]] = set()

    def watch(action: int, table: str | None, column: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ:
            read.add((str(table), str(column)))
        allowed = (sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION)
        return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY

    index = LocalIndex.create(tmp_path / "store", dim=DIM, fingerprint="f", model="m")
    index.set_metadata(ROWS)
    with closing(index), index.snapshot() as connection:
        connection.set_authorizer(watch)
        try:
            everything = (
                "a is null or b = 'x' or b < '5' or b like 'x' or b contains 'x' or b in (1)"
            )
            where = parse(everything.replace("a ", "colour ").replace("b ", "price "))
            metadata.select(connection, where, lambda ids: np.isin([1, 2, 3], ids))
        finally:
            connection.set_authorizer(None)
    assert {table for table, _ in read} == {"field", "value"}


def test_the_widest_and_longest_filters_run(index: Index) -> None:
    assert passing(index, " or ".join(["colour = 'blue'"] * MAX_TESTS)) == "ab"
    nested = "colour = 'blue'"
    for _ in range(MAX_DEPTH // 3):
        nested = f"gender = 'x' or price < 999 and not (gender = 'y' or ({nested}))"
    assert passing(index, nested) == "ab"
    many = ", ".join(f"'{i}'" for i in range(1200))
    assert passing(index, f"price in ({many})") == "a"
    assert passing(index, f"title like '{'%a' * 4000}'") == ""


def test_filters_made_by_hand_are_checked_too(index: Index) -> None:
    assert passing(index, And((BLUE, Compare("price", "<", 50)))) == "a"
    for where, message in [
        (Compare("colour", "like", 5), "like takes a text"),
        (Compare("colour", "=", "\ud800"), "is not valid text"),
        (Compare("colour", "=", "a\0b"), "is not valid text"),
        (Compare("colour", "contains", "ﷺ" * 9999), "longer than"),
        (Among("colour", ("a",) * (MAX_LENGTH + 1)), "more than 10,000 values"),
    ]:
        with pytest.raises(FilterError, match=message):
            passing(index, where)


COLUMNS = ["colour", "price", "gender", "颜色"]
words = st.sampled_from(["blue", "Blue", "RED", "re", "b%", "_ed", "5", "05", "4.5", "-1", "蓝"])
numbers = st.sampled_from([5.0, 4.5, -1.0, 0.0])
known_tests = st.one_of(
    st.builds(
        Compare,
        st.sampled_from(COLUMNS),
        st.sampled_from(["=", "<", "<=", ">", ">="]),
        words | numbers,
    ),
    st.builds(Compare, st.sampled_from(COLUMNS), st.sampled_from(["like", "contains"]), words),
    st.builds(Among, st.sampled_from(COLUMNS), st.lists(words | numbers, min_size=1).map(tuple)),
    st.builds(Missing, st.sampled_from(COLUMNS)),
)
tables = st.lists(st.dictionaries(st.sampled_from(COLUMNS), words | st.just("")), max_size=8)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """Embedded: test_index_postgres.py compares the engines on more filters in less time."""
    with closing(create(StoreFile(tmp_path_factory.mktemp("scratch") / "store"))) as index:
        index.put([picture(str(i)) for i in range(8)])
        yield index


@given(tables, trees(known_tests))
@settings(deadline=None, max_examples=150)
def test_filters_mean_what_the_documentation_says(
    scratch: Index, table: list[dict[str, str]], where: Filter
) -> None:
    # A first row names every column, so that none is unknown.
    rows = [dict.fromkeys(COLUMNS, ""), *table][:8]
    scratch.set_metadata({str(i): row for i, row in enumerate(rows)})
    rows += [{}] * (8 - len(rows))
    expected = "".join(str(i) for i, row in enumerate(rows) if holds(where, row))
    assert passing(scratch, where) == expected
    assert passing(scratch, str(where)) == expected


def holds(where: Filter, row: dict[str, str]) -> bool:
    """The documented meaning, row by row in Python."""
    match where:
        case Missing(column):
            return not row.get(column)
        case Among(column, values):
            return any(holds(Compare(column, "=", value), row) for value in values)
        case Not(term):
            return not holds(term, row)
        case And(terms):
            return all(holds(term, row) for term in terms)
        case Or(terms):
            return any(holds(term, row) for term in terms)
        case Compare(column, operator, value):
            return bool(row.get(column)) and compares(row[column], operator, value)


def compares(text: str, operator: str, value: str | float) -> bool:
    if operator == "contains":
        return fold(str(value)) in fold(text)
    if operator == "like":
        pattern = re.escape(fold(str(value))).replace("%", ".*").replace("_", ".")
        return re.fullmatch(pattern, fold(text), re.DOTALL) is not None
    number = as_number(text)
    if not isinstance(value, str):
        return number is not None and orders(number, operator, value)
    other = as_number(value)
    if operator != "=" and number is not None and other is not None:
        return orders(number, operator, other)
    return orders(fold(text), operator, fold(value))


def orders(left: str | float, operator: str, right: str | float) -> bool:
    sign = (left > right) - (left < right)  # type: ignore[operator]
    return sign in {"=": (0,), "<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}[operator]
