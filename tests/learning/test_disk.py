"""learning/disk.py: is there room, and files that are written whole or not at all."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from safetensors import SafetensorError

from samebut.errors import RecipeError
from samebut.learning.disk import megabytes, replacing, require_room, write_whole


def test_what_can_not_be_written_leaves_what_was(tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    write_whole(path, "first")
    (tmp_path / "said.json.partial").mkdir()
    with pytest.raises((RecipeError, OSError)):
        write_whole(path, "second")
    assert path.read_text() == "first"


@pytest.mark.parametrize("error", [OSError(28, "No space left"), SafetensorError("No space left")])
def test_half_a_file_is_removed(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "said.json"
    write_whole(path, "first")
    with (
        pytest.raises(RecipeError, match=r"said\.json can't be written: .*No space") as said,
        replacing(path) as part,
    ):
        part.write_text("sec")
        raise error
    assert "run the same command again" in said.value.hint
    assert [each.name for each in tmp_path.iterdir()] == ["said.json"]
    assert path.read_text() == "first"


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "said.json"
    write_whole(path, "first")
    with replacing(path) as part:
        part.write_text("second")
        assert path.read_text() == "first"
    assert path.read_text() == "second"


def test_room_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1_000_000))
    require_room(tmp_path, 1_000_000, "pictures")
    with pytest.raises(RecipeError, match=r"pictures need 1\.0 MB, .* has 1\.0 MB left") as error:
        require_room(tmp_path, 1_000_001, "pictures")
    assert "--cache" in error.value.hint


def test_bytes_for_people() -> None:
    assert [megabytes(size) for size in (3_400_000, 1_200_000_000, 50_000)] == [
        "3.4 MB",
        "1.2 GB",
        "0.1 MB",
    ]
