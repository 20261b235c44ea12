"""gallery.py: a folder and its store, kept in step, and search over them."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from conftest import COLOURS, draw_picture
from odd_pictures import make_odd_pictures
from samebut import demo
from samebut.embedding import Floats
from samebut.errors import (
    FingerprintMismatch,
    OtherFolder,
    PictureError,
    QueryError,
    StoreDamaged,
    StoreError,
    StoreMissing,
)
from samebut.gallery import Gallery
from samebut.index import Address
from samebut.index.local import LocalIndex
from samebut.runtime import BUNDLED
from samebut.scan import ScanRules
from samebut.store_place import store_path
from samebut.turns import Turn, ask
from samebut.update import UpdateReport


def build(photos: Path, **options: object) -> UpdateReport:
    gallery, report = Gallery.build(photos, **options)  # type: ignore[arg-type]
    gallery.close()
    return report


def other_model(folder: Path, fill: str) -> Path:
    """The bundled model with another preprocessing, so that it embeds otherwise."""
    shutil.copytree(BUNDLED, folder)
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["preprocess"]["fill"] = fill
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def stored(photos: Path) -> dict[str, tuple[str, bytes]]:
    """Digest and embedding of every indexed picture."""
    with LocalIndex.open(store_path(photos, None)) as index:
        files = index.files()
        return {
            path: (state.digest, index.embedding([index.id_of(path) or 0]).tobytes())
            for path, state in files.items()
        }


def found(photos: Path, *turns: Turn, **options: object) -> list[str]:
    with Gallery.open(photos) as gallery:
        return [hit.path for hit in gallery.search(turns, **options).hits]  # type: ignore[arg-type]


def test_build_then_search(photos: Path) -> None:
    assert build(photos).encoded == 10
    with Gallery.open(photos) as gallery:
        assert len(gallery) == 10
        results = gallery.search(Turn(photos / "red-round.png", "in blue"), 4)
    assert [hit.rank for hit in results.hits] == [1, 2, 3, 4]
    scores = [hit.score for hit in results.hits]
    assert scores == sorted(scores, reverse=True)
    assert "red-round.png" not in [hit.path for hit in results.hits]
    assert gallery.file_of(results.hits[0].path).exists()


def test_the_reference_is_a_hit_only_if_asked_for(photos: Path) -> None:
    shutil.copy(photos / "red-round.png", photos / "a copy of it.png")
    build(photos)
    turn = Turn((photos / "red-round.png").read_bytes())
    left_out = found(photos, turn, k=20)
    assert len(left_out) == 9
    asked_for = found(photos, turn, k=20, include_references=True)
    assert set(asked_for[:2]) == {"red-round.png", "a copy of it.png"}


def test_a_picture_is_nearest_to_itself(photos: Path) -> None:
    build(photos)
    for colour in COLOURS:
        name = f"{colour}-round.png"
        assert found(photos, Turn(photos / name), k=1, include_references=True) == [name]


def test_a_second_run_encodes_only_what_changed(photos: Path) -> None:
    build(photos)
    before = stored(photos)
    again = build(photos)
    assert (again.encoded, again.unchanged) == (0, 10)

    draw_picture(COLOURS["red"], "square").save(photos / "black-round.png")
    draw_picture((255, 0, 255), "round").save(photos / "new.png")
    (photos / "green-round.png").unlink()
    report = build(photos)
    assert (report.encoded, report.copied, report.removed) == (1, 1, 1)
    after = stored(photos)
    assert after.keys() == before.keys() - {"green-round.png"} | {"new.png"}
    assert after["black-round.png"] == after["squares/red-square.png"]
    assert after["blue-round.png"] == before["blue-round.png"]


def test_a_renamed_picture_is_recognised(photos: Path) -> None:
    build(photos)
    before = stored(photos)
    (photos / "squares").rename(photos / "boxes")
    (photos / "red-round.png").rename(photos / "红色.png")
    report = build(photos)
    assert (report.encoded, report.renamed, report.removed) == (0, 6, 0)
    after = stored(photos)
    assert after["红色.png"] == before["red-round.png"]
    assert after["boxes/red-square.png"] == before["squares/red-square.png"]
    assert len(after) == 10


def test_names_that_were_swapped(photos: Path) -> None:
    build(photos)
    before = stored(photos)
    red, blue, spare = (photos / f"{n}.png" for n in ("red-round", "blue-round", "spare"))
    red.rename(spare)
    blue.rename(red)
    spare.rename(blue)
    for file in (red, blue):
        os.utime(file, ns=(1, file.stat().st_mtime_ns + 10**9))
    build(photos)
    after = stored(photos)
    assert after["red-round.png"] == before["blue-round.png"]
    assert after["blue-round.png"] == before["red-round.png"]


def test_a_touched_picture_is_not_encoded_again(photos: Path) -> None:
    build(photos)
    before = stored(photos)
    os.utime(photos / "red-round.png", ns=(1, 1))
    report = build(photos)
    assert (report.encoded, report.copied, report.unchanged) == (0, 0, 10)
    assert stored(photos) == before
    assert build(photos).unchanged == 10


def test_copies_share_one_encoding(photos: Path) -> None:
    build(photos)
    shutil.copytree(photos / "squares", photos / "more")
    report = build(photos)
    assert (report.encoded, report.copied) == (0, 5)
    after = stored(photos)
    assert after["more/red-square.png"] == after["squares/red-square.png"]


def test_a_bad_file_is_named_once_and_remembered(photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    (photos / "notes.txt").write_text("not looked at")
    first = build(photos)
    assert [each.path for each in first.skipped] == ["broken.jpg"]
    assert first.skipped[0].reason
    assert build(photos).skipped == first.skipped
    draw_picture(COLOURS["red"], "round", 200).save(photos / "broken.jpg")
    mended = build(photos)
    assert (mended.encoded, mended.skipped) == (1, [])
    (photos / "broken.jpg").write_bytes(b"no picture again")
    assert [each.path for each in build(photos).skipped] == ["broken.jpg"]
    assert "broken.jpg" not in stored(photos)
    (photos / "broken.jpg").unlink()
    assert build(photos).skipped == []


def test_odd_and_broken_files(tmp_path: Path) -> None:
    """None stops the indexer: good ones are found, broken ones are named with their reason."""
    folder = tmp_path / "odd"
    folder.mkdir()
    odd = make_odd_pictures(folder)
    report = build(folder)
    skipped = {each.path: each.reason for each in report.skipped}
    indexed = stored(folder)
    is_root = os.name == "posix" and os.geteuid() == 0
    for each in odd.values():
        name = each.path.relative_to(folder).as_posix()
        if each.folder or name.startswith(".") or (each.unprivileged and is_root):
            continue
        if each.good:
            assert name in indexed, (name, skipped.get(name))
        else:
            assert name not in indexed
            assert skipped[name], name
    assert len(odd) >= 40
    assert build(folder).encoded == 0


def test_an_empty_folder_does_not_empty_the_store(
    photos: Path, tmp_path: Path, new_address: Callable[[], Address]
) -> None:
    store = new_address()
    build(photos, store=store)
    for file in [*photos.glob("*.png"), *photos.glob("squares/*.png")]:
        file.unlink()
    other = other_model(tmp_path / "other", "zero")
    for more in ({}, {"model": other, "replace_model": True}):
        with pytest.raises(StoreError, match="holds no pictures now, and its store has 10"):
            build(photos, store=store, **more)
        with Gallery.open(photos, store=store) as gallery:
            assert len(gallery) == 10


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    report = build(tmp_path)
    assert report.encoded == 0
    assert found(tmp_path, Turn(text="in blue")) == []


def test_a_folder_that_can_not_be_read_keeps_its_pictures(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(photos)
    (photos / "new.png").write_bytes((photos / "red-round.png").read_bytes())
    real = os.scandir

    def scandir(path: str | Path) -> object:
        if Path(path).name == "squares":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = build(photos)
    assert (report.copied, report.removed, report.unchanged) == (1, 0, 5)
    (skipped,) = report.skipped
    assert skipped.path == "squares/"
    assert skipped.reason == (
        "is a folder that can't be read: permission denied; "
        "5 pictures in it stay as they were indexed"
    )
    with Gallery.open(photos) as gallery:
        assert len(gallery) == 11
        assert [each.path for each in gallery.index.skipped()] == ["squares/"]
    monkeypatch.undo()
    assert build(photos).skipped == []
    with Gallery.open(photos) as gallery:
        assert gallery.index.skipped() == []


def test_a_linked_folder_that_is_gone_keeps_its_pictures(photos: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk"
    (photos / "squares").rename(elsewhere)
    (photos / "linked").symlink_to(elsewhere)
    assert build(photos).encoded == 10
    elsewhere.rename(tmp_path / "unmounted")
    report = build(photos)
    assert (report.removed, report.unchanged) == (0, 5)
    (skipped,) = report.skipped
    assert skipped.path == "linked/"
    assert "5 pictures in it stay" in skipped.reason
    (photos / "linked").unlink()
    assert build(photos).removed == 5


def test_rules_leave_out_and_bring_in(photos: Path) -> None:
    assert build(photos, rules=ScanRules(exclude=("squares/",))).encoded == 5
    assert build(photos).encoded == 5
    assert build(photos, rules=ScanRules(exclude=("blue*",))).removed == 2


def test_recheck_reads_what_looks_unchanged(photos: Path) -> None:
    build(photos)
    before = stored(photos)
    file = photos / "red-round.png"
    draw_picture((9, 9, 99), "square").save(file)
    with LocalIndex.open(store_path(photos, None), writable=True) as index:
        # What a tool leaves that puts back the time: another content of the same size and time.
        state = file.stat()
        index.touch("red-round.png", size=state.st_size, mtime_ns=state.st_mtime_ns)
    assert build(photos).unchanged == 10
    assert stored(photos)["red-round.png"] == before["red-round.png"]
    report = build(photos, recheck=True)
    assert (report.encoded, report.unchanged) == (1, 9)
    assert stored(photos)["red-round.png"] != before["red-round.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="names are not bytes there")
def test_a_name_that_is_not_utf8(photos: Path) -> None:
    raw = os.fsencode(photos) + b"/r\xe9d.png"
    shutil.copy(photos / "red-round.png", raw)
    build(photos)
    hits = found(photos, Turn(photos / "blue-round.png"), k=20)
    assert os.fsdecode(b"r\xe9d.png") in hits


def test_metadata_and_filters(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    rows = [f"{c}-{s}.png,{c},{s}" for s in ("round", "square") for c in COLOURS]
    table.write_text("file,colour,shape\n" + "\n".join([*rows, "none.png,x,y"]))
    report = build(photos, metadata=table)
    assert report.metadata.described == 10
    assert report.metadata.waiting == ["none.png"]
    turn = Turn(photos / "red-round.png")
    assert set(found(photos, turn, where="colour = 'blue'")) == {
        "blue-round.png",
        "squares/blue-square.png",
    }
    assert found(photos, turn, where="colour = 'blue' and shape = 'square'") == [
        "squares/blue-square.png"
    ]
    with Gallery.open(photos) as gallery:
        hit = gallery.search(turn, 1, where="colour = 'green' and shape = 'round'").hits[0]
    assert hit.metadata == {"colour": "green", "shape": "round"}
    build(photos)  # without the table it is kept
    assert found(photos, turn, where="colour = 'blue' and shape = 'round'") == ["blue-round.png"]


def test_compositions_that_read_the_gallery(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    rows = [f"{c}-{s}.png,a {c} {s} thing" for s in ("round", "square") for c in COLOURS]
    table.write_text("file,Product Title\n" + "\n".join(rows))
    build(photos, metadata=table)
    turn = Turn(photos / "red-round.png", "in blue")
    with Gallery.open(photos) as gallery:
        every = {name: gallery.search(turn, 20, fusion=name) for name in ("product", "basic")}
        titled = gallery.search(turn, 3, fusion="pdv").hits
        said = gallery.search(replace(turn, caption="a red round thing"), 3, fusion="pdv").hits
        other = gallery.search(replace(turn, caption="a handbag"), 3, fusion="pdv").hits
        with pytest.raises(QueryError, match="needs a text that describes"):
            gallery.search(replace(turn, picture=_elsewhere()), fusion="pdv")
        with pytest.raises(QueryError, match="takes no text weight"):
            gallery.search(turn, fusion="product", text_weight=0.7)
        again = gallery.search([turn, Turn(text="square")], 20, fusion="product")
        two = gallery.search(
            [turn, Turn(photos / "squares" / "red-square.png")], 20, fusion="product"
        )
    for results in every.values():
        assert len(results.hits) == 9
        assert results.confidence is None
        scores = [hit.score for hit in results.hits]
        assert scores == sorted(scores, reverse=True)
    assert [(hit.path, hit.score) for hit in titled] == [(hit.path, hit.score) for hit in said]
    assert [hit.score for hit in other] != [hit.score for hit in said]
    assert len(again.hits) == 9 and len(two.hits) == 8


def test_what_is_not_wanted_comes_later_and_its_picture_not_at_all(photos: Path) -> None:
    build(photos)
    turn, blue = Turn(photos / "red-round.png"), Turn(photos / "blue-round.png")
    with Gallery.open(photos) as gallery:
        plain = gallery.search(turn, 20)
        without = gallery.search(turn, 20, without=[blue], without_weight=0.75)
        copy = Turn((photos / "blue-round.png").read_bytes())
        stacks = gallery.search(turn, 20, without=[copy], collapse=True, include_references=True)
    assert plain.confidence is not None
    assert without.confidence is None
    before, after = ([hit.path for hit in each.hits] for each in (plain, without))
    assert {*before} - {*after} == {"blue-round.png"}
    before.remove("blue-round.png")
    square = "squares/blue-square.png"
    assert after.index(square) > before.index(square)
    assert "red-round.png" in [hit.path for hit in stacks.hits]
    assert "blue-round.png" not in [hit.path for hit in stacks.hits]


def test_one_picture_lends_its_colour_to_another(photos: Path, tmp_path: Path) -> None:
    red, blue = photos / "red-round.png", photos / "squares" / "blue-square.png"
    turns = [Turn(red), Turn(blue.read_bytes(), "第一张的款式，第二张的颜色")]
    build(photos)
    with Gallery.open(photos) as gallery:  # no table: the lexicon's colours
        found = gallery.search(turns, 20)
        said = gallery.search(Turn(red, "蓝色"), 20)
    (lent,) = found.lent
    assert (lent.text, lent.picture, lent.value, lent.say) == ("第二张的颜色", 1, "blue", "蓝色")
    assert said.lent == ()
    paths = [hit.path for hit in found.hits]
    assert paths == [hit.path for hit in said.hits if hit.path != "squares/blue-square.png"]
    table = tmp_path / "table.csv"
    table.write_text(
        "file,hue\n" + "\n".join(f"{c}-round.png,{c}" for c in ("red", "blue", "black", "green")),
        encoding="utf-8",
    )
    build(photos, metadata=table)
    with Gallery.open(photos) as gallery:
        turns = [Turn(red, "this shape, that colour"), Turn(photos / "blue-round.png")]
        assert gallery.search(turns, 20).lent[0].value == "blue"


def test_what_a_sentence_refuses_comes_later_and_the_confidence_is_of_the_sentence(
    photos: Path,
) -> None:
    build(photos)
    turn = Turn(photos / "red-round.png", "not green")
    with Gallery.open(photos) as gallery:
        refused = gallery.search(turn, 20)
        said = ask(gallery.model, [turn]).said
        confidence = gallery._confidence("composed", _cosine(gallery, said), said)
        other = gallery.search(turn, 20, text_weight=0)
    assert refused.confidence == pytest.approx(confidence)
    places = [
        [hit.path for hit in found.hits].index("green-round.png") for found in (other, refused)
    ]
    assert places[1] > places[0]


def _cosine(gallery: Gallery, query: Floats) -> float:
    ids = [entry.id for entry in gallery.listing(20)[0] if entry.path != "red-round.png"]
    return float((gallery.index.embedding(ids) @ query).max())


def _elsewhere() -> bytes:
    buffer = io.BytesIO()
    draw_picture(COLOURS["red"], "round", 99).save(buffer, "PNG")
    return buffer.getvalue()


def test_metadata_follows_renamed_and_copied_files_and_waits_for_new_ones(
    photos: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("file,n\nred-round.png,1\nblue-round.png,2\nlate.png,3\n")
    build(photos, metadata=table)
    (photos / "sub").mkdir()
    (photos / "red-round.png").rename(photos / "sub" / "moved.png")
    shutil.copy(photos / "blue-round.png", photos / "copy.png")
    draw_picture((9, 9, 9), "round", 40).save(photos / "late.png")
    report = build(photos).metadata
    assert (report.followed, report.came, report.waiting) == (2, 1, ["red-round.png"])
    with Gallery.open(photos) as gallery:
        entries, _ = gallery.listing(99, where="n is not null")
    assert {entry.path: entry.metadata["n"] for entry in entries} == {
        "blue-round.png": "2",
        "copy.png": "2",
        "late.png": "3",
        "sub/moved.png": "1",
    }


def test_another_model_is_refused_with_the_command_that_mends_it(
    photos: Path, tmp_path: Path
) -> None:
    build(photos)
    other = other_model(tmp_path / "other", "zero")
    with pytest.raises(FingerprintMismatch) as error:
        build(photos, model=other)
    assert f"samebut index {photos} --replace-model --model {other}" in error.value.hint
    with pytest.raises(FingerprintMismatch):
        Gallery.open(photos, model=other)
    elsewhere = tmp_path / "elsewhere.sqlite"
    build(photos, model=other, store=elsewhere)
    with pytest.raises(FingerprintMismatch) as error:
        build(photos, model="bundled", store=elsewhere)
    hint = f"Embed the pictures again: samebut index {photos} --replace-model --store {elsewhere}"
    assert error.value.hint == hint
    assert build(photos, model=other, replace_model=True).encoded == 10
    assert build(photos).unchanged == 10  # the store remembers its model
    shutil.rmtree(other)
    other_model(other, "mean")
    assert build(photos, replace_model=True).encoded == 10  # the same folder, changed since
    with LocalIndex.open(store_path(photos, None)) as index:
        assert index.model == str(other)
    with pytest.raises(FingerprintMismatch):
        build(photos, model="bundled")


def test_a_store_elsewhere(photos: Path, tmp_path: Path) -> None:
    build(photos, store=tmp_path / "elsewhere")
    assert not (photos / ".samebut").exists()
    with pytest.raises(StoreMissing):
        Gallery.open(photos)
    with Gallery.open(photos, store=tmp_path / "elsewhere") as gallery:
        assert len(gallery) == 10


def test_a_store_that_can_not_be_made(photos: Path) -> None:
    with pytest.raises(StoreError, match="can't be made") as error:
        build(photos, store=photos / "red-round.png" / "store")
    assert "--store" in error.value.hint


def test_bad_questions(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="is not a folder"):
        Gallery.open(photos / "none")
    build(photos)
    with Gallery.open(photos) as gallery:
        with pytest.raises(QueryError, match="is 0"):
            gallery.search(Turn(text="x"), 0)
        with pytest.raises(PictureError, match=r"gone\.png"):
            gallery.search(Turn(photos / "gone.png", "x"))


def test_progress_is_told_after_it_is_stored(photos: Path) -> None:
    seen: list[tuple[int, int, int]] = []

    def progress(done: int, total: int, skipped: int = 0) -> None:
        with LocalIndex.open(store_path(photos, None)) as reader:
            seen.append((done, total, len(reader)))

    build(photos, progress=progress)
    assert seen == [(10, 10, 10)]


def test_a_search_is_of_one_state_of_the_store(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pictures leave the store between the search and its description, it is done again."""
    build(photos)
    search = LocalIndex.ranking
    with (
        Gallery.open(photos) as gallery,
        LocalIndex.open(store_path(photos, None), writable=True) as writer,
    ):
        gone = sorted(writer.files())[:4]

        def then_removed(self: LocalIndex, *query: object, **options: object) -> object:
            found = search(self, *query, **options)  # type: ignore[arg-type]
            if gone:
                writer.remove(gone)
                gone.clear()
            return found

        monkeypatch.setattr(LocalIndex, "ranking", then_removed)
        results = gallery.search(Turn(text="x"), 10)
        assert (len(results.hits), results.total) == (6, 6)
        assert {(hit.width, hit.height) for hit in results.hits} == {(160, 200)}
        assert {hit.path for hit in results.hits} == set(writer.files())


