"""examples/mteb_model.py in the real mteb, where that is installed (it brings gigabytes)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import COLOURS, draw_picture
from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.evaluate import outcomes, rank
from samebut.runtime import Model

mteb = pytest.importorskip("mteb", reason="mteb is not installed: pip install mteb")
datasets = pytest.importorskip("datasets")

EXAMPLE = Path(__file__).parents[1] / "examples" / "mteb_model.py"
SHAPES = ("round", "square")
NAMES = [f"{colour}-{shape}" for colour in COLOURS for shape in SHAPES]
WISHES = [(name, "in blue", f"blue-{name.partition('-')[2]}") for name in NAMES[:6]]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mteb_model", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pictures() -> dict[str, Image.Image]:
    return {
        name: draw_picture(COLOURS[name.split("-")[0]], name.split("-")[1], 64) for name in NAMES
    }


def task_of(pictures: dict[str, Image.Image]) -> Any:
    """Pictures with words to pictures, in the shape of mteb's CIRRIT2IRetrieval."""
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.mocks.mock_tasks.retrieval import general_args

    class DrawnIT2IRetrieval(AbsTaskRetrieval):
        metadata = TaskMetadata(
            **general_args
            | {
                "name": "DrawnIT2IRetrieval",
                "type": "Any2AnyRetrieval",
                "main_score": "ndcg_at_10",
                "category": "it2i",
                "modalities": ["text", "image"],
            }
        )

        def load_data(self, num_proc: int | None = None, **ignored: Any) -> None:
            queries = datasets.Dataset.from_dict(
                {
                    "id": [f"q{n}" for n in range(len(WISHES))],
                    "text": [text for _, text, _ in WISHES],
                    "image": [pictures[name] for name, _, _ in WISHES],
                }
            )
            corpus = datasets.Dataset.from_dict({"id": NAMES, "image": list(pictures.values())})
            answers = {f"q{n}": {target: 1} for n, (_, _, target) in enumerate(WISHES)}
            data = RetrievalSplitData(
                queries=queries, corpus=corpus, relevant_docs=answers, top_ranked=None
            )
            self.dataset = {"default": {"test": data}}
            self.data_loaded = True

    return DrawnIT2IRetrieval()


@pytest.mark.filterwarnings("default")  # those of mteb and what it brings are theirs
def test_mteb_finds_what_is_found_here(
    example: ModuleType, pictures: dict[str, Image.Image], tmp_path: Path
) -> None:
    encoder = example.SamebutEncoder()
    result = mteb.evaluate(
        encoder,
        task_of(pictures),
        cache=None,
        co2_tracker=False,
        encode_kwargs={"batch_size": 4},
        show_progress_bar=False,
    )
    (scores,) = result.task_results[0].scores["test"]

    model = Model.load("bundled")
    features = model.encode_images(np.stack([model.preprocess(p) for p in pictures.values()]))
    texts = model.encode_texts([text for _, text, _ in WISHES])
    asked = model.compose(features[[NAMES.index(name) for name, _, _ in WISHES]], texts)
    queries = tuple(
        Query(f"q{n}", name, (text,), (target,)) for n, (name, text, target) in enumerate(WISHES)
    )
    rules = Rules(recall=(1, 3, 5, 10), drop_reference=False)
    drawn = Benchmark("drawn", "test", {name: Path(name) for name in NAMES}, queries, rules)
    found = outcomes(drawn, rank(drawn, asked.embedding, model.embed(features)))
    assert 0 < found["R@5"].mean() <= 1
    for k in (1, 3, 5, 10):
        assert scores[f"recall_at_{k}"] == pytest.approx(found[f"R@{k}"].mean(), abs=1e-4)
    assert scores["mrr_at_1000"] == pytest.approx(found["MRR"].mean(), abs=1e-4)


def test_one_side_alone_and_neither(example: ModuleType, pictures: dict[str, Image.Image]) -> None:
    encoder = example.SamebutEncoder()
    shown = list(pictures.values())[:2]
    for batch in ({"image": shown}, {"text": ["in blue", "square"]}):
        rows = encoder.encode([batch, batch])
        assert rows.shape == (4, encoder.model.dim)
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match="neither pictures nor texts, but audio"):
        encoder.encode([{"audio": [b""]}])
