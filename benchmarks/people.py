"""What people ask of the pictures they have, on pictures that training never saw: one table.

    python benchmarks/people.py ../shared/data [--everyday FOLDER] [--wardrobe FOLDER]
        [--small FOLDER] [--names FILE] [--model bundled] [--json FILE] [--sheet FOLDER]

DATA holds products/, clothing/ and groceries/. Every number is in percent with a 95 % bootstrap
interval; every gallery is embedded once. What is not there is skipped, with the reason.

``--everyday``: photos of a thing each, called CLASS_plain_name.jpg (n01498041_stingray.JPEG). The
1,000 of github.com/EliSchwartz/imagenet-sample-images are one of each ImageNet class; they come
with no licence to pass them on, and nothing is trained on them. ``--names``: what each CLASS is
called, `n01440764 = { en = ["tench"], zh = ["丁鱥"] }` a line. ``--wardrobe``: the drawn wardrobe
(`python -m samebut.wardrobe FOLDER`). ``--small``: another folder of triplets, scored on its val.
``--sheet``: contact sheets to look at, 20 requests each, the 10 answered with least certainty, and
50 misses on phone photos and on everyday photos.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import samebut
from people_rows import certainty, colours, everyday, looks, phone, products, sheets
from people_rows.asking import Pictures, Row, Shown, Skipped
from samebut.data import readers, triplets
from samebut.data.benchmark import Benchmark
from samebut.errors import DataError
from samebut.runtime import Model

PRODUCTS_WANTED = {"R@1": "≥ 46", "R@10": "≥ 85", "RecallSubset@1": "≥ 84"}
SMALL_WANTED = {"R@1": "≥ 40", "R@10": "≥ 80"}
WARDROBE_WANTED = {"R@1": "≥ 75", "RecallSubset@1": "≥ 80"}
THINGS = Path(samebut.__file__).parent / "language" / "things.toml"
SHOWN, UNSURE, MISSED = 20, 10, 50


@dataclass
class Measured:
    """The rows of the table, what was skipped, and requests for the contact sheets."""

    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    shown: dict[str, list[Shown]] = field(default_factory=dict)

    def add(self, found: Iterator[Row] | Iterator[Row | Skipped]) -> None:
        for each in found:
            if isinstance(each, Row):
                self.rows.append(each)
            else:
                self.skipped.append(each)


def measure(model: Model, arguments: argparse.Namespace) -> Measured:
    """Everything that the folders at hand allow."""
    done, data = Measured(), arguments.data
    benchmark = triplets.read(data / "products", "val")
    goods = products.read(model, benchmark, data / "products")
    photos = phone.read(model, data / "clothing")
    done.add(phone.rows(photos, goods))
    done.add(looks.rows(photos, goods))
    things = _everyday(model, arguments.everyday, arguments.names, done)
    groceries = None
    if (data / "groceries").is_dir():
        groceries = colours.read_groceries(model, data / "groceries")
    else:
        done.skipped.append(Skipped("groceries by variety", f"{data}/groceries is not there"))
    done.add(colours.rows(goods, groceries))
    done.add(products.negated(goods))
    done.add(products.of_benchmark(products.SECTION, benchmark, goods, PRODUCTS_WANTED))
    _folders(model, arguments, done)
    done.add(products.by_other_words(goods))
    done.add(products.in_traditional(goods))
    done.add(products.spoilt(benchmark, goods))
    done.add(certainty.rows(photos, goods, things[0] if things else None))
    if arguments.sheet:
        _show(done, benchmark, goods, photos, things)
    return done


def _everyday(
    model: Model, folder: Path | None, names_file: Path | None, done: Measured
) -> tuple[Pictures, dict[str, list[str]]] | None:
    if folder is None:
        done.skipped.append(Skipped(everyday.SECTION, "no --everyday folder was given"))
        return None
    photos = everyday.read(model, folder)
    names = everyday.names_of(photos, names_file)
    done.add(everyday.rows(photos, names))
    return photos, names


def _folders(model: Model, arguments: argparse.Namespace, done: Measured) -> None:
    """The folders of queries that may be there: small products, the drawn wardrobe's test."""
    for section, reader, split, root, wanted in (
        ("small product photos", "triplets", "val", arguments.small, SMALL_WANTED),
        ("drawn wardrobe", "wardrobe", "test", arguments.wardrobe, WARDROBE_WANTED),
    ):
        if root is None:
            done.skipped.append(Skipped(section, "no folder was given for it"))
            continue
        benchmark = readers.read(reader, root, split)
        pictures = products.read(model, benchmark, root)
        done.add(products.of_benchmark(section, benchmark, pictures, wanted))


def _show(
    done: Measured,
    benchmark: Benchmark,
    goods: Pictures,
    photos: Pictures,
    things: tuple[Pictures, dict[str, list[str]]] | None,
) -> None:
    done.shown["phone"] = [*phone.shown(photos, SHOWN)]
    done.shown["products"] = [*products.shown(benchmark, goods, SHOWN)]
    if things:
        done.shown["everyday"] = [*everyday.shown(*things, SHOWN)]
    every = [request for requests in done.shown.values() for request in requests]
    done.shown["unsure"] = sorted(every, key=lambda request: request.score)[:UNSURE]
    done.shown["phone-misses"] = [*phone.missed(photos, MISSED)]
    if things:
        photos_of_things, names = things
        english = names.get("en", names[everyday.FILES])
        done.shown["everyday-misses"] = [*everyday.missed(photos_of_things, english, MISSED)]


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, as docs/results.md has its tables."""
    lines = ["| | | % | wanted | over |", "|---|---|---|---|---|"]
    section = ""
    for row in rows:
        first, section = row.section if row.section != section else "", row.section
        value = f"{row.value:.1f} [{row.low:.1f}, {row.high:.1f}]"
        over = f"{row.count:,} {row.of}"
        lines.append(f"| {first} | {row.name} | {value} | {row.wanted} | {over} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="bundled")
    for folder in ("everyday", "wardrobe", "small", "sheet"):
        parser.add_argument(f"--{folder}", type=Path, metavar="FOLDER")
    parser.add_argument("--names", type=Path, metavar="FILE", default=THINGS)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    started, model = time.monotonic(), Model.load(arguments.model)
    try:
        done = measure(model, arguments)
    except DataError as error:
        parser.error(f"{error} {error.hint or ''}")
    print(f"`{model.name}` {model.fingerprint}, {time.monotonic() - started:.0f} s\n")
    print(table(done.rows))
    for each in done.skipped:
        print(f"\nSkipped: {each.section}: {each.reason}")
    if arguments.json:
        said = {
            "model": model.name,
            "fingerprint": model.fingerprint,
            "rows": [asdict(row) for row in done.rows],
            "skipped": [asdict(each) for each in done.skipped],
        }
        arguments.json.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n")
    if arguments.sheet:
        arguments.sheet.mkdir(parents=True, exist_ok=True)
        for name, requests in done.shown.items():
            sheets.write(requests, arguments.sheet / f"{name}.png")


if __name__ == "__main__":
    main()
