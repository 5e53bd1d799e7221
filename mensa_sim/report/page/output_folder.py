"""The results folder: our own files are replaced, all or none; a foreign folder is refused."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.io.atomic import alone_in, is_temporary, refuse_unwritable, usual_temporary, write_all_atomically
from mensa_sim.io.json_text import picked
from mensa_sim.study.run.provenance import Provenance

MARKER = "summary.json"
"""The file by which we know a folder of ours again; it takes its name last."""


def provenance_summary(result: Provenance) -> dict[str, object]:
    """What a result was made from, for its summary.json."""
    return picked(result, "choices", "versions", "inputs")


def write_folder(
    folder: Path, files: Mapping[str, str | bytes], own: Collection[str] = (), *, force: bool = False
) -> None:
    """Write result files into a folder; whatever goes wrong on the way, what stood there is unharmed.

    A non-empty folder without a summary of ours belongs to somebody else and is refused unless forced; `own` names what
    a study under way keeps there. Of several that write into it at once each waits for the one before it.
    """
    refuse_foreign(folder, own, force=force)
    ordered = sorted(files, key=lambda name: (name == MARKER, name))
    with alone_in(folder):
        write_all_atomically({folder / name: files[name] for name in ordered})


def refuse_foreign(folder: Path, own: Collection[str] = (), *, force: bool = False) -> None:
    """`UsageError` where results may not go: where nothing can be written, or what is there is not ours.

    `own` names what a study under way keeps there; `force` allows any folder. To be called before long work, too.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: is not a folder; choose another with --output")
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() and not force else []
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; choose another with --output") from error
    refuse_unwritable(folder)
    foreign = [name for name in names if name not in own and not is_temporary(name)]
    marker = folder / MARKER
    if foreign and not _is_ours(marker) and not _is_ours(usual_temporary(marker)):  # a kill may come before its turn
        raise UsageError(
            f"{folder}: holds files that are not ours ({foreign[0]}); choose another with --output or add --force"
        )


def _is_ours(marker: Path) -> bool:
    """Every summary of ours has the versions it was made with; that of a validation, the constants it was made with."""
    try:
        summary = json.loads(marker.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(summary, dict):
        return False
    versions = summary.get("versions")
    return (isinstance(versions, dict) and "mensa-sim" in versions) or "constants" in summary
