"""A LlamaIndex retriever over an indexed folder: words, a picture, or both.

    pip install llama-index-core
    samebut index PHOTOS
    python examples/llama_index_retriever.py PHOTOS "in blue" --picture shirt.jpg

A bundle's ``image_path`` is the reference picture, its ``query_str`` says what shall be different.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import ImageNode, NodeWithScore, QueryBundle

from samebut import Gallery, Hit, Turn


class SamebutRetriever(BaseRetriever):
    """The ``k`` pictures of ``gallery`` that fit best, of those that pass the filter ``where``."""

    def __init__(self, gallery: Gallery, k: int = 4, where: str | None = None) -> None:
        super().__init__()
        self._gallery, self._k, self._where = gallery, k, where

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        turn = Turn(query_bundle.image_path, query_bundle.query_str)
        found = self._gallery.search(turn, self._k, where=self._where)
        return [NodeWithScore(node=self._node(hit), score=hit.score) for hit in found.hits]

    def _node(self, hit: Hit) -> ImageNode:
        said = ", ".join(f"{column}: {value}" for column, value in hit.metadata.items() if value)
        return ImageNode(
            text=said or hit.path,
            image_path=str(self._gallery.file_of(hit.path)),
            metadata=dict(hit.metadata),
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("text")
    parser.add_argument("--picture")
    asked = parser.parse_args()
    with Gallery.open(asked.photos) as gallery:
        retriever = SamebutRetriever(gallery)
        for found in retriever.retrieve(QueryBundle(asked.text, image_path=asked.picture)):
            assert isinstance(found.node, ImageNode)
            print(f"{found.score:.3f}  {found.node.image_path}")


if __name__ == "__main__":
    main()
