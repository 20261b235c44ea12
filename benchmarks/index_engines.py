"""The embedded index, PostgreSQL and a numpy array, asked the same in one run.

    python benchmarks/index_engines.py [--count 100000] [--engines embedded postgresql numpy]

Embeddings are made from real ones, those of the 300 pictures of the demo gallery by the bundled
model: each is a mixture of two of them, in any proportion, with noise of `NOISE` times their
length. Queries are made alike. A table says of each picture whether it is one of 10, 1 and 0.1 %.

Every engine answers in a process of its own; PostgreSQL's server is the tests' own, with its
settings as they come. Seconds of the processor are those of the client and the server together: on
a busy machine they say more than the clock.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from samebut.demo import GALLERY
from samebut.gallery import Gallery
from samebut.index import Address, PictureRow
from samebut.index.address import address_of
from samebut.index.local import StoreFile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

NOISE = 0.5
QUERIES = 100
K = 10
BATCH = 256
RATES = {"all": 1.0, "10 %": 0.1, "1 %": 0.01, "0.1 %": 0.001}
ENGINES = ("embedded", "postgresql", "numpy")


@dataclass(frozen=True)
class Task:
    """What all engines are given: embeddings ``(N, D)``, queries ``(Q, D)``, and which of the
    pictures are of a rate, ``(N,)`` each."""

    rows: NDArray[np.float32]
    queries: NDArray[np.float32]
    chosen: dict[str, NDArray[np.bool_]]

    @classmethod
    def made(cls, real: NDArray[np.float32], count: int) -> Task:
        dice = np.random.default_rng(1)

        def mixed(number: int) -> NDArray[np.float32]:
            share = dice.random((number, 1), np.float32)
            first, second = (real[dice.integers(0, len(real), number)] for _ in range(2))
            noise = dice.standard_normal((number, real.shape[1]), np.float32)
            noise *= NOISE / np.sqrt(real.shape[1], dtype=np.float32)
            rows = share * first + (1 - share) * second + noise
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)

        rows, queries = mixed(count), mixed(QUERIES)
        return cls(
            rows, queries, {rate: dice.random(count) < share for rate, share in RATES.items()}
        )


def name(number: int) -> str:
    return f"{number // 1000:05d}/{number:08d}.jpg"


def pictures(task: Task) -> Iterator[list[PictureRow]]:
    for start in range(0, len(task.rows), BATCH):
        rows = task.rows[start : start + BATCH]
        yield [
            PictureRow(name(i), 54_321, i, f"{i:032x}", 640, 480, row)
            for i, row in enumerate(rows, start)
        ]


def said(task: Task) -> dict[str, dict[str, str]]:
    columns = {rate: np.where(chosen, "yes", "no").tolist() for rate, chosen in task.chosen.items()}
    return {
        name(i): {rate: columns[rate][i] for rate in columns} | {"title": f"Product {i}"}
        for i in range(len(task.rows))
    }


class Stopwatch:
    """Seconds by the clock and of the processors, this process's and those of ``others``."""

    def __init__(self, others: Callable[[], list[psutil.Process]] = list) -> None:
        self.others = others

    def processors(self) -> float:
        """So far. A server's process that has ended counts as its master's."""
        times = [process.cpu_times() for process in self.others()]
        ended = sum(each.children_user + each.children_system for each in times[:1])
        return time.process_time() + ended + sum(each.user + each.system for each in times)

    def of(self, work: Callable[[], object]) -> tuple[float, float]:
        clock, processors = time.perf_counter(), self.processors()
        work()
        return time.perf_counter() - clock, self.processors() - processors


def numpy_searches(task: Task) -> Callable[[NDArray[np.float32], str], list[int]]:
    """Exact search over the embeddings as stores keep them, in half precision."""
    halves = task.rows.astype(np.float16).astype(np.float32)
    places = {rate: np.flatnonzero(chosen) for rate, chosen in task.chosen.items()}

    def search(query: NDArray[np.float32], rate: str) -> list[int]:
        among = places[rate]
        scores = (halves if rate == "all" else halves[among]) @ query
        best = np.argpartition(-scores, min(K, len(scores) - 1))[:K]
        best = best[np.argsort(-scores[best])]
        return [int(i) + 1 for i in (best if rate == "all" else among[best])]

    return search


