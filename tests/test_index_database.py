"""One SQLite file: what it refuses and says, what it survives."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from samebut.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreMissing,
    StoreNewer,
)
from samebut.index import database as module
from samebut.index.database import Database, exclusive

OURS = 0x1234
NOISE = random.Random(7)
LADDER = {1: ("CREATE TABLE fact (id INTEGER PRIMARY KEY, word TEXT NOT NULL)",)}
TALLER = LADDER | {
    2: (
        "ALTER TABLE fact ADD COLUMN loud TEXT NOT NULL DEFAULT ''",
        "UPDATE fact SET loud = upper(word)",
    )
}


def create(path: Path, ladder: module.Ladder = LADDER) -> Database:
    return Database.create(path, OURS, ladder)


def open_(path: Path, ladder: module.Ladder = LADDER, *, writable: bool = False) -> Database:
    return Database.open(path, OURS, ladder, writable=writable)


def write(database: Database, *words: str) -> None:
    with database.writing() as connection:
        connection.executemany("INSERT INTO fact (word) VALUES (?)", [(word,) for word in words])


def read(database: Database) -> list[str]:
    with database.reading() as connection:
        return [word for (word,) in connection.execute("SELECT word FROM fact ORDER BY id")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good store with one word."""
    path = tmp_path / "deep" / "er" / "store #1 100%.sqlite"
    with closing(create(path)) as database:
        write(database, "kept")
    return path


