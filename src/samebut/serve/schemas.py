"""What goes in and out of the API, as pydantic models: they check requests and document both."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from samebut.serve.kept import ID
from samebut.unwanted import UNLIKE, WITHOUT

MAX_TURNS = 10
MAX_UNWANTED = 10
MAX_WEIGHT = 10
MAX_HITS = 200
MAX_OFFSET = 100_000
MAX_TEXT = 1_000
MAX_RESCORE = 1_000
MAX_WHERE = 2_000
MAX_IGNORED = 50
LARGEST_ID = 2**63 - 1
START_PAGE = 24

Share = Annotated[float, Field(ge=0, le=1)]
PictureId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Count = Annotated[int, Field(ge=1, le=MAX_HITS, description="How many pictures.")]
Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET, description="How many to leave out first.")]
Where = Annotated[
    str, Field(max_length=MAX_WHERE, description="A filter, such as `colour = 'blue'`.")
]


class QueryPicture(BaseModel):
    """A picture, uploaded or of the gallery."""

    model_config = ConfigDict(extra="forbid")

    upload: str | None = Field(
        None, pattern="^[A-Za-z0-9_-]{1,32}$", description="Name of the form's file field."
    )
    picture: PictureId | None = Field(None, description="Id of a picture of the gallery.")
    kept: str | None = Field(
        None, pattern=f"^{ID}$", description="Id that an earlier answer gave an upload."
    )
    box: tuple[Share, Share, Share, Share] | None = Field(
        None,
        description="The part of the picture that is meant: left, top, right and bottom as shares "
        "of the upright picture.",
    )

    @property
    def pictures(self) -> int:
        """In how many ways a picture is named."""
        return sum(each is not None for each in (self.upload, self.picture, self.kept))

    @property
    def has_picture(self) -> bool:
        return self.pictures > 0

    @model_validator(mode="after")
    def _one_picture(self) -> QueryPicture:
        if self.pictures > 1:
            raise ValueError("a turn has an upload, a picture or a kept one, not two of them")
        return self

    @model_validator(mode="after")
    def _box_in_picture(self) -> QueryPicture:
        if self.box is None:
            return self
        left, top, right, bottom = self.box
        if not (left < right and top < bottom):
            raise ValueError("a box has its left before its right and its top above its bottom")
        if self.upload is None and self.picture is None:
            raise ValueError("a box needs an upload or a picture; a kept one has its box already")
        return self


class QueryTurn(QueryPicture):
    """One step of a conversation: a picture, uploaded or of the gallery, a text, or both."""

    text: str = Field("", max_length=MAX_TEXT, description="What shall be different.")
    weight: float = Field(
        1,
        gt=0,
        le=MAX_WEIGHT,
        description="How much the picture and its words count among several pictures.",
    )
    called: str = Field(
        "",
        max_length=MAX_TEXT,
        description="What the picture is, in words that are said along with every text about it.",
    )
    caption: str = Field(
        "", max_length=MAX_TEXT, description="What the picture shows, for the composition pdv."
    )


class UnwantedPicture(QueryPicture):
    """A picture that is not wanted, nor what is like it."""

    @model_validator(mode="after")
    def _a_picture(self) -> UnwantedPicture:
        if not self.has_picture:
            raise ValueError("name it: an upload, a picture or a kept one")
        return self


class UnwantedBody(BaseModel):
    """What is not wanted: ten texts and pictures together, at most."""

    model_config = ConfigDict(extra="forbid")

    texts: list[Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]] = []
    pictures: list[UnwantedPicture] = []
    weight: float | None = Field(
        None,
        ge=0,
        le=MAX_WEIGHT,
        description=f"How strongly each text, and the mean of the pictures, beside the query's 1; "
        f"null: {WITHOUT} and {UNLIKE}.",
    )

    @model_validator(mode="after")
    def _not_too_many(self) -> UnwantedBody:
        if len(self.texts) + len(self.pictures) > MAX_UNWANTED:
            raise ValueError(f"at most {MAX_UNWANTED} texts and pictures can be unwanted")
        return self


class QueryBody(BaseModel):
    """A search: a conversation of one to ten turns, and how to answer it."""

    model_config = ConfigDict(extra="forbid")

    turns: list[QueryTurn] = Field(min_length=1, max_length=MAX_TURNS)
    without: UnwantedBody = Field(UnwantedBody(), description="What is not wanted.")
    k: Count = START_PAGE
    offset: Offset = 0
    where: Where | None = None
    text_weight: float = Field(
        0.5, ge=0, le=1, description="0: the pictures alone; 1: the words alone; 0.5: the model's."
    )
    fusion: str | None = Field(
        None,
        max_length=60,
        description="One of the model's fusions, or a composition such as slerp:0.65; null: the "
        "usual one.",
    )
    rescore: int = Field(
        200,
        ge=1,
        le=MAX_RESCORE,
        description="How many pictures, at first, a composition such as product scores again.",
    )
    include_references: bool = Field(False, description="Whether pictures asked with may be hits.")
    collapse: bool = Field(
        False,
        description="Whether near-copies stand under one hit; `k` and `offset` count stacks then.",
    )
    min_score: float | None = Field(
        None, ge=-1, le=1, description="Hits that score less are left out."
    )
    min_confidence: float | None = Field(
        None, ge=0, le=1, description="An answer of less confidence has no hits."
    )
    why: bool = Field(False, description="Whether each hit says which wishes it fulfils.")
    exact: bool = Field(
        False, description="Whether all pictures are compared, however many there are."
    )

    read_filters: bool = Field(
        False, description="Whether words that name a value of the table become filters."
    )
    ignore: list[Annotated[str, Field(max_length=MAX_TEXT)]] = Field(
        [], max_length=MAX_IGNORED, description="Words that are no filter, as `filters` has them."
    )

    @model_validator(mode="after")
    def _one_box_an_upload(self) -> QueryBody:
        if len(self.boxes) < len({(each.upload, each.box) for each in self._uploaded}):
            raise ValueError("an upload has one box; send the picture under two names for two")
        return self

    @property
    def _uploaded(self) -> list[QueryPicture]:
        return [each for each in (*self.turns, *self.without.pictures) if each.upload is not None]

    @property
    def boxes(self) -> dict[str, tuple[float, float, float, float] | None]:
        """The part that is meant of each upload, by its name."""
        return {str(each.upload): each.box for each in self._uploaded}

    @property
    def uploads(self) -> list[str]:
        """Names of the files this query needs, each once."""
        return list(dict.fromkeys(str(each.upload) for each in self._uploaded))


class Reason(BaseModel):
    """Whether a hit is as wished; ``fulfilled`` is null where that can't be told. ``wish``: the
    word; ``refused``: it was asked to be otherwise. ``from``: who knows."""

    model_config = ConfigDict(populate_by_name=True)

    wish: str
    kind: Literal["article", "colour", "pattern"]
    refused: bool
    fulfilled: bool | None
    source: Literal["table", "picture"] = Field(alias="from")


class HitBody(BaseModel):
    """A picture of the gallery. ``score``: cosine to the query, or what a composition that scores
    pictures twice makes of two; null if nothing was asked."""

    rank: int
    score: float | None
    id: int
    path: str
    width: int
    height: int
    metadata: dict[str, str]
    picture: str
    thumbnail: str
    copies: int = Field(0, description="How many near-copies stand under this hit.")
    stack: list[int] = Field([], description="Their ids, best first, at most 20.")
    why: list[Reason] = []


class Milliseconds(BaseModel):
    """Where the time of a request went."""

    upload: float = 0
    decode: float = 0
    encode: float = 0
    fuse: float = 0
    search: float = 0


class ReadFilter(BaseModel):
    """A filter that was read in the words of turn number ``turn``, from 0.

    ``outcome``: "applied"; "nothing", for it would have let nothing through; "replaced" by what a
    later turn says.
    """

    text: str
    where: str
    turn: int
    outcome: Literal["applied", "nothing", "replaced"]


class LentBody(BaseModel):
    """What the words take from one of several pictures, number ``picture`` of the turns', from 0:
    its ``kind`` is ``value``, and ``say`` stands for it in the query."""

    text: str
    picture: int
    kind: Literal["article", "colour", "pattern"]
    value: str
    say: str


class Held(BaseModel):
    value: str
    label: dict[str, str]


class Hits(BaseModel):
    """An answer, best first. ``gate``: share of the text in the last composed turn, 0 to 1.

    ``confidence``: how likely it is that the first answer fits, 0 to 1; null if the model has no
    ``confidence.json`` or nothing was asked. ``total``: pictures in the gallery, or those that pass
    the filter. ``unread``: ends of texts that are longer than the model reads. ``unsure``: none of
    the hits may be what was meant; ``holds`` then has what the gallery has most of, with its label
    by language. ``uploads``: for each file that was sent an id, which a later turn may have as
    ``kept`` in place of the file. ``filters`` were read in the words. ``where``: the filter that
    was applied, theirs and the one that was asked for, if there was any. ``lent``: what the words
    take from one picture for another. ``nothing``: why no picture passes it, if none does.
    ``exact``: all of these pictures were compared; else ``recall`` is the share of the nearest that
    such an answer has, as it was measured.
    """

    hits: list[HitBody]
    gate: float | None
    confidence: float | None = None
    total: int
    milliseconds: Milliseconds
    unread: list[str] = []
    uploads: dict[str, str] = {}
    unsure: bool = False
    filters: list[ReadFilter] = []
    where: str | None = None
    lent: list[LentBody] = []
    nothing: list[str] = []
    holds: list[Held] = []
    exact: bool = True
    recall: float | None = None


class ShownValue(BaseModel):
    """A value of a column, and what it is called, by language."""

    value: str
    label: dict[str, str]
    count: int


class ShownColumn(BaseModel):
    """A column that people choose by: what it is about, and what it is called, by language.

    ``kind``: colour, article, pattern, gender, material, brand, category, looks, size, price,
    number, percentage, date, yes/no, url, title, description or text. ``values`` is empty where
    nearly every picture has its own. ``currency``: of prices without a sign, if it is known.
    """

    column: str
    kind: str
    label: dict[str, str]
    values: list[ShownValue]
    currency: str | None = None


class Facets(BaseModel):
    """Each metadata column's commonest values with their counts, among the pictures that pass.

    ``shown``: the columns that people choose by, without ids and without train, val and test.
    """

    columns: dict[str, list[tuple[str, int]]]
    shown: list[ShownColumn]


class ModelInfo(BaseModel):
    name: str
    knows: dict[str, str] = Field(description="A sentence for each language: what it knows.")
    fingerprint: str
    fusion: str
    fusions: list[str]
    chosen: str | None = Field(description="What composes here where `fusion` is null, if chosen.")
    compositions: list[str] = Field(description="What else `fusion` may be, numbers left out.")
    dim: int


class Limits(BaseModel):
    upload_bytes: int
    pixels: int
    turns: int
    without: int
    text: int
    k: int


class Info(BaseModel):
    """What is served."""

    pictures: int
    model: ModelInfo
    version: str
    languages: list[str]
    limits: Limits


class SeenBody(BaseModel):
    """What a picture may be. ``label``: what it is called, ``say``: how a person asks for it, both
    by language."""

    column: str
    kind: Literal["article", "colour", "pattern"]
    value: str
    probability: float
    label: dict[str, str]
    say: dict[str, str]


class Looked(BaseModel):
    """What a picture shows, by column the likeliest first. ``upload``: an id for the picture that
    was sent, which a later turn may have as ``kept``."""

    upload: str | None
    seen: list[SeenBody]


class Size(BaseModel):
    width: int
    height: int


class WordMap(BaseModel):
    """``map``: rows of numbers 0 to 1 over the ``box``, ``grid`` rows and columns.
    ``function_word``: it only holds the sentence together."""

    text: str
    map: list[list[float]]
    function_word: bool


class Explained(BaseModel):
    """Where the words of a turn were looked for.

    ``kind``: the maps are the fusion's "attention", or, where it has none, the "nearness" of words
    and regions. ``box``: left, top, right and bottom of the maps in the original picture's pixels.
    """

    words: list[WordMap]
    kind: Literal["attention", "nearness"]
    grid: tuple[int, int]
    box: tuple[int, int, int, int]
    gate: float
    picture: Size


class State(BaseModel):
    status: str


class Refusal(BaseModel):
    """Every 4xx and 5xx, as RFC 9457 has it. ``code`` and ``hint`` are of this API."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str


def inlined(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of ``model`` without references, for places where they lead nowhere."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolve(part: Any) -> Any:
        if isinstance(part, list):
            return [resolve(each) for each in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolve(definitions[part["$ref"].rpartition("/")[2]])
        return {name: resolve(each) for name, each in part.items()}

    resolved: dict[str, Any] = resolve(schema)
    return resolved
