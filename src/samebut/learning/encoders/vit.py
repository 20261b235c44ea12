"""Transformer towers for pictures and texts, with the weight names of OpenCLIP.

Attention, blocks and their order of norms are those of CLIP (Radford et al. 2021) as
mlfoundations/open_clip names them (`transformer.py`), so that a state dict is read by name.
Projections are linear layers here, matrices there: ``open_clip_weights.py`` transposes them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["gelu", "gelu_tanh", "quick_gelu"]


class QuickGelu(nn.Module):
    """The sigmoid approximation of GELU that OpenAI's CLIP was trained with."""

    def forward(self, values: Tensor) -> Tensor:
        return values * torch.sigmoid(1.702 * values)


ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "quick_gelu": QuickGelu,
}


@dataclass(frozen=True)
class TowerSize:
    """Shape of a stack of blocks: ``width`` W, blocks, heads, width of the MLP inside a block.

    ``layer_scale``: each branch of a block has a learned factor per channel. ``eps`` is that of
    the layer norms.
    """

    width: int
    layers: int
    heads: int
    mlp_width: int
    activation: Activation = "gelu"
    layer_scale: bool = False
    eps: float = 1e-5


@dataclass(frozen=True)
class VisionShape:
    """What ``VisionTower`` is made of; sides in pixels.

    ``grid`` is the number of patches along a side. ``pool``: the class token, the mean of the
    patches, or attention of a learned probe over them. ``norm_after_pool``: the mean is normed,
    not the patches. ``head_bias``: None if nothing is projected.
    """

    size: TowerSize
    grid: int
    patch: int
    dim: int
    pool: Literal["tok", "avg", "map"] = "tok"
    class_token: bool = True
    norm_before: bool = True
    norm_after_pool: bool = False
    patch_bias: bool = False
    head_bias: bool | None = False


@dataclass(frozen=True)
class TextShape:
    """What ``TransformerTextTower`` is made of. ``pool``: the position whose output is the text's;
    "argmax" is the highest id, which is CLIP's end mark, "eos" the first of ``eos_id``."""

    size: TowerSize
    vocabulary: int
    positions: int
    dim: int
    pool: Literal["first", "last", "argmax", "eos"] = "argmax"
    eos_id: int = 2
    causal: bool = True
    head_bias: bool | None = False


class SelfAttention(nn.Module):
    """Self-attention; weights named as in torch's ``MultiheadAttention``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * width**-0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """``values (B, L, W)``; ``mask (L, L)`` is added to the attention logits."""
        rows, length, width = values.shape
        mixed = functional.linear(values, self.in_proj_weight, self.in_proj_bias)
        query, key, value = mixed.reshape(rows, length, 3, self.heads, width // self.heads).permute(
            2, 0, 3, 1, 4
        )
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        out: Tensor = self.out_proj(found.transpose(1, 2).reshape(rows, length, width))
        return out


class LayerScale(nn.Module):
    """A learned factor per channel (Touvron et al. 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-4))

    def forward(self, values: Tensor) -> Tensor:
        return values * self.gamma


class Block(nn.Module):
    """Attention, then an MLP, each normed before and added to what came in."""

    def __init__(self, size: TowerSize) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(size.width, eps=size.eps)
        self.attn = SelfAttention(size.width, size.heads)
        self.ls_1 = LayerScale(size.width) if size.layer_scale else nn.Identity()
        self.ln_2 = nn.LayerNorm(size.width, eps=size.eps)
        self.mlp = mlp(size)
        self.ls_2 = LayerScale(size.width) if size.layer_scale else nn.Identity()

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        values = values + self.ls_1(self.attn(self.ln_1(values), mask))
        out: Tensor = values + self.ls_2(self.mlp(self.ln_2(values)))
        return out


def mlp(size: TowerSize) -> nn.Sequential:
    """Two linear layers with the tower's activation between them."""
    layers = OrderedDict(
        c_fc=nn.Linear(size.width, size.mlp_width),
        gelu=ACTIVATIONS[size.activation](),
        c_proj=nn.Linear(size.mlp_width, size.width),
    )
    return nn.Sequential(layers)


class Transformer(nn.Module):
    """Blocks one after the other."""

    def __init__(self, size: TowerSize) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(size) for _ in range(size.layers))

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            values = block(values, mask)
        return values


