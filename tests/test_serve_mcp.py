"""The tools for assistants, asked by the SDK's own client: in the process, over standard input and
output of the real command, and over HTTP."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ImageContent, TextContent
from PIL import Image

from samebut.gallery import Gallery
from samebut.serve import mcp
from samebut.serve.settings import Settings
from samebut.turns import Turn
from serving import RED, drawn

TOKEN = "correct horse battery"
SAMEBUT = [sys.executable, "-m", "samebut"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("mcp") / "photos", "round", "square")


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[mcp.Serving]:
    with Gallery.open(folder, threads=1) as gallery:
        serving = mcp.serving_of(gallery, Settings(**settings))
        yield serving
        serving.resources.close()


def asked(connection: Any, question: Callable[[Client], Awaitable[Any]]) -> Any:
    async def ask() -> Any:
        async with Client(connection) as client:
            return await question(client)

    return anyio.run(ask)


def call(folder: Path, tool: str, *, files: bool = True, **arguments: Any) -> CallToolResult:
    with served(folder) as serving:
        server = mcp.mcp_server(serving, files=files)
        answer = asked(server, lambda client: client.call_tool(tool, arguments))
        assert isinstance(answer, CallToolResult)
        return answer


def about(answer: CallToolResult) -> dict[str, Any]:
    assert not answer.is_error, answer.content
    assert answer.structured_content is not None
    return answer.structured_content


def images(answer: CallToolResult) -> list[Image.Image]:
    return [
        Image.open(io.BytesIO(base64.b64decode(each.data)))
        for each in answer.content
        if isinstance(each, ImageContent)
    ]


def paths(answer: CallToolResult) -> list[str]:
    return [hit["path"] for hit in about(answer)["hits"]]


def expected(folder: Path, picture: Path | bytes, text: str) -> list[str]:
    """What the library finds."""
    with Gallery.open(folder, threads=1) as gallery:
        results = gallery.search(Turn(picture, text), 8, collapse=True, read_filters=True)
    return [hit.path for hit in results.hits]


def refused(answer: CallToolResult) -> str:
    assert answer.is_error
    (said,) = answer.content
    assert isinstance(said, TextContent)
    return said.text


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_search_answers_as_the_library_does_and_shows_the_first(folder: Path) -> None:
    turns = [{"image_base64": as_base64(RED), "text": "in blue"}]
    answer = call(folder, "search_pictures", turns=turns, count=5, images=2)
    assert paths(answer) == expected(folder, RED, "in blue")[:5]
    assert [max(image.size) for image in images(answer)] == [200, 200]
    labels = [each.text for each in answer.content if isinstance(each, TextContent)][1:]
    assert labels == [f"picture {hit['id']}:" for hit in about(answer)["hits"][:2]]


def test_a_conversation_goes_on_from_a_file_and_from_a_hit(folder: Path) -> None:
    file = str(folder / "red-round.png")
    first = about(call(folder, "search_pictures", turns=[{"file": file, "text": "in blue"}]))
    number = first["hits"][0]["id"]
    second = call(folder, "search_pictures", turns=[{"picture": number, "text": "in yellow"}])
    source = folder / first["hits"][0]["path"]
    assert paths(second) == expected(folder, source, "in yellow")
    alike = about(call(folder, "similar_pictures", picture=number, images=0))
    assert number not in [hit["id"] for hit in alike["hits"]]


def test_words_become_filters_and_what_passes_none_is_said(folder: Path) -> None:
    nothing = call(folder, "search_pictures", turns=[{"text": "round"}], where="colour = 'blu'")
    said = about(nothing)
    assert said["hits"] == [] and "blue" in " ".join(said["nothing_passes_the_filter"])


def test_a_picture_is_shown_with_what_the_table_says(folder: Path) -> None:
    answer = call(folder, "show_picture", picture=1, size=100)
    assert about(answer)["metadata"]["colour"]
    (image,) = images(answer)
    assert max(image.size) == 160


def test_the_filters_are_listed_with_counts(folder: Path) -> None:
    columns = {each["column"]: each for each in about(call(folder, "list_filters"))["columns"]}
    assert columns["colour"]["about"] == "colour"
    assert {"value": "blue", "count": 2} in columns["colour"]["values"]
    narrowed = about(call(folder, "list_filters", where="colour = 'blue'"))["columns"]
    shapes = next(each for each in narrowed if each["column"] == "形状")
    assert {value["count"] for value in shapes["values"]} == {1}


def test_the_gallery_says_what_it_is(folder: Path) -> None:
    said = about(call(folder, "gallery_info"))
    assert said["pictures"] == 10 and said["knows"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"turns": []}, "turns"),
        ({"turns": [{"text": "x" * 1001}]}, "1000"),
        ({"turns": [{"text": "blue"}] * 11}, "10"),
        ({"turns": [{"text": "blue"}], "count": 201}, "200"),
        ({"turns": [{"text": "blue"}], "images": 13}, "12"),
        ({"turns": [{"picture": 1, "file": "a.png"}]}, "one of picture, file and image_base64"),
        ({"turns": [{"picture": 99, "text": "blue"}]}, "There is no picture 99 in this gallery."),
        ({"turns": [{"image_base64": "no, not this"}]}, "not base64"),
        ({"turns": [{"image_base64": as_base64(b"text")}]}, "The picture"),
        ({"turns": [{"text": "blue"}], "where": "colour ="}, "The filter is not understood"),
        ({"turns": [{}]}, "Give a picture, a text, or both."),
    ],
)
def test_what_is_wrong_is_said_and_the_next_call_works(
    folder: Path, arguments: dict[str, Any], words: str
) -> None:
    with served(folder) as serving:

        async def both(client: Client) -> list[CallToolResult]:
            wrong = await client.call_tool("search_pictures", arguments)
            return [wrong, await client.call_tool("gallery_info", {})]

        wrong, right = asked(mcp.mcp_server(serving, files=True), both)
    assert words in refused(wrong)
    assert about(right)["pictures"] == 10


def test_pictures_of_more_pixels_than_allowed_are_refused(folder: Path) -> None:
    with served(folder, pixels=100) as serving:
        turns = [{"image_base64": as_base64(RED)}]
        server = mcp.mcp_server(serving, files=True)
        answer = asked(server, lambda c: c.call_tool("search_pictures", {"turns": turns}))
    assert "pixels" in refused(answer)


def test_a_hit_whose_file_is_gone_stops_no_other(tmp_path: Path) -> None:
    photos = drawn(tmp_path / "photos", "round")
    (photos / "blue-round.png").unlink()
    answer = call(photos, "search_pictures", turns=[{"text": "blue"}], count=5, images=5)
    assert len(about(answer)["hits"]) == 5 and len(images(answer)) == 4
    assert any("can't be shown" in e.text for e in answer.content if isinstance(e, TextContent))


def test_every_tool_says_what_it_does_and_only_reads(folder: Path) -> None:
    with served(folder) as serving:
        server = mcp.mcp_server(serving, files=True)
        tools = asked(server, lambda client: client.list_tools()).tools
    assert {tool.name for tool in tools} == {
        "search_pictures",
        "similar_pictures",
        "show_picture",
        "list_filters",
        "gallery_info",
    }
    for tool in tools:
        assert tool.description and tool.annotations and tool.annotations.read_only_hint
        for name, parameter in tool.input_schema["properties"].items():
            assert "description" in str(parameter), f"{tool.name}: {name}"


def test_the_real_command_answers_on_standard_input_and_output(folder: Path) -> None:
    command = StdioServerParameters(
        command=SAMEBUT[0], args=[*SAMEBUT[1:], "mcp", str(folder)], env=dict(os.environ)
    )
    file = folder / "red-round.png"
    turns = [{"file": str(file), "text": "in blue"}]
    answer = asked(command, lambda client: client.call_tool("search_pictures", {"turns": turns}))
    assert paths(answer) == expected(folder, file, "in blue")


@contextmanager
def listening(folder: Path, *options: str) -> Iterator[str]:
    process = subprocess.Popen(
        [*SAMEBUT, "mcp", str(folder), "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        yield found[0]
    finally:
        process.terminate()
        assert process.wait(20) in (0, -15)
        assert process.stdout is not None
        process.stdout.close()


def over_http(
    address: str, question: Callable[[Client], Awaitable[Any]], token: str | None = None
) -> Any:
    async def ask() -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=20) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            return await question(client)

    return anyio.run(ask)


def test_over_http_with_a_token_and_without_files(folder: Path) -> None:
    with listening(folder, "--token", TOKEN) as address:

        def search(turn: dict[str, Any]) -> Callable[[Client], Awaitable[Any]]:
            return lambda client: client.call_tool("search_pictures", {"turns": [turn]})

        pictured = {"image_base64": as_base64(RED), "text": "in blue"}
        found = over_http(address, search(pictured), TOKEN)
        assert paths(found) == expected(folder, RED, "in blue")
        named = {"file": str(folder / "red-round.png"), "text": "in blue"}
        assert "image_base64" in refused(over_http(address, search(named), TOKEN))
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        without = httpx2.post(address, json=body)
        assert (without.status_code, without.json()["code"]) == (401, "token_needed")
        known = {"Authorization": f"Bearer {TOKEN}"}
        other = httpx2.post(address, json=body, headers={**known, "Host": "evil.example"})
        assert (other.status_code, other.json()["code"]) == (403, "host_unknown")
        page = httpx2.post(address, json=body, headers={**known, "Origin": "https://evil.example"})
        assert page.status_code == 403


def test_without_a_token_nobody_else_is_let_in(folder: Path) -> None:
    done = subprocess.run(
        [*SAMEBUT, "mcp", str(folder), "--port", "0", "--host", "0.0.0.0"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "--token" in done.stderr


def test_for_other_machines_it_answers_to_any_name_with_the_token(folder: Path) -> None:
    with listening(folder, "--host", "0.0.0.0", "--token", TOKEN) as address:
        found = over_http(address, lambda client: client.call_tool("gallery_info", {}), TOKEN)
        assert about(found)["pictures"] == 10
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        known = {"Authorization": f"Bearer {TOKEN}", "Host": "photos.example.org"}
        accepted = {"Accept": "application/json, text/event-stream"}
        named = httpx2.post(address, json=body, headers=known | accepted)
        assert named.status_code not in (403, 421), named.text
        assert httpx2.post(address, json=body, headers=accepted).status_code == 401
