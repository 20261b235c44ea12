"""A model to a model folder that needs no torch.

    samebut export RUN/model OUT --data FOLDER
    samebut export openai/clip-vit-base-patch32 OUT

Each fp32 graph is checked against torch on real pictures, or the folder is not written. The image
graph is also written in int8; a benchmark decides whether it costs so little that it is the default
or so much that it is left out, and what was measured is written into ``model.json``.
"""

from __future__ import annotations

import copy
import hashlib
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from samebut.data.benchmark import Benchmark
from samebut.demo import GALLERY
from samebut.errors import ModelError, PictureError
from samebut.images import open_picture
from samebut.learning.distributed import say
from samebut.learning.export.agreement import (
    check_against_torch,
    compare_precisions,
    save_description,
)
from samebut.learning.export.graphs import GRAPH_NAMES, fold_batch_norms, quantize, write_graphs
from samebut.learning.model import card
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.model.stored import write_rest
from samebut.preprocess import Preprocess
from samebut.runtime import FORMAT, Model
from samebut.scan import scan

CALIBRATION_PICTURES = 512
CHECKED_PICTURES = 64
DEMO_PICTURES = 64


def export(
    source: Path | CIRModel,
    out: Path,
    benchmark: Benchmark | None = None,
    *,
    pictures: Path | None = None,
    name: str | None = None,
    trainable: bool = False,
) -> Path:
    """Write the model folder ``out`` from a trained folder or a model; returns it.

    ``benchmark`` calibrates int8 with its gallery and measures what int8 costs with its queries.
    Without it the pictures of the folder ``pictures`` calibrate and check, or some of the demo
    gallery, and fp32 is the default. ``trainable`` adds what the graphs lack of the
    weights, so that a recipe's ``init`` can name the folder. It appears whole or not at all.

    ModelError: a graph does not agree with torch, or there is no picture to check with.
    """
    model = source if isinstance(source, CIRModel) else CIRModel.load(source)
    model.name = name or model.name
    card_text = model.card.markdown(model.description)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as made:
        files = _files(benchmark, pictures)
        new = Path(made) / "model"
        new.mkdir()
        before = copy.deepcopy(model) if trainable else None
        fold_batch_norms(model)
        _write(model, new, files, benchmark)
        if before:
            write_rest(before.state_dict(), before, new)
            before.describe(new, in_graphs=True)
        _write_card(card_text, out, new)
        if out.exists():
            shutil.rmtree(out)
        new.rename(out)
    return out


def _write(model: CIRModel, new: Path, files: Sequence[Path], benchmark: Benchmark | None) -> None:
    pixels = _pixels(model.preprocess, _some(files, CALIBRATION_PICTURES), strict=bool(benchmark))
    say(f"writing the graphs of {model.name}")
    model.encoder.save_tokenizer(new)
    write_graphs(model, new)
    description = _describe(model, new)
    save_description(description, new)
    say(f"checking them against torch on {min(len(pixels), CHECKED_PICTURES)} pictures")
    worst = check_against_torch(model, Model.load(new), pixels[:CHECKED_PICTURES])
    say(f"int8, with the ranges of {len(pixels)} pictures")
    fp32, int8 = (new / f"image.{precision}.onnx" for precision in ("fp32", "int8"))
    encoder = model.encoder
    quantize(fp32, int8, pixels, encoder.int8_operators, encoder.int8_percentile, encoder.int8_from)
    description["graphs"]["image"]["files"]["int8"] = _file(int8)

    def compared() -> npt.NDArray[np.float32]:
        return _pixels(model.preprocess, files, strict=True) if benchmark else pixels

    agreement = compare_precisions(description, new, compared, benchmark)
    description["agreement"] = {"torch_least": round(worst, 6), **agreement}
    image = description["graphs"]["image"]
    if benchmark is not None and image["default"] == "fp32":
        say("int8 costs too much for this model: its graph is left out")
        del image["files"]["int8"]
        int8.unlink()
    save_description(description, new)


def _describe(model: CIRModel, folder: Path) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": model.name,
        "knows": dict(model.card.knows),
        "dim": model.encoder.dim,
        **{key: model.description[key] for key in ("encoder", "fusion", "preprocess")},
        "text": model.encoder.text_rules,
        "tokenizer": _file(folder / "tokenizer.json"),
        "graphs": {
            graph: {"default": "fp32", "files": {"fp32": _file(folder / f"{graph}.fp32.onnx")}}
            for graph in GRAPH_NAMES
        },
    }


def _files(benchmark: Benchmark | None, pictures: Path | None) -> Sequence[Path]:
    if benchmark is not None:
        return list(benchmark.images.values())
    if pictures is None:
        say(f"no pictures were given: taking {DEMO_PICTURES} of the demo gallery")
        return _some(sorted(GALLERY.glob("*.webp")), DEMO_PICTURES)
    return [pictures / source.path for source in scan(pictures).pictures]


def _some(files: Sequence[Path], most: int) -> Sequence[Path]:
    """Up to ``most`` of them, drawn by a fixed seed when there are more."""
    return files if len(files) <= most else random.Random(0).sample(list(files), most)


def _pixels(prepare: Preprocess, files: Sequence[Path], *, strict: bool) -> npt.NDArray[np.float32]:
    """What the encoder sees of them; without ``strict``, unusable ones are named and left out."""
    rows = []
    for file in files:
        try:
            rows.append(prepare(open_picture(file, shorter_side=prepare.wanted_shorter_side)))
        except PictureError as error:
            if strict:
                raise
            say(f"skipped {error}")
    if not rows:
        raise ModelError(
            "there is no picture to check the exported model with",
            hint="Give a folder of pictures (--pictures FOLDER), or leave the option out to use "
            "the "
            "demo's pictures.",
        )
    return np.stack(rows)


def _write_card(text: str, out: Path, new: Path) -> None:
    """The model's card, unless one was written by hand into the folder that is replaced."""
    before = out / "README.md"
    if before.exists() and card.MARK not in (written := before.read_text(encoding="utf-8")):
        text = written
    (new / "README.md").write_text(text, encoding="utf-8")


def _file(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        return {"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
