"""data/readers.py: what every benchmark's reader promises, and that the promises are tested.

Each promise is a function of a reader's name and a folder that it can read; it fails if the reader
breaks it. Readers that were broken on purpose have to be caught, each by its promise.
"""

from __future__ import annotations

import inspect
import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from samebut import doctor
from samebut.cli import app
from samebut.data import readers, triplets
from samebut.data.benchmark import Benchmark
from samebut.data.readers import READERS, Reader
from samebut.errors import DataError
from small_benchmarks import SMALL, circo_of, stand_ins

ANNOTATIONS = Path(__file__).parents[2] / "shared" / "data" / "annotations"
DOCS = Path(__file__).parents[1] / "docs"
OPTIONS = {"css": {"size": "small"}, "wardrobe": {"size": "small"}}

Promise = Callable[[str, Path], None]


def read(name: str, root: Path, split: str | None = None) -> Benchmark:
    return readers.read(name, root, split, OPTIONS.get(name))


def splits_of(name: str, root: Path) -> tuple[str, ...]:
    return READERS[name].splits or tuple(triplets.splits(root))


def each_split(name: str, root: Path) -> Iterator[Benchmark]:
    for split in splits_of(name, root):
        try:
            yield read(name, root, split)
        except DataError as error:  # of real annotations, one split may not be there
            assert "no file " in str(error) and split != READERS[name].split, error


def files_below(root: Path) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.suffix != ".jpg" else b"")
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def promises_to_refuse_unknown_splits(name: str, root: Path) -> None:
    """By its name, with those there are; the folder is whole, so that nothing else is wrong."""
    with pytest.raises(DataError) as caught:
        read(name, root, "nosuchsplit")
    assert "nosuchsplit" in str(caught.value)
    for split in splits_of(name, root):
        assert split in caught.value.hint


def promises_a_default_split_that_it_has(name: str, root: Path) -> None:
    assert READERS[name].split in splits_of(name, root)
    assert read(name, root) == read(name, root, READERS[name].split)


def promises_to_refuse_unknown_options(name: str, root: Path) -> None:
    with pytest.raises(DataError, match="no option 'nosuch'"):
        readers.read(name, root, options={"nosuch": "1"})
    for option, values in READERS[name].options.items():
        with pytest.raises(DataError, match="nosuch"):
            readers.read(name, root, options={option: "nosuch"})
        if (
            values and option in READERS[name].own_options
        ):  # asked for in Python, no table stands before it
            with pytest.raises(DataError, match="nosuch"):
                READERS[name].read(root, READERS[name].split, **{option: "nosuch"})


def promises_that_options_are_its_arguments(name: str, root: Path) -> None:
    arguments = inspect.signature(READERS[name].read).parameters
    for option, values in READERS[name].own_options.items():
        assert arguments[option].kind is inspect.Parameter.KEYWORD_ONLY
        default = arguments[option].default
        assert default == values[0] if values else isinstance(default, int)


def promises_that_queries_are_in_the_gallery(name: str, root: Path) -> None:
    for benchmark in each_split(name, root):
        assert benchmark.queries
        ranked = {group: set(names) for group, names in benchmark.galleries.items()}
        for query in benchmark.queries:
            assert set(query.references) <= set(benchmark.images)
            assert set(query.targets) <= ranked.get(query.group, benchmark.images.keys())
            assert set(query.subset or ()) <= set(benchmark.images)


def promises_galleries_of_its_pictures(name: str, root: Path) -> None:
    for benchmark in each_split(name, root):
        groups = {query.group for query in benchmark.queries}
        for group, pictures in benchmark.galleries.items():
            assert group in groups
            assert len(set(pictures)) == len(pictures)
            assert set(pictures) <= set(benchmark.images)


def promises_ids_that_are_used_once(name: str, root: Path) -> None:
    for benchmark in each_split(name, root):
        ids = [query.id for query in benchmark.queries]
        assert all(ids) and len(set(ids)) == len(ids)


def promises_a_text_and_no_answer_twice(name: str, root: Path) -> None:
    for benchmark in each_split(name, root):
        for query in benchmark.queries:
            assert query.texts and query.language in ("en", "zh")
            assert len(set(query.targets)) == len(query.targets)


def promises_subsets_with_reference_and_target(name: str, root: Path) -> None:
    for benchmark in each_split(name, root):
        for query in benchmark.queries:
            if query.subset is not None:
                assert len(set(query.subset)) == len(query.subset)
                assert query.reference in query.subset
                assert set(query.targets[:1]) <= set(query.subset)


