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
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Name the folder of a trained model (RUN/model), or a published encoder on "
            "the Hugging Face hub.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="Write the model to this folder; an older model there is replaced."
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            metavar="FOLDER",
            help="Measure on this folder of triplets what int8 costs.",
        ),
    ] = None,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="Use this split of --data.")] = "val",
    pictures: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            metavar="FOLDER",
            help="Check the export on the pictures in this folder, if there is no --data.",
        ),
    ] = None,
    fusion: Annotated[
        str | None,
        typer.Option(
            metavar="FUSION",
            help='Compose a published encoder\'s embeddings by: "sum", or "sum normalised=true '
            'weight=0.5".',
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="PIXELS", help="Set the side of a published encoder's input, in pixels."
        ),
    ] = None,
    padding: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help="Fit pictures to the input's shape by: none (crop), stretch, square or target.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Give the model this name.")
    ] = None,
    trainable: Annotated[
        bool,
        typer.Option(
            "--trainable", help="Add what training on from this model needs, by init in a recipe."
        ),
    ] = False,
) -> None:
    """Export a trained model or a published encoder to a folder that needs no torch.

    That folder is what --model takes in the other commands.
    """
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
            "the packages that export models are not installed",
            hint="Install them: pip install 'samebut[hub]'",
        )


def check_target(out: Path) -> None:
    """Raises ModelError if ``out`` is there and is no model folder: it would be replaced."""
    if (
        out.exists()
        and not (out / "model.json").is_file()
        and (out.is_file() or any(out.iterdir()))
    ):
        raise ModelError(
            f"{out} exists and is not a model folder, so it is not overwritten",
            hint="Give another folder to write to, or remove this one.",
        )


def _model(source: str, fusion: str | None, size: int | None, padding: str | None) -> CIRModel:
    from samebut.learning.model.cir_model import CIRModel
    from samebut.runtime import model_folder

    if (model_folder(source) / "training.json").is_file():
        given = {"--fusion": fusion, "--size": size, "--padding": padding}
        if any(value is not None for value in given.values()):
            raise ModelError(
                f"{source} is a trained model, whose fusion, input size and padding are fixed",
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
                f"--fusion has '{pair}', which is not an option with a value",
                hint='Write it like this: --fusion "sum weight=0.5 normalised=true".',
            ) from error
    return name, options
