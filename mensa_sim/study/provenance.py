"""What a result was made from: versions, and a hash of every input file, without dates or absolute paths."""

import hashlib
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import mensa_sim
from mensa_sim.shipped import shipped_root

PACKAGES = ("networkx", "numpy", "scipy", "simpy", "torch")


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of the libraries that results depend on."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "mensa-sim": mensa_sim.__version__,
        "python": python,
        **{name: metadata.version(name) for name in PACKAGES},
    }


def input_hashes(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file by its name: below the shipped root, below the working directory, or bare."""
    named = {portable_name(path): path for path in paths}
    return {name: hashlib.sha256(named[name].read_bytes()).hexdigest() for name in sorted(named)}


def portable_name(path: Path) -> str:
    """A file's path below the shipped root or the working directory, else its bare name: the same on every machine."""
    resolved = path.resolve()
    for root in (shipped_root(), Path.cwd()):
        if resolved.is_relative_to(root.resolve()):
            return resolved.relative_to(root.resolve()).as_posix()
    return resolved.name
