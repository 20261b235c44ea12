"""Finds the pictures below a folder, and reports everything that was passed over.

Nothing is passed over silently: a scan counts what it left out, by the option that would include
it. Linked folders are followed, each real folder once; folders that NAS boxes, systems and tools
keep for themselves are left out. More is left out by patterns, as in a ``.gitignore`` (but whatever
their capitals): those of the file ``.samebutignore`` in the folder, then those given. ``!name/``
includes what an earlier pattern, or the list here, leaves out. A remote folder (`samebut.remote`)
is scanned by the same rules; on a web server, addresses that a table names are pictures, too.
"""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from samebut.errors import QueryError, StoreError
from samebut.images import PICTURE_SUFFIXES, OtherKind, looks_like_picture, other_kind
from samebut.loader import PictureFile
from samebut.remote import Place, RemoteEntry, RemotePath, states

IGNORE_FILE = ".samebutignore"
STORE_FOLDER = ".samebut"
"""Where a gallery keeps its store, if nothing else is said."""

LEFT_OUT = frozenset(
    {
        # thumbnails, recycle bins and snapshots of NAS boxes
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@sharebin", "@tmp"),
        *("recycle.bin", "lost+found", "network trash folder", "temporary items"),
        # Windows, macOS
        *("$recycle.bin", "recycler", "recycled", "system volume information", "__macosx"),
        # tools
        *("node_modules", "__pycache__", "site-packages"),
    }
)
"""Folders that are not looked into, in lower case, beside those that begin with a dot."""

_SNIFFED = 1_000  # files without a suffix that are opened in a scan
_HEAD_BYTES = 64
_IS_HIDDEN = OtherKind("hidden pictures", "take the dot off their names")
_NO_SUFFIX = OtherKind("pictures without a suffix", "give them one, such as .jpg")


@dataclass(frozen=True, slots=True)
class ScanRules:
    """What a scan leaves out: linked folders without ``follow``, and what patterns name."""

    follow: bool = True
    exclude: tuple[str, ...] = ()


@dataclass(slots=True)
class Scan:
    """What was found. Paths are relative to the folder, with forward slashes.

    ``unreadable`` are folders and the reasons why they could not be looked into. ``other_kinds``
    counts what looks like a picture and is not read, ``left_out`` the folders of `LEFT_OUT`
    and hidden ones by name, ``excluded`` what patterns left out by pattern, ``links`` says of
    linked folders why they were not followed.
    """

    pictures: list[PictureFile] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    other_kinds: Counter[OtherKind] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    links: dict[str, str] = field(default_factory=dict)
    broken_links: list[str] = field(default_factory=list)

    def may_hold(self, path: str) -> bool:
        """Whether a file of this path may still exist, in a folder that could not be read."""
        return any(path.startswith(f"{top}/") for top in (*self.unreadable, *self.broken_links))

    def passed_over(self) -> list[str]:
        """Sentences about the files left out, by the option that would include them."""
        kinds = [f"{n:,} {kind.name}: {kind.remedy}" for kind, n in self.other_kinds.most_common()]
        left_out = ", ".join(f"{name} ({n:,})" for name, n in sorted(self.left_out.items()))
        excluded = ", ".join(f"{pattern} ({n:,})" for pattern, n in sorted(self.excluded.items()))
        return [
            *kinds,
            *([f"folders of systems and tools, left out: {left_out}"] if left_out else []),
            *([f"excluded: {excluded}"] if excluded else []),
            *(f"{path}: {reason}" for path, reason in sorted(self.links.items())),
        ]


def scan(folder: Place, rules: ScanRules | None = None, addresses: Collection[str] = ()) -> Scan:
    """Look for pictures below ``folder``, those of each folder in the order of their names. Of
    ``addresses`` those that lie below a folder on a web server are looked for, too.

    A link to a file counts as a file. A file that vanishes meanwhile is left out; one whose
    state can't be read is given with size -1, so that opening it says why. A folder that can't
    be read is noted, and the others are looked into.

    Raises:
        StoreError: ``folder`` itself can't be read.
        QueryError: a pattern, or the file of patterns, can't be understood.
    """
    return _Scanning(folder, rules or ScanRules(), addresses).run()


