"""learning/fusion: what every fusion promises, each by its formula, and docs/fusion.md."""

from __future__ import annotations

import inspect
import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from samebut.errors import ModelError, RecipeError
from samebut.learning.encoders.base import Features, masked_mean
from samebut.learning.fusion import FUSIONS, make_fusion
from samebut.learning.fusion.attention import Attention
from samebut.learning.fusion.base import Fusion
from samebut.learning.fusion.combiner import Combiner
from samebut.learning.fusion.cross_attention import CrossAttention
from samebut.learning.fusion.film import Film
from samebut.learning.fusion.maaf import Maaf
from samebut.learning.fusion.sum import Sum
from samebut.learning.fusion.tirg import Tirg

pytestmark = pytest.mark.usefixtures("quiet_torch")

DIM = 16
DOCS = Path(__file__).parents[2] / "docs"


def features(count: int, length: int, seed: int) -> Features:
    rng = torch.Generator().manual_seed(seed)
    mask = torch.ones(count, length, dtype=torch.bool)
    mask[:, length - 2 :] = False
    mask[0, length - 3] = False  # rows of several lengths
    pooled = torch.randn(count, DIM, generator=rng)
    return Features(pooled, torch.randn(count, length, DIM, generator=rng), mask)


IMAGE, TEXT = features(4, 9, 2), features(4, 7, 3)


def as_if_trained(fusion: Fusion) -> Fusion:
    """Every number moved: what starts at zero would hide what depends on it."""
    rng = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=rng)
        for name, buffer in fusion.named_buffers():
            if "running" in name:  # means, and variances, which stay positive
                buffer += torch.rand(buffer.shape, generator=rng)
    return fusion.eval()


def make(kind: type[Fusion]) -> Fusion:
    torch.manual_seed(1)
    return as_if_trained(kind(DIM))


# The contract: every check takes a class and fails if a fusion breaks its promise.


def promises_shapes(kind: type[Fusion], folder: Path) -> None:
    fusion = make(kind)
    assert fusion(IMAGE, TEXT).shape == (4, DIM)
    gate = fusion.gate(IMAGE, TEXT)
    assert gate.shape == (4,)
    assert ((gate >= 0) & (gate <= 1)).all()
    attention = fusion.attention(IMAGE, TEXT)
    assert attention is None or attention.shape == (4, 7, 9)


def promises_that_a_batch_of_one_is_its_row(kind: type[Fusion], folder: Path) -> None:
    fusion = make(kind)
    whole, gates, maps = (f(IMAGE, TEXT) for f in (fusion, fusion.gate, fusion.attention))
    for row in (slice(row, row + 1) for row in range(4)):
        torch.testing.assert_close(fusion(IMAGE[row], TEXT[row]), whole[row])
        torch.testing.assert_close(fusion.gate(IMAGE[row], TEXT[row]), gates[row])
        if maps is not None:
            torch.testing.assert_close(fusion.attention(IMAGE[row], TEXT[row]), maps[row])


def promises_never_to_read_padding(kind: type[Fusion], folder: Path) -> None:
    def spoiled(given: Features) -> Features:
        tokens = given.tokens.masked_fill(~given.mask.unsqueeze(-1), float("nan"))
        return Features(given.pooled, tokens, given.mask)

    fusion = make(kind)
    for ask in (fusion, fusion.gate, fusion.attention):
        expected = ask(IMAGE, TEXT)
        if expected is not None:
            assert torch.equal(ask(spoiled(IMAGE), spoiled(TEXT)), expected)


def promises_that_longer_padding_changes_nothing(kind: type[Fusion], folder: Path) -> None:
    """A text in a batch with longer ones is the same text."""
    fusion = make(kind)
    tokens = functional.pad(TEXT.tokens, (0, 0, 0, 5), value=9.0)
    longer = Features(TEXT.pooled, tokens, functional.pad(TEXT.mask, (0, 5)))
    torch.testing.assert_close(fusion(IMAGE, longer), fusion(IMAGE, TEXT))


def promises_that_both_sides_matter(kind: type[Fusion], folder: Path) -> None:
    fusion = make(kind)
    whole, others = fusion(IMAGE, TEXT), torch.tensor([1, 2, 3, 0])
    assert (fusion(IMAGE[others], TEXT) - whole).abs().amax(1).min() > 1e-3
    assert (fusion(IMAGE, TEXT[others]) - whole).abs().amax(1).min() > 1e-3


