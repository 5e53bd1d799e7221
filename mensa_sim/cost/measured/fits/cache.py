"""Fits to timing tables, kept beside traced graphs: a table's fit takes seconds, and only the table decides it.

An entry's name is a digest of the table's name and text, the element type, our fitting code and its libraries. A
damaged entry is as good as none, and a folder that cannot be written costs time only.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from mensa_sim.cost.measured.fits.fit import DeviceFit
from mensa_sim.errors import MensaError
from mensa_sim.io.atomic import write_atomically
from mensa_sim.io.files import validate
from mensa_sim.workload.cache import cache_folder

FORMAT = 1
_SOURCES = (
    "fit.py",
    "model.py",
    "../timings.py",
    "../table.py",
    "../file.py",
    "../../../workload/layer.py",
)
_DISTRIBUTIONS = ("numpy", "scipy")


def kept_fit(table: Path, dtype: str, fit: Callable[[], DeviceFit | None]) -> DeviceFit | None:
    """The fit of a table's file at an element type from the cache, or made now and then kept; none stays none."""
    folder = cache_folder()
    if folder is None:
        return fit()
    entry = folder / f"fit-{_digest(table, dtype)}.json"
    found = _read(entry)
    if found is None:
        made = fit()
        _write(entry, {"fit": None if made is None else dataclasses.asdict(made)})
        return made
    return None if found["fit"] is None else validate(found["fit"], DeviceFit, entry)


def _digest(table: Path, dtype: str) -> str:
    digest = hashlib.sha256(f"format {FORMAT} {dtype} {table.name}\n".encode())
    for name in _DISTRIBUTIONS:
        digest.update(f"{name} {metadata.version(name)}\n".encode())
    for path in (table, *(Path(__file__).parent / name for name in _SOURCES)):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _read(entry: Path) -> dict[str, Any] | None:
    """The content of an entry that is whole."""
    try:
        checksum, _, text = entry.read_text(encoding="utf-8").partition("\n")
        if checksum != _checksum(text):
            return None
        content: dict[str, Any] = json.loads(text)
    except (OSError, ValueError):
        return None
    return content


def _write(entry: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content)
    try:
        write_atomically(entry, f"{_checksum(text)}\n{text}")
    except MensaError:
        return


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
