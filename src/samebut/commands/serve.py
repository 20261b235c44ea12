"""``serve``: the page and the API on a folder of pictures."""

from __future__ import annotations

import importlib.util
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samebut.commands.building import (
    PAGE_PORT,
    Exclude,
    FileColumn,
    ModelOption,
    NoFollow,
    Photos,
    Store,
    check_file_column,
    print_metadata,
    print_report,
    rules,
)
from samebut.commands.output import say
from samebut.commands.progress import progress_shown
from samebut.errors import QueryError

if TYPE_CHECKING:
    from samebut.gallery import Gallery
    from samebut.scan import ScanRules
    from samebut.serve.settings import Settings

HOST = "127.0.0.1"
SHORTEST_TOKEN = 12
_WATCH_SECONDS = 2.0
_NEEDED = ("fastapi", "uvicorn", "python_multipart")


def add_to(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(serve)


def serve(
    photos: Photos,
    store: Store = None,
    model: ModelOption = None,
    metadata: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE", help="A table about the pictures, taken up whenever it changes."
        ),
    ] = None,
    file_column: FileColumn = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = PAGE_PORT,
    token: Annotated[
        str | None,
        typer.Option(envvar="SAMEBUT_TOKEN", help="What clients must show.", show_default=False),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Let anybody in who reaches the address.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Take up what changes in the folder while serving.")
    ] = False,
    exclude: Exclude = None,
    no_follow: NoFollow = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name clients may call this server by; repeat it.")
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Believe a local proxy who the client is.")
    ] = False,
    max_upload_mb: Annotated[float, typer.Option(min=0.1, help="Largest request.")] = 20,
    max_megapixels: Annotated[float, typer.Option(min=0.1, help="Largest upload.")] = 40,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Model threads.", show_default="as many as cores")
    ] = None,
    queue: Annotated[int, typer.Option(min=0, help="Requests that may wait for one.")] = 32,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds a request may take.")] = 20,
    rate: Annotated[
        int, typer.Option(min=0, help="Searches a client may make a minute; 0: any number.")
    ] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Show it in a browser.")] = False,
) -> None:
    """Serve a page and an API to search a folder. With --watch it is indexed first, and kept so;
    with --metadata a table is, too."""
    check_installed()
    check_access(host, token, no_auth=no_auth)
    check_file_column(file_column, metadata)
    from samebut.serve.server import with_names
    from samebut.serve.settings import Settings

    settings = Settings(
        token=token,
        upload_bytes=round(max_upload_mb * 1e6),
        pixels=round(max_megapixels * 1e6),
        waiting=queue,
        seconds=timeout,
        per_minute=rate,
        watch_seconds=_WATCH_SECONDS if watch else 0,
        metadata=metadata,
        file_column=file_column,
    )
    if workers:
        settings = replace(settings, workers=workers)
    settings = with_names(settings, host, allow_host or [])
    left_out = rules(exclude, no_follow)
    with opened(photos, store, model, watch=watch, left_out=left_out) as gallery:
        if metadata is not None:
            print_metadata(gallery.describe(metadata, file_column))
        present(gallery, settings, host, port, behind_proxy=behind_proxy, open_page=open_page)


def check_installed() -> None:
    """Raises QueryError if the extra ``serve`` is not installed."""
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise QueryError(
            "the server is not installed", hint="Install it: pip install 'samebut[serve]'"
        )


def check_access(host: str, token: str | None, *, no_auth: bool) -> None:
    """Raises QueryError if others could reach ``host`` and nothing would stop them."""
    from samebut.serve.server import is_loopback

    if token is not None and len(token) < SHORTEST_TOKEN:
        raise QueryError(f"a token of {len(token)} characters can be guessed", hint=_suggestion())
    if token is None and not no_auth and not is_loopback(host):
        raise QueryError(
            f"{host} can be reached by others, who could see every picture of the folder",
            hint=f"{_suggestion()} To let anybody in: --no-auth",
        )


def _suggestion() -> str:
    return f"Give a token, such as --token {secrets.token_urlsafe(18)}"


def opened(
    photos: Path,
    store: str | Path | None,
    model: str | None,
    *,
    watch: bool,
    left_out: ScanRules | None = None,
) -> Gallery:
    """The gallery, brought up to date first if its folder will be watched.

    A worker has one thread for the model: requests at the same time share the cores better so.
    """
    from samebut.gallery import Gallery

    if watch:
        with progress_shown() as progress:
            gallery, report = Gallery.build(
                photos, store=store, model=model, rules=left_out, progress=progress
            )
        with gallery:
            print_report(gallery, report)
    return Gallery.open(photos, store=store, model=model, threads=1, rules=left_out)


def serve_demo(photos: Path, store: Path, port: int) -> None:
    """Serve an indexed folder to this machine alone."""
    check_installed()
    from samebut.serve.settings import Settings

    with opened(photos, store, None, watch=False) as gallery:
        present(gallery, Settings(), HOST, port)


def present(
    gallery: Gallery,
    settings: Settings,
    host: str,
    port: int,
    *,
    behind_proxy: bool = False,
    open_page: bool = False,
) -> None:
    """Serve ``gallery``; says on stdout where, and returns when it is told to stop."""
    from samebut.serve import server
    from samebut.serve.current import warm_up

    warm_up(gallery)  # what is wrong with a model is said before an address is given
    bound = server.listen(host, port)
    address = server.address_of(bound, host, settings.token)
    say(f"{len(gallery):,} pictures on {address}")
    say("Ctrl+C stops it.", err=True)
    if open_page:
        import webbrowser

        webbrowser.open(address)
    server.run(gallery, settings, bound, behind_proxy=behind_proxy)
