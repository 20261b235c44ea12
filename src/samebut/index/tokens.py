"""The tokenizer of the filter language (`samebut.index.where`), and errors that mark a place in
it."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from samebut.errors import FilterError
from samebut.values import NUMBER

KEYWORDS = frozenset({"and", "or", "not", "in", "like", "contains", "is", "null"})
_ASCII = str.maketrans("＝＜＞！（），", "=<>!(),")
_QUOTES = {"'": "'", '"': '"', "‘": "’", "“": "”", "[": "]", "`": "`"}
VALUE_QUOTES = frozenset("'\"‘“")
COLUMN_QUOTES = frozenset('"“[`')
_SYMBOL = re.compile(r"<=|>=|<>|!=|==|[=<>(),]")


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is ``word``, ``number``, ``end``, an opening quote, a symbol or a keyword itself."""

    kind: str
    text: str
    start: int

    @property
    def shown(self) -> str:
        return "the end" if self.kind == "end" else self.text


def tokens_of(text: str) -> list[Token]:
    """The tokens of ``text``; the last one is of kind ``end``.

    Raises:
        FilterError: an unknown character, an unclosed quote or an invalid number.
    """
    tokens = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token, at = _token(text, at)
        tokens.append(token)
    tokens.append(Token("end", "", len(text)))
    return tokens


def _token(text: str, at: int) -> tuple[Token, int]:
    if text[at] in _QUOTES:
        return _quoted_token(text, at)
    if symbol := _SYMBOL.match(text[at : at + 2].translate(_ASCII)):
        return Token(symbol[0], symbol[0], at), at + len(symbol[0])
    if number := NUMBER.match(text, at):
        return _number_token(text, number)
    end = _name_end(text, at)
    if end == at:
        hint = "Put texts, and columns with such a sign in their names, in quotes."
        raise error_at(text, at, f"{text[at]!r} has no meaning here", hint)
    word = text[at:end]
    kind = word.lower() if word.lower() in KEYWORDS else "word"
    return Token(kind, word, at), end


def _quoted_token(text: str, at: int) -> tuple[Token, int]:
    closing = _QUOTES[text[at]]
    parts: list[str] = []
    start = at + 1
    while (end := text.find(closing, start)) >= 0:
        parts.append(text[start:end])
        if not text.startswith(closing, end + 1):
            return Token(text[at], closing.join(parts), at), end + 1
        start = end + 2
    raise error_at(text, at, f"this {text[at]} is never closed", f"end the text with {closing}")


def _number_token(text: str, number: re.Match[str]) -> tuple[Token, int]:
    end = number.end()
    # A name stuck to it, or the rest of a date.
    if (stuck_end := _name_end(text, end)) > end:
        stuck = text[number.start() : stuck_end]
        hint = "Write a column in double quotes and a text in single quotes."
        raise error_at(text, number.start(), f"{stuck} is neither a number nor a name", hint)
    if not math.isfinite(float(number[0])):
        raise error_at(
            text, number.start(), f"{number[0]} is too large a number", "use a smaller one"
        )
    return Token("number", number[0], number.start()), end


def _name_end(text: str, at: int) -> int:
    """End of a bare name: letters of any script, digits, ``_``, and ``-`` or ``.`` inside it."""
    while _continues_name(text, at) or (
        text[at : at + 1] in ("-", ".") and _continues_name(text, at + 1)
    ):
        at += 1
    return at


def _continues_name(text: str, at: int) -> bool:
    return ("_" + text[at : at + 1]).isidentifier() and at < len(text)


def error_at(text: str, at: int, message: str, hint: str = "") -> FilterError:
    """An error that shows the line of ``text`` around ``at`` with a caret below the place."""
    return FilterError(f"in the filter, {message}\n{_marked(text, at)}", hint=hint)


def _marked(text: str, at: int) -> str:
    """The line around ``at`` with a caret below the character, also after double-width ones."""
    start = max(text.rfind("\n", 0, at) + 1, at - 60)
    end = text.find("\n", at)
    line = text[start : at + 20 if end < 0 else min(end, at + 20)]
    shown = "".join(ch if ch.isprintable() else " " for ch in line)
    columns = sum(_columns(ch) for ch in shown[: at - start])
    return f"  {shown}\n  {' ' * columns}^"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
