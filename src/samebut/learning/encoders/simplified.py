"""Traditional Chinese read as simplified, within a tokenizer's normaliser.

OpenCC's table of characters is compiled into one map (a double-array trie, as SentencePiece writes
it) that is stored in ``tokenizer.json``. So training and search read texts alike, and only training
needs the two libraries. The map is of characters, not of words: an ambiguous character such as 乾
always becomes its most frequent simplified form.
"""

from __future__ import annotations

import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import normalizers


def pairs() -> dict[str, str]:
    """Traditional characters of the basic plane and what they are in simplified Chinese."""
    table = files("opencc_purepy").joinpath("dicts/TSCharacters.txt").read_text(encoding="utf-8")
    found = {}
    for line in table.splitlines():
        traditional, _, rest = line.partition("\t")
        simplified = rest.split(" ")[0]
        if len(traditional) == len(simplified) == 1 and traditional != simplified:
            found[traditional] = simplified
    return {key: value for key, value in found.items() if max(key, value) <= "\uffff"}


@cache
def _compiled() -> bytes:
    """The map in the format of ``normalizers.Precompiled``. SentencePiece writes it into every
    model that it trains, so a tiny one is trained for it."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        rules = [f"{ord(one):X}\t{ord(other):X}\n" for one, other in pairs().items()]
        (folder / "rules.tsv").write_text("".join(rules))
        (folder / "texts.txt").write_text("a b c d e\n" * 20)
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "texts.txt"),
            model_prefix=str(folder / "made"),
            model_type="bpe",
            vocab_size=9,
            hard_vocab_limit=False,
            normalization_rule_tsv=str(folder / "rules.tsv"),
            minloglevel=2,
        )
        model: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
        model.ParseFromString((folder / "made.model").read_bytes())
    compiled: bytes = model.normalizer_spec.precompiled_charsmap
    return compiled


def simplified() -> normalizers.Normalizer:
    """A normaliser that writes traditional characters as simplified ones, and nothing else."""
    return normalizers.Precompiled(_compiled())
