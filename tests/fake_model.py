"""A model of a few lines, whose features are mean colours and colour words; and model folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from samebut.composition.made import Corpora
from samebut.embedding import unit
from samebut.metrics import Floats
from samebut.preprocess import Preprocess
from samebut.runtime import Composed, FeatureArrays

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 60, 220)}
MAX_TOKENS = 4


class ColourModel:
    """Embeddings are colours in RGB around gray; ``runs`` counts the pictures it has encoded."""

    name = "colours"
    fingerprint = "c010c010c010c010"
    preprocess = Preprocess(size=8, mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0), padding="none")

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, 0
        self.description = {
            "tokenizer": {"file": "tokenizer.json"},
            "text": {"max_tokens": MAX_TOKENS},
        }
        words = {word: i for i, word in enumerate(["?", *COLOURS])}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="?"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.save(str(folder / "tokenizer.json"))

    def encode_images(self, pixels: Floats) -> FeatureArrays:
        self.runs += len(pixels)
        return _features(pixels.mean(axis=(2, 3)))

    def encode_texts(self, texts: Sequence[str]) -> FeatureArrays:
        gray = np.full(3, 1e-3)
        said = [
            [np.array(COLOURS[w]) / 255 - 0.5 for w in t.split() if w in COLOURS] for t in texts
        ]
        return _features(np.array([np.mean(colours or [gray], axis=0) for colours in said]))

    def embed(self, features: FeatureArrays) -> Floats:
        return unit(features.pooled)

    @property
    def corpora(self) -> Corpora:
        rows = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
        return Corpora(unit(rows[0]), unit(rows[1]))

    def compose(self, image: FeatureArrays, text: FeatureArrays) -> Composed:
        return Composed(
            unit(0.2 * image.pooled + text.pooled), np.full(len(image), 0.8, np.float32)
        )


def _features(pooled: np.ndarray) -> FeatureArrays:
    rows = pooled.astype(np.float32)
    return FeatureArrays(rows, rows[:, None], np.ones((len(rows), 1), np.bool_))


def colour_folder(root: Path, copies: int = 2) -> Path:
    """A triplets folder of plain pictures: from every picture to every other colour."""
    import json

    (root / "images").mkdir(parents=True)
    names = {c: [f"{c}{i}.png" for i in range(copies)] for c in COLOURS}
    for colour, files in names.items():
        for i, file in enumerate(files):
            shade = tuple(max(0, value - 9 * i) for value in COLOURS[colour])
            Image.new("RGB", (12, 12), shade).save(root / "images" / file)
    lines = [
        {
            "id": f"{file} to {other}",
            "reference": file,
            "text": f"in {other}",
            "target": names[other][0],
            "targets": names[other],
            "change": f"to {other}",
        }
        for colour, files in names.items()
        for file in files
        for other in COLOURS
        if other != colour
    ]
    (root / "any.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


def in_fp32(exported: Path, tmp_path: Path) -> Path:
    """The same folder, its image graph in fp32."""
    folder = Path(shutil.copytree(exported, tmp_path / "fp32"))
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["graphs"]["image"]["default"] = "fp32"
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    return folder
