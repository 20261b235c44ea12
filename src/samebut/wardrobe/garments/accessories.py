"""What is carried or worn besides: bag, hat, scarf, watch."""

from __future__ import annotations

import math

from samebut.wardrobe.fabric import BLACK, WHITE, brightness, mix
from samebut.wardrobe.garments import parts
from samebut.wardrobe.tailor import METAL, ROUND, TUBE, Tailor, Volume
from samebut.wardrobe.vector import (
    Path,
    Point,
    Rgb,
    ellipse,
    outline,
    placed,
    polygon,
    rectangle,
    stroke,
    symmetric,
)

_BOX: Volume = ((0.0, 0.50), (0.3, 0.55), (0.75, 0.48), (1.0, 0.38))


def _strap_colour(tailor: Tailor) -> Rgb:
    return tailor.cloth.second if tailor.two_tone else parts.leather(tailor)


def bag(tailor: Tailor) -> None:
    """A bag: tote, satchel or backpack."""
    tailor.extent(-4, 50)
    {"tote": _tote, "satchel": _satchel, "backpack": _backpack}[tailor.item.shape](tailor)


def _tote(tailor: Tailor) -> None:
    colour = _strap_colour(tailor)
    back = stroke((-11, 2), (-10, -14), (0, -23), (10, -14), (11, 2))
    tailor.cord(back, mix(colour, BLACK, 0.3), 2.0)
    rim = outline((-25, 0.6), [(0, -1.8), (25, 0.6)], [(0, 3.0), (-25, 0.6)])
    tailor.panel(rim, "inside", volume=None, edge=0.4)
    body = symmetric(
        (25, 0.4), [(26.5, 20), (25.6, 40), (23.6, 45.2)], [(20, 46.6), (0, 47.4)], top=[(0, 2.8)]
    )
    tailor.panel(body, "main", volume=_BOX)
    if tailor.two_tone:
        base = symmetric(
            (26.2, 33), [(25.6, 40), (23.6, 45.2)], [(20, 46.6), (0, 47.4)], top=[(0, 34.6)]
        )
        tailor.panel(base, "trim", volume=_BOX)
    for x in (-1, 1):
        tailor.fold((x * 16, 6), (x * 17.6, 22), (x * 15, 40), depth=0.14, width=2.4)
    tailor.fold((2, 30), (-1, 38), (3, 44), depth=0.1, width=2.2)
    tailor.stitch((-25, 4.2), (0, 6.4), (25, 4.2))
    if tailor.item.pockets == "yes":
        parts.patch_pocket(tailor, 0, 18, 22, 18)
    tailor.motif(
        0, 24 if tailor.item.pockets == "no" else 27, 8.4 if tailor.item.pockets == "no" else 6
    )
    front = stroke((-12, 9), (-11.6, -8), (0, -18), (11.6, -8), (12, 9))
    tailor.cord(front, colour, 2.2)
    for x in (-12, 12):
        tailor.solid(rectangle(x - 1.6, 5.6, 3.2, 6.0, 0.8), colour, edge=0.35, part=False)
        tailor.solid(ellipse(x, 8.4, 0.7), METAL, edge=0.2, part=False)


def _satchel(tailor: Tailor) -> None:
    colour = _strap_colour(tailor)
    handle = stroke((-9, 3), (-8, -7), (0, -10), (8, -7), (9, 3))
    tailor.cord(handle, colour, 2.6)
    body = symmetric(
        (27, 2), [(28.6, 12), (28.4, 32), (26.4, 37.4)], [(20, 38.6), (0, 39)], top=[(0, 1.2)]
    )
    tailor.panel(body, "main", volume=_BOX)
    if tailor.item.pockets == "yes":
        pocket = symmetric((19, 24), [(19.4, 35)], [(10, 36.2), (0, 36.4)], top=[(0, 24)])
        tailor.panel(pocket, "main", volume=None, lift=0.25)
        tailor.stitch((-19, 26), (0, 26.2), (19, 26))
    flap = symmetric(
        (27.4, 0.6),
        [(28.8, 8), (28.2, 17), (24.0, 21.4)],
        [(14, 23.4), (0, 24)],
        top=[(0, -0.6)],
    )
    tailor.panel(flap, "main", volume=_BOX, lift=0.45)
    if tailor.two_tone:
        rim = stroke((-29, 8), (-28.2, 17), (-24, 21.4), (-14, 23.4), (0, 24))
        parts.binding(tailor, flap, rim + rim.mirrored(), 3.4)
    tailor.stitch(
        (-26.6, 3),
        (-26.2, 15),
        (-22.6, 19.8),
        (0, 22.2),
        (22.6, 19.8),
        (26.2, 15),
        (26.6, 3),
    )
    tailor.motif(0, 10.5, 7.0)
    for x in (-13, 13):
        strap = rectangle(x - 2.0, 12, 4.0, 17, 0.9)
        tailor.solid(strap, colour, edge=0.4, part=False)
        tailor.solid(rectangle(x - 2.9, 22.0, 5.8, 4.8, 0.9), METAL, edge=0.3, part=False)
        tailor.solid(rectangle(x - 1.7, 23.2, 3.4, 2.4, 0.4), colour, edge=0.25, part=False)


