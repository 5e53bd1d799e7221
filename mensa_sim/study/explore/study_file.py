"""The study file: every finished design in SQLite, so that an exploration goes on where it was killed.

Each design is one transaction, on the disk before it counts as finished, so that neither a kill nor a power cut loses
it, with a digest: a row that was damaged since is as good as none, and its design is run again. One process at a time
holds a study; a log that a kill leaves beside it goes into it when it is opened next.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from mensa_sim.errors import UsageError
from mensa_sim.io.json_text import json_line
from mensa_sim.records import dataclass
from mensa_sim.study.explore.sampling import State
from mensa_sim.study.space.space import Point

_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE designs (
    number INTEGER PRIMARY KEY, point TEXT NOT NULL, parameters TEXT NOT NULL, state TEXT NOT NULL,
    workloads TEXT NOT NULL, scenarios TEXT NOT NULL, hardware TEXT NOT NULL, detail TEXT NOT NULL,
    mistaken INTEGER NOT NULL, digest TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignOutcome:
    """What became of one design; references have negative numbers."""

    number: int
    point: Point
    state: State
    workloads: tuple[Mapping[str, float], ...] = ()
    """Metrics of each workload, in the order of the space."""
    scenarios: tuple[Mapping[str, float], ...] = ()
    """Metrics of each scenario, likewise."""
    hardware: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""
    """The error of a failed design, the condition that excluded one, the number of the design that one repeats."""
    mistaken: bool = False
    """Whether that error is one of what the user wrote."""

    @property
    def was_run(self) -> bool:
        """Whether it counts as a trial."""
        return self.state in ("done", "failed")


class StudyFile:
    """An open study file."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self.known: dict[int, DesignOutcome] = {}
        """Every finished design by number."""

    def add(self, outcome: DesignOutcome, parameters: Mapping[str, Any]) -> None:
        """Keep a finished design; `UsageError` where the file cannot take it."""
        row = (
            outcome.number,
            json_line(outcome.point),
            json_line(parameters),
            outcome.state,
            json_line([dict(values) for values in outcome.workloads]),
            json_line([dict(values) for values in outcome.scenarios]),
            json_line(dict(outcome.hardware)),
            outcome.detail,
            int(outcome.mistaken),
        )
        try:
            with self._connection:
                self._connection.execute(
                    "INSERT INTO designs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, _digest(row))
                )
        except sqlite3.Error as error:
            raise UsageError(f"{self.path}: cannot be written: {error}") from error
        self.known[outcome.number] = outcome

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def open_study(path: Path, about: Mapping[str, str], *, resume: bool, fresh: bool) -> StudyFile:
    """The study in a file, new or, with `resume`, as it was; `fresh` replaces what is there.

    `about` says what the designs' numbers and metrics depend on; a study of anything else is refused. A study without
    any finished design is as good as none. `UsageError` for a file that cannot be written, is no study, is in use, or
    needs a decision.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not resume:
            if not fresh and not _is_barren(path):
                raise UsageError(
                    f"{path}: holds an exploration; add --resume to go on with it, or --force to start anew"
                )
            _held(path).close()
            path.unlink()
        connection = _held(path)
        try:
            return _opened(path, connection, about)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.OperationalError, OSError) as error:
        if "locked" in str(error):
            raise UsageError(f"{path}: another exploration is at work on it") from error
        raise UsageError(f"{path}: cannot be written: {error}; choose another folder with --output") from error
    except (sqlite3.DatabaseError, ValueError) as error:
        raise UsageError(f"{path}: is no study that can be used ({error}); choose another with --output") from error


def _is_barren(path: Path) -> bool:
    """Whether a file is a study in which no design was finished, as a cluster that did not answer leaves it."""
    connection = _held(path)
    try:
        return not connection.execute("SELECT count(*) FROM designs").fetchone()[0]
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()


def _opened(path: Path, connection: sqlite3.Connection, about: Mapping[str, str]) -> StudyFile:
    """The study behind a connection, made there if the file is new."""
    study = StudyFile(path, connection)
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        _create(connection, about)
    _compare(path, connection, about)
    study.known.update({outcome.number: outcome for outcome in _outcomes(connection)})
    return study


def _held(path: Path) -> sqlite3.Connection:
    """A connection that nobody else can have at the same time, the file's lock taken."""
    connection = sqlite3.connect(path, timeout=1)
    connection.text_factory = _text
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA synchronous = FULL")
        with connection:
            connection.execute("BEGIN EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _text(content: bytes) -> str:
    """A text of the file, also where damage has left it without an encoding."""
    return content.decode(errors="backslashreplace")


def _create(connection: sqlite3.Connection, about: Mapping[str, str]) -> None:
    with connection:
        for statement in filter(str.strip, _TABLES.split(";")):
            connection.execute(statement)
        connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())


def _compare(path: Path, connection: sqlite3.Connection, about: Mapping[str, str]) -> None:
    """Refuses a study whose designs would not be those of this exploration."""
    there = dict(connection.execute("SELECT name, value FROM about"))
    different = [name for name in about if there.get(name) != about[name]]
    if different:
        raise UsageError(
            f"{path}: belongs to another exploration (what differs: {', '.join(different)}); "
            "choose another folder with --output, or start anew with --force"
        )


def _outcomes(connection: sqlite3.Connection) -> list[DesignOutcome]:
    """The designs in the file; damaged ones leave it."""
    rows = connection.execute("SELECT * FROM designs ORDER BY number").fetchall()
    whole = [row for row in rows if _digest(row[:-1]) == row[-1]]
    damaged = {row[0] for row in rows} - {row[0] for row in whole}
    with connection:
        connection.executemany("DELETE FROM designs WHERE number = ?", [(number,) for number in damaged])
    return [
        DesignOutcome(
            number=number,
            point=tuple(json.loads(point)),
            state=state,
            workloads=tuple(json.loads(workloads)),
            scenarios=tuple(json.loads(scenarios)),
            hardware=json.loads(hardware),
            detail=detail,
            mistaken=bool(mistaken),
        )
        for number, point, _, state, workloads, scenarios, hardware, detail, mistaken, _ in whole
    ]


def _digest(row: Sequence[object]) -> str:
    """Of all that a row holds, of whatever type damage has made it."""
    return hashlib.sha256(repr(row).encode()).hexdigest()
