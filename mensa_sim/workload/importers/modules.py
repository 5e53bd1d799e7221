"""The modules behind a user's model: where Python looks for them, and which files they were."""

import contextlib
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from mensa_sim.io.shipped import PACKAGE, is_file
from mensa_sim.workload.importers.reference import ModelReference, Source


@contextlib.contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Lets modules that lie in a folder be imported inside the block; installed ones of the same name come first."""
    entry = str(folder.resolve())
    sys.path.append(entry)
    try:
        yield
    finally:
        at = len(sys.path) - 1 - sys.path[::-1].index(entry) if entry in sys.path else None
        if at is not None:
            del sys.path[at]


def places(reference: ModelReference, workload_path: Path) -> list[str]:
    """What decides, beside the files' content, which modules a reference leads to; nothing is imported."""
    folder = workload_path.parent
    if reference.source is Source.FILE:
        return [str(folder.resolve())]
    if reference.source is Source.MODULE:
        top = reference.location.split(".")[0]
        with importable(folder):
            try:
                spec = importlib.util.find_spec(top)
            except (ImportError, ValueError):
                spec = None
        return [str(folder.resolve()), str(spec.origin) if spec else ""]
    return []


def project_modules(reference: ModelReference) -> list[Path]:
    """The files of all modules loaded now that neither Python, an installed package nor this program brought.

    An installed package that holds the model itself stands for its version: its top module and the model's own.
    """
    installed = _installed_folders()
    own = {reference.location, reference.location.split(".")[0]} if reference.source is Source.MODULE else set()
    found = []
    for name, module in sorted(sys.modules.items()):
        path = _file_of(module)
        if path is None or name == "__main__" or path.is_relative_to(PACKAGE):
            continue
        if name in own or not any(path.is_relative_to(folder) for folder in installed):
            found.append(path)
    return found


def _file_of(module: ModuleType | None) -> Path | None:
    """The source file of a module; none for built-in ones and for what only looks like a module."""
    file = getattr(module, "__dict__", {}).get("__file__")
    if not isinstance(file, str):
        return None
    path = Path(file).resolve()
    return path if is_file(path) else None


def _installed_folders() -> list[Path]:
    scheme = sysconfig.get_paths()
    names = [scheme[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    names += [*site.getsitepackages(), site.getusersitepackages()]
    return [Path(name).resolve() for name in names]
