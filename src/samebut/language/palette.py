"""Colours: their English and Chinese names, and the RGB that the wardrobe draws them in.

Every other table of colours is made from this one. The exception is the drawn CSS benchmark, whose
RGB values are those of TIRG's renderer.
"""

from __future__ import annotations

from typing import NamedTuple


class Colour(NamedTuple):
    """One colour. ``rgb`` is hexadecimal, empty if the wardrobe does not draw the colour.

    ``drawn_zh`` is the Chinese name in the wardrobe's captions where it differs from ``zh``. It
    can't be unified: the same seed must give the same files.
    """

    zh: str
    rgb: str = ""
    drawn_zh: str = ""


# Used in training captions. The order matters: a tokenizer is trained on the names in this order.
CAPTIONED = {
    "black": Colour("黑色", "2A2A2F"),
    "blue": Colour("蓝色", "3F79CC"),
    "white": Colour("白色", "F6F4EF"),
    "grey": Colour("灰色", "9A9CA1"),
    "brown": Colour("棕色", "7A4F33"),
    "red": Colour("红色", "D03A36"),
    "green": Colour("绿色", "3E9153"),
    "navy blue": Colour("藏青色"),
    "purple": Colour("紫色", "7F58A6"),
    "pink": Colour("粉色", "F0A6B8"),
    "beige": Colour("米色", "D9C19C"),
    "maroon": Colour("褐红色"),
    "yellow": Colour("黄色", "F2C63F"),
    "silver": Colour("银色"),
    "olive": Colour("橄榄绿", "7C7D42"),
    "orange": Colour("橙色", "EB8438"),
    "gold": Colour("金色"),
    "steel": Colour("钢色"),
    "cream": Colour("奶油色"),
    "tan": Colour("棕褐色"),
    "charcoal": Colour("炭灰色"),
    "khaki": Colour("卡其色"),
    "off white": Colour("米白色"),
    "lavender": Colour("淡紫色"),
    "peach": Colour("桃色"),
    "copper": Colour("铜色"),
    "magenta": Colour("洋红色"),
    "teal": Colour("蓝绿色", "238B8D", drawn_zh="青色"),
    "mustard": Colour("芥末黄"),
    "turquoise blue": Colour("绿松石色"),
    "coffee brown": Colour("咖啡色"),
    "bronze": Colour("古铜色"),
    "rust": Colour("铁锈色"),
    "sea green": Colour("海绿色"),
    "burgundy": Colour("酒红色", "7B1F38"),
    "lime green": Colour("青柠色"),
}
# Used in relative captions only. A colour added to CAPTIONED would change the training captions.
MORE = {
    "gray": Colour("灰色"),
    "navy": Colour("藏青色", "25345F"),
    "turquoise": Colour("绿松石色"),
    "violet": Colour("紫罗兰色"),
    "ivory": Colour("象牙色"),
    "camel": Colour("驼色"),
    "coral": Colour("珊瑚色"),
    "mint": Colour("薄荷绿"),
    "wine": Colour("酒红色"),
    "light blue": Colour("浅蓝色"),
    "dark blue": Colour("深蓝色"),
    "light green": Colour("浅绿色"),
    "dark green": Colour("深绿色"),
    "light grey": Colour("浅灰色"),
    "dark grey": Colour("深灰色"),
    "rose": Colour("玫瑰色"),
    "rose gold": Colour("玫瑰金"),
    "multicolour": Colour("多色"),
    "multi": Colour("多色"),
    "nude": Colour("裸色"),
    "fluorescent green": Colour("荧光绿"),
    "mushroom brown": Colour("蘑菇棕"),
    "grey melange": Colour("混灰色"),
    "skin": Colour("肤色"),
    "taupe": Colour("灰褐色"),
}
COLOURS: dict[str, Colour] = CAPTIONED | MORE
DRAWN = (
    "white",
    "beige",
    "grey",
    "black",
    "brown",
    "burgundy",
    "red",
    "orange",
    "yellow",
    "pink",
    "purple",
    "green",
    "olive",
    "teal",
    "blue",
    "navy",
)
"""The wardrobe's colours. Random choices index into this order, so it must not change."""

FAMILIES = {
    "navy blue": "blue", "navy": "blue", "light blue": "blue", "dark blue": "blue",
    "sky blue": "blue", "turquoise blue": "blue green", "turquoise": "blue green",
    "teal": "blue green", "sea green": "green", "lime green": "green", "light green": "green",
    "dark green": "green", "fluorescent green": "green", "mint": "green", "olive": "green brown",
    "maroon": "red brown", "burgundy": "red purple", "wine": "red purple",
    "rust": "red brown orange", "coral": "red orange pink", "peach": "orange pink",
    "rose": "pink", "rose gold": "pink gold", "magenta": "pink purple", "lavender": "purple",
    "violet": "purple", "charcoal": "grey black", "gray": "grey", "silver": "grey",
    "steel": "grey", "light grey": "grey", "dark grey": "grey", "grey melange": "grey",
    "off white": "white", "ivory": "white", "cream": "white beige", "nude": "beige",
    "skin": "beige", "khaki": "beige brown", "tan": "beige brown", "camel": "beige brown",
    "taupe": "grey brown", "coffee brown": "brown", "mushroom brown": "brown", "bronze": "brown",
    "copper": "brown orange", "mustard": "yellow", "gold": "yellow gold",
}  # fmt: skip
"""A shade -> the colours that people may take it for."""

SEVERAL = frozenset(("multi", "multicolour", "multicolor", "multicoloured"))
"""What is said of a thing of several colours, any of which it may have."""

LIGHTNESS = {
    "black": 0,
    "navy blue": 1, "navy": 1, "charcoal": 1, "maroon": 1, "burgundy": 1, "wine": 1,
    "coffee brown": 1, "dark blue": 1, "dark green": 1,
    "blue": 2, "brown": 2, "purple": 2, "green": 2, "red": 2, "teal": 2, "olive": 2, "rust": 2,
    "bronze": 2, "violet": 2, "dark grey": 2,
    "grey": 3, "gray": 3, "orange": 3, "magenta": 3, "copper": 3, "mustard": 3, "sea green": 3,
    "turquoise blue": 3, "turquoise": 3, "khaki": 3, "tan": 3, "steel": 3, "camel": 3, "coral": 3,
    "pink": 4, "yellow": 4, "silver": 4, "gold": 4, "peach": 4, "lavender": 4, "beige": 4,
    "lime green": 4, "mint": 4, "light blue": 4, "sky blue": 4, "light green": 4, "light grey": 4,
    "white": 5, "off white": 5, "cream": 5, "ivory": 5,
}  # fmt: skip
"""How light a colour is, from 0 to 5: a step is a difference that nobody doubts."""


def families(name: str) -> frozenset[str]:
    """The colours that ``name`` may be taken for; ``name`` itself if it is not a shade of
    another."""
    return frozenset(FAMILIES[name].split()) if name in FAMILIES else frozenset((name,))
