"""files.py: text read whole, files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from samebut.errors import DataError
from samebut.files import read_lines, read_text, replacing, write_whole, writing


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    for content in ("蓝色\r\n\n", b"\x00\xff\n"):
        write_whole(tmp_path / "file", content)
        raw = content.encode() if isinstance(content, str) else content
        assert (tmp_path / "file").read_bytes() == raw
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_error_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as partial:
        partial.write_text("ne")
        assert path.read_text() == "old"
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_it_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that reaches the disk first is an empty file after a power cut."""
    path, seen = tmp_path / "file", []
    real = os.fsync

    def fsync(number: int) -> None:
        seen.append((Path(f"{path}.partial").read_text(), path.exists()))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(path, "whole")
    assert seen == [("whole", False)]


def test_lines_end_with_a_newline_alone(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "a\u2028b\x0bc\nd\n")
    assert read_lines(tmp_path / "file") == ["a\u2028b\x0bc", "d"]


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"ab\xff")
    with pytest.raises(DataError, match="is not text in UTF-8, byte 2"):
        read_text(tmp_path / "file")
    with pytest.raises(DataError, match="can't be read, No such file"):
        read_text(tmp_path / "gone")


def test_what_the_system_refuses_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(DataError, match="can't be written, No such") as caught, writing(nowhere):
        write_whole(nowhere / "file", "text")
    assert str(caught.value).startswith(str(nowhere)) and caught.value.hint