def promises_to_say_whether_tokens_are_read(kind: type[Fusion], folder: Path) -> None:
    fusion = make(kind)
    moved = [Features(side.pooled, side.tokens + 1, side.mask) for side in (IMAGE, TEXT)]
    assert torch.equal(fusion(*moved), fusion(IMAGE, TEXT)) != kind.reads_tokens


def promises_exact_saving(kind: type[Fusion], folder: Path) -> None:
    fusion, again = make(kind), kind(DIM).eval()
    save_file(fusion.state_dict(), folder / "fusion.safetensors")
    again.load_state_dict(load_file(folder / "fusion.safetensors"), strict=True)
    assert torch.equal(again(IMAGE, TEXT), fusion(IMAGE, TEXT))
    assert torch.equal(again.gate(IMAGE, TEXT), fusion.gate(IMAGE, TEXT))


def promises_attention_that_sums_to_one(kind: type[Fusion], folder: Path) -> None:
    attention = make(kind).attention(IMAGE, TEXT)
    if attention is None:
        return
    torch.testing.assert_close(attention.sum(-1), TEXT.mask.float())
    assert (attention.masked_select(~IMAGE.mask.unsqueeze(1)) == 0).all()
    assert (attention >= 0).all()


def promises_gradients_everywhere(kind: type[Fusion], folder: Path) -> None:
    """In training mode too: to every parameter, and to what each side says."""
    fusion = make(kind).train()
    sides = [Features(s.pooled.clone(), s.tokens.clone(), s.mask) for s in (IMAGE, TEXT)]
    for side in sides:
        side.pooled.requires_grad_()
        side.tokens.requires_grad_()
    torch.manual_seed(0)  # of dropout
    fusion(*sides).square().sum().backward()
    for name, parameter in fusion.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-7, name
    for side in sides:
        grads = [x.grad for x in (side.pooled, side.tokens) if x.grad is not None]
        assert any(grad.abs().max() > 1e-7 for grad in grads)
        assert all(grad.isfinite().all() for grad in grads)


CONTRACT: list[Callable[[type[Fusion], Path], None]] = [
    promises_shapes,
    promises_that_a_batch_of_one_is_its_row,
    promises_never_to_read_padding,
    promises_that_longer_padding_changes_nothing,
    promises_that_both_sides_matter,
    promises_to_say_whether_tokens_are_read,
    promises_exact_saving,
    promises_attention_that_sums_to_one,
    promises_gradients_everywhere,
]


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FUSIONS)
def test_contract(name: str, check: Callable[..., None], tmp_path: Path) -> None:
    check(FUSIONS[name], tmp_path)


class DropsTheBatch(Sum):
    def forward(self, image: Features, text: Features) -> Tensor:
        return super().forward(image, text).squeeze(0)


class ReadsNeighbours(Sum):
    def forward(self, image: Features, text: Features) -> Tensor:
        return super().forward(image, text) - text.pooled.mean(0)


class ReadsPadding(Maaf):
    def forward(self, image: Features, text: Features) -> Tensor:
        return super().forward(image, text) + text.tokens.nan_to_num(9).mean(1)


class CountsPadding(Maaf):
    def forward(self, image: Features, text: Features) -> Tensor:
        return super().forward(image, text) / text.mask.shape[1]


class IgnoresTheText(Sum):
    def forward(self, image: Features, text: Features) -> Tensor:
        return image.pooled + 0 * text.pooled


class HidesThatItReadsTokens(Maaf):
    reads_tokens = False


class ForgetsSomething(Sum):
    def __init__(self, dim: int) -> None:
        super().__init__(dim, weight=1.0 + float(torch.rand(())))


class LooksAtPadding(Maaf):
    def attention(self, image: Features, text: Features) -> Tensor:
        return torch.softmax(super().attention(image, text), -1)


class KeepsAnUnusedLayer(Sum):
    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.unused = nn.Linear(dim, dim)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (DropsTheBatch, promises_that_a_batch_of_one_is_its_row),
        (ReadsNeighbours, promises_that_a_batch_of_one_is_its_row),
        (ReadsPadding, promises_never_to_read_padding),
        (CountsPadding, promises_that_longer_padding_changes_nothing),
        (IgnoresTheText, promises_that_both_sides_matter),
        (HidesThatItReadsTokens, promises_to_say_whether_tokens_are_read),
        (ForgetsSomething, promises_exact_saving),
        (LooksAtPadding, promises_attention_that_sums_to_one),
        (KeepsAnUnusedLayer, promises_gradients_everywhere),
    ],
)
def test_the_contract_catches(
    broken: type[Fusion], check: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):
        check(broken, tmp_path)


