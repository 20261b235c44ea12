"""facts.py: filters read from a conversation, how later turns change them, the words left over."""

from __future__ import annotations

from collections import Counter

from samebut.facts import Facts, read_facts
from samebut.index.counting import Value
from samebut.index.vocabulary import ColumnValues, Vocabulary
from samebut.index.where import And, Compare, Filter, Not, Or, parse
from samebut.language.labels import Labels
from samebut.turns import Turn
from samebut.values import understand

ROWS = [
    {"brand": "Nike", "price": "20", "size": "M"},
    {"brand": "Nike", "price": "90", "size": "L"},
    {"brand": "Adidas", "price": "50", "size": "M"},
]
TABLE = {
    name: ColumnValues(
        understand(counts := Counter(row[name] for row in ROWS)),
        [Value(text, None if name != "price" else float(text), n) for text, n in counts.items()],
    )
    for name in ROWS[0]
}
VOCABULARY = Vocabulary.of(TABLE, Labels())


def passes(row: dict[str, str], where: Filter) -> bool:
    match where:
        case And():
            return all(passes(row, term) for term in where.terms)
        case Or():
            return any(passes(row, term) for term in where.terms)
        case Not():
            return not passes(row, where.term)
        case Compare(column, "=", value):
            return row[column] == value
        case Compare(column, operator, value):
            number = float(row[column])
            return number <= float(value) if operator == "<=" else number >= float(value)
        case _:
            raise AssertionError(where)


def read(*texts: str, where: str = "", ignore: tuple[str, ...] = ()) -> Facts:
    return read_facts(
        [Turn(text=text) for text in texts],
        VOCABULARY,
        lambda some: sum(passes(row, some) for row in ROWS),
        where=parse(where) if where else None,
        ignore=ignore,
    )


def outcomes(facts: Facts) -> list[tuple[str, int, str]]:
    return [(fact.text, fact.turn, fact.outcome) for fact in facts.facts]


def left(facts: Facts) -> list[str]:
    return [turn.text for turn in facts.turns]


def test_facts_of_all_turns_hold_together() -> None:
    found = read("red shoes by Nike", "under 50, with stripes")
    assert outcomes(found) == [("Nike", 0, "applied"), ("under 50", 1, "applied")]
    assert found.where == parse("price <= 50 and brand = 'Nike'")
    assert left(found) == ["red shoes", "with stripes"]


def test_the_filter_that_was_asked_for_holds_too() -> None:
    found = read("by Nike", "in red", where="size = 'M'")
    assert found.where == parse("size = 'M' and brand = 'Nike'")
    assert read("in red", where="size = 'M'").where == parse("size = 'M'")
    assert read("in red").where is None


def test_two_of_a_column_in_one_turn_are_alternatives() -> None:
    found = read("red Nike or Adidas shoes under 60")
    assert found.where == parse("price <= 60 and (brand = 'Nike' or brand = 'Adidas')")
    assert left(found) == ["red shoes"]
    assert len(found.facts) == 3


def test_a_later_turn_replaces_what_an_earlier_one_said_of_the_same() -> None:
    found = read("red, by Nike, under 30", "Adidas", "under 60")
    assert outcomes(found) == [
        ("Nike", 0, "replaced"),
        ("under 30", 0, "replaced"),
        ("Adidas", 1, "applied"),
        ("under 60", 2, "applied"),
    ]


def test_limits_from_both_sides_hold_together() -> None:
    assert read("red over 30", "under 60").where == parse("price <= 60 and price >= 30")


def test_what_would_let_nothing_through_is_not_applied_but_said() -> None:
    found = read("red, under 5")
    assert outcomes(found) == [("under 5", 0, "nothing")]
    assert (found.where, left(found)) == (None, ["red"])
    newest_holds = read("by Adidas", "size L")
    assert outcomes(newest_holds) == [("Adidas", 0, "nothing"), ("size L", 1, "applied")]


def test_what_is_ignored_stays_with_the_words() -> None:
    found = read("red shoes by NIKE under 50", ignore=("nike",))
    assert outcomes(found) == [("under 50", 0, "applied")]
    assert left(found) == ["red shoes by NIKE"]


def test_not_a_brand() -> None:
    found = read("red shoes, not Nike")
    assert found.where == parse("not brand = 'Nike'")
    assert left(found) == ["red shoes"]


def test_words_that_are_facts_alone_are_looked_for_where_nothing_else_is() -> None:
    assert left(read("Nike under 50")) == ["Nike under 50"]
    alone = read_facts([Turn(b"picture", "by Nike")], VOCABULARY, lambda _: 1)
    assert alone.turns == [Turn(b"picture", "")]
    assert left(read("red", "by Nike")) == ["red", ""]
