"""What a conversion gives: files of ours, what they leave out of the other tool's, and what was chosen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mensa_sim.errors import FileError
from mensa_sim.io.files import validate, write_yaml
from mensa_sim.study.convert.foreign import ForeignFile
from mensa_sim.workload.build.operation import numbered
from mensa_sim.workload.files import WorkloadFile
from mensa_sim.workload.layer import OPERAND_WIDTHS
from mensa_sim.workload.load import graph_of_layers as graph_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """Files of ours made of another tool's."""

    folder: Path
    """Where the files belong."""
    files: Mapping[str, str]
    """Text by file name."""
    left_out: tuple[str, ...]
    """Fields without an equivalent here."""
    chosen: tuple[str, ...]
    """What the other tool's files do not state, and what stands in ours."""


def distinct(names: Iterable[str]) -> list[str]:
    """Names of layers, numbered where one is taken.

    >>> distinct(["conv", "fc", "conv"])
    ['conv', 'fc', 'conv_1']
    """
    found: list[str] = []
    for name in names:
        found.append(numbered(name, found))
    return found


def commented(text: str, comment: str) -> str:
    """A file's text below a comment."""
    return "".join(f"# {line}\n" for line in comment.splitlines()) + text


def workload_files(file: ForeignFile, name: str, entries: list[dict[str, Any]], source: str) -> dict[str, str]:
    """A workload file of these layers, checked; a width that all with a nest share stands above them.

    Raises `FileError` where what was converted is no workload of ours.
    """
    nests = [entry for entry in entries if "dims" in entry]
    shared = {
        width: nests[0][width]
        for width in OPERAND_WIDTHS
        if nests and width in nests[0] and len({entry.get(width) for entry in nests}) == 1
    }
    layers = [{key: value for key, value in entry.items() if key not in shared} for entry in entries]
    data = {"name": name, **shared, "layers": layers}
    try:
        graph_of(validate(data, WorkloadFile, file.path), file.path)
    except FileError as error:
        raise FileError(error.path, [f"as a workload of ours: {fault}" for fault in error.faults]) from error
    return {f"{name}.yaml": commented(write_yaml(data), source)}
