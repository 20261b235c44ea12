"""``serve``: the page and the API on a folder of pictures."""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samebut.commands.building import (
    PAGE_PORT,
    STORE_HELP,
    Exclude,
    ModelOption,
    NoFollow,
    check_file_column,
    print_metadata,
    print_report,
    rules,
)
from samebut.commands.galleries import Wanted, wanted
from samebut.commands.output import say
from samebut.commands.progress import progress_shown
from samebut.errors import QueryError, SamebutError
from samebut.remote import Place

if TYPE_CHECKING:
    from fastapi import FastAPI

    from samebut.gallery import Gallery
    from samebut.runtime import Model
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
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTOS...",
            help="Name the folder of pictures, or an address such as s3://bucket/folder. "
            "Several become galleries of their own, named after their folders or as "
            "NAME=PHOTOS; --store, --metadata and --file-column are then given as "
            "NAME=VALUE.",
        ),
    ],
    store: Annotated[
        list[str] | None,
        typer.Option(metavar="STORE", help=STORE_HELP, show_default="PHOTOS/.samebut"),
    ] = None,
    model: ModelOption = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE",
            help="Read this table about the pictures, and again whenever it changes.",
        ),
    ] = None,
    file_column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Take the pictures' names from this column of the table.",
            show_default="file, image, ..., or one of file names",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Listen on this address; any but this machine's own needs --token or --no-auth.",
        ),
    ] = HOST,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="PORT", help="Listen on this port; 0 takes any free one."
        ),
    ] = PAGE_PORT,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="SAMEBUT_TOKEN",
            metavar="TOKEN",
            help="Require this token of every client. The environment variable is safer: other "
            "users of a machine can read the options of a process.",
            show_default=False,
        ),
    ] = None,
    no_auth: Annotated[
        bool,
        typer.Option(
            "--no-auth", help="Serve without a token on an address that others can reach."
        ),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Index the folder first, and keep the index up to date while serving."
        ),
    ] = False,
    exclude: Exclude = None,
    no_follow: NoFollow = False,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Compare every query with every picture; otherwise galleries of 300,000 "
            "pictures and more are searched approximately.",
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Answer requests that call the server by this host name; may be repeated.",
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Let pages of this site, such as https://shop.example, use the API and show "
            "the search box; may be repeated.",
        ),
    ] = None,
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Serve below this path, under which a proxy mounts the server, such as /photos.",
        ),
    ] = "",
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-proxy",
            help="Trust the X-Forwarded headers of a proxy on this machine: client address and"
            " scheme.",
        ),
    ] = False,
    max_upload_mb: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="MB", help="Refuse requests larger than this many megabytes."
        ),
    ] = 20,
    max_megapixels: Annotated[
        float,
        typer.Option(
            min=0.1,
            metavar="N",
            help="Refuse uploaded pictures of more than this many million pixels.",
        ),
    ] = 40,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Run the model in this many threads.",
            show_default="as many as cores",
        ),
    ] = None,
    queue: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Let this many requests wait for a free model thread; the next is answered 503.",
        ),
    ] = 32,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            metavar="SECONDS",
            help="End a request that takes longer than this many seconds.",
        ),
    ] = 20,
    rate: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Allow each client this many searches per minute; 0 allows any number.",
        ),
    ] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve a page and an API to search a folder of pictures, or several folders.

    The folder has to be indexed, by 'samebut index' or by --watch.
    """
    check_installed()
    check_access(host, token, no_auth=no_auth)
    galleries = wanted(photos, store or [], metadata or [], file_column or [])
    for each in galleries:
        check_file_column(each.file_column, each.metadata)
    from samebut.serve import place, sites
    from samebut.serve.server import with_names
    from samebut.serve.settings import Settings

    settings = Settings(
        token=token,
        origins=sites.origins(allow_origin or []),
        root_path=place.root_path(root_path),
        upload_bytes=round(max_upload_mb * 1e6),
        pixels=round(max_megapixels * 1e6),
        waiting=queue,
        seconds=timeout,
        per_minute=rate,
        watch_seconds=_WATCH_SECONDS if watch else 0,
    )
    if workers:
        settings = replace(settings, workers=workers)
    settings = with_names(settings, host, allow_host or [])
    at = Listening(host, port, behind_proxy=behind_proxy, open_page=open_page)
    open_one = partial(
        _opened, model=model, watch=watch, left_out=rules(exclude, no_follow), exact=exact
    )
    if len(galleries) == 1:
        with open_one(galleries[0]) as gallery:
            present(gallery, _settings_of(galleries[0], settings), at)
    else:
        _present_all(galleries, open_one, settings, at)


def _opened(
    each: Wanted, *, model: str | None, watch: bool, left_out: ScanRules | None, exact: bool
) -> Gallery:
    gallery = opened(each.photos, each.store, model, watch=watch, left_out=left_out)
    gallery.exact = exact
    try:
        if each.metadata is not None:
            print_metadata(gallery.describe(each.metadata, each.file_column))
    except BaseException:
        gallery.close()
        raise
    return gallery


def _settings_of(each: Wanted, settings: Settings) -> Settings:
    return replace(settings, metadata=each.metadata, file_column=each.file_column)


def check_installed() -> None:
    """Raises QueryError if the extra ``serve`` is not installed."""
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise QueryError(
            "the packages of the server are not installed",
            hint="Install them: pip install 'samebut[serve]'",
        )


def check_access(host: str, token: str | None, *, no_auth: bool) -> None:
    """Raises QueryError if others could reach ``host`` and nothing would stop them."""
    from samebut.serve.server import is_loopback

    if token is not None and len(token) < SHORTEST_TOKEN:
        raise QueryError(
            f"a token of {len(token)} characters is too short to be safe, "
            f"{SHORTEST_TOKEN} are needed",
            hint=_suggestion(),
        )
    if token is None and not no_auth and not is_loopback(host):
        raise QueryError(
            f"other machines can reach {host}, and could see every picture without a token",
            hint=f"{_suggestion()} (to allow access without a token: --no-auth)",
        )


def _suggestion() -> str:
    return f"Give a token, such as --token {secrets.token_urlsafe(18)}"


def opened(
    photos: Place,
    store: str | Path | None,
    model: str | None,
    *,
    watch: bool,
    left_out: ScanRules | None = None,
) -> Gallery:
    """The gallery, brought up to date first if its folder will be watched.

    Each worker runs the model on one thread, because concurrent requests then share the cores
    better.
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
        present(gallery, Settings(), Listening(HOST, port))


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a server listens, and whether that is shown in a browser."""

    host: str
    port: int
    behind_proxy: bool = False
    open_page: bool = False


def present(gallery: Gallery, settings: Settings, at: Listening) -> None:
    """Serve ``gallery`` and print its address; returns when the server is told to stop."""
    from samebut.serve.app import create_app
    from samebut.serve.current import warm_up

    warm_up(gallery)  # report errors of the model before the address is printed
    _run(create_app(gallery, settings), settings, at, {"/": f"{len(gallery):,} pictures"})


def _present_all(
    galleries: Sequence[Wanted],
    open_one: Callable[[Wanted], Gallery],
    settings: Settings,
    at: Listening,
) -> None:
    """Serve the galleries that can be opened, and report why the others can't.

    Raises the first error if none can be opened.
    """
    from samebut.serve.app import Member, create_site
    from samebut.serve.place import GALLERIES

    with ExitStack() as opened_ones:
        members: dict[str, Member] = {}
        models: dict[tuple[Path, str], Model] = {}
        said: dict[str, str] = {}
        for each in galleries:
            found = _opened_or_error(each, open_one, models)
            members[each.name] = Member(found, _settings_of(each, settings))
            if isinstance(found, SamebutError):
                say(f"{each.name} is not served: {found}. {found.hint}".strip(), err=True)
            else:
                opened_ones.enter_context(found)
                said[f"{GALLERIES}/{each.name}/"] = f"{each.name}: {len(found):,} pictures"
        if not said:
            raise next(e.gallery for e in members.values() if isinstance(e.gallery, SamebutError))
        _run(create_site(members, settings), settings, at, said)


def _opened_or_error(
    each: Wanted, open_one: Callable[[Wanted], Gallery], models: dict[tuple[Path, str], Model]
) -> Gallery | SamebutError:
    """The gallery, ready to search, or why it is not. Galleries of one model share it."""
    from samebut.serve.current import warm_up

    try:
        gallery = open_one(each)
    except SamebutError as error:
        return error
    try:
        model = gallery.model
        gallery.model = models.setdefault((model.folder.resolve(), model.fingerprint), model)
        warm_up(gallery)
    except SamebutError as error:
        gallery.close()
        return error
    return gallery


def _run(app: FastAPI, settings: Settings, at: Listening, said: Mapping[str, str]) -> None:
    """Print what is at each path of ``app``, then serve it."""
    from samebut.serve import server

    bound = server.listen(at.host, at.port)
    for path, what in said.items():
        address = server.address_of(
            bound, at.host, settings.token, path=f"{settings.root_path}{path}"
        )
        say(f"{what} on {address}")
    say("Ctrl+C stops it.", err=True)
    if at.open_page:
        import webbrowser

        whole = f"{settings.root_path}/"
        webbrowser.open(server.address_of(bound, at.host, settings.token, path=whole))
    server.run(app, settings, bound, behind_proxy=at.behind_proxy)
