"""What covers the chest: T-shirt, shirt, sweater, coat, dress."""

from __future__ import annotations

import math
from dataclasses import dataclass

from samebut.wardrobe.garments import parts
from samebut.wardrobe.tailor import ROUND, TUBE, Tailor
from samebut.wardrobe.vector import Path, Point, corners, outline, stroke, symmetric

NECKLINES: dict[str, tuple[Point, ...]] = {
    # The right half from the middle outwards, in units of (half width, depth) of the opening.
    "round": ((0.0, 1.0), (0.62, 0.78), (0.94, 0.3)),
    "V": ((0.0, 1.0),),
    "square": ((0.0, 1.0), (0.88, 1.0)),
    "high": ((0.0, 0.3), (0.6, 0.2)),
}
_SMOOTH = ("round", "high")


@dataclass(frozen=True)
class Torso:
    """The right half of a garment's body: where its corners are, in garment units."""

    neck: float  # half the width of the neck opening, at y = 0 of the shoulder seam
    shoulder: Point
    armpit: Point
    waist: Point
    hem: Point
    dip: float = 1.6  # how much lower the hem is in the middle

    def opening(self, neckline: str, depth: float) -> list[Point]:
        """The neckline's right half from the middle outwards, without its end at the shoulder."""
        return [(x * self.neck, y * depth) for x, y in NECKLINES[neckline]]

    def body(self, tailor: Tailor, neckline: str, depth: float, *extra: Point) -> Path:
        """Sew the body and return its shape. ``extra`` points lie on the side, below the waist."""
        sx, sy = self.shoulder
        ax, ay = self.armpit
        shape = symmetric(
            (self.neck, 0.0),
            [(sx, sy)],
            [(sx - 1.2, (sy + ay) * 0.48), (sx - 0.6, ay - 3.4), (ax, ay)],
            [((ax + self.waist[0]) / 2, (ay + self.waist[1]) / 2), self.waist, *extra, self.hem],
            [(self.hem[0] * 0.5, self.hem[1] + self.dip * 0.8), (0, self.hem[1] + self.dip)],
            top=self.opening(neckline, depth),
            smooth_top=neckline in _SMOOTH,
        )
        tailor.panel(shape, "main")
        return shape

    def neckline(self, neckline: str, depth: float) -> Path:
        """The edge of the opening, from shoulder to shoulder."""
        right = [*self.opening(neckline, depth), (self.neck, 0.0)]
        left = [(-x, y) for x, y in right if x != 0]
        points = [*left[::-1], *right]
        return stroke(*points) if neckline in _SMOOTH else corners(*points)

    def armhole(self, side: int) -> Path:
        """The edge of a sleeveless body under one arm."""
        (sx, sy), (ax, ay) = self.shoulder, self.armpit
        return stroke(
            (side * sx, sy),
            (side * (sx - 1.2), (sy + ay) * 0.48),
            (side * (sx - 0.6), ay - 3.4),
            (side * ax, ay),
        )


@dataclass(frozen=True)
class Sleeve:
    """A sleeve from the shoulder: its length, how far it hangs out, and its cuff."""

    length: float
    spread: float  # degrees from straight down
    cuff: float  # width at the end
    bend: float = 0.0  # degrees the lower half turns inwards


