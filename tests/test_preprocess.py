"""One tensor: the published padding, resizing and cropping, and the way back."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from odd_pictures import draw, quarters_of
from samebut import preprocess as module
from samebut.errors import ModelError, PictureError
from samebut.images import time_limit
from samebut.preprocess import FILLS, PADDINGS, RESAMPLES, Preprocess

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
PRODUCTS = Path(__file__).parents[2] / "shared" / "data" / "products" / "images"

Pixels = npt.NDArray[np.uint8]


def make(size: int = 32, **more: object) -> Preprocess:
    return Preprocess(size=size, mean=CLIP_MEAN, std=CLIP_STD, **more)  # type: ignore[arg-type]


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise with slopes, so that a shift by a fraction of a pixel shows."""
    pixels = np.random.default_rng(seed).integers(0, 200, (height, width, 3))
    slope = np.linspace(0, 55, width)[None, :, None] * np.linspace(0, 1, height)[:, None, None]
    return Image.fromarray((pixels + slope).astype(np.uint8))


def as_published(picture: Image.Image, step: Preprocess) -> Pixels:
    """Written out by hand: pad the whole picture, resize the shorter side, crop the centre."""
    width, height = picture.size
    longer = max(width, height)
    across = down = 0
    if step.padding == "square":
        across, down = int((longer - width) / 2), int((longer - height) / 2)
    elif step.padding == "target" and longer / min(width, height) >= step.target_ratio:
        side = longer / step.target_ratio
        across, down = max(int((side - width) / 2), 0), max(int((side - height) / 2), 0)
    pixels = np.asarray(picture)
    around = ((down, down), (across, across), (0, 0))
    if step.fill == "edge":
        padded = np.pad(pixels, around, mode="edge")
    else:
        colour = np.rint(pixels.mean(axis=(0, 1))) * (step.fill == "mean")
        padded = np.empty((height + 2 * down, width + 2 * across, 3), np.uint8)
        padded[:] = colour
        padded[down : down + height, across : across + width] = pixels
    height, width = padded.shape[:2]
    size = step.size
    resized = (
        (size, int(size * height / width))
        if width <= height
        else (int(size * width / height), size)
    )
    if step.padding == "stretch":
        resized = size, size
    # Rows, then columns, as one call of Pillow does up to version 12.
    rows = Image.fromarray(padded).resize((resized[0], height), RESAMPLES[step.resample])
    large = np.asarray(rows.resize(resized, RESAMPLES[step.resample]))
    left, top = round((resized[0] - size) / 2), round((resized[1] - size) / 2)
    return large[top : top + size, left : left + size]


# ------------------------------------------------------------------------------- padding


@pytest.mark.parametrize(
    ("size", "padded"),
    [
        ((640, 480), (640, 512)),
        ((1000, 300), (1000, 800)),
        ((300, 1000), (800, 1000)),
        ((500, 500), (500, 500)),
        ((600, 480), (600, 480)),
        ((480, 600), (480, 600)),
        ((1, 1000), (799, 1000)),
    ],
)
def test_target_pad_is_as_published(size: tuple[int, int], padded: tuple[int, int]) -> None:
    left, top, right, bottom = PADDINGS["target"](*size, 1.25)
    assert (left + size[0] + right, top + size[1] + bottom) == padded


@pytest.mark.parametrize(
    ("size", "borders"),
    [((4, 10), (3, 0, 3, 0)), ((10, 4), (0, 3, 0, 3)), ((5, 10), (2, 0, 2, 0)), ((7, 7), (0,) * 4)],
)
def test_square_pad_is_as_published(size: tuple[int, int], borders: tuple[int, ...]) -> None:
    assert PADDINGS["square"](*size, 1.25) == borders


def test_no_pad_pads_nothing() -> None:
    assert PADDINGS["none"](1000, 10, 1.25) == (0, 0, 0, 0)


@given(
    st.sampled_from(sorted(PADDINGS)),
    st.integers(1, 70_000),
    st.integers(1, 70_000),
    st.floats(1, 20),
)
def test_borders_are_equal_and_in_one_direction_only(
    padding: str, width: int, height: int, ratio: float
) -> None:
    """What lets each direction be padded just before its own pass of resizing."""
    left, top, right, bottom = PADDINGS[padding](width, height, ratio)
    assert left == right >= 0
    assert top == bottom >= 0
    assert left == 0 or top == 0


