"""Finding a file by bare name or path: what ships lies beside the package, or inside it once installed."""

import logging
import multiprocessing
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mensa_sim.errors import FileError, MensaError
from mensa_sim.io.at_hand import Given, file_of, text_at_hand
from mensa_sim.lookup import lookup, unknown_name

LOGGER = logging.getLogger(__name__)

FOLDERS: Mapping[str, str] = {
    "workloads": "workloads",
    "scenarios": "workloads/scenarios",
    "systems": "accelerator_specs/systems",
    "accelerators": "accelerator_specs/accelerators",
    "technologies": "accelerator_specs/technology",
    "spaces": "accelerator_specs/spaces",
}
"""Each kind's folder under the shipped root."""

_SINGULAR = {kind: kind[:-1] for kind in FOLDERS} | {"technologies": "technology"}
PACKAGE = Path(__file__).resolve().parents[1]


def is_file(path: Path) -> bool:
    """Whether a file lies there; a name that no file can have (too long, a loop of links) is none.

    >>> is_file(Path("x" * 5000))
    False
    """
    try:
        return text_at_hand(path) is not None or path.is_file()
    except OSError:
        return False


def shipped_root() -> Path:
    """The folder that holds `accelerator_specs` and `workloads`."""
    inside = PACKAGE / "shipped_files"
    root = inside if inside.is_dir() else PACKAGE.parent
    if not any((root / folder).is_dir() for folder in ("accelerator_specs", "workloads")):
        raise MensaError(f"{root}: holds no accelerator_specs and no workloads; install mensa-sim again")
    return root


@cache
def _warn_of_a_checkout(root: Path, here: Path) -> None:
    """Says, once, that bare names are files of ours, where a checkout lies here whose files are others."""
    kinds = [folder for folder in ("workloads", "accelerator_specs") if (here / folder).is_dir()]
    if not kinds or root.samefile(here) or multiprocessing.parent_process() is not None:
        return
    theirs = sorted(path.relative_to(here) for folder in kinds for path in (here / folder).rglob("*.yaml"))
    others = [path.as_posix() for path in theirs if not _same(root / path, here / path)]
    if others:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        LOGGER.warning(
            "bare names are files in %s; the checkout here has another %s%s: give its path to read that, or install "
            "the checkout with pip install -e",
            root,
            others[0],
            more,
        )


def _same(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def shipped_files(kind: str) -> Mapping[str, Path]:
    """Every shipped file of a kind, by bare name in alphabetical order."""
    folder = shipped_root() / lookup(FOLDERS, kind, "kind of file")
    paths = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    return {name.removesuffix(".yaml"): paths[name] for name in sorted(paths) if name.endswith(".yaml")}


def find(kind: str, given: Given) -> Path:
    """The file that a user means: a bare name is a shipped file, a dict what a file would say, anything else a path.

    A path has a folder or a suffix in it (`./lstm`, `lstm.yaml`). Raises `UnknownNameError` for a bare name
    that does not ship and `FileError` for a path where no file lies.
    """
    files, name_or_path = shipped_files(kind), str(file_of(given))
    if name_or_path in files:
        _warn_of_a_checkout(shipped_root(), Path.cwd())
        return files[name_or_path]
    path = Path(name_or_path).expanduser()
    if not name_or_path or (path.name == name_or_path and not path.suffix):
        raise unknown_name(name_or_path, files, _SINGULAR[kind])
    try:
        exists = text_at_hand(path) is not None or path.exists()
    except OSError as error:
        raise FileError(name_or_path, [f"is not a path: {error.strerror}"]) from error
    if not exists:
        known = f"; the shipped {_SINGULAR[kind]} is called {path.stem}" if path.stem in files else ""
        raise FileError(name_or_path, [f"no such file{known}"])
    return path


MEASURED_FOLDER = "accelerator_specs/measured"
"""The folder of the tables of measured kernels, and of the fits to them."""


def beside(path: Path, named: str, kind: str) -> Path:
    """The file that another one names: a bare name is a shipped file of the kind, anything else relative to that file.

    A kind is `accelerators`, `technologies`, or `measured` for tables of kernels.
    """
    if Path(named).name == named and not Path(named).suffix:
        files = measured_files() if kind == "measured" else shipped_files(kind)
        if named in files:
            return files[named]
    return Path(os.path.normpath(path.parent / named))


def measured_files() -> Mapping[str, Path]:
    """Every shipped table of kernels and every fit, by bare name."""
    folder = shipped_root() / MEASURED_FOLDER
    return {path.stem: path for path in sorted(folder.glob("*.*")) if path.suffix in (".csv", ".yaml")}


_IN_FOLDERS = re.compile(r"\.\./(?:accelerators|technology|measured)/([\w.+-]+?)\.(?:yaml|csv)\b")


def to_copy(text: str) -> str:
    """A shipped file's text with bare names for the shipped files that it names, so that it says the same anywhere.

    >>> to_copy("technology: ../technology/cmos_22nm.yaml  # a choice")
    'technology: cmos_22nm  # a choice'
    """
    return _IN_FOLDERS.sub(r"\1", text)
