"""The embedded index, PostgreSQL and a numpy array, asked the same in one run.

    python benchmarks/index_engines.py [--count 100000] [--engines embedded postgresql numpy]
        [--json FILE]

Embeddings are made from real ones, those of the 300 pictures of the demo gallery by the bundled
model: each is a mixture of two of them, in any proportion, with noise of `NOISE` times their
length. Queries are made alike. A table says of each picture whether it is one of 10, 1 and 0.1 %.

The embedded store is asked twice: before there is a file of clusters beside it, when all pictures
are compared, and with it ("clusters"). Recall is that of the ten nearest by a scan of all
embeddings in single precision, as they were before stores halved them.

Every engine answers in a process of its own; PostgreSQL's server is the tests' own, with its
settings as they come. Seconds of the processor are those of the client and the server together: on
a busy machine they say more than the clock.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from samebut.demo import GALLERY
from samebut.gallery import Gallery
from samebut.index import Address, Index, PictureRow, acceleration
from samebut.index.address import address_of
from samebut.index.local import StoreFile
from samebut.language.labels import Labels

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

NOISE = 0.5
QUERIES = 100
K = 10
BATCH = 256
CHUNK = 50_000
RATES = {"all": 1.0, "10 %": 0.1, "1 %": 0.01, "0.1 %": 0.001}
ENGINES = ("embedded", "postgresql", "numpy")


@dataclass(frozen=True)
class Task:
    """What all engines are given: ``count`` embeddings made of ``real (R, D)``, queries ``(Q, D)``,
    which of the pictures are of a rate, ``(N,)`` each, and the places of the nearest by a scan of
    all in single precision, ``truth[rate] (Q, K)``."""

    real: NDArray[np.float32]
    count: int
    truth: dict[str, NDArray[np.int64]]

    @cached_property
    def queries(self) -> NDArray[np.float32]:
        return mixed(self.real, QUERIES, seed=2)

    @cached_property
    def chosen(self) -> dict[str, NDArray[np.bool_]]:
        dice = np.random.default_rng(3)
        return {rate: dice.random(self.count) < share for rate, share in RATES.items()}

    def chunks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """All embeddings, some at a time with the place of the first: ten million at once would
        take 10 GB."""
        for start in range(0, self.count, CHUNK):
            yield start, mixed(self.real, min(CHUNK, self.count - start), seed=(1, start))

    def scanned(self) -> dict[str, NDArray[np.int64]]:
        """The ``truth``."""
        best = {
            rate: (np.empty((QUERIES, 0), np.float32), np.empty((QUERIES, 0), int))
            for rate in RATES
        }
        for start, rows in self.chunks():
            scores = self.queries @ rows.T
            for rate, (kept, places) in best.items():
                some = np.flatnonzero(self.chosen[rate][start : start + len(rows)])
                all_scores = np.concatenate([kept, scores[:, some]], axis=1)
                all_places = np.concatenate(
                    [places, np.broadcast_to(some + start, (QUERIES, len(some)))], axis=1
                )
                order = (
                    np.argsort(-all_scores, axis=1)[:, :K]
                    if all_scores.shape[1] <= K
                    else (np.argpartition(-all_scores, K - 1, axis=1)[:, :K])
                )
                best[rate] = (
                    np.take_along_axis(all_scores, order, 1),
                    np.take_along_axis(all_places, order, 1),
                )
        return {rate: places for rate, (_, places) in best.items()}


def mixed(
    real: NDArray[np.float32], number: int, seed: int | tuple[int, int]
) -> NDArray[np.float32]:
    dice = np.random.default_rng(seed)
    share = dice.random((number, 1), np.float32)
    first, second = (real[dice.integers(0, len(real), number)] for _ in range(2))
    noise = dice.standard_normal((number, real.shape[1]), np.float32)
    noise *= NOISE / np.sqrt(real.shape[1], dtype=np.float32)
    rows = share * first + (1 - share) * second + noise
    made: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return made


def name(number: int) -> str:
    return f"{number // 1000:05d}/{number:08d}.jpg"


def title(number: int) -> str:
    """One of its own, in no order, as titles are."""
    return f"Product {number * 2_654_435_761 % 2**32:08x}"


def pictures(task: Task) -> Iterator[list[PictureRow]]:
    for first, chunk in task.chunks():
        for start in range(0, len(chunk), BATCH):
            rows = chunk[start : start + BATCH]
            yield [
                PictureRow(name(i), 54_321, i, f"{i:032x}", 640, 480, row)
                for i, row in enumerate(rows, first + start)
            ]


def said(task: Task) -> dict[str, dict[str, str]]:
    columns = {rate: np.where(chosen, "yes", "no").tolist() for rate, chosen in task.chosen.items()}
    return {
        name(i): {rate: columns[rate][i] for rate in columns} | {"title": title(i)}
        for i in range(task.count)
    }


class Stopwatch:
    """Seconds by the clock and of the processors, this process's and those of ``others``."""

    def __init__(self, others: Callable[[], list[psutil.Process]] = list) -> None:
        self.others = others

    def processors(self) -> float:
        """So far. A server's process that has ended counts as its master's."""
        times = [process.cpu_times() for process in self.others()]
        ended = sum(each.children_user + each.children_system for each in times[:1])
        others = sum(each.user + each.system for each in times)
        return float(time.process_time() + ended + others)

    def of(self, work: Callable[[], object]) -> tuple[float, float]:
        clock, processors = time.perf_counter(), self.processors()
        work()
        return time.perf_counter() - clock, self.processors() - processors


