"""A table's bytes as text: which encoding they are in, found from the bytes alone."""

from __future__ import annotations

import codecs
import re

BAD_BYTES = "\udcff"
"""Replaces bytes that are invalid in the table's encoding. Valid text can't contain it."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16: its mark begins with UTF-16's
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_SAID = {"gb18030": "GB18030", "cp1252": "Windows-1252"}
_SAMPLE = 65_536
_ASCII_SHARE = 0.3  # least share of ASCII in UTF-16: delimiters, digits, names of files
_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_UTF8_PER_BAD_BYTE = 2  # bytes of valid characters; other encodings have some by chance
# Characters of GB2312, and runs of those that GB18030 adds. In Windows-1252 most non-ASCII letters
# are surrounded by ASCII; two in a row look like very rare Chinese characters.
_CHINESE = re.compile(rb"(?:[\x81-\xfe][\x30-\x7e\x80-\xfe]){2,}|[\xa1-\xf7][\xa1-\xfe]")
_COMMON_CHINESE = re.compile(rb"[\xa1-\xa9\xb0-\xd7][\xa1-\xfe]")
_HIGH = re.compile(rb"[\x80-\xff]")
_CHINESE_SHARE = 0.8  # of all bytes beyond ASCII
_COMMON_SHARE = 0.3


def decoded(data: bytes) -> tuple[str, str]:
    """The text of ``data``, and the encoding that it is in, as people call it.

    UTF-8, UTF-16 and UTF-32 with or without a mark, GB18030 (GBK, GB2312), else Windows-1252.
    What can't be decoded becomes `BAD_BYTES`.
    """
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    name = _MARKS[mark] if mark else _guessed(data)
    text = data[len(mark) :].decode(name, "samebut-mark")
    return text, _SAID.get(name, name.upper().removesuffix("-LE").removesuffix("-BE"))


def _guessed(data: bytes) -> str:
    units = len(data[:_SAMPLE]) // 2
    for name, low, high in (("utf-16-le", 0, 1), ("utf-16-be", 1, 0)):
        plain = data[high : 2 * units : 2].count(0)
        strange = data[low : 2 * units : 2].count(0)  # few characters have a low byte of 0
        if units and plain >= _ASCII_SHARE * units and strange <= plain / 4:
            return name
    wide = len(_HIGH.findall(data))
    if not wide:
        return "utf-8"
    whole = sum(map(len, _UTF8.findall(data)))
    if whole >= _UTF8_PER_BAD_BYTE * (wide - whole):
        return "utf-8"
    chinese = b"".join(_CHINESE.findall(data))
    inside = len(_HIGH.findall(chinese))
    common = 2 * len(_COMMON_CHINESE.findall(chinese))
    if inside >= _CHINESE_SHARE * wide and common >= _COMMON_SHARE * wide:
        return "gb18030"
    return "cp1252"


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return BAD_BYTES, error.end


codecs.register_error("samebut-mark", _mark)
