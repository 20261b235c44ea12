"""Limits in a sentence, in English and Chinese: "under 500", "between 20 and 40", 不超过300元.

`samebut.index.mentions` finds the column that is limited; a `Limit` is an amount as it is written,
its unit, and its position. The amount is included: "under 500" is at most 500, because who says so
would also pay 500.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from samebut.values import is_currency, units

_AT_MOST = (
    "no more than|not more than|less than|fewer than|lower than|cheaper than|smaller than"
    "|lighter than|shorter than|up to|at most|not over|not above|not exceeding|maximum of"
    "|max(?:imum)?[.:]?|under|below|within|<=|≤|<"
    "|不超过|不高于|不多于|不大于|不要超过|别超过|不能超过|低于|少于|小于|最多|至多|最高"
)
_AT_LEAST = (
    "no less than|not less than|more than|greater than|higher than|heavier than|longer than"
    "|at least|not under|not below|starting at|starting from|minimum of|min(?:imum)?[.:]?|over"
    "|above|>=|≥|>|不低于|不少于|不小于|超过|高于|多于|大于|至少|最少|最低"
)
_OR_LESS = (
    r"or less|or under|or below|or cheaper|or lower|max(?:imum)?\b|tops|以下|以内|之内|之下|封顶"
)
_OR_MORE = r"or more|or over|or above|or higher|and up|and above|and over|\+|以上|之上|起"
_RANGE = r"\s*(?:-|–|—|~|〜|至|到|to|and)\s*"
_CHINESE_NUMBER = "[零一二两三四五六七八九十百千万]{1,9}"
_NUMBER = rf"(?:\d{{1,12}}(?:[.,]\d{{1,6}}){{0,4}}(?:k\b|千|万)?|{_CHINESE_NUMBER})"
_AROUND = 40  # characters before and after a number in which the words of a limit are looked for
_HAS_NUMBER = re.compile(r"[\d零一二两三四五六七八九十百千万.,]+")
_DIGITS = {sign: number for number, sign in enumerate("零一二三四五六七八九")} | {"两": 2}
_TENS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_SPOKEN_MONEY = ("块钱", "块", "元钱", "bucks", "dollars", "rmb", "人民币", "元人民币")
# Words that may follow a bare amount that is a price. An amount before a noun is a count: "3
# stripes".
_MAY_FOLLOW = re.compile(
    r"\s*(?:$|[^\w\s]|(?:and|but|or|with|without|in|for|from|by|please|only|each|that|which"
    r"|的|吧|就好|就行|左右)(?![a-z]))"
)


@dataclass(frozen=True, slots=True)
class Limit:
    """From ``start`` to ``end`` of a folded text: ``low`` and ``high`` as amounts, None where there
    is no bound. ``unit`` is "" where none is said; ``is_money``: it is a currency. ``is_whole``:
    the amount is no count of something that is named behind it."""

    start: int
    end: int
    low: str | None
    high: str | None
    unit: str
    is_money: bool
    is_whole: bool


def limits(text: str) -> list[Limit]:
    """The limits in ``text``, which is as `samebut.values.fold` makes it; none overlaps another."""
    found: list[Limit] = []
    for limit in sorted(_every(text), key=lambda each: (each.start, -each.end)):
        if not found or limit.start >= found[-1].end:
            found.append(limit)
    return found


def _every(text: str) -> Iterator[Limit]:
    for pattern, has_word in _patterns():
        for match in _matches(pattern, text):
            said = match.groupdict()
            low, high = said.get("low"), said.get("high")
            unit = next(
                (said[name] for name in ("unit", "unit2", "sign", "sign2") if said.get(name)), ""
            )
            # "20-40" may be sizes or years, and "20 to 40" anything.
            if not unit and not has_word:
                continue
            yield Limit(
                match.start(),
                match.end(),
                _plain(low),
                _plain(high),
                "" if unit in _SPOKEN_MONEY else unit,
                is_money=is_currency(unit) or unit in _SPOKEN_MONEY,
                is_whole=bool(unit) or _MAY_FOLLOW.match(text, match.end()) is not None,
            )


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The matches of a pattern near numbers: matching takes microseconds for each letter."""
    near: list[list[int]] = []
    for number in _HAS_NUMBER.finditer(text):
        start, end = max(0, number.start() - _AROUND), number.end() + _AROUND
        if near and start <= near[-1][1]:
            near[-1][1] = end
        else:
            near.append([start, end])
    for start, end in near:
        yield from pattern.finditer(text, start, end)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], bool], ...]:
    """A pattern for each form of a limit, and whether it contains a word that marks a limit."""
    names = sorted({*units(), *_SPOKEN_MONEY}, key=len, reverse=True)
    # "in" is not a unit here: "under 100 in blue".
    unit = "|".join(
        re.escape(n) + (r"(?!\s*[a-z])" if n == "in" else r"(?![a-z])" if n[-1].isalpha() else "")
        for n in names
    )
    signs = sorted(filter(is_currency, names), key=len, reverse=True)
    sign = "|".join(re.escape(n) + (r"(?=[\s\d])" if n[-1].isalpha() else "") for n in signs)

    def amount(name: str, nth: str = "") -> str:
        number = rf"(?P<{name}>{_NUMBER})(?![\d])"
        return rf"(?:(?P<sign{nth}>{sign})\s*)?{number}(?:\s*(?P<unit{nth}>{unit}))?"

    two = rf"{amount('low')}{_RANGE}{amount('high', '2')}"
    begin = r"(?<![a-z\d.])"
    whole = (
        (rf"{begin}(?:between|from|介于|在)\s*{two}(?:\s*之间)?", True),
        (rf"{begin}{two}\s*之间", True),
        (rf"(?<![\d.\w-]){two}(?![-\d])", False),
        (rf"{begin}(?:{_AT_MOST})\s*{amount('high')}", True),
        (rf"{begin}(?:{_AT_LEAST})\s*{amount('low')}", True),
        (rf"(?<![\d.,]){amount('high')}\s*(?:{_OR_LESS})(?![a-z])", True),
        (rf"(?<![\d.,]){amount('low')}\s*(?:{_OR_MORE})(?![a-z])", True),
    )
    return tuple((re.compile(pattern), has_word) for pattern, has_word in whole)


def _plain(amount: str | None) -> str | None:
    """An amount in digits: 1k is 1000, 三百 is 300."""
    if amount is None:
        return None
    if re.fullmatch(_CHINESE_NUMBER, amount):
        return str(_chinese(amount))
    for ending, times in (("k", 1000), ("千", 1000), ("万", 10_000)):
        if amount.endswith(ending):
            return f"{float(amount.removesuffix(ending).replace(',', '.')) * times:g}"
    return amount


def _chinese(number: str) -> int:
    total = part = digit = 0
    for sign in number:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
        elif sign == "万":
            total, part, digit = (total + part + digit) * 10_000, 0, 0
        else:
            part, digit = part + (digit or 1) * _TENS[sign], 0
    if digit and len(number) > 1 and number[-2] in "百千万":  # 一千二 is 1200
        digit *= _TENS[number[-2]] // 10
    return total + part + digit
