"""What OpenCLIP itself makes of the checkpoints of `tests/learning/open_clip_checkpoints.py`.

    pip install open_clip_torch==3.3.0 timm==1.0.31 torchvision transformers
    PYTHONPATH=tests/learning python tests/golden/make_open_clip.py

writes `tests/golden/open_clip.json`: features of pictures and texts, ids of the texts, pixels, and
the sizes of timm's SigLIP towers. Nothing else of samebut's tests needs these packages.
"""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import open_clip_checkpoints as checkpoints
import timm
import torch
from open_clip.factory import get_tokenizer
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from timm.models import _registry

OUT = Path(__file__).with_name("open_clip.json")


def shrunk(name: str, size: int) -> None:
    """Let timm build the tower ``name`` as small as the checkpoints have it."""
    width, layers, heads, inner = checkpoints.TINY
    made = _registry._model_entrypoints[name]
    small = {"embed_dim": width, "depth": layers, "num_heads": heads, "mlp_ratio": inner / width}
    _registry._model_entrypoints[name] = partial(made, img_size=size, **small)


def sizes() -> dict[str, list[Any]]:
    """name -> width, blocks, heads, MLP, patch, activation, eps, as timm builds them."""
    found = {}
    for name in timm.list_models("vit_*_siglip_*"):
        if "gap" in name or "naflex" in name:
            continue
        with torch.device("meta"):
            tower = timm.create_model(name, num_classes=0)
        block = tower.blocks[0]
        tanh = getattr(block.mlp.act, "approximate", "none") == "tanh"
        tanh = tanh or "Tanh" in type(block.mlp.act).__name__
        patch, _ = tower.patch_embed.patch_size
        found[name] = [
            tower.embed_dim, len(tower.blocks), block.attn.num_heads, block.mlp.fc1.out_features,
            patch, "gelu_tanh" if tanh else "gelu", block.norm1.eps,
        ]  # fmt: skip
    return found


def drawn_pixels(size: int) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(6))


def drawn_picture() -> Image.Image:
    """Smooth in both directions, wide, an even number of pixels to cut."""
    across, down = np.linspace(0, 1, 90), np.linspace(0, 1, 60)[:, None]
    waves = [np.sin(9 * across + 4 * down), np.cos(7 * down * across), across - down]
    pixels = np.stack([np.broadcast_to(127 + 120 * wave, (60, 90)) for wave in waves], axis=-1)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def tokenizer_of(folder: Path) -> Any:
    """OpenCLIP's, which beside no tokenizer.json is CLIP's; of the tiny vocabulary, then."""
    merges = folder / "bpe_simple_vocab_16e6.txt.gz"
    if merges.is_file():
        return SimpleTokenizer(str(merges))
    return get_tokenizer(f"local-dir:{folder}")


@torch.inference_mode()
def golden(case: str, folder: Path) -> dict[str, Any]:
    checkpoints.write(case, folder)
    model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    vision = checkpoints.CONFIGS[case]["model_cfg"]["vision_cfg"]
    ids = tokenizer_of(folder)(checkpoints.TEXTS)
    pixels = prepare(drawn_picture())
    larger, _, _ = open_clip.create_model_and_transforms(
        f"local-dir:{folder}", force_image_size=2 * vision["image_size"]
    ) if "timm_model_name" not in vision else (None, None, None)  # fmt: skip
    said = {
        "ids": ids.tolist(),
        "image": rounded(model.encode_image(drawn_pixels(vision["image_size"]))),
        "text": rounded(model.encode_text(ids)),
        "pixels": rounded(pixels[:, ::9, ::9]),
    }
    if larger is not None:
        image = larger.eval().encode_image(drawn_pixels(2 * vision["image_size"]))
        said["image_twice_as_large"] = rounded(image)
    return said


def rounded(values: torch.Tensor) -> Any:
    return np.round(values.numpy().astype(float), 5).tolist()


def main() -> None:
    towers = sizes()
    for config in checkpoints.CONFIGS.values():
        vision = config["model_cfg"]["vision_cfg"]
        if "timm_model_name" in vision:
            shrunk(vision["timm_model_name"], vision["image_size"])
    with tempfile.TemporaryDirectory() as made:
        cases = {case: golden(case, Path(made) / case) for case in checkpoints.CONFIGS}
    versions = {"open_clip_torch": open_clip.__version__, "timm": timm.__version__}
    whole = {"made with": versions, "timm": towers, "cases": cases}
    OUT.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
