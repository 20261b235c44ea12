"""One or two examples of every command, shown at the end of its help."""

from __future__ import annotations

from collections.abc import Mapping

import typer

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "index": (
        "samebut index ~/photos",
        "samebut index ~/photos --metadata goods.csv --exclude drafts/",
    ),
    "search": (
        'samebut search ~/photos -i ~/photos/shirt.jpg -t "in blue"',
        'samebut search ~/photos -t "red shoes" --where "price < 50" --html hits.html',
        "samebut search ~/photos -i a.jpg -i b.jpg \\",
        '  -t "the shape of the first in the colour of the second"',
    ),
    "info": ("samebut info ~/photos",),
    "demo": ("samebut demo --serve",),
    "eval": (
        "samebut eval fashioniq --root ~/data/fashioniq --out runs/fashioniq",
        "samebut eval triplets --root shop-queries --split val --query all",
    ),
    "compare": (
        "samebut compare runs/before runs/after",
        "samebut compare runs/cirr --published cirr",
    ),
    "doctor": ("samebut doctor gallery ~/photos", "samebut doctor cirr ~/data/cirr"),
    "serve": (
        "samebut serve ~/photos --watch --open",
        "samebut serve ~/shirts ~/shoes --behind-proxy --root-path /photos",
    ),
    "mcp": ("samebut mcp ~/photos",),
    "triplets": (
        "samebut triplets goods.csv --images ~/photos --attributes colour,pattern \\",
        "  --group kind --out shop-queries",
    ),
    "train": (
        "samebut train --list",
        "samebut train finetune --data shop=shop-queries --out runs/shop",
        "samebut train --show finetune > mine.toml",
    ),
    "export": (
        "samebut export runs/shop/model models/shop --data shop-queries",
        "samebut export openai/clip-vit-base-patch32 models/clip --pictures ~/photos",
    ),
    "export-embeddings": ("samebut export-embeddings ~/photos embeddings.npz",),
    "calibrate": (
        "samebut calibrate ~/photos",
        "samebut calibrate models/shop --data shop=shop-queries --data other=FOLDER",
    ),
    "submit write": ("samebut submit write runs/cirr-test --out cirr-files",),
    "submit check": ("samebut submit check cirr-files/*.json --root ~/data/cirr",),
    "submit score": ("samebut submit score cirr-files/*.json --root ~/data/cirr --split val",),
}
"""Lines by command. A line that begins with spaces goes on with the one before."""


def add_to(app: typer.Typer, before: str = "") -> None:
    """Show the examples in the help of every command of ``app``."""
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        command.epilog = _shown(EXAMPLES[before + name])
    for group in app.registered_groups:
        assert group.typer_instance is not None
        add_to(group.typer_instance, f"{before}{group.name} ")


def _shown(lines: tuple[str, ...]) -> str:
    """The lines, marked so that the help formatter does not rewrap them."""
    several = sum(not line.startswith(" ") for line in lines) > 1
    head = "Examples:" if several else "Example:"
    return "\n".join(("\b", head, *(f"  {line}" for line in lines)))
