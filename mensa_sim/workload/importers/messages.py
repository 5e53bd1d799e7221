"""What is wrong with a model's file, on one line however the file names its parts."""

from pathlib import Path

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
