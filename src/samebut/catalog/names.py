"""Names of pictures in tables, and how they are matched with the pictures of a folder."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from samebut.images import PICTURE_SUFFIXES

_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_QUERY = re.compile(r"[?#]")
_BETWEEN = re.compile(r"[,;|\n\r]")
_BETWEEN_URLS = re.compile(rf"[\s,;|]+(?={_URL.pattern})", re.IGNORECASE)


def file_name(cell: str) -> str:
    """A picture as a table names it, written one way: ``./a\\b.jpg`` is ``a/b.jpg``.

    The query of a URL is left out: ``https://x.org/a.jpg?v=1`` is a.jpg of x.org, whatever its
    version.
    """
    plain = cell.strip()
    if _URL.match(plain):
        return _without_query(plain)
    parts = plain.replace("\\", "/").split("/")
    root = "/" if plain[:1] in ("/", "\\") else ""
    return root + "/".join(part for part in parts if part not in ("", "."))


def is_picture(name: str) -> bool:
    """Whether ``name`` ends as files of pictures do, perhaps with a query behind it."""
    return _suffix(_without_query(name.strip())) != ""


def names_in(cell: str) -> list[str]:
    """The pictures that a cell names: one, or several separated by commas, semicolons, vertical
    bars or line ends, or a list in JSON. A single name that contains such a separator stays one."""
    if cell.startswith("["):
        try:
            every = json.loads(cell)
        except (ValueError, RecursionError):
            every = []
        if every and isinstance(every, list) and all(isinstance(each, str) for each in every):
            return [name for each in every if (name := file_name(each))]
    urls = bool(_URL.match(cell))
    between = _BETWEEN_URLS if urls else _BETWEEN
    parts = [part for each in between.split(cell) if (part := each.strip(" \t,;|"))]
    if urls or all(map(is_picture, parts)):
        return list(dict.fromkeys(map(file_name, parts)))
    return [name] if (name := file_name(cell)) else []


@dataclass(frozen=True)
class Matched:
    """Names of a table matched with pictures.

    ``pictures`` maps a name to its picture and ``ways`` to how it was found, one of `WAYS`.
    ``ambiguous`` maps a name that fits several pictures to these, and a picture that several names
    fit equally well to those names. ``unused`` maps a name whose only picture is matched by another
    row to that picture. ``waiting`` are names that fit no picture.
    """

    pictures: dict[str, str] = field(default_factory=dict)
    ways: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, str] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    def counts(self, among: Container[str]) -> dict[str, int]:
        """How many of these names were matched in each way, in the order of `WAYS`."""
        counted = Counter(way for name, way in self.ways.items() if name in among)
        return {way: counted[way] for way in WAYS if counted[way]}


def match(
    names: Sequence[str], pictures: Sequence[str], taken: Container[str] = frozenset()
) -> Matched:
    """Match names with pictures: exactly where that is possible, else by the strictest of `WAYS`
    that fits, and only where a single picture fits.

    A name with other folders than the picture's may mean a picture that is not there. So it is not
    matched with a picture that is ``taken``, which has metadata already.
    """
    there = set(pictures)
    found = Matched()
    found.pictures.update({name: name for name in names if name in there})
    found.ways.update(dict.fromkeys(found.pictures, EXACT))
    rest = [name for name in dict.fromkeys(names) if name and name not in there]
    # Names that are equal by any rule are equal by the last one, so names and pictures that it
    # can't pair are skipped.
    last = _RULES[-1].form
    kinds = {name: last(name) for name in rest}
    sought = set(kinds.values()) - {""}
    near = {picture: kind for picture in pictures if rest and (kind := last(picture)) in sought}
    fitting = set(near.values())
    found.waiting.extend(name for name in rest if kinds[name] not in fitting)
    rest = [name for name in rest if kinds[name] in fitting]
    used = set(found.pictures.values())
    for rule in _RULES:
        rest = _by(rule, rest, list(near), used, taken, found)
        sought = {kinds[name] for name in rest}
        near = {picture: kind for picture, kind in near.items() if kind in sought}
    return found


@dataclass(frozen=True)
class _Rule:
    """Which form of two names is compared. ``same_picture``: names with the same form mean the same
    picture, so several rows may have them."""

    way: str
    form: Callable[[str], str]
    same_picture: bool = False


def _by(
    rule: _Rule,
    names: Sequence[str],
    pictures: Sequence[str],
    used: set[str],
    taken: Container[str],
    found: Matched,
) -> list[str]:
    """Match ``names`` by one rule; the names that fit nothing are left."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(rule.form(name), []).append(name)
    groups.pop("", None)
    fits: dict[str, list[str]] = {}
    for picture in pictures:
        form = rule.form(picture)
        if form in groups:
            fits.setdefault(form, []).append(picture)
    settled: set[str] = set()
    for form, fitting in fits.items():
        group = groups[form]
        settled.update(group)
        by_folders = _by_folders(fitting) if len(fitting) > 1 else {}
        chosen = {name: _nearest(name, fitting, by_folders) for name in group}
        rivals: dict[str | None, list[str]] = {}
        for name, nearest in chosen.items():
            rivals.setdefault(nearest, []).append(name)
        for name, nearest in chosen.items():
            if nearest is None:
                found.ambiguous[name] = _some(fitting)
            elif nearest in used or (nearest in taken and _elsewhere(name, nearest)):
                found.unused[name] = nearest
            elif len(rivals[nearest]) > 1 and not rule.same_picture:
                found.ambiguous[name] = f"{nearest}, as does {_some(rivals[nearest], but=name)}"
            else:
                found.pictures[name] = nearest
                found.ways[name] = rule.way
        used.update(found.pictures[name] for name in group if name in found.pictures)
    return [name for name in names if name not in settled]


