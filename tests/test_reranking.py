"""reranking/: a second stage over the best hits, and the one behind an address."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import chat_server
from chat_server import ChatServer, pictures, redness
from samebut.cli import app
from samebut.errors import QueryError
from samebut.gallery import Gallery
from samebut.reranking import STAGES, SecondStage, reranked
from samebut.reranking.chat import WINDOW, chat, prompt, read_order, windows
from samebut.reranking.request import (
    Candidate,
    Ordered,
    RerankError,
    RerankRequest,
    Shown,
)
from samebut.turns import Turn, encoded

COUNT = 12
KEY = "sk-very-secret"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """Plain pictures from green to red, called so that their order is known."""
    folder = tmp_path_factory.mktemp("reranked")
    for number in range(COUNT):
        red = 20 * number
        Image.new("RGB", (64, 48), (red, 220 - red, 30)).save(folder / f"{number:02}.png")
    built, _ = Gallery.build(folder)
    with built:
        yield built


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server.serving() as found:
        yield found


def asked(count: int) -> RerankRequest:
    """Candidates from green to red, after a turn of a picture and a text."""
    shades = [Image.new("RGB", (32, 32), (20 * n % 256, 220, 30)) for n in range(count)]
    turn = Shown(Image.new("RGB", (32, 32), "white"), "in red")
    candidates = [Candidate(number, shade) for number, shade in enumerate(shades)]
    return RerankRequest((turn,), (Shown(None, "blue"),), tuple(candidates))


def stage(server: ChatServer, timeout: float = 20) -> SecondStage:
    return STAGES["chat"](server.url, "eyes", KEY, timeout)


@dataclass
class Backwards:
    """The last candidate first."""

    def __call__(self, request: RerankRequest) -> Ordered:
        return Ordered(tuple(reversed(range(len(request.candidates)))))


def names(hits: Sequence[object]) -> list[str]:
    return [hit.path for hit in hits]  # type: ignore[attr-defined]


def test_the_best_hits_come_in_the_order_of_the_stage(gallery: Gallery) -> None:
    plain = gallery.search([Turn(text="red")], 8).hits
    found = reranked(gallery, [Turn(text="red")], 6, stage=Backwards(), count=4)
    hits = found.results.hits
    assert names(hits) == [*names(plain[:4])[::-1], *names(plain[4:6])]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5, 6]
    assert hits[0].score == pytest.approx(plain[3].score)
    assert (found.report.count, found.report.kept_because) == (4, "")


def test_fewer_hits_than_are_looked_at(gallery: Gallery) -> None:
    plain = gallery.search([Turn(text="red")], 6).hits
    found = reranked(gallery, [Turn(text="red")], 2, stage=Backwards(), count=6)
    assert names(found.results.hits) == names(plain[::-1][:2])


def test_a_hit_whose_file_is_gone_keeps_its_place(gallery: Gallery, tmp_path: Path) -> None:
    plain = gallery.search([Turn(text="red")], 4).hits
    file = gallery.file_of(plain[1].path)
    kept = file.rename(tmp_path / "away.png")
    try:
        found = reranked(gallery, [Turn(text="red")], 4, stage=Backwards(), count=4)
    finally:
        kept.rename(file)
    first, second, third, fourth = names(plain)
    assert names(found.results.hits) == [fourth, second, third, first]
    assert found.report.count == 3


@pytest.mark.parametrize("order", [(0, 0, 1), (0, 1), (0, 1, 3)])
def test_an_order_that_is_none_leaves_that_of_the_search(
    gallery: Gallery, order: tuple[int, ...]
) -> None:
    plain = gallery.search([Turn(text="red")], 3).hits
    found = reranked(gallery, [Turn(text="red")], 3, stage=lambda _: Ordered(order), count=3)
    assert names(found.results.hits) == names(plain)
    assert "left out a picture or named one twice" in found.report.kept_because


def test_what_can_not_be_asked(gallery: Gallery) -> None:
    with pytest.raises(QueryError, match="hits to rerank is 101"):
        reranked(gallery, [Turn(text="red")], 3, stage=Backwards(), count=101)
    picture = encoded(gallery.model, gallery.file_of("00.png").read_bytes())
    with pytest.raises(QueryError, match="can't be shown to the second stage"):
        reranked(gallery, [Turn(picture)], 3, stage=Backwards(), count=3)


@pytest.mark.parametrize(
    ("count", "starts"), [(2, [0]), (10, [0]), (11, [1, 0]), (15, [5, 0]), (23, [13, 8, 3, 0])]
)
def test_windows_cover_all_and_overlap(count: int, starts: list[int]) -> None:
    found = list(windows(count))
    assert found == starts
    assert {place for start in found for place in range(start, min(start + WINDOW, count))} == {
        *range(count)
    }


def test_the_server_sees_the_question_and_orders_all(server: ChatServer) -> None:
    request = asked(COUNT)
    found = stage(server)(request)
    redder = sorted(range(COUNT), key=lambda n: -redness(request.candidates[n].picture))
    assert list(found.order[:5]) == redder[:5]
    assert sorted(found.order) == [*range(COUNT)]
    assert (found.requests, found.tokens) == (2, (200, 14))
    assert server.paths == ["/v1/chat/completions"] * 2
    assert server.keys == [f"Bearer {KEY}"] * 2
    first = server.asked[0]
    assert (first["model"], first["temperature"]) == ("eyes", 0)
    assert first["messages"][0] == {"role": "system", "content": prompt()}
    texts = [each["text"] for each in first["messages"][1]["content"] if each["type"] == "text"]
    assert texts[:3] == ["Reference:", "Wish: in red", "Not wanted: blue"]
    assert texts[-1] == "Order candidates 1 to 10."
    shown = pictures(first)
    assert list(shown) == ["Reference:", *(f"Candidate {n}:" for n in range(1, 11))]
    last = np.asarray(shown["Candidate 10:"], int).mean(axis=(0, 1))
    np.testing.assert_allclose(last, (220, 220, 30), atol=4)


def test_a_server_that_counts_nothing(server: ChatServer) -> None:
    server.counts = False
    assert stage(server)(asked(3)).tokens is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('{"order": [2, 1, 3]}', [1, 0, 2]),
        ("```json\n[3, 1, 2]\n```", [2, 0, 1]),
        ('Best is 2. {"order": [2]}', [1, 0, 2]),
        ('[9] no: {"order": [3, 2, 1]}', [2, 1, 0]),
    ],
)
def test_orders_as_models_write_them(said: str, expected: list[int]) -> None:
    assert read_order({"choices": [{"message": {"content": said}}]}, 3) == expected


@pytest.mark.parametrize(
    "said",
    ["", "I like the second.", '{"order": [1, 1]}', '{"order": [0]}', "[1, 2, 4]", "[true]",
     '{"order": "1, 2"}', "[" * 100_000, "[]", "{" * 100],
)  # fmt: skip
def test_what_is_no_order(said: str) -> None:
    with pytest.raises(RerankError, match="no order of the candidates"):
        read_order({"choices": [{"message": {"content": said}}]}, 3)


@pytest.mark.parametrize("answer", [None, [], {}, {"choices": []}, {"choices": [{"message": 3}]}])
def test_what_is_no_message(answer: object) -> None:
    with pytest.raises(RerankError, match="holds no message"):
        read_order(answer, 3)


SPOILT: dict[str, tuple[dict[str, object], str]] = {
    "a refusal": ({"message": {"refusal": "No."}}, "refuses to answer"),
    "no content": ({"message": {"content": None}}, "no order of the candidates"),
    "prose": ({"answer": "The first one is lovely."}, "no order of the candidates"),
    "no JSON": ({"raw": b"<html>"}, "is no JSON"),
    "nested JSON": ({"raw": b"[" * 200_000}, "is no JSON"),
    "no end": ({"raw": b" " * 1_100_000}, "does not end"),
    "a wrong key": ({"status": 401, "answer": f"{KEY} is wrong"}, "answers 401: … is wrong"),
    "an error in HTML": ({"status": 502, "raw": b"<html>"}, "answers 502: Bad Gateway"),
    "no HTTP": ({"garbage": b"hello\r\n\r\n"}, "the connection failed: BadStatusLine"),
    "no header": ({"garbage": b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"}, "is no JSON"),
    "too slow": ({"wait": 20.0}, "longer than 0.3 s"),
    "somewhere else": ({"status": 302, "location": "/elsewhere"}, "answers 302"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_whatever_goes_wrong_leaves_the_order_and_says_so(
    gallery: Gallery, server: ChatServer, case: str
) -> None:
    spoilt, reason = SPOILT[case]
    for name, value in spoilt.items():
        setattr(server, name, value)
    turns = [Turn(text="red")]
    plain = gallery.search(turns, 3).hits
    timeout = 0.3 if "wait" in spoilt else 20
    found = reranked(gallery, turns, 3, stage=stage(server, timeout), count=5)
    assert names(found.results.hits) == names(plain)
    assert reason in found.report.kept_because
    assert KEY not in found.report.kept_because
    assert len(server.paths) == 1  # nothing is followed


def test_a_server_that_is_not_there(gallery: Gallery) -> None:
    gone = chat("http://127.0.0.1:1/v1", "eyes", KEY)
    found = reranked(gallery, [Turn(text="red")], 3, stage=gone, count=3)
    assert "no connection" in found.report.kept_because
    assert KEY not in repr(gone)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "eyes"), "needs the http address of a server"),
        (("file:///etc/passwd", "eyes"), "needs the http address of a server"),
        (("http://me:secret@host/v1", "eyes"), "needs the http address of a server"),
        (("http://host/v1", ""), "needs the name of a model"),
        (("http://host/v1", "eyes", "a\nb"), "an HTTP header can't"),
        (("http://host/v1", "eyes", "", 0.0), "is 0.0 seconds"),
    ],
)
def test_a_stage_that_lacks_something(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(QueryError, match=message) as caught:
        chat(*arguments)  # type: ignore[arg-type]
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_the_command_says_what_it_cost(
    gallery: Gallery, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMEBUT_RERANK_URL", server.url)
    monkeypatch.setenv("SAMEBUT_RERANK_KEY", KEY)
    command = ["search", str(gallery.folder), "-t", "anything", "-k", "3", "--json"]
    options = ["--rerank", str(COUNT), "--rerank-model", "eyes"]
    done = CliRunner().invoke(app, [*command, *options])
    assert done.exit_code == 0, done.output
    assert f"{COUNT} hits reranked by eyes: 2 requests, 200 tokens sent and 14" in done.stderr
    answer = json.loads(done.stdout)
    assert [hit["path"] for hit in answer["hits"]] == ["11.png", "10.png", "09.png"]
    assert answer["rerank"]["tokens"] == [200, 14]
    assert KEY not in done.output
    assert server.keys[0] == f"Bearer {KEY}"
    server.answer = "no"
    done = CliRunner().invoke(app, [*command, *options])
    assert "not reranked: the model's answer holds no order" in done.stderr
    assert json.loads(done.stdout)["rerank"]["kept_because"]
    plain = CliRunner().invoke(app, command)
    assert json.loads(plain.stdout)["rerank"] is None
    assert len(server.asked) == 3
