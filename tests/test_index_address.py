"""index/address.py: which kind of store an address names."""

from __future__ import annotations

from pathlib import Path

import pytest

from samebut.errors import StoreError
from samebut.index.address import address_of
from samebut.index.local import StoreFile
from samebut.store_place import store_address


def test_a_file_is_an_embedded_store(tmp_path: Path) -> None:
    assert address_of(tmp_path / "x.sqlite") == StoreFile(tmp_path / "x.sqlite")
    assert store_address(tmp_path, None) == StoreFile(tmp_path / ".samebut" / "gallery.sqlite")
    assert store_address(tmp_path, f"{tmp_path}/else") == StoreFile(
        tmp_path / "else/gallery.sqlite"
    )
    given = StoreFile(tmp_path / "given")
    assert store_address(tmp_path, given) is given


def test_an_engine_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="mysql:// is not the address of a store") as caught:
        store_address(tmp_path, "mysql://user:secret@host/db")
    assert "secret" not in str(caught.value) + caught.value.hint
