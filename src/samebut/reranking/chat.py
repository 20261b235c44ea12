"""A vision-language model behind an address that speaks the chat-completions protocol.

The pictures of the question and of the candidates go to that address, as JPEG data URIs (``POST
URL/chat/completions``, parts of type ``text`` and ``image_url``). Servers take few pictures at a
time, so a window of ten moves from the last candidates to the first, half of it at a time: the
sliding windows of Sun et al., "Is ChatGPT Good at Search?", EMNLP 2023, section 3.2.
"""

from __future__ import annotations

import base64
import io
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPException
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from samebut.errors import QueryError
from samebut.reranking.request import Ordered, RerankError, RerankRequest, Shown

WINDOW = 10
STEP = 5
LONGEST_ANSWER = 1_000_000  # bytes
ANSWER_TOKENS = 400
_BLOCK = 65_536  # bytes read between two checks of the timeout
_SHOWN = 200  # characters of a server's message that an error quotes
_ORDER = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")


@dataclass(frozen=True)
class ChatStage:
    """Asks ``model`` at ``url``, each request within ``timeout`` seconds. See `chat`."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout: float = 60.0

    def __call__(self, request: RerankRequest) -> Ordered:
        """Order all candidates. RerankError: the server can't be reached, exceeds the timeout,
        refuses, or its answer is not an order."""
        order = list(range(len(request.candidates)))
        counted: list[tuple[int, int] | None] = []
        for start in windows(len(order)):
            part = order[start : start + WINDOW]
            answer = self._ask(messages(request, part))
            counted.append(_tokens(answer))
            order[start : start + WINDOW] = [part[n] for n in read_order(answer, len(part))]
        known = [each for each in counted if each is not None]
        tokens = (sum(a for a, _ in known), sum(b for _, b in known)) if known else None
        return Ordered(tuple(order), len(counted), tokens)

    def _ask(self, said: Sequence[dict[str, Any]]) -> Any:
        body = {
            "model": self.model,
            "messages": list(said),
            "temperature": 0,
            "max_tokens": ANSWER_TOKENS,
        }
        headers = {"Content-Type": "application/json", "User-Agent": "samebut"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        address = f"{self.url.rstrip('/')}/chat/completions"
        sent = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")
        try:
            content = self._content(sent)
        except urllib.error.HTTPError as error:
            with error:
                raise RerankError(self._refusal(error)) from None
        except TimeoutError:
            raise RerankError(f"the server took longer than {self.timeout:g} s") from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise RerankError(f"the server took longer than {self.timeout:g} s") from None
            raise RerankError(f"no connection: {self._hidden(str(error.reason))}") from None
        except (OSError, ValueError, HTTPException) as error:
            raise RerankError(f"the connection failed: {type(error).__name__}") from None
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise RerankError("the server's answer is no JSON") from None

    def _content(self, sent: urllib.request.Request) -> bytes:
        ends = time.monotonic() + self.timeout
        # Redirects are not followed: the key would be sent to wherever they lead.
        opener = urllib.request.build_opener(_NoRedirect)
        content = bytearray()
        with opener.open(sent, timeout=self.timeout) as answer:
            while block := answer.read1(_BLOCK):
                content += block
                if time.monotonic() > ends:
                    raise TimeoutError
                if len(content) > LONGEST_ANSWER:
                    raise RerankError("the server's answer does not end")
        return bytes(content)

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        try:
            said = json.loads(error.read(_BLOCK))["error"]["message"]
        except (OSError, ValueError, KeyError, TypeError):
            said = error.reason
        return f"the server answers {error.code}: {self._hidden(str(said))[:_SHOWN]}"

    def _hidden(self, text: str) -> str:
        """A server's text without the key, in case the server repeats it."""
        return text.replace(self.key, "…") if self.key else text


