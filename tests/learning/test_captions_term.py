"""learning/objective/captions.py: which pictures and captions answer each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from learners import shapes

from samebut.learning.objective.captions import Captions


def test_pictures_of_equal_attributes_are_of_one_kind(tmp_path: Path) -> None:
    """A title or a split of its own does not make a picture another thing."""
    corpus = shapes(tmp_path)
    rows = tuple(
        {**row, "title": f"number {number}", "split": f"part {number}"}
        for number, row in enumerate(corpus.rows)
    )
    model: Any = None
    kinds = Captions(Captions.Options(weight=1.0), replace(corpus, rows=rows), model).kinds
    alike = [(row["article"], row["colour"]) for row in rows]
    wanted = [[one == other for other in alike] for one in alike]
    assert torch.equal(kinds[:, None] == kinds[None, :], torch.tensor(wanted))
    assert len(kinds.unique()) == 10
