"""Every benchmark that can be read, by the name it is asked for.

To add one, write ``data/NAME.py`` and a row of ``READERS``; the command line, the doctor, the table
in docs/benchmarks.md and the contract tests know it from there. The file offers

    read(root, split, **options) -> Benchmark
    RULES         how it is scored, unless an option says otherwise
    SPLITS        the splits it has, if they are always the same
    OPTIONS       each option and the values it may have, the first being the default (none listed:
                  any whole number), if there are any
    all_pictures  (root) -> every picture that any split names, with its file or None if it is not
                  there, if the data set has to be fetched from somewhere

Every benchmark also has the options of ``SHARED``, which are acted on here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from samebut.data.benchmark import Benchmark
from samebut.errors import DataError


@dataclass(frozen=True, slots=True)
class Reader:
    """One benchmark, read by ``data/MODULE.py``.

    ``split`` is read unless another is asked for, ``gallery`` says which pictures are ranked,
    ``hit`` which of them are right.
    ``sources`` are lines that say where the data set comes from, ``pictures`` is how many its
    splits name in all, where that was counted in the real annotations.
    """

    module: str
    split: str
    gallery: str
    sources: tuple[str, ...] = ()
    pictures: int | None = None
    hit: str = "any target"

    @property
    def file(self) -> ModuleType:
        """The file, imported when it is first needed: ``samebut --help`` needs none of them."""
        return import_module(f"samebut.data.{self.module}")

    @property
    def read(self) -> Callable[..., Benchmark]:
        read: Callable[..., Benchmark] = self.file.read
        return read

    @property
    def splits(self) -> tuple[str, ...]:
        """Empty if the folder says which there are."""
        return getattr(self.file, "SPLITS", ())

    @property
    def own_options(self) -> Mapping[str, tuple[str, ...]]:
        """Those that are arguments of ``read``."""
        return getattr(self.file, "OPTIONS", {})

    @property
    def options(self) -> Mapping[str, tuple[str, ...]]:
        return {**self.own_options, **SHARED}

    @property
    def all_pictures(self) -> Callable[[Path], Mapping[str, Path | None]] | None:
        return getattr(self.file, "all_pictures", None)


# missing: a picture that is not there is an error, or it is left out with the queries that need it.
SHARED: dict[str, tuple[str, ...]] = {"missing": ("error", "drop")}

READERS: dict[str, Reader] = {
    "triplets": Reader(
        "triplets",
        "val",
        "the split's pictures in `catalog.csv`; all its pictures if it has no column `split`; if "
        "there is no such file, all pictures that the queries name",
    ),
    "fashioniq": Reader(
        "fashioniq",
        "val",
        "`gallery=original`: each category's image split; `gallery=union`: references and targets "
        "of its queries",
        (
            "annotations  https://github.com/XiaoxiaoGuo/fashion-iq (CDLA)",
            "pictures     addresses at https://github.com/hongwang600/fashion-iq-metadata; many "
            "are dead",
            "copies       https://huggingface.co/datasets/Plachta/FashionIQ and those named in "
            "https://github.com/XiaoxiaoGuo/fashion-iq/issues/18",
            "complete     74,381: the paper's 77,684 counts pictures that no split names",
        ),
        pictures=74_381,
    ),
    "cirr": Reader(
        "cirr",
        "val",
        "the split's pictures, rc2",
        (
            "annotations  branch cirr_dataset of https://github.com/Cuberick-Orion/CIRR (MIT)",
            "pictures     NLVR2: the form at https://github.com/lil-lab/nlvr, then, if it is not "
            "answered, the authors of CIRR by mail",
            "copies       those fetched by address are incomplete and have no train sub-folders, "
            "which are not needed here",
        ),
        pictures=21_551,
    ),
    "circo": Reader(
        "circo",
        "val",
        "the pictures in the list of COCO 2017's unlabeled images",
        (
            "annotations  https://github.com/miccunifi/CIRCO",
            "pictures     https://cocodataset.org/#download: 2017 Unlabeled images and image info",
        ),
    ),
    "fashion200k": Reader(
        "fashion200k",
        "test",
        "labelled pictures of the split",
        (
            "labels       https://github.com/xthan/fashion-200k, pictures too",
            "queries      test_queries.txt, linked at https://github.com/google/tirg",
            "copies       https://www.kaggle.com/datasets/mayukh18/fashion200k-dataset",
        ),
        hit="any picture with the target's caption",
    ),
    "icir": Reader(
        "icir",
        "test",
        "the instance's own database",
        (
            "data set     https://vrg.fel.cvut.cz/icir/icir_v1.0.0.tar.gz (CC BY-NC-SA 4.0), by "
            "https://github.com/billpsomas/icir",
        ),
        hit="any picture of the same instance and text",
    ),
    "pinpoint": Reader(
        "pinpoint",
        "test",
        "the index",
        (
            "data set     https://github.com/pinterest/pinpoint-dataset (CC BY 4.0); needs the "
            "extra parquet",
            "pictures     https://i.pinimg.com/736x/AB/CD/EF/SIGNATURE.jpg, where ABCDEF begins "
            "the signature",
        ),
        pictures=109_600,
    ),
    "circled": Reader(
        "circled",
        "cirr_val",
        "the split's pictures of FashionIQ, CIRR or CIRCO",
        (
            "sessions     https://huggingface.co/datasets/tk1441/CIRCLED (CC BY 4.0)",
            "pictures     those of FashionIQ, CIRR and CIRCO, in the same folder: samebut doctor "
            "says of each where they come from",
        ),
    ),
    "css": Reader(
        "css", "test", "drawn pictures of the split", hit="any picture of the target's scene"
    ),
    "wardrobe": Reader("wardrobe", "test", "drawn pictures of the split"),
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
    missing = given.pop("missing", "error")
    benchmark = reader.read(Path(root), split or reader.split, **given)
    return benchmark.on_what_is_there() if missing == "drop" else benchmark


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
            raise DataError(
                f"{name}: {option} takes a whole number, not {value!r}",
                hint=f"Write it as -o {option}=NUMBER.",
            )
        return int(value)
    return value
