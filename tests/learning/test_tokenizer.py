"""learning/tokenizer.py: byte-level BPE."""

from __future__ import annotations

import pytest

from samebut.learning.encoders.tokenizer import PADDING, train_tokenizer

TEXTS = ["in blue", "the same shirt in blue", "换成蓝色", "颜色变成蓝色"] * 20


@pytest.mark.parametrize("text", ["In BLUE!", "换成 蓝色", "ñandú 👗 \t x", "ｂｌｕｅ", ""])
def test_every_text_can_be_read(text: str) -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    ids = tokenizer.encode(text).ids
    assert len(ids) >= 2
    assert max(ids) < 300
    assert tokenizer.token_to_id(PADDING) == 0
    assert 0 not in ids


def test_case_and_width_do_not_matter() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    assert tokenizer.encode("ＢＬＵＥ").ids == tokenizer.encode("blue").ids


def test_frequent_words_are_one_piece() -> None:
    tokenizer = train_tokenizer(TEXTS, 400)
    assert len(tokenizer.encode("blue").ids) == 3  # begin, blue, end


@pytest.mark.parametrize("around", ["{}!!!", "{} 😍👗", "👩‍👩‍👧 {}", "  {}\t\n", "♥ {}", "{}！"])
def test_what_asks_for_nothing_is_not_read(around: str) -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    for text in ("in blue", "换成蓝色"):
        assert tokenizer.encode(around.format(text)).ids == tokenizer.encode(text).ids
    assert tokenizer.encode("😍").ids == tokenizer.encode("").ids