def sleeve(tailor: Tailor, torso: Torso, cut: Sleeve, side: int, cuff: str = "plain") -> None:
    """Sew a sleeve on. ``cuff`` is how it ends: plain, ribbed or buttoned."""
    (sx, sy), (ax, ay) = torso.shoulder, torso.armpit
    upper = math.radians(cut.spread)
    lower = math.radians(cut.spread - cut.bend)
    half = cut.length / 2
    knee = (sx + math.sin(upper) * half, sy + math.cos(upper) * half)
    end = (knee[0] + math.sin(lower) * half, knee[1] + math.cos(lower) * half)
    across = (math.cos(lower), -math.sin(lower))
    outer = (end[0] + across[0] * 1.0, end[1] + across[1] * 1.0)
    inner = (outer[0] - across[0] * cut.cuff, outer[1] - across[1] * cut.cuff)
    mid_width = (math.hypot(sx - ax, sy - ay) * 0.74 + cut.cuff) / 2
    mid_across = (math.cos((upper + lower) / 2), -math.sin((upper + lower) / 2))
    elbow_out = (knee[0] + mid_across[0] * 1.6, knee[1] + mid_across[1] * 1.6)
    elbow_in = (
        elbow_out[0] - mid_across[0] * (mid_width + 0.6),
        elbow_out[1] - mid_across[1] * (mid_width + 0.6),
    )
    cap = (sx + 1.9, sy + 1.6)
    shape = outline(
        (sx - 2.0, sy - 0.7),
        [cap, elbow_out, outer],
        *_sleeve_end(outer, inner, lower, 0.9 if cuff == "plain" else 0.0),
        [elbow_in, (ax - 0.4, ay + 0.6)],
        [(sx - 2.4, (sy + ay) / 2), (sx - 2.0, sy - 0.7)],
    )
    flip = (side, 0.0, 0.0, 1.0, 0.0, 0.0)
    mirrored = shape.moved(flip)
    angle = -cut.spread * side
    tailor.panel(mirrored, "trim", angle=angle, about=(side * sx, sy), volume=TUBE)
    _sleeve_folds(tailor, side, (ax, ay), elbow_in, elbow_out, cut)
    _cuff(tailor, side, outer, inner, lower, cuff)


def _sleeve_end(outer: Point, inner: Point, angle: float, bulge: float) -> list[list[Point]]:
    """The run across the end of a sleeve, bulging out a little where it is open."""
    if not bulge:
        return [[inner]]
    x = (outer[0] + inner[0]) / 2 + math.sin(angle) * bulge
    y = (outer[1] + inner[1]) / 2 + math.cos(angle) * bulge
    return [[(x, y), inner]]


def _sleeve_folds(
    tailor: Tailor, side: int, pit: Point, inside: Point, outside: Point, cut: Sleeve
) -> None:
    def at(x: float, y: float) -> Point:
        return side * x, y

    tailor.fold(
        at(pit[0] + 0.5, pit[1]),
        at(pit[0] + 3.2, pit[1] - 4),
        at(pit[0] + 4.5, pit[1] - 9),
        depth=0.2,
    )
    if cut.length > 30:
        for k, shift in enumerate((-2.4, 0.6, 3.6)):
            reach = (0.62, 0.75, 0.5)[k]
            far = (
                inside[0] + (outside[0] - inside[0]) * reach,
                inside[1] + (outside[1] - inside[1]) * reach + shift - 2,
            )
            near = (inside[0] + 0.4, inside[1] + shift)
            middle = ((near[0] + far[0]) / 2, (near[1] + far[1]) / 2 + 0.8)
            tailor.fold(at(*near), at(*middle), at(*far), depth=0.17, width=1.2)


def _cuff(tailor: Tailor, side: int, outer: Point, inner: Point, lower: float, style: str) -> None:
    back = (-math.sin(lower), -math.cos(lower))  # up the arm

    def at(point: Point, up: float) -> Point:
        return side * (point[0] + back[0] * up), point[1] + back[1] * up

    if style == "plain":
        tailor.stitch(at(outer, 1.8), at(inner, 1.8), fabric="trim")
        return
    height = 5.2
    out = 0.35 if style == "ribbed" else -0.2
    spread = (outer[0] - inner[0], outer[1] - inner[1])

    def widened(point: Point, sign: float) -> Point:
        length = math.hypot(*spread)
        return point[0] + sign * spread[0] / length * out, point[1] + sign * spread[
            1
        ] / length * out

    a, b = at(outer, height), at(inner, height)
    c, d = at(widened(inner, 1), 0), at(widened(outer, -1), 0)
    shape = outline(a, [b], [c], [d], [a])
    angle = -math.degrees(lower) * side
    fabric = "band" if style == "ribbed" else "trim"
    tailor.panel(shape, fabric, angle=angle, volume=TUBE, lift=0.2)
    if style == "ribbed":
        parts.ribs(tailor, (a, b), (d, c), 7)
    else:
        tailor.stitch(at(outer, height - 0.9), at(inner, height - 0.9), fabric="trim")
        parts.button(
            tailor, *at((inner[0] + spread[0] * 0.3, inner[1] + spread[1] * 0.3), 2.4), 0.8
        )


