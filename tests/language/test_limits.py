"""language/limits.py: amounts that a sentence sets as a limit, in English and Chinese."""

from __future__ import annotations

import pytest

from samebut.language.limits import limits
from samebut.values import fold

Said = tuple[str, str | None, str | None, str]

LIMITS: dict[str, list[Said]] = {
    "under 500": [("under 500", None, "500", "")],
    "less than €1.299,00": [("less than €1.299,00", None, "1.299,00", "€")],
    "at most 1,299 usd": [("at most 1,299 usd", None, "1,299", "usd")],
    "over 50 cm wide": [("over 50 cm", "50", None, "cm")],
    "at least 20%": [("at least 20%", "20", None, "%")],
    "1.5k or less": [("1.5k or less", None, "1500", "")],
    "500+": [("500+", "500", None, "")],
    "from 20 to 30 euros": [("from 20 to 30 euros", "20", "30", "euros")],
    "20-30 eur": [("20-30 eur", "20", "30", "eur")],
    "under 100 in blue": [("under 100", None, "100", "")],
    "under 10 in": [("under 10 in", None, "10", "in")],
    "over 20 and under 30": [("over 20", "20", None, ""), ("under 30", None, "30", "")],
    "不超过300元": [("不超过300元", None, "300", "元")],
    "三百五十元以内": [("三百五十元以内", None, "350", "元")],
    "一千二以上": [("一千二以上", "1200", None, "")],
    "一千零二以上": [("一千零二以上", "1002", None, "")],
    "两万以下": [("两万以下", None, "20000", "")],
    "1.2万以下": [("1.2万以下", None, "12000", "")],
    "100到200元": [("100到200元", "100", "200", "元")],
    "在100~200之间": [("在100~200之间", "100", "200", "")],
    "under the table": [],
    "20-40": [],
    "20 to 40": [],
    "2020-2024": [],
    "2024-05-01": [],
    "size 38": [],
    "三条条纹": [],
    "overall 5": [],
}


@pytest.mark.parametrize("text", LIMITS)
def test_limits(text: str) -> None:
    folded = fold(text)
    found = [
        (folded[each.start : each.end], each.low, each.high, each.unit) for each in limits(folded)
    ]
    assert found == LIMITS[text]


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        ("under 500", True),
        ("under 500, red", True),
        ("under 500 with stripes", True),
        ("over 3 stripes", False),
        ("不超过300的", True),
        ("超过3条", False),
    ],
)
def test_an_amount_before_a_noun_counts_that(text: str, is_whole: bool) -> None:
    (limit,) = limits(fold(text))
    assert limit.is_whole is is_whole