def measure(engine: str, task: Task, address: Address | None, watch: Stopwatch) -> None:
    truth = numpy_searches(task)
    if address is None:
        report(engine, task, truth, truth, watch)
        return

    def put() -> None:
        with closing(address.create(dim=task.rows.shape[1], fingerprint="f", model="m")) as index:
            for batch in pictures(task):
                index.put(batch)
            index.publish()

    def describe() -> None:
        with closing(address.open(writable=True)) as index:
            index.set_metadata(said(task))

    for what, work in (("build", put), ("metadata", describe)):
        line(engine, what, *watch.of(work))
    with closing(address.open()) as index:

        def search(query: NDArray[np.float32], rate: str) -> list[int]:
            where = None if rate == "all" else f"\"{rate}\" = 'yes'"
            ids: list[int] = index.search(query[None], K, where=where).ids[0].tolist()
            return ids

        memory = psutil.Process().memory_info().rss
        line(engine, "open to first answer", *watch.of(lambda: search(task.queries[0], "all")))
        grown = (psutil.Process().memory_info().rss - memory) / 1e6
        print(f"{engine:11}{'memory of the client':24}{grown:9.0f} MB")
        report(engine, task, truth, search, watch)
        line(engine, "facets", *watch.of(lambda: index.facets(20)))
        line(engine, "files", *watch.of(index.files))


def report(
    engine: str,
    task: Task,
    truth: Callable[[NDArray[np.float32], str], list[int]],
    search: Callable[[NDArray[np.float32], str], list[int]],
    watch: Stopwatch,
) -> None:
    for rate in RATES:
        search(task.queries[0], rate)
        clocks, spent, right = [], watch.processors(), 0
        answers = []
        for query in task.queries:
            started = time.perf_counter()
            answers.append(search(query, rate))
            clocks.append(time.perf_counter() - started)
        processors = (watch.processors() - spent) / len(task.queries)
        asked = 0
        for query, answer in zip(task.queries, answers, strict=True):
            expected = truth(query, rate)
            right += len(set(answer) & set(expected))
            asked += len(expected)
        print(
            f"{engine:11}{f'search, {rate}':24}median {np.median(clocks) * 1e3:8.2f} ms, "
            f"p99 {np.quantile(clocks, 0.99) * 1e3:8.2f} ms, processor {processors * 1e3:7.2f} ms, "
            f"recall@{K} {right / asked:.4f}",
            flush=True,
        )


def line(engine: str, what: str, clock: float, processors: float) -> None:
    print(f"{engine:11}{what:24}{clock:9.2f} s, processor {processors:8.2f} s", flush=True)


@contextmanager
def place(engine: str, folder: Path) -> Iterator[tuple[Address | None, Stopwatch]]:
    """Where an engine's store may lie, and what counts the time that it takes."""
    if engine == "embedded":
        yield StoreFile(folder / "store.sqlite"), Stopwatch()
        print(f"{engine:11}{'disk':24}{_bytes(folder) / 1e6:9.0f} MB")
    elif engine == "postgresql":
        from postgres_server import started

        with started() as server:
            assert server._process is not None
            master = psutil.Process(server._process.pid)
            before = _bytes(server.folder / "data" / "base")
            yield (
                address_of(server.url()),
                Stopwatch(lambda: [master, *master.children(recursive=True)]),
            )
            grown = _bytes(server.folder / "data" / "base") - before
            print(f"{engine:11}{'disk, without its log':24}{max(grown, 0) / 1e6:9.0f} MB")
    else:
        yield None, Stopwatch()


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def real_embeddings() -> NDArray[np.float32]:
    with (
        tempfile.TemporaryDirectory() as store,
        Gallery.build(GALLERY, store=f"{store}/store.sqlite")[0] as gallery,
    ):
        return gallery.index.embedding(gallery.index.listing(len(gallery)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.one:  # a process of one engine
            real = np.load(asked.one)
            task = Task.made(real, asked.count)
            with place(asked.engines[0], Path(folder)) as (address, watch):
                measure(asked.engines[0], task, address, watch)
            return
        np.save(Path(folder, "real.npy"), real_embeddings())
        load = [round(each, 1) for each in psutil.getloadavg()]
        print(json.dumps({"count": asked.count, "processors": psutil.cpu_count(), "load": load}))
        for engine in asked.engines:
            given = ["--count", str(asked.count), "--one", f"{folder}/real.npy"]
            subprocess.run([sys.executable, __file__, "--engines", engine, *given], check=True)


if __name__ == "__main__":
    main()
