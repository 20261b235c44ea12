"""The doctor: counts what is whole, names what is not, and says where to get it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from fake_model import colour_folder
from samebut import doctor
from samebut.data import fashioniq, readers
from samebut.errors import DataError

ANNOTATIONS = Path(__file__).parents[2] / "shared" / "data" / "annotations"


def texts(report: doctor.Diagnosis, *, fault: bool) -> list[str]:
    return [str(finding) for finding in report.findings if finding.fault == fault]


def paint(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40), (shade, 90, 90)).save(path)
    return path


@pytest.fixture
def small_fashioniq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole FashionIQ of nine splits and 27 pictures, known to be of 27."""
    for split in fashioniq.SPLITS:
        for category in fashioniq.CATEGORIES:
            names = [f"{category}{split}{i}" for i in range(3)]
            entry = {"candidate": names[0], "target": names[1], "captions": ["a", "b"]}
            for kind, content in (("cap", [entry]), ("split", names)):
                path = tmp_path / kind / f"{kind}.{category}.{split}.json"
                path.parent.mkdir(exist_ok=True)
                path.write_text(json.dumps(content))
            for name in names:
                paint(tmp_path / "images" / f"{name}.jpg", hash_of(name))
    known = replace(readers.READERS["fashioniq"], pictures=27)
    monkeypatch.setitem(readers.READERS, "fashioniq", known)
    return tmp_path


def hash_of(name: str) -> int:
    return sum(map(ord, name)) * 37 % 256


def test_a_whole_data_set_is_healthy_and_every_picture_is_opened(small_fashioniq: Path) -> None:
    heard: list[tuple[int, int]] = []
    report = doctor.examine("fashioniq", small_fashioniq, progress=lambda *at: heard.append(at))
    assert report.healthy
    assert "✓ 27 of 27 pictures are whole" in str(report)
    assert "✓ annotations of val: 3 queries, 9 pictures" in str(report)
    assert "https" not in str(report)
    assert heard[-1] == (27, 27)


def test_missing_corrupt_and_duplicate_pictures_are_named(small_fashioniq: Path) -> None:
    images = small_fashioniq / "images"
    (images / "dresstrain0.jpg").unlink()
    cut = images / "shirtval1.jpg"
    cut.write_bytes(cut.read_bytes()[:300])
    (images / "topteetest2.jpg").write_text("<html>404</html>")
    (images / "dressval1.jpg").write_bytes((images / "dressval0.jpg").read_bytes())
    paint(small_fashioniq / "other" / "copies" / "dressval2.png", 3)
    (small_fashioniq / "images.zip").write_bytes(b"")
    report = doctor.examine("fashioniq", small_fashioniq)
    assert not report.healthy
    faults = texts(report, fault=True)
    assert "✗ 24 of 27 pictures are whole" in faults
    assert "✗ 1 are missing: dresstrain0" in faults
    (unusable,) = [line for line in faults if "can't be used" in line]
    assert "shirtval1 (" in unusable
    assert "topteetest2 (" in unusable
    assert any("archives lie there" in line and "images.zip" in line for line in faults)
    notes = texts(report, fault=False)
    assert any("dressval0 = dressval1" in line for line in notes)
    assert any("lie in more than one file" in line and "dressval2" in line for line in notes)
    assert "hongwang600/fashion-iq-metadata" in str(report)


def test_annotations_cut_short_or_of_another_size_are_faults(small_fashioniq: Path) -> None:
    path = small_fashioniq / "split" / "split.dress.test.json"
    path.write_text(json.dumps(["dresstest0", "dresstest1"]))
    report = doctor.examine("fashioniq", small_fashioniq)
    assert any("the splits name 26 pictures, 27 are known" in t for t in texts(report, fault=True))
    path.write_text('["dresstest0", "dres')
    report = doctor.examine("fashioniq", small_fashioniq)
    fault, count = texts(report, fault=True)
    assert "annotations of test" in fault
    assert "can't be read as JSON" in fault
    assert "the splits name 24 pictures, 27 are known" in count


@pytest.mark.parametrize("gone", ["split.dress.test.json", "cap.shirt.val.json"])
def test_every_picture_is_looked_at_though_one_file_is_missing(
    small_fashioniq: Path, gone: str
) -> None:
    next(small_fashioniq.rglob(gone)).unlink()
    (small_fashioniq / "images" / "topteetest2.jpg").write_text("<html>404</html>")
    report = doctor.examine("fashioniq", small_fashioniq)
    named = 24 if gone.startswith("split") else 27
    faults = texts(report, fault=True)
    assert any(f"no file {gone}" in line for line in faults)
    assert f"✗ {named - 1} of {named} pictures are whole" in faults


@pytest.mark.parametrize("kind", [*readers.READERS, *doctor.OTHERS])
def test_a_wrong_folder_is_a_finding_and_not_a_crash(tmp_path: Path, kind: str) -> None:
    roots = [tmp_path / "nowhere"] if kind == "gallery" else [tmp_path, tmp_path / "nowhere"]
    for root in roots:
        report = doctor.examine(kind, root)
        assert not report.healthy
        assert "✗" in str(report)