def promises_to_name_missing_pictures(name: str, root: Path) -> None:
    """None is left out in silence; what can be drawn may be drawn anew."""
    whole = read(name, root)
    whole.require_images()
    path = [*whole.images.values()][-1]
    away = path.rename(path.with_name("away"))
    try:
        again = read(name, root)
        assert list(again.images) == list(whole.images)
        if not path.is_file():
            with pytest.raises(DataError, match="1 of ") as caught:
                again.require_images()
            assert path.name in str(caught.value)
    finally:
        away.replace(path)


def promises_to_rank_what_is_there(name: str, root: Path) -> None:
    """If asked to; it says how much that is, and who has everything is told nothing new."""
    drop = OPTIONS.get(name, {}) | {"missing": "drop"}
    whole = read(name, root)
    assert readers.read(name, root, options=drop) == whole
    used = {query.reference for query in whole.queries}
    gone = whole.queries[0].reference
    assert gone in whole.images
    path = whole.images[gone]
    away = path.rename(path.with_name("away"))
    try:
        again = read(name, root).images
        assert gone in again
        if again[gone].is_file():
            return  # drawn anew
        if used == {gone}:
            with pytest.raises(DataError, match="too few for any query"):
                readers.read(name, root, options=drop)
            return
        part = readers.read(name, root, options=drop)
        assert gone not in part.images
    finally:
        away.replace(path)
    part.require_consistent()
    assert set(whole.images) - set(part.images) == {gone}
    assert all(gone not in names for names in part.galleries.values())
    assert not {query.id for query in part.queries if gone in query.references}
    counts = f"{len(part.queries):,} of {len(whole.queries):,} queries, "
    counts += f"{len(part.images):,} of {len(whole.images):,} pictures"
    assert counts in part.protocol and counts in part.label
    assert part.protocol.endswith("not comparable with a full run")


def promises_that_the_doctor_sees_every_picture(name: str, root: Path) -> None:
    """Of what has to be fetched from somewhere: the rest is drawn, or one's own."""
    reader = READERS[name]
    if not reader.sources:
        return
    assert reader.all_pictures is not None
    seen = set(reader.all_pictures(root).values())
    for benchmark in each_split(name, root):
        assert {path for path in benchmark.images.values() if path.is_file()} <= seen


def promises_to_change_no_file(name: str, root: Path) -> None:
    before = files_below(root)
    for _ in each_split(name, root):
        pass
    assert files_below(root) == before


def promises_the_same_every_time(name: str, root: Path) -> None:
    for first, second in zip(each_split(name, root), each_split(name, root), strict=True):
        assert first == second
        assert list(first.images) == list(second.images)  # equal scores are ranked in that order


def promises_to_say_what_it_is(name: str, root: Path) -> None:
    for benchmark in each_split(name, root):
        assert benchmark.name == name
        assert benchmark.split in splits_of(name, root)
        assert benchmark.protocol and "\n" not in benchmark.protocol
        assert benchmark.rules == READERS[name].file.RULES