def _backpack(tailor: Tailor) -> None:
    colour = _strap_colour(tailor)
    for side in (-1, 1):
        strap = stroke((side * 14, 4), (side * 26, 14), (side * 28, 32), (side * 21, 46))
        tailor.cord(strap, mix(colour, BLACK, 0.18), 3.0)
    handle = stroke((-5, 0), (-4.4, -5.4), (0, -7), (4.4, -5.4), (5, 0))
    tailor.cord(handle, colour, 1.9)
    body = symmetric(
        (0.01, -2),
        [(12, -0.6), (20, 5.4), (23, 18), (24, 38), (21.8, 47.4)],
        [(15, 49.4), (0, 50)],
    )
    tailor.panel(body, "main", volume=_BOX)
    top_zip = stroke((-21, 21), (-17.4, 9.4), (0, 4.6), (17.4, 9.4), (21, 21))
    tailor.ink.draw(top_zip, mix(tailor.cloth.base, BLACK, 0.45), 1.5)
    tailor.ink.draw(top_zip, METAL, 0.7, dash=(0.5, 0.6), round_ends=False)
    tailor.fold((-20, 24), (-12, 26), (-4, 24.4), depth=0.14)
    tailor.motif(0, 15.6 if tailor.item.pockets == "yes" else 26, 6.6)
    if tailor.item.pockets == "yes":
        pocket = symmetric(
            (16.0, 26), [(18.2, 31), (18.4, 42), (16.4, 46)], [(10, 47), (0, 47.2)], top=[(0, 24.6)]
        )
        tailor.panel(pocket, "trim", volume=_BOX, lift=0.3)
        line = stroke((-15.4, 30.0), (0, 29.0), (15.4, 30.0))
        tailor.ink.draw(line, mix(tailor.cloth.base, BLACK, 0.45), 1.3)
        tailor.ink.draw(line, METAL, 0.6, dash=(0.5, 0.6), round_ends=False)
    elif tailor.two_tone:
        base = symmetric((23.9, 38), [(21.8, 47.4)], [(15, 49.4), (0, 50)], top=[(0, 38.6)])
        tailor.panel(base, "trim", volume=_BOX)


def hat(tailor: Tailor) -> None:
    """A hat: cap, brimmed hat, bucket hat or beanie."""
    tailor.extent(-26, 18)
    {"cap": _cap, "brimmed": _brimmed, "bucket": _bucket, "beanie": _beanie}[tailor.item.shape](
        tailor
    )


def _cap(tailor: Tailor) -> None:
    crown = outline(
        (-24, 10),
        [(-25, -4), (-17, -19), (0, -24.4), (17, -20), (26, -6), (27, 10)],
        [(14, 13.6), (0, 14.4), (-24, 10)],
    )
    tailor.panel(crown, "main", volume=ROUND)
    tailor.seam((-1, -24.2), (-9, -8), (-11, 13))
    tailor.seam((-1, -24.2), (11, -12), (15, 13.2))
    tailor.shadow((-1, -24), (-9, -8), (-11, 13), depth=0.14)
    for x, y in ((-5.6, -12), (7.4, -12.6)):
        tailor.solid(ellipse(x, y, 0.8), mix(tailor.cloth.base, BLACK, 0.5), edge=0.3, part=False)
    tailor.motif(2.4, 0.5, 6.6)
    brim = outline(
        (-24.4, 9.2),
        [(-10, 12.4), (8, 14.0), (20, 13.0)],
        [(10, 20.4), (-14, 22.6), (-36, 20.8), (-44, 16.4)],
        [(-40, 11.6), (-32, 9.6), (-24.4, 9.2)],
    )
    tailor.panel(brim, "trim", volume=((0, 0.57), (0.5, 0.53), (1, 0.42)), lift=0.3)
    tailor.stitch((-41, 15.6), (-32, 18.4), (-12, 20.2), (8, 18.2), fabric="trim")
    tailor.stitch((-37, 14), (-28, 16), (-10, 17.4), (12, 15.6), fabric="trim")
    tailor.panel(ellipse(-0.6, -24.6, 2.2, 1.4), "trim", volume=None, edge=0.4)
    tailor.gleam((-18, -8), (-12, -16), (-4, -20), strength=0.22, width=2.6)


