"""A byte-level BPE tokenizer of our own: any language, no unknown words, a few thousand pieces."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from samebut.learning.encoders.simplified import simplified

# Removed from texts: exclamation marks, emoji and their joiners, other symbols, control characters.
# They carry no request, and the embeddings of tokens that training never saw are random and distort
# a text's (benchmarks/robustness.py).
NOT_WORDS = r"[!\p{So}\p{Sk}\p{C}\x{FE0F}]+"
PADDING, BEGIN, END = "[PAD]", "[BEGIN]", "[END]"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE (Radford et al. 2019, section 2.2) over lower-case NFKC text, in which
    traditional Chinese is simplified.

    The 256 bytes are always pieces, so every text can be read. ``[PAD]`` has id 0.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            simplified(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(NOT_WORDS), " "),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PADDING, BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}",
        special_tokens=[(mark, tokenizer.token_to_id(mark)) for mark in (BEGIN, END)],
    )
    return tokenizer