def armholes(tailor: Tailor, torso: Torso) -> None:
    """The seams where sleeves meet the body."""
    (sx, sy), (ax, ay) = torso.shoulder, torso.armpit
    for side in (-1, 1):
        tailor.shadow(
            (side * (sx - 0.8), sy + 1),
            (side * (sx - 1.0), ay - 4),
            (side * ax, ay),
            depth=0.22,
            width=1.2,
        )


def chest_folds(tailor: Tailor, torso: Torso) -> None:
    """The creases a hanging body makes: from the armpits inwards, and down the sides."""
    ax, ay = torso.armpit
    wx, wy = torso.waist
    hx, hy = torso.hem
    rng = tailor.rng
    for side in (-1, 1):
        reach = rng.uniform(0.36, 0.5)
        tailor.fold(
            (side * (ax - 0.8), ay + 1),
            (side * ax * 0.74, ay + 4.5),
            (side * ax * reach, ay + 6.0),
            depth=0.17,
            width=1.5,
        )
        tailor.fold(
            (side * wx * 0.9, wy - 6),
            (side * wx * 0.78, (wy + hy) / 2),
            (side * hx * rng.uniform(0.66, 0.8), hy - 2),
            depth=0.15,
            width=1.9,
        )
    lean = rng.uniform(-4, 4)
    tailor.fold(
        (lean, wy - 4), (lean * 0.6, (wy + hy) / 2), (lean * 0.9, hy - 1.5), depth=0.1, width=2.4
    )


def bind_neck(
    tailor: Tailor, torso: Torso, body: Path, neckline: str, depth: float, width: float
) -> None:
    """The bound or ribbed edge of an open neckline."""
    ribbed = tailor.item.kind == "sweater"
    parts.binding(tailor, body, torso.neckline(neckline, depth), width, ribbed=ribbed)


def bind_armholes(tailor: Tailor, torso: Torso, body: Path, width: float = 1.3) -> None:
    """The bound edges of a sleeveless body."""
    for side in (-1, 1):
        parts.binding(tailor, body, torso.armhole(side), width)


def _hang(tailor: Tailor, torso: Torso) -> None:
    if tailor.hung and tailor.item.hood != "yes":
        parts.hanger(tailor, torso.shoulder)


def tshirt(tailor: Tailor) -> None:
    """A T-shirt; with a collar it is a polo shirt, without sleeves a tank top."""
    item = tailor.item
    bottom = 47.0 if item.length == "short" else 65.0
    tank = item.sleeve == "sleeveless"
    polo = item.collar == "pointed"
    shoulder = (15.8, 3.2) if tank else (21.6, 5.0)
    torso = Torso(9.2 if tank else 8.6, shoulder, (22.0, 21.0), (21.2, 42.0), (22.0, bottom))
    tailor.extent(0, bottom)
    _hang(tailor, torso)
    if item.length == "short":
        torso = Torso(torso.neck, shoulder, torso.armpit, (21.6, 35.0), (22.2, bottom))
    depth = {"round": 8.2, "V": 14.5}.get(item.neckline, 6.0)
    depth += 3.0 if tank else 0.0
    if not tank:
        cut = Sleeve(24, 36, 11.5) if item.sleeve == "short" else Sleeve(56, 15, 7.6, 7)
        for side in (-1, 1):
            sleeve(tailor, torso, cut, side)
    if not polo:
        parts.back_of_neck(tailor, torso.neck, depth, item.neckline)
    body = torso.body(tailor, item.neckline or "round", depth)
    chest_folds(tailor, torso)
    if tank:
        bind_armholes(tailor, torso, body)
    else:
        armholes(tailor, torso)
    hx, hy = torso.hem
    if tank and tailor.two_tone:
        parts.hem_band(tailor, body, (-hx, hy), (0, hy + torso.dip), (hx, hy), 6.0)
    parts.hem(tailor, (-hx, hy), (0, hy + torso.dip), (hx, hy))
    if item.pockets == "yes":
        parts.patch_pocket(tailor, 10.2, 22, 9, 10)
    tailor.motif(0, 29 if bottom < 50 else 31, 8.6)
    if polo:
        tailor.seam((2.0, 6), (2.0, 21))
        tailor.seam((-2.0, 6), (-2.0, 21))
        tailor.seam((-2.0, 21), (2.0, 21))
        parts.buttons(tailor, 0, 9.5, 18, 3)
        parts.pointed_collar(tailor, torso.neck, 0.6)
    else:
        bind_neck(tailor, torso, body, item.neckline, depth, 1.9)