def _brimmed(tailor: Tailor) -> None:
    back = ellipse(0, 11, 44, 9.6)
    tailor.panel(back, "main", volume=((0, 0.53), (0.4, 0.55), (1, 0.40)))
    rim = outline(
        (-43.8, 11),
        [(-30, 17.6), (0, 20.4), (30, 17.6), (43.8, 11)],
        [(30, 15.4), (0, 17.6), (-30, 15.4), (-43.8, 11)],
    )
    tailor.panel(rim, "main", volume=((0, 0.56), (1, 0.46)), edge=0.3)
    tailor.shadow((-24, 14), (0, 17.6), (27, 14), depth=0.4, width=5)
    crown = outline(
        (-23.6, 10.4),
        [(-23.4, -2), (-20, -16), (-12, -21.6)],
        [(-4, -21.4), (0, -18.6), (5, -21.4), (13, -21.2)],
        [(20, -15), (23.4, -2), (23.6, 10.4)],
        [(12, 14.4), (0, 15.2), (-12, 14.4), (-23.6, 10.4)],
    )
    tailor.panel(crown, "main", volume=ROUND)
    tailor.fold((0, -18.4), (-3, -12), (-9, -6), depth=0.26, width=2.6)
    tailor.fold((6, -19), (9, -12), (10, -6), depth=0.14, width=2.2)
    band = outline(
        (-23.7, 3.6),
        [(-12, 7.6), (0, 8.4), (12, 7.6), (23.7, 3.6)],
        [(23.6, 10.4)],
        [(12, 14.4), (0, 15.2), (-12, 14.4), (-23.6, 10.4)],
        [(-23.7, 3.6)],
    )
    colour = tailor.cloth.second if tailor.two_tone else mix(tailor.cloth.base, BLACK, 0.55)
    if not tailor.two_tone and brightness(tailor.cloth.base) < 0.3:
        colour = mix(tailor.cloth.base, WHITE, 0.35)
    tailor.solid(band, colour, edge=0.35, part=False)
    tailor.round_off(band, ROUND)
    tailor.solid(
        polygon((15.6, 6.2), (20.4, 4.4), (20.6, 12.4), (15.8, 13.6)), colour, edge=0.4, part=False
    )
    tailor.motif(0, -6, 5.4)


def _bucket(tailor: Tailor) -> None:
    crown = outline(
        (-18.6, 2),
        [(-17.6, -10), (-14.4, -18.6)],
        [(-6, -21.6), (6, -21.6), (14.4, -18.6)],
        [(17.6, -10), (18.6, 2)],
        [(0, 6), (-18.6, 2)],
    )
    tailor.panel(crown, "main", volume=ROUND)
    tailor.seam((-14.4, -18.4), (0, -15.6), (14.4, -18.4))
    tailor.stitch((-14.6, -17.2), (0, -14.4), (14.6, -17.2))
    tailor.motif(0, -6.6, 5.6)
    brim = outline(
        (-18.8, 1.4),
        [(-9, 4.4), (0, 5.2), (9, 4.4), (18.8, 1.4)],
        [(25, 9), (31, 16.4)],
        [(18, 21.4), (0, 23), (-18, 21.4), (-31, 16.4)],
        [(-25, 9), (-18.8, 1.4)],
    )
    tailor.panel(brim, "trim", volume=ROUND, lift=0.3)
    for t in (0.3, 0.55, 0.8):
        y, half = 4 + 16.5 * t, 19 + 11.0 * t
        tailor.stitch(
            (-half, y - 2.8),
            (-half * 0.5, y + 1.0),
            (0, y + 2.0),
            (half * 0.5, y + 1.0),
            (half, y - 2.8),
            fabric="trim",
        )
    tailor.shadow((-18, 3), (0, 7), (18, 3), depth=0.3, width=2)


