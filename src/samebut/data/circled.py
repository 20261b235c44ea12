"""CIRCLED (Takeda et al., 2026): conversations of two to six turns over FashionIQ, CIRR and CIRCO.

The format is that of https://huggingface.co/datasets/tk1441/CIRCLED, as ``convert_to_public.py`` of
https://github.com/mti-lab/circled writes it: ``SUBSET.json`` is a list of sessions. A session has
right answers and turns, each of a reference picture and a text; pictures and gallery are those of
the data set that the subset was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from samebut.data import circo, cirr, fashioniq
from samebut.data.benchmark import Benchmark, Query, QueryStep, Rules
from samebut.data.folders import OTHER_VERSION, Folder, require_fields, whatever_can_be_read
from samebut.errors import DataError
from samebut.files import read_json

# The gallery of each subset is the one that its authors searched (``search_space_file``).
GALLERIES: dict[str, Callable[[Folder], Mapping[str, Path]]] = {
    **{
        f"fashioniq_{category}_{split}": partial(
            fashioniq.pictures_of, category=category, split=split
        )
        for category in fashioniq.CATEGORIES
        for split in ("train", "val")
    },
    "cirr_train": partial(cirr.pictures_of, split="train"),
    "cirr_val": partial(cirr.pictures_of, split="val"),
    "circo_val": circo.pictures_of,
}
SPLITS = tuple(GALLERIES)
OPTIONS = {"history": ("turns", "last")}
RULES = Rules(recall=(1, 5, 10, 50), session_hits=10, drop_reference=False, headline=("Hits@10",))
EARLIER = 0.5  # weight of a turn relative to the next one, as in ``samebut.turns``
FIELDS: dict[str, type] = {"session_id": str, "ground_truth_ids": list, "turns": list}
TURN_FIELDS: dict[str, type] = {"reference_image_id": str, "relative_caption": str}


def read(root: Path, split: str = "cirr_val", *, history: str = "turns") -> Benchmark:
    """Read ``SPLIT.json``, a subset, and the lists of pictures of the data set that it is of.

    Every turn is a query for the session's right answers, its group the number of the turn.
    ``history``: ``turns``, the query of a turn is the mean of those of all turns so far, in which
    each counts half as much as the next; ``last``, the turn alone. References stay in the ranking,
    as in the authors' search.

    Raises DataError for a wrong folder, a damaged session, pictures that are not in the gallery.
    """
    if split not in SPLITS:
        raise DataError(f"CIRCLED has no split {split!r}", hint=f"Known: {', '.join(SPLITS)}.")
    if history not in OPTIONS["history"]:
        known = ", ".join(OPTIONS["history"])
        raise DataError(f"CIRCLED has no history {history!r}", hint=f"Known: {known}.")
    folder = Folder.open(root)
    sessions = _sessions(folder, split)
    images = dict(GALLERIES[split](folder))
    queries = tuple(
        query
        for session in sessions
        for query in _queries(session, (lambda n: n) if history == "turns" else (lambda _: 0))
    )
    ways = {"turns": "all turns so far, each half the next", "last": "the last turn alone"}
    benchmark = Benchmark(
        name="circled",
        split=split,
        images=images,
        queries=queries,
        rules=RULES,
        protocol=f"{len(sessions):,} conversations; gallery: every picture of the split "
        f"({len(images):,}); references kept; query: {ways[history]}; R@K is a mean over turns; "
        "Hits@10: conversations with a right answer among the first 10 of any turn",
        choices=(f"history {history}",),
    )
    benchmark.require_consistent()
    return benchmark


def all_pictures(root: Path) -> dict[str, Path | None]:
    """Every picture of the galleries whose lists are there, with its file or None."""
    folder = Folder.open(root)
    galleries = whatever_can_be_read(partial(gallery, folder) for gallery in GALLERIES.values())
    return {
        name: path if path.is_file() else None
        for gallery in galleries
        for name, path in gallery.items()
    }


def _sessions(folder: Folder, split: str) -> list[dict[str, Any]]:
    path = folder.file(f"{split}.json")
    return [
        _session(entry, split, f"{path.name} entry {i}")
        for i, entry in enumerate(read_json(path, list))
    ]


def _session(entry: Any, split: str, where: str) -> dict[str, Any]:
    session = require_fields(entry, FIELDS, where)
    if not session["turns"] or not session["ground_truth_ids"]:
        raise DataError(
            f"{where}: the conversation has no turn or no target picture", hint=OTHER_VERSION
        )
    turns = [
        require_fields(turn, TURN_FIELDS, f"{where} turn {n}")
        for n, turn in enumerate(session["turns"], 1)
    ]
    named = partial(_picture, split=split, where=where)
    return {
        "id": session["session_id"],
        "targets": tuple(dict.fromkeys(named(name) for name in session["ground_truth_ids"])),
        "steps": [
            QueryStep(named(turn["reference_image_id"]), (turn["relative_caption"],))
            for turn in turns
        ],
    }


def _picture(name: Any, split: str, where: str) -> str:
    """CIRCO's pictures are named by twelve digits there, and by their number here."""
    if not isinstance(name, str) or (split == "circo_val" and not name.isdecimal()):
        raise DataError(f"{where}: {name!r} is not a picture of the data set", hint=OTHER_VERSION)
    return str(int(name)) if split == "circo_val" else name


def _queries(session: Mapping[str, Any], before: Callable[[int], int]) -> Iterator[Query]:
    """A query a turn; ``before`` says how many earlier turns it is made of."""
    steps: list[QueryStep] = session["steps"]
    for n, step in enumerate(steps):
        earlier = steps[n - before(n) : n]
        yield Query(
            id=f"{session['id']}-{n + 1}",
            reference=step.reference,
            texts=step.texts,
            targets=session["targets"],
            group=f"turn {n + 1}",
            also=tuple(
                QueryStep(each.reference, each.texts, EARLIER ** (len(earlier) - i))
                for i, each in enumerate(earlier)
            ),
            together=session["id"],
        )
