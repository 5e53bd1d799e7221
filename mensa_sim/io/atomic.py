"""Writing files whole or not at all: temporary names beside them, then renames."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mensa_sim.errors import MensaError, UsageError

SUFFIX = ".part"
"""How a temporary name ends; it begins with a dot."""


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file so that a reader sees the old content or the new one, never half."""
    write_all_atomically({path: content}, durable=durable)


def write_all_atomically(contents: Mapping[Path, str | bytes], *, durable: bool = True) -> None:
    """Write several files, all of them onto the disk before the first takes its name, in the order given.

    A disk that is full, a folder that cannot be written or an interrupt on the way leaves every file as it was; so does
    a power cut where the write is `durable`.
    """
    prepared: list[tuple[str, Path]] = []
    path = Path()
    try:
        for path, content in contents.items():
            if path.is_dir():
                raise MensaError(f"{path}: cannot be written: a folder has this name")
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent)
            prepared.append((temporary, path))
            _write(handle, content.encode() if isinstance(content, str) else content, durable=durable)
            os.chmod(temporary, 0o666 & ~_umask())
        for temporary, path in prepared:
            os.replace(temporary, path)
    except OSError as error:
        raise MensaError(f"{path}: cannot be written: {error.strerror}; what stood there is unchanged") from error
    finally:
        for temporary, _ in prepared:
            if os.path.exists(temporary):
                os.unlink(temporary)


def refuse_unwritable(folder: Path) -> None:
    """`UsageError` where no file can be written into a folder, which need not be there yet; leaves nothing behind.

    To be called before long work: a file in the way, a folder that only others may write, a name that none can have.
    """
    try:
        nearest = next((place for place in (folder, *folder.parents) if place.exists()), Path())
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}; choose another with --output") from error
    except ValueError as error:
        raise UsageError(f"{str(folder)!r} is not a path: {error}; choose another with --output") from error


def refuse_unwritable_file(path: Path) -> None:
    """`UsageError` where a file cannot be written: its folder cannot, or a folder has its name."""
    refuse_unwritable(path.parent)
    try:
        if path.is_dir():
            raise UsageError(f"{path}: a folder has this name; choose another")
        path.exists()
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}; choose another") from error
    if "\0" in str(path):
        raise UsageError(f"{str(path)!r} is not a path: it holds a null byte; choose another")


def is_temporary(name: str) -> bool:
    """Whether a file's name is one of ours while it is being written, or was left behind when that was killed."""
    return name.startswith(".") and name.endswith(SUFFIX)


def _write(handle: int, data: bytes, *, durable: bool) -> None:
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
