"""The wardrobe: product-like pictures of clothes and accessories, drawn from their attributes.

>>> from samebut.wardrobe import Item, draw
>>> picture = draw(Item("scarf", "teal", length="long", shape="knotted"), seed=7)

The content of a picture is known exactly, because the picture was drawn from it. The pictures can
be distributed freely, because they contain no material of others.
"""

from samebut.wardrobe.attributes import ATTRIBUTES, KINDS, Item, random_item
from samebut.wardrobe.benchmark import write_benchmark
from samebut.wardrobe.catalog import draw_gallery
from samebut.wardrobe.draw import draw
from samebut.wardrobe.phrases import caption, title

__all__ = [
    "ATTRIBUTES",
    "KINDS",
    "Item",
    "caption",
    "draw",
    "draw_gallery",
    "random_item",
    "title",
    "write_benchmark",
]
