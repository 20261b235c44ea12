"""Texts of others, such as names of files and cells of tables, made fit to be printed.

They can hold what moves the cursor, recolours a terminal, forges a line or turns the order of
letters around. Such characters are shown, never sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# Control characters, separators of lines and paragraphs, what turns the direction of text, and
# the halves of characters by which Python keeps bytes that are no text.
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
_FIRST_BYTE, _LAST_BYTE = "\udc80", "\udcff"


def _escape(sign: str) -> str:
    if _FIRST_BYTE <= sign <= _LAST_BYTE:
        return f"\\x{ord(sign) - 0xDC00:02x}"
    return sign.encode("unicode_escape").decode("ascii")


def shown(text: str, *, keep: str = "", escape: Callable[[str], str] = _escape) -> str:
    """``text`` with its control characters escaped, those in ``keep`` apart: ``\\x1b`` stands for
    an escape character, ``\\xff`` for a byte that is no text."""

    def replaced(found: re.Match[str]) -> str:
        return found[0] if found[0] in keep else escape(found[0])

    return _CONTROL.sub(replaced, text)
