"""One process at a time on a file that is written little by little."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.io.atomic import locked
from mensa_sim.io.store import cache_folder


@contextmanager
def alone_on(path: Path) -> Iterator[None]:
    """Keeps other processes that ask for the same file out until the end of the block, also if this one is killed.

    The lock lies beside what is cached, as the file itself may be replaced; without a cache nobody is kept out.
    `UsageError` where another process is at work on the file.
    """
    folder = cache_folder()
    name = f"lock-{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()}"
    handle = None if folder is None else _held(folder / name, path)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _held(lock: Path, path: Path) -> int | None:
    """The handle of a lock that nobody else has, where there are locks; none where its file cannot be."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except OSError:
        return None
    if locked(handle) is False:
        os.close(handle)
        raise UsageError(f"{path}: another process is at work on it")
    return handle
