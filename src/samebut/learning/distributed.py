"""Distributed training: one loop, in one process or in several that ``torchrun`` started.

    torchrun --nproc-per-node 2 -m samebut train RECIPE --data FOLDER --out RUN

Every process draws the same batches and encodes its own rows of each. No caller has to ask
whether there are several processes: in a single one, each function does nothing or returns its
argument.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

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


def parallel(module: nn.Module) -> nn.Module:
    """``module`` as training calls it; its weights become those of the first process.

    Going back, gradients are averaged over all processes, in parts, while others are still being
    computed (DistributedDataParallel; Li et al., VLDB 2020, section 3.2). A weight that no process
    used gets none.
    """
    if not several():
        return module
    return DistributedDataParallel(
        module,
        # A group of its own: going back through `gather` talks to the others meanwhile, and where
        # a process has nothing to say of a weight, its order of the two is not theirs.
        process_group=distributed.new_group(timeout=PATIENCE),
        find_unused_parameters=True,  # the tower at rest, where a stage trains the other
        gradient_as_bucket_view=True,
    )


def gradients_kept_apart(module: nn.Module) -> AbstractContextManager[None]:
    """Within, what ``parallel`` made only adds up gradients; the next call outside averages all."""
    if isinstance(module, DistributedDataParallel):
        kept: AbstractContextManager[None] = module.no_sync()
        return kept
    return nullcontext()


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
