"""The file of clusters alone, of more pictures than a store is made of in an hour.

    python benchmarks/index_file.py [--count 3000000]

The embeddings, queries and rates are those of `benchmarks/index_engines.py`, whose store takes
85 µs a picture for its rows and metadata. Here the file is made as `samebut.index.acceleration`
makes it, from embeddings that are made anew for each pass and never in memory at once, and filters
are arrays of booleans: what is left out of a search is reading the filter's ids from the store.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent))

from index_engines import RATES, K, Log, Stopwatch, Task, real_embeddings
from samebut.index.acceleration import COUNTS, clusters_for
from samebut.index.beside import Changed, FileBeside
from samebut.index.clustering import Clustering, made_queries
from samebut.index.inverted_file import InvertedFile, checksum
from samebut.index.merged import Merged


def written(task: Task, path: Path) -> FileBeside:
    clusters = clusters_for(task.count)
    per_chunk = 50 * clusters * 50_000 // task.count + 1
    sample = np.concatenate([rows[:per_chunk] for _, rows in task.chunks()]).astype(np.float16)
    queries = made_queries(sample, 100, np.random.default_rng(1))
    clustering = Clustering(sample, clusters, queries, COUNTS[-1])
    for _, rows in task.chunks():
        clustering.assign(rows.astype(np.float16))
    clustering.allocate()
    for start, rows in task.chunks():
        ids = np.arange(start, start + len(rows), dtype=np.int64) + 1
        clustering.place(ids, rows.astype(np.float16))
    clustering.write(path)
    return FileBeside(path.name, 0, task.count, checksum(path), clustering.probes(COUNTS))


def searched(task: Task, path: Path, file: FileBeside, log: Log) -> None:
    nothing = np.empty(0, np.int64)
    none = Changed(nothing, nothing, np.empty((0, task.real.shape[1]), np.float16))
    opened: list[Merged] = []
    memory = psutil.Process().memory_info().rss
    log.seconds(
        "file",
        "open",
        Stopwatch().of(
            lambda: opened.append(Merged(InvertedFile(path, file, task.real.shape[1]), none))
        ),
    )
    for rate in (*RATES, "all, exactly"):
        exact = rate not in RATES
        truth = task.truth["all" if exact else rate] + 1
        chosen = None if exact or rate == "all" else np.flatnonzero(task.chosen[rate]) + 1
        clocks, right = [], 0
        spent = time.process_time()
        for query, expected in zip(task.queries, truth.tolist(), strict=True):
            started = time.perf_counter()
            allowed = None if chosen is None else opened[0].among(chosen)
            found = opened[0].answer(query[None], K, allowed, exact=exact).found.ids[0]
            clocks.append(time.perf_counter() - started)
            right += len(set(found.tolist()) & set(expected))
        processors = (time.process_time() - spent) / len(clocks)
        log.search("file", rate, clocks, processors, right / truth.size)
        if rate == "0.1 %":
            grown = (psutil.Process().memory_info().rss - memory) / 1e6
            log.megabytes("file", "memory", grown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=3_000_000)
    parser.add_argument("--json", type=Path, help="add what is measured to this file")
    asked = parser.parse_args()
    log = Log(asked.json, asked.count)
    task = Task(real_embeddings(), asked.count, {})
    task.truth.update(task.scanned())
    with tempfile.TemporaryDirectory() as folder:
        path, made = Path(folder) / "file.ivf", []
        took = Stopwatch().of(lambda: made.append(written(task, path)))
        log.seconds("file", "made, embeddings and all", took)
        log.megabytes("file", "disk", path.stat().st_size / 1e6)
        for each in made[0].probes:
            print(each)
        searched(task, path, made[0], log)


if __name__ == "__main__":
    main()