class _Scanning:
    """One run of `scan`. A folder waits as its path below the top, "" for the top itself."""

    def __init__(self, top: Place, rules: ScanRules, addresses: Collection[str]) -> None:
        self.top, self.rules, self.addresses = top, rules, addresses
        self.patterns = [*_of_file(top / IGNORE_FILE), *map(_pattern, rules.exclude)]
        self.found = Scan()
        self.seen: dict[tuple[int, int], str] = {}
        self.linked: deque[str] = deque()
        self.sniffed = 0

    def run(self) -> Scan:
        self.above = _above(self.top)
        self._walk("")
        self._take_addresses()
        # Real folders first: links to folders already scanned are then skipped.
        while self.linked:
            path = self.linked.popleft()
            if reason := self._why_not_followed(path):
                self.found.links[path] = reason
            else:
                self._walk(path)
        return self.found

    def _why_not_followed(self, path: str) -> str:
        if not self.rules.follow:
            return "is a link, which --no-follow leaves out"
        identity = _identity(self.top / path)
        if identity in self.above:
            return "is a link to a folder that this one lies in"
        if identity is not None and identity in self.seen:
            return (
                f"is a link to {self.seen[identity] or 'the folder itself'}, which is looked into"
            )
        return ""

    def _walk(self, start: str) -> None:
        waiting = [start]
        while waiting:
            path = waiting.pop()
            try:
                folders = self._look_into(path)
            except OSError as error:
                reason = (error.strerror or type(error).__name__).lower()
                if not path and self._names_are_told(error):
                    return
                if not path:
                    raise StoreError(
                        f"{self.top} can't be read: {reason}",
                        hint="Give a folder that exists and that you may read.",
                    ) from error
                self.found.unreadable[path] = f"is a folder that can't be read: {reason}"
            else:
                waiting += reversed(folders)

    def _names_are_told(self, error: OSError) -> bool:
        """Whether the files are known only from a table: most web servers list nothing."""
        refused = isinstance(error, FileNotFoundError | PermissionError)
        return refused and any(True for _ in self._named())

    def _named(self) -> list[tuple[str, RemotePath]]:
        if not (isinstance(self.top, RemotePath) and self.top.is_web):
            return []
        return self.top.named(self.addresses)

    def _take_addresses(self) -> None:
        """Add the pictures that a table names and that no listing contained."""
        listed = {picture.path for picture in self.found.pictures}
        named = [(path, place) for path, place in self._named() if path not in listed]
        wanted = [pair for pair in named if self._is_wanted(pair[1].name, pair[0], is_folder=False)]
        for (path, place), state in zip(wanted, states([p for _, p in wanted]), strict=True):
            if isinstance(state, FileNotFoundError):
                continue  # its row stays without a picture until it is there
            known = (-1, 0) if isinstance(state, OSError) else (state.st_size, state.st_mtime_ns)
            self.found.pictures.append(PictureFile(place, path, *known))

    def _look_into(self, path: str) -> list[str]:
        """Take the files of a folder; its folders, sorted. Those of links wait in ``linked``."""
        place = self.top / path if path else self.top
        identity = _identity(place)
        if identity is not None:
            if identity in self.seen:  # a mount or junction that leads to a scanned folder
                return []
            self.seen[identity] = path
        folders = []
        for entry in _entries(place):
            below = f"{path}/{entry.name}" if path else entry.name
            kind = _kind(entry)
            if kind == "file":
                self._take_file(entry, below)
            elif self._is_wanted(entry.name, below, is_folder=True):
                if kind == "folder":
                    folders.append(below)
                elif kind == "link":
                    self.linked.append(below)
                else:
                    self.found.broken_links.append(below)
        return folders

    def _take_file(self, entry: _Entry, path: str) -> None:
        suffix = PurePosixPath(entry.name).suffix.lower()
        is_picture = suffix in PICTURE_SUFFIXES
        other = None if is_picture else self._other_kind(entry, suffix)
        if not (is_picture or other) or not self._is_wanted(entry.name, path, is_folder=False):
            return
        if other:
            self.found.other_kinds[other] += 1
            return
        try:
            state = entry.stat()
        except OSError:
            self.found.pictures.append(PictureFile(_place(entry), path, -1, 0))
        else:
            file = PictureFile(_place(entry), path, state.st_size, state.st_mtime_ns)
            self.found.pictures.append(file)

    def _other_kind(self, entry: _Entry, suffix: str) -> OtherKind | None:
        if suffix or entry.name.startswith("."):
            return other_kind(entry.name)
        if self.sniffed == _SNIFFED:
            return None
        self.sniffed += 1
        return _NO_SUFFIX if _looks_like_picture(entry) else None

    def _is_wanted(self, name: str, path: str, *, is_folder: bool) -> bool:
        """Whether no pattern leaves it out; counts it by what does."""
        if name == STORE_FOLDER:
            return False
        by_default = name.startswith(".") or (is_folder and name.casefold() in LEFT_OUT)
        said: _Pattern | None = None
        for pattern in self.patterns:
            if (is_folder or not pattern.folders_only) and pattern.regex.fullmatch(path):
                said = pattern
        if said and not said.brings_in:
            self.found.excluded[said.text] += 1
        elif by_default and not said:
            if is_folder:
                self.found.left_out[name] += 1
            elif not name.startswith("._"):  # what macOS keeps beside a picture is none
                self.found.other_kinds[_IS_HIDDEN] += 1
        return said.brings_in if said else not by_default


