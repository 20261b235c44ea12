"""A picture's layout: its shape and background, and the item's place, size and tilt."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from samebut.wardrobe.fabric import BLACK, WHITE, brightness, mix
from samebut.wardrobe.vector import (
    Matrix,
    Point,
    Rgb,
    Sheet,
    apply,
    placed,
    rectangle,
    stroke,
    times,
)


@dataclass(frozen=True)
class Scene:
    """The layout of one picture. ``x`` and ``y``, 0 to 1, place the item within the free space."""

    width: int
    height: int
    background: str
    tint: Rgb
    fill: float  # share of the limiting side that the item takes
    x: float
    y: float
    tilt: float  # degrees
    seed: int
    stretch: float = 1.0  # how much wider than drawn the item is; less than 0 mirrors it

    @property
    def stands(self) -> bool:
        """The item stands on a floor; its shadow lies there."""
        return self.background == "room"

    @property
    def hangs(self) -> bool:
        """The item hangs on a wall; its shadow is further away from it."""
        return self.background == "wall"

    def floor(self) -> float:
        """The height in pixels where a wall meets the floor."""
        return self.height * (0.70 + 0.12 * (self.seed % 97) / 96)

    def placing(self, points: Sequence[Point]) -> Matrix:
        """The matrix that puts a garment with ``points`` (garment units) into the picture
        (pixels), as large as ``fill`` says and wholly inside."""
        turn = times((self.stretch, 0, 0, 1, 0, 0), placed(0, 0, 1, self.tilt))
        xs, ys = zip(*(apply(turn, point) for point in points), strict=True)
        width, height = max(xs) - min(xs), max(ys) - min(ys)
        foot = self.floor() + (self.height - self.floor()) * (0.2 + 0.6 * self.y)
        room = foot * 0.97 if self.stands else self.height * self.fill
        scale = min(self.width * self.fill / width, room / height)
        left = (self.width - width * scale) * self.x
        top = (self.height - height * scale) * self.y
        if self.stands:
            top = foot - height * scale
        return times(turn, (scale, 0, 0, scale, left - min(xs) * scale, top - min(ys) * scale))


PAPERS: tuple[Rgb, ...] = (
    (0.90, 0.84, 0.76),
    (0.80, 0.87, 0.90),
    (0.93, 0.83, 0.82),
    (0.82, 0.88, 0.80),
    (0.88, 0.85, 0.92),
    (0.96, 0.90, 0.74),
    (0.70, 0.76, 0.80),
    (0.86, 0.86, 0.84),
)


def _studio(scene: Scene, sheet: Sheet) -> None:
    w, h = scene.width, scene.height
    sheet.glow(
        rectangle(0, 0, w, h),
        (w * 0.45, h * 0.4),
        max(w, h) * 0.8,
        ((0.0, WHITE), (0.6, (0.975, 0.975, 0.975)), (1.0, (0.90, 0.90, 0.91))),
    )


def _soft(scene: Scene, sheet: Sheet) -> None:
    w, h = scene.width, scene.height
    tint = mix(scene.tint, WHITE, 0.35)
    sheet.glow(
        rectangle(0, 0, w, h),
        (w * 0.4, h * 0.35),
        max(w, h) * 0.95,
        ((0.0, mix(tint, WHITE, 0.6)), (1.0, mix(tint, BLACK, 0.06))),
    )


def _paper(scene: Scene, sheet: Sheet) -> None:
    w, h = scene.width, scene.height
    sheet.shade(
        rectangle(0, 0, w, h),
        (0, 0),
        (w, h),
        ((0.0, mix(scene.tint, WHITE, 0.18)), (1.0, mix(scene.tint, BLACK, 0.07))),
    )


def _wood(scene: Scene, sheet: Sheet) -> None:
    rng = random.Random(scene.seed)
    w, h = scene.width, scene.height
    tone = mix(
        rng.choice(((0.80, 0.66, 0.50), (0.72, 0.57, 0.43), (0.86, 0.80, 0.72))), WHITE, 0.12
    )
    sheet.fill(rectangle(0, 0, w, h), tone)
    plank = max(w, h) / rng.choice((5, 6, 7))
    y = -rng.random() * plank
    while y < h:
        shade = mix(tone, BLACK if rng.random() < 0.5 else WHITE, rng.uniform(0.0, 0.10))
        sheet.fill(rectangle(0, y, w, plank), shade)
        with sheet.clipped(rectangle(0, y, w, plank)):
            for _ in range(6):
                gy = y + rng.random() * plank
                bend = rng.uniform(-0.08, 0.08) * plank
                grain = stroke((0, gy), (w * 0.35, gy + bend), (w * 0.7, gy - bend), (w, gy + bend))
                sheet.draw(grain, mix(shade, (0.25, 0.14, 0.06), 0.3), rng.uniform(0.5, 1.4), 0.35)
        sheet.draw(stroke((0, y), (w, y)), mix(tone, BLACK, 0.45), 1.1, 0.7)
        x = rng.random() * w
        sheet.draw(stroke((x, y), (x, y + plank)), mix(tone, BLACK, 0.45), 1.0, 0.6)
        y += plank


def _room(scene: Scene, sheet: Sheet) -> None:
    w, h = scene.width, scene.height
    line = scene.floor()
    wall = mix(scene.tint, WHITE, 0.3)
    floor = mix((0.74, 0.66, 0.57), scene.tint, 0.25)
    sheet.shade(
        rectangle(0, 0, w, line),
        (0, 0),
        (w * 0.6, line),
        ((0.0, mix(wall, WHITE, 0.25)), (1.0, mix(wall, BLACK, 0.08))),
    )
    sheet.shade(
        rectangle(0, line, w, h - line),
        (0, line),
        (0, h),
        ((0, mix(floor, BLACK, 0.10)), (1, floor)),
    )
    skirting = max(h * 0.022, 3.0)
    sheet.fill(rectangle(0, line - skirting, w, skirting), mix(wall, WHITE, 0.55))
    sheet.draw(stroke((0, line), (w, line)), mix(floor, BLACK, 0.35), 1.0, 0.6)


def _linen(scene: Scene, sheet: Sheet) -> None:
    w, h = scene.width, scene.height
    cloth = mix(scene.tint, (0.93, 0.90, 0.85), 0.55)
    sheet.fill(rectangle(0, 0, w, h), cloth)
    rng = random.Random(scene.seed)
    for _ in range(7):
        x, lean = rng.uniform(-0.2, 1.1) * w, rng.uniform(0.1, 0.5) * h
        crease = stroke((x, -5), (x + lean * 0.4, h * 0.5), (x + lean, h + 5))
        width = rng.uniform(0.03, 0.10) * max(w, h)
        for share in (1.0, 0.6, 0.3):
            sheet.draw(crease, BLACK, width * share, 0.015)
            sheet.draw(crease.moved(placed(-width * 0.8, 0)), WHITE, width * share, 0.06)


def _wall(scene: Scene, sheet: Sheet) -> None:
    w, h = scene.width, scene.height
    wall = mix(scene.tint, WHITE, 0.25)
    stops = ((0.0, mix(wall, WHITE, 0.35)), (1.0, mix(wall, BLACK, 0.10)))
    sheet.shade(rectangle(0, 0, w, h), (0, 0), (w, h * 0.8), stops)
    board = max(w, h) / 7
    x = (scene.seed % 89) / 89 * board
    while x < w:
        sheet.draw(stroke((x, 0), (x, h)), mix(wall, BLACK, 0.3), 1.2, 0.35)
        sheet.draw(stroke((x + 1.2, 0), (x + 1.2, h)), WHITE, 1.0, 0.35)
        x += board


BACKGROUNDS: dict[str, Callable[[Scene, Sheet], None]] = {
    "studio": _studio,
    "soft": _soft,
    "paper": _paper,
    "wood": _wood,
    "linen": _linen,
    "room": _room,
    "wall": _wall,
}
_ANYWHERE = {"studio": 5, "soft": 3, "paper": 3, "wood": 2, "linen": 2}
_STANDING = ("shoe", "boot", "bag")
_FACING = ("shoe", "boot", "hat")  # drawn looking left; some look right
_HANGING = ("dress", "shirt", "T-shirt", "sweater", "coat")


def random_scene(rng: random.Random, kind: str, colour: Rgb, size: int = 288) -> Scene:
    """A scene for an item of ``kind`` and ``colour``; ``size`` squared is the picture's area in
    pixels. Items that lie flat may be rotated; those that stand or hang are upright."""
    ratio = _random_ratio(rng)
    weights = dict(_ANYWHERE)
    if kind in _STANDING:
        weights["room"] = 4
    if kind in _HANGING:
        weights["wall"] = 3
    background = rng.choices(tuple(weights), weights=tuple(weights.values()))[0]
    tints = sorted(PAPERS, key=lambda tint: abs(brightness(tint) - brightness(colour)))
    return Scene(
        width=round(size * ratio**0.5),
        height=round(size / ratio**0.5),
        background=background,
        tint=rng.choice(tints[3:]),
        fill=rng.uniform(0.76, 0.93),
        x=rng.uniform(0.2, 0.8),
        y=rng.uniform(0.2, 0.8),
        tilt=0.0 if background in ("room", "wall") else rng.gauss(0, 3.5),
        seed=rng.getrandbits(32),
        stretch=rng.uniform(0.95, 1.05) * (-1 if kind in _FACING and rng.random() < 0.4 else 1),
    )


def _random_ratio(rng: random.Random) -> float:
    """Width over height: mostly what shops use, one in four anything from 1:3 to 3:1."""
    if rng.random() < 0.25:
        return float(3.0 ** rng.uniform(-1, 1))
    return rng.choice((1.0, 1.0, 0.75, 0.75, 0.8, 0.67, 1.33))
