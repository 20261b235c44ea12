"""Small copies of every benchmark, all splits, with pictures that were drawn for them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from conftest import COLOURS, draw_picture
from samebut.data import circo, cirr, fashioniq, readers


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def stand_ins(paths: Iterable[Path]) -> None:
    """One drawn picture under all of these names; on the disk it is there once."""
    drawn: dict[tuple[Path, str], Path] = {}
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        first = drawn.setdefault((path.parents[0], path.suffix), path)
        if first == path:
            draw_picture(COLOURS["red"], "round", 16).save(path)
        else:
            os.link(first, path)


def triplets(root: Path) -> None:
    names = [f"{shape}/{colour}.png" for shape in ("round", "square") for colour in COLOURS]
    rows = [f"{name},{split}" for split in ("train", "val") for name in names]
    rows = [row.replace("/", f"-{row.split(',')[1]}/", 1) for row in rows]
    files = [row.partition(",")[0] for row in rows]
    write(root / "catalog.csv", "\n".join(["file,split", *rows]) + "\n")
    for split in ("train", "val"):
        here = [file for file in files if f"-{split}/" in file]
        lines = [
            {
                "id": f"{split}-{number}",
                "reference": here[number],
                "text": "in another colour, 换个颜色",
                "target": here[number + 1],
                "targets": here[number + 1 : number + 3],
                "subset": [*here[:2], *here[number : number + 3]][-5:] if number > 1 else None,
                "change": "colour" if number % 2 else "shape",
            }
            for number in range(6)
        ]
        write(root / f"{split}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    stand_ins(root / "images" / file for file in files)


def fashion_iq(root: Path) -> None:
    for split in fashioniq.SPLITS:
        for category in fashioniq.CATEGORIES:
            names = [f"{category}-{split}-{number}" for number in range(4)]
            entries: list[dict[str, Any]] = [
                {"candidate": names[n], "target": names[n + 1], "captions": ["is red", "long"]}
                for n in range(3)
            ]
            if split == "test":
                entries = [{k: v for k, v in each.items() if k != "target"} for each in entries]
            write(root / "captions" / f"cap.{category}.{split}.json", entries)
            write(root / "image_splits" / f"split.{category}.{split}.json", names)
            stand_ins(root / "images" / f"{name}.jpg" for name in names)


def cirr_rc2(root: Path) -> None:
    for split in cirr.SPLITS:
        names = [f"{split}-{number}-0-img0" for number in range(8)]
        entries: list[dict[str, Any]] = [
            {
                "pairid": number,
                "reference": names[number],
                "target_hard": names[number + 1],
                "caption": "more dogs",
                "img_set": {"id": number, "members": names[number : number + 6]},
            }
            for number in range(3)
        ]
        if split == "test1":
            entries = [{k: v for k, v in each.items() if k != "target_hard"} for each in entries]
        write(root / "captions" / f"cap.rc2.{split}.json", entries)
        paths = {name: f"./{split}/{name}.png" for name in names}
        write(root / "image_splits" / f"split.rc2.{split}.json", paths)
        stand_ins(root / path for path in paths.values())


def circo_of(root: Path, entries: dict[str, list[dict[str, Any]]]) -> None:
    """CIRCO with a list of COCO that has the pictures its queries name, and one more."""
    named = {
        number
        for each in entries.values()
        for entry in each
        for number in (entry["reference_img_id"], *entry.get("gt_img_ids", ()))
    }
    listed = [{"id": n, "file_name": f"{n:012d}.jpg"} for n in (*sorted(named), max(named) + 1)]
    write(root / "annotations" / circo.PICTURES, {"images": listed})
    for split, each in entries.items():
        write(root / "annotations" / f"{split}.json", each)
    stand_ins(root / "unlabeled2017" / str(entry["file_name"]) for entry in listed)


def circo_small(root: Path) -> None:
    val = [
        {
            "id": number,
            "reference_img_id": number,
            "relative_caption": "has more dogs",
            "target_img_id": number + 1,
            "gt_img_ids": [number + 1, number + 2],
            "semantic_aspects": ["cardinality"],
        }
        for number in range(1, 5)
    ]
    hidden = ("target_img_id", "gt_img_ids", "semantic_aspects")
    test = [{k: v for k, v in entry.items() if k not in hidden} for entry in val]
    circo_of(root, {"val": val, "test": test})


def fashion_200k(root: Path) -> None:
    captions = ("red silk dress", "red silk dress", "blue silk dress", "blue silk dress", "coat")
    for split in ("train", "test"):
        files = [f"women/dresses/{split}{n}/{split}{n}_0.jpeg" for n in range(len(captions))]
        lines = [f"{file}\t0.9\t {said}\n" for file, said in zip(files, captions, strict=True)]
        write(root / "labels" / f"dress_{split}_detect_all.txt", "".join(lines))
        stand_ins(root / file for file in files)
    pairs = ((0, 2), (3, 1))
    write(root / "test_queries.txt", "".join(f"{files[a]} {files[b]}\n" for a, b in pairs))


def drawn(name: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        for split in readers.READERS[name].splits:
            readers.READERS[name].read(root, split, size="small")

    return make


SMALL: dict[str, Callable[[Path], None]] = {
    "triplets": triplets,
    "fashioniq": fashion_iq,
    "cirr": cirr_rc2,
    "circo": circo_small,
    "fashion200k": fashion_200k,
    "css": drawn("css"),
    "wardrobe": drawn("wardrobe"),
}
