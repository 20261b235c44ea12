"""Tokenizers of checkpoints, as the ``tokenizers`` library has them: read, or converted.

Steps that transformers applies to a text before the tokenizer are put into the tokenizer's
normaliser here, so that ``tokenizer.json`` alone holds all of them.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Any

from tokenizers import Regex, Tokenizer, normalizers, processors

from samebut.errors import ModelError
from samebut.learning.encoders.checkpoint import Checkpoint

_LOWER: list[normalizers.Normalizer] = [normalizers.Lowercase()]
_CANONICAL: list[normalizers.Normalizer] = [
    normalizers.Lowercase(),
    normalizers.Replace(Regex(f"[{re.escape(string.punctuation)}]"), ""),
    normalizers.Replace(Regex(r"\s+"), " "),
    normalizers.Strip(),
]
BEFORE: dict[str, list[normalizers.Normalizer]] = {
    # SiglipTokenizer.canonicalize_text, as big_vision's canonicalisation of texts.
    "SiglipTokenizer": _CANONICAL,
    # SigLIP 2 was trained on lower case, but its checkpoints name the plain Gemma tokenizer, which
    # keeps capitals (huggingface.co/google/siglip2-base-patch16-224/discussions/22).
    "GemmaTokenizer": _LOWER,
    "GemmaTokenizerFast": _LOWER,
    "Siglip2Tokenizer": _LOWER,
}
"""Class that a checkpoint names -> what is done to a text first. Doing it twice changes nothing."""


def _from_clip(checkpoint: Checkpoint) -> Tokenizer:
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(checkpoint.folder, local_files_only=True).backend_tokenizer


def _from_bert(checkpoint: Checkpoint) -> Tokenizer:
    from transformers import BertTokenizer

    return BertTokenizer.from_pretrained(checkpoint.folder, local_files_only=True).backend_tokenizer


CONVERTERS: dict[str, tuple[tuple[str, ...], Callable[[Checkpoint], Any]]] = {
    "clip": (("vocab.json", "merges.txt"), _from_clip),
    "chinese_clip": (("vocab.txt",), _from_bert),
}
"""model_type -> the files without a ``tokenizer.json``, and how they become one."""


def read_tokenizer(
    checkpoint: Checkpoint, before: list[normalizers.Normalizer] | None = None
) -> Tokenizer:
    """The checkpoint's tokenizer, with what comes before it: ``before``, or what ``BEFORE`` says of
    its class. ModelError: its files are missing."""
    path = checkpoint.folder / "tokenizer.json"
    files, convert = CONVERTERS.get(checkpoint.model_type, ((), None))
    if path.is_file():
        tokenizer = Tokenizer.from_file(str(path))
    elif convert and all((checkpoint.folder / file).is_file() for file in files):
        # A copy, because transformers' object changes the settings of its own tokenizer.
        tokenizer = Tokenizer.from_str(convert(checkpoint).to_str())
    else:
        raise ModelError(
            f"{checkpoint.name} has no tokenizer.json" + "".join(f", nor {file}" for file in files),
            hint=checkpoint.again,
        )
    kind = checkpoint.tokenizer_said("tokenizer_class") or ""
    if kind.startswith("Gemma"):
        tokenizer.post_processor = _gemma_marks(checkpoint, tokenizer)
    before = BEFORE.get(kind, []) if before is None else before
    own = [tokenizer.normalizer] if tokenizer.normalizer else []
    if before:
        tokenizer.normalizer = normalizers.Sequence([*before, *own])
    return tokenizer


def _gemma_marks(checkpoint: Checkpoint, tokenizer: Tokenizer) -> processors.PostProcessor:
    """Gemma's start and end marks are set by two switches in its configuration, not by
    ``tokenizer.json``."""
    marks = {"<bos>": "add_bos_token", "<eos>": "add_eos_token"}
    usual = {"<bos>": "True", "<eos>": "False"}
    on = [m for m, key in marks.items() if (checkpoint.tokenizer_said(key) or usual[m]) == "True"]
    template = " ".join(["<bos>"] * ("<bos>" in on) + ["$A"] + ["<eos>"] * ("<eos>" in on))
    known = [(mark, tokenizer.token_to_id(mark)) for mark in on]
    return processors.TemplateProcessing(single=template, special_tokens=known)


def pad_id(checkpoint: Checkpoint, tokenizer: Tokenizer, usual: str | None) -> int:
    """The id of the piece that stands for padding, ``usual`` where the checkpoint names none.

    ModelError: there is no such piece.
    """
    piece = checkpoint.tokenizer_said("pad_token") or usual
    found = None if piece is None else tokenizer.token_to_id(piece)
    if found is None:
        raise ModelError(
            f"{checkpoint.name} does not say which token is padding",
            hint="Set pad_token in its tokenizer_config.json to a token of its tokenizer. Or: "
            + checkpoint.again,
        )
    return int(found)
