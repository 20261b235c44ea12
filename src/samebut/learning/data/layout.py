"""Which pictures each process encodes for a batch, each once, and where the batch finds them."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from samebut.learning.data.sampler import Batch

ROUND_NUMBER = 32


@dataclass(frozen=True)
class Layout:
    """``rows (W, n)``: the pictures that each of W processes encodes, as rows of the corpus; no
    process has a picture twice. ``references``, ``targets (B,)`` and ``negatives (B, M)``: indices
    into ``rows.flatten()``; a negative of -1 is none."""

    rows: Tensor
    references: Tensor
    targets: Tensor
    negatives: Tensor

    def each_once(self) -> Tensor:
        """Indices into ``rows.flatten()`` that give every picture once: ``(N,)``."""
        return each_once(self.rows.flatten())

    def shares(self) -> Tensor:
        """``(W, n)``: weights with which each process sums over its pictures, so that the mean of
        these sums over the processes is the mean over all different pictures. The weight is 0 where
        an earlier process has the picture, too."""
        once = self.each_once()
        shares = torch.zeros(self.rows.numel())
        shares[once] = len(self.rows) / len(once)
        return shares.view_as(self.rows)


def each_once(rows: Tensor) -> Tensor:
    """The first index of every distinct number in ``rows (n,)``: ``(N,)``."""
    unique, inverse = rows.unique(return_inverse=True)
    first = torch.full_like(unique, len(rows))
    return first.scatter_reduce(0, inverse, torch.arange(len(rows)), "amin")


def lay_out(batch: Batch, pictures: int, *, processes: int = 1, rounded: bool = False) -> Layout:
    """The layout of a batch over a corpus of so many ``pictures``.

    A process encodes the pictures of its own queries. All processes encode the same number, because
    ``gather`` needs equal parts: a process with fewer is padded with pictures of the others, so
    that together they encode the same pictures as a single process would. ``rounded``: pad to a
    multiple of 32 with random pictures of the corpus. The convolution library keeps kernels and
    scratch memory for every batch size that it meets: without rounding, gigabytes in an hour.
    """
    parts = [_places(batch.share(rank, processes)) for rank in range(processes)]
    count = max(len(rows) for rows, _ in parts)
    if rounded:
        count = max(count, min(-(-count // ROUND_NUMBER) * ROUND_NUMBER, pictures))
    every = torch.cat([rows for rows, _ in parts]).unique()
    rows = torch.stack([_filled(rows, every, count, pictures) for rows, _ in parts])
    kinds = []
    for kind in range(3):
        own = [
            torch.where(places[kind] < 0, -1, places[kind] + rank * count)
            for rank, (_, places) in enumerate(parts)
        ]
        kinds.append(torch.cat(own))
    return Layout(rows, *kinds)


def _places(own: Batch) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The pictures of a process, sorted, and the indices of its queries' references, targets and
    negatives among them."""
    negatives = own.negatives.flatten()
    kinds = (own.references, own.targets, negatives[negatives >= 0], own.pictures)
    rows, place = torch.cat(kinds).unique(return_inverse=True)
    references, targets, real, _ = place.split([len(kind) for kind in kinds])
    placed = torch.full_like(negatives, -1)
    placed[negatives >= 0] = real
    return rows, (references, targets, placed.view_as(own.negatives))


def _filled(rows: Tensor, every: Tensor, count: int, pictures: int) -> Tensor:
    """``rows`` padded to ``count``: with pictures of ``every``, then with random ones."""
    others = every[~torch.isin(every, rows)]
    filled = [*rows.tolist(), *others[: count - len(rows)].tolist()]
    rng, there = random.Random(f"{filled}"), set(filled)
    while len(filled) < count:
        row = rng.randrange(pictures)
        if row not in there:
            there.add(row)
            filled.append(row)
    return torch.tensor(filled)
