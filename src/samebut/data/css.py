"""CSS: colours, shapes and sizes on a grid, drawn from a seed (after TIRG, Vo et al., CVPR 2019).

A scene is a 3x3 grid with a few things; a text adds one, removes some or changes one; a hit is
any picture of the resulting scene. This is TIRG's 2D variant: 64x64 pictures, eight colours,
three shapes, two sizes. As there, some pairs of shape and colour appear in training only and
others in testing only, so a model must understand the words rather than remember pictures.
The original's scenes are a pickle of rendered pictures and are not read; these are drawn.

Drawing writes a folder of the layout that ``triplets`` reads, and nothing is drawn twice.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from samebut.data import triplets
from samebut.data.benchmark import Benchmark, Rules
from samebut.errors import DataError
from samebut.files import read_json, read_text, write_whole, writing

SPLITS = ("train", "test")
SIDE = 64

# RGB, as in TIRG's renderer.
COLOURS = {
    "gray": (87, 87, 87),
    "red": (244, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 205, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}
SHAPES = ("rectangle", "circle", "triangle")
RADIUS = {"small": 4, "large": 8}
CELLS = tuple(
    f"{row}-{column}"
    for row in ("top", "middle", "bottom")
    for column in ("left", "center", "right")
)

# Queries a split. TIRG's set has about 16,000 in each of train and test.
SIZES = {"small": 400, "original": 16_000}
OPTIONS: dict[str, tuple[str, ...]] = {"size": tuple(SIZES), "seed": ()}
EDITS_OF_A_SCENE = 8
KINDS_HELD_BACK = 4  # pairs of shape and colour that one split alone may use
HEADER = "file,split,scene\n"
JITTER = 2  # pixels: two pictures of one scene are not the same picture

RULES = Rules(recall=(1, 5, 10, 50, 100), drop_reference=True, headline=("R@1",))


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """One thing of a scene, in one of the nine cells."""

    cell: int
    size: str
    colour: str
    shape: str

    def __str__(self) -> str:
        return f"{self.size} {self.colour} {self.shape}"


Scene = tuple[Thing, ...]
Kinds = tuple[tuple[str, str], ...]
Edit = Callable[[Scene, Kinds, random.Random], tuple[str, Scene] | None]


def read(
    root: Path,
    split: str = "test",
    *,
    size: Literal["small", "original"] = "small",
    seed: int = 0,
) -> Benchmark:
    """The drawn benchmark in the folder ``root``, drawing it first if it is not there yet.

    Raises DataError if ``root`` holds one drawn from another seed or of another size.
    """
    if split not in SPLITS:
        raise DataError(f"CSS has no split {split!r}", hint=f"Known: {', '.join(SPLITS)}.")
    draw(root, size=size, seed=seed)
    drawn = triplets.read(root, split, rules=RULES)
    return replace(
        drawn,
        name="css",
        protocol=f"drawn in 2D from seed {seed}, size {size}; gallery: every picture of the split; "
        "query picture removed; a hit: any picture of the target's scene",
        choices=(f"{size}, seed {seed}",),
    )


def draw(root: Path, *, size: str = "small", seed: int = 0) -> None:
    """Draw train and test into ``root``; a second call with the same choices does nothing."""
    if size not in SIZES:
        raise DataError(f"CSS has no size {size!r}", hint=f"Known: {', '.join(SIZES)}.")
    root = Path(root)
    marker, wanted = root / "css.json", {"size": size, "seed": seed, "format": 1}
    if marker.is_file():
        found = read_json(marker, dict)
        if found == wanted:
            return
        raise DataError(
            f"{root}: its pictures were drawn with other settings, {found}, not {wanted}",
            hint="Give another folder, or the settings of this one.",
        )
    table = root / "catalog.csv"
    if table.is_file() and not read_text(table).startswith(HEADER):
        raise DataError(
            f"{root} holds another data set, which drawing CSS would overwrite",
            hint="Give a new folder.",
        )
    with writing(root):
        (root / "images").mkdir(parents=True, exist_ok=True)
        rows = [row for split in SPLITS for row in _draw_split(root, split, SIZES[size], seed)]
        write_whole(table, HEADER + "".join(f"{','.join(row)}\n" for row in rows))
        write_whole(marker, json.dumps(wanted) + "\n")


def paint(scene: Scene, rng: random.Random) -> NDArray[np.uint8]:
    """A picture of ``scene``, (64, 64, 3); ``rng`` moves each thing a little off its centre."""
    picture = np.full((SIDE, SIDE, 3), 255, np.uint8)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    for thing in scene:
        up, along = divmod(thing.cell, 3)
        y = SIDE * (2 * up + 1) / 6 + rng.randint(-JITTER, JITTER)
        x = SIDE * (2 * along + 1) / 6 + rng.randint(-JITTER, JITTER)
        inside = _inside(thing.shape, rows - y, columns - x, RADIUS[thing.size])
        picture[inside] = COLOURS[thing.colour]
    return picture


def _inside(
    shape: str, down: NDArray[np.float64], right: NDArray[np.float64], radius: int
) -> NDArray[np.bool_]:
    forms = {
        "rectangle": np.maximum(np.abs(down), np.abs(right)),
        "circle": np.hypot(down, right),
        # Its tip is at the top: the width grows from 0 to that of the base.
        "triangle": np.maximum(np.abs(down), 2 * np.abs(right) - down),
    }
    return np.asarray(forms[shape] <= radius)


def _draw_split(root: Path, split: str, queries: int, seed: int) -> list[tuple[str, str, str]]:
    from PIL import Image

    rng = random.Random(f"{seed} {split}")
    made = list(_edits(_kinds(split, seed), queries, rng))
    scenes = dict.fromkeys(scene for before, _, _, after in made for scene in (before, after))
    names = {scene: f"{split}-{i:05d}.png" for i, scene in enumerate(scenes)}
    # Every tenth scene has a second picture: a hit is the scene, not the file.
    twins = {scene: f"{split}-{i:05d}b.png" for i, scene in enumerate(scenes) if i % 10 == 0}
    files = [(scene, file) for book in (names, twins) for scene, file in book.items()]
    for scene, file in files:
        Image.fromarray(paint(scene, rng)).save(root / "images" / file)
    lines = [
        {
            "id": f"{split}-{i:05d}",
            "reference": names[before],
            "text": text,
            "lang": "en",
            "change": kind,
            "target": names[after],
            "targets": [names[after], *([twins[after]] if after in twins else [])],
        }
        for i, (before, kind, text, after) in enumerate(made)
    ]
    write_whole(root / f"{split}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    return [(file, split, " + ".join(f"{t} {CELLS[t.cell]}" for t in s)) for s, file in files]


def _kinds(split: str, seed: int) -> Kinds:
    """The pairs of shape and colour that a split may use; the last ones are in no other split."""
    every = [(shape, colour) for shape in SHAPES for colour in COLOURS]
    random.Random(f"{seed} kinds").shuffle(every)
    held = every[:KINDS_HELD_BACK], every[KINDS_HELD_BACK : 2 * KINDS_HELD_BACK]
    other = held[1] if split == "train" else held[0]
    return tuple(kind for kind in every if kind not in other)


def _edits(
    kinds: Kinds, wanted: int, rng: random.Random
) -> Iterator[tuple[Scene, str, str, Scene]]:
    """``wanted`` edits: scene, kind of change, text, scene. No edit is made twice."""
    seen: set[tuple[Scene, str]] = set()
    while len(seen) < wanted:
        before = _scene(kinds, rng)
        for _ in range(EDITS_OF_A_SCENE):
            kind = rng.choice(list(EDITS))
            edit = EDITS[kind](before, kinds, rng)
            if edit and len(seen) < wanted and (before, edit[0]) not in seen:
                seen.add((before, edit[0]))
                yield before, kind, edit[0], edit[1]


def _scene(kinds: Kinds, rng: random.Random) -> Scene:
    cells = rng.sample(range(9), rng.randint(2, 5))
    return tuple(sorted(_thing(cell, kinds, rng) for cell in cells))


def _thing(cell: int, kinds: Kinds, rng: random.Random) -> Thing:
    shape, colour = rng.choice(kinds)
    return Thing(cell, rng.choice(list(RADIUS)), colour, shape)


def _add(scene: Scene, kinds: Kinds, rng: random.Random) -> tuple[str, Scene] | None:
    free = sorted(set(range(9)) - {thing.cell for thing in scene})
    new = _thing(rng.choice(free), kinds, rng)
    return f"add {new} to {CELLS[new.cell]}", tuple(sorted((*scene, new)))


def _remove(scene: Scene, kinds: Kinds, rng: random.Random) -> tuple[str, Scene] | None:
    """Remove one thing, or all of a colour or shape; at least one thing stays."""
    thing = rng.choice(scene)
    said, gone = rng.choice(
        [
            (str(thing), [t for t in scene if str(t) == str(thing)]),
            (f"all {thing.colour} objects", [t for t in scene if t.colour == thing.colour]),
            (f"all {thing.shape}s", [t for t in scene if t.shape == thing.shape]),
        ]
    )
    rest = tuple(t for t in scene if t not in gone)
    return (f"remove {said}", rest) if rest else None


def _change(scene: Scene, kinds: Kinds, rng: random.Random) -> tuple[str, Scene] | None:
    """Change size or colour of a thing that its description identifies uniquely."""
    thing = rng.choice(scene)
    if sum(str(t) == str(thing) for t in scene) > 1:
        return None
    colours = [colour for shape, colour in kinds if shape == thing.shape and colour != thing.colour]
    other_size = "small" if thing.size == "large" else "large"
    new = rng.choice([replace(thing, size=other_size), replace(thing, colour=rng.choice(colours))])
    word = new.size if new.size != thing.size else new.colour
    return f"make {thing} {word}", tuple(sorted(new if t == thing else t for t in scene))


EDITS: dict[str, Edit] = {"add": _add, "remove": _remove, "change": _change}
