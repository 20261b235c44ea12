"""runtime.py: the bundled model folder, run without torch."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samebut.embedding import Floats, unit
from samebut.errors import ModelError, QueryError
from samebut.runtime import BUNDLED, PICTURES_AT_ONCE, Graph, Model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUNDLED, tmp_path / "model"))


def pixels(count: int, model: Model, seed: int = 0) -> np.ndarray:
    size = model.preprocess.size
    noise = np.random.default_rng(seed).normal(size=(count, 3, size, size))
    return noise.astype(np.float32)


def test_features_keep_their_batch(model: Model) -> None:
    images = model.encode_images(pixels(1, model))
    texts = model.encode_texts(["in blue"])
    assert images.pooled.shape == texts.pooled.shape == (1, model.dim)
    assert images.tokens.shape[::2] == texts.tokens.shape[::2] == (1, model.dim)
    composed = model.compose(images, texts)
    assert composed.embedding.shape == (1, model.dim)
    assert composed.gate.shape == (1,)
    assert 0 <= composed.gate[0] <= 1


def test_a_row_does_not_depend_on_its_neighbours(model: Model) -> None:
    """Static int8: ranges are not read off the batch. Pads of other lengths are not read either."""
    batch = pixels(5, model)
    together = model.encode_images(batch)
    alone = model.encode_images(batch[2:3])
    np.testing.assert_allclose(together.pooled[2:3], alone.pooled, atol=1e-4)
    short, long = "in blue", "the same, but in a much darker blue with long sleeves"
    both, one = model.encode_texts([short, long]), model.encode_texts([short])
    np.testing.assert_allclose(both.pooled[:1], one.pooled, atol=1e-4)
    ours = model.compose(together[[2, 2]], both).embedding[:1]
    np.testing.assert_allclose(ours, model.compose(alone, one).embedding, atol=1e-4)


def test_many_pictures_are_encoded_a_few_at_a_time(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with the batch, and a picture is the same in any place."""
    batch = pixels(PICTURES_AT_ONCE + 2, model)
    expected = [model.encode_images(batch[row : row + 1]) for row in range(len(batch))]
    seen: list[int] = []
    run = Model._run

    def counted(self: Model, graph: Graph, inputs: dict[str, Any]) -> list[Floats]:
        seen.append(len(inputs["pixels"]))
        return run(self, graph, inputs)

    monkeypatch.setattr(Model, "_run", counted)
    together = model.encode_images(batch)
    assert seen == [PICTURES_AT_ONCE, 2]
    for part in ("pooled", "tokens", "mask"):
        alone = np.concatenate([getattr(each, part) for each in expected])
        np.testing.assert_allclose(getattr(together, part), alone, atol=1e-5)
    assert model.encode_images(batch[:0]).pooled.shape == (0, model.dim)


def test_embeddings_are_unit_length(model: Model) -> None:
    images = model.encode_images(pixels(3, model))
    texts = model.encode_texts(["a", "蓝色", ""])
    rows = (model.embed(images), model.embed(texts), model.compose(images, texts).embedding)
    for embeddings in rows:
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_unit_leaves_zeros_alone() -> None:
    rows = unit([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.0, 0.0]], atol=1e-7)


def test_both_sides_matter(model: Model) -> None:
    images, texts = model.encode_images(pixels(2, model)), model.encode_texts(["in blue", "红色"])
    same_picture = model.compose(images[[0, 0]], texts).embedding
    same_text = model.compose(images, texts[[0, 0]]).embedding
    assert np.abs(same_picture[0] - same_picture[1]).max() > 1e-3
    assert np.abs(same_text[0] - same_text[1]).max() > 1e-3


def test_the_sum_is_always_there(model: Model) -> None:
    assert model.fusions == ("combiner", "sum")
    images, texts = model.encode_images(pixels(2, model)), model.encode_texts(["in blue", "红色"])
    plain = model.compose(images, texts, "sum")
    sides = unit(images.pooled) + unit(texts.pooled)
    np.testing.assert_allclose(plain.embedding, unit(sides), atol=1e-6)
    raw = model.compose(images, texts, "raw-sum").embedding
    np.testing.assert_allclose(raw, unit(images.pooled + texts.pooled), atol=1e-6)
    np.testing.assert_array_equal(plain.gate, [0.5, 0.5])
    own = model.compose(images, texts, "combiner").embedding
    np.testing.assert_array_equal(own, model.compose(images, texts).embedding)
    leaning = model.compose(images, texts, "blend:0.25")
    expected = unit(0.25 * own + 0.75 * plain.embedding)
    np.testing.assert_allclose(leaning.embedding, expected, atol=1e-6)
    with pytest.raises(QueryError, match="no fusion called 'tirg'") as error:
        model.compose(images, texts, "tirg")
    assert error.value.hint is not None
    assert (
        "a fusion of its own, combiner. There are: keep:WEIGHT, sum:WEIGHT, raw-sum"
        in error.value.hint
    )


