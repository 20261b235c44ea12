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

# One process encodes while the others wait, which can take longer than torch's default timeout.
PATIENCE = timedelta(days=1)


def start() -> torch.device:
    """Join the process group if ``torchrun`` started one; returns this process's device."""
    gpu = torch.cuda.is_available()
    place = int(os.environ.get("LOCAL_RANK", "0"))
    if gpu:
        torch.cuda.set_device(place)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if gpu else "gloo", timeout=PATIENCE)
    return torch.device("cuda", place) if gpu else torch.device("cpu")


def use_threads(number: int | None) -> None:
    """Set the number of CPU threads; None: torch's default."""
    if number:
        torch.set_num_threads(number)


def stop() -> None:
    """Leave the process group, if there is one."""
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
    """The first process runs the block before the others do: it writes files, they read them."""
    if several() and rank() > 0:
        distributed.barrier()
    yield
    if several() and rank() == 0:
        distributed.barrier()


def parallel(module: nn.Module) -> nn.Module:
    """``module`` wrapped for training; its weights become those of the first process.

    In the backward pass gradients are averaged over all processes, some while others are still
    being computed (DistributedDataParallel; Li et al., VLDB 2020, section 3.2). A weight that no
    process used gets none. A single process gets ``module`` itself.
    """
    if not several():
        return module
    return DistributedDataParallel(
        module,
        # A group of its own, because the backward pass of `gather` communicates at the same time.
        # Where a process did not use a weight, the two kinds of calls come in another order than
        # on the other processes, and in one group they would be matched wrongly.
        process_group=distributed.new_group(timeout=PATIENCE),
        find_unused_parameters=True,  # a stage may train one tower only
        gradient_as_bucket_view=True,
    )


def gradients_kept_apart(module: nn.Module) -> AbstractContextManager[None]:
    """Within this context, a module made by ``parallel`` adds up gradients on each process alone;
    its next call outside averages the sums."""
    if isinstance(module, DistributedDataParallel):
        kept: AbstractContextManager[None] = module.no_sync()
        return kept
    return nullcontext()


def same_everywhere(module: nn.Module) -> None:
    """Copy the first process's weights and running statistics to all processes."""
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
    """The device of a module's weights; the CPU, if it has none."""
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
        # The losses of all processes depend on our rows, so our gradient is the sum of theirs.
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total.narrow(0, distributed.get_rank() * context.rows, context.rows)


def gather(rows: Tensor) -> Tensor:
    """The rows of all processes in the order of their ranks, ``(N, ...) -> (W N, ...)``.

    Each process has to give the same number of rows. A row's gradient goes back to the process that
    gave it, summed over the losses of all processes. Data-parallel training then averages over
    processes, which gives the same gradient as one process with the whole batch. A single process
    gets its rows back.
    """
    return _Gather.apply(rows) if several() else rows


def say(line: str) -> None:
    """Print a line of progress on the first process; on stderr, because stdout is for results."""
    if rank() == 0:
        print(line, file=sys.stderr, flush=True)
