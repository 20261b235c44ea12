"""Tokenizers of OpenCLIP: those of CLIP, or the folder's own, with what OpenCLIP does to texts.

OpenCLIP cleans a text in Python before a tokenizer cuts it (`tokenizer.py`): ftfy, HTML entities,
white space, and for SigLIP punctuation and capitals. Every replacement that depends on a single
character is put into the tokenizer here. Repairs that ftfy guesses from several characters (text
that was decoded wrongly) are not.
"""

from __future__ import annotations

import gzip
import json
import re
import string

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from samebut.errors import ModelError
from samebut.learning.encoders.checkpoint import Checkpoint
from samebut.learning.encoders.open_clip_config import TextConfig
from samebut.learning.encoders.wording import pad_id, read_tokenizer

_START, _END = "<|startoftext|>", "<|endoftext|>"
_VOCABULARY = 49408  # of CLIP, both marks included
_MERGES = "bpe_simple_vocab_16e6.txt.gz"
_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""How CLIP parts words (`tokenizer.py`), marks left out."""

_QUOTES = {"[\u02bc\u2018-\u201b]": "'", "[\u201c-\u201f]": '"'}
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_WIDE = {chr(0xFEE0 + ord(each)): each for each in map(chr, range(33, 127))} | {"\u3000": " "}
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " "}


def _replaced(table: dict[str, str]) -> list[normalizers.Normalizer]:
    return [normalizers.Replace(key, value) for key, value in table.items()]


_BASIC: list[normalizers.Normalizer] = [
    *_replaced(_ENTITIES),
    *_replaced(_LIGATURES),
    *_replaced(_WIDE),
    *(normalizers.Replace(Regex(key), value) for key, value in _QUOTES.items()),
    normalizers.NFC(),
]
_SPACES: list[normalizers.Normalizer] = [
    normalizers.Replace(Regex(r"\s+"), " "),
    normalizers.Strip(),
]
CLEANED: dict[str, list[normalizers.Normalizer]] = {
    "whitespace": [*_BASIC, *_SPACES],
    "lower": [*_BASIC, *_SPACES, normalizers.Lowercase()],
    "canonicalize": [
        *_BASIC,
        normalizers.Replace("_", " "),
        normalizers.Replace(Regex(f"[{re.escape(string.punctuation)}]"), ""),
        normalizers.Lowercase(),
        *_SPACES,
    ],
}
"""`clean` in `tokenizer_kwargs` -> what is done to a text first."""


def tokenizer_of(checkpoint: Checkpoint, config: TextConfig) -> Tokenizer:
    """The tokenizer of a checkpoint, as OpenCLIP would call it. ModelError: it is not there, or
    has more pieces than the text tower knows."""
    said = config.tokenizer_kwargs
    named = config.hf_tokenizer_name is not None
    usual = "whitespace" if named else "lower"
    if (checkpoint.folder / "tokenizer.json").is_file() or named:
        tokenizer = read_tokenizer(checkpoint, CLEANED[(said and said.clean) or usual])
    else:
        tokenizer = _clip(checkpoint, CLEANED[(said and said.clean) or usual])
    if said and said.strip_sep_token:
        tokenizer.post_processor = _without_end(checkpoint, tokenizer)
    return _within(tokenizer, checkpoint, config.vocab_size)


def _within(tokenizer: Tokenizer, checkpoint: Checkpoint, known: int) -> Tokenizer:
    """The tokenizer without added tokens whose ids are beyond the tower's vocabulary: transformers
    adds a hundred to T5's tokenizer whenever it saves it, and training saw none of them."""
    said = json.loads(tokenizer.to_str())
    said["added_tokens"] = [mark for mark in said["added_tokens"] if mark["id"] < known]
    kept = Tokenizer.from_str(json.dumps(said))
    highest = max(kept.get_vocab().values())
    if highest >= known:
        raise ModelError(
            f"the tokenizer of {checkpoint.name} has {highest + 1} tokens, its text tower has "
            f"{known} (text_cfg.vocab_size)",
            hint=f"The tokenizer has to be of the same model. {checkpoint.again}",
        )
    return kept


def pad_id_of(checkpoint: Checkpoint, config: TextConfig, tokenizer: Tokenizer) -> int:
    """The id of padding: 0 with CLIP's own tokenizer, because OpenCLIP pads with 0 there."""
    return pad_id(checkpoint, tokenizer, None) if config.hf_tokenizer_name else 0


def _without_end(checkpoint: Checkpoint, tokenizer: Tokenizer) -> processors.PostProcessor:
    """BERT's start mark, and padding where its end mark would be (CLIPA)."""
    start, pad = "[CLS]", str(checkpoint.tokenizer_said("pad_token"))
    known = [(mark, tokenizer.token_to_id(mark)) for mark in (start, pad)]
    if any(number is None for _, number in known):
        raise ModelError(
            f"text_cfg.tokenizer_kwargs.strip_sep_token of {checkpoint.name} is for a tokenizer of "
            f"BERT; this one has no {start}",
            hint=checkpoint.again,
        )
    return processors.TemplateProcessing(single=f"{start} $A {pad}", special_tokens=known)


def _clip(checkpoint: Checkpoint, cleaned: list[normalizers.Normalizer]) -> Tokenizer:
    """CLIP's byte-level BPE, from ``vocab.json`` and ``merges.txt`` or from OpenCLIP's own file."""
    vocabulary, merges = _pieces(checkpoint)
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix="</w>", unk_token=_END))
    tokenizer.normalizer = normalizers.Sequence(cleaned)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    marks = [(mark, vocabulary[mark]) for mark in (_START, _END)]
    tokenizer.add_special_tokens([mark for mark, _ in marks])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_START} $A {_END}", special_tokens=marks
    )
    return tokenizer


def _pieces(checkpoint: Checkpoint) -> tuple[dict[str, int], list[tuple[str, str]]]:
    folder = checkpoint.folder
    try:
        if (folder / _MERGES).is_file():
            return _numbered(_pairs(gzip.decompress((folder / _MERGES).read_bytes()).decode()))
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        merges = _pairs((folder / "merges.txt").read_text(encoding="utf-8"))
        return {str(key): int(value) for key, value in vocabulary.items()}, merges
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(
            f"{checkpoint.name} has no tokenizer.json, nor vocab.json with merges.txt, nor "
            f"{_MERGES} that can be read",
            hint="Copy these files from openai/clip-vit-large-patch14: the model uses CLIP's "
            f"tokenizer. Or: {checkpoint.again}",
        ) from error


def _pairs(text: str) -> list[tuple[str, str]]:
    """The merges of a file, which follow a line with its version."""
    lines = (line.split() for line in text.splitlines()[1:])
    return [(line[0], line[1]) for line in lines if len(line) == 2]


def _numbered(
    merges: list[tuple[str, str]],
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Numbers of the pieces as CLIP counts them: bytes, bytes that end a word, merges, marks."""
    merges = merges[: _VOCABULARY - 2 * 256 - 2]
    letters = _letters()
    pieces = [*letters, *(f"{each}</w>" for each in letters), *map("".join, merges), _START, _END]
    return {piece: number for number, piece in enumerate(pieces)}, merges


def _letters() -> list[str]:
    """The characters that stand for the 256 bytes: printable bytes for themselves, then others."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(256 - len(plain))]
