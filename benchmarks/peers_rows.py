"""Who is measured by `peers.py`: programs that find pictures, and engines that find vectors.

Everything here runs in a peer's own environment, so what it needs is imported where it is used.
A new peer is a row of `PEERS` or `ENGINES`; one that can't be tried is a line of `UNTRIED`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
K = 10
CLIP_MEAN, CLIP_SPREAD = (0.4814, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)
TORCH = "torch==2.13.0"  # as constraints.txt says: a newer one may bring gigabytes for GPUs
Search = Callable[[Any], list[int]]


@dataclass(frozen=True)
class Peer:
    """A program over pictures.

    ``load(work)`` gives its model; ``index(model, pictures, place)`` reads a folder of pictures,
    and may write to ``place``; ``search(model, index, picture)`` gives names of the `K` most alike.
    ``trained``: the weights are real, so that the answers mean something.
    """

    install: tuple[str, ...]
    does: str
    load: Callable[[Path], Any]
    index: Callable[[Any, Path, Path], Any]
    search: Callable[[Any, Any, Path], list[str]]
    trained: bool = True


@dataclass(frozen=True)
class Engine:
    """An engine over vectors: ``build(rows, place)`` stores unit rows ``(N, D)``, ``open(place)``,
    in another process, gives what answers a query ``(D,)`` with the numbers of the `K` nearest."""

    install: tuple[str, ...]
    does: str
    build: Callable[[Any, Path], None]
    open: Callable[[Path], Search]


class Cosines:
    """Embeddings of a folder's pictures in memory, as somebody would keep them by hand."""

    def __init__(self, embed: Callable[[list[Path]], Any], folder: Path) -> None:
        import numpy as np

        files = sorted(folder.iterdir())
        rows = np.asarray(embed(files), np.float32)
        self.names = [file.name for file in files]
        self.rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def nearest(self, query: Any) -> list[str]:
        import numpy as np

        scores = self.rows @ np.asarray(query, np.float32).ravel()
        best = np.argpartition(-scores, K)[:K]
        return [self.names[i] for i in best[np.argsort(-scores[best])]]


# samebut


def samebut_index(model: Any, folder: Path, place: Path) -> Any:
    from samebut import Gallery

    return Gallery.build(folder, store=place / "store.sqlite")[0]


def samebut_search(model: Any, gallery: Any, picture: Path, text: str = "") -> list[str]:
    from samebut import Turn

    found = gallery.search(Turn(picture, text), K, include_references=True)
    return [hit.path for hit in found.hits]


# CLIP by transformers


def torch_clip_load(work: Path) -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(CLIPVisionConfig()).eval()  # of ViT-B/32's shape


def clip_pixels(file: Path) -> Any:
    """The picture as CLIP sees it, ``(3, 224, 224)``: its shorter side 224, the middle of it."""
    import numpy as np
    from PIL import Image, ImageOps

    picture = ImageOps.fit(Image.open(file).convert("RGB"), (224, 224), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, np.float32) / 255
    return ((pixels - CLIP_MEAN) / CLIP_SPREAD).transpose(2, 0, 1)


def torch_clip_embed(model: Any, files: list[Path]) -> Any:
    import numpy as np
    import torch

    parts = []
    with torch.inference_mode():
        for start in range(0, len(files), 32):
            pixels = np.stack([clip_pixels(file) for file in files[start : start + 32]])
            parts.append(model(torch.tensor(pixels, dtype=torch.float32)).image_embeds)
    return torch.cat(parts).numpy()


# fastembed


def fastembed_load(work: Path, published: bool) -> Any:
    from fastembed import ImageEmbedding

    given = {} if published else {"specific_model_path": str(work / "clip")}
    return ImageEmbedding("Qdrant/clip-ViT-B-32-vision", **given)


def fastembed_embed(model: Any, files: list[Path]) -> Any:
    return list(model.embed([str(file) for file in files]))


# imagehash


class Hashes:
    """Perceptual hashes of 64 bits: near-copies differ by a few of them."""

    def __init__(self, folder: Path) -> None:
        import numpy as np

        files = sorted(folder.iterdir())
        self.names = [file.name for file in files]
        self.bits = np.stack([self.of(file) for file in files])

    @staticmethod
    def of(file: Path) -> Any:
        import imagehash
        from PIL import Image

        return imagehash.phash(Image.open(file)).hash.ravel()

    def nearest(self, picture: Path) -> list[str]:
        distances = (self.bits != self.of(picture)).sum(1)
        return [self.names[i] for i in distances.argsort(kind="stable")[:K]]


# Engines


def numpy_build(rows: Any, place: Path) -> None:
    import numpy as np

    np.save(place / "rows.npy", rows)


def numpy_open(place: Path) -> Search:
    import numpy as np

    rows = np.load(place / "rows.npy")

    def search(query: Any) -> list[int]:
        scores = rows @ query
        best = np.argpartition(-scores, K)[:K]
        found: list[int] = best[np.argsort(-scores[best])].tolist()
        return found

    return search


