"""values.py: what the cells of a table mean, alone and beside the rest of their column."""

from __future__ import annotations

import datetime
import math
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebut import values
from samebut.values import Column, Span, could_be_either, is_empty, read_cells, understand


def column(*cells: str) -> Column:
    return understand(dict.fromkeys(cells, 1))


def day(year: int, month: int, date: int) -> float:
    return float(datetime.date(year, month, date).toordinal())


@pytest.mark.parametrize(
    ("cells", "said", "numbers"),
    [
        # The four of one table, as shops write them.
        (
            ["$19.90", "1,299.00", "19.90 USD", "10,50"],
            "prices in $ and USD",
            [19.9, 1299, 19.9, 10.5],
        ),
        (
            ["€ 1.299,00", "€ 1.299", "49,90 €"],
            "prices in €, with a decimal comma",
            [1299, 1299, 49.9],
        ),
        (["€1.299", "€899"], "prices in €, with a decimal comma", [1299, 899]),
        (["1 299,00 €", "1\u202f299,00\xa0€"], "prices in €, with a decimal comma", [1299, 1299]),
        (["CHF 1'299.00", "CHF 19.-", "CHF 19.–"], "prices in CHF", [1299, 19, 19]),
        (["¥1,299", "￥99", "12元"], "prices in ¥ and 元", [1299, 99, 12]),
        (["₹1,23,456", "Rs. 500"], "prices in ₹", [123456, 500]),
        (["₹ 1,499/-", "INR 99"], "prices in ₹ and INR", [1499, 99]),
        (["(120)", "(35)", "(5.00)"], "texts", [None, None, -5]),
        (["2XL", "3XL", "XL"], "sizes in xl", [2, 3, None]),
        (["4.5 stars", "3 stars"], "sizes in stars", [4.5, 3]),
        (["-$5", "$-5", "($5.00)", "US$ 5"], "prices in $ and US$", [-5, -5, -5, 5]),
        (["$19.90", "ask us", "12.00"], "prices in $", [19.9, None, 12]),
        (["1,299", "15"], "numbers", [1299, 15]),
        (["1,299", "1,5"], "numbers, with a decimal comma", [1.299, 1.5]),
        (["1.299", "1.5"], "numbers", [1.299, 1.5]),
        (["0,500", "12,25"], "numbers, with a decimal comma", [0.5, 12.25]),
        (["007", "7.0", "-1e2", "４２", ".5"], "numbers", [7, 7, -100, 42, 0.5]),
        (["1,2,3", "1.2.3.4"], "texts", [None, None]),
        (["20%", "20 % off", "２０％", "-12.5 percent"], "percentages", [20, 20, 20, -12.5]),
        (["10 cm", "1 m", "12", "S"], "sizes in cm (also m)", [10, 100, 12, None]),
        (['12"', "1 ft", "5'10\""], 'sizes in " (also ft)', [12, 12, 70]),
        (["500 g", "1.2kg", "7g", "2 lb"], "sizes in g (also kg, lb)", [500, 1200, 7, 907.18474]),
        (["80 den", "15 den"], "sizes in den", [80, 15]),
        (["EU 38", "EU 40", "UK 8"], "sizes in eu", [38, 40, None]),
        (["30 x 40 cm", "$10 - $20", "12 monkeys and 1 dog"], "texts", [None, None, None]),
        (["$9 - $20", "$1.299,00–$1.400,00"], "prices in $, with a decimal comma", [9, 1299]),
        (["10-20 €", "€30 to 40", "$5 - €7", "20 - 10 €"], "prices in €", [10, 30, None, None]),
        (["3 x 4 cm", "1m×2m", "9*8 mm", "4x5 g"], "sizes in cm (also m, mm)", [3, 100, 0.9, None]),
        (["80 cm - 1.2 m", "90–95 cm", "EU 38-39"], "sizes in cm", [80, 90, None]),
        (["EU 38-39", "EU 40"], "sizes in eu", [38, 40]),
        (["10–20 %", "5 bis 7 %"], "percentages", [10, 5]),
        (["20–30", "30-40", "50"], "numbers", [20, 30, 50]),
        (["20-30", "7", "12", "x"], "numbers", [20, 7, 12, None]),
        (["12-34", "34-12", "99-1"], "texts", [None, None, None]),
        (["12-34", "blue", "red"], "texts", [None, None, None]),
        (["1-800-555", "5-pack", "3-in-1", "3", "4", "5"], "numbers", [None, None, None, 3, 4, 5]),
        (["S", "M", "42"], "texts", [None, None, 42]),
        (["S", "M", "L", "$5", "10 cm"], "texts", [None, None, None, 5, None]),
        (["Model 5", "Model 6"], "texts", [None, None]),
        (["Yes", "no", "TRUE", "n", "0"], "yes and no", [1, 0, 1, 0, 0]),
        (["是", "否"], "yes and no", [1, 0]),
        (["1", "0"], "yes and no", [1, 0]),
        (["1", "1.0"], "numbers", [1, 1]),
        (["f", "F"], "texts", [None, None]),
        (["N/A", "-"], "texts", [None, None]),
    ],
)  # fmt: skip
def test_a_column_of_numbers(cells: list[str], said: str, numbers: list[float | None]) -> None:
    read = column(*cells)
    assert str(read) == said
    assert [read.number(cell) for cell in cells] == pytest.approx(numbers)
    assert Column.from_json(read.as_json()) == read