def shirt(tailor: Tailor) -> None:
    """A buttoned shirt."""
    item = tailor.item
    torso = Torso(8.0, (21.8, 5.2), (22.4, 21.0), (21.4, 44.0), (22.0, 66.0), dip=5.0)
    tailor.extent(0, 70)
    _hang(tailor, torso)
    cut = Sleeve(25, 32, 12.5) if item.sleeve == "short" else Sleeve(58, 14, 8.0, 6)
    for side in (-1, 1):
        sleeve(tailor, torso, cut, side, "plain" if item.sleeve == "short" else "buttoned")
    torso.body(tailor, "round", 7.0)
    chest_folds(tailor, torso)
    armholes(tailor, torso)
    for side in (-1, 1):
        tailor.seam((side * 8.2, 1.0), (side * 14, 7.0), (side * 20.6, 9.0), width=0.35)
    parts.hem(tailor, (-22, 66), (0, 71), (22, 66))
    if item.pockets == "yes":
        for side in (-1, 1):
            parts.patch_pocket(tailor, side * 11.4, 21, 9.4, 10.5)
    parts.placket(tailor, 6.0, 70.4, 7)
    tailor.motif(-11.5, 44, 6.5)
    {"pointed": parts.pointed_collar, "band": parts.band_collar, "round": parts.round_collar}[
        item.collar
    ](tailor, torso.neck, 0.4)


def sweater(tailor: Tailor) -> None:
    """A knitted top: vest, pullover, cardigan or hoodie."""
    item = tailor.item
    vest = item.sleeve == "sleeveless"
    shoulder = (19.4, 4.6) if vest else (23.0, 5.8)
    torso = Torso(8.8, shoulder, (24.2, 23.0), (24.4, 45.0), (22.6, 60.0), dip=1.0)
    tailor.extent(0, 66)
    _hang(tailor, torso)
    depth = {"round": 7.6, "V": 19.0, "high": 3.0}.get(item.neckline, 7.0)
    if not vest:
        for side in (-1, 1):
            sleeve(tailor, torso, Sleeve(57, 15, 9.4, 8), side, "ribbed")
    if item.hood != "yes":
        parts.back_of_neck(tailor, torso.neck, depth, item.neckline)
    body = torso.body(tailor, item.neckline or "round", depth)
    if item.hood != "yes":
        tailor.knit(body)
    chest_folds(tailor, torso)
    if vest:
        bind_armholes(tailor, torso, body, 2.0)
    else:
        armholes(tailor, torso)
    _waist_rib(tailor, torso)
    if item.pockets == "yes":
        _sweater_pockets(tailor)
    tailor.motif(*((-11.5, 33, 6.6) if item.closure != "none" else (0, 31.5, 9.4)))
    top = depth + 2.4 if item.hood != "yes" else 8.0
    if item.closure == "buttons":
        parts.placket(tailor, top, 66.5, 5, 4.0)
    elif item.closure == "zip":
        parts.zipper(tailor, top, 66.5)
    if item.hood == "yes":
        parts.hood(tailor, torso.neck, 0.0)
    elif item.neckline == "high":
        _turtleneck(tailor, torso.neck)
    else:
        bind_neck(tailor, torso, body, item.neckline, depth, 2.4)


