"""A run as one HTML file: its queries with their targets and the pictures that were found.

The page makes no network requests: thumbnails are embedded, each once. Every text is escaped. A few
lines of script filter and sort.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from samebut.data.benchmark import Query
from samebut.evaluate.report import cell
from samebut.evaluate.run import Run
from samebut.evaluate.scoring import Score
from samebut.files import write_whole, writing
from samebut.loader import Loaded, PictureFile, Unusable, load_pictures
from samebut.metrics import NOBODY

SHOWN = 300  # queries; a page of all of them would weigh hundreds of megabytes
HITS = 10
THUMBNAIL = 144  # pixels, longer side
QUALITY = 74
ALL = "all"

STYLE = """
:root{color-scheme:light dark;--page:#f4f3f0;--card:#fff;--ink:#1d1f23;--soft:#667085;
--line:#e2dfd8;--right:#1a8f4c;--wrong:#c2452d;--accent:#3056d3}
@media(prefers-color-scheme:dark){:root{--page:#17191c;--card:#23262b;--ink:#eceae6;--soft:#9aa1ad;
--line:#34383f;--right:#4cc27f;--wrong:#ef8069;--accent:#8ea6ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.45 system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK SC",sans-serif}
header,main{max-width:84rem;margin:auto;padding:0 clamp(1rem,3vw,2.5rem)}
header{padding-top:2rem}
h1{font-size:1.35rem;font-weight:650;margin:0}
.protocol{color:var(--soft);margin:.3rem 0 1.2rem;max-width:70rem}
.numbers{display:flex;flex-wrap:wrap;gap:.6rem;margin:0 0 1.4rem;padding:0;list-style:none}
.numbers li{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:.5rem .8rem}
.numbers b{display:block;font-size:1.15rem;font-weight:650;font-variant-numeric:tabular-nums}
.numbers span{color:var(--soft);font-size:.78rem}
nav{position:sticky;top:0;z-index:1;background:var(--page);border-bottom:1px solid var(--line);
display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;padding:.7rem 0;margin-bottom:1.1rem}
button,input,select{font:inherit;font-size:.86rem;color:inherit;background:var(--card);
border:1px solid var(--line);border-radius:999px;padding:.28rem .8rem}
button{cursor:pointer}
button[aria-pressed=true]{background:var(--accent);border-color:var(--accent);color:var(--page)}
button small{opacity:.7;margin-left:.3rem}
input{flex:1 1 12rem;max-width:22rem}
output{color:var(--soft);font-size:.86rem;margin-left:auto}
article{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:1rem;
margin-bottom:.9rem;display:grid;gap:1.6rem;
grid-template-columns:minmax(19rem,2fr) minmax(0,3fr)}
article[hidden]{display:none}
.asked{display:grid;grid-template-columns:1fr auto 1fr;gap:.6rem;align-items:center;
align-content:start}
.asked p{grid-column:1/-1;margin:0;font-size:1.06rem;font-weight:600;overflow-wrap:anywhere}
.asked footer{grid-column:1/-1;color:var(--soft);font-size:.8rem;overflow-wrap:anywhere}
.arrow{color:var(--soft);font-size:1.3rem}
.rank{display:inline-block;border-radius:999px;padding:.05rem .55rem;font-weight:650;
font-size:.82rem;color:var(--card);background:var(--wrong)}
.rank.right{background:var(--right)}
figure{margin:0;font-size:.72rem;color:var(--soft);text-align:center}
.frame{aspect-ratio:1;background:#fff;border:1px solid var(--line);border-radius:9px;
overflow:hidden;display:grid;place-items:center;position:relative}
.frame img{position:absolute;inset:0;width:100%;height:100%;object-fit:contain}
.frame span{color:#667085;padding:.4rem}
.found{list-style:none;margin:0;padding:0;display:grid;gap:.55rem;align-content:start;
grid-template-columns:repeat(5,minmax(0,10rem))}
.hit .frame{outline:3px solid var(--right);outline-offset:-1px}
.hit figcaption{color:var(--right);font-weight:650}
@media(max-width:60rem){article{grid-template-columns:1fr}}
"""

SCRIPT = """
const cards=[...document.querySelectorAll("article")],home=document.querySelector("main");
const eyes=new IntersectionObserver(seen=>{for(const s of seen)if(s.isIntersecting){
for(const i of s.target.querySelectorAll("img[data-p]")){i.src=P[i.dataset.p];delete i.dataset.p}
eyes.unobserve(s.target)}},{rootMargin:"800px"});
cards.forEach(c=>eyes.observe(c));
let kind="all";
const find=document.querySelector("input"),end=document.querySelector("#end"),
order=document.querySelector("#order"),said=document.querySelector("output");
function show(){let n=0;const words=find.value.toLowerCase();
for(const c of cards){const r=+c.dataset.rank;
const on=(kind==="all"||c.dataset.kind===kind)&&(end.value==="any"||(end.value==="found")===(r<=10))
&&c.textContent.toLowerCase().includes(words);c.hidden=!on;n+=on}
said.textContent=n+" shown"}
for(const b of document.querySelectorAll("nav button"))b.onclick=()=>{kind=b.dataset.kind;
for(const o of document.querySelectorAll("nav button"))o.setAttribute("aria-pressed",o===b);show()};
find.oninput=end.onchange=show;
order.onchange=()=>{const way=order.value==="worst"?-1:1;
cards.sort((a,b)=>way*(a.dataset.rank-b.dataset.rank)).forEach(c=>home.append(c))};
show();
"""


def write(
    run: Run, scored: Score, pictures: dict[str, Path], path: Path, *, shown: int = SHOWN
) -> None:
    """Write the page of ``run`` to ``path``: ``shown`` queries, the worst of each kind of change.

    ``pictures`` maps names to files, as ``Benchmark.images``; one that can't be opened any more
    is shown as the reason why. Raises DataError if the folder of ``path`` can't be written to.
    """
    page = error_page(run, scored, pictures, shown=shown)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page)


def error_page(run: Run, scored: Score, pictures: dict[str, Path], *, shown: int = SHOWN) -> str:
    """The page as text; see ``write``."""
    worst = _worst(run, shown)
    names = list(run.benchmark.images)
    book = _Thumbnails(pictures, [name for row in worst for name in _shown(run, row, names)])
    cards = "".join(_card(run, row, names, book) for row in worst)
    title = f"{run.about['benchmark']} {run.about['split']} · {run.about['query']}"
    count = len(run.benchmark.queries)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_safe(title)}</title><style>{STYLE}</style>"
        f"<header><h1>{_safe(title)}</h1>"
        f'<p class="protocol">{_safe(run.about["model"]["name"])} '
        f"{_safe(run.about['model']['fingerprint'])} · {_safe(run.about['protocol'])}</p>"
        f"{_numbers(scored)}{_controls([run.benchmark.queries[row] for row in worst], count)}"
        f"</header><main>{cards}</main>"
        f"<script>const P={json.dumps(book.pages)};{SCRIPT}</script></html>\n"
    )


class _Thumbnails:
    """Pictures as ``data:`` addresses, each made and kept once."""

    def __init__(self, pictures: dict[str, Path], names: Sequence[str]) -> None:
        self.pages: list[str] = []
        self._places: dict[str, int | str] = {}
        files = [PictureFile(pictures[n], n) for n in dict.fromkeys(names) if n in pictures]
        for each in load_pictures(files, _as_address, shorter_side=THUMBNAIL):
            if isinstance(each, Loaded):
                self._places[each.source.path] = len(self.pages)
                self.pages.append(each.content)
            elif isinstance(each, Unusable):
                self._places[each.source.path] = each.reason

    def frame(self, name: str) -> str:
        """The framed picture, or the reason why it can't be shown."""
        place = self._places.get(name, "not in this folder")
        if isinstance(place, str):
            return f'<div class="frame"><span>{_safe(place)}</span></div>'
        return f'<div class="frame"><img data-p="{place}" alt="{_safe(name)}"></div>'


def _as_address(picture: Image.Image) -> str:
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _found(run: Run, row: int, names: Sequence[str]) -> list[str]:
    return [names[i] for i in run.ranked.ids[row, :HITS] if i != NOBODY]


def _shown(run: Run, row: int, names: Sequence[str]) -> list[str]:
    """Names of the pictures on a query's card."""
    query = run.benchmark.queries[row]
    return [*query.references, query.targets[0], *_found(run, row, names)]


def _worst(run: Run, shown: int) -> list[int]:
    """Rows of the queries shown, worst first by the rank of the best placed target, and equally
    many of each group."""
    best = run.ranked.target_ranks.min(axis=1)
    kinds: dict[str, list[int]] = defaultdict(list)
    for row in np.argsort(-best.astype(np.int64), kind="stable"):
        kinds[run.benchmark.queries[row].group].append(int(row))
    chosen: list[int] = []
    depth = 0
    while len(chosen) < shown and any(len(rows) > depth for rows in kinds.values()):
        chosen += [rows[depth] for rows in kinds.values() if len(rows) > depth]
        depth += 1
    return sorted(chosen[:shown], key=lambda row: -int(best[row]))


def _card(run: Run, row: int, names: Sequence[str], book: _Thumbnails) -> str:
    query, best = run.benchmark.queries[row], int(run.ranked.target_ranks[row].min())
    right = " right" if best <= HITS else ""
    found = _found(run, row, names)
    hits = "".join(_hit(place, name, query, book) for place, name in enumerate(found, 1))
    shown = "".join(
        f"<figure>{book.frame(name)}<figcaption>reference</figcaption></figure>"
        for name in dict.fromkeys(query.references)
    )
    more = f" and {len(query.targets) - 1} more" if len(query.targets) > 1 else ""
    return (
        f'<article data-kind="{_safe(query.group or ALL)}" data-rank="{best}"><div class="asked">'
        f"<p>{_safe(' / '.join(dict.fromkeys(text for _, text, _ in query.asks)))}</p>{shown}"
        f'<span class="arrow">→</span><figure>{book.frame(query.targets[0])}'
        f"<figcaption>target{more}</figcaption></figure>"
        f'<footer><span class="rank{right}">rank {best:,}</span> {_safe(query.group)} '
        f'· {_safe(query.id)}</footer></div><ol class="found">{hits}</ol></article>'
    )


def _hit(place: int, name: str, query: Query, book: _Thumbnails) -> str:
    kind = ' class="hit"' if name in query.targets else ""
    return f"<li{kind}><figure>{book.frame(name)}<figcaption>{place}</figcaption></figure></li>"


def _numbers(scored: Score) -> str:
    items = "".join(
        f"<li><b>{number:.2f}</b><span>{_safe(name)} "
        f"{_safe(cell(number, scored.intervals[name]).partition(' ')[2])}</span></li>"
        for name, number in scored.numbers.items()
    )
    return f'<ul class="numbers">{items}</ul>'


def _controls(queries: Sequence[Query], count: int) -> str:
    kinds = Counter(query.group for query in queries if query.group)
    chips = "".join(
        f'<button data-kind="{_safe(kind)}" aria-pressed="{str(kind == ALL).lower()}">'
        f"{_safe(kind)}<small>{number:,}</small></button>"
        for kind, number in [(ALL, len(queries)), *sorted(kinds.items())]
    )
    return (
        f'<nav>{chips}<select id="end" aria-label="outcome"><option value="any">found or missed'
        '<option value="missed">missed by the first ten<option value="found">found by the first '
        'ten</select><select id="order" aria-label="order"><option value="worst">worst first'
        '<option value="best">best first</select>'
        '<input type="search" placeholder="words of the text" aria-label="words of the text">'
        f'<output></output></nav><p class="protocol">The worst {len(queries):,} of {count:,} '
        "queries, as many of each kind. Green: a right answer.</p>"
    )


def _safe(text: object) -> str:
    return html.escape(str(text), quote=True)