_Entry: TypeAlias = os.DirEntry[str] | RemoteEntry


def _entries(place: Place) -> list[_Entry]:
    """What lies in a folder, by name. Raises OSError."""
    if isinstance(place, RemotePath):
        return sorted(place.entries(), key=lambda entry: entry.name)
    with os.scandir(place) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _place(entry: _Entry) -> Place:
    return entry.place if isinstance(entry, RemoteEntry) else Path(entry.path)


def _above(top: Place) -> set[tuple[int, int] | None]:
    """The identities of this folder's parents: a link to one of them would be a cycle."""
    if isinstance(top, RemotePath):
        return set()
    return {_identity(parent) for parent in top.resolve().parents}


def _kind(entry: _Entry) -> str:
    """``file``, ``folder``, ``link`` (to a folder) or ``broken`` (a link to what is not there)."""
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    with suppress(OSError):  # a link that leads back to itself
        if entry.is_dir():
            return "link"
    if not entry.is_symlink() or _is_there(entry):
        return "file"
    # A picture that is gone is told as one; anything else may have been a folder of them.
    is_picture = PurePosixPath(entry.name).suffix.lower() in PICTURE_SUFFIXES
    return "file" if is_picture else "broken"


def _is_there(entry: _Entry) -> bool:
    try:
        entry.stat()
    except OSError:
        return False
    return True


def _looks_like_picture(entry: _Entry) -> bool:
    try:
        if not entry.is_file():
            return False
        with _place(entry).open("rb") as file:
            return looks_like_picture(file.read(_HEAD_BYTES))
    except OSError:
        return False


def _identity(path: Place) -> tuple[int, int] | None:
    """The identity of a folder, independent of its path; None where it can't be read, or links do
    not exist."""
    if isinstance(path, RemotePath):
        return None
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


# ------------------------------------------------------------------------------- patterns


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One pattern, as it was written and as it matches paths."""

    text: str
    regex: re.Pattern[str]
    folders_only: bool
    brings_in: bool


def _of_file(path: Place) -> Iterator[_Pattern]:
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return
    except ConnectionError as error:
        raise StoreError(
            f"{path} can't be read: {error.strerror}", hint="Try again when the server answers."
        ) from error
    except OSError as error:
        raise QueryError(
            f"{path} can't be read: {error.strerror}",
            hint="Make it readable, or remove it: it lists what to leave out of the index.",
        ) from error
    for line in lines:
        if line.strip() and not line.startswith("#"):
            yield _pattern(line)


def _pattern(text: str) -> _Pattern:
    text = text.strip()
    plain = text.removeprefix("!").replace("\\", "/")
    name = plain.rstrip("/")
    anywhere = "" if "/" in name else "(?:.*/)?"
    try:
        if not name:
            raise ValueError
        regex = re.compile(anywhere + _regex(name.lstrip("/")), re.IGNORECASE | re.DOTALL)
    except (re.error, ValueError):
        hint = "Write a pattern such as drafts/ or *.gif."
        raise QueryError(f"the pattern {text!r} can't match any file", hint=hint) from None
    return _Pattern(text, regex, plain.endswith("/"), text.startswith("!"))


_ESCAPED_IN_SETS = str.maketrans({sign: "\\" + sign for sign in "\\[]^&|~"})
_PARTS = re.compile(r"^\*\*/|/\*\*/|/\*\*$|\*+|\?|\[!?\]?[^\]/]*\]|.", re.DOTALL)


def _regex(pattern: str) -> str:
    return "".join(map(_part, _PARTS.findall(pattern)))


def _part(part: str) -> str:
    known = {"**/": "(?:.*/)?", "/**/": "/(?:.*/)?", "/**": "/.*", "?": "[^/]"}
    if part in known:
        return known[part]
    if part.startswith("*"):
        return "[^/]*"
    if part.startswith("[") and len(part) > 2:
        negated = part.startswith("[!")
        inner = part[2 if negated else 1 : -1].translate(_ESCAPED_IN_SETS)
        return f"[{'^/' if negated else ''}{inner}]"
    return re.escape(part)
