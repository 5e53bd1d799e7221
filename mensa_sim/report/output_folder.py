"""The results folder: our own files are replaced one by one, a foreign folder is refused."""

from collections.abc import Collection, Mapping
from pathlib import Path

from mensa_sim.atomic_write import write_atomically
from mensa_sim.errors import UsageError

MARKER = "summary.json"


def refuse_foreign(folder: Path, own: Collection[str], *, force: bool = False) -> None:
    """`UsageError` where results may not go: a file, or a folder that holds other files and not our marker.

    `own` names what may lie there besides; `force` allows any folder.
    """
    try:
        exists = folder.exists()
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; choose another with --output") from error
    if exists and not folder.is_dir():
        raise UsageError(f"{folder}: is not a folder; choose another with --output")
    if folder.is_dir() and not force and not (folder / MARKER).exists():
        foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in own)
        if foreign:
            raise UsageError(
                f"{folder}: holds files that are not ours ({foreign[0]}); choose another with --output or add --force"
            )


def write_folder(folder: Path, files: Mapping[str, str | bytes], *, force: bool = False) -> None:
    """Write result files into a folder, the marker last, each whole or not at all.

    A non-empty folder without our marker belongs to somebody else and is refused unless forced.
    """
    refuse_foreign(folder, files, force=force)
    for name in sorted(files, key=lambda name: (name == MARKER, name)):
        write_atomically(folder / name, files[name])
