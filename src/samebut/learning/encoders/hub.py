"""Encoders of the Hugging Face hub: CLIP, Meta CLIP 2, SigLIP and SigLIP 2, Chinese-CLIP.

A family is a class and a row in ``encoders.ENCODERS``. The class defines what is pooled, how
patches and word pieces are projected into the shared space, and how texts are padded. It is chosen
by ``model_type`` and built from transformers' own code; ``auto_map`` of a checkpoint, which names
code to download and run, is ignored.

BAAI/BGE-VL-base and -large (MegaPairs, Zhou et al., arXiv 2412.14475, MIT) are CLIP, ViT-B/16 and
ViT-L/14, whose config names code of their own for ``encode``. That code adds the pooled features of
both sides, not normalised, and normalises the sum (``encode_mm_it`` in FlagOpen/FlagEmbedding,
research/BGE_VL/eval/flag_mmret.py, which loads them as plain CLIP itself;
bge-model.com/bge/bge_vl.html calls it score fusion). This is the fusion ``sum`` with its defaults.

transformers is imported only when such a model is made: the small encoder does not need it.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from samebut.errors import ModelError
from samebut.learning.encoders.base import Channels, Features, every_token
from samebut.learning.encoders.checkpoint import Checkpoint
from samebut.learning.encoders.published import PublishedEncoder, checked_size
from samebut.learning.encoders.wording import pad_id, read_tokenizer
from samebut.preprocess import STRETCH, Preprocess

_OPENAI_MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
_OPENAI_STD: Channels = (0.26862954, 0.26130258, 0.27577711)
_NOT_SAVED = ("transformers_version", "auto_map", "architectures", "_name_or_path", "dtype")


class HubEncoder(PublishedEncoder):
    """What the families share. Subclasses define what differs; they are rows of ``ENCODERS``.

    ``network`` is transformers' model of the family, ``source`` the name of the checkpoint.
    """

    architecture: ClassVar[str]  # its classes in transformers: ...Model and ...Config
    mean: ClassVar[Channels] = _OPENAI_MEAN
    std: ClassVar[Channels] = _OPENAI_STD
    padding: ClassVar[str] = "none"  # of pictures, where a checkpoint does not say
    fixed_length: ClassVar[bool] = False  # of texts: all are as long as the longest can be
    pad_piece: ClassVar[str | None] = None  # where a checkpoint names none
    longest: ClassVar[int | None] = None  # of texts; None: as many positions as there are
    # int8_percentile stays 100: for a percentile all activations would be in memory at once.

    def __init__(self, network: Any, tokenizer: Tokenizer, *, source: str, pad_id: int) -> None:
        longest = self.longest or network.config.text_config.max_position_embeddings
        rules = {"max_tokens": longest, "pad_id": pad_id}
        if self.fixed_length:
            rules["fixed_length"] = longest
        super().__init__(self.width(network.config), tokenizer, rules)
        self.network, self.source = network, source
        tokenizer.enable_truncation(longest)
        tokenizer.enable_padding(length=rules.get("fixed_length"), pad_id=pad_id)

    @staticmethod
    def width(config: Any) -> int:
        """The width D of the shared space."""
        return int(config.projection_dim)

    def default_preprocess(self, size: int | None = None) -> Preprocess:
        """As the family was trained, at ``size`` or the checkpoint's own.

        ModelError: ``size`` is not a whole number of patches.
        """
        vision = self.network.config.vision_config
        size = checked_size(self.source, size, vision.image_size, vision.patch_size)
        return Preprocess(size=size, mean=self.mean, std=self.std, padding=self.padding)

    def preprocess_of(
        self, checkpoint: Checkpoint, size: int | None, padding: str | None
    ) -> Preprocess:
        return checkpoint.preprocess(self.default_preprocess(size), padding)

    @property
    def settings(self) -> dict[str, Any]:
        config = _without(self.network.config.to_diff_dict(), _NOT_SAVED)
        return {"source": self.source, "pad_id": self.text_rules["pad_id"], "config": config}

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Self:
        checkpoint.require_weights()
        kind = cls._transformers("Model")
        try:
            network, report = kind.from_pretrained(
                checkpoint.folder,
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except Exception as error:  # a damaged file raises any type, a pickle with code too
            raise ModelError(
                f"the weights of {checkpoint.name} can't be read: {error}",
                hint=checkpoint.again,
            ) from error
        if missing := sorted(report["missing_keys"]):
            raise ModelError(
                f"{checkpoint.name} lacks {len(missing)} weights of a {kind.__name__}: "
                f"{', '.join(missing[:3])}",
                hint="The file is incomplete, or the checkpoint is not a whole model. "
                f"{checkpoint.again}",
            )
        tokenizer = read_tokenizer(checkpoint)
        padding = pad_id(checkpoint, tokenizer, cls.pad_piece)
        return cls(network, tokenizer, source=checkpoint.name, pad_id=padding)

    @classmethod
    def load(cls, settings: dict[str, Any], folder: Path) -> Self:
        """An encoder of these settings with the tokenizer of ``folder``, weights still random."""
        config = cls._transformers("Config").from_dict(settings["config"])
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        network = cls._transformers("Model")(config)
        return cls(network, tokenizer, source=settings["source"], pad_id=settings["pad_id"])

    @classmethod
    def _transformers(cls, what: str) -> Any:
        try:
            transformers = importlib.import_module("transformers")
        except ImportError as error:
            raise ModelError(
                f"the encoder '{cls.kind}' needs transformers",
                hint="Install it: pip install 'samebut[hub]'",
            ) from error
        return getattr(transformers, cls.architecture + what)

    def _see(self, pixels: Tensor) -> Any:
        own = self.network.config.vision_config.image_size
        return self.network.vision_model(pixels, interpolate_pos_encoding=pixels.shape[-1] != own)


def _without(values: Any, keys: tuple[str, ...]) -> Any:
    """A dict of dicts without these keys, at any depth."""
    if not isinstance(values, dict):
        return values
    return {key: _without(value, keys) for key, value in values.items() if key not in keys}


class ClipEncoder(HubEncoder):
    """CLIP (Radford et al. 2021). Pooled: class token and end token, projected.

    Patches and word pieces go through the same norm and projection as what is pooled. The text
    tower is causal and pools the end mark, so padding after it has no effect. Texts are padded
    to the longest of the batch, which is far below the full 77 positions.
    """

    kind = model_type = "clip"
    architecture = "CLIP"
    pad_piece = "<|endoftext|>"

    def images(self, pixels: Tensor) -> Features:
        seen = self._see(pixels)
        norm, project = self.network.vision_model.post_layernorm, self.network.visual_projection
        tokens = project(norm(seen.last_hidden_state[:, 1:]))
        return Features(project(seen.pooler_output), tokens, every_token(tokens))

    def pieces(self, ids: Tensor, mask: Tensor) -> Features:
        read = self.network.text_model(ids)
        project = self.network.text_projection
        return Features(project(read.pooler_output), project(read.last_hidden_state), mask)


class ChineseClipEncoder(ClipEncoder):
    """Chinese-CLIP (Yang et al., arXiv 2211.01335): CLIP's image tower, BERT for texts.

    Pooled: the first piece. BERT is told which pieces are real. 52 pieces is the length that the
    authors train and publish with (``context_length`` in OFA-Sys/Chinese-CLIP).
    """

    kind = model_type = "chinese_clip"
    architecture = "ChineseCLIP"
    pad_piece = "[PAD]"
    longest = 52

    def pieces(self, ids: Tensor, mask: Tensor) -> Features:
        read = self.network.text_model(ids, attention_mask=mask)
        tokens = self.network.text_projection(read.last_hidden_state)
        return Features(tokens[:, 0], tokens, mask)


class MetaClip2Encoder(ClipEncoder):
    """Meta CLIP 2 (Chuang et al., arXiv 2507.22062): CLIP with XLM-V's tokenizer, 300 languages.

    Pooled: the first end mark, ``eos_token_id`` of its configuration.
    """

    kind = model_type = "metaclip_2"
    architecture = "MetaClip2"
    pad_piece = "<pad>"


class SiglipEncoder(HubEncoder):
    """SigLIP (Zhai et al. 2023) and SigLIP 2 at a fixed resolution (Tschannen et al. 2025).

    A text is pooled at its *last position*, padding or not, and padding is attended to: every text
    is padded to all 64 positions, as in training, or an embedding would depend on its neighbours.
    Pictures are pooled by attention of a learned probe over patches; a region is what that head
    makes of a picture which is this one patch.
    """

    kind = model_type = "siglip"
    architecture = "Siglip"
    mean = std = (0.5, 0.5, 0.5)
    padding = STRETCH
    fixed_length = True

    @staticmethod
    def width(config: Any) -> int:
        """Of the head of the text tower."""
        return int(config.text_config.projection_size)

    def images(self, pixels: Tensor) -> Features:
        seen = self._see(pixels)
        tokens = self._alone(seen.last_hidden_state)
        return Features(seen.pooler_output, tokens, every_token(tokens))

    def pieces(self, ids: Tensor, mask: Tensor) -> Features:
        read = self.network.text_model(ids)
        tokens = self.network.text_model.head(read.last_hidden_state)
        return Features(read.pooler_output, tokens, mask)

    def _alone(self, patches: Tensor) -> Tensor:
        """The pooling head over one patch at a time: it gets all of the attention."""
        head = self.network.vision_model.head
        weight = head.attention.in_proj_weight.chunk(3)[2]
        bias = head.attention.in_proj_bias.chunk(3)[2]
        attended = head.attention.out_proj(functional.linear(patches, weight, bias))
        return attended + head.mlp(head.layernorm(attended))
