"""The drawn wardrobe: pictures, and composed queries whose every right answer is known.

A query shows a reference and asks for one to three changes. Its targets are all pictures of the
split whose item has the changed aspects as asked and every other attribute as the reference has it.
If the kind changes, the cloth (colours, pattern, motif) must be kept and everything else is open,
because most of what one kind has another lacks.

The hard subset of a query is its target and five items that differ from the target in exactly one
aspect, the reference among them when a single aspect changes; when more change, the reference and
four such items. Queries that change the kind have no subset: what differs from the target in a
sleeve would be a right answer as well.
"""

from __future__ import annotations

import json
import multiprocessing
import random
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from samebut.errors import DataError
from samebut.files import read_json, replacing, write_whole
from samebut.language.templates import LANGUAGES
from samebut.wardrobe.attributes import ATTRIBUTES, KINDS, Item, aspect_of, differing
from samebut.wardrobe.catalog import write_table
from samebut.wardrobe.draw import draw
from samebut.wardrobe.families import CLOTH, Family, is_held_out, random_family, twin
from samebut.wardrobe.phrases import caption, title
from samebut.wardrobe.vector import pdfium

VERSION = 1  # stored in the recipe; raise it whenever the same seed would give other files
FAMILIES = {"train": 160, "val": 40, "test": 60}
MORE = "more"
"""Families added to ``train``. They are planned after all splits, so that ``val`` and ``test`` are
the same in every size but "small"."""
SIZES = {
    "standard": FAMILIES,
    "large": {**FAMILIES, MORE: 480},
    "huge": {**FAMILIES, MORE: 2240},
    "small": {"train": 8, "val": 2, "test": 4},
}
QUERIES = 32  # asked of each family
SIDE = 256  # squared, the area of a picture in pixels
RECIPE = "recipe.json"
_STEPS = ((1, 0.5), (2, 0.33), (3, 0.17))  # how many aspects a query changes, and how often
_TWICE = 0.2  # share of items with a second picture, so that queries have several targets
_TWINS = 0.4  # share of families with a family of another kind in the same cloth


@dataclass(frozen=True, slots=True)
class PlannedPicture:
    """One picture to draw: its file name, what is on it, and the seed of its scene."""

    file: str
    item: Item
    seed: int


@dataclass
class Split:
    """One split, planned and not yet drawn. Queries are rows as they stand in the JSONL."""

    name: str
    families: list[Family] = field(default_factory=list)
    twins: list[tuple[Family, Family]] = field(default_factory=list)
    pictures: list[PlannedPicture] = field(default_factory=list)
    queries: list[dict[str, object]] = field(default_factory=list)


def write_benchmark(
    folder: Path,
    *,
    seed: int = 0,
    families: Mapping[str, int] = FAMILIES,
    queries: int = QUERIES,
    size: int = SIDE,
    workers: int = 1,
    only: str = "",
) -> Path:
    """Write ``images/``, ``catalog.csv`` and one JSONL a split into ``folder``; return it.

    ``families`` is the number of families of each split, ``more`` being additional ones of
    ``train``. A family has 18 to 32 pictures, and two in five come with a second family of another
    kind. ``queries`` is the number of queries from each family, ``size`` squared the area of a
    picture in pixels, ``workers`` the number of processes that draw. ``only`` draws the pictures of
    one split and leaves the others for later. The same arguments give the same files. An unfinished
    folder is completed; pictures that are there are not drawn again.

    Raises DataError if the folder holds a benchmark made with other arguments, or the extra
    ``draw`` is not installed.
    """
    pdfium()  # fail before the folder is tied to these arguments: a later call can't change them
    _claim(folder, recipe_of(seed, families, queries, size))
    splits = plan(seed=seed, families=families, queries=queries)
    wanted = [split for split in splits if only in ("", split.name)]
    _draw_all(folder / "images", wanted, size, workers)
    write_table(folder / "catalog.csv", _COLUMNS, _rows(splits))
    for split in splits:
        lines = "".join(json.dumps(q, ensure_ascii=False) + "\n" for q in split.queries)
        write_whole(folder / f"{split.name}.jsonl", lines)
    return folder


