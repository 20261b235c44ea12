"""Draws the pictures of docs/fusion.md and docs/thesis.md: ``python docs/draw_fusion.py`` writes
docs/images/.

A picture is rows of boxes and arrows; columns and rows are in units of a grid. A new fusion is
one more entry in ``PICTURES``.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

COLUMN, ROW, MARGIN = 144, 62, 74
BOX, HEIGHT, RADIUS = 120, 42, 15
STYLES = {
    "picture": ("#dbe9fb", "#2f6db5"),
    "text": ("#fde7cf", "#b8691b"),
    "learned": ("#ffffff", "#444444"),
    "plain": ("#f0f0f0", "#8a8a8a"),
    "query": ("#dcf1dd", "#35803a"),
}


@dataclass(frozen=True)
class Node:
    """A box, or a small circle around one sign. ``label`` may have several lines."""

    label: str
    column: float
    row: float
    style: str = "learned"

    @property
    def centre(self) -> tuple[float, float]:
        return MARGIN + self.column * COLUMN, 40 + self.row * ROW

    @property
    def half(self) -> tuple[float, float]:
        return (
            (RADIUS, RADIUS)
            if len(self.label) == 1 and self.style == "plain"
            else (
                BOX / 2,
                HEIGHT / 2,
            )
        )


@dataclass(frozen=True)
class Arrow:
    """From one node to another, straight through the points ``via`` (column, row) if given."""

    source: str
    target: str
    via: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Picture:
    title: str
    nodes: dict[str, Node]
    arrows: tuple[Arrow, ...]


def arrows(*chains: str) -> tuple[Arrow, ...]:
    """``"a > b > c"`` is two arrows."""
    return tuple(
        Arrow(source, target)
        for names in (chain.split(" > ") for chain in chains)
        for source, target in pairwise(names)
    )


PICTURES = {
    "sum": Picture(
        "sum: both pooled features added",
        {
            "i": Node("picture i", 0, 0, "picture"),
            "t": Node("text t", 0, 1, "text"),
            "w": Node("× w", 1, 1, "plain"),
            "+": Node("+", 2, 0.5, "plain"),
            "q": Node("query q", 3, 0.5, "query"),
        },
        arrows("i > + > q", "t > w > +"),
    ),
    "tirg": Picture(
        "TIRG: a gate on every number of the picture, and a residual",
        {
            "i": Node("picture i", 0, 0, "picture"),
            "t": Node("text t", 0, 2, "text"),
            "x": Node("[i, t]\nnorm, ReLU", 1, 1.5, "plain"),
            "g": Node("gate\nlinear, sigmoid", 2, 1),
            "r": Node("residual\n2 layers", 2, 2),
            "*": Node("×", 3, 0, "plain"),
            "a0": Node("× a₀ = 1", 4, 0),
            "a1": Node("× a₁ = 10", 4, 2),
            "+": Node("+", 5, 1, "plain"),
            "q": Node("query q", 6, 1, "query"),
        },
        arrows("i > * > a0 > +", "i > x", "t > x", "x > g > *", "x > r > a1 > +", "+ > q"),
    ),
    "film": Picture(
        "FiLM: the text scales and shifts the maps of the picture",
        {
            "R": Node("regions\nas a grid", 0, 1, "picture"),
            "t": Node("text t", 0, 2, "text"),
            "mix": Node("1×1 conv\nReLU", 1, 1),
            "conv": Node("3×3 conv\nnorm", 2, 1),
            "film": Node("γ × … + β\nReLU", 3, 1),
            "gb": Node("linear\nγ, β", 2, 2),
            "+": Node("+", 4, 1, "plain"),
            "mean": Node("mean of regions\nlinear", 5, 1),
            "q": Node("query q", 6, 1, "query"),
        },
        (
            *arrows("R > mix > conv > film > + > mean > q", "t > gb"),
            Arrow("gb", "film", ((3, 2),)),
            Arrow("mix", "+", ((1, 0.2), (4, 0.2))),
        ),
    ),
    "maaf": Picture(
        "MAAF: regions and words are one sequence",
        {
            "R": Node("regions R", 0, 0, "picture"),
            "W": Node("words W", 0, 1, "text"),
            "z": Node("z = [R, W]", 1, 0.5, "plain"),
            "a": Node("z + attention\nof norm(z)", 2, 0.5),
            "f": Node("z + feed forward\nof norm(z)", 3, 0.5),
            "mr": Node("norm, mean\nof regions", 4, 0),
            "mw": Node("norm, mean\nof words", 4, 1),
            "+": Node("half of each", 5, 0.5, "plain"),
            "q": Node("query q", 6, 0.5, "query"),
        },
        arrows("R > z > a > f > mr > + > q", "W > z", "f > mw > +"),
    ),
    "combiner": Picture(
        "Combiner: a gated mixture of both, and a learned correction",
        {
            "i": Node("picture i", 0, 0, "picture"),
            "t": Node("text t", 0, 3, "text"),
            "pi": Node("linear, ReLU", 1, 1),
            "pt": Node("linear, ReLU", 1, 2),
            "x": Node("x = [t′, i′]", 2, 1.5, "plain"),
            "v": Node("correction v\n2 layers", 3, 1),
            "g": Node("gate g\n2 layers, sigmoid", 3, 2),
            "mix": Node("g t + (1 − g) i", 4, 2, "plain"),
            "+": Node("+", 5, 1, "plain"),
            "q": Node("query q", 6, 1, "query"),
        },
        (
            *arrows("i > pi > x > v > + > q", "t > pt > x > g > mix > +"),
            Arrow("i", "mix", ((4, 0),)),
            Arrow("t", "mix", ((4, 3),)),
        ),
    ),
    "cross_attention": Picture(
        "cross-attention: regions and words look at each other before the Combiner",
        {
            "R": Node("regions R", 0, 0, "picture"),
            "W": Node("words W", 0, 2, "text"),
            "ar": Node("R + attention\nR asks, W answers", 1.5, 0),
            "aw": Node("W + attention\nW asks, R answers", 1.5, 2),
            "fr": Node("+ feed forward", 2.5, 0),
            "fw": Node("+ feed forward", 2.5, 2),
            "mr": Node("mean of\nwhat changed", 3.5, 0, "plain"),
            "mw": Node("mean of\nwhat changed", 3.5, 2, "plain"),
            "i": Node("picture i", 3.5, -1, "picture"),
            "t": Node("text t", 3.5, 3, "text"),
            "+i": Node("+", 4.3, 0, "plain"),
            "+t": Node("+", 4.3, 2, "plain"),
            "c": Node("Combiner", 5.2, 1),
            "q": Node("query q", 6.2, 1, "query"),
        },
        (
            *arrows("R > ar > fr > mr > +i > c > q", "W > aw > fw > mw > +t > c"),
            *arrows("R > aw", "W > ar"),
            Arrow("i", "+i", ((4.3, -1),)),
            Arrow("t", "+t", ((4.3, 3),)),
        ),
    ),
}

SYSTEM = Picture(
    "the system: a picture and a text become one query, which is compared with the gallery",
    {
        "p": Node("reference\npicture", 0, 0, "picture"),
        "w": Node("“in blue”", 0, 2, "text"),
        "pad": Node("target pad\n160 × 160", 1, 0, "plain"),
        "tok": Node("tokenizer", 1, 2, "plain"),
        "ei": Node("picture encoder", 2, 0),
        "et": Node("text encoder", 2, 2),
        "ca": Node("cross-attention\nregions ↔ words", 3, 1),
        "co": Node("Combiner\ngate, correction", 4, 1),
        "q": Node("query q", 5, 1, "query"),
        "g": Node("gallery:\npictures", 2, 3, "picture"),
        "eg": Node("picture encoder\n(the same)", 3, 3),
        "r": Node("ranking by\ncosine", 6, 2, "query"),
    },
    (
        *arrows("p > pad > ei > ca > co > q > r", "w > tok > et > ca", "g > eg > r"),
        Arrow("ei", "co", ((4, 0),)),
        Arrow("et", "co", ((4, 2),)),
    ),
)


def draw(picture: Picture) -> str:
    """The picture as SVG, on white so that it can be read on any page."""
    rows = [node.row for node in picture.nodes.values()]
    rows += [row for arrow in picture.arrows for _, row in arrow.via]
    top, bottom = min(rows), max(rows)
    width = 2 * MARGIN + COLUMN * max(node.column for node in picture.nodes.values())
    height = 80 + ROW * (bottom - top)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {ROW * top:g} {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" font-family="sans-serif" font-size="12"'
        ' text-anchor="middle">',
        f"<title>{escape(picture.title)}</title>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>',
        f'<rect y="{ROW * top:g}" width="{width:g}" height="{height:g}" rx="8" fill="#fff"/>',
        *(draw_arrow(arrow, picture.nodes) for arrow in picture.arrows),
        *(draw_node(node) for node in picture.nodes.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def draw_node(node: Node) -> str:
    (x, y), (half_width, half_height) = node.centre, node.half
    fill, line = STYLES[node.style]
    radius = 6 if half_width > RADIUS else RADIUS
    box = (
        f'<rect x="{x - half_width:g}" y="{y - half_height:g}" width="{2 * half_width:g}"'
        f' height="{2 * half_height:g}" rx="{radius}" fill="{fill}" stroke="{line}"/>'
    )
    lines = node.label.split("\n")
    first = y + 4.5 - 7.5 * (len(lines) - 1)
    words = "".join(
        f'<text x="{x:g}" y="{first + 15 * number:g}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    return box + words


def draw_arrow(arrow: Arrow, nodes: dict[str, Node]) -> str:
    source, target = nodes[arrow.source], nodes[arrow.target]
    if arrow.via:
        points = [Node("", column, row).centre for column, row in arrow.via]
        corners = [border(source, points[0]), *points, border(target, points[-1])]
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in corners)
    else:
        (x1, y1), (x2, y2) = source.centre, target.centre
        x1, x2 = x1 + source.half[0], x2 - target.half[0]
        bend = (x2 - x1) / 2
        path = f"M{x1:g} {y1:g} C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    return f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#head)"/>'


def border(node: Node, towards: tuple[float, float]) -> tuple[float, float]:
    """The middle of the side that faces a point in the same column or row."""
    (x, y), (half_width, half_height) = node.centre, node.half
    if x == towards[0]:
        return x, y + (half_height if towards[1] > y else -half_height)
    return x + (half_width if towards[0] > x else -half_width), y


def main() -> None:
    folder = Path(__file__).parent / "images"
    folder.mkdir(exist_ok=True)
    for name, picture in PICTURES.items():
        (folder / f"fusion-{name}.svg").write_text(draw(picture), encoding="utf-8")
    (folder / "thesis.svg").write_text(draw(SYSTEM), encoding="utf-8")


if __name__ == "__main__":
    main()