# Each by its formula, written out once more.


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    return x @ layer.weight.T + layer.bias


def test_the_sum_and_its_options() -> None:
    i, t = IMAGE.pooled, TEXT.pooled
    assert torch.equal(Sum(DIM)(IMAGE, TEXT), i + t)
    assert torch.equal(Sum(DIM, weight=3)(IMAGE, TEXT), i + 3 * t)
    expected = i / i.norm(dim=1, keepdim=True) + 0.5 * t / t.norm(dim=1, keepdim=True)
    torch.testing.assert_close(Sum(DIM, weight=0.5, normalised=True)(IMAGE, TEXT), expected)
    assert Sum(DIM).gate(IMAGE, TEXT).tolist() == [0.5] * 4
    assert Sum(DIM, weight=3).gate(IMAGE, TEXT).tolist() == [0.75] * 4


def test_a_sum_in_which_the_text_does_not_count_is_refused() -> None:
    for weight in (0, -1.0):
        with pytest.raises(RecipeError, match="weight"):
            Sum(DIM, weight=weight)


def test_tirg_by_its_formula() -> None:
    fusion = make(Tirg)
    assert isinstance(fusion, Tirg)

    def norm(layer: nn.Module, x: Tensor) -> Tensor:
        shifted = (x - layer.running_mean) / (layer.running_var + 1e-5).sqrt()
        return (shifted * layer.weight + layer.bias).clamp(min=0)

    x = torch.cat((IMAGE.pooled, TEXT.pooled), 1)
    gates = torch.sigmoid(linear(fusion.gates[2], norm(fusion.gates[0], x)))
    hidden = linear(fusion.residual[2], norm(fusion.residual[0], x)).clamp(min=0)
    residual = linear(fusion.residual[4], hidden)
    expected = fusion.balance[0] * gates * IMAGE.pooled + fusion.balance[1] * residual
    torch.testing.assert_close(fusion(IMAGE, TEXT), expected)
    torch.testing.assert_close(fusion.gate(IMAGE, TEXT), 1 - gates.mean(1))
    assert Tirg(DIM).balance.tolist() == [1.0, 10.0]


def test_film_by_its_formula() -> None:
    fusion = as_if_trained(Film(DIM, blocks=2))
    whole = Features(IMAGE.pooled, IMAGE.tokens, torch.ones_like(IMAGE.mask))
    parts = linear(fusion.modulation, TEXT.pooled).reshape(4, 2, 2, DIM, 1, 1)
    x = IMAGE.tokens.reshape(4, 3, 3, DIM).permute(0, 3, 1, 2)
    for number, block in enumerate(fusion.blocks):
        kernel = block.mix.weight[:, :, None, None]
        r = functional.conv2d(x, kernel, block.mix.bias).clamp(min=0)
        y = functional.conv2d(r, block.conv.weight, padding=1)
        mean, spread = block.norm.running_mean, (block.norm.running_var + 1e-5).sqrt()
        y = (y - mean[:, None, None]) / spread[:, None, None]
        x = r + (parts[:, number, 0] * y + parts[:, number, 1]).clamp(min=0)
    expected = linear(fusion.project, x.mean((2, 3)))
    torch.testing.assert_close(fusion(whole, TEXT), expected)


def test_film_takes_padded_regions_for_the_outside_of_the_picture() -> None:
    """2x2 regions in a corner of a 3x3 grid of padding are as 2x2 regions alone."""
    fusion = as_if_trained(Film(DIM, blocks=2))
    corner = torch.tensor([0, 1, 3, 4])
    mask = torch.zeros(4, 9, dtype=torch.bool)
    mask[:, corner] = True
    alone = Features(IMAGE.pooled, IMAGE.tokens[:, corner], mask[:, corner])
    padded = Features(IMAGE.pooled, IMAGE.tokens, mask)
    torch.testing.assert_close(fusion(padded, TEXT), fusion(alone, TEXT))


def test_film_says_that_it_needs_a_square() -> None:
    with pytest.raises(ModelError, match="8 regions are not a square grid"):
        Film(DIM)(features(4, 8, 0), TEXT)


def torch_attention(ours: Attention) -> nn.MultiheadAttention:
    """The library's attention with our weights."""
    theirs = nn.MultiheadAttention(DIM, ours.heads, batch_first=True).eval()
    key_bias = torch.zeros(DIM)
    state = {
        "in_proj_weight": torch.cat((ours.query.weight, ours.key.weight, ours.value.weight)),
        "in_proj_bias": torch.cat((ours.query.bias, key_bias, ours.value.bias)),
        "out_proj.weight": ours.out.weight,
        "out_proj.bias": ours.out.bias,
    }
    theirs.load_state_dict(state)
    return theirs


