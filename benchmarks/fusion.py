"""What a fusion costs: parameters, time of a batch, memory of the features it needs.

    python benchmarks/fusion.py [--batch 256] [--rounds 15] [--threads 2]

Features are random and lie in memory, shaped as CLIP ViT-B/32 gives them: D 512, 7 x 7 regions, and
32 word pieces of which 8 to 32 are real. All fusions take turns in one run, so that other work
on the machine falls on all of them; the median is given, and the quartiles. Memory is that of
10,000 pictures' features in fp16, pooled ones alone if the fusion reads no tokens.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch import Tensor

from samebut.learning.encoders.base import Features
from samebut.learning.fusion import FUSIONS, make_fusion
from samebut.learning.fusion.base import Fusion

DIM, REGIONS, WORDS = 512, 49, 32
PICTURES, FP16 = 10_000, 2


def drawn(batch: int, lengths: Tensor, longest: int) -> Features:
    mask = torch.arange(longest) < lengths[:, None]
    return Features(torch.randn(batch, DIM), torch.randn(batch, longest, DIM), mask)


def seconds(fusion: Fusion, image: Features, text: Features) -> float:
    started = time.perf_counter()
    fusion(image, text)
    return time.perf_counter() - started


def megabytes(fusion: Fusion) -> float:
    vectors = 1 + REGIONS * fusion.reads_tokens
    return PICTURES * vectors * DIM * FP16 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    image = drawn(arguments.batch, torch.full((arguments.batch,), REGIONS), REGIONS)
    text = drawn(arguments.batch, torch.randint(8, WORDS + 1, (arguments.batch,)), WORDS)
    fusions = {name: make_fusion(name, DIM).eval() for name in FUSIONS}
    with torch.inference_mode():
        for fusion in fusions.values():  # the first call of each pays for allocations
            fusion(image, text)
        rounds = [
            [seconds(fusion, image, text) for fusion in fusions.values()]
            for _ in range(arguments.rounds)
        ]
    low, median, high = 1000 * np.percentile(rounds, (25, 50, 75), axis=0)
    print(
        f"batch {arguments.batch}, {arguments.threads} threads, {arguments.rounds} rounds,", end=" "
    )
    print(f"torch {torch.__version__}; D {DIM}, {REGIONS} regions, {WORDS} words")
    print(f"{'fusion':<16}{'parameters':>12}{'ms':>9}{'quartiles':>20}{'MB / 10,000':>13}")
    for row, (name, fusion) in enumerate(fusions.items()):
        parameters = sum(p.numel() for p in fusion.parameters())
        spread = f"{low[row]:.2f} - {high[row]:.2f}"
        print(
            f"{name:<16}{parameters:>12,}{median[row]:>9.2f}{spread:>20}{megabytes(fusion):>13.1f}"
        )


if __name__ == "__main__":
    main()
