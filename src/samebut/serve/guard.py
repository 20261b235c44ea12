"""Checks every request before the app sees it: access and body size; and sets the headers of every
answer.

Plain ASGI, because a body must be counted while it arrives, not afterwards. Nothing of a query's
pictures or words is logged: a line has the method, the path without its parameters, the status and
the time.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samebut.serve import sites
from samebut.serve.allowances import Allowances
from samebut.serve.place import place_of, under_root
from samebut.serve.problems import Problem, preferred_language
from samebut.serve.settings import Settings
from samebut.serve.sites import FRAMED, FRAMING, HEADERS
from samebut.serve.telemetry import Telemetry

API = "/api/v1"
COOKIE = "samebut"
KNOWN = "samebut.known"
"""Key in a request's scope: whether it presented the token, or none is required."""

_PLACE = "samebut.place"

# The page itself holds nothing of the gallery.
_OPEN = ("/", FRAMED, FRAMING, f"{API}/health", f"{API}/ready")
_OPEN_BELOW = "/static/"
_COUNTED = (f"{API}/search", f"{API}/look", f"{API}/explain", f"{API}/similar/")
_OTHER_SITES = frozenset({"cross-site", "same-site"})
_ALWAYS = frozenset({f"{API}/health", f"{API}/ready"})  # answered even under overload
_AT_ONCE = 200  # requests; each may hold a megabyte of an upload in memory
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_DRAINED = 4  # times the largest body: read and dropped, so that the sender gets the refusal
_BUSY = {"Retry-After": "1"}
_logger = logging.getLogger("samebut.serve")


