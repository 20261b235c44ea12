"""Rank, then score: benchmarks measured by exact search, with the protocol beside every number.

``ranking`` ranks, ``scoring`` makes numbers of a ranking, ``significance`` says how far to trust
them, ``embeddings`` runs a model over a benchmark, ``run`` keeps all of it in a folder, and
``comparison``, ``published``, ``report`` and ``error_page`` are ways to look at that folder, and
``trec`` writes it for other tools.
"""

from samebut.evaluate.ranking import Ranked, rank
from samebut.evaluate.scoring import outcomes, score_embeddings, summary

__all__ = ["Ranked", "outcomes", "rank", "score_embeddings", "summary"]
