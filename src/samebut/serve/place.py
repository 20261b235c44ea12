"""Resolves a request's path: the path the server is mounted at, the gallery, the address within it.

A proxy may strip the path that it mounts the server at, or leave it: paths are normalised first, so
that the guard and the routes see the same address.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.types import Scope

from samebut.errors import QueryError

GALLERIES = "/g"
"""Where the galleries are if there are several: ``/g/NAME/``, and the API at ``/g/NAME/api/v1``."""

_ROOT = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_OWN = ("api", "embed", "embed.js", "g", "openapi.json", "static")
_IN_GALLERY = re.compile(rf"{GALLERIES}/[^/]+(?P<path>/.*)?", re.DOTALL)


def gallery_path(name: str) -> str:
    """The address of one gallery of several, below the server's root."""
    return f"{GALLERIES}/{quote(name)}"


def root_path(said: str) -> str:
    """``said`` as the path that a server is mounted at: "/photos", or "" for none.

    Raises QueryError for what is no plain path, or could be an address of samebut's own.
    """
    root = "/" + said.strip("/") if said.strip("/") else ""
    if not _ROOT.fullmatch(root):
        raise QueryError(
            f"{said} is not a path that the server can be mounted below",
            hint="Give a path of letters, digits, '-', '_' and '.', such as --root-path /photos.",
        )
    if root.split("/")[1:2] and root.split("/")[1] in _OWN:
        raise QueryError(
            f"{said} begins like an address of samebut itself",
            hint=f"Give a path that does not begin with {', '.join(_OWN)}.",
        )
    return root


def under_root(scope: Scope, root: str) -> Scope:
    """``scope`` with a path that begins with ``root``, whether a proxy took it off or not."""
    path: str = scope["path"]
    if not root or path == root or path.startswith(f"{root}/"):
        return {**scope, "root_path": root}
    raw = root.encode() + (scope.get("raw_path") or path.encode())
    return {**scope, "root_path": root, "path": root + path, "raw_path": raw}


def place_of(path: str, root: str, *, several: bool) -> str:
    """What a ``path`` below ``root`` means in its gallery: "/", "/api/v1/search", ...

    With ``several`` galleries those of one are below ``/g/NAME``; what is not is the server's own.
    """
    within = path[len(root) :] or "/"
    found = _IN_GALLERY.fullmatch(within) if several else None
    return within if found is None else found["path"] or "/"
