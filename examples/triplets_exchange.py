"""Triplets and pictures between samebut's folders, Parquet (Hugging Face ``datasets``, pandas) and
WebDataset shards.

    pip install datasets webdataset
    python examples/triplets_exchange.py to-parquet my-data/train.jsonl train.parquet
    python examples/triplets_exchange.py from-parquet train.parquet my-data/train.jsonl
    python examples/triplets_exchange.py to-shards my-data train shards/train-%04d.tar
    python examples/triplets_exchange.py from-shards shards/train-0000.tar new-data train

A Parquet file has the fields of a line of ``SPLIT.jsonl`` as columns, lists as lists; a field that
a line lacks is null there and left out when it is read back. A sample of a shard has the reference,
the target and the whole line: ``reference.jpg``, ``target.jpg``, ``query.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import webdataset
from datasets import Dataset

from samebut.data.triplets import images_folder


def to_parquet(lines: Path, out: Path) -> int:
    """Write the queries of a ``SPLIT.jsonl`` as Parquet; how many."""
    queries = list(_queries(lines))
    columns = dict.fromkeys(name for query in queries for name in query)
    rows = [{name: query.get(name) for name in columns} for query in queries]
    Dataset.from_list(rows).to_parquet(str(out))
    return len(rows)


def from_parquet(table: Path, out: Path) -> int:
    """Write a ``SPLIT.jsonl`` from Parquet; how many queries."""
    rows = Dataset.from_parquet(str(table), cache_dir=str(out.parent / ".datasets"))
    return _write(out, ({k: v for k, v in row.items() if v is not None} for row in rows))


def to_shards(data: Path, split: str, pattern: str, per_shard: int = 1000) -> int:
    """Write the queries of a data folder with their pictures as tar files; how many."""
    images, count = images_folder(data), 0
    with webdataset.ShardWriter(pattern, maxcount=per_shard, verbose=0) as shards:
        for count, query in enumerate(_queries(data / f"{split}.jsonl"), start=1):
            sample: dict[str, Any] = {"__key__": f"{count:08d}", "query.json": query}
            for role in ("reference", "target"):
                file = images / query[role]
                sample[role + file.suffix.lower()] = file.read_bytes()
            shards.write(sample)
    return count


def from_shards(shards: str, data: Path, split: str) -> int:
    """Make a data folder of shards: pictures by the names in the queries; how many queries.

    A query's further right answers are pictures of other samples, so read all shards of a set.
    """

    def queries() -> Iterator[dict[str, Any]]:
        for sample in webdataset.WebDataset(shards, shardshuffle=False, empty_check=False):
            query = json.loads(sample["query.json"])
            for role in ("reference", "target"):
                content = next(v for name, v in sample.items() if name.startswith(f"{role}."))
                _keep(data / "images", query[role], content)
            yield query

    data.mkdir(parents=True, exist_ok=True)
    return _write(data / f"{split}.jsonl", queries())


def _keep(images: Path, name: str, content: bytes) -> None:
    file = images / name
    if not file.resolve().is_relative_to(images.resolve()):
        raise SystemExit(f"a query names {name!r}, which lies outside of {images}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _queries(lines: Path) -> Iterator[dict[str, Any]]:
    with lines.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())


def _write(out: Path, queries: Iterator[dict[str, Any]]) -> int:
    lines = [json.dumps(query, ensure_ascii=False) + "\n" for query in queries]
    out.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "to-parquet":
        print(to_parquet(Path(rest[0]), Path(rest[1])))
    elif what == "from-parquet":
        print(from_parquet(Path(rest[0]), Path(rest[1])))
    elif what == "to-shards":
        print(to_shards(Path(rest[0]), rest[1], rest[2]))
    elif what == "from-shards":
        print(from_shards(rest[0], Path(rest[1]), rest[2]))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
