"""Small copies of every benchmark, all splits, with pictures that were drawn for them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from conftest import COLOURS, draw_picture
from samebut.data import circled, circo, cirr, fashioniq, readers
from samebut.data.folders import Folder


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


def i_cir(root: Path) -> None:
    """Two instances with two texts each; one picture of a database is on two of its lines."""
    asked, database = [], []
    for instance in ("lamp", "fox"):
        for text in ("at night", "as a drawing"):
            asked.append(f"icir/query/{instance}/q1.jpg,{text},{instance}")
            files = [f"icir/database/{instance}/{text[:2]}{n}.jpg" for n in range(2)]
            database += [f"{file},{text},{instance}" for file in files]
        database.append(f"icir/database/{instance}/at0.jpg,as a drawing,{instance}")
        database.append(f"icir/database/{instance}/hn/h1.jpg,,{instance}")
    write(root / "icir" / "query_files.csv", "\n".join(asked) + "\n")
    write(root / "icir" / "database_files.csv", "\n".join(database) + "\n")
    names = dict.fromkeys(line.partition(",")[0] for line in asked + database)
    stand_ins(root / name for name in names)


def pin_point(root: Path) -> None:
    """Two wishes in two wordings, one of two pictures; answers twice, unknown and on both sides."""
    signatures = [f"{n:032x}" for n in range(10)]
    rows = [
        {
            "query_id": f"query_{number:05d}",
            "query_image_signature": signatures[wish],
            "query_image_signature2": signatures[9] if wish else "None",
            "instruction": text,
            "positive_candidates": [signatures[2], signatures[3 + wish], signatures[2]],
            "negative_candidates": [signatures[6], signatures[7], None, "f" * 32, signatures[2]],
            "query_category": "Composition" if wish else "Swap",
            "is_single": not wish,
        }
        for number, (wish, text) in enumerate(
            (wish, text) for wish in range(2) for text in ("make it blue", "in blue")
        )
    ]
    root.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), root / "pinpoint_licensed.parquet")
    write(root / "index_signatures.txt", "\n".join(signatures) + "\n")
    stand_ins(root / "images" / f"{name}.jpg" for name in signatures)


TURNS = ("more dogs", "in snow", "at night")


def circled_small(root: Path) -> None:
    """A conversation of two turns and one of three, over each of the small data sets."""
    fashion_iq(root / "fashion-iq")
    cirr_rc2(root / "cirr")
    circo_small(root / "CIRCO")
    for subset in circled.SPLITS:
        pictures = list(circled.GALLERIES[subset](Folder.open(root)))
        names = [f"{int(n):012d}" if subset == "circo_val" else n for n in pictures]
        sessions = [
            {
                "session_id": f"{subset}_{number:04d}",
                "subset": subset,
                "ground_truth_ids": names[3 : 4 + (subset == "circo_val")],
                "num_turns": 2 + number,
                "turns": [
                    {"turn": n, "reference_image_id": names[place], "relative_caption": said}
                    for n, (place, said) in enumerate(zip(places, TURNS, strict=False), 1)
                ],
            }
            for number, places in enumerate(((0, 1), (1, 2, 0)))
        ]
        write(root / "data" / f"{subset}.json", sessions)


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
    "icir": i_cir,
    "pinpoint": pin_point,
    "circled": circled_small,
    "css": drawn("css"),
    "wardrobe": drawn("wardrobe"),
}
