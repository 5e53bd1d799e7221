"""What workers of a pool do in tests: in a file of its own, for each of them reads it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def squaring() -> Callable[[int], int]:
    return lambda number: number * number


def killed_first(folder: Path) -> Callable[[int], int]:
    """Squares; each number is killed the first time it is tried."""

    def work(number: int) -> int:
        mark = folder / str(number)
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number

    return work


def deadly(number: int) -> Callable[[int], int]:
    """Squares; one number kills whoever tries it."""

    def work(given: int) -> int:
        if given == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return given * given

    return work


def refusing(error: Exception) -> Callable[[int], int]:
    """Squares even numbers, refuses odd ones."""

    def work(number: int) -> int:
        if number % 2:
            raise error
        return number * number

    return work


class LocalError(Exception):
    """Is made of two things and keeps one: no process can make it again of what another sends."""

    def __init__(self, what: str, where: int) -> None:
        super().__init__(what)


def far() -> Callable[[int], int]:
    """Raises what does not survive the way to another process."""

    def work(number: int) -> int:
        raise LocalError("far", number)

    return work


def identity() -> Callable[[object], tuple[int, object]]:
    return lambda given: (os.getpid(), given)


def sleeping() -> Callable[[int], int]:
    def work(number: int) -> int:
        time.sleep(3600)
        return number

    return work