def _beanie(tailor: Tailor) -> None:
    crown = outline(
        (-22, 8),
        [(-22.4, -8), (-14, -22), (0, -26.4), (14, -22), (22.4, -8), (22, 8)],
        [(0, 11), (-22, 8)],
    )
    tailor.panel(crown, "main", volume=ROUND)
    for share in (-0.78, -0.5, -0.2, 0.12, 0.42, 0.72):
        tailor.seam((share * 3, -25.6), (share * 17, -16), (share * 22, 8), width=0.4)
        tailor.shadow(
            (share * 3, -25), (share * 17.4, -16), (share * 22.4, 8), depth=0.10, width=1.6
        )
    tailor.motif(0, -6.5, 6.2)
    fold = outline(
        (-23.4, 3.4),
        [(-12, 6.4), (0, 7.2), (12, 6.4), (23.4, 3.4)],
        [(24, 9), (23, 16)],
        [(12, 19.2), (0, 20), (-12, 19.2), (-23, 16)],
        [(-24, 9), (-23.4, 3.4)],
    )
    tailor.panel(fold, "band", volume=ROUND, lift=0.35)
    for k in range(-11, 12):
        x = k * 2.02
        drop = 3.4 * (1 - (x / 23.4) ** 2)
        tailor.seam((x, 4.2 + drop), (x * 0.985, 15.8 + drop), fabric="band", width=0.35)
    _pompom(tailor)


def _pompom(tailor: Tailor) -> None:
    colour = tailor.fabric("band").base
    rng = tailor.rng
    tailor.solid(ellipse(0, -30.4, 6.4), colour, edge=0.4)
    tailor.light.glow(
        ellipse(0, -30.4, 6.4), (-1.6, -32.4), 9.4, ((0, (0.6,) * 3), (1, (0.34,) * 3))
    )
    for _ in range(46):
        angle, reach = rng.uniform(0, math.tau), rng.uniform(2.5, 6.6)
        x, y = math.cos(angle) * reach, -30.4 + math.sin(angle) * reach
        tuft = stroke((x * 0.72, -30.4 + (y + 30.4) * 0.72), (x * 1.06, -30.4 + (y + 30.4) * 1.06))
        tone = mix(colour, WHITE if rng.random() < 0.5 else BLACK, 0.22)
        tailor.ink.draw(tuft, tone, 0.5, 0.7)


def scarf(tailor: Tailor) -> None:
    """A scarf: folded double, or knotted with both ends hanging."""
    {"folded": _folded, "knotted": _knotted}[tailor.item.shape](tailor)


def _fringe(tailor: Tailor, left: Point, right: Point, length: float, count: int = 13) -> None:
    colour = tailor.fabric("band").base
    threads: Path | None = None
    (ax, ay), (bx, by) = left, right
    for k in range(count):
        t = (k + 0.5) / count
        x, y = ax + (bx - ax) * t, ay + (by - ay) * t
        sway = tailor.rng.uniform(-0.7, 0.7)
        thread = stroke((x, y), (x + sway * 0.4, y + length * 0.5), (x + sway, y + length))
        threads = thread if threads is None else threads + thread
    assert threads is not None
    tailor.cord(threads, colour, 0.8, sheen=0.0)