def test_attention_is_the_librarys() -> None:
    ours = Attention(DIM, 4).eval()
    expected, weights = torch_attention(ours)(
        TEXT.tokens, IMAGE.tokens, IMAGE.tokens, key_padding_mask=~IMAGE.mask
    )
    torch.testing.assert_close(ours(TEXT.tokens, IMAGE.tokens, IMAGE.mask), expected)
    found = ours.weights(TEXT.tokens, IMAGE.tokens, IMAGE.mask)
    torch.testing.assert_close(found.mean(1), weights)


def test_attention_to_nothing_is_nothing() -> None:
    ours = Attention(DIM, 4).eval()
    nothing = torch.zeros_like(IMAGE.mask)
    assert (ours.weights(TEXT.tokens, IMAGE.tokens, nothing) == 0).all()
    assert ours(TEXT.tokens, IMAGE.tokens, nothing).isfinite().all()


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(RecipeError, match="16, is not a multiple of the number of heads, 3"):
        make_fusion("maaf", DIM, heads=3)


def test_maaf_is_a_transformer_layer() -> None:
    """The block is torch's pre-norm encoder layer; the rest is means."""
    fusion = as_if_trained(Maaf(DIM, heads=4, hidden=24, residual=True))
    assert isinstance(fusion, Maaf)
    assert fusion.shortcut is not None
    block = fusion.blocks[0]
    theirs = nn.TransformerEncoderLayer(DIM, 4, 24, norm_first=True, batch_first=True).eval()
    theirs.self_attn = torch_attention(block.attention)
    theirs.norm1, theirs.norm2 = block.norm1, block.norm2
    theirs.linear1, theirs.linear2 = block.feed_forward[0], block.feed_forward[3]
    mask = torch.cat((IMAGE.mask, TEXT.mask), 1)
    tokens = torch.cat((IMAGE.tokens, TEXT.tokens), 1)
    z = functional.layer_norm(
        theirs(tokens, src_key_padding_mask=~mask), (DIM,), fusion.norm.weight, fusion.norm.bias
    )
    mean = (masked_mean(z[:, :9], IMAGE.mask) + masked_mean(z[:, 9:], TEXT.mask)) / 2
    rest = linear(fusion.shortcut, IMAGE.pooled) + masked_mean(TEXT.tokens, TEXT.mask)
    torch.testing.assert_close(fusion(IMAGE, TEXT), mean + rest)


def test_maafs_residual_reaches_its_parameters() -> None:
    fusion = as_if_trained(Maaf(DIM, residual=True))
    fusion(IMAGE, TEXT).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in fusion.parameters())


def test_the_published_combiner_has_59_003_521_parameters() -> None:
    with torch.device("meta"):
        combiner = Combiner(640)
    assert sum(p.numel() for p in combiner.parameters()) == 59_003_521


def test_the_combiner_by_its_formula() -> None:
    torch.manual_seed(0)
    combiner = Combiner(DIM, projection=8, hidden=12).eval()
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


def test_untrained_cross_attention_is_the_combiner_to_the_last_bit() -> None:
    torch.manual_seed(0)
    fusion = CrossAttention(DIM, layers=3, projection=8, hidden=12).eval()
    plain = Combiner(DIM, projection=8, hidden=12).eval()
    plain.load_state_dict(fusion.combiner.state_dict())
    assert torch.equal(fusion(IMAGE, TEXT), plain(IMAGE, TEXT))
    assert torch.equal(fusion.gate(IMAGE, TEXT), plain.gate(IMAGE, TEXT))


def test_cross_attention_changes_the_query_once_trained() -> None:
    fusion = as_if_trained(CrossAttention(DIM))
    assert isinstance(fusion, CrossAttention)
    assert (fusion(IMAGE, TEXT) - fusion.combiner(IMAGE, TEXT)).abs().max() > 1e-2


def test_one_step_of_training_moves_cross_attention_away_from_zero() -> None:
    fusion = CrossAttention(DIM, layers=1, attention_dropout=0.0, dropout=0.0)
    step = torch.optim.SGD(fusion.parameters(), lr=0.1)
    fusion(IMAGE, TEXT).square().sum().backward()
    step.step()
    for direction in (fusion.blocks[0].regions, fusion.blocks[0].words):
        assert direction.attention.out.weight.abs().max() > 0
        assert direction.feed_forward[-1].weight.abs().max() > 0