@pytest.mark.parametrize(
    "cell",
    [
        *("2024-05-01", "2024/5/1", "2024.05.01", "1.5.2024", "01.05.24", "1 May 2024"),
        *(
            "1-May-24",
            "01-MAY-2024",
            "May 1, 2024",
            "may 1st 2024",
            "2024年5月1日",
            "２０２４-０５-０１",
        ),
    ],
)
def test_a_date_is_a_day(cell: str) -> None:
    read = column(cell, "2020-01-01")
    assert str(read) == "dates"
    assert read.number(cell) == day(2024, 5, 1)
    assert read.asked(cell) == Span(day(2024, 5, 1), day(2024, 5, 2))


def test_which_number_of_a_date_is_the_day_is_for_the_column_to_tell() -> None:
    first = column("03/04/2024", "13/05/2024")
    assert str(first) == "dates, the day first"
    assert first.number("03/04/2024") == day(2024, 4, 3)
    second = column("03/04/2024", "05/13/2024")
    assert str(second) == "dates, the month first"
    assert second.number("03/04/2024") == day(2024, 3, 4)
    # Nothing is guessed where the column does not tell, or contradicts itself.
    assert column("03/04/2024", "05/06/2024").number("03/04/2024") is None
    torn = column("13/05/2024", "05/13/2024", "03/04/2024")
    numbers = [torn.number(cell) for cell in ("13/05/2024", "05/13/2024", "03/04/2024")]
    assert numbers == [day(2024, 5, 13), day(2024, 5, 13), None]


def test_a_date_that_could_be_either_is_told() -> None:
    assert all(map(could_be_either, ("03/04/2024", " 3-4-24", "03/04/2024 10:30")))
    assert not any(map(could_be_either, ("13/04/2024", "3.4.2024", "4/4/2024", "13/13/2024 ", "x")))


def test_months_years_and_moments() -> None:
    read = column("2024-05-01T10:30:00Z", "2024-05-01 18:00", "2024-05-02", "2023", "soon")
    assert read.number("2024-05-01T10:30:00Z") == pytest.approx(day(2024, 5, 1) + 10.5 / 24)
    assert read.number("soon") is None
    assert read.number("5/13/2024 12:30 a.m.") == pytest.approx(day(2024, 5, 13) + 0.5 / 24)
    assert read.number("5/13/2024 2:30:10 PM") == pytest.approx(
        day(2024, 5, 13) + (14 * 3600 + 30 * 60 + 10) / 86400
    )
    assert read.number("May-24") is None  # the month of a year, or a day of any
    assert read.asked("2024-05") == Span(day(2024, 5, 1), day(2024, 6, 1))
    assert read.asked("December 2024") == Span(day(2024, 12, 1), day(2025, 1, 1))
    assert read.asked(2024.0) == read.asked("2024") == Span(day(2024, 1, 1), day(2025, 1, 1))
    assert read.asked(7.0) is read.asked(2024.5) is read.asked("2024-02-30") is None


