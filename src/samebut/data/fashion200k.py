"""Fashion200k (Han et al., ICCV 2017) as TIRG made queries of it (Vo et al., CVPR 2019).

A picture carries a caption; a query changes one word of it, "replace red with blue"; a hit is any
picture whose caption is the target's. Test queries are TIRG's fixed list. Training pairs are
drawn on the fly there; here they are drawn from a seed, one for each picture that has a partner.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.data.folders import OTHER_VERSION, Folder
from samebut.errors import DataError
from samebut.files import read_lines

SPLITS = ("train", "test")
OPTIONS: dict[str, tuple[str, ...]] = {"seed": ()}
QUERIES = "test_queries.txt"

RULES = Rules(recall=(1, 5, 10, 50, 100), drop_reference=True, headline=("R@1",))

# TIRG's vocabulary has words alone, so these marks are spelled out.
MARKS = {".": "dotmark", "?": "questionmark", "&": "andmark", "*": "starmark"}


def read(root: Path, split: str = "test", *, seed: int = 0) -> Benchmark:
    """Read ``labels/*_SPLIT_detect_all.txt`` and, for test, ``test_queries.txt``.

    The gallery is every labelled picture of the split, the query's own removed. ``seed`` decides
    the training pairs.

    Raises DataError for a wrong folder, a damaged line, a query of an unknown picture.
    """
    if split not in SPLITS:
        raise DataError(f"Fashion200k has no split {split!r}", hint="Known: train, test.")
    folder = Folder.open(root)
    captions = _captions(folder, split)
    base = _base(folder, next(iter(captions)))
    pairs = _fixed_pairs(folder) if split == "test" else _drawn_pairs(captions, seed)
    benchmark = Benchmark(
        name="fashion200k",
        split=split,
        images={name: base / name for name in captions},
        queries=_queries(pairs, captions),
        rules=RULES,
        protocol="gallery: every labelled picture of the split; query picture removed; "
        "a hit: any picture with the target's caption; text: “replace a with b”",
    )
    benchmark.require_consistent()
    return benchmark


def all_pictures(root: Path) -> dict[str, Path | None]:
    """Every picture that the label files name, with its file or None if it is not there."""
    folder = Folder.open(root)
    names = [name for split in SPLITS for name in _captions(folder, split)]
    base = _base(folder, names[0])
    return {name: base / name if (base / name).is_file() else None for name in names}


def replacement(source: str, target: str) -> str:
    """ "replace A with B": the first word of each caption that the other lacks, else its last."""
    ours, theirs = source.split(), target.split()
    old = next((word for word in ours if word not in theirs), ours[-1])
    new = next((word for word in theirs if word not in ours), theirs[-1])
    return f"replace {old} with {new}"


def _captions(folder: Folder, split: str) -> dict[str, str]:
    files = sorted(name for name in folder.files if name.endswith(f"_{split}_detect_all.txt"))
    if not files:
        folder.file(f"dress_{split}_detect_all.txt")
    captions: dict[str, str] = {}
    for name in files:
        lines = read_lines(folder.file(name))
        for number, line in enumerate(lines, 1):
            parts = line.split("\t")
            if len(parts) != 3 or not parts[2].strip():
                raise DataError(
                    f"{name} line {number}: does not hold a picture, a score and a caption",
                    hint=OTHER_VERSION,
                )
            captions.setdefault(parts[0], _spelled(parts[2]))
    if not captions:
        raise DataError(
            f"{folder.root}: the label files of {split} (*_{split}_detect_all.txt) are empty",
            hint=OTHER_VERSION,
        )
    return captions


def _spelled(caption: str) -> str:
    plain = caption.strip()
    for mark, word in MARKS.items():
        plain = plain.replace(mark, word)
    return plain


def _base(folder: Folder, name: str) -> Path:
    """The folder that the labels' paths start from: found by one picture, else as documented."""
    path = folder.picture(Path(name).stem)
    above = len(Path(name).parts) - 1
    return (
        path.parents[above]
        if path and path.parts[-above - 1 :] == Path(name).parts
        else (folder.root)
    )


def _fixed_pairs(folder: Folder) -> Iterator[tuple[str, str]]:
    lines = read_lines(folder.file(QUERIES))
    for number, line in enumerate(lines, 1):
        names = line.split()
        if len(names) != 2:
            raise DataError(
                f"{QUERIES} line {number}: does not name two pictures", hint=OTHER_VERSION
            )
        yield names[0], names[1]


def _drawn_pairs(captions: Mapping[str, str], seed: int) -> Iterator[tuple[str, str]]:
    """One pair for each picture with a partner: captions that share all but one word."""
    rng = random.Random(seed)
    pictures = defaultdict(list)
    for name, caption in captions.items():
        pictures[caption].append(name)
    children: dict[str, list[str]] = defaultdict(list)
    for caption in pictures:
        for parent in _parents(caption):
            children[parent].append(caption)
    for name, caption in captions.items():
        siblings = [c for parent in _parents(caption) for c in children[parent] if c != caption]
        if siblings:
            yield name, rng.choice(pictures[rng.choice(siblings)])


def _parents(caption: str) -> list[str]:
    words = caption.split()
    return list(dict.fromkeys(" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))))


def _queries(pairs: Iterator[tuple[str, str]], captions: Mapping[str, str]) -> tuple[Query, ...]:
    sharing: dict[str, list[str]] = defaultdict(list)
    for name, caption in captions.items():
        sharing[caption].append(name)
    queries = []
    for number, (reference, target) in enumerate(pairs):
        unknown: Sequence[str] = [name for name in (reference, target) if name not in captions]
        if unknown:
            raise DataError(
                f"{QUERIES} query {number}: {unknown[0]} has no label",
                hint=OTHER_VERSION,
            )
        others = [name for name in sharing[captions[target]] if name != target]
        queries.append(
            Query(
                id=str(number),
                reference=reference,
                texts=(replacement(captions[reference], captions[target]),),
                targets=(target, *others),
            )
        )
    return tuple(queries)
