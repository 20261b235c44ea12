"""query_maker/queries.py: which queries a table gives, and which pictures answer them."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebut.data.benchmark import Query
from samebut.errors import DataError
from samebut.query_maker.queries import CatalogueQueries, QueryRules, Row, tells_nothing

PRODUCTS = Path(__file__).parents[2] / "shared" / "data" / "products"

ROWS = [
    {"article": article, "colour": colour, "gender": gender, "pattern": pattern}
    for article, colour, gender, pattern in (
        ("shirt", "blue", "men", "striped"),  # 0
        ("shirt", "red", "men", ""),  # 1
        ("shirt", "red", "men", "striped"),  # 2
        ("shirt", "red", "women", ""),  # 3
        ("jeans", "blue", "men", ""),  # 4
        ("shirt", "Blue ", "men", "checked"),  # 5
        ("shirt", "", "men", ""),  # 6
        ("", "red", "men", ""),  # 7
    )
]
RULES = QueryRules(("colour", "article", "pattern"), ("gender",), details=("pattern",), chinese=0)


def queries_of(rows: Sequence[Row], rules: QueryRules) -> CatalogueQueries:
    """Pictures are named after their row."""
    return CatalogueQueries([str(number) for number in range(len(rows))], rows, rules)


def every_answer(queries: CatalogueQueries, reference: int) -> dict[str, dict[str, set[int]]]:
    return {
        change.name: {"+".join(new): set(pictures) for new, pictures in found}
        for change in queries.changes
        if (found := queries.answers(reference, change))
    }


def test_every_query_of_a_small_table() -> None:
    queries = queries_of(ROWS, RULES)
    assert every_answer(queries, 0) == {
        "colour": {"red": {1, 2}},
        "article": {"jeans": {4}},
        "pattern": {"checked": {5}},
    }
    assert every_answer(queries, 4) == {
        "article": {"shirt": {0, 5}},
        "colour+article": {"red+shirt": {1, 2}},
    }
    assert every_answer(queries, 3) == {"gender": {"men": {1, 2}}}


def test_a_picture_that_lacks_what_is_kept_is_not_asked_of() -> None:
    queries = queries_of(ROWS, RULES)
    assert every_answer(queries, 6) == {} and every_answer(queries, 7) == {}
    assert queries.references == [*"012345"]


def test_or_its_answers_may_differ_there() -> None:
    queries = queries_of(ROWS, QueryRules(("colour", "article"), ("gender",), when_empty="open"))
    assert every_answer(queries, 7)["colour"] == {"blue": {0, 4, 5}}
    assert every_answer(queries, 6) == {"article": {"jeans": {4}}, "gender": {"women": {3}}}


def test_what_an_article_never_has_is_not_kept() -> None:
    def queries(shoes: int) -> CatalogueQueries:
        rows = [{"article": "shirt", "colour": c, "sleeve": "long"} for c in ("red", "blue") * 5]
        rows += [{"article": "shoes", "colour": c} for c in ("red", "blue", "red", "red", "red")]
        return queries_of(
            rows[: 10 + shoes], QueryRules(("article", "colour", "sleeve"), details=(), chinese=0)
        )

    assert every_answer(queries(5), 10)["colour"] == {"blue": {11}}
    assert every_answer(queries(4), 10) == {}


def test_what_a_change_keeps_can_be_said() -> None:
    rules = QueryRules(
        ("colour", "article", "pattern"),
        ("gender",),
        changes={"colour": 1},
        keep={"colour": ("article", "pattern")},
    )
    assert every_answer(queries_of(ROWS, rules), 0) == {"colour": {"red": {2}}}


def test_attributes_that_few_rows_know_are_details() -> None:
    queries = queries_of(ROWS, QueryRules(("colour", "article", "pattern"), ("gender",)))
    assert queries.details == ("pattern",)
    assert {c.name: c.kept for c in queries.changes} == {
        "colour": ("gender", "article"),
        "article": ("gender", "colour"),
        "pattern": ("gender", "colour", "article"),
        "gender": ("colour", "article"),
        "colour+article": ("gender",),
        "colour+pattern": ("gender", "article"),
        "article+pattern": ("gender", "colour"),
    }


def test_vague_and_rare_answers_are_left_out_and_kept_count_of() -> None:
    strict = QueryRules(("colour", "article"), ("gender",), max_targets=1, min_support=2)
    queries = queries_of(ROWS, strict)
    assert every_answer(queries, 0) == {}
    assert queries.too_vague == {
        ("colour", ("men", "shirt"), ("red",)),
        ("colour", ("men", "shirt"), ("blue",)),
        ("gender", ("red", "shirt"), ("men",)),
        ("article", ("men", "blue"), ("shirt",)),
        ("colour+article", ("men",), ("red", "shirt")),
    }
    assert ("article", ("men", "blue"), ("jeans",)) in queries.too_rare


def test_drawing_is_even_complete_and_repeatable() -> None:
    queries = queries_of(ROWS, RULES)
    drawn = queries.draw(random.Random(1), 40)
    assert drawn == queries.draw(random.Random(1), 40) != queries.draw(random.Random(2), 40)
    shown = Counter(asked.reference for asked in drawn)
    assert len(drawn) == 40 and set(shown) == {*"012345"}
    assert max(shown.values()) - min(shown.values()) <= 1
    assert queries_of(ROWS[:1], RULES).draw(random.Random(0), 5) == []


def test_asking_one_picture_never_repeats_a_change() -> None:
    queries = queries_of(ROWS, RULES)
    asked = list(queries.ask(random.Random(0), "0", 10))
    assert Counter(a.group for a in asked) == {"colour": 1, "article": 1, "pattern": 1}


def test_weights_say_how_often() -> None:
    rules = QueryRules(("colour", "article"), changes={"colour": 9, "article": 1}, chinese=0)
    rng = random.Random(0)
    queries = queries_of(ROWS, rules)
    drawn = [next(queries.ask(rng, "0", 1)).group for _ in range(1000)]
    assert 850 < drawn.count("colour") < 950


def test_languages() -> None:
    rows = [*ROWS, {"article": "shirt", "colour": "greige", "gender": "men"}]
    queries = queries_of(rows, QueryRules(("colour",), ("gender",), chinese=1))
    drawn = queries.draw(random.Random(0), 60)
    assert {a.language for a in drawn} == {"en", "zh"}
    assert all((a.language == "en") == ("greige" in a.texts[0]) for a in drawn)


def test_a_subset_is_wrong_and_near() -> None:
    rows = [
        {"colour": colour, "article": article, "gender": "men"}
        for article in ("shirt", "jeans", "cap")
        for colour in ("red", "blue", "green", "black")
    ]
    queries = queries_of(rows, RULES)
    asked = Query("", "0", ("in blue",), ("1",), group="colour")
    rng = random.Random(0)
    seen = set()
    for _ in range(50):
        subset = queries.subset(rng, asked, "1")
        assert subset and len(set(subset)) == 6
        seen |= set(subset)
    assert seen == {*"01234589"}  # red or blue, or a shirt
    few = queries_of(ROWS[:3], RULES)
    assert few.subset(random.Random(0), Query("", "0", ("red",), ("1", "2")), "1") is None


COLUMN_VALUES = {
    "colour": ("", "red", "blue", "green"),
    "article": ("", "shirt", "jeans"),
    "pattern": ("", "striped", "solid"),
    "gender": ("men", "women"),
}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({n: st.sampled_from(v) for n, v in COLUMN_VALUES.items()})),
    st.integers(0, 99),
)
def test_targets_are_exactly_what_the_rule_says(rows: list[dict[str, str]], seed: int) -> None:
    """Against the rule spelt out, picture by picture."""
    queries = queries_of(rows, RULES)
    changes = {change.name: change for change in queries.changes}
    rng = random.Random(seed)
    for asked in queries.draw(rng, 20):
        change, reference = changes[asked.group], rows[int(asked.reference)]
        new = [rows[int(asked.targets[0])][name] for name in change.columns]
        right = {
            str(number)
            for number, row in enumerate(rows)
            if [row[name] for name in change.columns] == new
            and all(row[name] == reference[name] for name in change.kept if reference[name])
        }
        assert set(asked.targets) == right
        assert all(
            reference[name] not in ("", v) for name, v in zip(change.columns, new, strict=True)
        )
        subset = queries.subset(rng, asked, asked.targets[0])
        if subset is not None:
            assert set(subset) & right == {asked.targets[0]}
            assert asked.reference in subset and len(set(subset)) == 6


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (QueryRules(()), "no attribute is named"),
        (QueryRules(("colour",), ("colour",)), "named twice"),
        (QueryRules(("colour",), changes={"price": 1}), "names 'price'"),
        (QueryRules(("colour",), changes={"colour+colour": 1}), "is not a change of one or two"),
        (QueryRules(("colour",), changes={"colour": 0}), "is not a change of one or two"),
        (QueryRules(("colour",), keep={"colour": ("price",)}), "names 'price'"),
        (QueryRules(("a", "b"), changes={"a": 1}, keep={"b": ()}), "not among the changes"),
        (QueryRules(("colour",), details=("price",)), "the details names 'price'"),
        (QueryRules(("colour",), when_empty="guess"), "when_empty is 'guess'"),
        (QueryRules(("colour",), chinese=3.0), "in Chinese is 3"),
    ],
)
def test_rules_that_make_no_sense(rules: QueryRules, message: str) -> None:
    with pytest.raises(DataError, match=message):
        queries_of(ROWS, rules)


def test_every_row_has_a_name_of_its_own() -> None:
    for names in (["a"], ["a", "a"], ["a", "b", "c"]):
        with pytest.raises(DataError, match="different names for 2 rows"):
            CatalogueQueries(names, ROWS[:2], RULES)


@pytest.mark.skipif(not PRODUCTS.is_dir(), reason="the products data are not beside the repository")
def test_the_defaults_give_the_targets_of_the_products_queries() -> None:
    """Made by another program to the same rule; all 3,566 of val."""
    with (PRODUCTS / "catalog.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "val"]
    queries = queries_of(rows, QueryRules(("colour", "article", "pattern"), ("gender",)))
    place = {row["file"]: number for number, row in enumerate(rows)}
    changes = {change.name: change for change in queries.changes}
    for line in (PRODUCTS / "val.jsonl").read_text(encoding="utf-8").splitlines():
        query = json.loads(line)
        change = changes[query["change"]]
        new = tuple(rows[place[query["target"]]][name] for name in change.columns)
        answers = dict(queries.answers(place[query["reference"]], change))
        assert {rows[n]["file"] for n in answers[new]} == set(query["targets"])


COLOURED = [
    {"article": article, "colour": colour}
    for article, colour in (
        ("shirt", "blue"),  # 0
        ("shirt", "navy blue"),  # 1
        ("shirt", "red"),  # 2
        ("shirt", "white"),  # 3
        ("shirt", ""),  # 4
        ("jeans", "red"),  # 5
        ("shirt", "blue"),  # 6
        ("shirt", "zebra"),  # 7
    )
]


def wishes(*names: str) -> CatalogueQueries:
    rules = QueryRules(("colour", "article"), changes=dict.fromkeys(names, 1.0), chinese=0)
    return queries_of(COLOURED, rules)


def test_not_a_colour_is_answered_by_every_clearly_other_one() -> None:
    queries = wishes("not colour")
    # Navy blue is no answer, and what has no colour may have any.
    assert every_answer(queries, 0) == {"not colour": {"not": {2, 3, 7}}}
    assert every_answer(queries, 2) == {"not colour": {"not": {0, 1, 3, 6, 7}}}
    assert every_answer(queries, 5) == {}  # there is one pair of jeans
    assert every_answer(queries, 4) == {}  # it has no colour that could be refused


def test_any_number_of_pictures_answers_a_wish() -> None:
    rules = QueryRules(("colour", "article"), changes={"not colour": 1.0}, max_targets=1)
    assert every_answer(queries_of(COLOURED, rules), 0) == {"not colour": {"not": {2, 3, 7}}}


def test_darker_and_lighter_go_in_their_directions() -> None:
    queries = wishes("darker colour", "lighter colour")
    assert every_answer(queries, 0) == {
        "darker colour": {"darker": {1}},
        "lighter colour": {"lighter": {3}},
    }
    assert every_answer(queries, 3) == {"darker colour": {"darker": {0, 1, 2, 6}}}
    assert every_answer(queries, 7) == {}  # nobody knows how light that is


def test_a_wish_becomes_a_query() -> None:
    (query,) = wishes("not colour").ask(random.Random(3), "0", 1)
    assert query.targets == ("2", "3", "7") and query.group == "not colour"


def test_a_wish_about_an_unknown_column_is_named() -> None:
    with pytest.raises(DataError, match="'not size' names 'size'"):
        wishes("not size")


def test_a_new_value_and_a_refused_one() -> None:
    rows = [
        {"article": article, "colour": colour, "pattern": pattern}
        for article, colour, pattern in (
            ("shirt", "blue", "striped"),  # 0
            ("shirt", "red", "striped"),  # 1: has the stripes
            ("shirt", "red", "plain"),  # 2
            ("shirt", "red", ""),  # 3: nobody knows
            ("shirt", "green", "checked"),  # 4
            ("skirt", "red", "plain"),  # 5
            ("skirt", "navy", "plain"),  # 6: may be called blue
            ("shirt", "red", "checked"),  # 7
        )
    ]
    names = ("colour+not pattern", "article+not colour")
    rules = QueryRules(
        ("colour", "article", "pattern"), changes=dict.fromkeys(names, 1.0), details=("pattern",)
    )
    assert every_answer(queries_of(rows, rules), 0) == {
        "colour+not pattern": {"red+not": {2, 7}, "green+not": {4}},
        "article+not colour": {"skirt+not": {5}},
    }


def test_what_may_be_taken_for_the_colour_answers_no_refusal_of_it() -> None:
    colours = ("blue", "green", "teal", "multi", "grey")
    rows = [{"article": "mug", "colour": colour} for colour in colours]
    rules = QueryRules(("colour", "article"), changes={"not colour": 1.0})
    queries = queries_of(rows, rules)
    assert every_answer(queries, 0) == {"not colour": {"not": {1, 4}}}
    assert every_answer(queries, 1) == {"not colour": {"not": {0, 4}}}
    assert every_answer(queries, 2) == {"not colour": {"not": {4}}}


def test_a_refusals_hard_subset_still_has_what_is_refused() -> None:
    colours = ("red",) * 6 + ("blue",) * 3
    rows = [{"article": "mug", "colour": colour} for colour in colours]
    rows += [{"article": "jug", "colour": "red"}] * 9
    queries = queries_of(rows, QueryRules(("colour", "article"), changes={"not colour": 1.0}))
    (query,) = queries.ask(random.Random(1), "0", 1)
    subset = queries.subset(random.Random(1), query, "7")
    assert subset is not None and len(set(subset)) == 6 and {"0", "7"} <= set(subset)
    assert set(subset) - {"0", "7"} < {"1", "2", "3", "4", "5"}


def test_queries_with_the_same_answers_share_them() -> None:
    queries = wishes("not colour").draw(random.Random(2), 40)
    targets = [query.targets for query in queries if query.reference in ("0", "6")]
    assert len(targets) > 2 and len({id(each) for each in targets}) == 1


@pytest.mark.parametrize("untold", ["Not sure", "Other", "Skip", "unknown", "N/A"])
def test_what_tells_nothing_is_never_asked_for(untold: str) -> None:
    rows = [{"label": label} for label in ("Skirt", "Hat", untold)]
    rules = QueryRules(("label",), changes={"label": 1.0, "not label": 1.0})
    assert every_answer(queries_of(rows, rules), 0) == {
        "label": {"hat": {1}},
        "not label": {"not": {1}},
    }
    assert queries_of(rows, rules).references == ["0", "1"]


@pytest.mark.parametrize("column", ["article", "kind", "label"])
def test_kinds_are_asked_for_as_articles_whatever_their_column_is_called(column: str) -> None:
    rows = [{column: kind} for kind in ("Hat", "Skirt", "aubergine", "Skirt")]
    rules = QueryRules((column,), changes={column: 1.0}, chinese=0.5)
    drawn = queries_of(rows, rules).draw(random.Random(0), 2000)
    said = {query.texts[0]: query.targets for query in drawn}
    assert said["the same but as a skirt"] == ("1", "3")
    assert said["换成裙子"] == ("1", "3")
    assert said["换成茄子"] == ("2",)
    assert not [text for text in said if column in text.split()]


@pytest.mark.parametrize("said", ["", "Not sure", "unknown", "N/A", "-", "null", "无", " n.a. "])
def test_what_tables_say_where_they_do_not_say(said: str) -> None:
    assert tells_nothing(said)
    assert not tells_nothing("none")  # of a collar that is not there
    rows = [{"colour": colour, "article": "shirt"} for colour in ("red", "blue", said)]
    queries = queries_of(rows, QueryRules(("colour",)))
    assert {row["colour"] for row in queries.rows} == {"red", "blue", ""}
