"""A LangChain retriever over an indexed folder: words alone, or words about a picture.

    pip install langchain-core
    samebut index PHOTOS
    python examples/langchain_retriever.py PHOTOS "in blue" --picture shirt.jpg

A document's text is what the table says of the picture, or its path; its metadata has the file,
the score and the table's columns.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from samebut import Gallery, Hit, Turn


class SamebutRetriever(BaseRetriever):
    """Finds pictures of ``gallery``. With ``picture`` the query says what shall be different."""

    gallery: Any
    k: int = 4
    picture: str | None = None
    where: str | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        found = self.gallery.search(Turn(self.picture, query), self.k, where=self.where)
        return [self._document(hit) for hit in found.hits]

    def _document(self, hit: Hit) -> Document:
        said = ", ".join(f"{column}: {value}" for column, value in hit.metadata.items() if value)
        return Document(
            page_content=said or hit.path,
            metadata={
                **hit.metadata,
                "file": str(self.gallery.file_of(hit.path)),
                "score": hit.score,
            },
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("text")
    parser.add_argument("--picture")
    asked = parser.parse_args()
    with Gallery.open(asked.photos) as gallery:
        retriever = SamebutRetriever(gallery=gallery, picture=asked.picture)
        for document in retriever.invoke(asked.text):
            print(f"{document.metadata['score']:.3f}  {document.metadata['file']}")


if __name__ == "__main__":
    main()
