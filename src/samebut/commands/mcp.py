"""``mcp``: a gallery as tools for assistants, by the Model Context Protocol."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Annotated

import typer

from samebut.commands.building import ModelOption, Photos, Store
from samebut.commands.output import say
from samebut.commands.serve import HOST, check_access, opened
from samebut.errors import QueryError
from samebut.remote import place

if TYPE_CHECKING:
    from samebut.gallery import Gallery
    from samebut.serve.settings import Settings

_NEEDED = ("mcp", "fastapi", "uvicorn")


def add_to(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(mcp)


def mcp(
    photos: Photos,
    store: Store = None,
    model: ModelOption = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Bring the index up to date with the folder before answering."
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="Answer over HTTP on this port instead; 0 takes any free one.",
            show_default="standard input and output",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Listen on this address, together with --port.")
    ] = HOST,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="SAMEBUT_TOKEN",
            metavar="TOKEN",
            help="Require clients to send this token as Authorization: Bearer, together with "
            "--port.",
            show_default=False,
        ),
    ] = None,
    max_upload_mb: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="MB", help="Refuse requests larger than this many megabytes."
        ),
    ] = 20,
    max_megapixels: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="N", help="Refuse pictures of more than this many million pixels."
        ),
    ] = 40,
) -> None:
    """Offer an indexed folder to an assistant, as tools of the Model Context Protocol (MCP)."""
    _check_installed()
    from samebut.serve import mcp as tools
    from samebut.serve.current import warm_up
    from samebut.serve.server import with_names
    from samebut.serve.settings import Settings

    settings = Settings(
        token=token, upload_bytes=round(max_upload_mb * 1e6), pixels=round(max_megapixels * 1e6)
    )
    if port is not None:
        check_access(host, token, no_auth=False)
        settings = with_names(settings, host, [])
    with opened(place(photos), store, model, watch=watch) as gallery:
        warm_up(gallery)
        if port is None:
            tools.run_on_stdio(gallery, settings)
        else:
            _serve(gallery, settings, host, port)


def _serve(gallery: Gallery, settings: Settings, host: str, port: int) -> None:
    from samebut.serve import mcp as tools
    from samebut.serve import server

    bound = server.listen(host, port)
    serving = tools.serving_of(gallery, settings)
    say(f"{len(gallery):,} pictures on {server.address_of(bound, host, path=tools.PATH)}")
    say("Ctrl+C stops it.", err=True)
    try:
        server.run(tools.http_app(serving), settings, bound)
    finally:
        serving.current.close()
        serving.resources.close()


def _check_installed() -> None:
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise QueryError(
            "the package for tools by MCP is not installed",
            hint="Install it: pip install 'samebut[mcp]'",
        )
