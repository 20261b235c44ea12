"""A checkpoint in the format of the Hugging Face hub, by name or local folder: reads its files.

None of its code is run: ``config.json`` may name some (``auto_map``), which is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
)

from samebut.errors import ModelError
from samebut.files import json_of
from samebut.preprocess import STRETCH, Preprocess

DESCRIPTION = (
    "open_clip_config.json", "bpe_simple_vocab_16e6.txt.gz",
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "vocab.txt",
    "spiece.model", "README.md",
)  # fmt: skip
SAFE_WEIGHTS = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
OLD_WEIGHTS = ("pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json")
OPEN_CLIP_SAFE, OPEN_CLIP_OLD = ("open_clip_model.safetensors",), ("open_clip_pytorch_model.bin",)
_RESAMPLES = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers


@dataclass(frozen=True)
class Checkpoint:
    """Its ``name``, the ``folder`` its files are in, and what describes it.

    ``config`` is its ``open_clip_config.json`` if there is one: some folders are in both formats,
    and beside it ``config.json`` may name nothing but code of its own (Marqo's). Else it is
    ``config.json``. ``on_hub`` is its name there, None for a local folder, which is called by its
    own name alone.
    """

    name: str
    on_hub: str | None
    folder: Path
    config: Mapping[str, Any]

    @classmethod
    def open(cls, name: str) -> Checkpoint:
        """A local folder, or a name on the hub, fetched once and then read from the cache.

        ModelError: no such folder or name, not on this machine and no network, or no checkpoint.
        """
        if Path(name).is_dir():
            return cls._described(Path(name), None)
        found = cls._described(fetch(name, DESCRIPTION), name)
        for weights in found.weights:
            folder = fetch(name, (*DESCRIPTION, *weights))
            if _any(folder, weights):
                break
        return cls._described(folder, name)

    @classmethod
    def _described(cls, folder: Path, on_hub: str | None) -> Checkpoint:
        config = _read_json(folder / "open_clip_config.json")
        if config is not None and not isinstance(config.get("model_cfg"), dict):
            raise ModelError(
                f"{folder / 'open_clip_config.json'} has no table model_cfg",
                hint=f"Download the checkpoint again: hf download {on_hub or 'NAME'} "
                "--force-download",
            )
        config = config or _read_json(folder / "config.json")
        if config is None:
            raise ModelError(
                f"{folder} is not a checkpoint: it has neither config.json nor "
                "open_clip_config.json",
                hint="Give the name of a checkpoint on the hub, or a folder that `hf download NAME "
                "--local-dir FOLDER` wrote.",
            )
        return cls(on_hub or folder.resolve().name, on_hub, folder, config)

    @property
    def model_type(self) -> str:
        """The architecture, as ``config.json`` calls it: "clip", "siglip", ...; or "open_clip"."""
        if "model_cfg" in self.config:
            return "open_clip"
        return str(self.config.get("model_type", "nothing"))

    @property
    def weights(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Patterns of the files of its weights: safetensors, and what is read if there are none."""
        if self.model_type == "open_clip":
            return OPEN_CLIP_SAFE, OPEN_CLIP_OLD
        return SAFE_WEIGHTS, OLD_WEIGHTS

    @property
    def licence(self) -> str | None:
        """What the checkpoint's own model card calls its licence."""
        try:
            text = (self.folder / "README.md").read_text(encoding="utf-8")
        except OSError:
            return None
        front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
        said = re.search(r"^license:\s*[\"']?([\w.-]+)", front[1], re.MULTILINE) if front else None
        return said[1] if said else None

    @property
    def again(self) -> str:
        """A sentence for hints that says how to fetch all of it anew."""
        return f"Download it again: hf download {self.on_hub or 'NAME'} --force-download"

    def require_weights(self) -> None:
        """ModelError if the folder has descriptions alone, as an interrupted download leaves it."""
        safe, old = self.weights
        if not _any(self.folder, (*safe, *old)):
            raise ModelError(
                f"{self.name} has no weights: {self.folder} lacks {safe[0]}",
                hint=_how_to_get(self.on_hub or "NAME"),
            )

    def preprocess(self, default: Preprocess, padding: str | None) -> Preprocess:
        """``default`` with what ``preprocessor_config.json`` says; ``padding`` is ours to choose.

        Without a choice the checkpoint's own: the centre of the picture, or all of it stretched.
        """
        said = _read_json(self.folder / "preprocessor_config.json") or {}
        resample = _RESAMPLES.get(said.get("resample", 3))
        if resample is None:
            raise ModelError(
                f"{self.name} resizes with Pillow's filter number {said['resample']}, which is not "
                "supported",
                hint="Use a checkpoint whose preprocessor_config.json has resample "
                f"{' or '.join(map(str, sorted(_RESAMPLES)))}.",
            )
        cropped = said.get("do_center_crop", default.padding != STRETCH)
        return Preprocess(
            size=default.size,
            mean=tuple(said.get("image_mean", default.mean)),
            std=tuple(said.get("image_std", default.std)),
            padding=padding or ("none" if cropped else STRETCH),
            resample=resample,
        )

    def tokenizer_said(self, key: str) -> str | None:
        """A name in ``tokenizer_config.json``, or in ``special_tokens_map.json``."""
        for file in ("tokenizer_config.json", "special_tokens_map.json"):
            value = (_read_json(self.folder / file) or {}).get(key)
            if value is not None:
                return str(value["content"] if isinstance(value, dict) else value)
        return None


def fetch(name: str, files: tuple[str, ...], **how: Any) -> Path:
    """The folder of these files of a model on the hub, from the cache if they are there.

    ``how`` goes to huggingface_hub. ModelError says why they can't be had and what to do.
    """
    with explained(name):
        return Path(snapshot_download(name, allow_patterns=list(files), **how))


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn the errors of huggingface_hub about ``name`` into ModelErrors with a hint."""
    try:
        yield
    except HFValidationError as error:
        raise ModelError(
            f"{name} is neither a folder nor a valid name on the hub",
            hint="Give a folder that exists, or a name such as openai/clip-vit-base-patch32.",
        ) from error
    except GatedRepoError as error:
        raise ModelError(
            f"{name} needs its authors' permission",
            hint=f"Ask for access at https://huggingface.co/{name}, then run: hf auth login",
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"the hub has no model called {name}",
            hint="Check the name at https://huggingface.co/models. For a private model run: hf "
            "auth "
            "login",
        ) from error
    except OSError as error:  # offline, no network, or nothing in the cache
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub can't be reached"
        raise ModelError(
            f"{name} is not on this machine, and {why}", hint=_how_to_get(name)
        ) from error


_DOWNLOAD_AGAIN = "Download the checkpoint again: hf download NAME --force-download"


def _how_to_get(name: str) -> str:
    return (
        f"Download it on a machine with a network: hf download {name}. Or give a local folder that "
        "holds all of it."
    )


def _any(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(True for pattern in patterns for _ in folder.glob(pattern))


def _read_json(path: Path) -> dict[str, Any] | None:
    """None if there is no such file. ModelError if it is not JSON of names and values."""
    try:
        read = json_of(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be read as JSON", hint=_DOWNLOAD_AGAIN) from error
    if not isinstance(read, dict):
        raise ModelError(f"{path} is JSON, but not an object", hint=_DOWNLOAD_AGAIN)
    return read
