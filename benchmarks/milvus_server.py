"""A Milvus server of one's own, from the wheel ``milvus``, and what trials of it share.

One at a time on a machine: the wheel lets two ports of the etcd inside be 2379 and 2380.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psutil
from milvus import MilvusServer, MilvusServerConfig
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections

DIM = 8
STRONG = {"consistency_level": "Strong"}
_names = count(1)


class Server:
    def __init__(self, folder: str) -> None:
        self.milvus = MilvusServer(MilvusServerConfig(data_dir=folder))
        self.start()

    def start(self) -> None:
        self.milvus.start()
        connections.connect("default", host="127.0.0.1", port=self.milvus.listen_port)

    def kill(self) -> None:
        """As `kill -9` does."""
        connections.disconnect("default")
        self.milvus.server_proc.kill()
        self.milvus.server_proc.wait()

    def megabytes(self) -> int:
        return int(psutil.Process(self.milvus.server_proc.pid).memory_info().rss / 1e6)


def collection(dim: int = DIM) -> Collection:
    fields = [
        FieldSchema("path", DataType.VARCHAR, is_primary=True, max_length=65535),
        FieldSchema("embedding", DataType.FLOAT_VECTOR, dim=dim),
        FieldSchema("said", DataType.JSON),
    ]
    made = Collection(f"c{next(_names)}", CollectionSchema(fields), shards_num=2)
    made.create_index("embedding", {"index_type": "FLAT", "metric_type": "IP"})
    made.load()
    return made


def rows(paths: list[str], **said: str) -> list[list[Any]]:
    return [paths, [[1.0] * DIM for _ in paths], [dict(said) for _ in paths]]


def paths(where: Collection, expression: str = "", **options: Any) -> list[str]:
    options = STRONG | ({} if expression else {"limit": 16384}) | options
    return sorted(row["path"] for row in where.query(expression, **options))


def answer(ask: Callable[[], object]) -> str:
    try:
        return str(ask())
    except Exception as error:  # whatever the client raises is what is to be shown
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"


@contextmanager
def meanwhile(work: Callable[[], object], threads: int = 1) -> Iterator[list[object]]:
    """``work`` again and again in threads; what it returned or raised."""
    done, seen = threading.Event(), list[object]()

    def again() -> None:
        while not done.is_set():
            try:
                seen.append(work())
            except Exception as error:
                seen.append(f"{type(error).__name__}: {getattr(error, 'message', error)}")

    workers = [threading.Thread(target=again) for _ in range(threads)]
    for worker in workers:
        worker.start()
    yield seen
    done.set()
    for worker in workers:
        worker.join()