def test_a_unit_that_is_only_a_word_makes_no_two_texts_equal() -> None:
    read = column("2XL", "3XL", "2")
    assert not read.by_value
    assert read.asked("3XL") == Span(3, 3)


def test_what_is_asked_for_is_read_as_the_column_is() -> None:
    assert column("10 cm", "90 cm").asked("0.5 m") == Span(50, 50)
    assert column("10 cm", "90 cm").asked(50.0) == Span(50, 50)
    assert column("10 cm", "90 cm").asked("5 kg") is None
    assert column("$10", "$20").asked("15.00") == column("$10").asked("USD 15") == Span(15, 15)
    assert column("$10", "$20").asked("€15") is None
    assert column("$10", "$20").asked("$10 - $20") == Span(10, 20)
    assert column("90 cm").asked("0.5–1 m") == Span(50, 100)
    assert column("kr 10").asked("10 SEK") == column("10 DKK").asked("kr. 10") == Span(10, 10)
    assert column("A$10").asked("$10") == column("£10").asked("GBP 10") == Span(10, 10)
    assert column("A$10").asked("US$10") is None
    assert column("yes", "no").asked("TRUE") == Span(1, 1)
    assert column("yes", "no").asked("perhaps") is None


@pytest.mark.parametrize(
    "cell",
    [
        *("", " ", "N/A", "n/a", "Ｎ／Ａ", "none", "None ", "-", "—", "--", "null", "NULL", "nan"),
        *("无", "暂无", "#N/A", "#REF!"),
    ],
)
def test_empty(cell: str) -> None:
    assert is_empty(cell)


@pytest.mark.parametrize("cell", ["0", "no", "x", "nonesuch", "unknown", "-1", "无袖"])
def test_not_empty(cell: str) -> None:
    assert not is_empty(cell)


fragments = st.sampled_from(
    [
        *("1", "23", "456", "0", ".", ",", "'", " ", "-", "$", "€", "%", "cm", "m", "yes", "n/a"),
        *("/", "2024", "05", "May", "年", "月", "T", ":", "(", ")", "٣", "Ⅻ", "½", "²"),
        *("Rs.", "EU", "x", "to", "至", "(", "kr", "US", "model", "+", "~", "US$", "人民币"),
        *("\0", "\ud800"),
    ]
)
cells = st.text(max_size=12) | st.lists(fragments, max_size=7).map("".join)


@given(st.dictionaries(cells, st.integers(1, 9), max_size=8), cells)
@settings(deadline=None, max_examples=500)
def test_any_cells_are_read_as_finite_numbers_or_not_at_all(
    told: dict[str, int], asked: str
) -> None:
    read, numbers = read_cells(told)
    assert {cell: numbers.get(cell) for cell in told if not is_empty(cell)} == {
        cell: read.number(cell) for cell in told if not is_empty(cell)
    }
    assert Column.from_json(read.as_json()) == read
    assert str(read)
    for cell in (*told, asked):
        number = read.number(cell)
        assert number is None or math.isfinite(number)
        span = read.asked(cell)
        assert span is None or span.low <= span.high


@given(cells)
@settings(deadline=None, max_examples=2000)
def test_a_cell_that_begins_like_no_quantity_is_none(cell: str) -> None:
    """The quick look says no only where the patterns would."""
    plain = unicodedata.normalize("NFKC", cell).strip().translate(values._SIGNS)
    whole = values._single(plain) or values._range(plain) or values._sides(plain)
    assert values._quantity(cell) == whole


def test_a_huge_cell_costs_nothing() -> None:
    assert understand({"9," * 500_000: 1, "1" * 5_000: 1, "5": 2}) == Column("number")
