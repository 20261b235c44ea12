"""Every example runs, with the real libraries: ``make examples``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from samebut import Gallery, Turn
from samebut.demo import GALLERY
from samebut.embedding_files import write_embeddings

EXAMPLES = Path(__file__).parent
TEXT = "in blue"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """Twenty pictures of the demo gallery."""
    photos = tmp_path_factory.mktemp("examples") / "photos"
    photos.mkdir()
    for file in sorted(GALLERY.glob("*.webp"))[:20]:
        (photos / file.name).write_bytes(file.read_bytes())
    built, _ = Gallery.build(photos)
    with built:
        yield built


@pytest.fixture(scope="module")
def picture(gallery: Gallery) -> Path:
    return min(gallery.folder.glob("*.webp"))


@pytest.fixture(scope="module")
def expected(gallery: Gallery, picture: Path) -> list[str]:
    """The files that a search finds."""
    hits = gallery.search(Turn(picture, TEXT), 4).hits
    return [str(gallery.file_of(hit.path)) for hit in hits]


def run(example: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / example, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", ["langchain_retriever.py", "llama_index_retriever.py"])
def test_a_retriever_finds_what_a_search_finds(
    gallery: Gallery, picture: Path, expected: list[str], example: str
) -> None:
    said = run(example, gallery.folder, TEXT, "--picture", picture)
    assert [line.split("  ")[1] for line in said.splitlines()] == expected


def test_a_langchain_chain_takes_the_retriever(gallery: Gallery, picture: Path) -> None:
    from langchain_core.runnables import RunnableLambda

    from langchain_retriever import SamebutRetriever

    retriever = SamebutRetriever(gallery=gallery, picture=str(picture), k=2)
    chain = retriever | RunnableLambda(lambda documents: len(documents))
    assert chain.invoke(TEXT) == 2


def test_the_encoder_asks_as_a_search_does(gallery: Gallery, picture: Path) -> None:
    from encoder import Encoder

    encoder = Encoder()
    inputs = [TEXT, picture, {"image": str(picture), "text": TEXT}]
    found = encoder.encode(inputs)
    assert found.shape == (3, encoder.get_sentence_embedding_dimension())
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(encoder.encode(picture), found[1])
    stored = gallery.index.embedding([gallery.index.id_of(picture.name) or 0])[0]
    assert float(found[1] @ stored) > 0.999
    assert encoder.encode([]).shape == (0, found.shape[1])
    assert "cosine" in run("encoder.py", picture, TEXT)


def test_the_page_of_gradio_answers(gallery: Gallery, picture: Path, expected: list[str]) -> None:
    from gradio_client import Client, handle_file

    from gradio_app import app

    page = app(gallery)
    page.launch(prevent_thread_lock=True, quiet=True, allowed_paths=[str(gallery.folder)])
    try:
        answers = Client(page.local_url, verbose=False).predict(
            handle_file(str(picture)), TEXT, api_name="/search"
        )
    finally:
        page.close()
    assert len(answers) == 12
    assert [Path(each["image"]).stem for each in answers[:4]] == [Path(e).stem for e in expected]


@pytest.fixture
def data(gallery: Gallery, tmp_path: Path) -> Path:
    """A data folder of three queries, the second with more right answers."""
    names = sorted(path.name for path in gallery.folder.glob("*.webp"))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dataset.json").write_text(json.dumps({"format": 1, "images": str(gallery.folder)}))
    queries = [
        {"id": "q0", "reference": names[0], "text": "in blue", "target": names[1]},
        {
            "id": "q1",
            "reference": names[2],
            "text": "换成蓝色",
            "target": names[3],
            "targets": [names[3], names[1]],
            "lang": "zh",
        },
        {"id": "q2", "reference": names[1], "text": "in red", "target": names[0]},
    ]
    lines = "".join(json.dumps(query, ensure_ascii=False) + "\n" for query in queries)
    (folder / "train.jsonl").write_text(lines, encoding="utf-8")
    return folder


def test_triplets_come_back_from_parquet_as_they_were(data: Path, tmp_path: Path) -> None:
    table, back = tmp_path / "train.parquet", tmp_path / "back.jsonl"
    assert run("triplets_exchange.py", "to-parquet", data / "train.jsonl", table) == "3\n"
    assert run("triplets_exchange.py", "from-parquet", table, back) == "3\n"
    assert _lines(back) == _lines(data / "train.jsonl")


def test_triplets_come_back_from_shards_with_their_pictures(
    gallery: Gallery, data: Path, tmp_path: Path
) -> None:
    shards = tmp_path / "train-%04d.tar"
    assert run("triplets_exchange.py", "to-shards", data, "train", shards) == "3\n"
    new = tmp_path / "new"
    assert run("triplets_exchange.py", "from-shards", str(shards) % 0, new, "train") == "3\n"
    assert _lines(new / "train.jsonl") == _lines(data / "train.jsonl")
    for file in (new / "images").iterdir():
        assert file.read_bytes() == (gallery.folder / file.name).read_bytes()
    from samebut.data import triplets

    benchmark = triplets.read(new, "train")
    benchmark.require_images()
    assert len(benchmark.queries) == 3


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_pandas_reads_the_embeddings(gallery: Gallery, tmp_path: Path) -> None:
    import pandas as pd

    write_embeddings(gallery, tmp_path / "all.parquet")
    frame = pd.read_parquet(tmp_path / "all.parquet")
    embeddings = np.stack(list(frame["embedding"]))
    ids = [int(each) for each in frame["id"]]
    np.testing.assert_array_equal(embeddings, gallery.index.embedding(ids))


def test_a_drawn_shop_gets_a_model_of_its_own(tmp_path: Path) -> None:
    said = run("train_a_drawn_shop.py", tmp_path, "--tiny")
    commands = [line.split()[4] for line in said.splitlines() if line.startswith("$ python")]
    assert commands[1:] == ["triplets", "eval", "train", "export", "eval", "compare"]
    model = json.loads((tmp_path / "model" / "model.json").read_text(encoding="utf-8"))
    after = json.loads((tmp_path / "after" / "ranking.json").read_text(encoding="utf-8"))
    assert model["name"] == "finetuned" in json.dumps(after["model"])