def _sweater_pockets(tailor: Tailor) -> None:
    if tailor.item.closure == "none":
        parts.kangaroo_pocket(tailor, 43, 27, 15)
        return
    for side in (-1, 1):
        parts.patch_pocket(tailor, side * 12.6, 45, 11, 11.5)


def _waist_rib(tailor: Tailor, torso: Torso) -> None:
    hx, hy = torso.hem
    low = hy + 6.4
    shape = symmetric(
        (hx + 0.2, hy - 0.4),
        [(hx + 0.3, hy + 2.4), (hx - 0.8, low)],
        [(0, low + 0.8)],
        top=[(0, hy + 0.8)],
    )
    tailor.panel(shape, "band", lift=0.22, volume=ROUND)
    parts.ribs(
        tailor, ((-hx, hy + 0.2), (hx, hy + 0.2)), ((-hx + 1, low + 0.2), (hx - 1, low + 0.2)), 26
    )


def _turtleneck(tailor: Tailor, half: float) -> None:
    shape = symmetric(
        (half * 0.92, -7.4),
        [(half * 1.02, -3.0), (half * 1.12, 2.0)],
        [(half * 0.6, 4.0), (0, 4.8)],
        top=[(0, -6.4)],
    )
    tailor.panel(shape, "band", lift=0.3, volume=TUBE)
    parts.ribs(
        tailor,
        ((-half * 0.92, -6.3), (half * 0.92, -6.3)),
        ((-half * 1.1, 3.2), (half * 1.1, 3.2)),
        13,
    )
    tailor.seam((-half * 0.9, -7.2), (0, -5.6), (half * 0.9, -7.2), fabric="band")


def coat(tailor: Tailor) -> None:
    """A coat or a jacket."""
    item = tailor.item
    bottom = {"short": 62.0, "knee-length": 88.0, "long": 112.0}[item.length]
    flare = {"short": 23.2, "knee-length": 27.0, "long": 30.0}[item.length]
    torso = Torso(8.6, (23.8, 5.6), (25.0, 24.0), (22.8, 46.0), (flare, bottom), dip=1.4)
    tailor.extent(0, bottom)
    _hang(tailor, torso)
    for side in (-1, 1):
        sleeve(tailor, torso, Sleeve(59, 13.5, 11.0, 6), side)
    meet = 22.0 if item.collar == "lapel" else 6.0
    neckline = "V" if item.collar == "lapel" else "round"
    if item.hood != "yes":
        parts.back_of_neck(tailor, torso.neck, meet, neckline)
    body = torso.body(tailor, neckline, meet, *_coat_side(torso))
    chest_folds(tailor, torso)
    armholes(tailor, torso)
    tailor.shadow((0.4, meet), (0.4, bottom), depth=0.25, width=1.6)
    parts.hem(tailor, (-flare, bottom), (0, bottom + 1.4), (flare, bottom), 2.4)
    if item.pockets == "yes":
        for side in (-1, 1):
            parts.flap_pocket(tailor, side * 14.0, 56 if bottom > 70 else 43, 10.5)
    tailor.motif(-12, 34, 6)
    if item.closure == "zip":
        parts.zipper(tailor, meet, bottom + 1)
    else:
        low = min(bottom - 8, 78.0)
        tailor.seam((2.6, meet - 1), (2.6, bottom + 1.2))
        parts.buttons(tailor, 0, meet + 4, low, 4 if item.length == "short" else 5)
    if item.belt == "yes":
        parts.belt(tailor, 44.5, 23.4, 4.2)
    _coat_collar(tailor, torso, body, meet)


def _coat_side(torso: Torso) -> list[Point]:
    wx, wy = torso.waist
    hx, hy = torso.hem
    if hy < 70:
        return []
    return [((wx + hx) / 2 + 0.4, (wy + hy) / 2)]


def _coat_collar(tailor: Tailor, torso: Torso, body: Path, meet: float) -> None:
    item = tailor.item
    if item.hood == "yes":
        parts.hood(tailor, torso.neck, 0.0)
    elif item.collar == "lapel":
        parts.lapels(tailor, torso.neck, 0.0, meet)
    elif item.collar == "pointed":
        parts.pointed_collar(tailor, torso.neck + 0.6, 0.0, 11.0)
    else:
        bind_neck(tailor, torso, body, "round", meet, 1.8)