def samebut_build(rows: Any, place: Path) -> None:
    from samebut.index import PictureRow
    from samebut.index.local import StoreFile

    index = StoreFile(place / "store.sqlite").create(dim=rows.shape[1], fingerprint="f", model="m")
    for start in range(0, len(rows), 256):
        part = enumerate(rows[start : start + 256], start)
        index.put([PictureRow(f"{i:08d}.jpg", 9, i, f"{i:032x}", 640, 480, row) for i, row in part])
    index.publish()
    index.close()


def samebut_open(place: Path) -> Search:
    from samebut.index.local import StoreFile

    index = StoreFile(place / "store.sqlite").open()
    return lambda query: [int(i) - 1 for i in index.search(query[None], K).ids[0]]


def lancedb_build(rows: Any, place: Path, indexed: bool) -> None:
    import lancedb
    import pyarrow as pa

    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    made = pa.table({"id": pa.array(range(len(rows))), "vector": vectors})
    table = lancedb.connect(place).create_table("pictures", made)
    if indexed:
        table.create_index(metric="cosine", vector_column_name="vector")


def lancedb_open(place: Path) -> Search:
    import lancedb

    table = lancedb.connect(place).open_table("pictures")

    def search(query: Any) -> list[int]:
        found = table.search(query).distance_type("cosine").limit(K)
        numbers: list[int] = found.to_arrow()["id"].to_pylist()
        return numbers

    return search


def faiss_build(rows: Any, place: Path) -> None:
    import faiss

    index = faiss.IndexHNSWFlat(rows.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.add(rows)
    faiss.write_index(index, str(place / "index"))


def faiss_open(place: Path) -> Search:
    import faiss

    index = faiss.read_index(str(place / "index"))
    assert isinstance(index, faiss.IndexHNSWFlat)
    index.hnsw.efSearch = 64
    return lambda query: index.search(query[None], K)[1][0].tolist()


def usearch_build(rows: Any, place: Path) -> None:
    import numpy as np
    from usearch.index import Index

    index = Index(ndim=rows.shape[1], metric="cos", dtype="f16")
    index.add(np.arange(len(rows)), rows)
    index.save(str(place / "index"))


def usearch_open(place: Path) -> Search:
    from usearch.index import Index

    index = Index.restore(str(place / "index"))
    return lambda query: index.search(query, K).keys.tolist()


def by_hand(embed: Callable[[Any, list[Path]], Any]) -> dict[str, Any]:
    """Index and search of what only embeds: the rest is `Cosines`, written by whoever uses it."""
    return {
        "index": lambda model, folder, place: Cosines(partial(embed, model), folder),
        "search": lambda model, index, picture: index.nearest(embed(model, [picture])[0]),
    }


PEERS = {
    "samebut": Peer((".",), "picture and words", lambda work: None, samebut_index, samebut_search),
    "samebut, picture and words": Peer(
        (".",),
        "the same, asked for each picture “in blue”",
        lambda work: None,
        samebut_index,
        partial(samebut_search, text="in blue"),
    ),
    "torch CLIP ViT-B/32, random": Peer(
        (TORCH, "transformers", "pillow"),
        "embeddings only",
        torch_clip_load,
        **by_hand(torch_clip_embed),
        trained=False,
    ),
    "fastembed CLIP ViT-B/32": Peer(
        ("fastembed",),
        "embeddings only",
        partial(fastembed_load, published=True),
        **by_hand(fastembed_embed),
    ),
    "fastembed CLIP ViT-B/32, random": Peer(
        ("fastembed",),
        "embeddings only",
        partial(fastembed_load, published=False),
        **by_hand(fastembed_embed),
        trained=False,
    ),
    "imagehash, pHash": Peer(
        ("imagehash",),
        "near-copies",
        lambda work: None,
        lambda model, folder, place: Hashes(folder),
        lambda model, index, picture: index.nearest(picture),
    ),
}
ENGINES = {
    "numpy": Engine(("numpy",), "exact, in memory", numpy_build, numpy_open),
    "samebut's store": Engine((".",), "exact, half precision", samebut_build, samebut_open),
    "LanceDB": Engine(
        ("lancedb", "numpy"), "exact, on disk", partial(lancedb_build, indexed=False), lancedb_open
    ),
    "LanceDB, IVF-PQ": Engine(
        ("lancedb", "numpy"),
        "its index as it comes",
        partial(lancedb_build, indexed=True),
        lancedb_open,
    ),
    "FAISS, HNSW": Engine(("faiss-cpu",), "32 links, efSearch 64", faiss_build, faiss_open),
    "USearch, HNSW": Engine(("usearch",), "half precision", usearch_build, usearch_open),
}
VISION = (
    "needs torchvision; on Linux, PyPI's needs torch's build for GPUs, which is gigabytes, and "
    'with the build for processors it ends with "operator torchvision::nms does not exist"'
)
UNTRIED = {
    "imagededup": f"{VISION}; its CNN fetches weights when it first runs",
    "DeepImageSearch": f"{VISION}; its weights come from a model hub",
    "OpenCLIP": f"{VISION}; torch CLIP stands for its speed",
    "rclip": "fetches its weights from a model hub when it first runs, and can't be given others",
    "clip-retrieval": "fetches its weights from a model hub",
    "immich": "is a set of servers that is installed by containers, not from PyPI",
    "Marqo, Weaviate, Milvus": "are servers; their models come from a hub",
}
