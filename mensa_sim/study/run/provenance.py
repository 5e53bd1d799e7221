"""What a result was made from: versions, and a hash of every input file, without dates or absolute paths."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

import mensa_sim
from mensa_sim.io.shipped import shipped_root
from mensa_sim.io.store import file_digest, library_version
from mensa_sim.records import dataclass

PACKAGES = ("networkx", "numpy", "scipy", "simpy", "torch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What every result says of how it was made."""

    versions: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each input file, by a name without absolute path."""
    choices: Mapping[str, object] = field(default_factory=dict)
    """Every option that is not a default."""
    command: str = ""
    """What to type for the same result; empty where no command line says it."""


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of the libraries that results depend on."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"mensa-sim": mensa_sim.__version__, "python": python, **{name: library_version(name) for name in PACKAGES}}


def input_hashes(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file by its name: below the shipped root, below the working directory, or bare.

    Files that would have one name are told apart by as many of the folders above them as that takes.
    """
    files = sorted({path.resolve() for path in paths})
    together: dict[str, list[Path]] = {}
    for path in files:
        together.setdefault(portable_name(path), []).append(path)
    named: dict[str, Path] = {}
    for name, same in together.items():
        named |= {name: same[0]} if len(same) == 1 else _told_apart(same)
    digests = ((name, file_digest(named[name])) for name in sorted(named))
    return {name: digest for name, digest in digests if digest is not None}


def _told_apart(paths: Sequence[Path]) -> dict[str, Path]:
    """Different files by the shortest ends of their paths that differ; one below a known root keeps its name."""
    known = {portable_name(path): path for path in paths if not _is_bare(path)}
    others = [path for path in paths if path not in known.values()]
    for length in range(2, max(len(path.parts) for path in paths) + 1):
        found = {Path(*path.parts[-length:]).as_posix().lstrip("/"): path for path in others}
        if len(found) == len(others) and not found.keys() & known.keys():
            break
    return known | found


def _is_bare(path: Path) -> bool:
    return not any(path.is_relative_to(root.resolve()) for root in (shipped_root(), Path.cwd()))


def portable_name(path: Path) -> str:
    """A file's path below the shipped root or the working directory, else its bare name: the same on every machine."""
    resolved = path.resolve()
    for root in (shipped_root(), Path.cwd()):
        if resolved.is_relative_to(root.resolve()):
            return resolved.relative_to(root.resolve()).as_posix()
    return resolved.name
