"""What hangs from the waist: skirt, trousers, shorts."""

from __future__ import annotations

from dataclasses import dataclass

from samebut.wardrobe.garments import parts
from samebut.wardrobe.tailor import TUBE, Tailor
from samebut.wardrobe.vector import Path, Point, outline, polygon, symmetric

_WAIST = 15.5


def _waistband(tailor: Tailor, half: float, height: float = 4.2) -> None:
    """The band at the waist, its back seen inside, loops, and a button in front."""
    back = outline(
        (-half + 0.4, 0.4), [(0, -1.4), (half - 0.4, 0.4)], [(0, 2.2), (-half + 0.4, 0.4)]
    )
    tailor.panel(back, "inside", volume=None, edge=0.4)
    band = outline(
        (-half, 0),
        [(0, 1.6), (half, 0)],
        [(half + 0.5, height)],
        [(0, height + 1.6), (-half - 0.5, height)],
        [(-half, 0)],
    )
    tailor.panel(band, "trim", volume=((0, 0.45), (0.3, 0.55), (0.7, 0.48), (1, 0.38)), lift=0.2)
    tailor.stitch(
        (-half - 0.3, height - 0.8), (0, height + 0.8), (half + 0.3, height - 0.8), fabric="trim"
    )


def _loops(tailor: Tailor, half: float, height: float) -> None:
    for x in (-half * 0.62, half * 0.62):
        loop = polygon(
            (x - 0.9, 0.2), (x + 0.9, 0.2), (x + 0.9, height + 2.0), (x - 0.9, height + 2.0)
        )
        tailor.panel(loop, "trim", volume=None, edge=0.35, lift=0.15)


def _finish_waist(tailor: Tailor, half: float, *, button: bool) -> None:
    _waistband(tailor, half)
    if button:
        parts.button(tailor, 0, 3.2)
    if tailor.item.belt == "yes":
        parts.belt(tailor, 0.5, half + 0.4, 3.6, 1.5)
        _loops(tailor, half, 3.4)


def skirt(tailor: Tailor) -> None:
    """A skirt: straight, flared or pleated."""
    item = tailor.item
    bottom = {"short": 40.0, "knee-length": 60.0, "long": 90.0}[item.length]
    hem = {
        "straight": {"short": 20.5, "knee-length": 19.5, "long": 20.0},
        "flared": {"short": 30.0, "knee-length": 34.0, "long": 37.0},
        "pleated": {"short": 26.5, "knee-length": 29.0, "long": 30.0},
    }[item.shape][item.length]
    dip = {"straight": 1.2, "flared": 4.2, "pleated": 2.4}[item.shape]
    tailor.extent(0, bottom)
    hips: list[Point] = (
        [(20.2, 15.0), (21.0, 25.0)]
        if item.shape == "straight"
        else [(_WAIST + (hem - _WAIST) * t**0.85, bottom * t) for t in (0.28, 0.64)]
    )
    half = _WAIST + 0.4
    shape = symmetric(
        (half, 3.6),
        [*hips, (hem, bottom)],
        [(hem * 0.5, bottom + dip * 0.8), (0, bottom + dip)],
        top=[(0, 5.2)],
    )
    tailor.panel(shape, "main")
    {"straight": _straight_folds, "flared": _flared_folds, "pleated": _pleats}[item.shape](
        tailor, half, hem, bottom, dip
    )
    if tailor.two_tone:
        parts.hem_band(tailor, shape, (-hem, bottom), (0, bottom + dip), (hem, bottom))
    if item.shape != "pleated":
        parts.hem(tailor, (-hem, bottom), (0, bottom + dip), (hem, bottom), 2.0)
    if item.pockets == "yes":
        for side in (-1, 1):
            parts.slant_pocket(tailor, side * 10.4, 6.4, side, 9.5)
    tailor.motif(-hem * 0.42, bottom * 0.66, 6.4, -4)
    if item.closure == "buttons":
        parts.placket(tailor, 5.4, bottom + dip, max(4, round(bottom / 11)), 4.2)
    _finish_waist(tailor, _WAIST, button=item.closure == "buttons")


def _straight_folds(tailor: Tailor, half: float, hem: float, bottom: float, dip: float) -> None:
    for side in (-1, 1):
        tailor.seam((side * 7.5, 6.0), (side * 7.9, 13.0), width=0.4)
        tailor.fold(
            (side * 8, 14),
            (side * 10.5, bottom * 0.55),
            (side * hem * 0.62, bottom - 1),
            depth=0.13,
            width=2,
        )
    tailor.fold((2, 16), (0, bottom * 0.6), (3, bottom), depth=0.1, width=2.6)


def _flared_folds(tailor: Tailor, half: float, hem: float, bottom: float, dip: float) -> None:
    for share in (-0.84, -0.56, -0.28, 0.02, 0.3, 0.58, 0.86):
        wobble = tailor.rng.uniform(-1.2, 1.2)
        tailor.fold(
            (share * half, 7),
            (share * (half + hem) * 0.5 + wobble, bottom * 0.55),
            (share * hem + wobble, bottom + dip * (1 - share * share)),
            depth=0.24,
            width=2.6,
        )


def _pleats(tailor: Tailor, half: float, hem: float, bottom: float, dip: float) -> None:
    count = 9
    for k in range(1, count):
        share = -1 + 2 * k / count
        top, low = (share * half, 5.0), (share * hem, bottom + dip * (1 - share * share))
        tailor.seam(top, low, width=0.5)
        shifted = [(x + 0.9, y) for x, y in (top, low)]
        tailor.shadow(*shifted, depth=0.34, width=1.8)
        lit = [(x - 1.1, y) for x, y in (top, low)]
        tailor.gleam(*lit, strength=0.2, width=1.2)


