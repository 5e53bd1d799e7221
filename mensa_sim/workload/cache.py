"""The graph cache: a traced model's layer graph as JSON, found again while everything it came from is unchanged.

An entry's name is a digest of what is known before the model is built: the workload file, the model's own file, our
tracing code, Python and torch. Inside it stand the modules that building the model imported, each with the digest
it had; an entry whose modules have changed is not used. A damaged entry is as good as none, and a folder that cannot
be written costs time only.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from mensa_sim.errors import MensaError
from mensa_sim.io.atomic import write_atomically
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.graph_json import graph_from_data, graph_to_data

FORMAT = 1
_SOURCES = Path(__file__).resolve().parent
_DISTRIBUTIONS = ("torch", "onnx")


def cached_graph(
    inputs: Iterable[Path], where: Iterable[str], build: Callable[[], tuple[LayerGraph, Iterable[Path]]]
) -> LayerGraph:
    """The graph from the cache, or built (and then kept).

    `inputs` are the workload file and the model's file, `where` the names that decide which modules are imported;
    `build` gives the graph and every module it imported.
    """
    folder = cache_folder()
    if folder is None:
        return build()[0]
    entry = folder / f"{_digest(inputs, where)}.json"
    graph = _read(entry)
    if graph is not None:
        return graph
    graph, modules = build()
    _write(entry, graph, modules)
    return graph


def cache_folder() -> Path | None:
    """Where entries lie: `MENSA_SIM_CACHE`, else the platform's place for caches; none without a home."""
    chosen = os.environ.get("MENSA_SIM_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "mensa-sim"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "mensa-sim" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "mensa-sim"


def _digest(inputs: Iterable[Path], where: Iterable[str]) -> str:
    """A digest of all that is known before the model is built."""
    digest = hashlib.sha256()
    parts = [f"format {FORMAT}", f"python {sys.version_info[0]}.{sys.version_info[1]}"]
    parts += [f"{name} {_version(name)}" for name in _DISTRIBUTIONS]
    parts += [f"input {_file_digest(path)}" for path in inputs]
    parts += [f"where {name}" for name in where]
    for path in sorted(_SOURCES.rglob("*.py")):
        parts.append(f"{path.relative_to(_SOURCES).as_posix()} {_file_digest(path)}")
    for part in parts:
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


def _file_digest(path: Path) -> str | None:
    """The digest of a file's content; none where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _read(entry: Path) -> LayerGraph | None:
    """The graph of an entry that is whole and whose modules are as they were."""
    try:
        checksum, _, text = entry.read_text(encoding="utf-8").partition("\n")
        if checksum != _checksum(text):
            return None
        data = json.loads(text)
        if any(_file_digest(Path(path)) != digest for path, digest in data["modules"]):
            return None
        return graph_from_data(data["graph"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(entry: Path, graph: LayerGraph, modules: Iterable[Path]) -> None:
    digests = [[str(path), _file_digest(path)] for path in sorted(set(modules))]
    if any(digest is None for _, digest in digests):
        return
    data: dict[str, Any] = {"modules": digests, "graph": graph_to_data(graph)}
    text = json.dumps(data, separators=(",", ":"))
    try:
        write_atomically(entry, f"{_checksum(text)}\n{text}")
    except MensaError:
        return


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
