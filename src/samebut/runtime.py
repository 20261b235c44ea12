"""A model folder, run by ONNX Runtime: pictures and texts to features, features to embeddings.

No torch. A batch of one is a batch: every array keeps its first axis. int8 graphs are used where
the folder says their agreement with fp32 was checked at export.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from samebut.composition import basic, keep
from samebut.composition.made import Around, Asked, Corpora
from samebut.composition.pairs import Pair
from samebut.composition.rows import COMPOSITIONS, KEEP, Composition, read
from samebut.confidence import Calibration
from samebut.embedding import Floats, unit
from samebut.errors import ModelError, QueryError
from samebut.files import json_of
from samebut.preprocess import Preprocess

Graph = Literal["image", "text", "compose"]
_OUTPUTS = 2  # of each graph, at least
_TEXTS_AT_ONCE = 64
PLAIN = "sum"  # the composition that every model has besides its own

FORMAT = 1
PICTURES_AT_ONCE = 8
"""Pictures that the image graph sees at a time: its activations, and with them the memory of
indexing, grow with the batch (10 MB a picture in the model that ships); 8 are as fast as 32."""
BUNDLED = Path(__file__).parent / "bundled"
REINSTALL = "Install samebut again, or give another --model."
RUN = "If memory is short, free some and try again. Otherwise give another --model."


@dataclass(frozen=True, slots=True)
class FeatureArrays:
    """The output of an encoder for B pictures or texts.

    ``pooled (B, D)`` in the shared space, not normalised; ``tokens (B, L, D)``: regions or word
    pieces; ``mask (B, L)``: True where a token is real.
    """

    pooled: Floats
    tokens: Floats
    mask: npt.NDArray[np.bool_]

    def __getitem__(self, rows: slice | npt.NDArray[np.integer[Any]] | list[int]) -> FeatureArrays:
        """A batch of the selected rows; the first axis stays."""
        return FeatureArrays(self.pooled[rows], self.tokens[rows], self.mask[rows])

    def __len__(self) -> int:
        return len(self.pooled)


@dataclass(frozen=True, slots=True)
class Composed:
    """Queries ``embedding (B, D)``, unit-length; ``gate (B,)``: the share of the text, 0 to 1.

    ``attention (B, T, P)``: where each word piece looks in the picture, rows of real pieces sum to
    one; None if the fusion has no such map. With a ``pair``, pictures are scored by it, and those
    nearest to ``embedding`` are only the candidates.
    """

    embedding: Floats
    gate: Floats
    attention: Floats | None = None
    pair: Pair | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Additional inputs of some compositions: embeddings ``(B, D)`` of a text that describes the
    reference, without (``caption``) and with the wish (``captioned``); the gallery ``around``; and
    the B texts ``said``."""

    caption: Floats | None = None
    captioned: Floats | None = None
    around: Around | None = None
    said: Sequence[str] | None = None


def model_folder(said: str | Path) -> Path:
    """The folder of a model: ``said`` itself, or the shipped model for "bundled"."""
    return BUNDLED if str(said) == "bundled" else Path(said)


