"""Text templates in English and Chinese, parsed once and filled with values.

Braces hold the name of a value, or a form followed by one or more names:

    {new}          the value itself
    {a new}        as one thing: "an anorak", "a pair of jeans"
    {some new}     without the pair: "an anorak", "jeans"
    {the new}      as a thing known: "the anorak", "the pair of jeans"
    {for new}      whom it is for: "women" of "female"
    {whose new}    whose it is: "women's"
    {一 new}       with its Chinese measure word: 一双凉鞋
    {?new}         is replaced by nothing, but the template can only be used if the value is known
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from samebut.errors import DataError
from samebut.language import lexicon

LANGUAGES = ("en", "zh")

_SLOT = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Slot:
    """A placeholder: the values it reads, and the form they are said in, or ""."""

    form: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. It can only be filled if all the values it ``needs`` are known."""

    parts: tuple[str | Slot, ...]
    needs: frozenset[str]

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with ``values`` in place of the placeholders."""
        return "".join(
            part if isinstance(part, str) else _FORMS[part.form]([values[n] for n in part.names])
            for part in self.parts
        )


def read_template(text: Any, known: frozenset[str] | None, where: str) -> Template:
    """Parse a template; ``known`` are the names that may be used in braces, None for any.

    Raises DataError, beginning with ``where``: empty text, an unmatched brace, an unknown name.
    """
    if not isinstance(text, str) or not text.strip():
        raise DataError(
            f"{where}: {text!r} is not a text", hint="Write a template as a text in quotes."
        )
    pieces = _SLOT.split(text)
    if any("{" in piece or "}" in piece for piece in pieces[::2]):
        raise DataError(
            f"{where}: a brace is not closed or not opened in {text!r}",
            hint="Write each name between two braces, such as {colour}.",
        )
    parts: list[str | Slot] = []
    for number, piece in enumerate(pieces):
        if number % 2:
            parts.append(_slot(piece, text, known, where))
        elif piece:
            parts.append(piece)
    names = {name for part in parts if isinstance(part, Slot) for name in part.names}
    return Template(tuple(parts), frozenset(names))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Fill a built-in template, which is parsed the first time."""
    return _ours(text).fill(values)


@cache
def _ours(text: str) -> Template:
    return read_template(text, None, "built in")


def framed(frames: Sequence[str], fragments: Iterable[Template]) -> tuple[Template, ...]:
    """Every fragment in every frame; a frame is a template in which ``{}`` is the fragment."""
    cut = []
    for frame in frames or ("{}",):
        before, _, behind = frame.partition("{}")
        cut.append(
            tuple(
                read_template(x, None, "frames") if x else Template((), frozenset())
                for x in (before, behind)
            )
        )
    return tuple(
        Template((*front.parts, *each.parts, *back.parts), front.needs | each.needs | back.needs)
        for front, back in cut
        for each in fragments
    )


def listed(names: Iterable[str]) -> str:
    """Names for a hint, sorted and separated by commas."""
    return ", ".join(sorted(names))


def _slot(inside: str, text: str, known: frozenset[str] | None, where: str) -> Slot:
    words = inside.removeprefix("?").split()
    form = "?" if inside.startswith("?") else ""
    form = form or (words.pop(0) if len(words) > 1 and words[0] in _FORMS else "")
    unknown = [word for word in words if known is not None and word not in known]
    if unknown or not words:
        near = difflib.get_close_matches(unknown[0], sorted(known or ())) if unknown else []
        raise DataError(
            f"{where}: {{{inside}}} is not a placeholder that is known, in {text!r}",
            hint=f"Did you mean {{{near[0]}}}?" if near else f"Known: {listed(known or ())}.",
        )
    return Slot(form, tuple(words))


def _whose(words: Sequence[str]) -> str:
    return " ".join([lexicon.people(words[0])[1], *words[1:]])


_FORMS: dict[str, Callable[[Sequence[str]], str]] = {
    "": " ".join,
    "?": lambda words: "",
    "a": lambda words: lexicon.indefinite(" ".join(words)),
    "some": lambda words: lexicon.indefinite(" ".join(words), pairs=False),
    "the": lambda words: lexicon.definite(" ".join(words)),
    "for": lambda words: " ".join(lexicon.people(word)[0] for word in words),
    "whose": _whose,
    "一": lambda words: f"一{lexicon.measure_word(words[-1])}{''.join(words)}",
}
