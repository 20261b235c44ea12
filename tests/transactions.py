"""Counts the transactions of an index, as SQLite runs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from samebut.index.local import LocalIndex


@contextmanager
def transactions_of(index: LocalIndex) -> Iterator[list[str]]:
    """Every ``BEGIN`` on the connection of ``index``, in a list that grows while the block runs."""
    begun: list[str] = []

    def trace(statement: str) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)

    connection = index._database._connection
    connection.set_trace_callback(trace)
    try:
        yield begun
    finally:
        connection.set_trace_callback(None)
