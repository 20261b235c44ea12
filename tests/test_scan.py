"""scan.py: which files are pictures, and the reasons given for all others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from samebut import images
from samebut import scan as scanning
from samebut.errors import QueryError, StoreError
from samebut.scan import Scan, ScanRules, scan


def paths(found: Scan) -> list[str]:
    return [picture.path for picture in found.pictures]


def files(top: Path, *names: str) -> Path:
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return top


def test_pictures_of_a_folder_come_before_those_of_its_folders(tmp_path: Path) -> None:
    found = scan(
        files(tmp_path, "b/2.jpg", "b/1.PNG", "a/3.webp", "z.gif", "notes.txt", "a/x/4.jpe")
    )
    assert paths(found) == ["z.gif", "a/3.webp", "a/x/4.jpe", "b/1.PNG", "b/2.jpg"]
    assert (found.pictures[0].size, found.pictures[0].file) == (1, tmp_path / "z.gif")
    assert found.pictures[0].mtime_ns == (tmp_path / "z.gif").stat().st_mtime_ns
    assert found.passed_over() == []


def test_links_are_followed_once_and_real_folders_come_first(tmp_path: Path) -> None:
    top = files(tmp_path / "top", "a/1.jpg", "2.jpg")
    files(tmp_path / "else", "3.jpg", "deep/4.jpg")
    for name, target in {
        "0-first": top / "a",
        "back": top,
        "one": tmp_path / "else",
        "two": tmp_path / "else",
        "up": tmp_path,
        "linked.jpg": top / "2.jpg",
    }.items():
        (top / name).symlink_to(target)
    (tmp_path / "else" / "round").symlink_to(top)
    found = scan(top)
    assert paths(found) == ["2.jpg", "linked.jpg", "a/1.jpg", "one/3.jpg", "one/deep/4.jpg"]
    assert found.links == {
        "0-first": "is a link to a, which is looked into",
        "back": "is a link to the folder itself, which is looked into",
        "two": "is a link to one, which is looked into",
        "up": "is a link to a folder that this one lies in",
        "one/round": "is a link to the folder itself, which is looked into",
    }
    assert paths(scan(top, ScanRules(follow=False))) == ["2.jpg", "linked.jpg", "a/1.jpg"]
    assert (
        "one: is a link, which --no-follow leaves out" in scan(top, ScanRules(False)).passed_over()
    )


def test_broken_links_are_no_pictures_and_no_end(tmp_path: Path) -> None:
    (tmp_path / "disk").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = scan(tmp_path)
    assert paths(found) == ["lost.jpg"]
    assert found.pictures[0].size == -1
    assert found.broken_links == ["disk", "loop"]
    assert found.may_hold("disk/1.jpg")
    assert not found.may_hold("disk2/1.jpg")


def test_folders_of_systems_and_tools_are_left_out_and_counted(tmp_path: Path) -> None:
    kept_out = ["@eaDir", "$RECYCLE.BIN", "__MACOSX", ".git", "node_modules", "#recycle"]
    files(tmp_path, *(f"{name}/1.jpg" for name in kept_out), "a/@EADIR/2.jpg", ".samebut/3.jpg")
    files(tmp_path, "4.jpg", "._4.jpg", ".5.jpg")
    found = scan(tmp_path)
    assert paths(found) == ["4.jpg"]
    assert found.left_out == dict.fromkeys([*kept_out, "@EADIR"], 1)
    assert found.passed_over() == [
        "1 hidden pictures: take the dot off their names",
        "folders of systems and tools, left out: #recycle (1), $RECYCLE.BIN (1), .git (1), "
        "@EADIR (1), @eaDir (1), __MACOSX (1), node_modules (1)",
    ]


def test_what_looks_like_a_picture_is_counted_by_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PICTURE_SUFFIXES", images.PICTURE_SUFFIXES - {".heic"})
    monkeypatch.setattr(scanning, "PICTURE_SUFFIXES", images.PICTURE_SUFFIXES)
    files(tmp_path, "1.HEIC", "a/2.heic", "3.CR2", "4.nef", "5.psd", "6.svg", "7.jpg_large")
    files(tmp_path, "8.jpg.1", "9.png!d", "10.jpg", "film.mp4", "table.csv", "report.pdf", "x.jpgs")
    (tmp_path / "IMG_1").write_bytes(b"\xff\xd8\xff\xe0" + bytes(20))
    (tmp_path / "README").write_text("text")
    os.mkfifo(tmp_path / "pipe")
    found = scan(tmp_path)
    assert paths(found) == ["10.jpg"]
    assert found.passed_over() == [
        "3 pictures with more behind their suffix, as in .jpg_large: rename them to end in .jpg",
        "2 HEIC pictures: pip install 'samebut[heic]', or save them as JPEG or PNG",
        "2 raw pictures of cameras: export them as JPEG",
        "1 Photoshop documents: save them as JPEG or PNG",
        "1 drawings: save them as JPEG or PNG",
        "1 pictures without a suffix: give them one, such as .jpg",
    ]


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["*.gif"], ["1.jpg", "a/2.jpg", "a/b/3.jpg", "c/3.jpg"]),
        (["A/"], ["1.jpg", "4.gif", "c/3.jpg"]),
        (["3.jpg"], ["1.jpg", "4.gif", "a/2.jpg"]),
        (["/1.jpg", "c"], ["4.gif", "a/2.jpg", "a/b/3.jpg"]),
        (["a/b"], ["1.jpg", "4.gif", "a/2.jpg", "c/3.jpg"]),
        (["b/3.jpg"], ["1.jpg", "4.gif", "a/2.jpg", "a/b/3.jpg", "c/3.jpg"]),
        (["**/b/*.jpg"], ["1.jpg", "4.gif", "a/2.jpg", "c/3.jpg"]),
        (["a/**"], ["1.jpg", "4.gif", "c/3.jpg"]),
        (["a/**/3.jpg"], ["1.jpg", "4.gif", "a/2.jpg", "c/3.jpg"]),
        (["*.jpg", "!2.jpg"], ["4.gif", "a/2.jpg"]),
        (["[1-2].jpg"], ["4.gif", "a/b/3.jpg", "c/3.jpg"]),
        (["[!1-2].jpg"], ["1.jpg", "4.gif", "a/2.jpg"]),
        (["?.gif", "a\\b"], ["1.jpg", "a/2.jpg", "c/3.jpg"]),
        (["1.jpg/"], ["1.jpg", "4.gif", "a/2.jpg", "a/b/3.jpg", "c/3.jpg"]),
    ],
)
def test_patterns_leave_out(tmp_path: Path, patterns: list[str], left: list[str]) -> None:
    files(tmp_path, "1.jpg", "a/2.jpg", "a/b/3.jpg", "c/3.jpg", "4.gif")
    assert sorted(paths(scan(tmp_path, ScanRules(exclude=tuple(patterns))))) == left
    (tmp_path / ".samebutignore").write_text("\ufeff# left out\n\n" + "\n".join(patterns))
    assert sorted(paths(scan(tmp_path))) == left


def test_what_patterns_left_out_is_counted_and_defaults_can_be_brought_in(tmp_path: Path) -> None:
    files(tmp_path, "1.jpg", "2.gif", "3.gif", "drafts/4.jpg", "@eaDir/5.jpg", ".hidden/6.jpg")
    (tmp_path / ".samebutignore").write_text("*.gif\n!@eaDir/\n")
    found = scan(tmp_path, ScanRules(exclude=("drafts/", "!.hidden/")))
    assert sorted(paths(found)) == [".hidden/6.jpg", "1.jpg", "@eaDir/5.jpg"]
    assert found.passed_over() == ["excluded: *.gif (2), drafts/ (1)"]


@pytest.mark.parametrize("pattern", ["", " ", "/", "!", "!/", "[z-a]"])
def test_a_pattern_that_means_nothing_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(QueryError, match="can't match any file") as caught:
        scan(tmp_path, ScanRules(exclude=(pattern,)))
    assert "drafts/" in caught.value.hint


@pytest.mark.parametrize(
    "pattern", ["[", "a]", "[]", "***", "(.*", "[a&&b]", "[[:alpha:]]", "\udcff"]
)
def test_any_other_text_is_a_pattern(tmp_path: Path, pattern: str) -> None:
    files(tmp_path, "1.jpg")
    assert len(paths(scan(tmp_path, ScanRules(exclude=(pattern,))))) == (pattern != "***")


def test_a_folder_that_can_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, "a/1.jpg", "locked/2.jpg", "z/3.jpg")
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = scan(tmp_path)
    assert paths(found) == ["a/1.jpg", "z/3.jpg"]
    assert found.unreadable == {"locked": "is a folder that can't be read: permission denied"}
    assert found.may_hold("locked/2.jpg")
    with pytest.raises(StoreError, match="locked can't be read: permission denied"):
        scan(tmp_path / "locked")
    with pytest.raises(StoreError, match="no such file"):
        scan(tmp_path / "nowhere")


def test_patterns_that_can_not_be_read_are_an_error(tmp_path: Path) -> None:
    (tmp_path / ".samebutignore").mkdir()
    with pytest.raises(QueryError, match="can't be read") as caught:
        scan(tmp_path)
    assert "leave out of the index" in caught.value.hint
