"""A model: encoder + fusion + preprocessing, saved as a folder of safetensors and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from samebut.errors import ModelError
from samebut.learning.encoders import Encoder, Features
from samebut.learning.encoders.small import SmallEncoder
from samebut.learning.fusion import make_fusion
from samebut.preprocess import Preprocess

ENCODERS: dict[str, type[Encoder]] = {SmallEncoder.kind: SmallEncoder}


class CIRModel(nn.Module):
    """Composes a picture and a text into one query in the space of picture embeddings.

    ``options`` are those of the fusion, kept so that the folder can rebuild it.
    """

    def __init__(
        self,
        encoder: Encoder,
        preprocess: Preprocess,
        *,
        fusion: str = "combiner",
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.preprocess = preprocess
        self.fusion_name = fusion
        self.fusion_options = dict(options or {})
        self.fusion = make_fusion(fusion, encoder.dim, **self.fusion_options)

    def compose(self, image: Features, text: Features) -> Tensor:
        """One unit-length query a row: ``(B, D)``."""
        return functional.normalize(self.fusion(image, text), dim=-1)

    def save(self, folder: Path, *, name: str) -> None:
        """Write ``weights.safetensors``, ``tokenizer.json`` and, last, ``training.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / "weights.safetensors")
        self.encoder.save_tokenizer(folder)
        description = {
            "name": name,
            "encoder": {"kind": self.encoder.kind, **self.encoder.settings},
            "fusion": {"name": self.fusion_name, **self.fusion_options},
            "preprocess": self.preprocess.as_dict(),
        }
        text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
        (folder / "training.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> CIRModel:
        """Read what ``save`` wrote; strict. ModelError names what is missing."""
        try:
            description = json.loads((folder / "training.json").read_text(encoding="utf-8"))
            weights = load_file(folder / "weights.safetensors")
        except OSError as error:
            raise ModelError(
                f"{folder} holds no trained model: {error.strerror} ({error.filename})",
                hint="Give a folder written by training (training.json, weights.safetensors).",
            ) from error
        encoder = dict(description["encoder"])
        fusion = dict(description["fusion"])
        model = cls(
            ENCODERS[encoder.pop("kind")].load(encoder, folder),
            Preprocess.from_dict(description["preprocess"]),
            fusion=fusion.pop("name"),
            options=fusion,
        )
        model.load_state_dict(weights, strict=True)
        return model.eval()


def unit(features: Tensor) -> Tensor:
    """Rows of length one: ``(B, D) -> (B, D)``."""
    return functional.normalize(features.float(), dim=-1)