def test_what_was_written_is_there_and_nothing_lies_about(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    for database in (open_(path), open_(path, writable=True), create(path)):
        with closing(database):
            assert read(database) == ["kept"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_reader_can_not_write(path: Path) -> None:
    with (
        closing(open_(path)) as database,
        pytest.raises(StoreError, match="can't be written to") as caught,
    ):
        write(database, "lost")
    assert str(path) in str(caught.value) and "--store" in caught.value.hint


def test_an_exception_undoes_the_whole_transaction(path: Path) -> None:
    with closing(open_(path, writable=True)) as database:
        with pytest.raises(KeyboardInterrupt), database.writing() as connection:
            connection.execute("INSERT INTO fact (word) VALUES ('half')")
            raise KeyboardInterrupt
        write(database, "after")
        assert read(database) == ["kept", "after"]


def test_missing(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    half_made = tmp_path / "half made"
    with closing(sqlite3.connect(half_made)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    for path in (tmp_path / "none", tmp_path / "no" / "folder", empty, half_made, empty / "below"):
        for writable in (False, True):
            with pytest.raises(StoreMissing, match="nothing is indexed") as caught:
                open_(path, writable=writable)
            assert str(path) in str(caught.value) and "samebut index" in caught.value.hint
    for path in (empty, half_made):
        with closing(create(path)) as database:
            write(database, "made")
            assert read(database) == ["made"]


def damaged_files(path: Path) -> Iterator[tuple[str, bytes]]:
    good = path.read_bytes()
    yield "this is not a store", b"GIF89a" + good[6:]
    yield "this is not a store", b"x"
    yield "is cut short at 8,192 bytes", good[:8192]
    yield "is cut short at 50 bytes", good[:50]
    yield "is cut short", good[:-1]
    yield "is damaged", good[:8192] + NOISE.randbytes(8192) + good[16384:]
    yield "is damaged", good[:100] + bytes(2000) + good[2100:]
    foreign = path.with_name("foreign")
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE song (id)")
    yield "belongs to another program", foreign.read_bytes()


def test_damage_is_named_and_nothing_is_touched(path: Path, tmp_path: Path) -> None:
    for number, (words, content) in enumerate(damaged_files(path)):
        bad = tmp_path / f"bad {number}"
        bad.write_bytes(content)
        for attempt in (create, open_, lambda p: open_(p, writable=True)):
            with pytest.raises(StoreDamaged, match=words) as caught:
                attempt(bad)
            assert str(bad) in str(caught.value)
            assert "away and index again" in caught.value.hint
        assert bad.read_bytes() == content


def test_pages_are_counted_in_four_bytes(path: Path) -> None:
    """The largest stores have more pages than three bytes can say."""
    with path.open("r+b") as file:
        file.seek(28)
        file.write(b"\x01")
    with pytest.raises(StoreDamaged, match="cut short at"):
        open_(path)


def test_the_largest_pages_are_written_as_one(path: Path) -> None:
    """SQLite writes 65,536 as 1; such a file is whole, and noticed when it is not."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("journal_mode = DELETE", "page_size = 65536"):
            connection.execute(f"PRAGMA {statement}")
        connection.execute("VACUUM")
    with closing(open_(path)) as database:
        assert read(database) == ["kept"]
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(StoreDamaged, match="cut short"):
        open_(path)


@pytest.mark.parametrize("writable", [False, True])
def test_a_store_that_is_refused_is_let_go_of(
    path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    create(path, TALLER).close()
    connections = []
    connect = module._connect

    def remembered(path: Path, mode: str, wait: float | None = None) -> sqlite3.Connection:
        connections.append(connect(path, mode, wait))
        return connections[-1]

    monkeypatch.setattr(module, "_connect", remembered)
    with pytest.raises(StoreNewer):
        open_(path, writable=writable)
    (connection,) = connections
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for attempt in (create, open_):
        with pytest.raises(StoreError, match="folder"):
            attempt(tmp_path / "folder")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="can't be made") as caught:
        create(tmp_path / "file" / "store")
    assert "--store" in caught.value.hint


def test_pages_lost_after_opening_are_reported_as_damage(path: Path) -> None:
    with closing(open_(path, writable=True)) as database:
        write(database, *("word " * 2000 for _ in range(600)))
    database = open_(path)
    with closing(database):
        path.write_bytes(path.read_bytes()[:16384] + NOISE.randbytes(path.stat().st_size - 16384))
        with pytest.raises(StoreDamaged, match="is damaged"):
            read(database)


def test_a_newer_store_is_refused_and_left_alone(path: Path) -> None:
    create(path, TALLER).close()
    before = path.read_bytes()
    for attempt in (create, open_):
        with pytest.raises(StoreNewer, match=r"schema version 2; this one knows up to 1"):
            attempt(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("writable", [False, True])
def test_an_older_store_climbs_the_ladder(path: Path, writable: bool) -> None:
    with (
        closing(open_(path, TALLER, writable=writable)) as database,
        database.reading() as connection,
    ):
        assert connection.execute("SELECT word, loud FROM fact").fetchall() == [("kept", "KEPT")]
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("PRAGMA application_id").fetchone() == (OURS,)
    with closing(create(path, TALLER)) as database:
        assert read(database) == ["kept"]


def test_a_rung_that_fails_leaves_the_store_as_it_was(path: Path) -> None:
    broken = LADDER | {2: ("UPDATE fact SET word = 'spoilt'", "ALTER TABLE nowhere RENAME TO x")}
    with pytest.raises(StoreDamaged, match="nowhere"):
        create(path, broken)
    with closing(open_(path)) as database:
        assert read(database) == ["kept"]


def test_making_one_store_from_many_threads(tmp_path: Path) -> None:
    path = tmp_path / "store"
    failures: list[BaseException] = []

    def make(word: str) -> None:
        try:
            with closing(create(path, TALLER)) as database, database.writing() as connection:
                connection.execute("INSERT INTO fact VALUES (NULL, ?, '')", (word,))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=make, args=(str(i),)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with closing(open_(path, TALLER)) as database:
        assert sorted(read(database)) == list("012345")


def test_the_switch_to_a_log_waits_for_another_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself does not wait there."""
    path = tmp_path / "store"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE soon (id INTEGER)")
    other.execute("DROP TABLE soon")
    other.execute("BEGIN IMMEDIATE")
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        other.execute("ROLLBACK")
        other.close()

    monkeypatch.setattr(module.time, "sleep", wait)
    with closing(module._connect(path, "rw", wait=0)) as connection:
        module._write_ahead(connection)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert len(waited) == 1


def test_a_full_disk_loses_nothing(path: Path) -> None:
    with closing(open_(path, writable=True)) as database:
        with database.reading() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(StoreError, match="the disk is full") as caught:
            write(database, *("x" * 1000 for _ in range(200)))
        assert "Free some space" in caught.value.hint
        assert read(database) == ["kept"]
        write(database, "still works")
    with closing(open_(path)) as database:
        assert read(database) == ["kept", "still works"]


def test_a_reader_sees_one_moment_while_another_writes(path: Path) -> None:
    with closing(open_(path)) as reader, closing(open_(path, writable=True)) as writer:
        with reader.reading() as connection:
            count = "SELECT count(*) FROM fact"
            assert connection.execute(count).fetchone() == (1,)
            write(writer, "new")
            assert connection.execute(count).fetchone() == (1,)
        assert read(reader) == ["kept", "new"]


def test_a_read_inside_another_is_of_the_same_moment(path: Path) -> None:
    with closing(open_(path)) as reader, closing(create(path)) as writer:
        with reader.reading():
            before = read(reader)
            write(writer, "new")
            assert read(reader) == before
        assert read(reader) == [*before, "new"]
        with pytest.raises(ZeroDivisionError), writer.writing() as connection:
            connection.execute("DELETE FROM fact")
            assert read(writer) == []
            raise ZeroDivisionError
        assert read(writer) == [*before, "new"]


def test_a_second_writer_waits_and_then_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WAIT_SECONDS", 0.05)
    with closing(open_(path, writable=True)) as one, closing(open_(path, writable=True)) as two:
        with one.writing(), pytest.raises(StoreBusy, match="another process is writing"):
            write(two, "too early")
        write(two, "later")
        assert read(one) == ["kept", "later"]


HOLD = """
import sys, time
from pathlib import Path
from samebut.errors import StoreBusy
from samebut.index.database import Database, exclusive
path = Path(sys.argv[1])
with exclusive(path.with_name("lock"), StoreBusy("busy")):
    database = Database.open(path, 0x1234, {1: ()}, writable=True)
    with database.writing() as connection:
        connection.execute("INSERT INTO fact (word) VALUES ('never acknowledged')")
        print("inside", flush=True)
        time.sleep(600)
"""


def test_a_killed_writer_leaves_neither_lock_nor_half_a_transaction(path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(path)]
    lock = path.with_name("lock")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "inside\n"
            with pytest.raises(StoreBusy, match="someone"), exclusive(lock, StoreBusy("someone")):
                pass
            with closing(open_(path)) as database:
                assert read(database) == ["kept"]
        finally:
            process.kill()
    with exclusive(lock, StoreBusy("someone")), closing(open_(path, writable=True)) as database:
        write(database, "after")
        assert read(database) == ["kept", "after"]


def test_the_lock_also_holds_within_a_process(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    busy = StoreBusy("someone")
    with exclusive(lock, busy), pytest.raises(StoreBusy), exclusive(lock, busy):
        pass
    with exclusive(lock, busy):
        pass


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """Make a folder read-only for this process; root has to become someone else for that."""
    root = os.geteuid() == 0
    folder.chmod(0o555)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A good store in a folder that every user may enter."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this platform has no permissions to take away")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with closing(create(folder / "store")) as database:
            write(database, "kept")
        yield folder / "store"


def test_a_read_only_folder_can_be_read(shared: Path) -> None:
    with unprivileged(shared.parent):
        with closing(open_(shared)) as database:
            assert read(database) == ["kept"]
        with pytest.raises(StoreError, match="can't be") as caught:
            open_(shared, writable=True)
        assert "--store" in caught.value.hint
        for attempt in (
            lambda: create(shared.parent / "new" / "store"),
            lambda: create(shared.parent / "new"),
            lambda: exclusive(shared.parent / "lock", StoreBusy("someone")).__enter__(),
            lambda: open_(shared, TALLER),
        ):
            with pytest.raises(StoreError) as caught:
                attempt()
            assert str(shared.parent) in str(caught.value) and "--store" in caught.value.hint


def test_a_reader_in_a_read_only_folder_notices_new_rows(shared: Path) -> None:
    with unprivileged(shared.parent):
        reader = open_(shared)
    with closing(reader):
        with closing(open_(shared, writable=True)) as writer:
            write(writer, "new")
        with unprivileged(shared.parent):
            assert read(reader) == ["kept", "new"]
        shared.unlink()
        with unprivileged(shared.parent), pytest.raises(StoreMissing):
            read(reader)


def test_rows_still_in_the_log_of_a_read_only_folder_are_not_passed_over(shared: Path) -> None:
    with closing(open_(shared, writable=True)) as database:
        write(database, "in the log")
        copies = {name: shared.with_name(name).read_bytes() for name in ("store", "store-wal")}
    for name, content in copies.items():
        shared.with_name(name).write_bytes(content)
        shared.with_name(name).chmod(0o444)
    with unprivileged(shared.parent):
        with pytest.raises(StoreError, match="its last rows are still in store-wal") as caught:
            open_(shared)
        assert "--store" in caught.value.hint
    with closing(open_(shared)) as database:
        assert read(database) == ["kept", "in the log"]


def test_an_unreadable_store(shared: Path) -> None:
    shared.chmod(0)
    with unprivileged(shared.parent), pytest.raises(StoreError, match="can't be read") as caught:
        open_(shared)
    assert str(shared) in str(caught.value)


def test_a_negative_version_is_refused_in_words(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = -3")
    for attempt in (create, open_, lambda p: open_(p, writable=True)):
        with pytest.raises(StoreDamaged, match="schema version is -3"):
            attempt(path)


@pytest.mark.parametrize("writable", [False, True])
def test_a_file_that_was_deleted_or_replaced_is_noticed(path: Path, writable: bool) -> None:
    other = path.with_name("other")
    with closing(create(other)) as made:
        write(made, "the other's")
    with closing(open_(path, writable=writable)) as database:
        assert read(database) == ["kept"]
        other.replace(path)
        assert read(database) == ["the other's"]
        assert database.times_opened == 2
        if writable:
            write(database, "more")
            assert read(database) == ["the other's", "more"]
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        with pytest.raises(StoreMissing):
            read(database)
        with closing(create(path)) as made:
            write(made, "anew")
        assert read(database) == ["anew"]


def test_a_birth_that_sqlite_undoes(path: Path, tmp_path: Path) -> None:
    """Killed while its first page was written: the journal beside it says that there was nothing
    before."""
    born = tmp_path / "born"
    script = f"""
import os, sqlite3
c = sqlite3.connect({str(born)!r}, isolation_level=None)
c.execute("PRAGMA cache_spill = 1"); c.execute("PRAGMA cache_size = 1")
c.execute("BEGIN"); c.execute("CREATE TABLE t (a)")
c.executemany("INSERT INTO t VALUES (?)", [("x" * 3000,)] * 200)
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    assert Path(f"{born}-journal").stat().st_size and born.stat().st_size
    with born.open("r+b") as file:
        file.truncate(70)
    with closing(create(born)) as database:
        write(database, "made")
        assert read(database) == ["made"]
