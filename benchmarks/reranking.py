"""Would a second look at the best answers, by the features that are there, improve their order?

    python benchmarks/reranking.py ../shared/data/products [--model bundled]
        [--queries 1000] [--candidates 50]

The best ``--candidates`` of each query's usual search are scored again by signals of the pooled
features, the picture's regions and the word pieces (`SIGNALS`): by each alone, by each added to the
first score, and by a linear score of all. Signals are taken relative to the query's other
candidates; a weight of 1 lets a signal vary as much as the first score does.

Queries are parted into two halves that share no reference. Weights are chosen on one half and
judged on the other, and the other way round, so every query is judged once by weights that never
saw its reference. R@1 and R@10 in percent, and differences to the first order with 95 % paired
bootstrap intervals.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from people_rows import products
from people_rows.asking import Pictures, Right, Row
from samebut import metrics
from samebut.data import triplets
from samebut.data.benchmark import Query
from samebut.embedding import Floats, unit
from samebut.language.courtesy import without_courtesy
from samebut.metrics import Ints, Values
from samebut.runtime import Model

SHARPNESS = 20.0  # of the softmax over regions
WEIGHTS = (0.0, *(s * w for s in (1, -1) for w in (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)))
RIDGE = 1e-4  # keeps signals that say the same from weights without end
NEWTON = 20  # steps of the linear score; it stands still after a few
SEED = 0


@dataclass(frozen=True)
class Said:
    """A text: its embedding (D,), and its word pieces (T, D) without begin and end, unit-length."""

    embedding: Floats
    pieces: Floats


@dataclass(frozen=True)
class Seen:
    """Pictures: embeddings (..., D) and regions (..., P, D), unit-length."""

    embedding: Floats
    regions: Floats

    def __getitem__(self, rows: int | Ints) -> Seen:
        return Seen(self.embedding[rows], self.regions[rows])


def by_pieces(said: Said, candidates: Seen) -> Floats:
    """Cosines of each word piece and each region, (K, T, P)."""
    return np.asarray(said.pieces @ candidates.regions.swapaxes(1, 2))


def best_region(said: Said, reference: Seen, candidates: Seen) -> Floats:
    """Late interaction: Khattab and Zaharia, ColBERT, SIGIR 2020, section 3.3; their mean."""
    return np.asarray(by_pieces(said, candidates).max(axis=2).mean(axis=1))


def softmax_over_regions(said: Said, reference: Seen, candidates: Seen) -> Floats:
    alike = by_pieces(said, candidates)
    weights = np.exp(SHARPNESS * (alike - alike.max(axis=2, keepdims=True)))
    return np.asarray(((weights * alike).sum(axis=2) / weights.sum(axis=2)).mean(axis=1))


def best_for_the_references(said: Said, reference: Seen, candidates: Seen) -> Floats:
    alike = reference.regions @ candidates.regions.swapaxes(1, 2)
    return np.asarray(alike.max(axis=2).mean(axis=1))


def regions_that_differ(said: Said, reference: Seen, candidates: Seen) -> Floats:
    """What candidates show where the reference shows something else, against the words."""
    changed = unit(candidates.regions - reference.regions)
    return np.asarray((changed @ said.embedding).max(axis=1))


SIGNALS: dict[str, Callable[[Said, Seen, Seen], Floats]] = {
    "the words' embedding": lambda said, own, seen: seen.embedding @ said.embedding,
    "the reference's embedding": lambda said, own, seen: seen.embedding @ own.embedding,
    "each word piece's best region": best_region,
    "word pieces, mean over regions": lambda said, own, seen: by_pieces(said, seen).mean((1, 2)),
    "word pieces' softmax over regions": softmax_over_regions,
    "each region of the reference's best region": best_for_the_references,
    "regions at the same place": lambda _, own, seen: (own.regions * seen.regions).sum(2).mean(1),
    "regions' difference at the same place, the words in it": regions_that_differ,
    "the embeddings' difference, the words in it": (
        lambda said, own, seen: unit(seen.embedding - own.embedding) @ said.embedding
    ),
    "the embeddings' product, the words in it": (
        lambda said, own, seen: unit(seen.embedding * own.embedding) @ said.embedding
    ),
}


@dataclass(frozen=True)
class Asked:
    """Queries with their candidates, best first: ``first`` scores (Q, K), ``signals`` (S, Q, K),
    which candidates are ``right`` (Q, K), and which queries are in one of both halves (Q,)."""

    first: Values
    signals: Values
    right: Right
    half: Right

    def hits(self, scores: Values) -> Values:
        """R@1 and R@10 of each query in the order of ``scores`` (Q, K), (2, Q)."""
        best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        hit = np.take_along_axis(self.right, best, axis=1)
        return np.stack([hit[:, 0], hit.any(axis=1)]).astype(np.float64)


def asked(pictures: Pictures, queries: Sequence[Query], count: int) -> Asked:
    """``count`` candidates for each query as a search finds them, and what signals say of them."""
    place = {name: number for number, name in enumerate(pictures.files)}
    references = [place[query.reference] for query in queries]
    texts = [query.texts[0] for query in queries]
    composed = pictures.composed(references, texts)
    count = min(count, len(pictures) - 1)
    found = metrics.rank(composed, pictures.embeddings, count, drop=np.array(references, np.int32))
    right = [
        np.isin(line, [place[target] for target in query.targets])
        for line, query in zip(found.ids, queries, strict=True)
    ]
    (first,) = relative(found.scores[None].astype(np.float64))
    signals = relative(signalled(pictures, references, texts, found.ids))
    return Asked(first, signals, np.stack(right), halves(references))


def signalled(
    pictures: Pictures, references: Sequence[int], texts: Sequence[str], ids: Ints
) -> Values:
    """What each signal says of each candidate, (S, Q, K)."""
    said = {text: read_text(pictures.model, text) for text in dict.fromkeys(texts)}
    seen = Seen(pictures.embeddings, unit(pictures.features.tokens))
    found = np.zeros((len(SIGNALS), *ids.shape))
    for number, (reference, text) in enumerate(zip(references, texts, strict=True)):
        own, candidates = seen[reference], seen[ids[number]]
        for row, signal in zip(found, SIGNALS.values(), strict=True):
            row[number] = signal(said[text], own, candidates)
    return found


def read_text(model: Model, text: str) -> Said:
    text = without_courtesy(text)
    features = model.encode_texts([text])
    spans = model.text_spans(text)
    real = [place for place, (start, end) in enumerate(spans) if end > start]
    pieces = features.tokens[0][real] if real else features.pooled
    return Said(unit(features.pooled)[0], unit(pieces))


def relative(scores: Values) -> Values:
    """Scores ``(S, Q, K)`` around each query's mean, with a variance of 1 over all queries."""
    centred = scores - scores.mean(axis=2, keepdims=True)
    spread = centred.std(axis=(1, 2), keepdims=True)
    return np.asarray(centred / np.where(spread > 0, spread, 1))


