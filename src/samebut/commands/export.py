"""``export``: a trained model, or a published one, to a model folder that needs no torch."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samebut.commands.output import say
from samebut.errors import ModelError
from samebut.files import json_of

if TYPE_CHECKING:
    from samebut.learning.model.cir_model import CIRModel

_NEEDED = ("torch", "safetensors", "onnx", "onnxscript", "huggingface_hub")


def add_to(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(export)


def export(
    source: Annotated[str, typer.Argument(help="A trained folder, or a name on the hub.")],
    out: Annotated[Path, typer.Argument(help="The model folder to write; replaced if it is one.")],
    data: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A triplets folder to measure int8 on."),
    ] = None,
    split: Annotated[str, typer.Option(help="Which split of --data.")] = "val",
    pictures: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Pictures to check with, without --data."),
    ] = None,
    fusion: Annotated[
        str | None,
        typer.Option(help='Of a published encoder: "sum", "sum normalised=true weight=0.5".'),
    ] = None,
    size: Annotated[int | None, typer.Option(min=1, help="Its input, in pixels.")] = None,
    padding: Annotated[
        str | None, typer.Option(help="none, stretch, square or target; its own if left out.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the model is called.")] = None,
    trainable: Annotated[
        bool, typer.Option("--trainable", help="Let a recipe's init train on from it.")
    ] = False,
) -> None:
    """Write a model folder for `--model`: from training, or a published encoder."""
    check_installed()
    check_target(out)
    from samebut.data import triplets
    from samebut.learning.export.export import export as write

    model = _model(source, fusion, size, padding)
    benchmark = None
    if data is not None:
        benchmark = triplets.read(data, split)
        benchmark.require_images()
    write(model, out, benchmark, pictures=pictures, name=name, trainable=trainable)
    description = json.loads((out / "model.json").read_text(encoding="utf-8"))
    say(f"{out}  {description['name']}  {json.dumps(description['agreement'])}")


def check_installed() -> None:
    """Raises ModelError if the extra ``train`` is not installed."""
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise ModelError(
            "what exports models is not installed", hint="Install it: pip install 'samebut[hub]'"
        )


def check_target(out: Path) -> None:
    """Raises ModelError if ``out`` is there and is no model folder: it would be replaced."""
    if (
        out.exists()
        and not (out / "model.json").is_file()
        and (out.is_file() or any(out.iterdir()))
    ):
        raise ModelError(f"{out} is there, and is no model folder", hint="Give another place.")


def _model(source: str, fusion: str | None, size: int | None, padding: str | None) -> CIRModel:
    from samebut.learning.model.cir_model import CIRModel
    from samebut.runtime import model_folder

    if (model_folder(source) / "training.json").is_file():
        given = {"--fusion": fusion, "--size": size, "--padding": padding}
        if any(value is not None for value in given.values()):
            raise ModelError(
                f"{source} was trained as it is",
                hint=f"Leave out {', '.join(k for k, v in given.items() if v is not None)}.",
            )
        return CIRModel.load(source)
    kind, options = parse_fusion(fusion or "sum")
    return CIRModel.from_checkpoint(
        source, fusion=kind, options=options, size=size, padding=padding
    )


def parse_fusion(text: str) -> tuple[str, dict[str, Any]]:
    """``"sum weight=0.5 normalised=true"`` to a name and options. Raises ModelError."""
    name, *pairs = text.split() or [""]
    options: dict[str, Any] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        try:
            options[key] = json_of(value)
        except ValueError as error:
            raise ModelError(
                f"--fusion has '{pair}', which is no option",
                hint='Write it like this: --fusion "sum weight=0.5 normalised=true".',
            ) from error
    return name, options
