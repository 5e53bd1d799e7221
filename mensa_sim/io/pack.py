"""Many small entries in one file on disk, each found by its name without reading the others.

The file is a database of SQLite, so that any number of processes may read and add at once, and one that is killed
leaves it as it was. An entry carries a checksum over its name and content. Whatever is wrong with the file costs time
only: a damaged entry is as good as none, a damaged file is removed, so that the next to open it begins anew, and where
it cannot be read or written nothing is found and nothing kept.
"""

import hashlib
import json
import sqlite3
import threading
import weakref
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mensa_sim.io.json_text import json_line
from mensa_sim.units import MIB

LIMIT_BYTES = 512 * MIB
"""The size that a file keeps to: a choice."""

_PAGE_BYTES = 4096
_PATIENCE_S = 5.0
"""How long to wait for others to have written, each of which takes milliseconds: a choice."""
_CHECKSUM_BYTES = 8
_DAMAGED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
"""What SQLite says of a file that is not as it was written: the statements below have no faults of their own."""
_FAULTS = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What using a file can raise; the last where the words about the damage hold some of it."""

_COLUMNS = "age INTEGER PRIMARY KEY, name BLOB UNIQUE NOT NULL, content BLOB NOT NULL"
_TABLE = f"CREATE TABLE IF NOT EXISTS entries ({_COLUMNS})"
_FIND = "SELECT name, content FROM entries WHERE name IN"
_KEEP = "INSERT OR REPLACE INTO entries (name, content) VALUES (?, ?)"
_FORGET = "DELETE FROM entries WHERE age <= (SELECT min(age) + (max(age) - min(age)) / 8 FROM entries)"
"""The oldest eighth: a choice."""


class Pack:
    """Entries in one file of a limited size, in which the oldest make room for new ones."""

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path, self._limit_bytes = path, limit_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._readable = self._writable = True

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied, and sent to another process, it is the same file opened anew."""
        return type(self), (self._path, self._limit_bytes)

    def get(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        """The content of each of some entries that is there and whole."""
        with self._lock:
            if not self._readable:
                return {}
            try:
                some = ", ".join("?" * len(names))
                rows = self._opened().execute(f"{_FIND} ({some})", names).fetchall()
            except _FAULTS as error:
                self._readable = False
                self._remove_if_damaged(error)
                return {}
        found: dict[bytes, bytes] = {}
        for name, kept in rows:
            if isinstance(name, bytes) and isinstance(kept, bytes):
                content = kept[_CHECKSUM_BYTES:]
                if kept == _checked(name, content):
                    found[name] = content
        return found

    def put(self, entries: Mapping[bytes, bytes]) -> None:
        """Keep entries, all of them or none."""
        rows = [(name, _checked(name, content)) for name, content in entries.items()]
        with self._lock:
            if not rows or not self._writable:
                return
            try:
                self._insert(self._opened(), rows)
            except _FAULTS as error:
                self._writable = False
                self._remove_if_damaged(error)

    def get_data(self, name: bytes) -> Any:
        """The plain data of an entry that is there and whole, else none."""
        content = self.get([name]).get(name)
        return None if content is None else json.loads(zlib.decompress(content))

    def put_data(self, name: bytes, data: object) -> None:
        """Keep plain data, compressed; what holds a number that is not finite is not kept."""
        try:
            line = json_line(data)
        except ValueError:
            return
        self.put({name: zlib.compress(line.encode())})

    def _insert(self, connection: sqlite3.Connection, rows: list[tuple[bytes, bytes]]) -> None:
        try:
            with connection:
                connection.executemany(_KEEP, rows)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            with connection:
                connection.execute(_FORGET)
            with connection:
                connection.executemany(_KEEP, rows)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self._path, timeout=_PATIENCE_S, isolation_level="IMMEDIATE", check_same_thread=False
            )
            weakref.finalize(self, connection.close)
            connection.text_factory = bytes  # where text stands, the file is damaged
            connection.execute("PRAGMA synchronous = OFF")  # what a power cut damages is begun anew
            connection.execute(f"PRAGMA max_page_count = {self._limit_bytes // _PAGE_BYTES}")
            connection.execute(_TABLE)
            self._connection = connection
        return self._connection

    def _remove_if_damaged(self, error: Exception) -> None:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        if code in _DAMAGED or isinstance(error, UnicodeDecodeError):
            self._readable = self._writable = False
            self._path.unlink(missing_ok=True)


def _checked(name: bytes, content: bytes) -> bytes:
    """The content behind a checksum over it and its name."""
    return hashlib.blake2b(name + content, digest_size=_CHECKSUM_BYTES).digest() + content
