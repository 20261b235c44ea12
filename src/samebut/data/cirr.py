"""CIRR, version rc2 (Liu et al., ICCV 2021): one gallery a split, hard subsets of six."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.data.folders import OTHER_VERSION, Folder, require_fields, whatever_can_be_read
from samebut.errors import DataError
from samebut.files import read_json

SPLITS = ("train", "val", "test1")
VERSION = "rc2"

RULES = Rules(
    recall=(1, 5, 10, 50),
    subset_recall=(1, 2, 3),
    drop_reference=True,
    headline=("R@5", "RecallSubset@1"),
)


def read(root: Path, split: str = "val") -> Benchmark:
    """Read ``cap.rc2.SPLIT.json`` and ``split.rc2.SPLIT.json`` from wherever they lie.

    The gallery is every picture of the split, the target ``target_hard``; the reference is
    removed from ranking and subset. The queries of ``test1`` have no targets: see
    ``samebut.submit``.

    Raises DataError for a wrong folder, another version, ids used twice, unknown pictures.
    """
    if split not in SPLITS:
        raise DataError(f"CIRR has no split {split!r}", hint=f"Known: {', '.join(SPLITS)}.")
    folder = Folder.open(root)
    path = folder.file(f"cap.{VERSION}.{split}.json")
    entries = [
        _entry(entry, split, f"{path.name} entry {i}")
        for i, entry in enumerate(read_json(path, list))
    ]
    empty = sum(not entry["caption"].strip() for entry in entries)
    benchmark = Benchmark(
        name="cirr",
        split=split,
        images=pictures_of(folder, split),
        queries=tuple(_query(entry) for entry in entries),
        rules=RULES,
        protocol=f"version {VERSION}; gallery: every picture of the split; reference removed; "
        "RecallSubset@K within the other five of the subset"
        + (f"; {empty} of {len(entries):,} captions are empty" if empty else ""),
        choices=(VERSION,),
    )
    benchmark.require_consistent()
    return benchmark


def all_pictures(root: Path) -> dict[str, Path | None]:
    """Every picture that the image splits name, with its file or None if it is not there."""
    folder = Folder.open(root)
    splits = whatever_can_be_read(partial(pictures_of, folder, split) for split in SPLITS)
    return {
        name: path if path.is_file() else None for split in splits for name, path in split.items()
    }


def _entry(entry: Any, split: str, where: str) -> dict[str, Any]:
    kinds: dict[str, type] = {"pairid": int, "reference": str, "caption": str, "img_set": dict}
    if split != "test1":
        kinds["target_hard"] = str
    checked = require_fields(entry, kinds, where)
    members = require_fields(checked["img_set"], {"members": list}, f"{where} img_set")["members"]
    if len(set(members)) != 6 or checked["reference"] not in members:
        raise DataError(
            f"{where}: the subset is not six pictures that include the reference",
            hint=OTHER_VERSION,
        )
    return checked


def _query(entry: dict[str, Any]) -> Query:
    return Query(
        id=str(entry["pairid"]),
        reference=entry["reference"],
        texts=(entry["caption"],),
        targets=(entry["target_hard"],) if "target_hard" in entry else (),
        subset=tuple(entry["img_set"]["members"]),
    )


def pictures_of(folder: Folder, split: str) -> dict[str, Path]:
    """The gallery of a split, also where a file is not there. Raises DataError for its list."""
    path = folder.file(f"split.{VERSION}.{split}.json")
    listed: dict[str, str] = read_json(path, dict)
    require_fields(listed, dict.fromkeys(listed, str), path.name)
    return {
        name: folder.picture(name) or folder.root / relative for name, relative in listed.items()
    }
