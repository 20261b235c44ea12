"""Tiny checkpoints in OpenCLIP's real format: random weights by name, tokenizers built here.

`tests/golden/make_open_clip.py` lets open_clip itself read the same folders; what it made of them
is in `tests/golden/open_clip.json`.
"""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor

TINY = (32, 2, 4, 64)
"""Width, blocks, heads and MLP that a tower of timm has here, whatever its name says."""
TEXTS = [
    "in blue",
    "",
    "A Red_dress — with “curly” quotes, isn’t it?  &amp; more",
    "换成红色，有条纹的！",
    "re blue red red blue, and much, much longer than the others so that it has to be cut off" * 2,
]

_TOWER = {"width": 32, "layers": 2}
_TEXT = {**_TOWER, "width": 24, "heads": 4}
_VISION = {**_TOWER, "image_size": 32, "patch_size": 8, "head_width": 8}
_TIMM = {"timm_model_pretrained": False, "timm_pool": "map", "image_size": 64}
_HALF = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"}
_SIGLIP_TEXT = {
    **_TEXT, "width": 32, "context_length": 16, "no_causal_mask": True, "proj_bias": True,
    "pool_type": "last", "tokenizer_kwargs": {"clean": "canonicalize"},
}  # fmt: skip

CONFIGS: dict[str, dict[str, Any]] = {
    # Marqo-FashionCLIP, LAION's ViT-B-16, and OpenAI's with quick_gelu.
    "clip": {
        "model_cfg": {
            "embed_dim": 16, "quick_gelu": True, "vision_cfg": dict(_VISION),
            "text_cfg": dict(_TEXT),
        },
        "preprocess_cfg": {},
    },
    # CLIPA: mean of the patches, BERT's pieces without its end mark, no mask; and layer scale.
    "clipa": {
        "model_cfg": {
            "embed_dim": 16,
            "vision_cfg": {
                **_VISION, "no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True,
                "ls_init_value": 0.1, "pos_embed_type": "sin_cos_2d", "mlp_ratio": 2.5,
            },
            "text_cfg": {
                **_TEXT, "context_length": 12, "hf_tokenizer_name": "bert-base-uncased",
                "tokenizer_kwargs": {"strip_sep_token": True}, "pool_type": "last",
                "no_causal_mask": True, "mlp_ratio": 2.0,
            },
        },
        "preprocess_cfg": {**_HALF, "interpolation": "bilinear", "resize_mode": "longest"},
    },
    # MetaCLIP 2 (worldwide): XLM-V's pieces, and the first of its end marks.
    "worldwide": {
        "model_cfg": {
            "embed_dim": 16, "custom_text": True,
            "vision_cfg": {**_VISION, "pool_type": "avg"},
            "text_cfg": {
                **_TEXT, "context_length": 20, "hf_tokenizer_name": "facebook/xlm-v-base",
                "pool_type": "eos", "eos_id": 2, "act_kwargs": {"approximate": "tanh"},
            },
        },
        "preprocess_cfg": {"resize_mode": "shortest"},
    },
    # Marqo-FashionSigLIP: SigLIP ViT-B-16 of timm, T5's pieces.
    "siglip": {
        "model_cfg": {
            "embed_dim": 32, "init_logit_bias": -10, "custom_text": True,
            "vision_cfg": {
                **_TIMM, "timm_model_name": "vit_base_patch16_siglip_224", "timm_proj": "none",
            },
            "text_cfg": {
                **_SIGLIP_TEXT, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
                "norm_kwargs": {"eps": 1e-06},
            },
        },
        "preprocess_cfg": {**_HALF, "resize_mode": "squash"},
    },
    # SigLIP 2: Gemma's pieces, GELU's other approximation.
    "siglip2": {
        "model_cfg": {
            "embed_dim": 16, "init_logit_bias": -10, "custom_text": True,
            "vision_cfg": {
                **_TIMM, "timm_model_name": "vit_base_patch32_siglip_256", "image_size": 128,
                "timm_proj": "linear",
            },
            "text_cfg": {
                **_SIGLIP_TEXT, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP2",
                "norm_kwargs": {"eps": 1e-06}, "act_kwargs": {"approximate": "tanh"},
            },
        },
        "preprocess_cfg": {**_HALF, "resize_mode": "squash"},
    },
}  # fmt: skip


