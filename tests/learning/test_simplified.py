"""learning/encoders/simplified.py: traditional Chinese is read as simplified."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from samebut.learning.encoders.simplified import pairs, simplified
from samebut.learning.encoders.tokenizer import train_tokenizer


def test_traditional_is_written_as_simplified_and_nothing_else_changes() -> None:
    write = simplified().normalize_str
    assert write("換成藍色") == "换成蓝色"
    assert write("帶條紋的裙子，Ａ é ﬁ") == "带条纹的裙子，Ａ é ﬁ"
    assert write("换成蓝色 in blue") == "换成蓝色 in blue"


def test_every_pair_is_one_character_each() -> None:
    found = pairs()
    assert len(found) > 2500
    assert {len(text) for pair in found.items() for text in pair} == {1}
    write = simplified().normalize_str
    assert all(write(one) == other for one, other in found.items())


def test_a_saved_tokenizer_reads_both_alike(tmp_path: Path) -> None:
    path = str(tmp_path / "tokenizer.json")
    train_tokenizer(["换成蓝色", "带条纹", "in blue"] * 9, 300).save(path)
    tokenizer = Tokenizer.from_file(path)
    for one, other in (("換成藍色", "换成蓝色"), ("帶條紋", "带条纹")):
        assert tokenizer.encode(one).ids == tokenizer.encode(other).ids
