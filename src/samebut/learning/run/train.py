"""Training: the stages of a recipe, one after another.

    samebut train products --data [NAME=]FOLDER ... --out RUN

The first data folder is also what every epoch is scored on. The same command resumes: a
checkpoint is written every few minutes and after each epoch, and all random numbers come from
(seed, stage, epoch) or (seed, stage, step), so a run that was killed and resumed gives the same
result as an uninterrupted one. A run folder::

    recipe.json      the recipe with every default, and the names of the data
    starts.json      of each start: versions, commit, processes, device
    stage1/          progress.json, log.csv, weights, and handed_on.json where weights are
                     interpolated; then stage2/ ...
    metrics.json     scores of every epoch
    plot.png         loss and scores over steps
    model/           the trained model
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import samebut
from samebut.errors import RecipeError
from samebut.learning import distributed
from samebut.learning.disk import write_whole
from samebut.learning.distributed import say
from samebut.learning.model.card import Card
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.recipe.schema import Recipe
from samebut.learning.run.initial_model import InitialModel, initial_model, weights_digest
from samebut.learning.run.journal import plot
from samebut.learning.run.plan import Plan, check_model, described, make_plan
from samebut.learning.run.stage import HANDED_ON, run_stage


def train(
    recipe: Recipe, data: Mapping[str, Path], out: Path, *, cache: Path | None = None
) -> Path:
    """Run every stage of ``recipe`` on folders ``data``; the trained model is ``out/model``.

    ``cache`` keeps decoded pictures and features, ``out/cache`` if None. Raises DataError and
    RecipeError for what can't be trained, before anything is written.
    """
    device = distributed.start()
    said = _said(recipe, data)
    _check_folder(out, said)
    if (out / "model" / "training.json").exists():
        say(f"{out} is trained already")
        return out / "model"
    plan, initial = _planned(recipe, data, cache or out / "cache")
    with distributed.first_alone():
        if distributed.rank() == 0:
            _begin(out, said, recipe, device)
    model = initial.model
    for number, each in enumerate(plan.stages, start=1):
        model = run_stage(model, each, plan, out / f"stage{number}", device)
    with distributed.first_alone():
        if distributed.rank() == 0:
            _end(model, plan, out)
    return out / "model"


def dry_run(
    recipe: Recipe, data: Mapping[str, Path], out: Path, *, cache: Path | None = None
) -> list[str]:
    """Everything that ``train`` checks, and the plan in lines; nothing is written."""
    _check_folder(out, _said(recipe, data))
    plan, initial = _planned(recipe, data, cache or out / "cache")
    return described(plan, initial)


def _planned(recipe: Recipe, data: Mapping[str, Path], cache: Path) -> tuple[Plan, InitialModel]:
    """The plan and the model that it starts from, both checked."""
    plan = make_plan(recipe, data, cache)
    initial = initial_model(recipe, plan.vocabulary)
    check_model(plan, initial.model)
    return plan, initial


def _said(recipe: Recipe, data: Mapping[str, Path]) -> str:
    """The content of ``recipe.json``: the recipe, the names of the data folders, and a digest of
    the weights that ``init`` names."""
    said: dict[str, Any] = {"recipe": recipe.model_dump(mode="json"), "data": list(data)}
    if recipe.init:
        said["init"] = weights_digest(recipe.init)
    return json.dumps(said, indent=2)


def _check_folder(out: Path, said: str) -> None:
    """Refuse a run folder that another recipe was trained in; one without any training is
    accepted."""
    path = out / "recipe.json"
    if not path.exists() or not _is_begun(out):
        return
    if path.read_text(encoding="utf-8") != said:
        raise RecipeError(
            f"{out} holds a run of another recipe or other data",
            hint="Give another --out, or remove that folder.",
        )


def _is_begun(out: Path) -> bool:
    return any(out.glob("stage*/progress.json")) or (out / "model" / "training.json").exists()


def _begin(out: Path, said: str, recipe: Recipe, device: torch.device) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "recipe.json", said)
    path = out / "starts.json"
    starts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    versions = {
        "samebut": samebut.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    starts.append(
        {
            "versions": versions,
            "commit": _commit(),
            "seed": recipe.seed,
            "processes": distributed.count(),
            "device": str(device),
            "threads": torch.get_num_threads(),
        }
    )
    write_whole(path, json.dumps(starts, indent=1))


def _end(model: CIRModel, plan: Plan, out: Path) -> None:
    told: dict[str, dict[str, Any]] = {}
    for number in range(1, len(plan.stages) + 1):
        folder = out / f"stage{number}"
        progress = _read(folder / "progress.json")
        told[folder.name] = {"best": progress["best"], "epochs": progress["history"]}
        if (folder / HANDED_ON).exists():
            told[folder.name]["handed on"] = _read(folder / HANDED_ON)
    write_whole(out / "metrics.json", json.dumps({"metric": plan.metric} | told, indent=1))
    plot(out)
    model.save(
        out / "model", name=plan.recipe.name, card=_card(plan, told[f"stage{len(plan.stages)}"])
    )


def _card(plan: Plan, last: Mapping[str, Any]) -> Card:
    """The model card's facts that the run knows. The licence is left to whoever publishes it."""
    recipe, epochs = plan.recipe, last["epochs"]
    learned = dict.fromkeys(
        name for stage in recipe.stages for name in stage.queries.data or plan.data
    )
    kept = last["best"][0] if recipe.stages[-1].handoff.keep == "best" else len(epochs)
    row = last.get("handed on") or epochs[kept - 1]
    scores = {key: value for key, value in row.items() if "@" in key}
    said = json.dumps(recipe.model_dump(mode="json"), indent=2, ensure_ascii=False)
    return Card(
        knows=recipe.knows,
        training_data=f"Train splits of {', '.join(learned)}; scored on {plan.validation.label}.",
        recipe=f"```json\n{said}\n```",
        metrics=scores,
    )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _commit() -> str:
    """The git commit of this package's source; empty if it is not in a repository."""
    command = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
