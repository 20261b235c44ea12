"""Tiny checkpoints in the hub's real formats, random weights, tokenizers built here: no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import open_clip_checkpoints
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    BertTokenizer,
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    MetaClip2Config,
    MetaClip2Model,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import (
    ChineseCLIPImageProcessorPil,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

SIZE, PATCH, DIM = 32, 8, 16
PROCESSORS = {
    "clip": CLIPImageProcessorPil,
    "metaclip_2": CLIPImageProcessorPil,
    "siglip": SiglipImageProcessorPil,
    "chinese_clip": ChineseCLIPImageProcessorPil,
}
_TOWER = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip
_VISION = {**_TOWER, "image_size": SIZE, "patch_size": PATCH}


def trained(network: torch.nn.Module) -> Any:
    """Weights as large as trained ones: at the first ones everything looks alike."""
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            noise = torch.randn(weight.shape, generator=rng)
            if weight.ndim > 1:
                scale = 0.5 if "embedding" in name else weight[0].numel() ** -0.5
                weight.copy_(noise * scale)
            else:
                weight += 0.1 * noise
    return network.eval()


def clip(folder: Path) -> Path:
    """CLIP: byte-level BPE whose words end in ``</w>``, texts of 77 pieces."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "bl", "re", "red</w>"]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    merges = [("b", "l"), ("r", "e"), ("re", "d</w>")]
    CLIPTokenizer(vocab=vocabulary, merges=merges).save_pretrained(folder)
    end = vocabulary["<|endoftext|>"]
    text = {
        **_TOWER, "hidden_size": 24, "vocab_size": len(pieces), "max_position_embeddings": 77,
        "bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end,
    }  # fmt: skip
    config = CLIPConfig(text_config=text, vision_config=_VISION, projection_dim=DIM)
    trained(CLIPModel(config)).save_pretrained(folder)
    size = {"shortest_edge": SIZE}
    CLIPImageProcessorPil(size=size, crop_size=SIZE).save_pretrained(folder)
    return folder


def bge_vl(folder: Path) -> Path:
    """CLIP as BAAI/BGE-VL-base describes itself: code of its own, which must not be run."""
    clip(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["architectures"] = ["CLIPModel"]
    config["auto_map"] = {"AutoModel": "modeling_MMRet_CLIP.CLIPModel"}
    path.write_text(json.dumps(config))
    (folder / "modeling_MMRet_CLIP.py").write_text("raise SystemExit('code of the hub was run')\n")
    (folder / "README.md").write_text("---\nlicense: mit\nlanguage:\n- en\n---\n# BGE-VL\n")
    return folder


def metaclip_2(folder: Path) -> Path:
    """Meta CLIP 2: XLM-V's marks around pieces of a unigram model."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = open_clip_checkpoints.write_xlm(folder)
    text = {
        **_TOWER, "hidden_size": 24, "vocab_size": pieces, "max_position_embeddings": 77,
        "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
    }  # fmt: skip
    config = MetaClip2Config(text_config=text, vision_config=_VISION, projection_dim=DIM)
    trained(MetaClip2Model(config)).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": SIZE}, crop_size=SIZE).save_pretrained(folder)
    return folder


def siglip(folder: Path) -> Path:
    """SigLIP 2: a Gemma tokenizer that keeps capitals, marks by switches, 64 positions."""
    folder.mkdir(parents=True, exist_ok=True)
    marks = ["<pad>", "<eos>", "<bos>", "<unk>"]
    pieces = [*marks, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *map(chr, range(33, 127))]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.add_special_tokens(marks)
    tokenizer.save(str(folder / "tokenizer.json"))
    said = {
        "tokenizer_class": "GemmaTokenizer", "add_bos_token": False, "add_eos_token": True,
        "pad_token": "<pad>",
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    text = {**_TOWER, "vocab_size": len(pieces), "max_position_embeddings": 64}
    config = SiglipConfig(text_config=text, vision_config=_VISION)
    trained(SiglipModel(config)).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    return folder


def chinese_clip(folder: Path) -> Path:
    """Chinese-CLIP: BERT's ``vocab.txt`` and no ``tokenizer.json``, as its authors publish it."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *"换成红蓝色的条纹",
        "in",
        "blue",
        "red",
    ]
    pieces += ["with", *(f"##{letter}" for letter in "abcdefgh"), *"abcdefgh"]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    said = {"tokenizer_class": "BertTokenizer", "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    text = {**_TOWER, "hidden_size": 24, "vocab_size": len(pieces)}
    config = ChineseCLIPConfig(text_config=text, vision_config=_VISION, projection_dim=DIM)
    trained(ChineseCLIPModel(config)).save_pretrained(folder)
    processor = ChineseCLIPImageProcessorPil(size={"shortest_edge": SIZE}, crop_size=SIZE)
    processor.save_pretrained(folder)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "clip": clip,
    "metaclip_2": metaclip_2,
    "siglip": siglip,
    "chinese_clip": chinese_clip,
    "open_clip": partial(open_clip_checkpoints.write, "clip"),
}
"""Row of ``ENCODERS`` -> what writes a checkpoint of its family into a folder."""


def tokenizer_of(kind: str, folder: Path) -> Any:
    """The library's own tokenizer of a checkpoint written here."""
    if kind == "clip":
        return CLIPTokenizer.from_pretrained(folder)
    if kind == "chinese_clip":
        return BertTokenizer.from_pretrained(folder)
    from transformers import PreTrainedTokenizerFast

    pad = {"pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **pad)