def _hanging(tailor: Tailor, top: Point, bottom: Point, width: float, lean: float) -> None:
    (tx, ty), (bx, by) = top, bottom
    half = width / 2
    shape = outline(
        (tx - half * 0.8, ty),
        [(tx + half * 0.8, ty)],
        [((tx + bx) / 2 + half * 0.95 + lean, (ty + by) / 2), (bx + half, by)],
        [(bx - half, by)],
        [((tx + bx) / 2 - half * 0.95 + lean, (ty + by) / 2), (tx - half * 0.8, ty)],
    )
    angle = math.degrees(math.atan2(tx - bx, by - ty))
    tailor.panel(shape, "main", angle=angle, about=top, volume=TUBE, lift=0.3)
    if tailor.two_tone:
        end = polygon(
            (bx - half - 0.05, by),
            (bx + half + 0.05, by),
            (bx + half * 0.98, by - 9),
            (bx - half * 0.98, by - 9),
        )
        tailor.panel(end, "trim", angle=angle, volume=TUBE)
    for share in (-0.45, 0.05, 0.5):
        tailor.fold(
            (tx + share * half, ty + 3),
            ((tx + bx) / 2 + share * half * 1.3 + lean, (ty + by) / 2),
            (bx + share * half * 1.5, by - 1),
            depth=0.2,
            width=1.8,
        )
    _fringe(tailor, (bx - half, by), (bx + half, by), 6.0)


def _knotted(tailor: Tailor) -> None:
    low = 82.0 if tailor.item.length == "long" else 48.0
    tailor.extent(-12, low)
    behind = outline(
        (-21, 2),
        [(-17, -9.4), (0, -12.6), (17, -9.4), (21, 2)],
        [(12, -2.0), (0, -3.6), (-12, -2.0), (-21, 2)],
    )
    tailor.panel(behind, "inside", volume=((0, 0.5), (1, 0.42)))
    _hanging(tailor, (4.0, 12), (10.0, low - 5), 15, 1.2)
    _hanging(tailor, (-2.6, 13), (-6.4, low), 15.5, -1.0)
    for side, tilt in ((1, -22.0), (-1, 22.0)):
        loop = outline(
            (side * 20.8, -2.4),
            [(side * 23.4, 4), (side * 20.4, 12), (side * 9, 19), (0, 20)],
            [(side * 1.6, 12), (side * 0.6, 7.4)],
            [(side * 10, 4.6), (side * 16.6, 0), (side * 20.8, -2.4)],
        )
        tailor.panel(loop, "main", angle=tilt, volume=((0, 0.52), (0.4, 0.56), (1, 0.40)), lift=0.3)
        for t in (0.3, 0.62):
            tailor.fold(
                (side * (21.6 - t * 4), 0 + t * 7),
                (side * (13 - t), 8 + t * 7),
                (side * 2, 9.4 + t * 9),
                depth=0.24,
                width=1.6,
            )
    knot = outline(
        (-5.4, 6.4),
        [(0, 4.4), (6, 7)],
        [(7.4, 14), (5.6, 20.6)],
        [(0, 22), (-5.8, 20.4)],
        [(-7, 13.4), (-5.4, 6.4)],
    )
    tailor.panel(knot, "main", angle=4, volume=TUBE, lift=0.4)
    tailor.fold((-2.6, 7.4), (-2.0, 13), (-3.4, 20), depth=0.2)
    tailor.fold((2.4, 7.4), (2.6, 13), (1.6, 20), depth=0.2)
    tailor.motif(-6.2, low - 16, 5.2)


def _folded(tailor: Tailor) -> None:
    low = 88.0 if tailor.item.length == "long" else 54.0
    tailor.extent(0, low)
    _hanging(tailor, (6.5, 1), (8.5, low - 8), 17, 0.4)
    _hanging(tailor, (-3.0, 1.4), (-4.2, low), 18, -0.3)
    roll = outline(
        (-10.6, 4),
        [(-10.8, -0.6), (-5, -2.6), (2, -2.8), (9.6, -2.2), (14, 0.6), (13.6, 4.4)],
        [(4, 5.4), (-10.6, 4)],
    )
    tailor.panel(roll, "main", angle=0, volume=((0, 0.6), (1, 0.42)), lift=0.2)
    tailor.motif(-4.0, low - 17, 5.6)


def watch(tailor: Tailor) -> None:
    """A wrist watch; the strap has the item's cloth, the dial the second colour if there is one."""
    tailor.extent(-46, 46)
    half = 8.4
    upper = outline(
        (-half, -12),
        [(-half + 0.8, -30), (-half + 1.8, -44)],
        [(0, -46.4), (half - 1.8, -44)],
        [(half - 0.8, -30), (half, -12)],
    )
    lower = outline(
        (-half, 12),
        [(-half + 1.0, 34), (-half + 2.2, 50)],
        [(-3, 56), (0, 57), (3, 56), (half - 2.2, 50)],
        [(half - 1.0, 34), (half, 12)],
    )
    for strap, side in ((upper, -1), (lower, 1)):
        tailor.panel(strap, "main", volume=TUBE)
        for x in (-1, 1):
            far = 43 if side < 0 else 49
            tailor.stitch((x * (half - 1.4), side * 14), (x * (half - 2.8), side * far))
    for k in range(5):
        hole = ellipse(0, 34 + k * 4.4, 0.8)
        tailor.solid(hole, mix(tailor.cloth.base, BLACK, 0.6), edge=0.2, part=False)
    _buckle(tailor)
    _case(tailor)


