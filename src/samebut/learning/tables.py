"""Tables of settings: each field with its default, its range and its meaning where it is declared.

A recipe is made of them. ``read_table`` names the first key that is wrong and what it may be; the
tables of docs/training.md are generated from the same declarations (``allowed``, ``rows_of``).
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from samebut.errors import RecipeError

AnyTable = TypeVar("AnyTable", bound="Table")
Place = tuple[int | str, ...]
"""Where a key stands in a recipe: ``("stages", 1, "loss", "captions")``, counted from 0."""

_PLAIN = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}
_BOUNDS = {"ge": "{:g} or more", "gt": "more than {:g}", "le": "at most {:g}", "lt": "below {:g}"}


class Contradiction(ValueError):
    """Two keys that contradict each other; ``key`` is the path of one of them from its table, and
    ``hint`` says what to do."""

    def __init__(self, message: str, *, hint: str, key: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.hint, self.key = hint, key


class Table(BaseModel):
    """A table of a recipe. An unknown key, another type or a value out of range is refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The table with these values, lists as tuples; raises pydantic's ValidationError."""
        return cls.model_validate(_with_tuples(dict(values)))


class Wrong(RecipeError):
    """A recipe's key that can't be used; ``place`` says where it stands."""

    def __init__(self, message: str, place: Place, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.place = place


def read_table(kind: type[AnyTable], values: Mapping[str, Any]) -> AnyTable:
    """``values`` as a table of ``kind``. Raises Wrong for the first key that can't be used."""
    try:
        return kind.of(values)
    except ValidationError as error:
        raise _explained(kind, error.errors()[0]) from error


def rows_of(kind: type[Table], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """For each key: its name, its default, what it may be, and its meaning; inner tables follow
    their own key, dotted."""
    for name, field in kind.model_fields.items():
        inner = _table_in(field.annotation)
        if inner:
            yield from rows_of(inner, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        shown = "needed" if field.is_required() else as_toml(default)
        yield f"{prefix}{name}", shown, allowed(field), _meaning(field)


def allowed(field: FieldInfo) -> str:
    """What a field may be, in words: "a number, more than 0"."""
    bounds = [
        words.format(getattr(each, bound))
        for each in field.metadata
        for bound, words in _BOUNDS.items()
        if getattr(each, bound, None) is not None
    ]
    return ", ".join([_type_in_words(field.annotation), *bounds])


def _meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _type_in_words(kind: Any) -> str:
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in inner)
    if origin is tuple:
        return f"a list, each {_type_in_words(inner[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(_type_in_words(each) for each in inner if each is not type(None))
    if origin is dict and inner[1] is not Any:
        return f"a table of names, each with {_type_in_words(inner[1])}"
    return "a table"


def _explained(kind: type[Table], error: ErrorDetails) -> Wrong:
    place = _place_of(error)
    table, field = _field_at(kind, place)
    reason = error.get("ctx", {}).get("error")
    if isinstance(reason, Contradiction):
        return Wrong(str(reason), (*place, *reason.key), hint=reason.hint)
    if error["type"] == "extra_forbidden":
        return _unknown(str(place[-1]), place, list(table.model_fields))
    must = f"It must be {allowed(field)}. {_meaning(field)}" if field else "See docs/training.md."
    if error["type"] == "missing":
        return Wrong(f"the key '{place[-1]}' is missing", place, hint=must.strip())
    key = ".".join(part for part in place if isinstance(part, str))
    return Wrong(f"{key} is {as_toml(error['input'])}", place, hint=must.strip())


def _unknown(key: str, place: Place, known: list[str]) -> Wrong:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    return Wrong(f"unknown key '{key}'", place, hint=f"{hint}Known: {', '.join(known)}.")


def _place_of(error: ErrorDetails) -> Place:
    """Where the key stands. Where several types are allowed, pydantic appends the one that it
    tried; that is cut off."""
    place: Place = error["loc"]
    return place[:-1] if place[-1:] in {(kind.__name__,) for kind in _PLAIN} else place


def _field_at(kind: type[Table], place: Place) -> tuple[type[Table], FieldInfo | None]:
    """The table that the last key of ``place`` belongs to, and that key's field if it has one.

    A name chosen by the user ("shop" of ``[sources.shop]``) is not a field and is skipped: its
    values belong to the field of the dictionary (``sources``).
    """
    table, field = kind, None
    inside: type[Table] | None = kind
    named = False
    for name in place:
        if not isinstance(name, str):
            continue
        if named:
            named = False
            continue
        field, table = (inside.model_fields.get(name), inside) if inside else (None, table)
        if field is None:
            break
        inside, named = _table_in(field.annotation), get_origin(field.annotation) is dict
    return table, field


def _table_in(annotation: Any) -> type[Table] | None:
    """The table class that a field's annotation names, be it as the items of a list or dict; None
    if it names none."""
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, Table):
            return each
    return None


def _with_tuples(value: Any) -> Any:
    """TOML's lists as tuples, at any depth."""
    if isinstance(value, dict):
        return {key: _with_tuples(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_with_tuples(each) for each in value)
    return value


def as_toml(value: Any) -> str:
    """A value as it is written in a recipe."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(as_toml(each) for each in value)}]"
    if isinstance(value, float):
        return f"{value:.1f}" if value.is_integer() else f"{value:.4g}"
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {as_toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return "none" if value is None else str(value)
