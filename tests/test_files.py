"""files.py: text read whole, files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from samebut.errors import DataError
from samebut.files import (
    MAX_TOML_DEPTH,
    json_of,
    read_json,
    read_lines,
    read_text,
    replacing,
    toml_of,
    write_whole,
    writing,
)


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
    with pytest.raises(DataError, match="is not UTF-8 text, at byte 2"):
        read_text(tmp_path / "file")
    with pytest.raises(DataError, match="can't be read, No such file"):
        read_text(tmp_path / "gone")


def test_what_the_system_refuses_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(DataError, match="can't be written, No such") as caught, writing(nowhere):
        write_whole(nowhere / "file", "text")
    assert str(caught.value).startswith(str(nowhere)) and caught.value.hint


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{", '{"a": ' + "9" * 5000 + "}", '{"a":' * 50_000]
)
def test_json_that_is_deep_or_broken_is_an_error_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError):
        json_of(text)
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match="can't be read as JSON"):
        read_json(tmp_path / "x.json", dict)


def test_toml_is_as_deep_as_is_stated_and_no_deeper() -> None:
    levels = MAX_TOML_DEPTH - 1
    assert toml_of(f"a = {'[' * levels}{']' * levels}")
    assert toml_of(".".join("a" * (levels + 1)) + " = 1")
    for text in (
        f"a = {'[' * (levels + 1)}{']' * (levels + 1)}",
        ".".join("a" * (levels + 2)) + " = 1",
        "a = " + "[" * 50_000,
        "a = " + "9" * 5000,
        "a = ",
    ):
        with pytest.raises(ValueError):
            toml_of(text)
