"""learning/tables.py: tables of settings, what is wrong with one, and what documents it."""

from __future__ import annotations

from typing import Any, Literal, Self

import pytest
from pydantic import Field, ValidationError, model_validator

from samebut.learning.tables import Contradiction, Place, Table, Wrong, read_table, rows_of


class Inner(Table):
    share: float = Field(0.5, gt=0, lt=1)
    """Of all."""


class Outer(Table):
    count: int = Field(ge=1, le=9)
    """How
    many."""
    kind: Literal["a", "b"] = "a"
    """Which."""
    on: bool = True
    """Whether."""
    names: tuple[str, ...] = ()
    """Who."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Of each."""
    inner: Inner = Inner()
    """More."""
    many: dict[str, Inner] = Field(default_factory=dict)
    """By name."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.kind == "b" and not self.on:
            raise Contradiction("b is off", hint="Turn it on.", key=("on",))
        return self


WRONG: list[tuple[dict[str, Any], Place, str, str]] = [
    (
        {},
        ("count",),
        "the key 'count' is missing",
        "a whole number, 1 or more, at most 9. How many.",
    ),
    ({"count": 0}, ("count",), "count is 0", "a whole number, 1 or more, at most 9. How many."),
    ({"count": 10}, ("count",), "count is 10", "at most 9"),
    ({"count": True}, ("count",), "count is true", "a whole number"),
    ({"count": 1.0}, ("count",), "count is 1.0", "a whole number"),
    ({"count": "1"}, ("count",), 'count is "1"', "a whole number"),
    ({"count": 1, "on": 1}, ("on",), "on is 1", "true or false"),
    ({"count": 1, "kind": "c"}, ("kind",), 'kind is "c"', '"a" or "b". Which.'),
    ({"count": 1, "names": "x"}, ("names",), 'names is "x"', "a list, each a text"),
    ({"count": 1, "names": ["x", 2]}, ("names", 1), "names is 2", "a list, each a text"),
    ({"count": 1, "weights": 2}, ("weights",), "weights is 2", "a table of names, each with a num"),
    ({"count": 1, "weights": {"x": "y"}}, ("weights", "x"), 'weights.x is "y"', "each with a num"),
    ({"count": 1, "inner": 2}, ("inner",), "inner is 2", "a table. More."),
    ({"count": 1, "inner": {"share": 0}}, ("inner", "share"), "is 0", "more than 0, below 1"),
    ({"count": 1, "inner": {"share": True}}, ("inner", "share"), "is true", "a number"),
    ({"count": 1, "inner": {"share": float("nan")}}, ("inner", "share"), "is nan", "a number"),
    (
        {"count": 1, "inner": {"shar": 1}},
        ("inner", "shar"),
        "'shar'",
        "mean 'share'? Known: share.",
    ),
    ({"count": 1, "many": {"x": {"share": 2}}}, ("many", "x", "share"), "many.x.share", "Of all."),
    ({"count": 1, "many": {"x": {"shar": 2}}}, ("many", "x", "shar"), "'shar'", "'share'"),
    ({"count": 1, "cuont": 2}, ("cuont",), "unknown key 'cuont'", "Did you mean 'count'?"),
    ({"count": 1, "zzz": 2}, ("zzz",), "unknown key 'zzz'", "Known: count, kind, on"),
    ({"count": 1, "kind": "b", "on": False}, ("on",), "b is off", "Turn it on."),
]


@pytest.mark.parametrize(("values", "place", "message", "hint"), WRONG)
def test_what_is_wrong(values: dict[str, Any], place: Place, message: str, hint: str) -> None:
    with pytest.raises(Wrong) as error:
        read_table(Outer, values)
    assert error.value.place == place
    assert message in str(error.value)
    assert hint in error.value.hint
    assert ("Did you mean" in error.value.hint) == ("mean" in hint or hint == "'share'")


def test_what_is_right() -> None:
    table = read_table(Outer, {"count": 1, "names": ["x"], "inner": {"share": 0.25}})
    assert (table.count, table.names, table.inner.share, table.on) == (1, ("x",), 0.25, True)
    assert read_table(Inner, {"share": 0.5}) == Inner()
    with pytest.raises(ValidationError, match="frozen"):
        table.count = 2  # type: ignore[misc]


def test_what_documents_a_table() -> None:
    assert list(rows_of(Outer)) == [
        ("count", "needed", "a whole number, 1 or more, at most 9", "How many."),
        ("kind", '"a"', '"a" or "b"', "Which."),
        ("on", "true", "true or false", "Whether."),
        ("names", "[]", "a list, each a text", "Who."),
        ("weights", "{}", "a table of names, each with a number", "Of each."),
        ("inner.share", "0.5", "a number, more than 0, below 1", "Of all."),
        ("many.share", "0.5", "a number, more than 0, below 1", "Of all."),
    ]