@dataclass(frozen=True)
class Legs:
    """The right leg of a pair: where it is wide and where it ends."""

    hip: float
    knee: tuple[float, float]  # inner and outer x half way down
    hem: tuple[float, float]  # inner and outer x at the end
    bottom: float
    crotch: float = 27.0


def _legs(tailor: Tailor, cut: Legs) -> None:
    (ki, ko), (hi, ho) = cut.knee, cut.hem
    knee_y = cut.crotch + (cut.bottom - cut.crotch) * 0.46
    for side in (-1, 1):
        leg = outline(
            (0, 4.8),
            [(_WAIST * 0.6, 4.6), (_WAIST + 0.4, 3.6)],
            [(cut.hip, 16.0), (cut.hip + 0.6, cut.crotch - 3), (ko, knee_y), (ho, cut.bottom)],
            [((hi + ho) / 2, cut.bottom + 0.9), (hi, cut.bottom + 0.2)],
            [(ki, knee_y), (1.2, cut.crotch + 4), (0, cut.crotch)],
            [(0, 4.8)],
        ).moved((side, 0.0, 0.0, 1.0, 0.0, 0.0))
        lean = side * (cut.bottom * 0.0 - (ho - cut.hip) * 0.35)
        tailor.panel(leg, "main", angle=lean, about=(side * 8, 0), volume=TUBE)


def _leg_folds(tailor: Tailor, cut: Legs) -> None:
    (ki, ko), (hi, ho) = cut.knee, cut.hem
    knee_y = cut.crotch + (cut.bottom - cut.crotch) * 0.46
    long_leg = cut.bottom > 50
    for side in (-1, 1):
        tailor.fold(
            (side * 0.8, cut.crotch - 1),
            (side * 4.5, cut.crotch - 3.4),
            (side * 10, cut.crotch - 3.8),
            depth=0.24,
        )
        tailor.fold(
            (side * 0.9, cut.crotch + 2),
            (side * 4.5, cut.crotch + 0.6),
            (side * 8, cut.crotch + 1.5),
            depth=0.18,
        )
        if long_leg:
            for shift in (-2.5, 1.8):
                tailor.fold(
                    (side * (ki + 0.8), knee_y + shift),
                    (side * (ki + ko) / 2, knee_y + shift + 1.6),
                    (side * (ko - 3), knee_y + shift + 0.4),
                    depth=0.14,
                    width=1.3,
                )
        crease = (hi + ho) / 2
        tailor.fold(
            (side * 8.6, 18),
            (side * (ki + ko) / 2, knee_y),
            (side * crease, cut.bottom),
            depth=0.12,
            width=2.0,
        )
        parts.hem(
            tailor,
            (side * hi, cut.bottom),
            (side * crease, cut.bottom + 0.8),
            (side * ho, cut.bottom),
            2.0,
        )


def _fly(tailor: Tailor, cut: Legs) -> None:
    tailor.shadow((0.2, 6), (0.2, cut.crotch), depth=0.3, width=1.2)
    tailor.stitch((3.2, 5.5), (3.1, 14), (0.3, 19.5))


def _side_stripe(tailor: Tailor, cut: Legs) -> None:
    """The second colour of two-tone trousers: a stripe down each outer seam."""
    ko, ho = cut.knee[1], cut.hem[1]
    knee_y = cut.crotch + (cut.bottom - cut.crotch) * 0.46
    for side in (-1, 1):
        edge: list[Point] = [
            (cut.hip, 16.0),
            (cut.hip + 0.6, cut.crotch - 3),
            (ko, knee_y),
            (ho, cut.bottom),
        ]
        inner: list[Point] = [(x - 2.9, y) for x, y in edge[::-1]]
        stripe: Path = outline(
            (_WAIST + 0.4, 4.0),
            edge,
            [(ho - 2.9, cut.bottom + 0.4)],
            [*inner[1:], (_WAIST - 2.6, 4.6)],
        ).moved((side, 0.0, 0.0, 1.0, 0.0, 0.0))
        tailor.panel(stripe, "band", volume=None, edge=0.35)


def _pair(tailor: Tailor, cut: Legs) -> None:
    tailor.extent(0, cut.bottom)
    _legs(tailor, cut)
    _leg_folds(tailor, cut)
    if tailor.two_tone:
        _side_stripe(tailor, cut)
    _fly(tailor, cut)
    if tailor.item.pockets == "yes":
        for side in (-1, 1):
            parts.slant_pocket(tailor, side * 10.2, 6.2, side, 10)
    tailor.motif(
        -(cut.knee[0] + cut.knee[1]) / 2, cut.crotch + (cut.bottom - cut.crotch) * 0.3, 4.6
    )
    _finish_waist(tailor, _WAIST, button=True)


def trousers(tailor: Tailor) -> None:
    """A pair of trousers."""
    item = tailor.item
    bottom = {"cropped": 76.0, "long": 100.0}[item.length]
    cut = {
        "slim": Legs(17.7, (2.8, 15.8), (4.0, 12.8), bottom),
        "straight": Legs(19.4, (3.2, 18.4), (3.6, 18.0), bottom),
        "wide": Legs(19.8, (1.8, 23.2), (1.6, 27.5), bottom),
    }[item.shape]
    _pair(tailor, cut)


def shorts(tailor: Tailor) -> None:
    """A pair of shorts."""
    item = tailor.item
    bottom = {"short": 40.0, "knee-length": 56.0}[item.length]
    cut = {
        "slim": Legs(19.0, (2.0, 19.4), (2.6, 19.2), bottom, 25.0),
        "wide": Legs(20.0, (1.2, 23.0), (1.0, 26.4), bottom, 25.0),
    }[item.shape]
    _pair(tailor, cut)