class ProbePool(nn.Module):
    """Attention of one learned probe over the patches, and an MLP (SigLIP's head)."""

    def __init__(self, size: TowerSize) -> None:
        super().__init__()
        width = size.width
        self.heads = size.heads
        self.latent = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=size.eps)
        self.mlp = mlp(size)

    def forward(self, patches: Tensor) -> Tensor:
        """``(B, L, W) -> (B, W)``."""
        rows, length, width = patches.shape
        query = self.q(self.latent).reshape(1, 1, self.heads, -1).transpose(1, 2)
        key, value = (
            self.kv(patches).reshape(rows, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        )
        query = query.expand(rows, -1, -1, -1)
        found = functional.scaled_dot_product_attention(query, key, value)
        return self._behind(found.transpose(1, 2).reshape(rows, width))

    def alone(self, patches: Tensor) -> Tensor:
        """What the head makes of a picture that is this one patch: it gets all the attention."""
        return self._behind(self.kv(patches).chunk(2, dim=-1)[1])

    def _behind(self, attended: Tensor) -> Tensor:
        attended = self.proj(attended)
        out: Tensor = attended + self.mlp(self.norm(attended))
        return out


class VisionTower(nn.Module):
    """Pictures to the shared space, whole and by patch."""

    def __init__(self, shape: VisionShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.size.width
        extra = int(shape.class_token)
        self.conv1 = nn.Conv2d(3, width, shape.patch, shape.patch, bias=shape.patch_bias)
        if shape.class_token:
            self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positional_embedding = nn.Parameter(
            torch.randn(shape.grid**2 + extra, width) * width**-0.5
        )
        norm = partial(nn.LayerNorm, width, eps=shape.size.eps)
        self.ln_pre = norm() if shape.norm_before else nn.Identity()
        self.transformer = Transformer(shape.size)
        self.ln_post = norm()
        self.attn_pool = ProbePool(shape.size) if shape.pool == "map" else None
        self.project = projection(width, shape.dim, shape.head_bias)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """``pixels (B, 3, S, S)`` to pooled ``(B, D)`` and patches ``(B, P, D)``, row-major."""
        grid = self.conv1(pixels)
        values = grid.flatten(2).transpose(1, 2)
        if self.shape.class_token:
            first = self.class_embedding.expand(values.shape[0], 1, -1)
            values = torch.cat([first, values], dim=1)
        values = self.ln_pre(values + self._positions(grid.shape[-1]))
        pooled, patches = self._pool(self.transformer(values))
        return self.project(pooled), self.project(patches)

    def _pool(self, values: Tensor) -> tuple[Tensor, Tensor]:
        normed = self.ln_post(values)
        patches = normed[:, int(self.shape.class_token) :]
        if self.attn_pool is not None:
            return self.attn_pool(patches), self.attn_pool.alone(patches)
        if self.shape.pool == "tok":
            return normed[:, 0], patches
        if self.shape.norm_after_pool:
            mean = values[:, int(self.shape.class_token) :].mean(1)
            return self.ln_post(mean), patches
        return patches.mean(1), patches

    def _positions(self, grid: int) -> Tensor:
        """Position embeddings ``(1 + grid * grid, W)``, resampled where ``grid`` is another."""
        if grid == self.shape.grid:
            return self.positional_embedding
        extra = int(self.shape.class_token)
        own = self.positional_embedding[extra:].unflatten(0, (self.shape.grid, self.shape.grid))
        weights = torch.tensor(_resampling(self.shape.grid, grid), dtype=own.dtype)
        weights = weights.to(own.device)
        made = torch.einsum("ih,jw,hwc->ijc", weights, weights, own).flatten(0, 1)
        return torch.cat([self.positional_embedding[:extra], made])


def _resampling(old: int, new: int) -> list[list[float]]:
    """Weights ``(new, old)`` of bicubic resampling with antialiasing (Keys 1981, a = -0.5), which
    OpenCLIP and timm do to position embeddings. Plain numbers: a graph has no operator for it."""
    scale = old / new
    stretch = max(scale, 1.0)
    rows = []
    for place in range(new):
        centre = (place + 0.5) * scale
        values = [_cubic((pixel + 0.5 - centre) / stretch) for pixel in range(old)]
        rows.append([value / sum(values) for value in values])
    return rows


def _cubic(distance: float) -> float:
    near = abs(distance)
    if near < 1:
        return (1.5 * near - 2.5) * near * near + 1
    return ((2.5 - 0.5 * near) * near - 4) * near + 2 if near < 2 else 0.0


class TransformerTextTower(nn.Module):
    """Word pieces to the shared space."""

    def __init__(self, shape: TextShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.size.width
        self.token_embedding = nn.Embedding(shape.vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.randn(shape.positions, width) * 0.01)
        self.transformer = Transformer(shape.size)
        self.ln_final = nn.LayerNorm(width, eps=shape.size.eps)
        self.project = projection(width, shape.dim, shape.head_bias)
        mask = torch.full((shape.positions, shape.positions), float("-inf")).triu(1)
        self.register_buffer("causal_mask", mask if shape.causal else None, persistent=False)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """``ids (B, T)`` to pooled ``(B, D)`` and pieces ``(B, T, D)``."""
        length = ids.shape[1]
        values = self.token_embedding(ids) + self.positional_embedding[:length]
        mask = self.causal_mask
        values = self.transformer(values, None if mask is None else mask[:length, :length])
        tokens = self.project(self.ln_final(values))
        return self._pool(tokens, ids), tokens

    def _pool(self, tokens: Tensor, ids: Tensor) -> Tensor:
        if self.shape.pool == "first":
            return tokens[:, 0]
        if self.shape.pool == "last":
            return tokens[:, -1]
        marks = ids if self.shape.pool == "argmax" else (ids == self.shape.eos_id).int()
        return tokens[torch.arange(ids.shape[0], device=ids.device), marks.argmax(1)]


def projection(width: int, dim: int, bias: bool | None) -> nn.Module:
    """A linear map to the shared space; none if ``bias`` is None, where both widths are one."""
    return nn.Identity() if bias is None else nn.Linear(width, dim, bias=bias)
