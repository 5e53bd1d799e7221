"""Writing files whole or not at all: temporary names beside them, then renames.

Who writes a temporary file has its lock, so what a kill left half written is told from what somebody is at work on: the
next to write that file goes on in it.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from mensa_sim.errors import MensaError, UsageError

SUFFIX = ".part"
"""How a temporary name ends; it begins with a dot."""

_NEW = 0o666
"""Mode of a new file, of which the umask takes: in a folder that several share all may take the locks."""
_KEPT_OPEN = os.name != "nt"
"""Whether a file that is open, as it is while it has a lock, can take another name."""


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file so that a reader sees the old content or the new one, never half."""
    write_all_atomically({path: content}, durable=durable)


def write_all_atomically(contents: Mapping[Path, str | bytes], *, durable: bool = True) -> None:
    """Write several files, all of them onto the disk before the first takes its name, in the order given.

    A disk that is full, a folder that cannot be written or an interrupt on the way leaves every file as it was; so does
    a power cut where the write is `durable`.
    """
    prepared: list[tuple[int, Path, Path]] = []
    path, named = Path(), 0
    try:
        for path, content in contents.items():
            if path.is_dir():
                raise MensaError(f"{path}: cannot be written: a folder has this name")
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = _temporary(path)
            prepared.append((handle, temporary, path))
            _write(handle, content.encode() if isinstance(content, str) else content, durable=durable)
            os.chmod(temporary, _NEW & ~_umask())
        for _, temporary, path in prepared:
            os.replace(temporary, path)
            named += 1
    except OSError as error:
        raise MensaError(f"{path}: cannot be written: {error.strerror}; what stood there is unchanged") from error
    finally:
        for _, temporary, _ in prepared[named:]:
            temporary.unlink(missing_ok=True)
        for handle, _, _ in prepared:
            if _KEPT_OPEN:
                os.close(handle)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Until the end of the block nobody else is within such a block for the folder, which is made if need be.

    The lock is that of a temporary file in it, for whoever started us may have the folder's own (`flock FOLDER ...`).
    Where a disk or a system has no locks, nobody waits.
    """
    with suppress(OSError):  # who writes a file tells what is wrong with the folder
        folder.mkdir(parents=True, exist_ok=True)
    lock = usual_temporary(folder / "alone")
    handle = _waited_for(lock)
    try:
        yield
    finally:
        if handle is not None:
            with suppress(OSError):
                lock.unlink()
            os.close(handle)


def usual_temporary(path: Path) -> Path:
    """The name of a file while it is written, unless another process is at it too."""
    return path.with_name(f".{path.name}{SUFFIX}")


def remove_unless_written(temporary: Path) -> None:
    """Remove what a kill left behind; what somebody is at work on stays."""
    taken = _taken(temporary)
    if taken is not None:
        temporary.unlink()
        os.close(taken)


def locked(handle: int) -> bool | None:
    """Whether an open file's lock is ours from now on, until it is closed; none where there are no locks."""
    if find_spec("fcntl") is None:  # not every system has them
        return None
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # nor has every disk
        return None
    return True


def refuse_unwritable(folder: str | Path | None) -> None:
    """`UsageError` where no file can be written into a folder, which need not be there yet; leaves nothing behind.

    To be called before long work: a file in the way, a folder that only others may write, a name that none can have.
    Where no folder is named, nothing will be written.
    """
    if folder is None:
        return
    try:
        folder = Path(folder)
        nearest = _nearest(folder)
        for name in folder.parts:
            (nearest / name).exists()  # an error where nothing there can have that name
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}; choose another with --output") from error
    except ValueError as error:
        raise UsageError(f"{str(folder)!r} is not a path: {error}; choose another with --output") from error


def refuse_unwritable_file(path: str | Path | None) -> None:
    """`UsageError` where a file cannot be written, if one is named: its folder cannot, or a folder has its name."""
    if path is None:
        return
    path = Path(path)
    refuse_unwritable(path.parent)
    try:
        if path.is_dir():
            raise UsageError(f"{path}: a folder has this name; choose another")
        (_nearest(path.parent) / usual_temporary(path).name).exists()
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}; choose another") from error
    if "\0" in str(path):
        raise UsageError(f"{str(path)!r} is not a path: it holds a null byte; choose another")


def _nearest(folder: Path) -> Path:
    """The first of a folder and those around it that is there."""
    return next((place for place in (folder, *folder.parents) if place.exists()), Path())


def is_temporary(name: str) -> bool:
    """Whether a file's name is one of ours while it is being written, or was left behind when that was killed."""
    return name.startswith(".") and name.endswith(SUFFIX)


def _temporary(path: Path) -> tuple[int, Path]:
    """An empty file to be written in place of another, and its handle, which has its lock.

    A name that is always the same leaves nothing for ever; a second process at the same file takes one of its own.
    """
    usual = usual_temporary(path)
    taken = _taken(usual, os.O_CREAT)
    if taken is not None:
        os.truncate(taken, 0)
        return taken, usual
    handle, own = tempfile.mkstemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent)
    locked(handle)
    return handle, Path(own)


def _taken(temporary: Path, flags: int = 0) -> int | None:
    """The handle of a file that nobody is at work on, which has its lock; where there are no locks it goes."""
    handle = None
    with suppress(OSError):
        handle = os.open(temporary, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | flags, _NEW)
        ours, it = locked(handle), os.fstat(handle)
        if ours is None:
            temporary.unlink()
        elif ours and it.st_nlink == 1 and os.path.samestat(it, temporary.stat()):  # else it has just got its name
            return handle
    if handle is not None:
        os.close(handle)
    return None


def _waited_for(lock: Path) -> int | None:
    """The handle of a file that nobody else has, once that is so; none where there are no locks."""
    if find_spec("fcntl") is None:
        return None
    import fcntl

    while True:
        try:
            handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, _NEW)
        except OSError:
            return None
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # else who had it before has removed it
            return handle
        os.close(handle)


def _write(handle: int, data: bytes, *, durable: bool) -> None:
    with os.fdopen(handle, "wb", closefd=not _KEPT_OPEN) as stream:
        stream.write(data)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
