"""The model in mteb, whose retrieval tasks have FashionIQ and CIRR among them (MIEB).

    pip install mteb
    python examples/mteb_model.py CIRRIT2IRetrieval FashionIQIT2IRetrieval

mteb fetches a task's data itself and prints its own number, nDCG@10. Its data sets are those of
M-BEIR (mbeir_cirr_task7 and so on), so set these numbers beside others of mteb alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import mteb
import numpy as np
from mteb.models import ModelMeta
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ScoringFunction
from numpy.typing import NDArray

from samebut import Model

if TYPE_CHECKING:
    from PIL.Image import Image


class SamebutEncoder(AbsEncoder):
    """What mteb encodes with: pictures, texts, and pictures with texts, in one space.

    ``model_name`` is a model folder, or "bundled". A picture with a text is the model's own fusion
    of both, ``--query composed`` of `samebut eval`.
    """

    def __init__(
        self, model_name: str = "bundled", revision: str | None = None, **ignored: object
    ) -> None:
        self.model = Model.load(model_name)
        self.mteb_model_meta = ModelMeta.create_empty(
            {
                "name": f"samebut/{self.model.name}",
                "revision": revision or self.model.fingerprint,
                "embed_dim": self.model.dim,
                "languages": ["eng-Latn", "zho-Hans"],
                "modalities": ["image", "text"],
                "similarity_fn_name": ScoringFunction.COSINE,
                "framework": ["ONNX"],
            }
        )

    def encode(self, inputs: Any, **asked: object) -> NDArray[np.float32]:
        """``(N, D)``, rows of length one, for a loader whose batches have ``image``, ``text`` or
        both."""
        return np.concatenate([self._batch(batch) for batch in inputs])

    def _batch(self, batch: Mapping[str, Sequence[Any]]) -> NDArray[np.float32]:
        shown, said = batch.get("image"), batch.get("text")
        if shown is None and said is None:
            raise ValueError(f"neither pictures nor texts, but {', '.join(batch)}")
        if said is None:
            return self.model.embed(self._pictures(shown))
        texts = self.model.encode_texts([str(text) for text in said])
        if shown is None:
            return self.model.embed(texts)
        return self.model.compose(self._pictures(shown), texts).embedding

    def _pictures(self, pictures: Sequence[Image]) -> Any:
        pixels = [self.model.preprocess(picture.convert("RGB")) for picture in pictures]
        return self.model.encode_images(np.stack(pixels))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tasks", nargs="+")
    parser.add_argument("--model", default="bundled")
    asked = parser.parse_args()
    results = mteb.evaluate(SamebutEncoder(asked.model), mteb.get_tasks(asked.tasks))
    for result in results.task_results:
        print(f"{result.task_name}: {result.get_score():.4f}")


if __name__ == "__main__":
    main()
