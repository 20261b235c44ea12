"""Pages of other sites: which of them may send requests, and may embed the search in a frame.

Only origins that were configured may. Their requests are never authenticated by the visitor's
cookie: where a token is required, the other page has to send it itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response

from samebut.errors import QueryError

FRAMED = "/embed"
"""The page without its head, to be shown in a frame."""

FRAMING = "/embed.js"
"""The script that puts such a frame into a page."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9.-]+|[0-9a-f:.]+")  # what is put into a header must end nothing in it
_REMEMBERED = "600"  # seconds a browser caches the preflight answer


def origins(said: Iterable[str]) -> frozenset[str]:
    """The origins as browsers write them: scheme, host and a port that is not the usual one.

    Raises QueryError for what is none: ``*``, a path, a name without a scheme.
    """
    return frozenset(_origin(each) for each in said)


def _origin(said: str) -> str:
    try:
        parts = urlsplit(said.strip())
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    rest = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or rest:
        raise QueryError(
            f"{said} is not the origin of a website",
            hint="Give scheme and host alone: --allow-origin https://shop.example",
        )
    host = f"[{host}]" if ":" in host else host
    shown = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def named(request: HTTPConnection, allowed: frozenset[str]) -> str | None:
    """The origin that a request comes from, if it is one of those ``allowed``."""
    origin = request.headers.get("origin")
    return origin if origin in allowed else None


def put_headers(
    headers: MutableHeaders,
    place: str,
    *,
    is_api: bool,
    origin: str | None,
    allowed: frozenset[str],
) -> None:
    """Put on an answer from ``place`` the headers that tell browsers what they may do with it;
    ``origin`` is an allowed one."""
    for name, value in HEADERS.items():
        headers[name] = value
    if not allowed:
        return
    if place == FRAMED:
        ancestors = f"frame-ancestors {' '.join(sorted(allowed))}"
        policy = HEADERS["Content-Security-Policy"]
        headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'none'", ancestors)
        del headers["X-Frame-Options"]  # it can only express "none" and "this site"
    if place == FRAMING:
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if is_api:
        headers.add_vary_header("Origin")
        if origin:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = "Retry-After"


def leave(request: HTTPConnection) -> Response | None:
    """The answer to a preflight request of an allowed origin's page."""
    if request.scope["method"] != "OPTIONS":
        return None
    if "access-control-request-method" not in request.headers:
        return None
    headers = {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Max-Age": _REMEMBERED,
    }
    return Response(status_code=204, headers=headers)
