"""The page as it is sent: a document in the reader's language, one script and one style sheet.

All is put together when the server starts, from the files in ``static/``. The script and the style
sheet have a digest of their content in their names, so a browser keeps them for good and asks only
for the document again, which it is told has not changed.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from starlette.requests import HTTPConnection
from starlette.responses import Response

from samebut.serve.bundle import bundled
from samebut.serve.problems import LANGUAGES, Language, preferred_language

STATIC = Path(__file__).parent / "static"
LANGUAGE_COOKIE = "samebut.language"
THEME_COOKIE = "samebut.theme"
_FOR_GOOD = "public, max-age=31536000, immutable"
_MARKUP_LANGUAGES: Mapping[Language, str] = {"en": "en", "zh": "zh-CN"}
_THEMES = ("light", "dark")
_DIGEST = 12  # hex digits
_LEVEL = 9
_DOCUMENTS = 64  # kept rendered
_STYLE = re.compile(r'<link rel="stylesheet" href="static/(css/[\w-]+\.css)">\n')
_SCRIPT = re.compile(r'src="static/js/([\w-]+)\.js"')
_ADDRESS = re.compile(r'"static/([\w-]+\.\w+)"')
_TEXT = re.compile(r'(<\w+[^>]*\bdata-i18n="([^"]+)"[^>]*>)(?=</)')
_LABEL = re.compile(r'<(\w+)([^>]*\bdata-i18n-label="([^"]+)")')
_LANGUAGE_BUTTON = re.compile(r'(<button type="button" lang="(\w+)")')


@dataclass(frozen=True, slots=True)
class Sent:
    """Something that is sent as it is, or packed to those who can unpack it."""

    content: bytes
    packed: bytes
    media_type: str
    etag: str
    caching: str
    vary: str = "Accept-Encoding"

    @classmethod
    def of(cls, content: bytes, media_type: str, caching: str, vary: str = "") -> Sent:
        packed = gzip.compress(content, _LEVEL, mtime=0)
        vary = f"{vary}, Accept-Encoding".removeprefix(", ")
        return cls(content, packed, media_type, f'"{digest(content)}"', caching, vary)

    def to(self, request: HTTPConnection) -> Response:
        headers = {"ETag": self.etag, "Cache-Control": self.caching, "Vary": self.vary}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if takes_gzip(request):
            packed = {**headers, "Content-Encoding": "gzip"}
            return Response(self.packed, headers=packed, media_type=self.media_type)
        return Response(self.content, headers=headers, media_type=self.media_type)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGEST]


def takes_gzip(request: HTTPConnection) -> bool:
    """Whether the client can unpack gzip; one that writes ``gzip;q=0`` can't."""
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, quality = part.strip().partition(";")
        if name.strip() == "gzip":
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False


class Page:
    """The page's files, and its document for whoever asks."""

    def __init__(self, static: Path = STATIC) -> None:
        template = (static / "index.html").read_text("utf-8")
        words = {tag: (static / "i18n" / f"{tag}.json").read_bytes() for tag in LANGUAGES}
        scripts = {path.stem: path.read_text("utf-8") for path in static.glob("js/*.js")}
        styles = [(static / name).read_text("utf-8") for name in _STYLE.findall(template)]
        (entry,) = _SCRIPT.findall(template)
        files = {
            "icon.svg": ((static / "icon.svg").read_bytes(), "image/svg+xml"),
            "page.css": ("\n".join(styles).encode(), "text/css"),
            "page.js": (bundled(scripts, entry).encode(), "text/javascript"),
            **{f"{tag}.json": (said, "application/json") for tag, said in words.items()},
        }
        self._names = {name: _named(name, content) for name, (content, _) in files.items()}
        self.assets = {
            self._names[name]: Sent.of(content, media_type, _FOR_GOOD)
            for name, (content, media_type) in files.items()
        }
        self._words: dict[str, dict[str, str]] = {tag: json.loads(words[tag]) for tag in LANGUAGES}
        template = _STYLE.sub('<link rel="stylesheet" href="static/page.css">\n', template, count=1)
        self._template = _SCRIPT.sub('src="static/page.js"', _STYLE.sub("", template))
        self._document: Callable[..., Sent] = lru_cache(_DOCUMENTS)(self._render)

    def document(self, request: HTTPConnection, knows: Mapping[str, str]) -> Response:
        """The document for a request: its language and theme are those its visitor chose, by
        address or cookie, else the language that the browser likes best.

        ``knows`` is what the model knows, a sentence for each language, or nothing."""
        language = language_of(request)
        theme = request.cookies.get(THEME_COOKIE, "")
        root = request.scope.get("root_path", "")
        sent = self._document(
            language, theme if theme in _THEMES else "", root, knows.get(language, "")
        )
        return sent.to(request)

    def _render(self, language: Language, theme: str, root: str, knows: str) -> Sent:
        words = self._words[language]
        text = _translated(self._template, words, language)
        text = text.replace(
            '<html lang="en"',
            f'<html lang="{_MARKUP_LANGUAGES[language]}"'
            + (f' data-theme="{theme}"' if theme else "")
            + f' data-root="{html.escape(root)}"',
        )
        text = text.replace('id="knows">', f'id="knows">{html.escape(knows)}')
        block = _data(
            "page-words", {"language": language, "words": words, "addresses": self._others()}
        )
        text = text.replace("</body>", f"{block}\n</body>")
        text = _ADDRESS.sub(lambda found: f'"static/{self._names[found[1]]}"', text)
        return Sent.of(text.encode(), "text/html", "no-cache", "Accept-Language, Cookie")

    def _others(self) -> dict[str, str]:
        """Where the words of each language are."""
        return {tag: f"static/{self._names[f'{tag}.json']}" for tag in LANGUAGES}


def language_of(request: HTTPConnection) -> Language:
    chosen = request.query_params.get("language") or request.cookies.get(LANGUAGE_COOKIE)
    for language in LANGUAGES:
        if chosen == language:
            return language
    return preferred_language(request.headers.get("accept-language", ""))


def _named(name: str, content: bytes) -> str:
    stem, _, kind = name.rpartition(".")
    return f"{stem}.{digest(content)}.{kind}"


def _translated(template: str, words: Mapping[str, str], language: Language) -> str:
    """The template with its texts and labels, as ``speak`` in i18n.js writes them."""

    def text(found: re.Match[str]) -> str:
        return found[1] + html.escape(words[found[2]], quote=False)

    def label(found: re.Match[str]) -> str:
        said = html.escape(words[found[3]])
        title = f' title="{said}"' if found[1] in ("a", "button") else ""
        return f'<{found[1]}{found[2]} aria-label="{said}"{title}'

    def button(found: re.Match[str]) -> str:
        return f'{found[1]} aria-pressed="{"true" if found[2] == language else "false"}"'

    return _LANGUAGE_BUTTON.sub(button, _LABEL.sub(label, _TEXT.sub(text, template)))


def _data(name: str, value: object) -> str:
    """A block of data, which no browser runs and no policy of contents forbids."""
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", r"\u003c")
    return f'<script type="application/json" id="{name}">{said}</script>'
