"""One tensor: pad, resize, crop and normalise a picture for an image encoder; and back.

Padding only as far as a target ratio lets an encoder that sees squares keep working on tall and
wide pictures (Baldrati et al., "Composed Image Retrieval using Contrastive Learning and
Task-oriented CLIP-based Features", TOMM 2023, target pad). Sizes and roundings are those of the
published pipeline: pad, then resize the shorter side, then crop the centre.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageStat

from samebut.errors import ModelError, PictureError
from samebut.images import MAX_PIXELS, check_time

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Borders = tuple[int, int, int, int]
"""Pixels added at the left, top, right and bottom."""

MAX_SIZE: Final = 4096
"""Side of the largest square that an encoder may see, in pixels."""

PADDED_PIXELS: Final = 20_000_000
"""Beyond so many pixels of padded rows or columns, padding is weighed instead of made."""

_BAND_PIXELS: Final = 1_000_000

# Beyond this many times the window's area, only the window is computed.
_MUCH_LARGER: Final = 4


# ------------------------------------------------------------------------------- padding


def _no_pad(width: int, height: int, ratio: float) -> Borders:
    return 0, 0, 0, 0


def _square_pad(width: int, height: int, ratio: float) -> Borders:
    """Both sides as long as the longer one; an odd difference loses a pixel, as published."""
    side = max(width, height)
    across, down = int((side - width) / 2), int((side - height) / 2)
    return across, down, across, down


def _target_pad(width: int, height: int, ratio: float) -> Borders:
    """The shorter side as long as the longer one divided by ``ratio``, if it is shorter."""
    if max(width, height) / min(width, height) < ratio:
        return 0, 0, 0, 0
    side = max(width, height) / ratio
    across, down = max(int((side - width) / 2), 0), max(int((side - height) / 2), 0)
    return across, down, across, down


PADDINGS: Final[Mapping[str, Callable[[int, int, float], Borders]]] = {
    "none": _no_pad,
    "square": _square_pad,
    "target": _target_pad,
    "stretch": _no_pad,
}
"""name -> (width, height, target ratio) -> borders. None of them pads both directions."""

STRETCH: Final = "stretch"
"""Both sides to ``size``, whatever the picture's proportions: how SigLIP was trained."""


# ------------------------------------------------------------------------------- filling

_Pad = Callable[[Image.Image, Borders], Image.Image]


def _flat_fill(colour: tuple[int, ...]) -> _Pad:
    def pad(piece: Image.Image, borders: Borders) -> Image.Image:
        left, top, right, bottom = borders
        size = left + piece.width + right, top + piece.height + bottom
        canvas = Image.new("RGB", size, colour)
        canvas.paste(piece, (left, top))
        return canvas

    return pad


def _mean_fill(picture: Image.Image) -> _Pad:
    return _flat_fill(tuple(round(mean) for mean in ImageStat.Stat(picture).mean))


def _edge_pad(piece: Image.Image, borders: Borders) -> Image.Image:
    left, top, right, bottom = borders
    width, height = piece.size
    canvas = Image.new("RGB", (left + width + right, top + height + bottom))
    canvas.paste(piece, (left, top))
    # Only one direction has borders, so this leaves no black corners.
    for place, edge, size in (
        ((0, top), (0, 0, 1, height), (left, height)),
        ((left + width, top), (width - 1, 0, width, height), (right, height)),
        ((left, 0), (0, 0, width, 1), (width, top)),
        ((left, top + height), (0, height - 1, width, height), (width, bottom)),
    ):
        if size[0] and size[1]:
            strip = piece.crop(edge).resize(size, Image.Resampling.NEAREST)
            canvas.paste(strip, place)
    return canvas


FILLS: Final[Mapping[str, Callable[[Image.Image], _Pad]]] = {
    "zero": lambda picture: _flat_fill((0, 0, 0)),
    "mean": _mean_fill,
    "edge": lambda picture: _edge_pad,
}
"""name -> picture -> how its borders are filled: black (as published), its mean colour, or its
outermost pixels repeated."""

RESAMPLES: Final[Mapping[str, Image.Resampling]] = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}
"""name -> Pillow's filter; both average over the pixels they skip when they scale down."""


# ------------------------------------------------------------------------------- geometry


@dataclass(frozen=True)
class _Plan:
    """The geometry: padded by ``borders``, resized, cropped from ``corner`` on."""

    borders: Borders
    resized: tuple[int, int]
    corner: tuple[int, int]


