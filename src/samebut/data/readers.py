"""Every benchmark that can be read, by the name it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samebut.data import circo, cirr, css, fashion200k, fashioniq, triplets, wardrobe
from samebut.data.benchmark import Benchmark
from samebut.errors import DataError
from samebut.wardrobe.benchmark import SIZES as WARDROBE_SIZES


@dataclass(frozen=True, slots=True)
class Reader:
    """``read(root, split, **options)``; ``options`` maps each option to what it may be, the first
    being what it is when not said (nothing listed: any whole number)."""

    read: Callable[..., Benchmark]
    split: str
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


READERS: dict[str, Reader] = {
    "triplets": Reader(triplets.read, "val"),
    "fashioniq": Reader(
        fashioniq.read,
        "val",
        {
            "gallery": ("original", "union"),
            "reference": ("kept", "removed"),
            "captions": tuple(fashioniq.JOINS),
        },
    ),
    "cirr": Reader(cirr.read, "val"),
    "circo": Reader(circo.read, "val"),
    "fashion200k": Reader(fashion200k.read, "test", {"seed": ()}),
    "css": Reader(css.read, "test", {"size": tuple(css.SIZES), "seed": ()}),
    "wardrobe": Reader(wardrobe.read, "test", {"size": tuple(WARDROBE_SIZES), "seed": ()}),
}


def read(
    name: str, root: Path, split: str | None = None, options: Mapping[str, str] | None = None
) -> Benchmark:
    """Read benchmark ``name``; ``split`` and ``options`` default to the reader's own.

    Raises DataError for an unknown benchmark, option or value, naming the known ones, and for
    whatever is wrong with the files.
    """
    if name not in READERS:
        raise DataError(f"no benchmark called {name!r}", hint=f"Known: {', '.join(READERS)}.")
    reader = READERS[name]
    given = {key: _value(name, key, value) for key, value in (options or {}).items()}
    return reader.read(Path(root), split or reader.split, **given)


def _value(name: str, option: str, value: str) -> Any:
    options = READERS[name].options
    if option not in options:
        known = f"It has: {', '.join(options)}." if options else "It has none."
        raise DataError(f"benchmark {name} has no option {option!r}", hint=known)
    if options[option] and value not in options[option]:
        raise DataError(
            f"{name}: {option} can't be {value!r}", hint=f"Known: {', '.join(options[option])}."
        )
    if not options[option]:
        if not value.isdecimal():
            raise DataError(f"{name}: {option} is a whole number, not {value!r}")
        return int(value)
    return value
