"""The modules behind a user's model: where Python looks for them, and which files they were."""

import contextlib
import functools
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

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
    installed = tuple(f"{folder}{os.sep}" for folder in _installed_folders())
    own = {reference.location, reference.location.split(".")[0]} if reference.source is Source.MODULE else set()
    real_folder = functools.cache(os.path.realpath)
    found = []
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__dict__", {}).get("__file__")  # what only looks like a module may lack either
        if not isinstance(file, str) or name == "__main__":
            continue
        folder, last = os.path.split(file)
        path = os.path.join(real_folder(folder), last)
        path = os.path.realpath(path) if os.path.islink(path) else path
        if path.startswith(f"{PACKAGE}{os.sep}") or (name not in own and path.startswith(installed)):
            continue
        if is_file(Path(path)):
            found.append(Path(path))
    return found


def _installed_folders() -> list[Path]:
    scheme = sysconfig.get_paths()
    names = [scheme[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    names += [*site.getsitepackages(), site.getusersitepackages()]
    return [Path(name).resolve() for name in names]