class Guard:
    """Wraps an app; see the module."""

    def __init__(self, app: ASGIApp, settings: Settings, telemetry: Telemetry) -> None:
        self._app, self._settings, self._telemetry = app, settings, telemetry
        self._allowances = Allowances(settings.per_minute)
        self._under_way = 0
        self._steps: tuple[Callable[[HTTPConnection], Response | None], ...] = (
            self._check_host,
            self._check_site,
            self._leave,
            self._check_token,
            self._check_rate,
            self._welcome,
            self._whole_address,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        settings = self._settings
        scope = under_root(scope, settings.root_path)
        scope[_PLACE] = place_of(scope["path"], settings.root_path, several=settings.several)
        answer = _Answer(send, HTTPConnection(scope), settings)
        self._under_way += 1
        try:
            if self._under_way > _AT_ONCE and scope[_PLACE] not in _ALWAYS:
                await _refuse(Problem("busy", headers=_BUSY), scope, receive, answer.send)
            else:
                await self._answer(scope, receive, answer.send)
        except ClientDisconnect:
            _logger.info("%s: the client went away", _printable(scope["path"]))
        except asyncio.CancelledError:  # the server stops, and the grace period is over
            if not answer.status:
                await _refuse(Problem("busy", headers=_BUSY), scope, receive, answer.send)
        except OSError as error:
            _logger.error("%s: %s", _printable(scope["path"]), error)
            if answer.status:
                raise
            code = "disk_full" if error.errno in _NO_ROOM else "internal"
            await _refuse(Problem(code), scope, receive, answer.send)
        except Exception:
            _logger.exception("%s failed", _printable(scope["path"]))
            if answer.status:  # begun: only an abort tells the client that it is incomplete
                raise
            await _refuse(Problem("internal"), scope, receive, answer.send)
        finally:
            self._under_way -= 1
            self._report(scope, answer.status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HTTPConnection(scope)
        try:
            for step in self._steps:
                if (answer := step(request)) is not None:
                    await answer(scope, receive, send)
                    return
        except Problem as problem:
            await _refuse(problem, scope, receive, send)
            return
        body = _Body(receive, self._settings)
        await self._app(scope, body.receive, send)

    def _check_host(self, request: HTTPConnection) -> None:
        allowed = self._settings.hosts
        if allowed is not None and host_name(request.headers.get("host", "")) not in allowed:
            raise Problem("host_unknown")

    def _check_site(self, request: HTTPConnection) -> None:
        """Other pages in the same browser may not make it search, or show what is in the gallery,
        unless they are of a site that was named.

        Browsers send ``Sec-Fetch-Site`` only to servers on the same machine and behind TLS.
        Elsewhere the token protects: browsers do not send its cookie with other sites' requests.
        """
        site = request.headers.get("sec-fetch-site", "")
        if site in _OTHER_SITES and _is_api(request) and not self._named(request):
            raise Problem("other_site")

    def _named(self, request: HTTPConnection) -> str | None:
        return sites.named(request, self._settings.origins)

    def _leave(self, request: HTTPConnection) -> Response | None:
        """Answer a preflight request, which browsers send without the token."""
        return sites.leave(request) if _is_api(request) and self._named(request) else None

    def _check_token(self, request: HTTPConnection) -> None:
        place, token = request.scope[_PLACE], self._settings.token
        request.scope[KNOWN] = token is None or self._shows_token(request, token)
        if not (request.scope[KNOWN] or place in _OPEN or place.startswith(_OPEN_BELOW)):
            raise Problem("token_needed", headers={"WWW-Authenticate": "Bearer"})

    def _shows_token(self, request: HTTPConnection, token: str) -> bool:
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _same(shown.strip(), token):
            return True
        return _same(request.cookies.get(COOKIE, ""), _pass(token)) or self._brings_token(request)

    def _brings_token(self, request: HTTPConnection) -> bool:
        token = self._settings.token
        shown = request.query_params.get("token", "")
        return token is not None and request.scope["method"] == "GET" and _same(shown, token)

    def _check_rate(self, request: HTTPConnection) -> None:
        if request.scope[_PLACE].startswith(_COUNTED):
            wait = self._allowances.wait(request.client.host if request.client else "")
            if wait > 0:
                raise Problem("too_many_requests", headers={"Retry-After": f"{wait:.0f}"})

    def _welcome(self, request: HTTPConnection) -> Response | None:
        """A request with the token in its address gets a cookie and is redirected to the address
        without the token."""
        token = self._settings.token
        if token is None or not self._brings_token(request):
            return None
        response = RedirectResponse(_address(request, request.scope["path"], without="token"), 303)
        response.set_cookie(
            COOKIE,
            _pass(token),
            path=f"{self._settings.root_path}/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    def _whole_address(self, request: HTTPConnection) -> Response | None:
        """Redirect ``/photos`` to ``/photos/``: else the page's relative addresses would not be
        found."""
        path = request.scope["path"]
        is_page = request.scope[_PLACE] == "/" and not path.endswith("/")
        return RedirectResponse(_address(request, f"{path}/"), 307) if is_page else None

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        self._telemetry.count("samebut_requests_total", route=route, status=str(status))
        self._telemetry.observe("samebut_request_seconds", seconds, route=route)
        path = _printable(scope["path"])
        _logger.info("%s %s %d %.0f ms", scope["method"], path, status, 1000 * seconds)


class _Body:
    """The body of a request, refused as soon as it is too large or too slow."""

    def __init__(self, receive: Receive, settings: Settings) -> None:
        self._receive, self._limit = receive, settings.upload_bytes
        self._seconds, self._deadline = settings.upload_seconds, 0.0
        self._bytes, self._complete = 0, False

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        message = await self._next()
        if self._bytes > self._limit:
            # Read on for a while: a sender that is cut off sees a reset connection and never the
            # refusal.
            while not self._complete and self._bytes <= _DRAINED * self._limit:
                await self._next()
            raise Problem("body_too_large", megabytes=f"{self._limit / 1e6:g}")
        return message

    async def _next(self) -> Message:
        loop = asyncio.get_running_loop()
        self._deadline = self._deadline or loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise Problem("upload_slow", headers={"Connection": "close"}) from None
        self._bytes += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        return message


class _Answer:
    """Adds the headers to an answer and remembers its status."""

    def __init__(self, send: Send, request: HTTPConnection, settings: Settings) -> None:
        self._send, self._settings = send, settings
        self._place, self._is_api = request.scope[_PLACE], _is_api(request)
        self._origin = sites.named(request, settings.origins)
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            sites.put_headers(
                headers,
                self._place,
                is_api=self._is_api,
                origin=self._origin,
                allowed=self._settings.origins,
            )
            headers.setdefault("Cache-Control", "no-store" if self._is_api else "no-cache")
        await self._send(message)


def refusal(problem: Problem) -> Response:
    """A refusal before any header was read: in English, with the headers of every answer."""
    answer = problem.response("en")
    answer.headers.update({**HEADERS, "Cache-Control": "no-store"})
    return answer


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    language = preferred_language(HTTPConnection(scope).headers.get("accept-language", ""))
    await problem.response(language)(scope, receive, send)


def _is_api(request: HTTPConnection) -> bool:
    place: str = request.scope[_PLACE]
    return place.startswith(API)


def _address(request: HTTPConnection, path: str, *, without: str = "") -> str:
    """``path`` with the query parameters of ``request``, except ``without``."""
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    rest = urlencode([pair for pair in query if pair[0] != without])
    path = "/" + quote(path.lstrip("/"))  # two slashes at the beginning would name another host
    return path + (f"?{rest}" if rest else "")


def host_name(host: str) -> str:
    """The name in a header ``Host``, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _same(shown: str, secret: str) -> bool:
    """Whether both are equal, in constant time: it must not reveal how much of a guess was
    right."""
    return hmac.compare_digest(shown.encode(errors="replace"), secret.encode(errors="replace"))


def _pass(token: str) -> str:
    """The cookie's value: an HMAC made with the token, so that the cookie does not reveal the
    token."""
    return hmac.new(token.encode(errors="replace"), b"samebut cookie", hashlib.sha256).hexdigest()


def _printable(path: str) -> str:
    return path.encode("unicode_escape").decode("ascii")
