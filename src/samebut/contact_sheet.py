"""Hits as one HTML file a person can look at: pictures inside, nothing fetched, no script."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from samebut.answers import Hit
from samebut.errors import PictureError
from samebut.images import open_picture
from samebut.remote import Place
from samebut.turns import EncodedPicture, Turn

THUMBNAIL = 240  # pixels, longer side
QUALITY = 82
VALUES_SHOWN = 4  # of the metadata, where there is no title

STYLE = """
:root{color-scheme:light dark;--card:#fff;--ink:#1d1f23;--soft:#667085;--page:#f4f3f0;
--line:#e2dfd8}
@media(prefers-color-scheme:dark){
:root{--card:#23262b;--ink:#eceae6;--soft:#9aa1ad;--page:#17191c;--line:#34383f}}
*{box-sizing:border-box}
body{margin:0;padding:2rem clamp(1rem,4vw,3.5rem);background:var(--page);color:var(--ink);
font:15px/1.45 system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK SC",sans-serif}
h1{font-size:1.25rem;font-weight:650;margin:0 0 1.5rem}
section{margin-bottom:2.5rem}
.asked{display:flex;flex-wrap:wrap;gap:1rem;align-items:center;margin-bottom:1rem}
.turn{display:flex;gap:.9rem;align-items:center}
.turn img{height:116px;border-radius:10px;border:1px solid var(--line)}
.turn q{font-size:1.3rem;font-weight:600;quotes:"“" "”"}
.plus{color:var(--soft);font-size:1.5rem}
ol{list-style:none;margin:0;padding:0;display:grid;gap:.9rem;
grid-template-columns:repeat(auto-fill,minmax(8.4rem,1fr))}
li{background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden;
display:flex;flex-direction:column}
.frame{position:relative;aspect-ratio:1;display:grid;place-items:center;background:#fff}
.frame img{position:absolute;inset:0;width:100%;height:100%;object-fit:contain}
.frame span{color:#667085;padding:1rem;text-align:center;font-size:.8rem}
.about{padding:.55rem .7rem .7rem;font-size:.8rem;overflow-wrap:anywhere}
.about b{font-weight:600}
.about small{display:block;color:var(--soft)}
"""


@dataclass(frozen=True)
class Answer:
    """One search and what it found, to be shown. ``folder`` is where the hits' paths start."""

    turns: Sequence[Turn]
    hits: Sequence[Hit]
    folder: Place


def contact_sheet(answers: Sequence[Answer], *, title: str = "samebut") -> str:
    """An HTML page of answers, best hit first. Every text is escaped; thumbnails are JPEG data."""
    body = "".join(_section(answer) for answer in answers)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
        f"<h1>{html.escape(title)}</h1>{body}</html>\n"
    )


def _section(answer: Answer) -> str:
    turns = '<span class="plus">then</span>'.join(_turn(turn) for turn in answer.turns)
    hits = "".join(_hit(hit, answer) for hit in answer.hits)
    return f'<section><div class="asked">{turns}</div><ol>{hits}</ol></section>'


def _turn(turn: Turn) -> str:
    parts = []
    if isinstance(picture := turn.source, EncodedPicture):
        parts.append("<span>a picture</span>")
    elif picture is not None:
        parts.append(f'<img alt="reference" src="{_thumbnail(picture)}">')
    if turn.says_something:
        parts.append(f"<q>{html.escape(turn.text.strip())}</q>")
    return f'<div class="turn">{"<span class=plus>+</span>".join(parts)}</div>'


def _hit(hit: Hit, answer: Answer) -> str:
    values = [value for value in hit.metadata.values() if value]
    known = hit.metadata.get("title") or " · ".join(values[:VALUES_SHOWN])
    try:
        picture = f'<img loading="lazy" alt="" src="{_thumbnail(answer.folder / hit.path)}">'
    except PictureError as error:  # deleted or changed since it was indexed
        picture = f"<span>{html.escape(error.reason)}</span>"
    return (
        f'<li><div class="frame">{picture}</div><div class="about"><b>{hit.rank}</b> '
        f"{html.escape(hit.path)}<small>{hit.score:.3f} · {hit.width} × {hit.height}</small>"
        f"<small>{html.escape(known)}</small></div></li>"
    )


def _thumbnail(picture: Place | bytes) -> str:
    """A ``data:`` address of the picture at thumbnail size."""
    opened = open_picture(picture, shorter_side=THUMBNAIL)
    opened.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    opened.save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