def test_pages_of_a_search_are_its_slices(photos: Path) -> None:
    build(photos)
    turn = Turn(text="in blue")
    with Gallery.open(photos) as gallery:
        whole = gallery.search(turn, 10)
        pages = [gallery.search(turn, 4, offset=offset) for offset in (0, 4, 8, 12)]
        with pytest.raises(QueryError, match="offset is -1"):
            gallery.search(turn, 4, offset=-1)
    assert [hit for page in pages for hit in page.hits] == whole.hits
    assert [len(page.hits) for page in pages] == [4, 4, 2, 0]
    assert {page.total for page in pages} == {10}
    assert whole.spent.encode > 0
    assert whole.spent.search > 0
    assert whole.spent.decode == 0  # no picture was asked with


def test_similar_pictures(photos: Path) -> None:
    build(photos)
    shutil.copy(photos / "red-round.png", photos / "twin.png")
    build(photos)
    with Gallery.open(photos) as gallery:
        number = gallery.index.id_of("red-round.png")
        assert number is not None
        results = gallery.similar(number, 20)
        assert [hit.id for hit in gallery.similar(number, 3, offset=2).hits] == [
            hit.id for hit in results.hits[2:5]
        ]
        with pytest.raises(QueryError, match="no picture with id 99"):
            gallery.similar(99)
    paths = [hit.path for hit in results.hits]
    assert len(paths) == 9
    assert not {"red-round.png", "twin.png"} & set(paths)
    assert (results.total, results.gate) == (11, None)