def dress(tailor: Tailor) -> None:
    """A dress: bodice and skirt in one piece."""
    item = tailor.item
    bottom = {"short": 72.0, "knee-length": 92.0, "long": 120.0}[item.length]
    flared = item.shape == "flared"
    spread = {"short": 26.0, "knee-length": 30.0, "long": 33.0}[item.length]
    hem_x = spread if flared else 18.5
    bare = item.sleeve == "sleeveless"
    shoulder = (14.2, 3.0) if bare else (18.0, 4.6)
    torso = Torso(
        8.8, shoulder, (18.6, 20.0), (14.6, 39.0), (hem_x, bottom), dip=3.0 if flared else 1.4
    )
    tailor.extent(0, bottom)
    _hang(tailor, torso)
    depth = {"round": 9.5, "V": 16.0, "square": 11.0}.get(item.neckline, 6.4)
    cuts = {"short": Sleeve(19, 34, 9.6), "long": Sleeve(53, 13, 6.6, 6)}
    if not bare:
        for side in (-1, 1):
            sleeve(tailor, torso, cuts[item.sleeve], side)
    if item.collar == "none":
        parts.back_of_neck(tailor, torso.neck, depth, item.neckline)
    hips = (
        [(17.2, 48.0), (16.2 + (hem_x - 14) * 0.5, (44 + bottom) / 2)]
        if flared
        else [(18.4, 54.0), (18.8, (60 + bottom) / 2)]
    )
    body = torso.body(tailor, item.neckline or "round", depth, *hips)
    _dress_folds(tailor, torso, flared)
    if bare:
        bind_armholes(tailor, torso, body)
    else:
        armholes(tailor, torso)
    _dress_details(tailor, torso, body, depth)


def _dress_folds(tailor: Tailor, torso: Torso, flared: bool) -> None:
    hx, hy = torso.hem
    ax, ay = torso.armpit
    for side in (-1, 1):
        tailor.fold(
            (side * (ax - 0.8), ay + 1),
            (side * ax * 0.7, ay + 4),
            (side * ax * 0.4, ay + 5),
            depth=0.15,
        )
    shares = (-0.82, -0.5, -0.18, 0.2, 0.52, 0.84) if flared else (-0.6, 0.1, 0.66)
    for share in shares:
        wobble = tailor.rng.uniform(-1, 1)
        tailor.fold(
            (share * 11.5, 43),
            (share * (11 + hx * 0.25) + wobble, (43 + hy) / 2),
            (share * hx + wobble, hy + 1),
            depth=0.22 if flared else 0.12,
            width=2.4,
        )


def _dress_details(tailor: Tailor, torso: Torso, body: Path, depth: float) -> None:
    item = tailor.item
    hx, hy = torso.hem
    wx, wy = torso.waist
    if tailor.two_tone:
        parts.hem_band(tailor, body, (-hx, hy), (0, hy + torso.dip), (hx, hy))
    parts.hem(tailor, (-hx, hy), (0, hy + torso.dip), (hx, hy))
    tailor.seam((-wx, wy), (0, wy + 1.0), (wx, wy))
    if item.pockets == "yes":
        for side in (-1, 1):
            parts.slant_pocket(tailor, side * 9.6, 47, side, 10)
    tailor.motif(*((-8.2, 30, 4.8) if item.closure == "buttons" else (0, 28.5, 6.2)))
    if item.closure == "buttons":
        parts.placket(tailor, depth, hy + torso.dip, 7 if hy < 80 else 9, 3.6)
    if item.belt == "yes":
        parts.belt(tailor, wy - 1.6, wx + 0.2)
    if item.collar == "pointed":
        parts.pointed_collar(tailor, torso.neck - 0.6, 0.4)
    elif item.collar == "round":
        parts.round_collar(tailor, torso.neck - 1.0, 0.4)
    else:
        bind_neck(tailor, torso, body, item.neckline, depth, 1.2)
