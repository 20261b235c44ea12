"""Colours and cloth: the palette, and each pattern as ink on a panel."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from samebut.language.palette import COLOURS, DRAWN
from samebut.wardrobe.vector import (
    Matrix,
    Path,
    Point,
    Rgb,
    Sheet,
    apply,
    ellipse,
    outline,
    placed,
    polygon,
    stroke,
)


def _rgb(code: str) -> Rgb:
    return (int(code[0:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:6], 16) / 255)


PALETTE: dict[str, Rgb] = {name: _rgb(COLOURS[name].rgb) for name in DRAWN}


def mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    """``first`` with ``share`` of ``second`` in it."""
    a, b, c = (p + (q - p) * share for p, q in zip(first, second, strict=True))
    return (a, b, c)


def _lab(rgb: Rgb) -> tuple[float, float, float]:
    """CIELAB under D65 (CIE 15), from sRGB (IEC 61966-2-1)."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    white = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in white)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@cache
def contrasts(first: str, second: str) -> bool:
    """Whether two colours of the palette differ clearly, even in thin stripes."""
    return math.dist(_lab(PALETTE[first]), _lab(PALETTE[second])) >= _CLEAR_DIFFERENCE


_CLEAR_DIFFERENCE = 40.0  # CIE76; white and beige, and navy and black, are closer


BLACK: Rgb = (0.0, 0.0, 0.0)
WHITE: Rgb = (1.0, 1.0, 1.0)


def brightness(rgb: Rgb) -> float:
    """Relative luminance without gamma: 0 black, 1 white (Rec. 601 weights)."""
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def line_of(rgb: Rgb) -> Rgb:
    """The colour of seams and edges on ``rgb``: darker, or lighter on very dark colours."""
    if brightness(rgb) < 0.24:
        return mix(rgb, WHITE, 0.24)
    return mix(rgb, (0.10, 0.07, 0.12), 0.30 + 0.12 * (1 - brightness(rgb)))


@dataclass(frozen=True)
class Cloth:
    """The two colours and the pattern of one item, with small random variations.

    ``period`` is the repeat of the pattern; ``top`` and ``bottom`` are the heights between which
    a gradient runs, the same for all panels of an item.
    """

    base: Rgb
    second: Rgb
    pattern: str
    period: float
    top: float
    bottom: float
    seed: int

    @property
    def line(self) -> Rgb:
        """The tone of seams and edges."""
        if self.pattern == "gradient":
            return line_of(mix(self.base, self.second, 0.5))
        return line_of(self.base)

    def cover(self, sheet: Sheet, panel: Path, frame: Matrix) -> None:
        """Fill ``panel`` with the cloth. ``frame`` turns the pattern's axes into the panel's."""
        sheet.fill(panel, self.base)
        paint = _PATTERNS.get(self.pattern)
        if paint is not None:
            with sheet.clipped(panel), sheet.moved(frame):
                paint(self, sheet, _box_in(panel, frame))
        elif self.pattern == "gradient":
            stops = ((0.0, self.base), (0.2, self.base), (0.85, self.second), (1.0, self.second))
            sheet.shade(panel, (0.0, self.top), (0.0, self.bottom), stops)


Box = tuple[float, float, float, float]


def _box_in(panel: Path, frame: Matrix) -> Box:
    a, b, c, d, e, f = frame
    scale = a * d - b * c
    inverse = (d / scale, -b / scale, -c / scale, a / scale)
    points: list[Point] = []
    for x, y in panel.points:
        dx, dy = x - e, y - f
        points.append((inverse[0] * dx + inverse[2] * dy, inverse[1] * dx + inverse[3] * dy))
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _first(low: float, period: float) -> float:
    """The first multiple of ``period`` that is not after ``low``."""
    return math.floor(low / period) * period


def _across(cloth: Cloth, sheet: Sheet, box: Box, alpha: float = 1.0, share: float = 0.46) -> None:
    left, top, right, bottom = box
    middle, sag = (left + right) / 2, min((right - left) * 0.03, 1.6)
    y = _first(top, cloth.period)
    lines: Path | None = None
    while y < bottom + cloth.period:
        line = stroke((left - 1, y - sag), (middle, y + sag), (right + 1, y - sag))
        lines = line if lines is None else lines + line
        y += cloth.period
    if lines is not None:
        sheet.draw(lines, cloth.second, cloth.period * share, alpha, round_ends=False)


def _down(cloth: Cloth, sheet: Sheet, box: Box, alpha: float = 1.0, share: float = 0.42) -> None:
    left, top, right, bottom = box
    x = _first(left, cloth.period) - cloth.period / 2
    lines: Path | None = None
    while x < right + cloth.period:
        lean = x * 0.03
        line = stroke((x - lean, top - 1), (x, (top + bottom) / 2), (x + lean, bottom + 1))
        lines = line if lines is None else lines + line
        x += cloth.period
    if lines is not None:
        sheet.draw(lines, cloth.second, cloth.period * share, alpha, round_ends=False)


def _checked(cloth: Cloth, sheet: Sheet, box: Box) -> None:
    _across(cloth, sheet, box, 0.6, 0.4)
    _down(cloth, sheet, box, 0.6, 0.4)


def _lattice(box: Box, step: float) -> list[Point]:
    """Points of a grid in which every other row is shifted by half a step."""
    left, top, right, bottom = box
    points: list[Point] = []
    rise = step * 0.87
    row = math.floor(top / rise)
    while row * rise < bottom + step:
        x = _first(left, step) + (step / 2 if row % 2 else 0.0)
        while x < right + step:
            points.append((x, row * rise))
            x += step
        row += 1
    return points


