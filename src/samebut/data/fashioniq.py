"""FashionIQ (Wu et al., CVPR 2021), with every choice that papers make differently.

Papers use two galleries, keep or remove the reference, and make one query of two captions in nine
ways. Together these choices change published numbers by more than ten points, so each has a name
here and in the protocol line of a result. A tenth way is CLIP4Cir's for training.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.data.folders import OTHER_VERSION, Folder, require_fields, whatever_can_be_read
from samebut.errors import DataError
from samebut.files import read_json

CATEGORIES = ("dress", "shirt", "toptee")
SPLITS = ("train", "val", "test")

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """How two captions become the text of a query. ``texts`` returns one entry a query; an entry
    of several texts is one query, the mean of their embeddings."""

    pattern: str
    texts: Callable[[str, str, str], tuple[Texts, ...]]


def _stripped(caption: str) -> str:
    return caption.strip(".?, ")


def _clip4cir(first: str, second: str, category: str) -> tuple[Texts, ...]:
    return ((f"{_stripped(first).capitalize()} and {_stripped(second)}",),)


def _clip4cir_training(first: str, second: str, category: str) -> tuple[Texts, ...]:
    """Either caption may come first or be left out; training draws one of the four each time."""
    one, two = _stripped(first), _stripped(second)
    if not (one and two):
        return (((one or two).capitalize(),),)
    joined = (f"{one.capitalize()} and {two}", f"{two.capitalize()} and {one}")
    return ((*joined, one.capitalize(), two.capitalize()),)


def _searle(first: str, second: str, category: str) -> tuple[Texts, ...]:
    one, two = _stripped(first), _stripped(second)
    return ((f"{one} and {two}", f"{two} and {one}"),)


def _covr(first: str, second: str, category: str) -> tuple[Texts, ...]:
    plain = re.sub(r"[.!\"()*#:;~]", " ", f"{first} and {second}".lower())
    words = re.sub(r"\s{2,}", " ", plain).strip().split(" ")
    return ((" ".join(words[:30]),),)


def _start_kit(first: str, second: str, category: str) -> tuple[Texts, ...]:
    return ((f"{first.strip()} <and> {second.strip()}".lower(),),)


def _val(first: str, second: str, category: str) -> tuple[Texts, ...]:
    return tuple((caption.strip(),) for caption in (first, second) if caption.strip())


def _composeae(first: str, second: str, category: str) -> tuple[Texts, ...]:
    return ((f"{category} {first} and it {second}".lower(),),)


def _dqu_cir(first: str, second: str, category: str) -> tuple[Texts, ...]:
    return ((f"{_plain_words(first)} and {_plain_words(second)}",),)


def _plain_words(caption: str) -> str:
    spaces = str.maketrans(dict.fromkeys(string.punctuation, " "))
    return " ".join(caption.lower().translate(spaces).split())


# Named after the repository each was read in.
JOINS: dict[str, Join] = {
    "clip4cir": Join("“Cap1 and cap2”, stripped", _clip4cir),
    "clip4cir-train": Join(
        "mean of “Cap1 and cap2”, “Cap2 and cap1”, “Cap1”, “Cap2”", _clip4cir_training
    ),
    "searle": Join("mean of “cap1 and cap2” and “cap2 and cap1”", _searle),
    "covr": Join("“cap1 and cap2”, lower case, 30 words", _covr),
    "start-kit": Join("“cap1 <and> cap2”, lower case", _start_kit),
    "maaf": Join("“cap1 inadditiontothat cap2”", lambda a, b, _: ((f"{a} inadditiontothat {b}",),)),
    "rtic": Join("“cap1 [SEP] cap2”", lambda a, b, _: ((f"{a.strip()} [SEP] {b.strip()}",),)),
    "composeae": Join("“category cap1 and it cap2”, lower case", _composeae),
    "val": Join("each caption a query of its own", _val),
    "dqu-cir": Join("“cap1 and cap2”, lower case, no punctuation, spelling corrected", _dqu_cir),
}


ALL = "all"

OPTIONS = {
    "category": (ALL, *CATEGORIES),
    "gallery": ("original", "union"),
    "reference": ("kept", "removed"),
    "captions": tuple(JOINS),
}
RULES = Rules(recall=(1, 5, 10, 50), drop_reference=False, macro=True, headline=("R@10", "R@50"))


def read(
    root: Path,
    split: str = "val",
    *,
    category: str = ALL,
    gallery: Literal["original", "union"] = "original",
    reference: Literal["kept", "removed"] = "kept",
    captions: str = "clip4cir",
) -> Benchmark:
    """Read captions and image splits from wherever they lie below ``root``.

    ``category``: ``all``, or the one whose files are read.
    ``gallery``: ``original``, all pictures of ``image_splits/``, each category its own; ``union``,
    the references and targets of the category's queries, which is about ten points easier.
    ``reference``: whether the reference picture stays in the ranking. ``captions``: a name of
    ``JOINS``. The defaults are CLIP4Cir's. Test queries have no targets.

    Raises DataError for a wrong folder, a file of another version, unknown pictures or options.
    """
    _require_known("split", split, SPLITS)
    for name, value in (
        ("category", category),
        ("gallery", gallery),
        ("reference", reference),
        ("captions", captions),
    ):
        _require_known(name, value, OPTIONS[name])
    folder = Folder.open(root)
    asked = CATEGORIES if category == ALL else (category,)
    entries = {each: _entries(folder, each, split) for each in asked}
    galleries = {
        each: _gallery(folder, each, split, gallery, rows) for each, rows in entries.items()
    }
    spelling = {each: _spelling(folder, each) if captions == "dqu-cir" else {} for each in asked}
    names = dict.fromkeys(name for members in galleries.values() for name in members)
    benchmark = Benchmark(
        name="fashioniq",
        split=split,
        images=_files(folder, names),
        queries=tuple(
            query
            for each, rows in entries.items()
            for i, entry in enumerate(rows)
            for query in _queries(entry, each, i, JOINS[captions], spelling[each])
        ),
        rules=replace(RULES, drop_reference=reference == "removed"),
        protocol=_protocol(gallery, galleries, reference, captions, entries, spelling),
        galleries=galleries,
        choices=("original split" if gallery == "original" else "union gallery", captions),
        part=() if category == ALL else (f"{category} alone",),
    )
    benchmark.require_consistent()
    return benchmark


def all_pictures(root: Path) -> dict[str, Path | None]:
    """Every picture that the nine image splits name, with its file or None: 74,381 of them."""
    folder = Folder.open(root)
    splits = whatever_can_be_read(
        partial(_split_names, folder, category, split)
        for split in SPLITS
        for category in CATEGORIES
    )
    return {name: folder.picture(name) for names in splits for name in names}


def pictures_of(folder: Folder, category: str, split: str) -> dict[str, Path]:
    """The image split of a category, also where a file is not there. DataError: for its list."""
    return _files(folder, _split_names(folder, category, split))


def _files(folder: Folder, names: Iterable[str]) -> dict[str, Path]:
    return {n: folder.picture(n) or folder.root / "images" / f"{n}.jpg" for n in names}


def _entries(folder: Folder, category: str, split: str) -> list[dict[str, Any]]:
    path = folder.file(f"cap.{category}.{split}.json")
    kinds: dict[str, type] = {"candidate": str, "captions": list}
    if split != "test":
        kinds["target"] = str
    entries = [
        require_fields(entry, kinds, f"{path.name} entry {i}")
        for i, entry in enumerate(read_json(path, list))
    ]
    for i, entry in enumerate(entries):
        if len(entry["captions"]) != 2 or not all(isinstance(c, str) for c in entry["captions"]):
            raise DataError(
                f"{path.name} entry {i}: does not have two captions",
                hint=OTHER_VERSION,
            )
    return entries


def _split_names(folder: Folder, category: str, split: str) -> list[str]:
    path = folder.file(f"split.{category}.{split}.json")
    names: list[str] = read_json(path, list)
    if not all(isinstance(name, str) for name in names):
        raise DataError(f"{path.name}: is not a list of picture names", hint=OTHER_VERSION)
    if len(set(names)) != len(names):
        raise DataError(
            f"{path.name}: lists {len(names) - len(set(names)):,} pictures twice",
            hint=OTHER_VERSION,
        )
    return names


def _gallery(
    folder: Folder, category: str, split: str, gallery: str, entries: list[dict[str, Any]]
) -> tuple[str, ...]:
    listed = _split_names(folder, category, split)
    if gallery == "original":
        return tuple(listed)
    named = {entry[role] for entry in entries for role in ("candidate", "target") if role in entry}
    return tuple(name for name in listed if name in named)


def _queries(
    entry: dict[str, Any], category: str, number: int, join: Join, spelling: dict[str, str]
) -> list[Query]:
    first, second = entry["captions"]
    made = join.texts(first, second, category)
    return [
        Query(
            id=f"{category}-{number}" + (f".{part}" if len(made) > 1 else ""),
            reference=entry["candidate"],
            texts=tuple(_corrected(text, spelling) for text in texts),
            targets=(entry["target"],) if "target" in entry else (),
            group=category,
        )
        for part, texts in enumerate(made)
    ]


def _corrected(text: str, spelling: dict[str, str]) -> str:
    return " ".join(spelling.get(w, w) for w in text.split(" ")) if spelling else text


def _spelling(folder: Folder, category: str) -> dict[str, str]:
    name = f"correction_dict_{category}.json"
    return read_json(folder.file(name), dict) if name in folder.files else {}


def _protocol(
    gallery: str,
    galleries: dict[str, tuple[str, ...]],
    reference: str,
    captions: str,
    entries: dict[str, list[dict[str, Any]]],
    spelling: dict[str, dict[str, str]],
) -> str:
    sizes = ", ".join(f"{category} {len(names):,}" for category, names in galleries.items())
    kind = "original split" if gallery == "original" else "union of references and targets"
    parts = [
        f"gallery: {kind} ({sizes})",
        f"reference {reference}",
        f"captions: {captions} ({JOINS[captions].pattern})",
        "mean over categories" if len(galleries) > 1 else f"category {next(iter(galleries))} alone",
    ]
    if captions == "dqu-cir" and not all(spelling.values()):
        parts.append("no correction_dict_*.json found: spelling as annotated")
    empty = sum(not c.strip() for part in entries.values() for e in part for c in e["captions"])
    if empty:
        parts.append(f"{empty} of {2 * sum(map(len, entries.values())):,} captions are empty")
    return "; ".join(parts)


def _require_known(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise DataError(f"FashionIQ has no {what} {value!r}", hint=f"Known: {', '.join(known)}.")