def chat(url: str = "", model: str = "", key: str = "", timeout: float = 60.0) -> ChatStage:
    """The stage that asks ``model`` at ``url`` (as ``https://host/v1``). ``key`` is sent as a
    bearer token, and appears in no message.

    QueryError: an address or a model's name is missing, or the address is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise QueryError(
            "reranking needs the http address of a server, without a key in it",
            hint="Give --rerank-url http://HOST:PORT/v1, and the key in the variable "
            "SAMEBUT_RERANK_KEY.",
        )
    if not model:
        raise QueryError(
            "reranking needs the name of a model",
            hint="Give the name that the server uses: --rerank-model NAME.",
        )
    if not 0 < timeout < float("inf"):
        raise QueryError(
            f"the timeout of the reranking server is {timeout} seconds",
            hint="Give a number above 0: --rerank-timeout SECONDS.",
        )
    if not key.isascii() or not key.isprintable():
        raise QueryError(
            "the key of the reranking server holds characters that an HTTP header can't",
            hint="Set SAMEBUT_RERANK_KEY again: only printable ASCII characters are allowed.",
        )
    return ChatStage(url, model, key, timeout)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def windows(count: int) -> Iterator[int]:
    """The starts of windows over ``count`` candidates, the last window first."""
    start = max(0, count - WINDOW)
    while True:
        yield start
        if not start:
            return
        start = max(0, start - STEP)


def messages(request: RerankRequest, places: Sequence[int]) -> list[dict[str, Any]]:
    """The messages that ask for an order of the candidates at ``places``."""
    parts = [*_parts(request.turns, "Reference", "Wish")]
    parts += _parts(request.refused, "Not wanted", "Not wanted")
    for number, place in enumerate(places, start=1):
        parts += [_text(f"Candidate {number}:"), _image(request.candidates[place].picture)]
    parts.append(_text(f"Order candidates 1 to {len(places)}."))
    return [{"role": "system", "content": prompt()}, {"role": "user", "content": parts}]


@cache
def prompt() -> str:
    """The system prompt, from ``prompt.txt``."""
    return (files("samebut.reranking") / "prompt.txt").read_text(encoding="utf-8").strip()


def _parts(turns: Sequence[Shown], picture: str, text: str) -> Iterator[dict[str, Any]]:
    for turn in turns:
        if turn.picture is not None:
            yield _text(f"{picture}:")
            yield _image(turn.picture)
        if turn.text:
            yield _text(f"{text}: {turn.text}")


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _image(picture: Image.Image) -> dict[str, Any]:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    encoded = base64.b64encode(file.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{encoded}"}}


def read_order(answer: Any, count: int) -> list[int]:
    """The order in a server's answer, from 0; candidates that it leaves out come behind, as they
    were. RerankError: the model refused, or there is no order of candidates 1 to ``count``."""
    try:
        message = answer["choices"][0]["message"]
        refusal, said = message.get("refusal"), message.get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise RerankError("the server's answer holds no message") from None
    if refusal:
        raise RerankError("the model refuses to answer")
    for found in reversed(_ORDER.findall(said)) if isinstance(said, str) else ():
        numbers = _numbers(found)
        if numbers and all(1 <= n <= count for n in numbers) and len({*numbers}) == len(numbers):
            named = [n - 1 for n in numbers]
            return [*named, *(n for n in range(count) if n not in named)]
    raise RerankError("the model's answer holds no order of the candidates")


def _numbers(text: str) -> list[int]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    value = value.get("order") if isinstance(value, dict) else value
    if not isinstance(value, list) or not all(type(each) is int for each in value):
        return []
    return value


def _tokens(answer: Any) -> tuple[int, int] | None:
    usage = answer.get("usage") if isinstance(answer, dict) else None
    names = ("prompt_tokens", "completion_tokens")
    counts = [usage.get(name) if isinstance(usage, dict) else None for name in names]
    sent, answered = counts
    if type(sent) is int and type(answered) is int:
        return sent, answered
    return None
