"""Losses as pure functions of embeddings. None of them holds state."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(
    queries: Tensor,
    candidates: Tensor,
    positives: Tensor,
    *,
    scale: Tensor | float,
    allowed: Tensor | None = None,
    smoothing: float = 0.0,
    hardness: float = 0.0,
    positive_weight: float = 1.0,
) -> Tensor:
    """Contrastive loss of queries against candidates, with any number of right answers each.

    ``queries (B, D)`` and ``candidates (N, D)`` are unit-length; ``positives (B, N)`` is True at
    the right answers, at least one a row; ``allowed (B, N)``, if given, is False at candidates
    that do not count for a query (its own reference, say). Returns the mean over queries of the
    mean negative log-probability of its positives (van den Oord et al. 2018 for one positive;
    Khosla et al. 2020, equation 2, for several). All-zero embeddings cost log(N).

    ``smoothing``: this much of the wanted probability is spread evenly over all candidates that
    count (Szegedy et al. 2016, section 7).

    ``hardness`` and ``positive_weight`` are beta and alpha of HN-NCE (Radenovic et al., CVPR 2023,
    arXiv 2301.02280; the weights are those of Robinson et al., ICLR 2021): in the denominator each
    of a query's n wrong candidates with logit s weighs ``n exp(beta s) / sum exp(beta s)``, and
    the positives weigh alpha. Gradients pass through the weights. At 0 and 1 this is the plain
    loss; at alpha 0 it can be negative, and every query needs a wrong candidate.
    """
    counts = torch.ones_like(positives) if allowed is None else allowed
    wanted = positives & counts
    logits = scale * queries @ candidates.T
    right = _mean(logits, wanted)
    if smoothing:
        right = (1 - smoothing) * right + smoothing * _mean(logits, counts)
    if hardness or positive_weight != 1:
        logits = logits + _log_weights(logits, wanted, counts, hardness, positive_weight)
    elif allowed is not None:  # at large batches each pass over (B, N) is felt
        logits = logits.masked_fill(~counts, -math.inf)
    return (logits.logsumexp(1) - right).mean()


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """``(B,)``: of each row, over what is chosen."""
    return (values * chosen).sum(1) / chosen.sum(1)


def _log_weights(
    logits: Tensor, wanted: Tensor, counts: Tensor, hardness: float, positive_weight: float
) -> Tensor:
    """``(B, N)``: the logarithm of what each candidate weighs in the denominator."""
    wrong = counts & ~wanted
    there = wrong.any(1, keepdim=True)
    # A row without wrong candidates is left unmasked: softmax over -inf alone would be NaN.
    hard = (hardness * logits).masked_fill(~wrong & there, -math.inf)
    share = functional.log_softmax(hard, dim=1).masked_fill(~wrong, 0.0)
    weights = share + wrong.sum(1, keepdim=True).clamp_min(1).to(logits.dtype).log()
    positive = math.log(positive_weight) if positive_weight else -math.inf
    return weights.masked_fill(wanted, positive).masked_fill(~counts, -math.inf)


def symmetric_info_nce(
    queries: Tensor,
    candidates: Tensor,
    positives: Tensor,
    *,
    allowed: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """``info_nce`` from queries to candidates and back, in equal parts (Radford et al. 2021).

    On the way back each candidate looks for the queries it answers; candidates that answer none
    (pictures that are references only) do not ask. ``options`` are those of ``info_nce``.
    """
    there = info_nce(queries, candidates, positives, allowed=allowed, **options)
    wanted = positives if allowed is None else positives & allowed
    asking = wanted.any(0)
    back = info_nce(
        candidates[asking],
        queries,
        wanted.T[asking],
        allowed=None if allowed is None else allowed.T[asking],
        **options,
    )
    return (there + back) / 2
