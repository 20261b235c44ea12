"""``open_clip_config.json``: what OpenCLIP writes of a model, read into the shapes of its towers.

The keys, their defaults and what they mean are those of mlfoundations/open_clip (``CLIPVisionCfg``
and ``CLIPTextCfg`` in `model.py`, ``PreprocessCfg`` in `transform.py`). An unknown key, or a value
that is not supported here, is an error: ignored, it would give a slightly different tower, whose
embeddings are wrong without any sign of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from samebut.errors import ModelError
from samebut.learning.encoders.base import Channels
from samebut.learning.encoders.vit import Activation, TextShape, TowerSize, VisionShape
from samebut.learning.tables import Contradiction, Table, Wrong, as_toml, read_table
from samebut.preprocess import STRETCH, Preprocess

FILE = "open_clip_config.json"
MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
STD: Channels = (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's, which OpenCLIP takes where a configuration has none."""

TIMM_SIZES: dict[str, tuple[int, int, int, int]] = {
    "base": (768, 12, 12, 3072),
    "large": (1024, 24, 16, 4096),
    "so400m": (1152, 27, 16, 4304),
    "giantopt": (1536, 40, 16, 6144),
}
"""Size in timm's name -> width, blocks, heads, width of the MLP (`vision_transformer.py`)."""
_TIMM = re.compile(r"vit_(?P<size>[a-z0-9]+)_patch(?P<patch>\d+)_siglip_\d+")
_TIMM_TANH = re.compile(
    r"vit_(base_patch32|so400m_patch16|giantopt_patch16)_siglip_\d+|vit_large_patch16_siglip_512"
)
"""Towers whose activation is GELU by tanh: timm says so of each by itself."""
_TIMM_EPS = 1e-6

PADDINGS: dict[str, str] = {"shortest": "none", "squash": STRETCH, "longest": "square"}
"""``resize_mode`` -> how a picture becomes a square here."""


def timm_siglip(name: str) -> re.Match[str] | None:
    """What the name of a SigLIP tower of timm says; None if it is another's."""
    found = _TIMM.fullmatch(name.partition(".")[0])
    return found if found and found["size"] in TIMM_SIZES else None