@dataclass(frozen=True)
class Model:
    """A model folder opened for use. ``Model.load("bundled")`` is the one that ships.

    Sessions are made when first used: a search by text alone never loads the image graph.
    """

    folder: Path
    description: Mapping[str, Any]
    preprocess: Preprocess
    threads: int
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _sessions: dict[str, onnxruntime.InferenceSession] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, folder: str | Path = "bundled", *, threads: int | None = None) -> Model:
        """Open ``folder``, or the model that ships if it is called "bundled".

        ``threads`` (all cores if None) is how many one model call may use. ModelError says what
        is missing, damaged or of another format.
        """
        path = model_folder(folder)
        description = _read_description(path)
        preprocess = Preprocess.from_dict(description["preprocess"])
        return cls(path, description, preprocess, threads or os.cpu_count() or 1)

    @property
    def name(self) -> str:
        return str(self.description["name"])

    @property
    def knows(self) -> dict[str, str]:
        """A sentence for each language about what the model was trained on; empty if its folder has
        none."""
        return dict(self.description.get("knows", {}))

    @property
    def dim(self) -> int:
        """D, the width of an embedding."""
        return int(self.description["dim"])

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over everything that decides an embedding; stores remember it."""
        parts = [self.description["preprocess"], self.description["text"]]
        parts += [self._file_of(graph)["sha256"] for graph in ("image", "text", "compose")]
        parts += [self.description["tokenizer"]["sha256"]]
        said = json.dumps(parts, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    @cached_property
    def calibration(self) -> Calibration | None:
        """The calibration that turns scores into a confidence; None if the folder has no
        ``confidence.json``, or one made for other embeddings. ModelError if the file can't be
        read."""
        found = Calibration.read(self.folder)
        return found if found and found.fingerprint == self.fingerprint else None

    def encode_images(self, pixels: Floats) -> FeatureArrays:
        """``pixels (B, 3, S, S)`` as ``preprocess`` makes them, to features of B pictures."""
        starts = range(0, max(len(pixels), 1), PICTURES_AT_ONCE)  # a batch of none is a batch
        parts = [
            self._run("image", {"pixels": pixels[at : at + PICTURES_AT_ONCE]}) for at in starts
        ]
        pooled, tokens, *_ = (np.concatenate(each) for each in zip(*parts, strict=True))
        return FeatureArrays(pooled, tokens, np.ones(tokens.shape[:2], dtype=np.bool_))

    def encode_texts(self, texts: Sequence[str]) -> FeatureArrays:
        """Features of texts. A text longer than the encoder reads is cut at ``max_tokens``."""
        encodings = self._tokenizer.encode_batch([text.strip() for text in texts])
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.bool_)
        pooled, tokens, *_ = self._run("text", {"ids": ids, "mask": mask})
        return FeatureArrays(pooled, tokens, mask)

    def text_spans(self, text: str) -> list[tuple[int, int]]:
        """Where each token of ``encode_texts([text])`` stands in ``text.strip()``: from, to.

        Empty spans are tokens that stand for no characters: begin, end, padding.
        """
        spans: list[tuple[int, int]] = self._tokenizer.encode(text.strip()).offsets
        return spans

    def as_read(self, text: str) -> str:
        """``text`` as its tokenizer sees it before cutting: the model that ships reads lower case
        and simplified Chinese."""
        normalizer = self._tokenizer.normalizer
        return str(normalizer.normalize_str(text)) if normalizer else text

    def unread(self, text: str) -> str:
        """The end of ``text`` that ``encode_texts`` cuts off; empty if it reads all of it."""
        text = text.strip()
        beyond = self._tokenizer.encode(text).overflowing
        starts = [start for part in beyond for start, end in part.offsets if end > start]
        return text[min(starts) :].strip() if starts else ""

    def embed(self, features: FeatureArrays) -> Floats:
        """Embeddings of pictures or texts on their own: unit-length pooled features, ``(B, D)``."""
        return unit(features.pooled)

    @property
    def fusions(self) -> tuple[str, ...]:
        """The compositions to compare by default: its own first, then the plain sum.
        ``samebut.composition`` has more."""
        own = _own_name(self.description["fusion"])
        return (own,) if own == PLAIN else (own, PLAIN)

    @property
    def usual(self) -> str:
        """How a search composes if nothing else is asked for: by the model's own fusion, a learned
        one made to keep the kind of thing (`samebut.composition.keep`)."""
        own = self.fusions[0]
        return own if own.partition(":")[0] in COMPOSITIONS else read(KEEP).name

    def compose(
        self,
        image: FeatureArrays,
        text: FeatureArrays,
        fusion: str | None = None,
        beside: Surroundings | None = None,
    ) -> Composed:
        """One query for each row of both: by the model's own fusion (None, or its name), or by a
        composition of ``samebut.composition.rows``, which may read what is ``beside``.

        QueryError if one side has other than as many rows as the other, there is no such
        composition, or it lacks what it reads.
        """
        if len(image) != len(text):
            raise QueryError(
                f"there are {len(image)} pictures and {len(text)} texts to compose",
                hint="Give one text for each picture.",
            )
        composition = self.composition(fusion)
        if composition is None:
            return self._own(image, text)
        own = cache(lambda: self._own(image, text))
        beside = beside or Surroundings()
        asked = Asked(
            image.pooled,
            text.pooled,
            lambda: (own().embedding, own().gate),
            lambda: self.corpora,
            beside.caption,
            beside.captioned,
            beside.around,
            lambda: self.kinds,
            None if beside.said is None else [*map(self.as_read, beside.said)],
        )
        made = composition.make(asked)
        return Composed(made.embedding, made.gate, pair=made.pair)

    def composition(self, fusion: str | None) -> Composition | None:
        """The composition of that name, None for the model's own fusion (None, or its name).

        QueryError says what there is, the model's own first.
        """
        if fusion is None or fusion == self.fusions[0]:
            return None
        try:
            return read(fusion)
        except QueryError as error:
            hint = f"{self.name} has a fusion of its own, {self.fusions[0]}. {error.hint or ''}"
            raise QueryError(str(error), hint=hint.strip()) from error

    @cached_property
    def corpora(self) -> Corpora:
        """Embeddings of about a thousand words for things and styles."""
        return Corpora(*map(self._words, basic.corpora()))

    @cached_property
    def kinds(self) -> Floats:
        """The directions ``(K, D)`` in which words for kinds of things differ."""
        return keep.directions(self._words(keep.kinds()))

    def _words(self, words: Sequence[str]) -> Floats:
        parts = range(0, len(words), _TEXTS_AT_ONCE)
        encoded = (self.encode_texts(words[at : at + _TEXTS_AT_ONCE]) for at in parts)
        return np.concatenate([self.embed(each) for each in encoded])

    def _own(self, image: FeatureArrays, text: FeatureArrays) -> Composed:
        query, gate, *attention = self._run(
            "compose",
            {
                "image_pooled": image.pooled,
                "image_tokens": image.tokens,
                "text_pooled": text.pooled,
                "text_tokens": text.tokens,
                "text_mask": text.mask,
            },
        )
        return Composed(unit(query), gate, attention[0] if attention else None)

    @property
    def reads_tokens(self) -> bool:
        """Whether its fusion reads region tokens; if not, it needs only ``pooled`` of a picture."""
        return any(each.name == "image_tokens" for each in self._session("compose").get_inputs())

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        path = self._checked(self.description["tokenizer"])
        rules = self.description["text"]
        try:
            tokenizer: Tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises nothing more special
            raise ModelError(
                f"{path} can't be read as a tokenizer: {error}", hint=REINSTALL
            ) from error
        tokenizer.enable_truncation(int(rules["max_tokens"]))
        # A fixed length where an encoder pools by position, else as long as the longest text.
        tokenizer.enable_padding(length=rules.get("fixed_length"), pad_id=int(rules["pad_id"]))
        return tokenizer

    def _run(self, graph: Graph, inputs: dict[str, npt.NDArray[Any]]) -> list[Floats]:
        session = self._session(graph)
        wanted = {each.name for each in session.get_inputs()}
        try:
            outputs: list[Floats] = session.run(
                None, {k: v for k, v in inputs.items() if k in wanted}
            )
        except Exception as error:  # onnxruntime raises its own tree, RuntimeError among it
            raise ModelError(
                f"{self.folder}: its graph {graph} fails: {error}", hint=RUN
            ) from error
        if len(outputs) < _OUTPUTS:
            raise ModelError(
                f"{self.folder}: its graph {graph} has {len(outputs)} outputs, {_OUTPUTS} are "
                "needed",
                hint=REINSTALL,
            )
        return outputs

    def _session(self, graph: Graph) -> onnxruntime.InferenceSession:
        with self._lock:
            if graph not in self._sessions:
                self._sessions[graph] = self._open(graph)
            return self._sessions[graph]

    def _open(self, graph: Graph) -> onnxruntime.InferenceSession:
        path = self._checked(self._file_of(graph))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        # Threads that spin while they wait would take the cores that decode pictures.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own tree, RuntimeError among it
            raise ModelError(f"{path} can't be loaded: {error}", hint=REINSTALL) from error

    def _file_of(self, graph: Graph) -> Mapping[str, str]:
        described = self.description["graphs"][graph]
        file: Mapping[str, str] = described["files"][described["default"]]
        return file

    def _checked(self, file: Mapping[str, str]) -> Path:
        """The path of a file of the folder whose bytes are the ones that were exported."""
        path = self.folder / file["file"]
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ModelError(f"{path} is missing from the model folder", hint=REINSTALL) from error
        if digest != file["sha256"]:
            raise ModelError(f"{path} was changed after the model was exported", hint=REINSTALL)
        return path


def _own_name(fusion: Mapping[str, Any]) -> str:
    """The name of a model's own fusion here: a learned one keeps its name; a `sum` of
    samebut.learning is named by its parameters, so that `sum` means the same for every model."""
    name, weight = str(fusion["name"]), float(fusion.get("weight", 1))
    if name != PLAIN:
        return name
    kind = PLAIN if fusion.get("normalised") else "raw-sum"
    return kind if weight == 1 else f"{kind}:{weight:g}"


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    try:
        description = json_of(path.read_text(encoding="utf-8"))
        written = description["format"]
    except OSError as error:
        raise ModelError(
            f"{folder} is not a model folder: it has no model.json",
            hint="Give a folder written by `samebut export`, or 'bundled'.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} can't be read as the description of a model", hint=REINSTALL
        ) from error
    if written != FORMAT:
        raise ModelError(
            f"{path} has format {written}, and this samebut reads format {FORMAT}",
            hint="Export the model again, or use the samebut version that wrote it.",
        )
    missing = _PARTS.keys() - description.keys()
    if missing:
        raise ModelError(f"{path} lacks {', '.join(sorted(missing))}", hint=REINSTALL)
    for place, fits in _PARTS.items():
        if not fits(description[place]):
            raise ModelError(f"{path}: the value of {place} is not valid", hint=REINSTALL)
    if not _is_knows(description.get("knows", {})):
        raise ModelError(f"{path}: the value of knows is not valid", hint=REINSTALL)
    checked: dict[str, Any] = description
    return checked


def _is_count(value: object, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31


def _is_text_rules(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_count(value.get("max_tokens"), 1)
        and _is_count(value.get("pad_id"))
        and (value.get("fixed_length") is None or _is_count(value["fixed_length"], 1))
    )


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(key), str) and "\0" not in value[key] for key in ("file", "sha256")
    )


def _is_graphs(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(graph := value.get(name), dict)
        and isinstance(files := graph.get("files"), dict)
        and isinstance(graph.get("default"), str)
        and _is_file(files.get(graph["default"]))
        for name in get_args(Graph)
    )


def _is_knows(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(said, str) for said in value.values())


_PARTS: Mapping[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str),
    "dim": lambda value: _is_count(value, 1),
    "fusion": lambda value: isinstance(value, dict) and isinstance(value.get("name"), str),
    "preprocess": lambda value: isinstance(value, dict),  # `Preprocess.from_dict` checks it
    "text": _is_text_rules,
    "graphs": _is_graphs,
    "tokenizer": _is_file,
}
"""What a description must have, and whether a value of it is as it is read."""
