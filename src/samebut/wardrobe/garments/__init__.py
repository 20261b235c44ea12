"""The drawing of each kind of garment: one function per kind."""

from __future__ import annotations

from collections.abc import Callable

from samebut.wardrobe.garments import accessories, bottoms, feet, tops
from samebut.wardrobe.tailor import Tailor

GARMENTS: dict[str, Callable[[Tailor], None]] = {
    "dress": tops.dress,
    "shirt": tops.shirt,
    "T-shirt": tops.tshirt,
    "sweater": tops.sweater,
    "coat": tops.coat,
    "skirt": bottoms.skirt,
    "trousers": bottoms.trousers,
    "shorts": bottoms.shorts,
    "shoe": feet.shoe,
    "boot": feet.boot,
    "bag": accessories.bag,
    "hat": accessories.hat,
    "scarf": accessories.scarf,
    "watch": accessories.watch,
}