def write(case: str, folder: Path) -> Path:
    """The checkpoint of a case, as `hf download` would leave it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.deepcopy(CONFIGS[case])
    config["model_cfg"]["text_cfg"]["vocab_size"] = TOKENIZERS[case](folder)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(state(config["model_cfg"]), folder / "open_clip_model.safetensors")
    return folder


def state(config: dict[str, Any]) -> dict[str, Tensor]:
    """A state dict as OpenCLIP names it, each weight drawn by its own name."""
    return {name: _drawn(name, shape) for name, shape in _shapes(config)}


def _drawn(name: str, shape: tuple[int, ...]) -> Tensor:
    rng = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    noise = torch.randn(shape, generator=rng)
    if name.endswith(("gamma", "ln_pre.weight", "norm.weight", "norm1.weight", "norm2.weight")):
        return 1 + 0.1 * noise
    if ".ln_" in f".{name}" and name.endswith("weight"):
        return 1 + 0.1 * noise
    if len(shape) < 2:
        return 0.1 * noise
    scale = 0.5 if "embed" in name or "latent" in name else float(noise[0].numel()) ** -0.5
    return noise * scale


def _shapes(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    dim, vision, text = config["embed_dim"], config["vision_cfg"], config["text_cfg"]
    yield "logit_scale", ()
    if "init_logit_bias" in config:
        yield "logit_bias", ()
    if "timm_model_name" in vision:
        yield from _timm(vision, dim)
    else:
        yield from _vision(vision, dim)
    yield from _text(text, dim, "text." if config.get("custom_text") else "")


def _vision(config: dict[str, Any], dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, patch = config["width"], config["patch_size"]
    yield "visual.class_embedding", (width,)
    yield "visual.positional_embedding", ((config["image_size"] // patch) ** 2 + 1, width)
    yield "visual.conv1.weight", (width, 3, patch, patch)
    for norm in ("ln_post",) if config.get("no_ln_pre") else ("ln_pre", "ln_post"):
        yield from _affine(f"visual.{norm}", width)
    yield from _blocks("visual.", config)
    yield "visual.proj", (width, dim)


def _text(config: dict[str, Any], dim: int, at: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    width = config["width"]
    yield f"{at}token_embedding.weight", (config["vocab_size"], width)
    yield f"{at}positional_embedding", (config.get("context_length", 77), width)
    yield from _affine(f"{at}ln_final", width)
    yield from _blocks(at, config)
    if config.get("proj_bias"):
        yield f"{at}text_projection.weight", (dim, width)
        yield f"{at}text_projection.bias", (dim,)
    else:
        yield f"{at}text_projection", (width, dim)


def _blocks(at: str, config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, inner = config["width"], int(config["width"] * config.get("mlp_ratio", 4.0))
    for number in range(config["layers"]):
        block = f"{at}transformer.resblocks.{number}"
        yield f"{block}.attn.in_proj_weight", (3 * width, width)
        yield f"{block}.attn.in_proj_bias", (3 * width,)
        yield from _linear(f"{block}.attn.out_proj", width, width)
        yield from _linear(f"{block}.mlp.c_fc", width, inner)
        yield from _linear(f"{block}.mlp.c_proj", inner, width)
        for norm in ("ln_1", "ln_2"):
            yield from _affine(f"{block}.{norm}", width)
        if "ls_init_value" in config:
            yield f"{block}.ls_1.gamma", (width,)
            yield f"{block}.ls_2.gamma", (width,)


def _timm(config: dict[str, Any], dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, layers, _, inner = TINY
    patch = int(config["timm_model_name"].split("patch")[1].split("_")[0])
    at = "visual.trunk"
    yield f"{at}.pos_embed", (1, (config["image_size"] // patch) ** 2, width)
    yield f"{at}.patch_embed.proj.weight", (width, 3, patch, patch)
    yield f"{at}.patch_embed.proj.bias", (width,)
    for number in range(layers):
        block = f"{at}.blocks.{number}"
        yield from _linear(f"{block}.attn.qkv", width, 3 * width)
        yield from _linear(f"{block}.attn.proj", width, width)
        yield from _affine(f"{block}.norm1", width)
        yield from _affine(f"{block}.norm2", width)
        yield from _linear(f"{block}.mlp.fc1", width, inner)
        yield from _linear(f"{block}.mlp.fc2", inner, width)
    yield from _affine(f"{at}.norm", width)
    pool = f"{at}.attn_pool"
    yield f"{pool}.latent", (1, 1, width)
    yield from _linear(f"{pool}.q", width, width)
    yield from _linear(f"{pool}.kv", width, 2 * width)
    yield from _linear(f"{pool}.proj", width, width)
    yield from _affine(f"{pool}.norm", width)
    yield from _linear(f"{pool}.mlp.fc1", width, inner)
    yield from _linear(f"{pool}.mlp.fc2", inner, width)
    if config["timm_proj"] == "linear":
        yield "visual.head.proj.weight", (dim, width)


def _linear(at: str, inner: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{at}.weight", (out, inner)
    yield f"{at}.bias", (out,)


def _affine(at: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{at}.weight", (width,)
    yield f"{at}.bias", (width,)


# Tokenizers: each writes its files and says how many pieces there are.


def _clip_pieces(folder: Path) -> int:
    """OpenCLIP's own file, with four merges where its own has 48,894."""
    merges = ["b l", "r e", "re d</w>", "bl u"]
    text = "\n".join(["#version: 0.2", *merges])  # no line end: OpenCLIP would count it
    (folder / "bpe_simple_vocab_16e6.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return 2 * 256 + len(merges) + 2


def _bert(folder: Path) -> int:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "in", "blue", "red", "with"]
    pieces += ["'", '"', ",", "!", "?", "&", *"红色条纹", *"abcdefghijklmnopqrstuvwxyz"]
    pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=marks
    )
    return _saved(tokenizer, folder, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], {
        "tokenizer_class": "BertTokenizer", "pad_token": "[PAD]", "sep_token": "[SEP]",
        "cls_token": "[CLS]", "unk_token": "[UNK]", "mask_token": "[MASK]",
    })  # fmt: skip


