"""Losses as pure functions of embeddings. None of them holds state."""

from __future__ import annotations

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
) -> Tensor:
    """Contrastive loss of queries against candidates, with any number of right answers each.

    ``queries (B, D)`` and ``candidates (N, D)`` are unit-length; ``positives (B, N)`` is True at
    the right answers, at least one a row; ``allowed (B, N)``, if given, is False at candidates
    that do not count for a query (its own reference, say). Returns the mean over queries of the
    mean negative log-probability of its positives (van den Oord et al. 2018 for one positive;
    Khosla et al. 2020, equation 2, for several). All-zero embeddings cost log(N).
    """
    logits = scale * queries @ candidates.T
    if allowed is not None:
        logits = logits.masked_fill(~allowed, float("-inf"))
    log_probability = functional.log_softmax(logits, dim=1)
    right = torch.where(positives, log_probability, 0.0).sum(1)
    return -(right / positives.sum(1)).mean()
