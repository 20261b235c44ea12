"""Encoders in OpenCLIP's own format: ViT towers, and SigLIP's as timm names them.

``open_clip_config.json`` beside ``open_clip_model.safetensors`` or ``open_clip_pytorch_model.bin``,
as mlfoundations/open_clip writes them to the hub. Neither open_clip, timm, torchvision nor
transformers is imported: the towers are in ``vit.py``, and `tests/golden/open_clip.json` holds what
open_clip itself makes of the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tokenizers import Tokenizer
from torch import Tensor

from samebut.learning.encoders.base import Channels, Features, every_token
from samebut.learning.encoders.checkpoint import Checkpoint
from samebut.learning.encoders.open_clip_config import MEAN, STD, ModelConfig, OpenClipConfig
from samebut.learning.encoders.open_clip_weights import load_weights
from samebut.learning.encoders.open_clip_words import pad_id_of, tokenizer_of
from samebut.learning.encoders.published import PublishedEncoder, checked_size
from samebut.learning.encoders.vit import TransformerTextTower, VisionTower
from samebut.preprocess import Preprocess


class OpenClipEncoder(PublishedEncoder):
    """OpenCLIP's own format (Ilharco et al. 2021): its ViT towers, and timm's SigLIP towers.

    A region is a patch's output after the last norm and the projection. With SigLIP's pooling head,
    which comes in between, it is what the head returns for a picture of this one patch. Texts are
    padded to full length where attention is not causal, so that pieces see padding, or where the
    last position is pooled.
    """

    kind = model_type = "open_clip"
    mean, std = MEAN, STD

    def __init__(
        self,
        config: ModelConfig,
        tokenizer: Tokenizer,
        *,
        source: str,
        pad_id: int,
        said: Mapping[str, Any],
        channels: tuple[Channels, Channels] = (MEAN, STD),
    ) -> None:
        """``said`` is the unchanged ``model_cfg``, from which ``load`` rebuilds the encoder;
        ``channels`` are mean and std of its pixels."""
        longest = config.text_cfg.context_length
        rules = {"max_tokens": longest, "pad_id": pad_id}
        if config.text_cfg.fixed_length:
            rules["fixed_length"] = longest
        super().__init__(config.embed_dim, tokenizer, rules)
        self.config, self.source, self._said, self._channels = config, source, said, channels
        self.visual, self.text = VisionTower(config.vision), TransformerTextTower(config.text)
        tokenizer.enable_truncation(longest)
        tokenizer.enable_padding(length=rules.get("fixed_length"), pad_id=pad_id)

    def images(self, pixels: Tensor) -> Features:
        pooled, patches = self.visual(pixels)
        return Features(pooled, patches, every_token(patches))

    def pieces(self, ids: Tensor, mask: Tensor) -> Features:
        pooled, tokens = self.text(ids)
        return Features(pooled, tokens, mask)

    def preprocess_of(
        self, checkpoint: Checkpoint, size: int | None, padding: str | None
    ) -> Preprocess:
        read = OpenClipConfig.read(checkpoint.config, checkpoint.name)
        own, patch = self.config.vision_cfg.image_size, self.visual.shape.patch
        size = checked_size(self.source, size, own, patch)
        return read.preprocess_cfg.preprocess(size, padding)

    @property
    def settings(self) -> dict[str, Any]:
        mean, std = self._channels
        return {
            "source": self.source,
            "pad_id": self.text_rules["pad_id"],
            "mean": list(mean),
            "std": list(std),
            "model_cfg": dict(self._said),
        }

    @classmethod
    def channels(cls, settings: Mapping[str, Any]) -> tuple[Channels, Channels]:
        """Mean and std from the checkpoint: SigLIP's differ from CLIP's."""
        if "mean" in settings:
            return tuple(settings["mean"]), tuple(settings["std"])
        if "source" not in settings:
            return cls.mean, cls.std
        checkpoint = Checkpoint.open(settings["source"])
        read = OpenClipConfig.read(checkpoint.config, checkpoint.name)
        return read.preprocess_cfg.channels

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Self:
        checkpoint.require_weights()
        read = OpenClipConfig.read(checkpoint.config, checkpoint.name)
        tokenizer = tokenizer_of(checkpoint, read.model_cfg.text_cfg)
        encoder = cls(
            read.model_cfg,
            tokenizer,
            source=checkpoint.name,
            pad_id=pad_id_of(checkpoint, read.model_cfg.text_cfg, tokenizer),
            said=checkpoint.config["model_cfg"],
            channels=read.preprocess_cfg.channels,
        )
        load_weights(encoder, checkpoint)
        return encoder

    @classmethod
    def load(cls, settings: dict[str, Any], folder: Path) -> Self:
        said, source = settings["model_cfg"], settings["source"]
        return cls(
            OpenClipConfig.read({"model_cfg": said}, source).model_cfg,
            Tokenizer.from_file(str(folder / "tokenizer.json")),
            source=source,
            pad_id=settings["pad_id"],
            said=said,
            channels=cls.channels(settings),
        )