# ------------------------------------------------------------------------------- cropping


@settings(deadline=None, max_examples=150)
@given(
    st.integers(1, 150),
    st.integers(1, 150),
    st.sampled_from([1, 7, 16, 33]),
    st.sampled_from(sorted(PADDINGS)),
    st.sampled_from(sorted(FILLS)),
    st.sampled_from([1.0, 1.25, 2.0]),
    st.sampled_from(sorted(RESAMPLES)),
)
def test_the_crop_is_as_published(
    width: int, height: int, size: int, padding: str, fill: str, ratio: float, resample: str
) -> None:
    step = make(size, padding=padding, fill=fill, target_ratio=ratio, resample=resample)
    picture = photo(width, height)
    got = np.asarray(step.crop(picture)).astype(int)
    difference = np.abs(got - as_published(picture, step))
    # To the bit, but where only the window of a very long picture is computed.
    is_long = max(width, height) > 3 * min(width, height)
    assert difference.max() <= (1 if is_long else 0)


@pytest.mark.parametrize("fill", sorted(FILLS))
@pytest.mark.parametrize("size", [(90, 31), (31, 90), (64, 60), (300, 4), (4, 300)])
def test_bands_of_rows_change_nothing(
    fill: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    step, picture = make(24, fill=fill), photo(*size)
    expected = as_published(picture, step)
    for band in (1, 500, 10**9):
        monkeypatch.setattr(module, "_BAND_PIXELS", band)
        assert np.array_equal(np.asarray(step.crop(picture)), expected), band


@pytest.mark.parametrize("size", [(9000, 40), (40, 9000)])
def test_a_very_long_picture_is_never_padded_whole(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its definition the padded picture has 65 million pixels."""
    picture = draw(size=size)
    largest = [0]
    new = Image.new

    def watched(mode: str, size: tuple[int, int], *colour: object) -> Image.Image:
        largest[0] = max(largest[0], size[0] * size[1])
        return new(mode, size, *colour)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "new", watched)
    assert make(32).crop(picture).size == (32, 32)
    assert largest[0] <= 1_000_000


@pytest.mark.parametrize("size", [(1, 3001), (3001, 1), (2, 900), (1700, 9)])
def test_the_window_of_a_long_strip_is_its_centre(size: tuple[int, int]) -> None:
    """Only the window is computed, from a box that Pillow rounds to single precision."""
    step, picture = make(8, padding="none"), photo(*size)
    difference = np.asarray(step.crop(picture), dtype=int) - as_published(picture, step)
    assert np.abs(difference).max() <= 1


def test_fills() -> None:
    picture = Image.new("RGB", (40, 10), (100, 0, 0))
    picture.paste((0, 0, 200), (0, 5, 40, 10))
    top_left = {fill: make(16, fill=fill, padding="square").crop(picture) for fill in FILLS}
    assert top_left["zero"].getpixel((8, 1)) == (0, 0, 0)
    assert top_left["mean"].getpixel((8, 1)) == (50, 0, 100)
    assert top_left["edge"].getpixel((8, 1)) == (100, 0, 0)
    assert top_left["edge"].getpixel((8, 14)) == (0, 0, 200)


def test_padding_needs_rgb() -> None:
    with pytest.raises(ModelError, match="of mode P") as caught:
        make().crop(Image.new("P", (4, 4)))
    assert "open_picture" in caught.value.hint


def test_real_photos_are_cropped_as_published() -> None:
    if not PRODUCTS.is_dir():
        pytest.skip(f"no photos in {PRODUCTS}")
    step = make(96)
    for file in sorted(PRODUCTS.iterdir())[:20]:
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        got = np.asarray(step.crop(picture))
        assert np.array_equal(got, as_published(picture, step))
        if picture.size == (224, 224):
            at_once = np.asarray(picture.resize((96, 96), Image.Resampling.BICUBIC), dtype=int)
            assert np.abs(got - at_once).max() <= 1


# ------------------------------------------------------------------------------- normalising


def test_the_tensor_is_channels_first_and_normalised() -> None:
    step, picture = make(16), photo(50, 40)
    tensor = step(picture)
    assert tensor.shape == (3, 16, 16)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    expected = (as_published(picture, step) / 255 - np.array(CLIP_MEAN)) / np.array(CLIP_STD)
    assert np.allclose(tensor, expected.transpose(2, 0, 1), atol=1e-6)


def test_black_and_white_in_clips_units() -> None:
    golden = {0: (-1.7922626, -1.7520971, -1.4802198), 255: (1.9303361, 2.0748837, 2.1458969)}
    for value, channels in golden.items():
        tensor = make(2)(Image.new("RGB", (2, 2), (value,) * 3))
        assert np.allclose(tensor[:, 0, 0], channels, atol=1e-6)


# ------------------------------------------------------------------------------- back again


def test_place_gives_an_even_map_back_evenly() -> None:
    placed = make(64).place(np.full((7, 7), 0.3, np.float32), (1000, 300))
    assert placed.shape == (300, 1000)
    assert placed.dtype == np.float32
    # 1000x300 is padded to 1000x800; the middle 800 columns are what the encoder sees
    assert np.allclose(placed[:, 101:899], 0.3)
    assert not placed[:, :99].any()
    assert not placed[:, 901:].any()


def test_place_drops_the_padding() -> None:
    patches = np.zeros((8, 8), np.float32)
    patches[:2] = patches[-2:] = 1  # in a 1000x300 picture, the padding above and below
    placed = make(64).place(patches, (1000, 300))
    assert placed[20:-20].max() == 0
    patches[3:5] = 2
    assert make(64).place(patches, (1000, 300))[140:160, 500].min() > 1.9


def test_place_is_linear_between_the_centres_of_patches() -> None:
    """A slope over the patches is the same slope over the pixels, in the encoder's units."""
    size, cells, width, height = 60, 6, 500, 410
    centres = (np.arange(cells) + 0.5) * size / cells
    placed = make(size).place(np.tile(centres, (cells, 1)), (width, height))
    resized = int(size * width / height)
    seen = (np.arange(width) + 0.5) * resized / width - round((resized - size) / 2)
    inside = (seen >= centres[0]) & (seen <= centres[-1])
    assert inside.sum() > 300
    assert np.allclose(placed[:, inside], seen[inside], atol=1e-3)
    outside = (seen >= 0) & (seen < centres[0])
    assert np.allclose(placed[:, outside], centres[0])


@settings(deadline=None, max_examples=60)
@given(
    st.integers(40, 400),
    st.integers(40, 400),
    st.sampled_from(sorted(PADDINGS)),
    st.floats(0.2, 0.8),
    st.floats(0.2, 0.8),
)
def test_a_spot_comes_back_to_where_it_was(
    width: int, height: int, padding: str, across: float, down: float
) -> None:
    step, cells = make(64, padding=padding), 16
    spot = int(across * width), int(down * height)
    reach = max(4, max(width, height) // 20)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[max(0, spot[1] - reach) : spot[1] + reach, max(0, spot[0] - reach) : spot[0] + reach] = (
        255
    )
    seen = np.asarray(step.crop(Image.fromarray(pixels)), dtype=np.float32)[..., 0]
    patches = seen.reshape(cells, 64 // cells, cells, 64 // cells).mean(axis=(1, 3))
    placed = step.place(patches, (width, height))
    if patches.max() < 128:  # the spot was cropped away, or cut by the edge of the crop
        return
    row, column = (placed > 0.8 * placed.max()).nonzero()
    patch = math.ceil(max(width, height) / cells)
    assert abs(column.mean() - spot[0]) <= patch
    assert abs(row.mean() - spot[1]) <= patch


@settings(deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from(sorted(PADDINGS)),
)
def test_place_stays_between_nothing_and_the_largest(
    width: int, height: int, rows: int, columns: int, padding: str
) -> None:
    patches = np.random.default_rng(1).random((rows, columns)).astype(np.float32)
    placed = make(20, padding=padding).place(patches, (width, height))
    assert placed.shape == (height, width)
    assert placed.min() >= 0
    assert placed.max() <= patches.max() + 1e-6
    assert placed[height // 2, width // 2] > 0  # the centre is never cropped away


def test_a_patch_map_has_two_dimensions() -> None:
    with pytest.raises(ValueError, match="has shape"):
        make().place(np.zeros((1, 7, 7)), (10, 10))
    with pytest.raises(ValueError, match="has shape"):
        make().place(np.zeros((0, 7)), (10, 10))


# ------------------------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "size"),
        ({"size": 2.5}, "size"),
        ({"size": True}, "size"),
        ({"padding": "round"}, "padding 'round'"),
        ({"fill": "noise"}, "fill 'noise'"),
        ({"resample": "magic"}, "resample 'magic'"),
        ({"target_ratio": 0.8}, "target_ratio"),
        ({"target_ratio": math.nan}, "target_ratio"),
        ({"target_ratio": "1.25"}, "target_ratio"),
        ({"mean": (0.5, 0.5)}, "mean"),
        ({"mean": (0.5, math.inf, 0.5)}, "mean"),
        ({"std": (1.0, 1.0, 0.0)}, "std"),
        ({"std": [1.0, "1", 1.0]}, "std"),
    ],
)
def test_a_wrong_rule_is_named(wrong: dict[str, object], message: str) -> None:
    rules = make().as_dict() | wrong
    with pytest.raises(ModelError, match=message):
        Preprocess.from_dict(rules)


@pytest.mark.parametrize(
    ("what", "known"), [("padding", PADDINGS), ("fill", FILLS), ("resample", RESAMPLES)]
)
def test_an_unknown_name_lists_the_known_ones(what: str, known: dict[str, object]) -> None:
    with pytest.raises(ModelError) as caught:
        make(**{what: "nonsense"})
    assert caught.value.hint == f"Known: {', '.join(sorted(known))}."


def test_a_name_that_can_not_be_a_name_is_refused() -> None:
    with pytest.raises(ModelError, match="padding"):
        Preprocess.from_dict(make().as_dict() | {"padding": {"a": 1}})


def test_rules_survive_json() -> None:
    step = make(48, padding="square", fill="edge", target_ratio=2.0, resample="bilinear")
    assert Preprocess.from_dict(json.loads(json.dumps(step.as_dict()))) == step


def test_every_key_must_be_there_and_no_other() -> None:
    rules = make().as_dict()
    for key in rules:
        with pytest.raises(ModelError, match=f"expected: {key} missing"):
            Preprocess.from_dict({k: v for k, v in rules.items() if k != key})
    with pytest.raises(ModelError, match="expected: colour, sharpen not known"):
        Preprocess.from_dict(rules | {"sharpen": 1, "colour": 2})


def test_what_is_wanted_of_a_file_covers_every_ratio() -> None:
    step = make(32)
    assert step.wanted_shorter_side == 48
    assert quarters_of(step.crop(draw(size=(64, 64)))) == quarters_of(draw(size=(64, 64)))


@pytest.mark.parametrize("fill", sorted(FILLS))
@pytest.mark.parametrize("resample", sorted(RESAMPLES))
@pytest.mark.parametrize("size", [(90, 31), (31, 90), (300, 4), (4, 300), (1, 900), (901, 1)])
@pytest.mark.parametrize("padding", ["target", "square"])
def test_padding_that_is_weighed_is_the_padding_that_is_made(
    fill: str, resample: str, size: tuple[int, int], padding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PADDED_PIXELS", 0)
    step, picture = make(24, fill=fill, resample=resample, padding=padding), photo(*size)
    difference = np.asarray(step.crop(picture), dtype=int) - as_published(picture, step)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("size", [(39_000_000, 1), (1, 200_000), (60, 60_000)])
def test_the_thinnest_pictures_cost_no_more_than_their_pixels(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its definition the first is padded to 31,200,000 rows."""
    made = [0]
    new = Image.new
    monkeypatch.setattr(
        Image, "new", lambda mode, at, *more: (made.append(at[0] * at[1]), new(mode, at, *more))[1]
    )
    picture = new("RGB", size, (10, 20, 30))
    assert np.ptp(np.asarray(make(32, fill="edge").crop(picture)), axis=(0, 1)).max() == 0
    assert max(made) <= 33 * max(size)


def test_a_picture_whose_rows_alone_are_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_PIXELS", 32 * 1000)
    assert make(32).crop(photo(3, 1000)).size == (32, 32)
    with pytest.raises(PictureError, match="too thin: 3 by 1,001 pixels"):
        make(32).crop(photo(3, 1001))


def test_a_picture_is_given_up_when_its_time_has_passed() -> None:
    with pytest.raises(PictureError, match="takes longer"), time_limit(0):
        make(32).crop(photo(2000, 2000))