def test_an_unknown_kind_names_the_known() -> None:
    with pytest.raises(DataError, match="doctor can't check a 'shoes'") as caught:
        doctor.examine("shoes", Path())
    assert "fashioniq" in caught.value.hint


def test_triplets_are_examined_in_every_split(tmp_path: Path) -> None:
    root = colour_folder(tmp_path / "data")
    assert doctor.examine("triplets", root).healthy
    (root / "other.jsonl").write_text('{"reference": "x.png"}\n')
    (root / "images" / "red0.png").unlink()
    faults = texts(doctor.examine("triplets", root), fault=True)
    assert faults[0].startswith("✗ annotations of other: other.jsonl line 1: target is missing")
    assert faults[1:] == ["✗ 5 of 6 pictures are whole", "✗ 1 are missing: red0.png"]


def test_a_gallery_is_compared_with_its_index(tmp_path: Path) -> None:
    from samebut.embedding import unit
    from samebut.index import PictureRow
    from samebut.index.local import LocalIndex
    from samebut.store_place import store_path

    for i, name in enumerate(("kept", "changed", "new")):
        paint(tmp_path / f"{name}.png", 20 * i)
    assert "is not indexed yet" in str(doctor.examine("gallery", tmp_path))
    store = store_path(tmp_path, None)
    store.parent.mkdir()
    embedding = unit([1.0, 0.0])
    with LocalIndex.create(store, dim=2, fingerprint="another", model="bundled") as index:
        stat = (tmp_path / "kept.png").stat()
        index.put(
            [
                PictureRow("kept.png", stat.st_size, stat.st_mtime_ns, "a" * 32, 40, 40, embedding),
                PictureRow("changed.png", 1, 1, "b" * 32, 40, 40, embedding),
                PictureRow("gone.png", 1, 1, "c" * 32, 40, 40, embedding),
            ]
        )
    report = doctor.examine("gallery", tmp_path)
    notes = texts(report, fault=False)
    assert any("3 pictures are indexed" in line for line in notes)
    assert "· 1 are not indexed yet: new.png" in notes
    assert "· 1 changed since they were indexed: changed.png" in notes
    assert "· 1 are indexed and gone from the folder: gone.png" in notes
    assert texts(report, fault=True) == ["✗ was indexed by another model than its name means now"]
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE embedding SET vector = X'0000003c' WHERE id = 1")
        connection.execute("""INSERT INTO description VALUES (1, '{"colour": "red"}')""")
        connection.commit()
    (fault, other, _) = texts(doctor.examine("gallery", tmp_path), fault=True)
    assert "1 have a damaged row" in fault and fault.endswith(": kept.png")
    assert "1 have damaged metadata" in other and other.endswith(": kept.png")
    store.write_bytes(b"not a store")
    assert not doctor.examine("gallery", tmp_path).healthy


def test_nothing_is_ticked_that_was_not_seen(tmp_path: Path) -> None:
    from samebut.gallery import Gallery

    photos = tmp_path / "photos"
    paint(photos / "a.png", 20)
    report = doctor.examine("gallery", photos)
    assert report.healthy
    assert [str(each)[0] for each in report.findings] == ["✓", "·"]
    assert "or its index is kept elsewhere: --store" in str(report)
    gallery, _ = Gallery.build(photos, store=tmp_path / "store")
    gallery.close()
    assert "✓ 1 pictures are indexed" in str(
        doctor.examine("gallery", photos, store=tmp_path / "store")
    )
    nowhere = doctor.examine("gallery", photos, store=tmp_path / "nowhere")
    assert not nowhere.healthy
    assert "✗ is not indexed yet: there is no" in str(nowhere)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.cr2").touch()
    empty = doctor.examine("gallery", tmp_path / "empty")
    assert "✓" not in str(empty)
    assert "· 1 raw pictures of cameras: export them as JPEG" in str(empty)
    with pytest.raises(DataError, match="a model has no store"):
        doctor.examine("model", Path("bundled"), store=tmp_path)


def test_the_model_that_ships_is_healthy_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    import shutil

    from samebut.runtime import BUNDLED

    assert doctor.examine("model", Path("bundled")).healthy
    shutil.copytree(BUNDLED, tmp_path / "model")
    assert doctor.examine("model", tmp_path / "model").healthy
    for graph in (tmp_path / "model").glob("text.*.onnx"):
        graph.write_bytes(graph.read_bytes()[:1000])
    report = doctor.examine("model", tmp_path / "model")
    assert any("was changed after the model was exported" in t for t in texts(report, fault=True))


@pytest.mark.skipif(
    not ANNOTATIONS.is_dir(), reason="the annotations are not beside the repository"
)
@pytest.mark.parametrize(("name", "count"), [("fashioniq", "74,381"), ("cirr", "21,551")])
def test_the_real_annotations_name_as_many_pictures_as_are_known(name: str, count: str) -> None:
    report = doctor.examine(name, ANNOTATIONS / name)
    assert f"✗ 0 of {count} pictures are whole" in texts(report, fault=True)
    assert not any("are known" in line for line in texts(report, fault=True))