def _spots(points: list[Point], colour: Rgb, width: float, sheet: Sheet) -> None:
    """Discs drawn as dots of a round pen: two numbers each, where an outline takes twenty-six."""
    if points:
        dots = tuple(((x, y), ((x + 0.01, y),), False) for x, y in points)
        sheet.draw(Path(dots), colour, width)


def _dotted(cloth: Cloth, sheet: Sheet, box: Box) -> None:
    _spots(_lattice(box, cloth.period), cloth.second, cloth.period * 0.5, sheet)


def _floral(cloth: Cloth, sheet: Sheet, box: Box) -> None:
    rng = random.Random(cloth.seed)
    step = cloth.period * 1.75
    petals: list[Point] = []
    hearts: list[Point] = []
    leaves: list[tuple[Point, tuple[tuple[float, ...], ...], bool]] = []
    for x, y in _lattice(box, step):
        cx, cy = x + rng.uniform(-0.12, 0.12) * step, y + rng.uniform(-0.12, 0.12) * step
        turn = rng.uniform(0, math.tau)
        for k in range(5):
            angle = turn + k * math.tau / 5
            reach = step * 0.16
            petals.append((cx + math.cos(angle) * reach, cy + math.sin(angle) * reach))
        for side in (0.6, 2.2):
            angle = turn + side * 1.9
            start = (cx + math.cos(angle) * step * 0.27, cy + math.sin(angle) * step * 0.27)
            end = (cx + math.cos(angle) * step * 0.42, cy + math.sin(angle) * step * 0.42)
            leaves.append((start, (end,), False))
        hearts.append((cx, cy))
    if leaves:
        sheet.draw(Path(tuple(leaves)), mix(cloth.second, cloth.base, 0.45), step * 0.09)
    _spots(petals, cloth.second, step * 0.2, sheet)
    _spots(hearts, mix(cloth.base, cloth.second, 0.12), step * 0.14, sheet)


_PATTERNS: dict[str, Callable[[Cloth, Sheet, Box], None]] = {
    "striped across": _across,
    "striped down": _down,
    "checked": _checked,
    "dotted": _dotted,
    "floral": _floral,
}


def _star() -> Path:
    points = []
    for k in range(10):
        radius = 1.0 if k % 2 == 0 else 0.44
        angle = math.radians(-90 + 36 * k)
        points.append((radius * math.cos(angle), radius * math.sin(angle)))
    return polygon(*points)


def _heart() -> Path:
    return outline(
        (0.0, -0.42),
        [(0.28, -0.82), (0.78, -0.78), (0.98, -0.30), (0.66, 0.28), (0.0, 0.92)],
        [(-0.66, 0.28), (-0.98, -0.30), (-0.78, -0.78), (-0.28, -0.82), (0.0, -0.42)],
    )


def _sun() -> Path:
    rays = ellipse(0, 0, 0.5)
    for k in range(10):
        ray = polygon((-0.13, -0.62), (0.0, -1.0), (0.13, -0.62))
        rays += ray.moved(placed(0, 0, 1, 36 * k))
    return rays


def _moon() -> Path:
    """A disc with a smaller one cut out of its right side, tip to tip and back."""
    outer = [_on_circle(0.0, 0.95, degrees) for degrees in range(-60, -301, -40)]
    inner = [_on_circle(0.42, 0.82, degrees) for degrees in range(110, 251, 35)]
    return outline(outer[0], outer[1:], [*inner, outer[0]])


def _on_circle(x: float, radius: float, degrees: float) -> Point:
    turn = math.radians(degrees)
    return x + radius * math.cos(turn), radius * math.sin(turn)


def _leaf() -> Path:
    blade = outline(
        (0.0, -1.0),
        [(0.5, -0.35), (0.45, 0.3), (0.0, 0.72)],
        [(-0.45, 0.3), (-0.5, -0.35), (0, -1)],
    )
    return blade + polygon((-0.06, 0.6), (0.06, 0.6), (0.05, 1.05), (-0.05, 1.05))


def _fish() -> Path:
    body = outline(
        (-0.45, 0.0),
        [(-0.1, -0.42), (0.45, -0.45), (0.98, 0.0)],
        [(0.45, 0.45), (-0.1, 0.42), (-0.45, 0.0)],
    )
    return body + outline((-0.38, 0.0), [(-0.7, -0.25), (-1, -0.48)], [(-0.84, 0.0), (-1, 0.48)])


MOTIF_SHAPES: dict[str, Path] = {
    "star": _star(),
    "heart": _heart(),
    "sun": _sun(),
    "moon": _moon(),
    "leaf": _leaf(),
    "fish": _fish(),
}


def print_motif(sheet: Sheet, cloth: Cloth, motif: str, at: Matrix) -> None:
    """Print ``motif``, drawn in the unit circle, at the place, size and turn of ``at``."""
    sheet.fill(MOTIF_SHAPES[motif].moved(at), cloth.second)
    detail = _DETAILS.get(motif)
    if detail is not None:
        detail(sheet, cloth, at)


def _veins(sheet: Sheet, cloth: Cloth, at: Matrix) -> None:
    veins = stroke((0, -0.75), (0, 0.6))
    for y in (-0.25, 0.1):
        veins += stroke((0.26, y - 0.14), (0, y + 0.1), (-0.26, y - 0.14))
    sheet.draw(veins.moved(at), cloth.base, 0.07 * math.hypot(at[0], at[1]))


def _eye(sheet: Sheet, cloth: Cloth, at: Matrix) -> None:
    x, y = apply(at, (0.62, -0.1))
    sheet.fill(ellipse(x, y, 0.09 * math.hypot(at[0], at[1])), cloth.base)


_DETAILS: dict[str, Callable[[Sheet, Cloth, Matrix], None]] = {"leaf": _veins, "fish": _eye}