_LETTERS = [*map(chr, range(33, 127)), *"换成红色有条纹的—“”’，！"]


def write_xlm(folder: Path) -> int:
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    words = ["▁", "▁in", "▁blue", "▁red", "红色", *_LETTERS]
    pieces = [(piece, 0.0) for piece in marks]
    pieces += [(piece, -1.0 - number / 8) for number, piece in enumerate(words)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    ends = [("<s>", 0), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=ends
    )
    return _saved(tokenizer, folder, marks, {
        "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "</s>",
        "bos_token": "<s>", "unk_token": "<unk>",
    })  # fmt: skip


def _t5(folder: Path) -> int:
    marks = ["<pad>", "</s>", "<unk>"]
    words = ["▁", "▁in", "▁blue", "▁red", "红色", *_LETTERS]
    pieces = [(piece, 0.0) for piece in marks]
    pieces += [(piece, -1.0 - number / 8) for number, piece in enumerate(words)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return _saved(tokenizer, folder, marks, {
        "tokenizer_class": "T5Tokenizer", "pad_token": "</s>", "eos_token": "</s>",
        "unk_token": "<unk>", "extra_ids": 0, "legacy": False,
    })  # fmt: skip


def _gemma(folder: Path) -> int:
    marks = ["<pad>", "<eos>", "<bos>", "<unk>"]
    pieces = [*marks, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *_LETTERS]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    return _saved(tokenizer, folder, marks, {
        "tokenizer_class": "GemmaTokenizer", "add_bos_token": False, "add_eos_token": True,
        "pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>",
        "padding_side": "right",
    })  # fmt: skip


def _saved(tokenizer: Tokenizer, folder: Path, marks: list[str], said: dict[str, Any]) -> int:
    tokenizer.add_special_tokens(marks)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return tokenizer.get_vocab_size()


TOKENIZERS = {
    "clip": _clip_pieces, "clipa": _bert, "worldwide": write_xlm, "siglip": _t5, "siglip2": _gemma,
}  # fmt: skip
