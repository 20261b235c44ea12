"""A small data set to train on, and a recipe for a model that learns it in a second."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import COLOURS, draw_picture
from samebut.learning.recipe.read import read_recipe
from samebut.learning.recipe.schema import Recipe

HEAD = """
name = "tiny"
seed = 3
size = 32
precision = "fp32"
checkpoint_seconds = 0
[encoder]
dim = 16
widths = [16, 16, 32, 32]
blocks = [1, 1, 1, 1]
vocabulary = 300
max_tokens = 12
text_width = 16
text_layers = 1
text_heads = 2
"""

COMBINER = """
[fusion]
name = "combiner"
projection = 8
hidden = 8
dropout = 0.1
"""

ATTENTION = """
[fusion]
name = "cross_attention"
layers = 1
heads = 2
projection = 8
hidden = 8
dropout = 0.0
attention_dropout = 0.0
"""

ALIGN_AND_COMPOSE = """
[[stages]]
preset = "align"
lr = 1e-2
queries = { epochs = 2, batch = 8 }
[[stages]]
preset = "compose"
lr = 1e-2
queries = { epochs = 2, batch = 8 }
loss = { captions = 0.3 }
"""

TUNE_AND_FUSE = """
[[stages]]
preset = "tune"
lr = 1e-2
frozen_norms = true
queries = { epochs = 2, batch = 8 }
loss.contrast = { scale = 20.0, learned_scale = false }
[[stages]]
preset = "fuse"
lr = 1e-2
queries = { epochs = 3, batch = 8, views = 2, mined = { count = 2, first = 1, every = 2 } }
loss.contrast = { symmetric = true }
"""


def draw(folder: Path) -> Path:
    """Two shapes in five colours, each three times: queries change the colour."""
    (folder / "images").mkdir(parents=True)
    rows = ["file,split,title,article,colour"]
    for split in ("train", "val"):
        names = {}
        for shape in ("round", "square"):
            for colour, value in COLOURS.items():
                for copy in range(3):
                    name = f"{split}-{colour}-{shape}-{copy}.png"
                    draw_picture(value, shape, 60 + 8 * copy).save(folder / "images" / name)
                    rows.append(f"{name},{split},{colour} {shape},{shape},{colour}")
                    names[shape, colour, copy] = name
        (folder / f"{split}.jsonl").write_text("\n".join(queries(split, names)))
    (folder / "catalog.csv").write_text("\n".join(rows))
    return folder


def queries(split: str, names: dict[tuple[str, str, int], str]) -> list[str]:
    lines = []
    for number, ((shape, colour, copy), name) in enumerate(names.items()):
        wanted = [*COLOURS][(number + 1 + copy) % len(COLOURS)]
        if wanted != colour:
            targets = [names[shape, wanted, c] for c in range(3)]
            line = {"id": f"{split}-{number}", "reference": name, "text": f"in {wanted}"}
            lines.append(json.dumps(line | {"target": targets[0], "targets": targets}))
    return lines


def with_subsets(root: Path) -> Path:
    """Each query of ``root`` with a hard subset of wrong answers and its target."""
    for split in ("train", "val"):
        path = root / f"{split}.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        pictures = sorted({line["reference"] for line in lines})
        for number, line in enumerate(lines):
            others = [pictures[(3 * number + 5 * each) % len(pictures)] for each in range(1, 5)]
            line["subset"] = list(dict.fromkeys([line["reference"], line["target"], *others]))
        path.write_text("\n".join(json.dumps(line) for line in lines))
    return root


def tiny_recipe(folder: Path, *tables: str) -> Recipe:
    """The recipe of ``HEAD`` and further tables."""
    path = folder / "tiny.toml"
    path.write_text(HEAD + "".join(tables))
    return read_recipe(path)
