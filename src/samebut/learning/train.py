"""Training: one loop, whose stages differ in their task alone (``plan.TASKS``).

    samebut train recipes/bundled.toml --data [NAME=]FOLDER ... --out RUN

The first data folder is also what every epoch is scored on. The same command resumes: a
checkpoint is written every few minutes and after each epoch, and all chance is drawn from (seed,
stage, epoch) or (seed, stage, step), so a killed run ends as an undisturbed one. A run folder::

    recipe.json      the recipe with every default, and the names of the data
    starts.json      of each start: versions, commit, processes, device
    stage1/          progress.json, log.csv, weights; then stage2/ ...; further runs of a stage,
                     and handed_on.json where its weights are a mean, lie in it
    metrics.json     scores of every epoch
    plot.png         loss and scores over steps
    model/           the trained model
"""

from __future__ import annotations

import copy
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
from samebut.learning import processes
from samebut.learning.card import Card
from samebut.learning.journal import plot, runs_of
from samebut.learning.model import CIRModel
from samebut.learning.plan import Plan, described, make_plan, new_model, weights_digest
from samebut.learning.recipe import Recipe, Stage
from samebut.learning.runs import say, write_whole
from samebut.learning.stages import HANDED_ON, run_stage


def train(
    recipe: Recipe, data: Mapping[str, Path], out: Path, *, cache: Path | None = None
) -> Path:
    """Run every stage of ``recipe`` on folders ``data``; the trained model is ``out/model``.

    ``cache`` keeps decoded pictures and features, ``out/cache`` if None. Raises DataError and
    RecipeError for what can't be trained, before anything is written.
    """
    device = processes.start()
    said = _said(recipe, data)
    _check_folder(out, said)
    if (out / "model" / "training.json").exists():
        say(f"{out} is trained already")
        return out / "model"
    plan = make_plan(recipe, data, cache or out / "cache")
    model = new_model(recipe, plan.vocabulary)
    for each in plan.stages:
        each.task.check(model)
    with processes.first_alone():
        if processes.rank() == 0:
            _begin(out, said, recipe, device)
    mixed: dict[int, CIRModel] = {}  # by mix_with: what a later stage is mixed with
    for number, each in enumerate(plan.stages, start=1):
        if any(later.stage.mix_with == number - 1 for later in plan.stages):
            mixed[number - 1] = copy.deepcopy(model)  # the stage trains in place
        rest = mixed.get(each.stage.mix_with)
        model = run_stage(model, each, plan, out / f"stage{number}", device, rest)
    with processes.first_alone():
        if processes.rank() == 0:
            _end(model, plan, out)
    return out / "model"


def dry_run(
    recipe: Recipe, data: Mapping[str, Path], out: Path, *, cache: Path | None = None
) -> list[str]:
    """Everything that ``train`` checks, and the plan in lines; nothing is written."""
    _check_folder(out, _said(recipe, data))
    plan = make_plan(recipe, data, cache or out / "cache")
    model = new_model(recipe, plan.vocabulary)
    for each in plan.stages:
        each.task.check(model)
    return described(plan, model)


def _said(recipe: Recipe, data: Mapping[str, Path]) -> str:
    """What a run is of, as ``recipe.json`` has it: the weights it starts from, too."""
    said: dict[str, Any] = {"recipe": recipe.as_dict(), "data": list(data)}
    if recipe.init:
        said["init"] = weights_digest(recipe.init)
    return json.dumps(said, indent=2)


def _check_folder(out: Path, said: str) -> None:
    """Refuse to mix two recipes in one run folder; one in which nothing was trained is free."""
    path = out / "recipe.json"
    if not path.exists() or not _is_begun(out):
        return
    if _whole(path.read_text(encoding="utf-8")) != _whole(said):
        raise RecipeError(
            f"{out} holds a run of another recipe or other data",
            hint="Give another --out, or remove that folder.",
        )


def _whole(said: str) -> Any:
    """What ``_said`` says, with defaults for keys that a run of an earlier version could not have;
    None if it is something else."""
    try:
        found = json.loads(said)
        stages = [dict(each) for each in found["recipe"]["stages"]]
    except (ValueError, KeyError, TypeError):
        return None
    defaults = Recipe("", (Stage("", 0, 0, 0.0),)).as_dict()
    (stage,) = json.loads(json.dumps(defaults.pop("stages")))
    recipe = json.loads(json.dumps(defaults)) | found["recipe"]
    recipe["stages"] = [stage | each for each in stages]
    return found | {"recipe": recipe}


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
            "processes": processes.count(),
            "device": str(device),
            "threads": torch.get_num_threads(),
        }
    )
    write_whole(path, json.dumps(starts, indent=1))


def _end(model: CIRModel, plan: Plan, out: Path) -> None:
    told: dict[str, dict[str, Any]] = {}
    for number in range(1, len(plan.stages) + 1):
        for folder in runs_of(out / f"stage{number}"):
            progress = _read(folder / "progress.json")
            told[folder.name] = {"best": progress["best"], "epochs": progress["history"]}
        if (mean := out / f"stage{number}" / HANDED_ON).exists():
            told[f"stage{number}"]["handed on"] = _read(mean)
    write_whole(out / "metrics.json", json.dumps({"metric": plan.metric} | told, indent=1))
    plot(out)
    model.save(
        out / "model", name=plan.recipe.name, card=_card(plan, told[f"stage{len(plan.stages)}"])
    )


def _card(plan: Plan, last: Mapping[str, Any]) -> Card:
    """What the run knows for the model card; its licence is for whoever publishes it to say."""
    recipe, epochs = plan.recipe, last["epochs"]
    learned = dict.fromkeys(name for stage in recipe.stages for name in stage.data or plan.data)
    kept = last["best"][0] if recipe.stages[-1].keep == "best" else len(epochs)
    row = last.get("handed on") or epochs[kept - 1]
    scores = {key: value for key, value in row.items() if "@" in key}
    said = json.dumps(recipe.as_dict(), indent=2, ensure_ascii=False)
    return Card(
        training_data=f"Train splits of {', '.join(learned)}; scored on {plan.validation.label}.",
        recipe=f"```json\n{said}\n```",
        metrics=scores,
    )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _commit() -> str:
    """The commit that this package lies in; empty if it is in none."""
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
