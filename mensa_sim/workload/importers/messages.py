"""What is wrong with a model's file, on one line however the file names its parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mensa_sim.errors import TraceError

_MOST = 200
"""Characters of a reason: with a path before it a line stays below 300 (a choice)."""


def about_file(file: Path, reason: BaseException | str) -> str:
    """A message that names a file.

    >>> about_file(Path("m.onnx"), "node a\\n  has no output")
    'm.onnx: node a has no output'
    """
    text = "".join(letter if letter.isprintable() else " " for letter in str(reason))
    text = " ".join(text.split())
    return f"{file}: {text if len(text) <= _MOST else text[: _MOST - 3] + '...'}"


def one_line(error: BaseException, most: int = 300) -> str:
    """What others' code says is wrong, on one short line.

    >>> one_line(ValueError("no\\n such axis"))
    'ValueError: no such axis'
    """
    text = " ".join(str(error).split())[:most]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def naming(file: Path, damage: tuple[type[Exception], ...]) -> Iterator[None]:
    """Within it a `TraceError` gets the file's name in front, and what damaged files raise becomes one."""
    try:
        yield
    except TraceError as error:
        raise TraceError(about_file(file, error)) from error
    except damage as error:
        raise TraceError(about_file(file, f"cannot be read: {one_line(error)}")) from error
