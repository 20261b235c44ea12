"""Output of a running training: a live line, ``log.csv``, TensorBoard if installed; and a plot.

``log.csv`` has one row a step. A resumed stage continues it from its checkpoint: rows of steps that
will be repeated are removed first, so each step has one row.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from samebut.learning.disk import replacing, write_whole
from samebut.learning.distributed import say

if sys.platform != "win32":
    import resource  # noqa: TID251

COLUMNS = ("step", "epoch", "loss", "lr", "queries_per_second")
EVERY = 30.0  # seconds between two lines where stderr is no terminal
DPI = 120
NOT_SCORES = {"epoch", "step", "loss"}  # in an epoch's row beside the scores on val


class Journal:
    """The journal of one stage; ``done`` steps of ``steps`` were done before this start."""

    def __init__(self, folder: Path, steps: int, done: int, *, quiet: bool = False) -> None:
        self.folder, self.steps, self.quiet = folder, steps, quiet
        self.started = self.said = time.monotonic()
        self.done = self.begun_at = done
        self.scored = ""
        if quiet:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._cut(folder / "log.csv", done)
        self.file = (folder / "log.csv").open("a", encoding="utf-8", newline="", buffering=1)
        self.rows = csv.writer(self.file)
        self.board = _board(folder / "tensorboard", done)
        self.live = _live(folder.name, steps, done)

    def step(self, epoch: int, loss: float, lr: float, queries: int) -> None:
        """Record a step of so many queries."""
        if self.quiet:
            return
        self.done += 1
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = (self.done - self.begun_at) * queries / seconds
        self.rows.writerow([self.done, epoch + 1, f"{loss:.6g}", f"{lr:.6g}", f"{rate:.1f}"])
        if self.board:
            self.board.add_scalar("loss", loss, self.done)
            self.board.add_scalar("lr", lr, self.done)
        said = f"loss {loss:.4g}  {self.scored}{rate:,.0f} queries/s  {memory()}"
        if self.live:
            self.live.update(self.live.task_ids[0], completed=self.done, said=said)
        elif time.monotonic() - self.said >= EVERY:
            self.said = time.monotonic()
            left = seconds / (self.done - self.begun_at) * (self.steps - self.done)
            where = f"step {self.done:,} of {self.steps:,}"
            say(f"{self.folder.name}  {where}  {said}  {left:,.0f} s left")

    def scores(self, scores: dict[str, float], metric: str) -> None:
        """Record an epoch's scores; ``metric`` is the score to show from now on."""
        if self.quiet:
            return
        self.scored = f"{metric} {scores[metric]:.4g}  "
        line = "  ".join(f"{name} {value:.4g}" for name, value in scores.items())
        self.say(f"{self.folder.name}  {line}")
        if self.board:
            for name in scores.keys() - NOT_SCORES:
                value = scores[name]
                self.board.add_scalar(f"val/{name}", value, self.done)

    def say(self, line: str) -> None:
        """Print a line that stays, above the live one."""
        if self.quiet:
            return
        if self.live:
            self.live.console.print(line, highlight=False, markup=False)
        else:
            say(line)

    def close(self) -> None:
        if self.quiet:
            return
        self.file.close()
        if self.live:
            self.live.stop()
        if self.board:
            self.board.close()

    def _cut(self, path: Path, done: int) -> None:
        """Keep the header and the rows of the first ``done`` steps."""
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines[1:] if _step_of(line) and _step_of(line) <= done]
        write_whole(path, "\n".join([",".join(COLUMNS), *kept]) + "\n")


def _step_of(line: str) -> int:
    """The step of a row; 0 if a kill cut it short."""
    parts = line.split(",")
    return int(parts[0]) if len(parts) == len(COLUMNS) and parts[0].isdecimal() else 0


def _live(name: str, steps: int, done: int) -> Progress | None:
    """The live line, redrawn at each step; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        return None
    live = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("{task.fields[said]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    live.add_task(name, total=steps, completed=done, said="")
    live.start()
    return live


def _board(folder: Path, done: int) -> Any:
    """A writer for TensorBoard, None without the package ``tensorboard``."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=done + 1)


def memory() -> str:
    """The most memory used so far: of the GPU if there is one, else of the process."""
    if torch.cuda.is_available():
        return f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB"
    if sys.platform == "win32":
        return ""
    else:  # noqa: RET505 (mypy follows platforms by branches)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return f"{used * (1 if sys.platform == 'darwin' else 1024) / 1e9:.1f} GB"


def plot(out: Path) -> Path:
    """Draw loss and validation scores of every stage over steps: ``out/plot.png``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(2, 1, sharex=True)
    start = 0
    for folder in sorted(out.glob("stage*"), key=lambda path: int(path.name[5:])):
        with (folder / "log.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        steps = [start + int(row["step"]) for row in rows]
        losses.plot(steps, [float(row["loss"]) for row in rows], label=folder.name, linewidth=1)
        _plot_scores(scores, json.loads((folder / "progress.json").read_text()), start)
        start = max([start, *steps])
    losses.set_ylabel("loss")
    losses.legend(frameon=False)
    scores.set_ylabel("validation, %")
    scores.set_xlabel("steps")
    path = out / "plot.png"
    with replacing(path) as part:
        figure.savefig(part, dpi=DPI, format="png")
    return path


def _plot_scores(axes: Any, progress: dict[str, Any], start: int) -> None:
    history = progress["history"]
    shown = [name for name in ("R@1", "R@10", "R@50") if history and name in history[0]]
    for number, name in enumerate(shown):
        axes.plot(
            [start + epoch["step"] for epoch in history],
            [epoch[name] for epoch in history],
            color=f"C{number}",
            marker=".",
            label="" if start else name,
        )
    if not start and shown:
        axes.legend(frameon=False)