def promises_an_error_of_ours_for_damage(name: str, root: Path) -> None:
    """Annotation files cut short, emptied, or holding other JSON: told, never a traceback."""
    for path in [p for p in root.rglob("*") if p.suffix in (".json", ".jsonl", ".csv", ".txt")]:
        whole = path.read_bytes()
        for spoilt in (whole[: len(whole) // 2], b"", b"\xff\xfe", b"[1]\n", b'{"a": null}\n'):
            path.write_bytes(spoilt)
            try:
                for split in splits_of(name, root):
                    read(name, root, split)
            except DataError as error:
                assert any(said in str(error) for said in (path.name, str(root), name))
            except Exception as error:
                raise AssertionError(f"{path.name} as {spoilt[:20]!r}: {error!r}") from error
            finally:
                path.write_bytes(whole)


PROMISES: list[Promise] = [
    promises_to_refuse_unknown_splits,
    promises_a_default_split_that_it_has,
    promises_to_refuse_unknown_options,
    promises_that_options_are_its_arguments,
    promises_that_queries_are_in_the_gallery,
    promises_galleries_of_its_pictures,
    promises_ids_that_are_used_once,
    promises_a_text_and_no_answer_twice,
    promises_subsets_with_reference_and_target,
    promises_to_name_missing_pictures,
    promises_to_rank_what_is_there,
    promises_that_the_doctor_sees_every_picture,
    promises_to_change_no_file,
    promises_the_same_every_time,
    promises_to_say_what_it_is,
    promises_an_error_of_ours_for_damage,
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small copy, made when first asked for."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            if name not in SMALL:
                pytest.fail(f"{name} has no small copy: write one in tests/small_benchmarks.py")
            made[name] = tmp_path_factory.mktemp(name) / "data"
            SMALL[name](made[name])
        return made[name]

    return folder


def named(promise: Promise) -> str:
    return promise.__name__.removeprefix("promises_")


def test_every_reader_has_a_small_copy_to_be_tested_on() -> None:
    assert set(SMALL) == set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_every_split_of_the_small_copies_can_be_read(
    name: str, small: Callable[[str], Path]
) -> None:
    """The promises pass over a split that is not there."""
    root = small(name)
    assert [b.split for b in each_split(name, root)] == list(splits_of(name, root))


@pytest.mark.parametrize("promise", PROMISES, ids=named)
@pytest.mark.parametrize("name", READERS)
def test_contract(name: str, promise: Promise, small: Callable[[str], Path]) -> None:
    promise(name, small(name))


# On the real annotations, with stand-ins for pictures.


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            root = made[name] = tmp_path_factory.mktemp(f"real-{name}") / "data"
            if name == "circo":
                there = ANNOTATIONS / name / "annotations"
                texts = {s: (there / f"{s}.json").read_text("utf-8") for s in ("val", "test")}
                circo_of(root, {split: json.loads(text) for split, text in texts.items()})
            else:
                shutil.copytree(ANNOTATIONS / name, root)
                stand_ins(read(name, root).images.values())
        return made[name]

    return folder


ON_REAL = [
    p
    for p in PROMISES
    if p not in (promises_an_error_of_ours_for_damage, promises_to_refuse_unknown_options)
]


@pytest.mark.skipif(
    not ANNOTATIONS.is_dir(), reason="the annotations are not beside the repository"
)
@pytest.mark.parametrize("promise", ON_REAL, ids=named)
@pytest.mark.parametrize("name", ["fashioniq", "cirr", "circo"])
def test_contract_on_the_real_annotations(
    name: str, promise: Promise, real: Callable[[str], Path]
) -> None:
    promise(name, real(name))


# Readers that are broken on purpose.


def good(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    if gallery != "whole":
        raise DataError(f"no gallery {gallery!r}")
    found = triplets.read(root, split)
    groups = {query.group for query in found.queries}
    galleries = {group: tuple(found.images) for group in groups}
    return replace(found, name="broken", galleries=galleries)


def any_split(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    return good(root, split if split in triplets.splits(root) else "val", gallery=gallery)


def knows_no_splits(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    if split not in triplets.splits(root):
        raise DataError(f"no split {split!r}")
    return good(root, split, gallery=gallery)


def any_option(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    return good(root, split)


def another_default(root: Path, split: str, *, gallery: str = "half") -> Benchmark:
    return good(root, split, gallery="whole" if gallery == "half" else gallery)


def first_query(found: Benchmark, **changed: Any) -> Benchmark:
    return replace(found, queries=(replace(found.queries[0], **changed), *found.queries[1:]))


def dangling(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    return first_query(good(root, split, gallery=gallery), reference="gone.png")


def target_of_another_group(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    found = good(root, split, gallery=gallery)
    target = found.queries[0].targets[0]
    smaller = {g: tuple(n for n in names if n != target) for g, names in found.galleries.items()}
    return replace(found, galleries=smaller)


def gallery_of_nobody(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    found = good(root, split, gallery=gallery)
    return replace(found, galleries=found.galleries | {"nobody": tuple(found.images)})


def ids_twice(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    found = good(root, split, gallery=gallery)
    return first_query(found, id=found.queries[1].id)


def without_words(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    return first_query(good(root, split, gallery=gallery), texts=())


def subset_of_others(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    found = good(root, split, gallery=gallery)
    others = [name for name in found.images if name != found.queries[0].reference]
    return first_query(found, subset=(*found.queries[0].targets[:1], others[-1]))


def shrinks(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    found = good(root, split, gallery=gallery)
    there = {name: path for name, path in found.images.items() if path.is_file()}
    return replace(found, images=there)


def hides_from_the_doctor(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    return good(root, split, gallery=gallery)


def leaves_a_cache(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    (root / "cache").write_text(split)
    return good(root, split, gallery=gallery)


def shuffles(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    found = good(root, split, gallery=gallery)
    return replace(found, queries=tuple(random.sample(found.queries, len(found.queries))))


def another_name(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    return replace(good(root, split, gallery=gallery), name="triplets")


def no_protocol(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    return replace(good(root, split, gallery=gallery), protocol="")


def trusts_its_files(root: Path, split: str, *, gallery: str = "whole") -> Benchmark:
    if (root / f"{split}.jsonl").is_file():
        for line in (root / f"{split}.jsonl").read_text("utf-8").splitlines():
            json.loads(line)["reference"]
    return good(root, split, gallery=gallery)


def registered(
    read_broken: Callable[..., Benchmark], monkeypatch: pytest.MonkeyPatch, split: str = "val"
) -> str:
    """A reader of the table, for one test."""
    file = ModuleType("samebut.data.broken")
    vars(file).update(read=read_broken, RULES=triplets.RULES, OPTIONS={"gallery": ("whole",)})
    monkeypatch.setitem(sys.modules, "samebut.data.broken", file)
    sources = ("fetched",) if read_broken is hides_from_the_doctor else ()
    monkeypatch.setitem(READERS, "broken", Reader("broken", split, "all", sources))
    return "broken"


def kept(name: str, root: Path, promise: Promise) -> bool:
    try:
        promise(name, root)
    except (AssertionError, pytest.fail.Exception):
        return False
    return True


@pytest.mark.parametrize(
    ("read_broken", "promise"),
    [
        (good, None),
        (any_split, promises_to_refuse_unknown_splits),
        (knows_no_splits, promises_to_refuse_unknown_splits),
        (any_option, promises_to_refuse_unknown_options),
        (another_default, promises_that_options_are_its_arguments),
        (dangling, promises_that_queries_are_in_the_gallery),
        (target_of_another_group, promises_that_queries_are_in_the_gallery),
        (gallery_of_nobody, promises_galleries_of_its_pictures),
        (ids_twice, promises_ids_that_are_used_once),
        (without_words, promises_a_text_and_no_answer_twice),
        (subset_of_others, promises_subsets_with_reference_and_target),
        (shrinks, promises_to_name_missing_pictures),
        (hides_from_the_doctor, promises_that_the_doctor_sees_every_picture),
        (leaves_a_cache, promises_to_change_no_file),
        (shuffles, promises_the_same_every_time),
        (another_name, promises_to_say_what_it_is),
        (no_protocol, promises_to_say_what_it_is),
        (trusts_its_files, promises_an_error_of_ours_for_damage),
    ],
)
def test_the_contract_catches(
    read_broken: Callable[..., Benchmark],
    promise: Promise | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    SMALL["triplets"](tmp_path)
    name = registered(read_broken, monkeypatch)
    broken = {p for p in PROMISES if not kept(name, tmp_path, p)}
    assert (promise in broken) if promise else not broken


def test_the_contract_catches_a_default_split_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SMALL["triplets"](tmp_path)
    name = registered(good, monkeypatch, split="test")
    with pytest.raises(AssertionError):
        promises_a_default_split_that_it_has(name, tmp_path)


# One file and one row is all that a benchmark needs.


@pytest.mark.parametrize("command", ["eval", "doctor"])
def test_the_help_names_every_reader(command: str) -> None:
    text = CliRunner().invoke(app, [command, "--help"]).output
    for name in READERS:
        assert name in text


@pytest.mark.parametrize("name", READERS)
def test_the_doctor_knows_every_reader(
    name: str, small: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READERS, name, replace(READERS[name], pictures=None))  # of the whole set
    report = doctor.examine(name, small(name))
    assert report.healthy, str(report)


def test_a_reader_of_ones_own_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    file = ModuleType("samebut.data.birds")
    exec(compile(code, "birds.py", "exec"), vars(file))
    (line,) = (line for line in page.splitlines() if line.startswith('    "birds":'))
    monkeypatch.setitem(sys.modules, "samebut.data.birds", file)
    monkeypatch.setitem(READERS, "birds", eval(f"{{{line}}}")["birds"])
    root = tmp_path / "birds"
    pairs = [
        {"id": split, "reference": f"{split}-a", "text": "a longer beak", "target": f"{split}-b"}
        | {"split": split}
        for split in READERS["birds"].splits
    ]
    root.mkdir()
    (root / "birds.json").write_text(json.dumps(pairs), encoding="utf-8")
    stand_ins(
        root / "images" / f"{pair[end]}.jpg" for pair in pairs for end in ("reference", "target")
    )
    for promise in PROMISES:
        promise("birds", root)
    assert read("birds", root).queries[0].targets == ("val-b",)
    assert doctor.examine("birds", root).healthy


def test_a_file_and_a_row_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SMALL["triplets"](tmp_path)
    name = registered(good, monkeypatch)
    assert read(name, tmp_path).queries
    assert doctor.examine(name, tmp_path).healthy
