"""How fast the embedded index is, beside a numpy array kept in memory.

    python benchmarks/index_local.py [--count 100000] [--dim 256]

Makes a store of random embeddings with eight metadata columns in a temporary folder and prints a
table. Opening and searching are timed in a fresh process, and so is its memory. The two engines
answer the same queries in turn, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samebut.index import Found, PictureRow
from samebut.index.local import LocalIndex

QUERIES = 200
K = 50
BATCH = 256
FILTER = "colour = 'c3'"  # One of ten colours: a tenth of the pictures.
COLUMNS = {
    "colour": 10,
    "gender": 2,
    "season": 4,
    "brand": 500,
    "article": 80,
    "size": 30,
    "year": 12,
}


def unit_rows(count: int, dim: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32)
    made: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return made


def batches(embeddings: NDArray[np.float32]) -> Iterator[list[PictureRow]]:
    for start in range(0, len(embeddings), BATCH):
        yield [
            PictureRow(name(i), 54_321, 1_700_000_000_000_000_000 + i, f"{i:032x}", 640, 480, row)
            for i, row in enumerate(embeddings[start : start + BATCH], start)
        ]


def name(i: int) -> str:
    return f"folder-{i // 1000:03d}/picture-{i:07d}.jpg"


def said(count: int) -> dict[str, dict[str, str]]:
    return {
        name(i): {"title": f"Product number {i}"}
        | {column: f"{column[0]}{i % kinds}" for column, kinds in COLUMNS.items()}
        for i in range(count)
    }


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def build(store: Path, count: int, dim: int) -> dict[str, str]:
    embeddings = unit_rows(count, dim, seed=1)
    rows = said(count)
    with LocalIndex.create(store, dim=dim, fingerprint="benchmark", model="random") as index:

        def put() -> None:
            for batch in batches(embeddings):
                index.put(batch)

        ingest = seconds(put)
        times = {
            f"put, {BATCH} at a time": f"{count / ingest:,.0f} pictures/s",
            "set_metadata, 8 columns": f"{seconds(lambda: index.set_metadata(rows)):.2f} s",
            "files()": f"{seconds(index.files):.2f} s",
            "facets(20)": f"{seconds(lambda: index.facets(20)):.2f} s",
        }
    return times | {"size on disk": f"{store.stat().st_size / 1e6:.0f} MB"}


def open_and_search(store: Path, _count: int, dim: int) -> dict[str, str]:
    """What a fresh process pays."""
    start = time.perf_counter()
    with LocalIndex.open(store) as index:
        opened = time.perf_counter()
        queries = unit_rows(QUERIES, dim, seed=2)
        index.search(queries[:1], K)
        answered = time.perf_counter()
        for query in queries:
            index.search(query[None], K, where=FILTER)
    return {
        "open": f"{opened - start:.2f} s",
        "open to first answer": f"{answered - start:.2f} s",
        "peak memory, open and search": f"{peak_memory() / 1e6:.0f} MB",
    }


def peak_memory() -> int:
    """Bytes that this process had at most."""
    if sys.platform != "win32":
        unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    raise NotImplementedError("Windows lacks the module `resource`")


def race(store: Path, count: int, dim: int) -> dict[str, str]:
    """The index and numpy in turn, one query at a time."""
    embeddings = unit_rows(count, dim, seed=1)
    tenth = np.arange(count) % COLUMNS["colour"] == 3
    with LocalIndex.open(store) as index:
        engines: dict[str, Callable[[NDArray[np.float32]], object]] = {
            "one query": lambda q: index.search(q, K),
            "one query, filtered to 10 %": lambda q: index.search(q, K, where=FILTER),
            "numpy float32, one query": lambda q: brute_force(embeddings, q),
            "numpy float32, filtered to 10 %": lambda q: brute_force(embeddings[tenth], q),
        }
        times: dict[str, list[float]] = {engine: [] for engine in engines}
        for query in unit_rows(QUERIES, dim, seed=2):
            for engine, answer in engines.items():
                times[engine].append(seconds(lambda: answer(query[None])))  # noqa: B023
    return {engine: spread(values) for engine, values in times.items()}


def brute_force(embeddings: NDArray[np.float32], query: NDArray[np.float32]) -> Found:
    scores = embeddings @ query[0]
    best = np.argpartition(-scores, K)[:K]
    best = best[np.argsort(-scores[best])]
    return Found(best[None], scores[best][None])


def spread(values: list[float]) -> str:
    median, worst = np.percentile(values, [50, 99]) * 1000
    return f"{median:.2f} ms (99th percentile {worst:.2f})"


STAGES: dict[str, Callable[[Path, int, int], dict[str, str]]] = {
    "build": build,
    "open": open_and_search,
    "race": race,
}


def staged(stage: str, store: Path, count: int, dim: int) -> dict[str, str]:
    """Run a stage in a fresh process.

    The peak memory a process reports starts from that of the one that started it, so this one has
    to stay small.
    """
    arguments = ["--count", str(count), "--dim", str(dim), "--stage", stage, "--store", str(store)]
    done = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE
    )
    rows: dict[str, str] = json.loads(done.stdout)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the embedded index is, beside numpy.")
    parser.add_argument("--count", type=int, default=100_000, help="pictures")
    parser.add_argument("--dim", type=int, default=256, help="length of an embedding")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stage:
        print(json.dumps(STAGES[asked.stage](asked.store, asked.count, asked.dim)))
        return
    print(f"{asked.count:,} pictures, dimension {asked.dim}, top {K}, {QUERIES} queries")
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:
            rows = staged(stage, Path(folder) / "store.sqlite", asked.count, asked.dim)
            for what, figure in rows.items():
                print(f"  {what:34s}{figure}")


if __name__ == "__main__":
    main()