class _Tower(Table):
    """What both towers have."""

    mlp_ratio: float = Field(4.0, gt=0)
    """Width of the MLP inside a block, in widths of the tower."""
    ls_init_value: float | None = None
    """Whether the branches of a block have learned factors (layer scale)."""
    act_kwargs: dict[str, str] | None = None
    """Options of GELU: approximate."""
    norm_kwargs: dict[str, float] | None = None
    """Options of layer norms: eps."""
    block_type: Literal["default"] | None = None
    """Kind of the blocks; "custom" ones are not supported."""
    qk_norm: bool = False
    """Not supported."""
    scaled_cosine_attn: bool = False
    """Not supported."""
    scale_heads: bool = False
    """Not supported."""
    scale_attn_inner: bool = False
    """Not supported."""
    scale_attn: bool = False
    """Not supported."""
    scale_fc: bool = False
    """Not supported."""
    output_tokens: bool = False
    """Has no effect: tokens are always computed."""

    @field_validator(
        "qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn",
        "scale_fc", "attentional_pool", "embed_cls", "hf_model_name", "tokenizer_mode",
        check_fields=False,
    )  # fmt: skip
    @classmethod
    def _is_off(cls, value: bool | str | None, info: ValidationInfo) -> bool | str | None:
        if value:
            raise Contradiction(
                f"{info.field_name} is {as_toml(value)}", hint="Read is: none, or false."
            )
        return value

    @field_validator("act_kwargs", "norm_kwargs")
    @classmethod
    def _is_known(cls, value: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        known = {"act_kwargs": "approximate", "norm_kwargs": "eps"}[str(info.field_name)]
        for key, given in (value or {}).items():
            if key != known or (given not in ("none", "tanh") and known == "approximate"):
                hint = 'Read is: approximate = "none" or "tanh".'
                hint = hint if known == "approximate" else "Read is: eps."
                raise Contradiction(f"{info.field_name} has {key} = {given!r}", hint=hint)
        return value

    def size(self, width: int, layers: int, heads: int, *, quick_gelu: bool) -> TowerSize:
        """The stack of blocks. ModelError: ``width`` is no multiple of ``heads``."""
        if heads < 1 or width % heads:
            raise ModelError(
                f"the width {width} is not a multiple of the number of heads, {heads}",
                hint="Correct the width or the heads (for a vision tower: head_width).",
            )
        tanh = (self.act_kwargs or {}).get("approximate") == "tanh"
        activation: Activation = "gelu_tanh" if tanh else "gelu"
        return TowerSize(
            width,
            layers,
            heads,
            int(width * self.mlp_ratio),
            activation="quick_gelu" if quick_gelu else activation,
            layer_scale=self.ls_init_value is not None,
            eps=(self.norm_kwargs or {}).get("eps", 1e-5),
        )


class VisionConfig(_Tower):
    """``vision_cfg``."""

    timm_model_name: str | None = None
    """A tower of timm: vit_{base,large,so400m,giantopt}_patch{N}_siglip_{N}."""
    layers: int = Field(12, ge=1)
    """Transformer blocks. A ResNet has a list here; those are not read."""
    image_size: int = Field(224, ge=1)
    """Side of the square that the tower sees, in pixels."""
    patch_size: int = Field(16, ge=1)
    """Side of a patch, in pixels."""
    width: int = Field(768, ge=1)
    """Width of the tower."""
    head_width: int = Field(64, ge=1)
    """Width of an attention head."""
    no_ln_pre: bool = False
    """Whether the norm before the blocks is missing."""
    pos_embed_type: Literal["learnable", "sin_cos_2d"] = "learnable"
    """Whether position embeddings were learned; either way they are in the state dict."""
    pool_type: Literal["tok", "avg"] = "tok"
    """What is pooled: the class token, or the mean of the patches."""
    final_ln_after_pool: bool = False
    """Whether the last norm follows the pooling."""
    attentional_pool: bool | str = False
    """CoCa's pooling: not supported."""
    attn_pooler_queries: int = 256
    """Of CoCa's pooling."""
    attn_pooler_heads: int = 8
    """Of CoCa's pooling."""
    patch_dropout: float = 0.0
    """For training only."""
    timm_pool: str = "avg"
    """Pooling of a tower of timm; "map" is read."""
    timm_proj: Literal["", "none", "linear"] | None = "linear"
    """Projection behind it: its own head (null or empty), none, or linear."""
    timm_proj_bias: bool = False
    """Whether a linear projection has a bias."""
    timm_model_pretrained: bool = False
    """For training only."""
    timm_drop: float = 0.0
    """For training only."""
    timm_drop_path: float | None = None
    """For training only."""

    @field_validator("timm_model_name")
    @classmethod
    def _is_siglip(cls, name: str | None) -> str | None:
        if name is not None and timm_siglip(name) is None:
            raise Contradiction(
                f'timm_model_name is "{name}"',
                hint="Read is: vit_SIZE_patchN_siglip_N, SIZE one of "
                f"{', '.join(TIMM_SIZES)}; or none.",
            )
        return name

    @model_validator(mode="after")
    def _pools_by_attention(self) -> Self:
        if self.timm_model_name is not None and self.timm_pool != "map":
            hint = 'Read is: "map".'
            raise Contradiction(f'timm_pool is "{self.timm_pool}"', key=("timm_pool",), hint=hint)
        return self

    def shape(self, dim: int, *, quick_gelu: bool) -> VisionShape:
        if self.timm_model_name is not None:
            return self._timm_shape(self.timm_model_name, dim)
        heads = self.width // self.head_width
        return VisionShape(
            self.size(self.width, self.layers, heads, quick_gelu=quick_gelu),
            grid=self.image_size // self.patch_size,
            patch=self.patch_size,
            dim=dim,
            pool=self.pool_type,
            norm_before=not self.no_ln_pre,
            norm_after_pool=self.final_ln_after_pool,
        )

    def _timm_shape(self, name: str, dim: int) -> VisionShape:
        found = timm_siglip(name)
        assert found is not None  # _is_siglip
        width, layers, heads, mlp_width = TIMM_SIZES[found["size"]]
        tanh = _TIMM_TANH.fullmatch(found[0])
        activation: Activation = "gelu_tanh" if tanh else "gelu"
        bias = {"none": None, "linear": self.timm_proj_bias}.get(self.timm_proj or "", True)
        return VisionShape(
            TowerSize(width, layers, heads, mlp_width, activation, eps=_TIMM_EPS),
            grid=self.image_size // int(found["patch"]),
            patch=int(found["patch"]),
            dim=dim,
            pool="map",
            class_token=False,
            norm_before=False,
            patch_bias=True,
            head_bias=bias,
        )


class TokenizerConfig(Table):
    """``tokenizer_kwargs`` of ``text_cfg``."""

    clean: Literal["lower", "whitespace", "canonicalize"] | None = None
    """What is done to a text first."""
    strip_sep_token: bool = False
    """Whether BERT's end mark is read as padding."""


class TextConfig(_Tower):
    """``text_cfg``."""

    context_length: int = Field(77, ge=3)
    """Texts are cut to this many tokens, special tokens included."""
    vocab_size: int = Field(49408, ge=1)
    """Tokens in the vocabulary."""
    hf_tokenizer_name: str | None = None
    """Whose tokenizer the folder's is; none: CLIP's."""
    tokenizer_mode: str | None = None
    """How a tokenizer is called; another way is not read."""
    tokenizer_kwargs: TokenizerConfig | None = None
    """What is done to texts."""
    width: int = Field(512, ge=1)
    """Width of the tower."""
    heads: int = Field(8, ge=1)
    """Attention heads."""
    layers: int = Field(12, ge=1)
    """Transformer blocks."""
    embed_cls: bool = False
    """CoCa's class token: not supported."""
    pad_id: int = 0
    """Of CoCa's mask."""
    eos_id: int = 2
    """The end mark, where `pool_type` is "eos"."""
    no_causal_mask: bool = False
    """Whether a piece attends to later ones, too."""
    final_ln_after_pool: bool = False
    """Has no effect: pooling picks one position, so the order of norm and pooling is irrelevant."""
    pool_type: Literal["first", "last", "argmax", "eos"] = "argmax"
    """Which position is pooled."""
    proj_bias: bool = False
    """Whether the projection has a bias."""
    proj_type: Literal["linear", "none"] = "linear"
    """Projection to the shared space."""
    hf_model_name: str | None = None
    """A text tower of transformers: not supported."""
    hf_model_pretrained: bool = True
    """For training only."""
    hf_proj_type: str | None = None
    """Of text towers of transformers."""
    hf_pooler_type: str | None = None
    """Of text towers of transformers."""

    @property
    def fixed_length(self) -> bool:
        """Whether all texts have to be padded to full length: padding is attended to, or pooled."""
        return self.no_causal_mask or self.pool_type == "last"

    def shape(self, dim: int, *, quick_gelu: bool) -> TextShape:
        return TextShape(
            self.size(self.width, self.layers, self.heads, quick_gelu=quick_gelu),
            vocabulary=self.vocab_size,
            positions=self.context_length,
            dim=dim,
            pool=self.pool_type,
            eos_id=self.eos_id,
            causal=not self.no_causal_mask,
            head_bias=None if self.proj_type == "none" else self.proj_bias,
        )


class ModelConfig(Table):
    """``model_cfg``."""

    embed_dim: int = Field(ge=1)
    """Width D of the shared space."""
    vision_cfg: VisionConfig
    """The picture tower."""
    text_cfg: TextConfig
    """The text tower."""
    quick_gelu: bool = False
    """Whether the activation is OpenAI's approximation."""
    custom_text: bool = False
    """Where the text tower stands in the state dict; both are read."""
    init_logit_scale: float | None = None
    """For training only."""
    init_logit_bias: float | None = None
    """For training only."""
    nonscalar_logit_scale: bool = False
    """For training only."""

    @property
    def vision(self) -> VisionShape:
        return self.vision_cfg.shape(self.embed_dim, quick_gelu=self.quick_gelu)

    @property
    def text(self) -> TextShape:
        return self.text_cfg.shape(self.embed_dim, quick_gelu=self.quick_gelu)


class PreprocessConfig(Table):
    """``preprocess_cfg``."""

    size: int | tuple[int, ...] | None = None
    """Side of the square that the tower sees: that of `vision_cfg`."""
    mode: Literal["RGB"] = "RGB"
    """Channels."""
    mean: float | Channels | None = None
    """Subtracted from red, green and blue, in units of 0 to 1."""
    std: float | Channels | None = None
    """What they are then divided by."""
    interpolation: Literal["bicubic", "bilinear", "random"] | None = None
    """Filter of the resizing; "random" is bicubic outside training."""
    resize_mode: Literal["shortest", "squash", "longest"] | None = None
    """How a picture becomes a square: its centre, all of it stretched, or all of it padded."""
    fill_color: int = Field(0, ge=0, le=0)
    """Of padding: black."""

    @property
    def channels(self) -> tuple[Channels, Channels]:
        """Mean and std of red, green and blue."""
        return _three(self.mean, MEAN), _three(self.std, STD)

    def preprocess(self, size: int, padding: str | None) -> Preprocess:
        """For an input of ``size`` pixels; ``padding`` is the file's if None."""
        mean, std = self.channels
        return Preprocess(
            size=size,
            mean=mean,
            std=std,
            padding=padding or PADDINGS[self.resize_mode or "shortest"],
            resample="bilinear" if self.interpolation == "bilinear" else "bicubic",
        )


def _three(given: float | Channels | None, usual: Channels) -> Channels:
    if given is None:
        return usual
    return given if isinstance(given, tuple) else (given, given, given)


class OpenClipConfig(Table):
    """The whole file."""

    model_cfg: ModelConfig
    """What the towers are made of."""
    preprocess_cfg: PreprocessConfig = PreprocessConfig()
    """What is done to a picture first."""

    @classmethod
    def read(cls, values: Mapping[str, Any], name: str) -> Self:
        """The file of the checkpoint ``name``. ModelError names a key that can't be read."""
        said = {key: value for key, value in values.items() if key in cls.model_fields}
        try:
            read = read_table(cls, said)
            _ = read.model_cfg.vision, read.model_cfg.text
        except Wrong as error:
            where = ".".join(map(str, error.place[:-1]))
            raise ModelError(f"{FILE} of {name}: in {where}, {error}", hint=error.hint) from error
        except ModelError as error:
            raise ModelError(f"{FILE} of {name}: {error}", hint=error.hint) from error
        return read