def plan(
    *, seed: int, families: Mapping[str, int] = FAMILIES, queries: int = QUERIES
) -> list[Split]:
    """The pictures and queries that :func:`write_benchmark` writes; no item is in two splits."""
    taken: set[Item] = set()
    splits = [_plan_families(seed, name, count, taken) for name, count in families.items()]
    rngs = {split.name: random.Random(f"{seed} {split.name} pictures") for split in splits}
    first = 0
    for split in splits:
        _plan_pictures(rngs[split.name], split, first)
        first += len(split.pictures)
    splits = _with_more(splits)
    for split in splits:
        _plan_queries(rngs[split.name], split, queries)
    return splits


def _with_more(splits: list[Split]) -> list[Split]:
    """The splits that are written: the split planned as ``more`` is merged into ``train``.

    Its pictures are numbered last, so that pictures of the other splits keep their names.
    """
    found = {split.name: split for split in splits}
    more = found.pop(MORE, None)
    if more:
        train = found["train"]
        train.families += more.families
        train.twins += more.twins
        train.pictures += more.pictures
    return list(found.values())


_COLUMNS = ("file", "split", "title", "title_zh", *ATTRIBUTES, "held_out")


def _rows(splits: Iterable[Split]) -> Iterator[dict[str, str]]:
    for split in splits:
        for picture in split.pictures:
            item = picture.item
            yield {
                "file": picture.file,
                "split": split.name,
                "title": title(item),
                "title_zh": title(item, "zh"),
                **item.as_dict(),
                "held_out": "yes" if is_held_out(item) else "no",
            }


def recipe_of(
    seed: int, families: Mapping[str, int], queries: int = QUERIES, size: int = SIDE
) -> dict[str, object]:
    """The settings that decide every byte of the files."""
    return {
        "version": VERSION,
        "seed": seed,
        "families": dict(families),
        "queries": queries,
        "size": size,
    }


def _claim(folder: Path, recipe: dict[str, object]) -> None:
    path = folder / RECIPE
    if folder.is_dir() and any(folder.iterdir()) and not path.is_file():
        raise DataError(
            f"{folder} holds other files, which drawing a wardrobe could overwrite",
            hint="Give a new folder.",
        )
    (folder / "images").mkdir(parents=True, exist_ok=True)
    if path.is_file():
        found = read_json(path, dict)
        if found != recipe:
            raise DataError(
                f"{folder} holds a wardrobe drawn with other settings: {found}",
                hint="Give another folder, or remove this one.",
            )
    write_whole(path, json.dumps(recipe, indent=1) + "\n")


def _plan_families(seed: int, name: str, count: int, taken: set[Item]) -> Split:
    """Families whose items no earlier split has; ``taken`` grows by them."""
    rng = random.Random(f"{seed} {name} families")
    split = Split(name)
    mine: set[Item] = set()
    while len(split.families) < count:
        index = len(split.families)
        held_out = name == "test" and index % 2 == 1
        family = random_family(rng, KINDS[index % len(KINDS)], held_out=held_out)
        if taken.intersection(family.items):
            continue
        split.families.append(family)
        mine.update(family.items)
        if rng.random() < _TWINS:
            other = twin(rng, family, held_out=held_out)
            if other and not taken.intersection(other.items):
                split.twins.append((family, other))
                mine.update(other.items)
    taken |= mine
    return split


def _plan_pictures(rng: random.Random, split: Split, first: int) -> None:
    """Plan one picture of each item, of some items two, in random order, so that file names do not
    reveal families."""
    grids = [*split.families, *(other for _, other in split.twins)]
    items = list(dict.fromkeys(item for family in grids for item in family.items))
    items += [item for item in items if rng.random() < _TWICE]
    rng.shuffle(items)
    split.pictures = [
        PlannedPicture(f"{first + index:06d}.jpg", item, rng.getrandbits(48))
        for index, item in enumerate(items)
    ]