def _buckle(tailor: Tailor) -> None:
    frame = rectangle(-9.4, -51, 18.8, 7.4, 2.0)
    tailor.solid(frame, METAL, edge=0.4)
    tailor.solid(
        rectangle(-7.0, -49.2, 14, 3.8, 1.0), mix(METAL, BLACK, 0.62), edge=0.25, part=False
    )
    tailor.solid(
        rectangle(-0.7, -50.6, 1.4, 8.4, 0.6), mix(METAL, WHITE, 0.3), edge=0.25, part=False
    )


_METALS: tuple[Rgb, ...] = ((0.78, 0.79, 0.81), (0.78, 0.79, 0.81), (0.86, 0.72, 0.45))


def _case(tailor: Tailor) -> None:
    square = tailor.item.shape == "square"

    def face(radius: float) -> Path:
        return (
            rectangle(-radius, -radius, 2 * radius, 2 * radius, radius * 0.28)
            if square
            else ellipse(0, 0, radius)
        )

    metal = tailor.rng.choice(_METALS)
    outer = 13.4 if square else 15.4
    tailor.solid(rectangle(outer - 0.6, -2.0, 3.6, 4.0, 1.0), mix(metal, BLACK, 0.15), edge=0.35)
    for side in (-1, 1):
        for x in (-8.8, 6.4):
            tailor.solid(rectangle(x, side * 12.6 - 3.4, 2.4, 6.8, 0.9), metal, edge=0.35)
    tailor.shadow((-9, 15.6), (0, 17), (9, 15.6), depth=0.4, width=2.4)
    tailor.solid(face(outer), metal, edge=0.5)
    tailor.light.shade(
        face(outer), (-12, -12), (12, 12), ((0, (0.68,) * 3), (0.5, (0.5,) * 3), (1, (0.32,) * 3))
    )
    dial = (
        tailor.cloth.second if tailor.item.second_colour and tailor.two_tone else (0.96, 0.95, 0.92)
    )
    tailor.solid(face(outer - 2.4), dial, edge=0.4, part=False)
    tailor.light.shade(face(outer - 2.6), (-8, -10), (8, 10), ((0, (0.53,) * 3), (1, (0.47,) * 3)))
    _dial(tailor, dial, outer - 2.4, square)


def _dial(tailor: Tailor, dial: Rgb, radius: float, square: bool) -> None:
    ink: Rgb = (0.15, 0.15, 0.18) if brightness(dial) > 0.45 else (0.95, 0.94, 0.90)
    for hour in range(12):
        angle = math.radians(30 * hour)
        x, y = math.sin(angle), -math.cos(angle)
        reach = radius / max(abs(x), abs(y)) if square else radius
        reach *= 0.95
        start = 0.76 if hour % 3 == 0 else 0.85
        width = 0.95 if hour % 3 == 0 else 0.55
        tailor.ink.draw(
            stroke((x * reach * start, y * reach * start), (x * reach * 0.95, y * reach * 0.95)),
            ink,
            width,
            round_ends=False,
        )
    hour_hand, minute_hand = tailor.rng.uniform(0, 360), tailor.rng.uniform(0, 360)
    for turn, length, width in ((hour_hand, 0.52, 1.3), (minute_hand, 0.78, 0.9)):
        hand = stroke((0, radius * 0.12), (0, -radius * length)).moved(placed(0, 0, 1, turn))
        tailor.ink.draw(hand, ink, width)
    second = stroke((0, radius * 0.2), (0, -radius * 0.8)).moved(
        placed(0, 0, 1, tailor.rng.uniform(0, 360))
    )
    tailor.ink.draw(second, (0.82, 0.22, 0.2), 0.35)
    tailor.ink.fill(ellipse(0, 0, 0.9), ink)