@pytest.mark.parametrize(
    ("fusion", "names"),
    [
        ({"name": "sum"}, ("raw-sum", "sum")),
        ({"name": "sum", "weight": 0.5}, ("raw-sum:0.5", "sum")),
        ({"name": "sum", "normalised": True}, ("sum",)),
        ({"name": "sum", "normalised": True, "weight": 2}, ("sum:2", "sum")),
    ],
)
def test_a_learned_sum_is_called_by_what_it_adds(
    model: Model, fusion: dict[str, object], names: tuple[str, ...]
) -> None:
    assert replace(model, description={**model.description, "fusion": fusion}).fusions == names


def test_a_very_long_text_is_cut(model: Model) -> None:
    tokens = model.encode_texts(["blue " * 1000]).tokens
    assert tokens.shape[1] == model.description["text"]["max_tokens"]


def test_what_is_cut_off_a_long_text_is_known(model: Model) -> None:
    assert model.unread(" in blue ") == model.unread("") == ""
    assert model.unread("🦄 " * 500) == ""  # no pieces are left of these
    for word in ("blue", "蓝色"):
        text = f" {word} " * 500
        unread = model.unread(text)
        assert text.strip().endswith(unread)
        read = text.strip().removesuffix(unread)
        assert read and unread.startswith(word)
        whole, cut = model.encode_texts([read, text]).pooled
        np.testing.assert_allclose(cut, whole, atol=1e-4)


def test_sides_of_different_length_are_refused(model: Model) -> None:
    with pytest.raises(QueryError, match="2 pictures and 1 texts to compose"):
        model.compose(model.encode_images(pixels(2, model)), model.encode_texts(["x"]))


def test_the_fingerprint_is_that_of_the_content(model: Model, folder: Path) -> None:
    assert Model.load(folder).fingerprint == model.fingerprint
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["preprocess"]["fill"] = "zero"
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    assert Model.load(folder).fingerprint != model.fingerprint


def test_no_model_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no model\.json"):
        Model.load(tmp_path)


def test_a_damaged_description(folder: Path) -> None:
    (folder / "model.json").write_text("{")
    with pytest.raises(ModelError, match="can't be read"):
        Model.load(folder)


def test_another_format(folder: Path) -> None:
    (folder / "model.json").write_text('{"format": 99}')
    with pytest.raises(ModelError, match="has format 99"):
        Model.load(folder)


def test_a_description_without_graphs(folder: Path) -> None:
    (folder / "model.json").write_text('{"format": 1, "name": "x", "dim": 2}')
    with pytest.raises(ModelError, match="lacks fusion, graphs, preprocess, text, tokenizer"):
        Model.load(folder)


def test_a_graph_that_is_missing_or_changed(folder: Path) -> None:
    graph = folder / "text.fp32.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="was changed after the model was exported"):
        Model.load(folder).encode_texts(["x"])
    graph.unlink()
    with pytest.raises(ModelError, match="is missing"):
        Model.load(folder).encode_texts(["x"])


def test_searching_never_imports_torch() -> None:
    code = (
        "import sys, samebut.cli, samebut.gallery, samebut.contact_sheet, samebut.demo;"
        "sys.exit(bool({'torch', 'transformers', 'onnx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_spans_of_tokens(model: Model) -> None:
    text = " in blue, 带条纹 "
    spans = model.text_spans(text)
    assert len(spans) == model.encode_texts([text]).tokens.shape[1]
    covered = {place for start, end in spans for place in range(start, end)}
    assert covered >= {at for at, char in enumerate(text.strip()) if char != " "}
    assert spans[0][0] == spans[0][1]  # begin stands for no characters


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("name", 3),
        ("dim", "many"),
        ("dim", -1),
        ("fusion", {}),
        ("preprocess", []),
        ("text", {"max_tokens": None, "pad_id": 0}),
        ("text", {"max_tokens": 8, "pad_id": 0, "fixed_length": "x"}),
        ("graphs", {"image": {}}),
        ("graphs", None),
        ("tokenizer", {"file": 1, "sha256": "x"}),
        ("knows", ["x"]),
    ],
)
def test_a_description_with_a_damaged_part_names_it(
    folder: Path, place: str, value: object
) -> None:
    description = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**description, place: value}))
    with pytest.raises(ModelError, match=f"the value of {place} is not valid"):
        Model.load(folder)


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", '"x"', "null", "\xff"])
def test_a_description_that_is_deep_or_none(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match="can't be read"):
        Model.load(folder)


@pytest.mark.parametrize("content", [b"{}", b"", b"\xff\xfe", b"[" * 100_000, b'{"model": 3}'])
def test_a_tokenizer_that_was_damaged_before_it_was_exported(folder: Path, content: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(content)
    description = json.loads((folder / "model.json").read_text())
    description["tokenizer"]["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "model.json").write_text(json.dumps(description))
    with pytest.raises(ModelError, match="can't be read as a tokenizer"):
        Model.load(folder).encode_texts(["x"])


def test_a_graph_that_does_not_fit_is_an_error_in_words(folder: Path) -> None:
    description = json.loads((folder / "model.json").read_text())
    description["graphs"]["image"] = description["graphs"]["text"]
    (folder / "model.json").write_text(json.dumps(description))
    model = Model.load(folder)
    with pytest.raises(ModelError, match="its graph image fails"):
        model.encode_images(pixels(1, model))