def _by_folders(pictures: Sequence[str]) -> dict[str, str | None]:
    """Pictures by the ends of their folders' paths, as `_folder_ends` lists them; None where
    several share one."""
    found: dict[str, str | None] = {}
    for picture in pictures:
        for end in _folder_ends(picture):
            found[end] = None if end in found else picture
    return found


def _nearest(name: str, fitting: Sequence[str], by_folders: Mapping[str, str | None]) -> str | None:
    """The picture that ``name`` means: the only one, or the one whose folders share the longest end
    with the name's; None if several do."""
    if len(fitting) == 1:
        return fitting[0]
    return next((by_folders[end] for end in _folder_ends(name) if end in by_folders), None)


def _folder_ends(name: str) -> list[str]:
    """The ends of a name's folders, longest first: of ``a/b/c.jpg`` they are ``a/b`` and ``b``."""
    folders = _decoded(name).split("/")[:-1]
    return ["/".join(folders[at:]) for at in range(len(folders))]


def _elsewhere(name: str, picture: str) -> bool:
    """Whether ``name`` has other folders than the picture. A URL's path does not count: it is not a
    folder on disk."""
    if _URL.match(name):
        return False
    depth = min(name.count("/"), picture.count("/"))
    return _shared_folders(name, picture) < depth


def _shared_folders(name: str, picture: str) -> int:
    """How many folders have the same name, counted from the file upwards."""
    count = 0
    pairs = zip(
        reversed(_decoded(name).split("/")[:-1]),
        reversed(_decoded(picture).split("/")[:-1]),
        strict=False,
    )
    for own, other in pairs:
        if own != other:
            break
        count += 1
    return count


def _some(names: Sequence[str], *, but: str = "", most: int = 3) -> str:
    """The first of ``names``, without the name ``but``, and how many more there are."""
    first = [name for name in names[: most + 1] if name != but][:most]
    left = len(names) - len(first) - bool(but)
    return ", ".join(first) + (f" and {left:,} more" if left > 0 else "")


def _suffix(name: str) -> str:
    """The suffix of a picture that ``name`` ends with, or an empty text."""
    at = name.rfind(".")
    suffix = name[at:].lower() if at > name.rfind("/") + 1 else ""
    return suffix if suffix in PICTURE_SUFFIXES else ""


def _as_it_is(name: str) -> str:
    return name


def _unicode(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _unicode(_unicode(name).casefold())


def _decoded(name: str) -> str:
    return _folded(unquote(name, errors="surrogateescape") if "%" in name else name)


def _queryless(name: str) -> str:
    return _decoded(_without_query(name))


def _usual_suffix(name: str) -> str:
    bare = _queryless(name)
    suffix = _suffix(bare)
    return bare.removesuffix(suffix) + _USUAL_SUFFIXES.get(suffix, suffix)


def _suffixless(name: str) -> str:
    bare = _queryless(name)
    return bare.removesuffix(_suffix(bare))


def _without_query(name: str) -> str:
    """``name`` without its query. A query has to follow a picture's suffix, because file names may
    contain a number sign."""
    if "?" not in name and "#" not in name:
        return name
    for sign in _QUERY.finditer(name):
        if _suffix(name[: sign.start()]):
            return name[: sign.start()]
    return name


def _alone(form: Callable[[str], str]) -> Callable[[str], str]:
    """``form`` of a name's last part; a slash in a query begins no part."""

    def last(name: str) -> str:
        path = _without_query(name)
        return form(path.rpartition("/")[2] + name[len(path) :])

    return last


EXACT = "exactly"
_USUAL_SUFFIXES = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif"}
_BY_SUFFIX = "by suffix"
_ALONE = "by name alone"
_FORMS: Sequence[tuple[str, Callable[[str], str]]] = (
    ("by Unicode form", _unicode),
    ("by capitals", _folded),
    ("by percent signs", _decoded),
    ("without a query", _queryless),
    (_BY_SUFFIX, _usual_suffix),
    (_BY_SUFFIX, _suffixless),
)
_RULES = (
    *(_Rule(way, form, way != _BY_SUFFIX) for way, form in _FORMS),
    *(_Rule(_ALONE, _alone(form)) for form in (_as_it_is, *(form for _, form in _FORMS))),
)
WAYS = tuple(dict.fromkeys((EXACT, *(rule.way for rule in _RULES))))
"""How a name can be matched with a picture, strictest first. Each way ignores one more difference:
the encoding of accents, capitals, ``%20``, ``?v=1``, ``.jpeg`` for ``.jpg`` or no suffix at all,
and last the folders."""