def numpy_searches(task: Task) -> Callable[[NDArray[np.float32], str], list[int]]:
    """Exact search over the embeddings as stores keep them, in half precision."""
    halves = np.empty((task.count, task.real.shape[1]), np.float32)
    for start, rows in task.chunks():
        halves[start : start + len(rows)] = rows.astype(np.float16)
    places = {rate: np.flatnonzero(chosen) for rate, chosen in task.chosen.items()}

    def search(query: NDArray[np.float32], rate: str) -> list[int]:
        among = places[rate]
        scores = (halves if rate == "all" else halves[among]) @ query
        best = np.argpartition(-scores, min(K, len(scores) - 1))[:K]
        best = best[np.argsort(-scores[best])]
        return [int(i) + 1 for i in (best if rate == "all" else among[best])]

    return search


def measure(engine: str, task: Task, address: Address | None, watch: Stopwatch, log: Log) -> None:
    if address is None:
        report(engine, task, numpy_searches(task), watch, log)
        return

    def put() -> None:
        with closing(address.create(dim=task.real.shape[1], fingerprint="f", model="m")) as index:
            for batch in pictures(task):
                index.put(batch)
            index.publish()

    def fill() -> None:
        log.seconds(engine, "build", watch.of(put))
        rows = said(task)
        with closing(address.open(writable=True)) as index:
            log.seconds(engine, "metadata", watch.of(lambda: index.set_metadata(rows)))

    def accelerate() -> None:
        with closing(address.open(writable=True)) as index:
            index.accelerate()

    if sys.platform == "win32":  # can't fork
        fill()
    else:
        # In a process of its own: a search would use the memory again that this one has freed.
        filling = multiprocessing.get_context("fork").Process(target=fill)
        filling.start()
        filling.join()
        if filling.exitcode:
            sys.exit(filling.exitcode)
    searching(engine, task, address, watch, log)
    if engine == "embedded":
        log.seconds("clusters", "build of the file", watch.of(accelerate))
        searching("clusters", task, address, watch, log)


def searching(engine: str, task: Task, address: Address, watch: Stopwatch, log: Log) -> None:
    """What a store that is there is asked."""
    opened: list[Index] = []

    def search(query: NDArray[np.float32], rate: str) -> list[int]:
        where = None if rate == "all" else f"\"{rate}\" = 'yes'"
        ids: list[int] = opened[0].search(query[None], K, where=where).ids[0].tolist()
        return ids

    def first() -> None:
        opened.append(address.open())
        search(task.queries[0], "all")

    memory = psutil.Process().memory_info().rss
    log.seconds(engine, "open to first answer", watch.of(first))
    with closing(opened[0]) as index:
        report(engine, task, search, watch, log)
        grown = (psutil.Process().memory_info().rss - memory) / 1e6
        log.megabytes(engine, "memory of the client", grown)
        log.seconds(engine, "facets", watch.of(lambda: index.facets(20)))
        behind = "\"10 %\" = 'yes'"
        log.seconds(engine, "facets, filtered", watch.of(lambda: index.facets(20, behind)))
        log.seconds(engine, "vocabulary", watch.of(lambda: index.vocabulary(Labels())))
        log.seconds(engine, "files", watch.of(index.files))


