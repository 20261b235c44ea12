"""Builds the page that is sent: a document in the reader's language, one script and one style
sheet.

It is built when the server starts, from the files in ``static/``. The names of the script and the
style sheet contain a digest of their content, so browsers cache them forever and ask again only for
the document, which the server answers with 304 if it is unchanged.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from starlette.requests import HTTPConnection
from starlette.responses import Response

from samebut.serve.bundle import bundled
from samebut.serve.place import gallery_path
from samebut.serve.problems import LANGUAGES, Language, Problem, preferred_language

STATIC = Path(__file__).parent / "static"
LANGUAGE_COOKIE = "samebut.language"
THEME_COOKIE = "samebut.theme"
_FOR_A_WHILE = "public, max-age=300"
_FOR_GOOD = "public, max-age=31536000, immutable"
_MARKUP_LANGUAGES: Mapping[Language, str] = {"en": "en", "zh": "zh-CN"}
_THEMES = ("light", "dark")
_DIGEST = 12  # hex digits
_LEVEL = 9
_CHOSEN_BY = "Accept-Language, Cookie"
_DOCUMENTS = 64  # kept rendered
_STYLE = re.compile(r'<link rel="stylesheet" href="static/(css/[\w-]+\.css)">\n')
_SCRIPT = re.compile(r'src="static/js/([\w-]+)\.js"')
_ADDRESS = re.compile(r'"static/([\w-]+\.\w+)"')
_TEXT = re.compile(r'(<\w+[^>]*\bdata-i18n="([^"]+)"[^>]*>)(?=</)')
_LABEL = re.compile(r'<(\w+)([^>]*\bdata-i18n-label="([^"]+)")')
_LANGUAGE_BUTTON = re.compile(r'(<button type="button" lang="(\w+)")')


@dataclass(frozen=True, slots=True)
class Sent:
    """A body, sent as it is or gzipped to clients that accept gzip."""

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
        return cls(content, packed, media_type, f'W/"{digest(content)}"', caching, vary)

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
    """Whether the client accepts gzip; one that sends ``gzip;q=0`` does not."""
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, quality = part.strip().partition(";")
        if name.strip() == "gzip":
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False


class Page:
    """The page's files, its document for each request, and the list of several galleries.

    ``framing`` is the script that embeds the page in another site's page.
    """

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
        self._listing = (static / "galleries.html").read_text("utf-8")
        framing = (static / "embed.js").read_bytes()
        self.framing = Sent.of(framing, "text/javascript", _FOR_A_WHILE)
        self._document: Callable[..., Sent] = lru_cache(_DOCUMENTS)(self._render)

    def document(
        self,
        request: HTTPConnection,
        knows: Mapping[str, str],
        *,
        gallery: str = "",
        framed: bool = False,
    ) -> Response:
        """The document for a request, in the language and theme that its visitor chose, by address
        or cookie, else in the language that the browser likes best.

        ``knows`` is what the model knows, a sentence for each language, or nothing; ``gallery`` the
        name of the one shown if there are several; ``framed`` leaves out everything around the
        search.
        """
        language = language_of(request)
        sent = self._document(
            language,
            _theme_of(request),
            _root_of(request),
            knows.get(language, ""),
            gallery,
            framed,
        )
        return sent.to(request)

    def listing(
        self, request: HTTPConnection, galleries: Mapping[str, int | None] | None
    ) -> Response:
        """The list of galleries: names, and how many pictures each has, None if it can't be read;
        None in its place: the visitor may not see it."""
        language = language_of(request)
        words = self._words[language]
        if galleries is None:
            said = Problem("token_needed").said(language)
            items = f"<li><p>{said['detail']} {said['hint']}</p></li>"
        else:
            items = "\n".join(_item(name, pictures, words) for name, pictures in galleries.items())
        text = self._addressed(_translated(self._listing, words, language))
        text = _marked(text, language, _theme_of(request), _root_of(request))
        text = text.replace("<!-- galleries -->", items)
        answer = Sent.of(text.encode(), "text/html", "no-store", _CHOSEN_BY).to(request)
        if galleries is None:
            answer.status_code = 401
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    def _addressed(self, text: str) -> str:
        return _ADDRESS.sub(lambda found: f'"static/{self._names[found[1]]}"', text)

    def _render(
        self, language: Language, theme: str, root: str, knows: str, gallery: str, framed: bool
    ) -> Sent:
        words = self._words[language]
        text = _translated(self._template, words, language)
        text = _marked(text, language, theme, root, framed=framed)
        if gallery:
            text = text.replace('href="../../" hidden>', 'href="../../">')
            text = text.replace('id="gallery">', f'id="gallery">{html.escape(gallery)}')
        text = text.replace('id="knows">', f'id="knows">{html.escape(knows)}')
        block = _data(
            "page-words", {"language": language, "words": words, "addresses": self._others()}
        )
        text = text.replace("</body>", f"{block}\n</body>")
        text = self._addressed(text)
        return Sent.of(text.encode(), "text/html", "private, no-cache", _CHOSEN_BY)

    def _others(self) -> dict[str, str]:
        """The addresses of each language's texts."""
        return {tag: f"static/{self._names[f'{tag}.json']}" for tag in LANGUAGES}


def _marked(text: str, language: Language, theme: str, root: str, *, framed: bool = False) -> str:
    """``text`` with attributes for its script and style sheet on its outermost element."""
    marks = f'<html lang="{_MARKUP_LANGUAGES[language]}" data-root="{html.escape(root)}"'
    marks += f' data-theme="{theme}"' if theme else ""
    return text.replace('<html lang="en"', marks + (" data-framed" if framed else ""))


def _item(name: str, pictures: int | None, words: Mapping[str, str]) -> str:
    said = words["galleries.unavailable"]
    shown = f"<b>{html.escape(name)}</b>"
    if pictures is not None:
        said = words["galleries.pictures"].replace("{count}", f"{pictures:,}")
        shown = f'<a href=".{html.escape(gallery_path(name))}/">{shown}</a>'
    return f"<li>{shown}<p>{said}</p></li>"


def _root_of(request: HTTPConnection) -> str:
    """The path that the server is mounted at, without a gallery's part."""
    return str(request.scope.get("app_root_path", request.scope.get("root_path", "")))


def _theme_of(request: HTTPConnection) -> str:
    chosen = request.query_params.get("theme") or request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in _THEMES else ""


@cache
def shipped() -> Page:
    """The page of this version of samebut, built once."""
    return Page()


def language_of(request: HTTPConnection) -> Language:
    chosen = request.query_params.get("language") or request.cookies.get(LANGUAGE_COOKIE)
    for language in LANGUAGES:
        if chosen and chosen.lower().split("-")[0] == language:
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
    """A JSON data block: browsers do not execute it, and a Content-Security-Policy allows it."""
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", r"\u003c")
    return f'<script type="application/json" id="{name}">{said}</script>'
