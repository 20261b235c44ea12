"""A model: encoder + fusion + preprocessing, saved as a folder of safetensors and JSON.

``CIRModel.from_pretrained`` loads such a folder, local or from the hub, and ``push_to_hub`` uploads
one. Both are inherited from huggingface_hub's ``ModelHubMixin``, which calls ``_from_pretrained``
and ``_save_pretrained`` below.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from huggingface_hub import ModelHubMixin
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from samebut.errors import ModelError
from samebut.files import json_of
from samebut.learning.encoders import ENCODERS
from samebut.learning.encoders.base import Encoder, Features
from samebut.learning.encoders.checkpoint import Checkpoint, explained, fetch
from samebut.learning.encoders.published import PublishedEncoder
from samebut.learning.fusion import make_fusion
from samebut.learning.model.card import PIPELINE, TAGS, Card
from samebut.learning.model.stored import GRAPHS, REST, read_weights
from samebut.preprocess import Preprocess
from samebut.runtime import model_folder

_BGE_VL = (
    "Trained to be composed by the sum of both sides' pooled features, not normalised before "
    "(score fusion): `encode_mm_it` in research/BGE_VL/eval/flag_mmret.py of "
    "FlagOpen/FlagEmbedding; MegaPairs, Zhou et al., arXiv 2412.14475."
)
WEIGHTS = "weights.safetensors"
SAVE_AGAIN = "Restore its files, save the model again, or export it again."
COMPOSED = {"BGE-VL-base": _BGE_VL, "BGE-VL-large": _BGE_VL}
"""Published models that were trained for composed retrieval -> how, and who published them."""
FILES = ("config.json", "training.json", WEIGHTS, REST, *GRAPHS, "tokenizer.json", "README.md")
"""What is downloaded from the hub. A repository has either ``WEIGHTS``, or ``REST`` and the graphs;
files that it lacks are skipped."""


class CIRModel(
    nn.Module, ModelHubMixin, library_name="samebut", pipeline_tag=PIPELINE, tags=list(TAGS)
):
    """Composes a picture and a text into one query in the space of picture embeddings.

    ``options`` are those of the fusion, kept so that the folder can rebuild it. ``name`` and
    ``card`` are what the folder says of the model.
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
        self.name = "model"
        self.card = Card()

    def compose(self, image: Features, text: Features) -> Tensor:
        """One unit-length query a row: ``(B, D)``."""
        return functional.normalize(self.fusion(image, text).float(), dim=-1)

    @property
    def description(self) -> dict[str, Any]:
        """Everything but the numbers, as JSON has it."""
        return {
            "name": self.name,
            "encoder": {"kind": self.encoder.kind, **self.encoder.settings},
            "fusion": {"name": self.fusion_name, **self.fusion_options},
            "preprocess": self.preprocess.as_dict(),
        }

    def save(self, folder: Path, *, name: str, card: Card | None = None) -> None:
        """Write weights, tokenizer, the model card ``README.md`` and, last, ``training.json``."""
        self.name, self.card = name, card or self.card
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / WEIGHTS)
        self.encoder.save_tokenizer(folder)
        (folder / "README.md").write_text(self.card.markdown(self.description), encoding="utf-8")
        self.describe(folder)

    def describe(self, folder: Path, *, in_graphs: bool = False) -> None:
        """Write ``training.json``, from which ``load`` rebuilds the model; its ``fingerprint`` is a
        digest over the weights, the tokenizer and the description. ``in_graphs``: the weights are
        stored in the folder's graphs."""
        # The hub counts downloads by this file, and huggingface_hub warns where it is missing.
        (folder / "config.json").write_text('{"model_type": "samebut"}\n')
        description = {**self.description, "card": self.card.as_dict()}
        if in_graphs:
            description["weights"] = "graphs"
        # Through JSON, so that the digest is of what ``load`` will read (lists, not tuples).
        description = json.loads(json.dumps(description))
        description["fingerprint"] = _fingerprint(folder, description)
        text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
        (folder / "training.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> CIRModel:
        """Read what ``save`` wrote; strict. ModelError names what is missing or was changed.

        "bundled" is the model that ships. A folder without a fingerprint, as earlier versions
        wrote it, is loaded unchecked.
        """
        folder = model_folder(folder)
        try:
            description = json_of((folder / "training.json").read_text(encoding="utf-8"))
            written = description.pop("fingerprint", None)
            if written not in (None, _fingerprint(folder, description)):
                raise ModelError(
                    f"{folder} was changed after it was written",
                    hint="Restore its weights, tokenizer and training.json, or save the model "
                    "again: the stored fingerprint does not fit them.",
                )
            graphs = description.pop("weights", "") == "graphs"
            weights = None if graphs else load_file(folder / WEIGHTS)
        except OSError as error:
            raise ModelError(
                f"{folder} holds no trained model: {error.strerror} ({error.filename})",
                hint=f"Give a folder written by training (training.json, {WEIGHTS}), or by export "
                f"with --trainable (training.json, {REST}, graphs in fp32).",
            ) from error
        except (ValueError, AttributeError, SafetensorError) as error:
            raise ModelError(
                f"{folder}: training.json or {WEIGHTS} can't be read: {error}", hint=SAVE_AGAIN
            ) from error
        try:
            return cls._rebuilt(folder, description, weights)
        except (KeyError, TypeError) as error:
            raise ModelError(
                f"{folder}: training.json lacks a value, or has a wrong one: {error!r}",
                hint=SAVE_AGAIN,
            ) from error

    @classmethod
    def _rebuilt(
        cls, folder: Path, description: dict[str, Any], weights: Mapping[str, Tensor] | None
    ) -> CIRModel:
        """``weights``: None if they are in the folder's graphs."""
        encoder, fusion = dict(description["encoder"]), dict(description["fusion"])
        kind = encoder.pop("kind")
        if kind not in ENCODERS:
            raise ModelError(
                f"{folder} has an encoder of the unknown kind '{kind}'",
                hint=f"Use the samebut that wrote it. This one knows: {', '.join(ENCODERS)}.",
            )
        model = cls(
            ENCODERS[kind].load(encoder, folder),
            Preprocess.from_dict(description["preprocess"]),
            fusion=fusion.pop("name"),
            options=fusion,
        )
        try:
            model.load_state_dict(weights or read_weights(folder, model), strict=True)
        except RuntimeError as error:
            raise ModelError(
                f"{folder}: the weights do not fit the model that training.json describes: {error}",
                hint=SAVE_AGAIN,
            ) from error
        model.name = description["name"]
        model.card = Card.from_dict(description.get("card", {}))
        return model.eval()

    @classmethod
    def from_checkpoint(
        cls,
        name: str,
        *,
        fusion: str = "sum",
        options: dict[str, Any] | None = None,
        size: int | None = None,
        padding: str | None = None,
    ) -> CIRModel:
        """A published encoder, by hub name or folder, with a fusion that needs no training.

        ``size`` of the input and ``padding`` are the checkpoint's own if None. ModelError: it can't
        be found or read, is of no known family, or the fusion has weights nobody trained.
        """
        checkpoint = Checkpoint.open(name)
        families = {
            kind.model_type: kind
            for kind in ENCODERS.values()
            if issubclass(kind, PublishedEncoder)
        }
        if checkpoint.model_type not in families:
            raise ModelError(
                f"{name} is of the model family '{checkpoint.model_type}', which can't be read",
                hint=f"Known: {', '.join(families)} (SigLIP 2 at a fixed resolution is siglip).",
            )
        encoder = families[checkpoint.model_type].from_checkpoint(checkpoint)
        prepare = encoder.preprocess_of(checkpoint, size, padding)
        model = cls(encoder, prepare, fusion=fusion, options=options)
        if any(True for _ in model.fusion.parameters()):
            raise ModelError(
                f"the fusion '{fusion}' has to be trained, and {name} has no weights for it",
                hint='Use "sum", or train a recipe with this encoder and export that model.',
            )
        model.name = checkpoint.name.rpartition("/")[2]
        note = COMPOSED.get(model.name, "Nothing here was trained to compose a picture and a text.")
        model.card = Card(licence=checkpoint.licence, base_model=checkpoint.on_hub, notes=(note,))
        return model.eval()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **how: Any) -> Self:
        """Load a folder that ``save`` wrote, or a model on the hub by its name there.

        ``how`` is huggingface_hub's: revision, token, cache_dir, local_files_only, force_download.
        ModelError: it can't be downloaded or read, or it was changed after it was written.
        """
        with explained(str(pretrained_model_name_or_path)):
            found: Self = super().from_pretrained(pretrained_model_name_or_path, **how)
        return found

    def _save_pretrained(self, save_directory: Path) -> None:
        self.save(save_directory, name=self.name)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **how: Any) -> Self:
        folder = Path(model_id)
        known = {key: how[key] for key in _FETCHED_WITH if how.get(key) is not None}
        return cls.load(folder if folder.is_dir() else fetch(model_id, FILES, **known))


_FETCHED_WITH = ("revision", "cache_dir", "force_download", "local_files_only", "token")


def _fingerprint(folder: Path, description: Mapping[str, Any]) -> str:
    """16 hex digits over the weights, the tokenizer and the description, the card included."""
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    in_graphs = description.get("weights") == "graphs"
    for name in (*((REST, *GRAPHS) if in_graphs else (WEIGHTS,)), "tokenizer.json"):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