def _cloth(item: Item) -> tuple[object, ...]:
    return (item.kind, *(aspect_of(item, aspect) for aspect in CLOTH))


def _plan_queries(rng: random.Random, split: Split, count: int) -> None:
    by_item: dict[Item, list[str]] = {}
    by_cloth: dict[tuple[object, ...], list[str]] = {}
    for picture in split.pictures:
        by_item.setdefault(picture.item, []).append(picture.file)
        by_cloth.setdefault(_cloth(picture.item), []).append(picture.file)
    asked: set[tuple[Item, Item]] = set()
    for family in [*split.families, *(other for _, other in split.twins)]:
        for before, after in _pairs(rng, family, count):
            if (before, after) not in asked:
                asked.add((before, after))
                relatives = [i for i in family.items if len(differing(i, after)) == 1]
                subset = rng.sample([i for i in relatives if i != before], 4)
                row = _query(rng, before, after, by_item, by_item[after])
                _add_subset(rng, row, [by_item[item] for item in subset])
                split.queries.append(row)
    for family, other in split.twins:
        for before, after in _kind_pairs(rng, family, other, count // 4):
            split.queries.append(_query(rng, before, after, by_item, by_cloth[_cloth(after)]))
    rng.shuffle(split.queries)
    for index, row in enumerate(split.queries):
        row["id"] = f"{split.name}-{index:05d}"


def _pairs(rng: random.Random, family: Family, count: int) -> Iterator[tuple[Item, Item]]:
    """``count`` pairs of items that differ in one to three aspects."""
    items = family.items
    distances, shares = zip(*_STEPS, strict=True)
    for distance in rng.choices(distances, shares, k=count):
        before = rng.choice(items)
        yield before, rng.choice([i for i in items if len(differing(before, i)) == distance])


def _kind_pairs(
    rng: random.Random, family: Family, other: Family, count: int
) -> Iterator[tuple[Item, Item]]:
    """``count`` pairs of different kind in the same cloth, either way round."""
    for _ in range(count):
        here, there = (family, other) if rng.random() < 0.5 else (other, family)
        before = rng.choice(here.items)
        matching = [item for item in there.items if _cloth(item)[1:] == _cloth(before)[1:]]
        if matching:
            yield before, rng.choice(matching)


def _query(
    rng: random.Random, before: Item, after: Item, files: dict[Item, list[str]], right: list[str]
) -> dict[str, object]:
    language = rng.choice(LANGUAGES)
    target = rng.choice(files[after])
    changed = ("kind",) if before.kind != after.kind else differing(before, after)
    return {
        "id": "",
        "reference": rng.choice(files[before]),
        "text": caption(rng, before, after, language),
        "lang": language,
        "change": "+".join(changed),
        "target": target,
        "targets": [target, *(file for file in sorted(right) if file != target)],
        "subset": None,
    }


def _add_subset(rng: random.Random, row: dict[str, object], relatives: list[list[str]]) -> None:
    members = [row["reference"], row["target"], *(rng.choice(files) for files in relatives)]
    rng.shuffle(members)
    row["subset"] = members


def _draw_all(images: Path, splits: Iterable[Split], size: int, workers: int) -> None:
    jobs = [
        (images / picture.file, picture.item, picture.seed, size)
        for split in splits
        for picture in split.pictures
        if not (images / picture.file).is_file()
    ]
    if workers == 1:
        for job in jobs:
            _draw_one(job)
        return
    fresh = multiprocessing.get_context("spawn")  # a fork could copy PDFium in mid-render
    with ProcessPoolExecutor(workers, mp_context=fresh) as pool:
        for _ in pool.map(_draw_one, jobs, chunksize=64):
            pass


def _draw_one(job: tuple[Path, Item, int, int]) -> None:
    path, item, seed, size = job
    with replacing(path) as partial:
        draw(item, seed, size).save(partial, "JPEG", quality=90)
