"""One store on disk for what took long to make: found again while everything it was made from is as it was.

An entry is a file whose name ends in a digest of what it was made from and whose first line is the checksum of the
rest. A damaged entry is as good as none, and a folder that cannot be written costs time only. Entries take their names
whole, so that any number of processes may share a folder.
"""

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import platformdirs

from mensa_sim.errors import MensaError
from mensa_sim.io.at_hand import text_at_hand
from mensa_sim.io.atomic import is_temporary, remove_unless_written, write_atomically
from mensa_sim.io.json_text import json_line
from mensa_sim.io.shipped import PACKAGE

STAGES = ("io", "workload", "hardware", "cost", "schedule", "simulate", "study")
"""From the top down, those that make entries: each imports only itself, those before it and the files of the root."""

SETTLED_NS = 2 * 10**9
"""Of a file's age: folders of old kinds keep times to two seconds."""

_SUFFIX = ".entry"
_KINDS = (".py", ".yaml", ".csv")
"""Of files in the package that decide what its code makes."""
_DATA = re.compile(rb'Path\(__file__\)\.with_name\("([\w.]+)"\)')
_IMPORT = re.compile(rb"^\s*(?:from|import)\s+(mensa_sim[\w.]*)", re.MULTILINE)


def cache_folder() -> Path | None:
    """Where entries outlive a command: `MENSA_SIM_CACHE`, else the platform's place for caches; none without a home."""
    chosen = os.environ.get("MENSA_SIM_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    folder = platformdirs.user_cache_path("mensa-sim", appauthor=False)
    return folder if folder.is_absolute() else None


def digest_of(
    *parts: object,
    files: Iterable[Path] = (),
    stage: str | None = None,
    module: str | None = None,
    libraries: Iterable[str] = (),
) -> str:
    """A digest of what an entry is made from.

    `parts` are values whose `repr` tells all of them, `files` count by their content, `stage` is the one whose code
    makes the entry (with it goes all code that it may import), `module` the one that does so with what it imports and
    none other of ours, `libraries` are distributions by their versions.
    """
    texts = [f"python {sys.version_info[0]}.{sys.version_info[1]}", *map(repr, parts)]
    texts += [f"file {file_digest(path)}" for path in files]
    texts += [f"library {name} {library_version(name)}" for name in libraries]
    if stage is not None:
        texts.append(f"code {_code_digest(PACKAGE, stage)}")
    if module is not None:
        texts.append(f"module {_module_digest(PACKAGE, module)}")
    return _sha256("\n".join(texts).encode())


def file_digest(path: Path) -> str | None:
    """The digest of a file's content; none where it cannot be read."""
    at_hand = text_at_hand(path)
    if at_hand is not None:
        return _sha256(at_hand.encode())
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


@cache
def library_version(distribution: str) -> str:
    """The version of an installed distribution, or `absent`."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


class Store:
    """Entries in one folder; without a folder nothing is kept and nothing found."""

    def __init__(self, folder: Path | None, *, durable: bool = True) -> None:
        """`durable` entries survive a power cut; others are written faster."""
        self._folder = folder
        self._durable = durable

    def get(self, name: str) -> bytes | None:
        """The content of an entry that is there and whole."""
        if self._folder is None:
            return None
        try:
            checksum, _, content = self._path(self._folder, name).read_bytes().partition(b"\n")
        except OSError:
            return None
        return content if checksum == _sha256(content).encode() else None

    def put(self, name: str, content: bytes) -> None:
        """Keep an entry, whole or not at all."""
        if self._folder is None:
            return
        try:
            whole = _sha256(content).encode() + b"\n" + content
            write_atomically(self._path(self._folder, name), whole, durable=self._durable)
        except MensaError:
            return

    def get_data(self, name: str) -> Any:
        """The plain data of an entry that is there and whole, else none."""
        content = self.get(name)
        try:
            return None if content is None else json.loads(content)
        except ValueError:
            return None

    def put_data(self, name: str, data: object) -> None:
        """Keep plain data, whole or not at all."""
        self.put(name, json_line(data).encode())

    def clear(self) -> None:
        """Forget all entries, also what a kill left half written, and the folder where nothing else lies in it."""
        if self._folder is None or not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if path.suffix == _SUFFIX:
                path.unlink(missing_ok=True)
            elif is_temporary(path.name):
                remove_unless_written(path)
        with suppress(OSError):  # something lies in it
            self._folder.rmdir()

    @staticmethod
    def _path(folder: Path, name: str) -> Path:
        return folder / f"{name}{_SUFFIX}"


@cache
def _code_digest(package: Path, stage: str) -> str:
    """A digest of the source of a stage and of all that it may import, the data beside modules included."""
    folders = [package / name for name in STAGES[: STAGES.index(stage) + 1]]
    files = [*package.glob("*.py"), *(file for each in folders for file in each.rglob("*") if file.suffix in _KINDS)]
    named = sorted((file.relative_to(package).as_posix(), file_digest(file)) for file in files)
    return _sha256(repr(named).encode())


@cache
def _module_digest(package: Path, module: str) -> str:
    """A digest of a module's sources, which are read anew when the size or time of one is another than before.

    That is how Python itself knows a compiled file for that of its source. While one of them is younger than
    `SETTLED_NS` nothing is kept: it may change again within one tick of its folder's clock, or as it is read.
    """
    began_ns = time.time_ns()
    store, entry = Store(cache_folder(), durable=False), f"module-{_sha256(repr((package, module)).encode())}"
    known = store.get_data(entry)
    if known and known["files"] == _sizes_and_times(known["files"]):
        return str(known["digest"])
    sources = sources_of(package, module)
    digests = sorted((name, *map(_sha256, files.values())) for name, files in sources.items())
    digest = _sha256(repr(digests).encode())
    files = _sizes_and_times(str(file) for each in sources.values() for file in each)
    if all(changed_ns < began_ns - SETTLED_NS for _, changed_ns in files.values()):
        store.put_data(entry, {"files": files, "digest": digest})
    return digest


def _sizes_and_times(files: Iterable[str]) -> dict[str, list[int]]:
    """The size and the time of change of those files that are there."""
    found: dict[str, list[int]] = {}
    for file in files:
        with suppress(OSError):
            status = os.stat(file)
            found[file] = [status.st_size, status.st_mtime_ns]
    return found


def sources_of(package: Path, module: str) -> dict[str, dict[Path, bytes]]:
    """By name, the source and data of a module and of all of ours that it imports, directly or not.

    Read from the statements alone: what a module imports by a text at run time is not among them.
    """
    left, sources = [module], dict[str, dict[Path, bytes]]()
    while left:
        name = left.pop()
        if name not in sources:
            path = package.parent / name.replace(".", "/")
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            source = file.read_bytes()
            data = [file.with_name(found.decode()) for found in _DATA.findall(source)]
            sources[name] = {file: source, **{each: each.read_bytes() for each in data}}
            left += [found.decode() for found in _IMPORT.findall(source)]
    return sources


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