def report(
    engine: str,
    task: Task,
    search: Callable[[NDArray[np.float32], str], list[int]],
    watch: Stopwatch,
    log: Log,
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
        for expected, answer in zip((task.truth[rate] + 1).tolist(), answers, strict=True):
            right += len(set(answer) & set(expected))
            asked += len(expected)
        log.search(engine, rate, clocks, processors, right / asked)


class Log:
    """What was measured, printed, and kept as lines of JSON if there is a file."""

    def __init__(self, file: Path | None, count: int) -> None:
        self.file, self.count = file, count

    def seconds(self, engine: str, what: str, took: tuple[float, float]) -> None:
        clock, processors = took
        print(f"{engine:11}{what:24}{clock:9.2f} s, processor {processors:8.2f} s", flush=True)
        self._keep(engine, what, clock=clock, processors=processors)

    def megabytes(self, engine: str, what: str, number: float) -> None:
        print(f"{engine:11}{what:24}{number:9.0f} MB", flush=True)
        self._keep(engine, what, megabytes=number)

    def search(
        self, engine: str, rate: str, clocks: list[float], processors: float, recall: float
    ) -> None:
        median, last = (float(np.quantile(clocks, at)) * 1e3 for at in (0.5, 0.99))
        print(
            f"{engine:11}{f'search, {rate}':24}median {median:8.2f} ms, p99 {last:8.2f} ms, "
            f"processor {processors * 1e3:7.2f} ms, recall@{K} {recall:.4f}",
            flush=True,
        )
        kept = {"median": median, "p99": last, "processors": processors * 1e3, "recall": recall}
        self._keep(engine, f"search, {rate}", **kept)

    def _keep(self, engine: str, what: str, **numbers: float) -> None:
        if self.file is not None:
            line = {"count": self.count, "engine": engine, "what": what, **numbers}
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


@contextmanager
def place(engine: str, folder: Path, log: Log) -> Iterator[tuple[Address | None, Stopwatch]]:
    """Where an engine's store may lie, and what counts the time that it takes."""
    if engine == "embedded":
        yield StoreFile(folder / "store.sqlite"), Stopwatch()
        clusters = sum(file.stat().st_size for file in folder.glob("*.ivf"))
        log.megabytes(engine, "disk", (_bytes(folder) - clusters) / 1e6)
        log.megabytes("clusters", "disk, the file", clusters / 1e6)
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
            log.megabytes(engine, "disk, without its log", max(grown, 0) / 1e6)
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
    parser.add_argument("--json", type=Path, help="add what is measured to this file")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    log = Log(asked.json, asked.count)
    if asked.one:  # a process of one engine
        acceleration.MANY = min(acceleration.MANY, asked.count)  # clusters are made of fewer too
        task = Task(
            np.load(asked.one / "real.npy"), asked.count, dict(np.load(asked.one / "truth.npz"))
        )
        with (
            tempfile.TemporaryDirectory() as folder,
            place(asked.engines[0], Path(folder), log) as (address, watch),
        ):
            measure(asked.engines[0], task, address, watch, log)
        return
    with tempfile.TemporaryDirectory() as folder:
        real = real_embeddings()
        np.save(Path(folder, "real.npy"), real)
        np.savez(
            Path(folder, "truth.npz"), allow_pickle=False, **Task(real, asked.count, {}).scanned()
        )
        load = [round(each, 1) for each in psutil.getloadavg()]
        print(json.dumps({"count": asked.count, "processors": psutil.cpu_count(), "load": load}))
        for engine in asked.engines:
            given = ["--count", str(asked.count), "--one", folder]
            given += ["--json", str(asked.json)] if asked.json else []
            subprocess.run([sys.executable, __file__, "--engines", engine, *given], check=True)


if __name__ == "__main__":
    main()
