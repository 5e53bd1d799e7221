"""A dict in place of a file: it is read, checked and hashed as that file would be, and never written.

A name that nothing else has stands for it wherever a path may: `NAME.dict-DIGEST`, below the working directory, to
which the paths that it holds are relative. What it holds in place of other files' names is taken likewise.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from mensa_sim.errors import UsageError
from mensa_sim.io.json_text import json_line

Given = str | Path | Mapping[str, Any]
"""A file by bare name or path, or what it would say."""
T = TypeVar("T")

REFERENCE_KEYS = ("system", "technology")
"""Keys of a file that name another one."""
REFERENCE_LISTS = ("references", "scenarios", "workloads")
"""Keys of a file that list others."""
REFERENCES_INSIDE: Mapping[str, str] = {"accelerators": "spec", "streams": "workload"}
"""Keys of a file that list entries, and the key of an entry that names a file."""
DIGITS = 8
"""Of the digest in a name: a choice."""

_TEXTS: dict[str, str] = {}
"""Texts by name. A name says what its text is, so that no entry ever changes."""


def file_of(given: Mapping[str, Any] | T) -> Path | T:
    """The file that a dict stands for; anything else as it is. `UsageError` for what no file can hold.

    >>> file_of({"name": "tiny", "layers": []}).stem, file_of("lstm")
    ('tiny', 'lstm')
    """
    if not isinstance(given, Mapping):
        return given
    try:
        text = json_line(_with_files(given))  # which is YAML too
    except (TypeError, ValueError) as error:
        raise UsageError(f"a dict in place of a file: {error}; give plain data, as a file has it") from error
    name = re.sub(r"[^\w-]+", "_", str(given.get("name", "unnamed")), flags=re.ASCII)
    path = f"{name}.dict-{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}"
    _TEXTS[path] = text
    return Path(path)


def _with_files(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data, each dict in a file's place named."""
    found = dict(data)
    for key in REFERENCE_KEYS:
        if key in found:
            found[key] = _text_of(found[key])
    for key in REFERENCE_LISTS:
        if isinstance(found.get(key), list | tuple):
            found[key] = [_text_of(each) for each in found[key]]
    for key, name in REFERENCES_INSIDE.items():
        if isinstance(found.get(key), list | tuple):
            found[key] = [
                {**each, name: _text_of(each[name])} if isinstance(each, Mapping) and name in each else each
                for each in found[key]
            ]
    return found


def _text_of(given: Any) -> Any:
    return str(file_of(given)) if isinstance(given, Mapping) else given


def text_at_hand(path: Path) -> str | None:
    """What a file holds that is a dict; none for any other."""
    return _TEXTS.get(path.name)


def texts_at_hand() -> Mapping[str, str]:
    """All of them, for another process."""
    return dict(_TEXTS)


def take_texts(texts: Mapping[str, str]) -> None:
    """Those of another process."""
    _TEXTS.update(texts)