def test_each_direction_reads_the_other_side() -> None:
    fusion = as_if_trained(CrossAttention(DIM, layers=1))
    assert isinstance(fusion, CrossAttention)
    others = torch.tensor([1, 2, 3, 0])
    image, text = fusion.enrich(IMAGE, TEXT)
    assert (fusion.enrich(IMAGE, TEXT[others])[0].pooled - image.pooled).abs().max() > 1e-3
    assert (fusion.enrich(IMAGE[others], TEXT)[1].pooled - text.pooled).abs().max() > 1e-3


def test_a_word_looks_where_its_region_is() -> None:
    """Query and key made the identity: a word equal to one region looks at that region."""
    fusion = CrossAttention(DIM, layers=1, heads=1).eval()
    with torch.no_grad():
        attention = fusion.blocks[0].words.attention
        attention.query.weight.copy_(5 * torch.eye(DIM))
        attention.query.bias.zero_()
        attention.key.weight.copy_(torch.eye(DIM))
    words = Features(TEXT.pooled, IMAGE.tokens[:, [4, 1]], torch.ones(4, 2, dtype=torch.bool))
    found = fusion.attention(IMAGE, words)
    assert found.argmax(-1).tolist() == [[4, 1]] * 4


def test_an_unknown_fusion_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="'summ'") as error:
        make_fusion("summ", DIM)
    assert "combiner" in error.value.hint


def test_an_unknown_option_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="'combiner' has no option 'hiden'") as error:
        make_fusion("combiner", DIM, hiden=8)
    assert error.value.hint == "Its options: projection, hidden, dropout."
    with pytest.raises(RecipeError) as error:
        make_fusion("tirg", DIM, hidden=8)
    assert error.value.hint == "Its options: none."


@pytest.mark.parametrize("hidden", [-1, 2.5, "many"])
def test_a_value_that_a_fusion_refuses_is_named_with_the_defaults(hidden: object) -> None:
    with pytest.raises(
        RecipeError, match=f"'combiner' can't be built with hidden = {hidden!r}: "
    ) as error:
        make_fusion("combiner", DIM, hidden=hidden)
    assert error.value.hint == (
        "Its options and their defaults: projection = None, hidden = None, dropout = 0.5."
    )


# docs/fusion.md: what it shows is what there is.


def test_a_fusion_of_ones_own_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (DOCS / "fusion.md").read_text(encoding="utf-8")
    blocks = [each.partition("```")[0] for each in page.split("```python\n")[1:]]
    (code,) = (block for block in blocks if "class WeighedSum" in block)
    (tmp_path / "weighed_sum.py").write_text(code, encoding="utf-8")
    written = runpy.run_path(str(tmp_path / "weighed_sum.py"))
    (line,) = (line for line in page.splitlines() if line.startswith('    "weighed_sum":'))
    row = eval(f"{{{line}}}", written)
    for check in CONTRACT:
        check(row["weighed_sum"], tmp_path)
    monkeypatch.setattr("samebut.learning.fusion.FUSIONS", FUSIONS | row)
    fusion = make_fusion("weighed_sum", DIM, start=2.0)
    assert torch.equal(fusion(IMAGE, TEXT), IMAGE.pooled + 2 * TEXT.pooled)


def test_pictures_are_drawn_from_the_code_and_shown() -> None:
    drawing = runpy.run_path(str(DOCS / "draw_fusion.py"))
    page = (DOCS / "fusion.md").read_text(encoding="utf-8")
    assert set(drawing["PICTURES"]) == {
        path.stem.removeprefix("fusion-") for path in (DOCS / "images").glob("fusion-*.svg")
    }
    for name, picture in drawing["PICTURES"].items():
        committed = (DOCS / "images" / f"fusion-{name}.svg").read_text(encoding="utf-8")
        assert committed == drawing["draw"](picture), "run: python docs/draw_fusion.py"
        assert f"(images/fusion-{name}.svg)" in page
        assert f"| `{name}` |" in page
        assert name in FUSIONS


def test_options_on_the_page_are_the_defaults() -> None:
    """`name` (default) in a fusion's section is a parameter with that default."""
    page = (DOCS / "fusion.md").read_text(encoding="utf-8")
    said = 0
    for name, kind in FUSIONS.items():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        defaults = {k: p.default for k, p in inspect.signature(kind).parameters.items()}
        for option, default in re.findall(r"`(\w+)` \(([\d.]+|false)", section):
            if defaults[option] is not None:  # "4 D" is resolved from the width
                assert defaults[option] == json.loads(default), (name, option)
            said += 1
    assert said >= 10