def _resized(width: int, height: int, shorter: int) -> tuple[int, int]:
    """Shorter side to ``shorter``, the longer one rounded down, as torchvision's Resize."""
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def _resize_window(
    picture: Image.Image,
    size: tuple[int, int],
    window: tuple[int, int, int, int],
    resample: Image.Resampling,
) -> Image.Image:
    """``picture`` resized to ``size``, of which only ``window`` is wanted."""
    left, top, right, bottom = window
    kept = right - left, bottom - top
    if size[0] * size[1] <= _MUCH_LARGER * kept[0] * kept[1]:
        resized = picture.resize(size, resample)
        return resized if resized.size == kept else resized.crop(window)
    across, down = picture.width / size[0], picture.height / size[1]
    # Equal to resizing all and cropping, except that Pillow rounds this box to single precision.
    box = left * across, top * down, right * across, bottom * down
    return picture.resize(kept, resample, box=box)


def _bicubic(distance: Float64) -> Float64:
    near = np.abs(distance)
    inside = (1.5 * near - 2.5) * near * near + 1
    outside = ((2.5 - 0.5 * near) * near - 4) * near + 2
    return cast("Float64", np.where(near < 1, inside, np.where(near < 2, outside, 0.0)))


def _bilinear(distance: Float64) -> Float64:
    return cast("Float64", np.maximum(1 - np.abs(distance), 0.0))


_KERNELS: Final = {"bicubic": (_bicubic, 2.0), "bilinear": (_bilinear, 1.0)}
"""name -> the kernel of Pillow's filter, and where it ends."""


def _padded_weights(
    length: int,
    borders: Sequence[int],
    resized: int,
    corner: int,
    side: int,
    kernel: tuple[Callable[[Float64], Float64], float],
) -> Float32:
    """Weights (1 + length + 1, side) of pixels, and of the padding before and after as one each.

    As Pillow resizes ``length`` pixels between ``borders`` to ``resized``, of which ``side`` are
    wanted from ``corner`` on.
    """
    before, after = borders
    shape, reach = kernel
    scale = (before + length + after) / resized
    stretch = max(scale, 1.0)
    weights = np.zeros((length + 2, side))
    for place in range(side):
        centre = (corner + place + 0.5) * scale
        first = max(int(centre - reach * stretch + 0.5), 0)
        last = min(int(centre + reach * stretch + 0.5), before + length + after)
        if last <= before or first >= before + length:
            weights[0 if last <= before else -1, place] = 1
            continue
        pixels = np.arange(first, last, dtype=np.float64)
        values = shape((pixels + 0.5 - centre) / stretch)
        values /= values.sum()
        inner = slice(max(before - first, 0), max(min(before + length, last) - first, 0))
        weights[0, place] = values[: inner.start].sum()
        weights[-1, place] = values[inner.stop :].sum()
        start = 1 + first + inner.start - before
        weights[start : start + inner.stop - inner.start, place] = values[inner]
    return weights.astype(np.float32)


def _bilinear_weights(
    length: int, before: int, scale: float, corner: int, side: int, cells: int
) -> Float32:
    """Weights (length, cells): how much of each cell's value a pixel of the picture gets.

    Along one direction, ``length`` pixels had ``before`` pixels put in front of them, were
    scaled by ``scale``, cropped to ``side`` from ``corner`` on, and divided into ``cells``.
    """
    seen = (np.arange(length) + 0.5 + before) * scale - corner
    places = np.clip(seen * cells / side - 0.5, 0, cells - 1)
    lower = np.minimum(places.astype(np.intp), max(cells - 2, 0))
    upper = np.minimum(lower + 1, cells - 1)
    weights = np.zeros((length, cells), np.float32)
    pixels = np.arange(length)
    weights[pixels, lower] = 1 - (places - lower)
    weights[pixels, upper] += places - lower
    weights[(seen < 0) | (seen > side)] = 0
    return weights


# ------------------------------------------------------------------------------- the step


def _checked_choice(what: str, name: object, known: Mapping[str, Any]) -> None:
    if not isinstance(name, str) or name not in known:
        raise ModelError(
            f"{what} {name!r} is not known", hint=f"Known: {', '.join(sorted(known))}."
        )


def _is_number(value: object) -> bool:
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_real and math.isfinite(cast("float", value))


def _checked_channels(what: str, values: object) -> None:
    if not (isinstance(values, tuple) and len(values) == 3 and all(map(_is_number, values))):
        raise ModelError(
            f"{what} is {values!r}", hint="Give three numbers, for red, green and blue."
        )


