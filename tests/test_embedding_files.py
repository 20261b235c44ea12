"""embedding_files.py: the exported embeddings are those that are searched."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from samebut import embedding_files
from samebut.embedding_files import write_embeddings
from samebut.errors import DataError, QueryError
from samebut.gallery import Gallery
from samebut.turns import Turn
from serving import drawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("embeddings") / "photos", "round", "square")


@pytest.fixture
def gallery(folder: Path) -> Iterator[Gallery]:
    with Gallery.open(folder, threads=1) as gallery:
        yield gallery


@pytest.mark.parametrize("batch", [3, 10_000])
def test_numpy_finds_with_them_what_a_search_finds(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(embedding_files, "_BATCH", batch)
    out = tmp_path / "all.npz"
    assert write_embeddings(gallery, out) == 10
    with np.load(out, allow_pickle=False) as read:
        assert str(read["fingerprint"]) == gallery.model.fingerprint
        paths, embeddings = read["paths"].tolist(), read["embeddings"]
        assert [gallery.picture(n).path for n in read["ids"].tolist()] == paths == sorted(paths)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-3)
    picture = paths[0]
    ranked = np.argsort(-(embeddings @ embeddings[0]), kind="stable")
    found = gallery.search(Turn(gallery.folder / picture), 10, include_references=True)
    assert [paths[n] for n in ranked] == [hit.path for hit in found.hits]


def test_parquet_has_the_table_too(gallery: Gallery, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "all.parquet"
    write_embeddings(gallery, out)
    table = parquet.read_table(out)
    assert table.column_names == ["id", "path", "embedding", "colour", "形状"]
    rows = table.to_pylist()
    assert {row["colour"] for row in rows if row["path"].endswith("blue-round.png")} == {"blue"}
    np.testing.assert_array_equal(
        np.array([row["embedding"] for row in rows], np.float32),
        gallery.index.embedding([row["id"] for row in rows]),
    )
    assert table.schema.metadata[b"samebut.fingerprint"].decode() == gallery.model.fingerprint


def test_a_column_of_the_table_called_as_ours_keeps_both(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    photos = drawn(tmp_path / "photos", "round")
    table = tmp_path / "ids.csv"
    table.write_text("file,id\nred-round.png,SKU-7\n", encoding="utf-8")
    with Gallery.open(photos) as gallery:
        gallery.describe(table)
    with Gallery.open(photos) as gallery:
        write_embeddings(gallery, tmp_path / "all.parquet")
        rows = parquet.read_table(tmp_path / "all.parquet").to_pylist()
        assert {row["id"] for row in rows} == set(gallery.index.listing(10))
    assert [row["table.id"] for row in rows if row["path"] == "red-round.png"] == ["SKU-7"]


def test_what_cannot_be_written_is_said_and_nothing_is_left(
    gallery: Gallery, tmp_path: Path
) -> None:
    with pytest.raises(QueryError, match=r"written as \.csv") as caught:
        write_embeddings(gallery, tmp_path / "all.csv")
    assert ".npz or .parquet" in caught.value.hint
    with (
        patch("importlib.util.find_spec", return_value=None),
        pytest.raises(QueryError, match="pyarrow is not installed"),
    ):
        write_embeddings(gallery, tmp_path / "all.parquet")
    with pytest.raises(DataError, match="can't be written"):
        write_embeddings(gallery, tmp_path / "missing" / "all.npz")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_how_many(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "samebut", "export-embeddings", folder, tmp_path / "all.npz"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "10 embeddings of" in done.stderr and (tmp_path / "all.npz").is_file()