def test_a_picture_of_more_pixels_than_allowed(photos: Path) -> None:
    build(photos)
    turn = Turn(photos / "red-round.png")
    with Gallery.open(photos) as gallery:
        with pytest.raises(PictureError, match="pixels, more than"):
            gallery.search(turn, 1, max_pixels=160 * 200 - 1)
        assert gallery.search(turn, 1, max_pixels=160 * 200).hits


def test_a_store_belongs_to_its_folder(photos: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "store"
    build(photos, store=elsewhere)
    other = tmp_path / "other"
    other.mkdir()
    draw_picture(COLOURS["red"], "round").save(other / "one.png")
    for attempt in (build, Gallery.open):
        with pytest.raises(OtherFolder, match="is the store of the folder") as caught:
            attempt(other, store=elsewhere)
        assert str(photos) in str(caught.value) and "--move" in caught.value.hint
    link = tmp_path / "link"
    link.symlink_to(photos)
    assert build(link, store=elsewhere).unchanged == 10
    moved = photos.rename(tmp_path / "moved")
    with pytest.raises(OtherFolder):
        build(moved, store=elsewhere)
    report = build(moved, store=elsewhere, move=True)
    assert (report.unchanged, report.removed) == (10, 0)
    Gallery.open(moved, store=elsewhere).close()


def test_a_store_within_its_folder_moves_with_it(photos: Path, tmp_path: Path) -> None:
    build(photos)
    moved = photos.rename(tmp_path / "moved")
    Gallery.open(moved).close()
    assert build(moved).unchanged == 10


@pytest.mark.parametrize("left", [b"", None])
def test_a_store_cut_off_at_birth_is_made_anew(photos: Path, left: bytes | None) -> None:
    file = store_path(photos, None)
    file.parent.mkdir()
    if left is None:  # the tables without a row
        LocalIndex.create(file, dim=2, fingerprint="x", model="bundled").close()
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("DELETE FROM gallery")
            connection.commit()
    else:
        file.write_bytes(left)
    assert build(photos).encoded == 10


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.png", "a/../../x.png"])
def test_no_file_outside_of_the_folder_is_given_away(photos: Path, path: str) -> None:
    build(photos)
    with Gallery.open(photos) as gallery, pytest.raises(StoreDamaged, match="is outside of"):
        gallery.file_of(path)


def garments_with_copies(folder: Path) -> None:
    """Eight drawn garments, each once more as a JPEG."""
    folder.mkdir()
    for file in sorted(demo.GALLERY.glob("*.webp"))[::40]:
        with Image.open(file) as picture:
            picture.convert("RGB").save(folder / f"{file.stem}.png")
            picture.convert("RGB").save(folder / f"{file.stem} again.jpg", quality=95)


def test_near_copies_stand_under_one_hit(tmp_path: Path) -> None:
    garments_with_copies(photos := tmp_path / "garments")
    build(photos)
    with Gallery.open(photos) as gallery:
        turn = Turn(min(photos.glob("*.png")), "in blue")
        flat = gallery.search(turn, 40)
        stacks = gallery.search(turn, 40, collapse=True)
        again = gallery.search(turn, 40, collapse=True, include_references=True)
        parts = [gallery.search(turn, 3, offset=n, collapse=True).hits for n in (0, 3, 6)]
        stem = {
            entry.id: entry.path.split(" ")[0].split(".")[0] for entry in gallery.listing(99)[0]
        }
    assert len(flat.hits) == 15
    assert len(stacks.hits) == 7
    for hit in stacks.hits:
        assert [stem[number] for number in hit.copies] == [stem[hit.id]]
    assert [hit for part in parts for hit in part] == stacks.hits
    assert sorted(len(hit.copies) for hit in again.hits) == [1] * 8


def test_hits_below_a_score_are_left_out(photos: Path) -> None:
    build(photos)
    with Gallery.open(photos) as gallery:
        every = gallery.search(Turn(text="red"), 20)
        least = every.hits[3].score
        some = gallery.search(Turn(text="red"), 20, min_score=least)
        second = gallery.search(Turn(text="red"), 2, offset=2, min_score=least)
    assert some.hits == every.hits[:4]
    assert second.hits == every.hits[2:4]
    assert some.confidence == every.confidence


def test_an_answer_that_is_not_sure_enough_has_no_hits(photos: Path) -> None:
    build(photos)
    with Gallery.open(photos) as gallery:
        turn = Turn(photos / "red-round.png", "in blue")
        found = gallery.search(turn, 5)
        assert found.confidence is not None
        enough = gallery.search(turn, 5, min_confidence=found.confidence)
        assert (enough.hits, enough.unsure) == (found.hits, False)
        unsure = gallery.search(turn, 5, min_confidence=found.confidence + 1e-6)
        assert (unsure.hits, unsure.unsure, unsure.total) == ([], True, found.total)


def test_without_a_confidence_the_score_of_the_sum_decides(photos: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(BUNDLED, tmp_path / "model"))
    (bare / "confidence.json").unlink()
    build(photos, model=bare)
    with Gallery.open(photos) as gallery:
        turn = Turn(photos / "red-round.png", "in blue")
        score = gallery.search(turn, 1, fusion="sum").hits[0].score
        for fusion in (None, "sum"):
            assert not gallery.search(turn, 1, fusion=fusion).unsure
            for least, is_unsure in ((score - 0.01, False), (score + 0.01, True)):
                found = gallery.search(turn, 1, fusion=fusion, min_confidence=least)
                assert (found.unsure, bool(found.hits)) == (is_unsure, not is_unsure)
                assert found.confidence is None
