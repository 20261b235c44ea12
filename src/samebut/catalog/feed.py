"""Items of a feed in XML (RSS 2.0 or Atom), as for Google Merchant, by Python's own parser.

A document type, which could define entities that grow or read other files, is refused: feeds have
none. The parser goes through the text once and builds no tree.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from samebut.errors import MetadataError
from samebut.remote import Place

MAX_DEPTH = 32
"""How deep the elements of an item may be nested."""

Item = tuple[int, "dict[str, list[str]] | None"]
"""An item: the line that it begins at, and the texts of its elements; None if it is nested too
deep."""

_IS_FEED = re.compile(r"\s*(?:<\?xml\b[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!DOCTYPE|rss|feed)\b", re.S)
_ITEMS = frozenset({"item", "entry"})


class _Stopped(Exception):
    """A document type."""


def is_feed(text: str) -> bool:
    """Whether ``text`` begins as a feed does."""
    return _IS_FEED.match(text) is not None


def items(path: Place, text: str) -> tuple[list[Item], tuple[int, str] | None]:
    """The items of a feed; and, if it can't be read to its end, the line and reason.

    An element is called by its name without a prefix, one within another ``outer.inner``.

    Raises MetadataError: it has a document type.
    """
    reading = _ItemReader()
    parser = expat.ParserCreate("utf-8")  # whatever the declaration says: the text is decoded
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reading.refuse
    parser.StartElementHandler = lambda name, _: reading.begin(name, parser.CurrentLineNumber)
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.parts.append
    try:
        parser.Parse(text.encode(errors="replace"), True)
    except _Stopped as error:
        raise MetadataError(
            f"{path} has a document type declaration (<!DOCTYPE ...>), which is not accepted in "
            "a feed",
            hint="Export the feed without it, or delete that line.",
        ) from error
    except expat.ExpatError as error:
        reason = f"is no XML ({expat.ErrorString(error.code)}); what stands behind it is not read"
        return reading.items, (error.lineno, reason)
    return reading.items, None


class _ItemReader:
    """Collects items from the parser's events."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.parts: list[str] = []
        self._within: list[str] = []  # the names of open elements of an item
        self._item: dict[str, list[str]] | None = None
        self._line = 0
        self._depth = 0  # of an open item

    def refuse(self, *_: object) -> None:
        raise _Stopped

    def begin(self, name: str, line: int) -> None:
        plain = name.rpartition(":")[2]
        self.parts.clear()
        if self._depth:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                self._item = None
            self._within.append(plain)
        elif plain in _ITEMS:
            self._item, self._line, self._depth = {}, line, 1

    def end(self, _: str) -> None:
        text = "".join(self.parts).strip()
        self.parts.clear()
        if self._depth == 1:
            self.items.append((self._line, self._item))
        elif self._depth and text and self._item is not None:
            self._item.setdefault(".".join(self._within), []).append(text)
        if self._depth > 1:
            self._within.pop()
        self._depth = max(0, self._depth - 1)
