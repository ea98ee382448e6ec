"""A SQLite file that is worked with in memory while its disk is full.

Only what was written since is lost then, and only if the process ends before there is
room again.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

RETRY_S = 30.0
"""A full disk is tried again after this long."""

FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""What SQLite says where nothing can be written."""


class Store:
    """The tables of one connection, in autocommit mode, or of a copy in memory.

    ``tables`` names the columns of each that make a row; ``on_full(full)`` is called
    when the disk turned out to be full, and when it is not any more.
    """

    def __init__(
        self,
        disk: sqlite3.Connection,
        tables: Mapping[str, Sequence[str]],
        *,
        on_full: Callable[[bool], None] = lambda _full: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._disk = disk
        self._tables = tables
        self._on_full = on_full
        self._clock = clock
        self._spare: sqlite3.Connection | None = None
        self._copied: dict[str, list[tuple[int]]] = {}
        """The rows of the file when it was copied: there may be others' by now."""
        self._again_at = 0.0

    @property
    def db(self) -> sqlite3.Connection:
        """What to read from."""
        return self._disk if self._spare is None else self._spare

    @property
    def full(self) -> bool:
        """Whether the disk is."""
        return self._spare is not None

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do ``work`` in one transaction and return what it returns.

        It is done a second time, in memory, where the disk is full: all that it
        changes elsewhere must bear that.
        """
        self.retry()
        if self._spare is None:
            try:
                return _atomically(self._disk, work)
            except sqlite3.OperationalError as error:
                if not _is_full(error):
                    raise
            self._leave()
        return _atomically(self.db, work)

    def retry(self) -> None:
        """Return to the disk if it is time to try, and there is room."""
        if self._spare is None or self._clock() < self._again_at:
            return
        spare = self._spare
        try:
            _atomically(self._disk, lambda disk: self._restore(spare, disk))
        except sqlite3.OperationalError as error:
            if not _is_full(error):
                raise
            self._again_at = self._clock() + RETRY_S
            return
        self._spare = None
        spare.close()
        self._on_full(self.full)

    def close(self) -> None:
        """Release the file, after a last attempt to write what is not there yet."""
        self._again_at = 0.0
        with suppress(sqlite3.OperationalError):
            self.retry()
        if self._spare is not None:
            self._spare.close()
        self._disk.close()

    def _leave(self) -> None:
        spare = sqlite3.connect(":memory:", isolation_level=None)
        self._disk.backup(spare)
        self._copied = {
            table: self._disk.execute(f"select rowid from {table}").fetchall()  # noqa: S608 - a name of the program's
            for table in self._tables
        }
        self._spare = spare
        self._again_at = self._clock() + RETRY_S
        self._on_full(self.full)

    def _restore(self, spare: sqlite3.Connection, disk: sqlite3.Connection) -> None:
        for table, columns in self._tables.items():
            names, marks = ",".join(columns), ",".join("?" * len(columns))
            rows = spare.execute(f"select {names} from {table} order by rowid")  # noqa: S608 - likewise
            disk.executemany(
                f"delete from {table} where rowid = ?",  # noqa: S608 - likewise
                self._copied[table],
            )
            disk.executemany(
                f"insert or replace into {table} ({names}) values ({marks})",  # noqa: S608 - likewise
                rows,
            )


def _atomically(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    db.execute("begin immediate")
    try:
        done = work(db)
        db.execute("commit")
    except BaseException:
        # Where the disk is full SQLite may have rolled back by itself.
        if db.in_transaction:
            db.execute("rollback")
        raise
    return done


def _is_full(error: sqlite3.OperationalError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in FULL
