"""learning/fusion: what every fusion promises, and the published Combiner."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from samebut.errors import RecipeError
from samebut.learning.encoders import Features
from samebut.learning.fusion import FUSIONS, make_fusion
from samebut.learning.fusion.combiner import Combiner

DIM = 16


def features(count: int, length: int, seed: int) -> Features:
    torch.manual_seed(seed)
    mask = torch.ones(count, length, dtype=torch.bool)
    mask[:, length - 2 :] = False
    tokens = torch.randn(count, length, DIM)
    return Features(torch.randn(count, DIM), tokens, mask)


@pytest.fixture(params=FUSIONS)
def fusion(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(1)
    return make_fusion(request.param, DIM).eval()


IMAGE, TEXT = features(4, 9, 2), features(4, 7, 3)


def test_shapes(fusion: nn.Module) -> None:
    assert fusion(IMAGE, TEXT).shape == (4, DIM)
    gate = fusion.gate(IMAGE, TEXT)
    assert gate.shape == (4,)
    assert ((gate >= 0) & (gate <= 1)).all()


def test_a_batch_of_one_is_its_row(fusion: nn.Module) -> None:
    whole = fusion(IMAGE, TEXT)
    for row in range(4):
        one = slice(row, row + 1)
        torch.testing.assert_close(fusion(IMAGE[one], TEXT[one]), whole[one])


def test_padding_is_never_read(fusion: nn.Module) -> None:
    def spoiled(given: Features) -> Features:
        tokens = given.tokens.masked_fill(~given.mask.unsqueeze(-1), 1e3)
        return Features(given.pooled, tokens, given.mask)

    torch.testing.assert_close(fusion(spoiled(IMAGE), spoiled(TEXT)), fusion(IMAGE, TEXT))


def test_both_sides_matter(fusion: nn.Module) -> None:
    whole = fusion(IMAGE, TEXT)
    assert (fusion(IMAGE[torch.tensor([1, 2, 3, 0])], TEXT) - whole).abs().max() > 1e-3
    assert (fusion(IMAGE, TEXT[torch.tensor([1, 2, 3, 0])]) - whole).abs().max() > 1e-3


def test_saving_is_exact(fusion: nn.Module, tmp_path: Path) -> None:
    save_file(fusion.state_dict(), tmp_path / "fusion.safetensors")
    (name,) = (name for name, kind in FUSIONS.items() if isinstance(fusion, kind))
    again = make_fusion(name, DIM).eval()
    again.load_state_dict(load_file(tmp_path / "fusion.safetensors"), strict=True)
    assert torch.equal(again(IMAGE, TEXT), fusion(IMAGE, TEXT))


def test_gradients_reach_every_parameter_and_both_sides(fusion: nn.Module) -> None:
    sides = [side.pooled.clone().requires_grad_() for side in (IMAGE, TEXT)]
    image, text = (
        Features(pooled, side.tokens, side.mask)
        for pooled, side in zip(sides, (IMAGE, TEXT), strict=True)
    )
    fusion(image, text).square().sum().backward()
    named = [*fusion.named_parameters(), ("image", sides[0]), ("text", sides[1])]
    for name, parameter in named:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_published_combiner_has_59_003_521_parameters() -> None:
    with torch.device("meta"):
        combiner = Combiner(640)
    assert sum(p.numel() for p in combiner.parameters()) == 59_003_521


def test_the_combiner_by_its_formula() -> None:
    torch.manual_seed(0)
    combiner = Combiner(DIM, projection=8, hidden=12).eval()

    def linear(layer: nn.Module, x: Tensor) -> Tensor:
        return x @ layer.weight.T + layer.bias

    t = linear(combiner.text_projection, TEXT.pooled).clamp(min=0)
    i = linear(combiner.image_projection, IMAGE.pooled).clamp(min=0)
    x = torch.cat((t, i), 1)
    v = linear(combiner.correction[3], linear(combiner.correction[0], x).clamp(min=0))
    g = torch.sigmoid(
        linear(combiner.gate_logit[3], linear(combiner.gate_logit[0], x).clamp(min=0))
    )
    expected = v + g * TEXT.pooled + (1 - g) * IMAGE.pooled
    torch.testing.assert_close(combiner(IMAGE, TEXT), expected)
    torch.testing.assert_close(combiner.gate(IMAGE, TEXT), g[:, 0])


def test_dropout_is_the_published_one() -> None:
    rates = [m.p for m in Combiner(DIM).modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.5] * 3  # one of them is used for both projections


def test_an_unknown_fusion_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="'summ'") as error:
        make_fusion("summ", DIM)
    assert "combiner" in error.value.hint
