"""Chooses the engine of a store by its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from samebut.errors import StoreError
from samebut.index import Address
from samebut.index.local import StoreFile


def _postgres(url: str) -> Address:
    try:
        from samebut.index.postgres.index import address_of
    except ModuleNotFoundError as error:
        raise StoreError(
            f"a store on PostgreSQL needs the package {error.name}, which is not installed",
            hint="Install it: pip install 'samebut[postgres]'",
        ) from error
    return address_of(url)


ENGINES: Mapping[str, Callable[[str], Address]] = {
    "postgresql": _postgres,
    "postgres": _postgres,
}
"""Scheme of an address to the function that parses the whole address."""


def address_of(store: str | Path) -> Address:
    """The store at an address such as ``postgresql://...``, or in a file.

    Raises:
        StoreError: no engine is known for such an address.
    """
    scheme, sign, _ = str(store).partition("://")
    if not sign:
        return StoreFile(Path(store))
    if scheme not in ENGINES:
        raise StoreError(
            f"--store: {scheme}:// is not the address of a store",
            hint="Give a file, a folder, or an address such as postgresql://HOST/DATABASE.",
        )
    return ENGINES[scheme](str(store))
