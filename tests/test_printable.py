"""printable.py: characters that control a terminal are shown, not sent to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebut.printable import shown


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a\x1b[31mred.jpg", r"a\x1b[31mred.jpg"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("\x07\x9b\x7f\0", r"\x07\x9b\x7f\x00"),
        ("invoice\u202egpj.exe", r"invoice\u202egpj.exe"),
        ("a\u2028b\u2066c\ufeff", r"a\u2028b\u2066c\ufeff"),
        ("r\udce9d.png", r"r\xe9d.png"),
        ("\ud83d", r"\ud83d"),
        ("红色 crème\u00a0brûlée 👩\u200d🎨", "红色 crème\u00a0brûlée 👩\u200d🎨"),
    ],
)
def test_control_characters_are_shown(text: str, printed: str) -> None:
    assert shown(text) == printed


def test_what_is_kept_and_how_it_is_escaped() -> None:
    assert shown("a\nb\tc", keep="\n") == "a\nb\\tc"
    assert shown("\x1b", escape=lambda sign: f"<{ord(sign)}>") == "<27>"


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_any_text_can_be_printed_on_one_line(text: str) -> None:
    printed = shown(text)
    printed.encode()
    assert printed.splitlines() in ([printed], [])
    within = shown(json.dumps(text, ensure_ascii=False), escape=lambda s: f"\\u{ord(s):04x}")
    assert json.loads(within) == text
