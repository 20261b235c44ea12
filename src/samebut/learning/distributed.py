"""Distributed training: one loop, in one process or in several that ``torchrun`` started.

    torchrun --nproc-per-node 2 -m samebut train RECIPE --data FOLDER --out RUN

Every process draws the same batches and encodes its own rows of each. No caller has to ask
whether there are several processes: in a single one, each function does nothing or returns its
argument.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

# One process encodes while the others wait, for longer than the half hour that is the default.
PATIENCE = timedelta(days=1)


def start() -> torch.device:
    """Join the other processes, if ``torchrun`` started some; returns what to compute on."""
    gpu = torch.cuda.is_available()
    place = int(os.environ.get("LOCAL_RANK", "0"))
    if gpu:
        torch.cuda.set_device(place)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if gpu else "gloo", timeout=PATIENCE)
    return torch.device("cuda", place) if gpu else torch.device("cpu")


def use_threads(number: int | None) -> None:
    """How many threads of the processor to use; None: as many as torch takes by itself."""
    if number:
        torch.set_num_threads(number)


def stop() -> None:
    """Leave the other processes, if there are any."""
    if several():
        distributed.destroy_process_group()


def several() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """Which process this is, from 0."""
    return int(distributed.get_rank()) if several() else 0


def count() -> int:
    return int(distributed.get_world_size()) if several() else 1


def own_rows(total: int) -> slice:
    """The rows of a batch of ``total`` that this process takes; all take the same number."""
    share = total // count()
    return slice(rank() * share, (rank() + 1) * share)


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process goes through the block before the others do: it writes, they read."""
    if several() and rank() > 0:
        distributed.barrier()
    yield
    if several() and rank() == 0:
        distributed.barrier()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Every gradient becomes the mean over all processes; all have them of the same weights."""
    if not several():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= count()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def same_everywhere(module: nn.Module) -> None:
    """Weights and running statistics become those of the first process."""
    if several():
        for value in module.state_dict().values():
            distributed.broadcast(value, 0)


def of_the_first(value: float, device: torch.device) -> float:
    """The value that the first process has."""
    if not several():
        return value
    shared = torch.tensor([value], dtype=torch.float64, device=device)
    distributed.broadcast(shared, 0)
    return float(shared)


def device_of(module: nn.Module) -> torch.device:
    """Where a module's weights lie; the processor, if it has none."""
    first: Tensor | None = next(module.parameters(), None)
    return torch.device("cpu") if first is None else first.device


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, rows.contiguous())
        context.rows = len(rows)
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        # Every process's loss looks at our rows: their gradients meet here.
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total.narrow(0, distributed.get_rank() * context.rows, context.rows)


def gather(rows: Tensor) -> Tensor:
    """The rows of all processes in the order of their ranks, ``(N, ...) -> (W N, ...)``.

    Each process brings the same number. Gradients flow back to the process that brought a row,
    summed over all processes' losses: where data-parallel training then averages gradients, the
    result is the gradient of one process with the whole batch. A single process gets its rows back.
    """
    return _Gather.apply(rows) if several() else rows


def say(line: str) -> None:
    """A line of progress, by the first process; on stderr, because stdout is for results."""
    if rank() == 0:
        print(line, file=sys.stderr, flush=True)
