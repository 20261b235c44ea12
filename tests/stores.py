"""What tests of stores share: pictures of a few numbers, and other processes that write."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

from samebut.index import Address, Index, PictureRow

DIM = 8


def unit(seed: int, dim: int = DIM) -> NDArray[np.float32]:
    row = np.random.default_rng(seed).standard_normal(dim)
    return (row / np.linalg.norm(row)).astype(np.float32)


def halved(row: NDArray[np.float32]) -> NDArray[np.float32]:
    return row.astype(np.float16).astype(np.float32)


def picture(path: str, seed: int = 0, **changes: object) -> PictureRow:
    made = PictureRow(
        path, 100 + seed, 1_700_000_000_123_456_789, f"digest {seed}", 4, 3, unit(seed)
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def create(address: Address) -> Index:
    return address.create(dim=DIM, fingerprint="print", model="small")


def found(index: Index, seed: int, k: int = 99) -> list[str]:
    """Paths of the best pictures for the embedding of ``seed``."""
    ids = index.search(unit(seed)[None], k).ids[0].tolist()
    return [entry.path for entry in index.pictures(ids)]


PRELUDE = """
import sys
import numpy as np
from samebut.errors import StoreBusy, StoreError
from samebut.index import PictureRow
from samebut.index.address import address_of

def picture(path, seed):
    row = np.random.default_rng(seed).standard_normal(8)
    row = (row / np.linalg.norm(row)).astype(np.float32)
    return PictureRow(path, 100 + seed, 1, f"digest {seed}", 4, 3, row)

index = address_of(sys.argv[1]).create(dim=8, fingerprint="print", model="small")
"""


def run(address: Address, script: str) -> str:
    """What another process prints that has the store open as ``index``."""
    command = [sys.executable, "-c", PRELUDE + script, str(address)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


INDEXER = """
with index.writer_lock():
    at = len(index)
    while True:
        index.put([picture(f"{i:06d}", i) for i in range(at, at + 10)])
        at += 10
        print(at, flush=True)
"""


def indexing(address: Address) -> subprocess.Popen[str]:
    """A process that puts ten pictures at a time, and prints their number once they are stored."""
    command = [sys.executable, "-c", PRELUDE + INDEXER, str(address)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