@dataclass(frozen=True)
class Preprocess:
    """What is done to a picture before an image encoder sees it.

    Attributes:
        size: side S of the square the encoder sees, in pixels.
        padding: a name in PADDINGS.
        target_ratio: longer to shorter side up to which "target" leaves a picture as it is.
        fill: a name in FILLS.
        mean: subtracted from red, green and blue, in units of 0 to 1.
        std: what they are then divided by.
        resample: a name in RESAMPLES.

    Raises:
        ModelError: a name that is not known, or a number out of its range.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    padding: str = "target"
    target_ratio: float = 1.25
    fill: str = "zero"
    resample: str = "bicubic"

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or isinstance(self.size, bool) or self.size < 1:
            raise ModelError(
                f"the input size is {self.size!r}", hint="Give a whole number of pixels above 0."
            )
        if self.size > MAX_SIZE:
            raise ModelError(
                f"the input size is {self.size:,} pixels", hint=f"Give at most {MAX_SIZE:,}."
            )
        if not _is_number(self.target_ratio) or self.target_ratio < 1:
            raise ModelError(
                f"target_ratio is {self.target_ratio!r}", hint="Give a number of 1 or more."
            )
        _checked_choice("padding", self.padding, PADDINGS)
        _checked_choice("fill", self.fill, FILLS)
        _checked_choice("resample", self.resample, RESAMPLES)
        _checked_channels("mean", self.mean)
        _checked_channels("std", self.std)
        if min(self.std) <= 0:
            raise ModelError(f"std is {self.std!r}", hint="Give three numbers above 0.")

    @property
    def wanted_shorter_side(self) -> int:
        """What to ask of ``open_picture(shorter_side=...)``: half as much again as ``size``.

        Padding only ever shrinks the picture's share of the square, so ``size`` would do for
        every ratio. A little more leaves the last step down to ``resample``, and lets a JPEG
        decoder halve a photo of 400 pixels for an input of 112, which is most of its work.
        """
        return 3 * self.size // 2

    def __call__(self, picture: Image.Image) -> Float32:
        """The encoder's input (3, S, S) for an RGB picture: cropped, 0 to 1, normalised."""
        pixels = np.asarray(self.crop(picture), dtype=np.float32).transpose(2, 0, 1)
        mean = np.array(self.mean, np.float32).reshape(3, 1, 1)
        std = np.array(self.std, np.float32).reshape(3, 1, 1)
        return np.ascontiguousarray((pixels / np.float32(255) - mean) / std)

    def crop(self, picture: Image.Image) -> Image.Image:
        """The (S, S) square of an RGB picture that the encoder sees, not yet normalised.

        Equal to padding first and resizing then, rows before columns with 8 bits in between. Each
        direction is padded just before its own pass, rows a band at a time: a panorama of 20000 x
        500 never becomes the 20000 x 16000 that the definition asks for. With a pass for each
        direction, their order, and so the rounding, does not depend on the version of Pillow.

        Raises:
            ModelError: the picture is not RGB.
            PictureError: its rows alone, S pixels each, would be more than
                `samebut.images.MAX_PIXELS`, or the `time_limit` has passed.
        """
        if picture.mode != "RGB":
            raise ModelError(
                f"the picture is of mode {picture.mode}, not RGB",
                hint="Open it with samebut.images.open_picture.",
            )
        if self.size * picture.height > MAX_PIXELS:
            raise PictureError(
                "the picture",
                f"is too thin: {picture.width:,} by {picture.height:,} pixels",
                hint="crop it",
            )
        plan = self._plan(picture.size)
        pad = FILLS[self.fill](picture)
        return self._resize_columns(self._resize_rows(picture, plan, pad), plan, pad)

    def _plan(self, picture_size: tuple[int, int]) -> _Plan:
        width, height = picture_size
        left, top, right, bottom = borders = PADDINGS[self.padding](
            width, height, self.target_ratio
        )
        resized = _resized(left + width + right, top + height + bottom, self.size)
        if self.padding == STRETCH:
            resized = self.size, self.size
        # Python's round, half to even, as torchvision's CenterCrop.
        corner = round((resized[0] - self.size) / 2), round((resized[1] - self.size) / 2)
        return _Plan(borders, resized, corner)

    def _resize_rows(self, picture: Image.Image, plan: _Plan, pad: _Pad) -> Image.Image:
        padded = plan.borders[0] + picture.width + plan.borders[2]
        is_thin = padded * picture.height > PADDED_PIXELS
        rows = max(1, _BAND_PIXELS // (picture.width if is_thin else padded))
        if rows >= picture.height:
            return self._resize_band(picture, plan, pad, is_thin=is_thin)
        canvas = Image.new("RGB", (self.size, picture.height))
        for top in range(0, picture.height, rows):
            check_time()
            bottom = min(top + rows, picture.height)
            band = picture.crop((0, top, picture.width, bottom))
            resized = self._resize_band(band, plan, pad, is_thin=is_thin)
            canvas.paste(resized, (0, top))
        return canvas

    def _resize_band(
        self, band: Image.Image, plan: _Plan, pad: _Pad, *, is_thin: bool
    ) -> Image.Image:
        left, _, right, _ = plan.borders
        if left + right and is_thin:
            edges = np.asarray(pad(band, (1, 0, 1, 0)))
            rows = self._weigh(edges, (left, right), plan.resized[0], plan.corner[0])
            return Image.fromarray(rows)
        if left or right:
            band = pad(band, (left, 0, right, 0))
        window = plan.corner[0], 0, plan.corner[0] + self.size, band.height
        size = plan.resized[0], band.height
        return _resize_window(band, size, window, RESAMPLES[self.resample])

    def _resize_columns(self, picture: Image.Image, plan: _Plan, pad: _Pad) -> Image.Image:
        _, top, _, bottom = plan.borders
        if (top or bottom) and self.size * (top + picture.height + bottom) > PADDED_PIXELS:
            edges = np.asarray(pad(picture, (0, 1, 0, 1))).transpose(1, 0, 2)
            columns = self._weigh(edges, (top, bottom), plan.resized[1], plan.corner[1])
            return Image.fromarray(np.ascontiguousarray(columns.transpose(1, 0, 2)))
        if top or bottom:
            picture = pad(picture, (0, top, 0, bottom))
        corner = plan.corner[1]
        window = 0, corner, self.size, corner + self.size
        size = self.size, plan.resized[1]
        return _resize_window(picture, size, window, RESAMPLES[self.resample])

    def _weigh(
        self, edges: npt.NDArray[np.uint8], borders: Sequence[int], resized: int, corner: int
    ) -> npt.NDArray[np.uint8]:
        """Rows ``(N, 1 + w + 1, 3)`` to ``(N, S, 3)``: ``borders`` pixels before and after, of the
        colours of the first and the last, then resized and cropped from ``corner`` on."""
        weights = _padded_weights(
            edges.shape[1] - 2, borders, resized, corner, self.size, _KERNELS[self.resample]
        )
        mixed = np.einsum("nwc,ws->nsc", edges.astype(np.float32), weights, optimize=True)
        rounded: npt.NDArray[np.uint8] = np.clip(np.floor(mixed + 0.5), 0, 255).astype(np.uint8)
        return rounded

    def place(self, patch_map: npt.ArrayLike, picture_size: tuple[int, int]) -> Float32:
        """A map over the encoder's patches, put back where the picture's pixels are.

        Args:
            patch_map: (h, w), one value for each patch of the (S, S) square, top row first.
            picture_size: width and height of the upright picture, in pixels.

        Returns:
            (height, width): between the centres of patches bilinear, outside the outermost
            centres their value; 0 where the picture was cropped away. Padding is dropped.
        """
        values = np.asarray(patch_map, dtype=np.float32)
        if values.ndim != 2 or 0 in values.shape:
            raise ValueError(f"a patch map has shape (h, w), not {values.shape}")
        width, height = picture_size
        plan = self._plan(picture_size)
        left, top, right, bottom = plan.borders
        across = plan.resized[0] / (left + width + right)
        down = plan.resized[1] / (top + height + bottom)
        columns = _bilinear_weights(width, left, across, plan.corner[0], self.size, values.shape[1])
        rows = _bilinear_weights(height, top, down, plan.corner[1], self.size, values.shape[0])
        return cast("Float32", rows @ values @ columns.T)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; ``from_dict`` reads it."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """What ``as_dict`` wrote. Nothing is guessed: every key must be there, and no other.

        Raises:
            ModelError: keys that are missing or not known, or values out of their range.
        """
        known = {field.name for field in fields(cls)}
        wrong = {"missing": known - set(values), "not known": set(values) - known}
        complaints = [f"{', '.join(sorted(keys))} {what}" for what, keys in wrong.items() if keys]
        if complaints:
            raise ModelError(
                f"the preprocessing of the model has other keys than expected: "
                f"{'; '.join(complaints)}",
                hint="Use the samebut that wrote the model, or export the model again.",
            )
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**given)
