"""The tailor: draws the parts of one item onto three sheets, for colour, shading and outline.

Coordinates are in garment units: about 100 to the height of a long garment, x = 0 its middle, y
down. The sheet ``ink`` has the colours of cloth, pattern and seams. ``light`` has the shading
alone, 0.5 grey where it changes nothing; it is blurred as a whole before it is blended over the
ink (blend mode hard light), so that folds are soft without a blur for each. ``silhouette`` is white
wherever something was drawn; the shadow on the background is made from it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from samebut.wardrobe.attributes import Item
from samebut.wardrobe.fabric import (
    BLACK,
    PALETTE,
    WHITE,
    Cloth,
    brightness,
    line_of,
    mix,
    print_motif,
)
from samebut.wardrobe.vector import Path, Point, Rgb, Sheet, placed, stroke

Volume = Sequence[tuple[float, float]]  # (position from left 0 to right 1, grey value)

ROUND: Volume = ((0.0, 0.47), (0.25, 0.56), (0.6, 0.49), (1.0, 0.36))
TUBE: Volume = ((0.0, 0.42), (0.35, 0.57), (0.7, 0.47), (1.0, 0.33))
FLAT: Volume = ((0.0, 0.53), (1.0, 0.45))
METAL: Rgb = (0.80, 0.76, 0.66)


def _grey(value: float) -> Rgb:
    return (value, value, value)


@dataclass
class Tailor:
    """The state of drawing one item. See the module's docstring for units and sheets."""

    item: Item
    cloth: Cloth
    rng: random.Random
    ink: Sheet = field(default_factory=Sheet)
    light: Sheet = field(default_factory=Sheet)
    silhouette: Sheet = field(default_factory=Sheet)
    reach: list[Point] = field(default_factory=list)  # their convex hull contains all that is drawn
    hung: bool = False  # on a hanger; ignored for kinds that don't hang

    @property
    def two_tone(self) -> bool:
        """Plain cloth with trim of a second colour."""
        return self.item.pattern == "plain" and bool(self.item.second_colour)

    def fabric(self, name: str) -> Cloth:
        """``main``: cloth with its pattern. ``trim``: the second colour of a two-tone item, else
        as main. ``band``: the same without pattern. ``inside``: the back of the cloth."""
        if name == "main":
            return self.cloth
        if name in ("trim", "band") and self.two_tone:
            return replace(self.cloth, base=self.cloth.second, pattern="plain")
        if name == "trim":
            return self.cloth
        base = self.cloth.base
        if name == "inside":
            base = mix(base, BLACK, 0.34) if brightness(base) > 0.3 else mix(base, BLACK, 0.45)
        return replace(self.cloth, base=base, pattern="plain")

    def extent(self, top: float, bottom: float) -> None:
        """Between which heights a gradient runs on this item."""
        self.cloth = replace(self.cloth, top=top, bottom=bottom)

    def panel(
        self,
        shape: Path,
        fabric: str = "main",
        *,
        angle: float = 0.0,
        about: Point = (0.0, 0.0),
        volume: Volume | None = ROUND,
        lift: float = 0.0,
        edge: float = 0.5,
    ) -> None:
        """A piece of cloth: pattern, edge and volume. ``angle`` turns the cloth around ``about``;
        ``lift`` is how dark a shadow the piece casts on parts drawn before it."""
        cloth = self.fabric(fabric)
        cloth.cover(self.ink, shape, placed(*about, 1.0, angle))
        self.ink.draw(shape, cloth.line, edge)
        self._occupy(shape)
        if lift:
            self.light.draw(shape.moved(placed(0.5, 0.9)), BLACK, 2.4, lift)
        if volume is not None:
            self.round_off(shape, volume, angle)

    def _occupy(self, shape: Path) -> None:
        self.silhouette.fill(shape, WHITE)
        self.reach.extend(shape.points)

    def round_off(self, shape: Path, volume: Volume, angle: float = 0.0) -> None:
        """Shade ``shape`` with the greys of ``volume`` from its left to its right, rotated by
        ``angle``. This covers folds drawn there earlier."""
        turn = math.radians(angle)
        cos, sin = math.cos(turn), math.sin(turn)
        along = [x * cos + y * sin for x, y in shape.points]
        low, high = min(along), max(along)
        left, top, right, bottom = shape.box()
        cx, cy = (left + right) / 2, (top + bottom) / 2
        middle = cx * cos + cy * sin
        start = (cx + (low - middle) * cos, cy + (low - middle) * sin)
        end = (cx + (high - middle) * cos, cy + (high - middle) * sin)
        self.light.shade(shape, start, end, [(at, _grey(value)) for at, value in volume])

    def solid(self, shape: Path, colour: Rgb, *, edge: float = 0.35, part: bool = True) -> None:
        """Draw something that is not cloth: a button, a sole, a dial."""
        self.ink.fill(shape, colour)
        if edge:
            self.ink.draw(shape, line_of(colour), edge)
        if part:
            self._occupy(shape)

    def cord(self, path: Path, colour: Rgb, width: float, *, sheen: float = 0.35) -> None:
        """Draw something long and thin along ``path``: a strap, a handle, a thread."""
        self.ink.draw(path, line_of(colour), width + 0.7)
        self.ink.draw(path, colour, width)
        self.silhouette.draw(path, WHITE, width + 0.7)
        self.reach.extend(path.points)
        if sheen:
            self.light.draw(path.moved(placed(0.5, 0.9)), BLACK, width, 0.3)
            self.light.draw(path, _grey(0.5), width)
            self.light.draw(path.moved(placed(-width * 0.15, 0)), WHITE, width * 0.4, sheen)

    def knit(self, shape: Path, gauge: float = 1.7) -> None:
        """The columns of stitches of knitted cloth, as fine lines."""
        left, top, right, bottom = shape.box()
        tone = self.cloth.line
        columns = [left + gauge * (k + 0.5) for k in range(int((right - left) / gauge))]
        lines = tuple(((x, top), ((x, bottom),), False) for x in columns)
        with self.ink.clipped(shape):
            self.ink.draw(Path(lines), tone, 0.35, 0.32)

    def seam(self, *points: Point, fabric: str = "main", width: float = 0.45) -> None:
        """A line in the tone of the cloth."""
        self.ink.draw(stroke(*points), self.fabric(fabric).line, width)

    def stitch(self, *points: Point, fabric: str = "main") -> None:
        """A row of stitches in the tone of the cloth."""
        tone = self.fabric(fabric).line
        self.ink.draw(stroke(*points), tone, 0.34, 0.85, dash=(1.0, 0.8), round_ends=False)

    def fold(self, *points: Point, depth: float = 0.22, width: float = 1.6) -> None:
        """A crease: a dark line with a lit one beside it."""
        line = stroke(*points)
        self.light.draw(line, BLACK, width, depth)
        self.light.draw(line.moved(placed(-width * 0.9, -0.2)), WHITE, width * 0.8, depth * 0.55)

    def shadow(self, *points: Point, depth: float = 0.3, width: float = 2.0) -> None:
        """A soft dark line without a lit side, such as under an edge."""
        self.light.draw(stroke(*points), BLACK, width, depth)

    def gleam(self, *points: Point, strength: float = 0.3, width: float = 1.4) -> None:
        """A soft light line, such as on leather."""
        self.light.draw(stroke(*points), WHITE, width, strength)

    def motif(self, x: float, y: float, size: float, angle: float = 0.0) -> None:
        """The print, where the item has one."""
        if self.item.pattern == "printed":
            print_motif(self.ink, self.cloth, self.item.motif, placed(x, y, size, angle))


def measure(item: Item, rng: random.Random, *, hung: bool = False) -> Tailor:
    """A tailor for ``item``. ``rng`` decides the details that its attributes do not."""

    def dye(name: str) -> Rgb:
        base = PALETTE[name]
        target = WHITE if rng.random() < 0.5 else BLACK
        return mix(base, target, rng.uniform(0.0, 0.05))

    base = dye(item.colour)
    second = dye(item.second_colour) if item.second_colour else base
    cloth = Cloth(
        base, second, item.pattern, rng.uniform(5.4, 7.6), 0.0, 100.0, rng.getrandbits(32)
    )
    return Tailor(item, cloth, rng, hung=hung)