def halves(references: Sequence[int]) -> Right:
    """Which queries are in the first half of the references, (Q,)."""
    different = [*dict.fromkeys(references)]
    random.Random(SEED).shuffle(different)
    first = {*different[: len(different) // 2]}
    return np.array([reference in first for reference in references])


def chosen(of: Asked, signal: Values, on: Right) -> float:
    """The weight beside the first score with the best mean of R@1 and R@10 ``on`` these queries."""
    return max(WEIGHTS, key=lambda weight: of.hits(of.first + weight * signal)[:, on].mean())


def learned(of: Asked, on: Right) -> Values:
    """Weights ``(1 + S,)`` of the first score and all signals, by a softmax over each query's
    candidates: the cross-entropy to its right ones, all alike (Cao et al., ListNet, ICML 2007,
    section 5). It is convex; Newton's steps from the first order."""
    all_signals = np.concatenate([of.first[None], of.signals]).transpose(1, 2, 0)
    told = on & of.right.any(axis=1)
    x, wanted = all_signals[told], of.right[told] / of.right[told].sum(axis=1, keepdims=True)
    weights = np.zeros(x.shape[2])
    weights[0] = 1.0
    for _ in range(NEWTON):
        scores = x @ weights
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        means = np.einsum("qk,qks->qs", shares, x)
        slope = np.einsum("qk,qks->s", shares - wanted, x) / len(x) + RIDGE * weights
        bend = np.einsum("qk,qks,qkt->st", shares, x, x, optimize=True) - means.T @ means
        weights -= np.linalg.solve(bend / len(x) + RIDGE * np.eye(len(weights)), slope)
    return weights


def table(of: Asked) -> Iterator[str]:
    usual = of.hits(of.first)
    percent = [f"{100 * value:.1f}" for value in (*usual.mean(axis=1), of.right.any(axis=1).mean())]
    queries, candidates = of.first.shape
    yield f"{queries:,} queries, {candidates} candidates each, a right one for {percent[2]} %."
    yield f"In the first order R@1 {percent[0]}, R@10 {percent[1]}.\n"
    yield "| | weight | R@1 | R@10 |\n|---|---|---|---|"

    def line(name: str, weight: str, scores: Values) -> str:
        gains = [Row.over("", "", gain) for gain in of.hits(scores) - usual]
        cells = " | ".join(f"{g.value:+.1f} [{g.low:+.1f}, {g.high:+.1f}]" for g in gains)
        return f"| {name} | {weight} | {cells} |"

    for name, signal in zip(SIGNALS, of.signals, strict=True):
        yield line(name, "alone", signal)
        by_half = [chosen(of, signal, on) for on in (~of.half, of.half)]
        weights = np.where(of.half[:, None], *by_half)
        yield line(name, " and ".join(f"{w:g}" for w in by_half), of.first + weights * signal)
    scores = np.concatenate([of.first[None], of.signals])
    own, other = (np.tensordot(learned(of, on), scores, axes=1) for on in (of.half, ~of.half))
    yield line("a linear score of all", "learned", np.where(of.half[:, None], other, own))
    yield line("the same, on its own half", "learned", np.where(of.half[:, None], own, other))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--queries", type=int, default=0, help="0: all")
    parser.add_argument("--candidates", type=int, default=50)
    arguments = parser.parse_args()
    model = Model.load(arguments.model)
    benchmark = triplets.read(arguments.root, arguments.split)
    pictures = products.read(model, benchmark, arguments.root, tokens=True)
    print(f"`{model.name}` {model.fingerprint}")
    queries: Sequence[Query] = benchmark.queries
    if 0 < arguments.queries < len(queries):
        queries = random.Random(SEED).sample(queries, arguments.queries)
    for line in table(asked(pictures, queries, arguments.candidates)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
