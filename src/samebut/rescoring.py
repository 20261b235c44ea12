"""The gallery as compositions read it, and rescoring of pictures by two similarities.

A vector search can't rank by a product of two similarities. But the sum of the two similarities
bounds it (``samebut.composition.pairs.Pair.bound``): once the worst picture of the answer scores
more than any picture not fetched yet can, the answer equals that of scoring every picture that the
index compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from samebut import catalog
from samebut.composition.made import Sample
from samebut.composition.pairs import Pair
from samebut.embedding import Floats
from samebut.errors import PictureError
from samebut.index import Index, RankedPictures
from samebut.loader import digest_of, file_digest
from samebut.stacks import Finding
from samebut.turns import EncodedPicture, Source, Turn

RESCORE = 200
"""How many of the nearest pictures are scored again at first."""
MORE = 4  # fetch so many times as many, while pictures not fetched could still rank higher
MOST = 64  # at most so many times RESCORE: beyond, the answer may lack a picture


class IndexAround:
    """The gallery of a search, without the query's own pictures (``left_out``, by digest).
    ``sample`` returns some of its pictures. With ``exact`` all pictures are compared."""

    def __init__(
        self,
        index: Index,
        left_out: Iterable[str],
        sample: Callable[[], Sample],
        *,
        exact: bool = False,
    ) -> None:
        self._index = index
        self._exact = exact
        self._left_out = left_out
        self.sample = sample

    def nearest(self, queries: Floats, count: int) -> Floats:
        """Embeddings ``(B, K, D)`` of the ``count`` nearest to each of ``queries (B, D)``."""
        references = copies_of(self._index, self._left_out)
        near = (
            self._index.ranking(query, count, exclude=references, exact=self._exact)
            for query in queries
        )
        return np.stack([ranking.embeddings for ranking in near])


def sample_of(index: Index) -> Sample:
    """At most 2,000 pictures, evenly spread over the gallery."""
    return Sample(index.sampled(np.eye(index.dim, dtype=np.float32)).T)


def rescored(find: Finding, pair: Pair, rescore: int) -> Finding:
    """The pictures that ``pair`` scores highest, of those that ``find`` gives for its candidates.

    ``rescore`` are scored at first, then more until no remaining picture can rank higher, up to 64
    times as many. If the pair has no bound, four times as many are scored.
    """

    def best(count: int) -> RankedPictures:
        fetch = max(rescore, count)
        most = fetch * (MORE if pair.own is not None else MOST)
        while True:
            near = find(fetch)
            if not len(near.ids):
                return near
            scores = pair.scores(near.embeddings)[0].astype(np.float32)
            order = np.lexsort((near.ids, -scores))[:count]
            bound = float(pair.bound(near.scores[-1:].astype(np.float64))[0])
            is_all = len(near.ids) < fetch
            if is_all or scores[order[-1]] >= bound or fetch >= most:
                return RankedPictures(
                    near.ids[order], scores[order], near.embeddings[order], near.recall
                )
            fetch *= MORE

    return best


def copies_of(index: Index, digests: Iterable[str]) -> list[int]:
    """Ids of the pictures with these contents."""
    return [number for digest in digests for number in index.copies(digest)]


def captioned(index: Index, turns: Sequence[Turn]) -> list[Turn]:
    """``turns``, their pictures described by the titles that the gallery's table gives them,
    where nothing else was said of them."""
    return [
        turn
        if turn.source is None or turn.caption
        else replace(turn, caption=_title(index, digest_of_picture(turn.source)))
        for turn in turns
    ]


def digest_of_picture(source: Source) -> str:
    """The digest of a picture's file. Raises PictureError for a file that can't be read."""
    if isinstance(source, EncodedPicture):
        return source.digest
    if isinstance(source, bytes):
        return digest_of(source)
    try:
        return file_digest(source)
    except OSError as error:
        raise PictureError(
            str(source),
            f"can't be read: {error.strerror or error}",
            hint="check that it exists and that you may read it",
        ) from error


def _title(index: Index, digest: str) -> str:
    for entry in index.pictures(index.copies(digest)):
        if title := catalog.title(entry.metadata):
            return title
    return ""
