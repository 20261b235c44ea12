"""CIRCO (Baldrati et al., ICCV 2023): several right answers a query, among COCO 2017 unlabeled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.data.folders import OTHER_VERSION, Folder, require_fields
from samebut.errors import DataError
from samebut.files import read_json

SPLITS = ("val", "test")
PICTURES = "image_info_unlabeled2017.json"

RULES = Rules(
    recall=(5, 10, 25, 50),
    average_precision=(5, 10, 25, 50),
    drop_reference=False,
    recall_any=False,
    headline=("mAP@5",),
)


def read(root: Path, split: str = "val") -> Benchmark:
    """Read ``SPLIT.json`` and COCO's list of pictures from wherever they lie below ``root``.

    mAP@K counts every ground truth, Recall@K the annotated target alone; the reference stays in
    the ranking. Test queries have no targets: see ``samebut.submit``. Pictures are named by
    their COCO number.

    Raises DataError for a wrong folder, another version, unknown pictures, ids used twice.
    """
    if split not in SPLITS:
        raise DataError(f"CIRCO has no split {split!r}", hint=f"Known: {', '.join(SPLITS)}.")
    folder = Folder.open(root)
    path = folder.file(f"{split}.json")
    entries = [
        _entry(entry, split, f"{path.name} entry {i}")
        for i, entry in enumerate(read_json(path, list))
    ]
    images = pictures_of(folder)
    benchmark = Benchmark(
        name="circo",
        split=split,
        images=images,
        queries=tuple(_query(entry) for entry in entries),
        rules=RULES,
        protocol=f"gallery: COCO 2017 unlabeled ({len(images):,}); reference kept; "
        "mAP@K over all ground truths, R@K over the annotated target; text: relative caption",
    )
    benchmark.require_consistent()
    return benchmark


def all_pictures(root: Path) -> dict[str, Path | None]:
    """Every picture of COCO's list, with its file or None if it is not there."""
    pictures = pictures_of(Folder.open(root))
    return {name: path if path.is_file() else None for name, path in pictures.items()}


def _entry(entry: Any, split: str, where: str) -> dict[str, Any]:
    kinds: dict[str, type] = {"id": int, "reference_img_id": int, "relative_caption": str}
    if split == "val":
        kinds |= {"target_img_id": int, "gt_img_ids": list}
    checked = require_fields(entry, kinds, where)
    if split == "val":
        truths = checked["gt_img_ids"]
        if checked["target_img_id"] not in truths or len(set(truths)) != len(truths):
            raise DataError(
                f"{where}: the target is not among the ground truths, or a ground truth repeats",
                hint=OTHER_VERSION,
            )
    return checked


def _query(entry: dict[str, Any]) -> Query:
    target = entry.get("target_img_id")
    truths = [target, *(n for n in entry.get("gt_img_ids", ()) if n != target)]
    return Query(
        id=str(entry["id"]),
        reference=str(entry["reference_img_id"]),
        texts=(entry["relative_caption"],),
        targets=tuple(str(number) for number in truths if number is not None),
        aspects=tuple(entry.get("semantic_aspects", ())),
    )


def pictures_of(folder: Folder) -> dict[str, Path]:
    """The gallery, also where a file is not there. Raises DataError for COCO's list."""
    path = folder.file(PICTURES)
    listed = require_fields(read_json(path, dict), {"images": list}, path.name)["images"]
    pictures = {}
    for i, entry in enumerate(listed):
        require_fields(entry, {"id": int, "file_name": str}, f"{path.name} picture {i}")
        name = entry["file_name"]
        expected = folder.root / "COCO2017_unlabeled" / "unlabeled2017" / name
        pictures[str(entry["id"])] = folder.picture(Path(name).stem) or expected
    return pictures
