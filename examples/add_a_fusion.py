"""A fusion of your own in one file, and some steps of training it.

    pip install 'samebut[train]'
    python examples/add_a_fusion.py fusion-example

A fusion makes one query of a picture's features and a text's. This one is a sum in which every
number of the text has a weight of its own. A line in ``FUSIONS`` makes it known: a recipe
names it, and training and export take it as they take those that ship. A program that loads the
trained model again has to register the fusion first, as this one does; an exported one needs none.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from samebut.learning.encoders.base import Features
from samebut.learning.fusion import FUSIONS
from samebut.learning.fusion.base import Fusion
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.recipe.read import read_recipe
from samebut.learning.run.train import train
from samebut.query_maker import make
from samebut.query_maker.queries import QueryRules
from samebut.query_maker.relative_captions import RelativeCaptions
from samebut.query_maker.table import read_table
from samebut.wardrobe.catalog import draw_gallery


class WeighedSum(Fusion):
    """``q = i + w * t``; all of ``w`` begins at ``start``."""

    def __init__(self, dim: int, start: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim,), start))

    def forward(self, image: Features, text: Features) -> Tensor:
        return image.pooled + self.weight * text.pooled


FUSIONS["weighed_sum"] = WeighedSum

RECIPE = """
name = "weighed"
seed = 1
size = 32
precision = "fp32"

[encoder]
kind = "small"
dim = 32
widths = [16, 16, 32, 32]
blocks = [1, 1, 1, 1]
vocabulary = 500
text_width = 32
text_layers = 1
text_heads = 2

[fusion]
name = "weighed_sum"
start = 0.5

[[stages]]
preset = "compose"
lr = 1e-3
queries = { epochs = 2, batch = 16 }
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a new folder for all that is made")
    folder: Path = parser.parse_args().folder

    queries = drawn_queries(folder)
    recipe = folder / "weighed.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    trained = CIRModel.load(train(read_recipe(recipe), {"shop": queries}, folder / "run"))
    weight = trained.fusion.weight.detach()
    print(f"the weights began at 0.5 and are {weight.min():.4f} to {weight.max():.4f} now")


def drawn_queries(folder: Path) -> Path:
    """A drawn shop of 60 pictures, and the queries that its table gives."""
    draw_gallery(folder / "shop", 60, 3, size=64)
    table = read_table(folder / "shop" / "catalog.csv", folder / "shop")
    rules = QueryRules(attributes=tuple(map(table.column, ("colour", "pattern"))))
    captions = RelativeCaptions.read(None, rules.columns)
    make.write(table, rules, folder / "queries", captions=captions)
    return folder / "queries"


if __name__ == "__main__":
    main()
