"""Where a workload's model comes from, read off its reference, and which importer reads it, by its file's suffix.

No file is opened here, and an importer's module is imported when its first file comes; a new format is a folder and a
line of `IMPORTERS`.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from mensa_sim.errors import UsageError
from mensa_sim.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileImporter:
    """A kind of model file."""

    title: str
    """What messages call such a file, with its article."""
    module: str
    """The module whose `import_model` reads it; imported when the first such file comes."""
    runs_code: bool = False
    """Whether reading it runs code that the file brings."""
    takes: tuple[str, ...] = ()
    """What a workload file may say beside the model: `inputs`, and the `value` of an input."""

    def load(self) -> Callable[..., tuple[Any, Iterable[Path]]]:
        """`import_model(workload, path)`: the layer graph, and the files of the modules that it imported."""
        found: Callable[..., tuple[Any, Iterable[Path]]] = importlib.import_module(self.module).import_model
        return found


IMPORTERS: Mapping[str, FileImporter] = {
    ".pt2": FileImporter(
        title="an exported program",
        module="mensa_sim.workload.importers.torch.model",
        runs_code=True,
        takes=("inputs",),
    ),
    ".onnx": FileImporter(
        title="an ONNX model", module="mensa_sim.workload.importers.onnx.importer", takes=("inputs", "value")
    ),
    ".tflite": FileImporter(title="a TFLite model", module="mensa_sim.workload.importers.tflite.importer"),
}

CALLABLES = FileImporter(
    title="a callable", module="mensa_sim.workload.importers.torch.model", takes=("inputs", "arguments")
)
"""How models that are Python callables are read."""

WORKLOAD_SUFFIXES = (".yaml", ".yml", *IMPORTERS)
"""Files that are workloads: one that names a model, or a model's own."""


SHIPPED_MODELS = "mensa_sim.workload.models"


class Source(StrEnum):
    """The kinds of model a workload file may name."""

    SHIPPED = "shipped"
    MODULE = "module"
    FILE = "file"
    MODEL_FILE = "model_file"
    CONFIG = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """A model's source, and where it lies: a dotted module or a path as the workload file writes it."""

    source: Source
    location: str
    callable_name: str = ""

    @property
    def runs_code(self) -> bool:
        """True where loading the model runs code that did not come with this program."""
        if self.source is Source.MODEL_FILE:
            return self.importer.runs_code
        return self.source not in (Source.SHIPPED, Source.CONFIG)

    @property
    def is_file(self) -> bool:
        """True where the location is a path, relative to the workload file."""
        return self.source in (Source.FILE, Source.MODEL_FILE, Source.CONFIG)

    @property
    def importer(self) -> FileImporter:
        """What reads the model."""
        return IMPORTERS[self.suffix] if self.source is Source.MODEL_FILE else CALLABLES

    @property
    def suffix(self) -> str:
        """The end of the file's name, which says its format."""
        return Path(self.location).suffix.lower()

    def path_beside(self, workload_path: Path) -> Path:
        """The file that the reference means, as seen from the workload file that names it."""
        return workload_path.parent / self.location


def parse_reference(text: str) -> ModelReference:
    """The meaning of a `model:` entry; a `ValueError` says which forms there are.

    >>> parse_reference("mensa_sim.workload.models.recurrent:StackedLSTM").source.value
    'shipped'
    >>> parse_reference("my_net.py:build").callable_name
    'build'
    """
    if text.lower().endswith(tuple(IMPORTERS)):
        return ModelReference(source=Source.MODEL_FILE, location=text)
    if text.lower().endswith(".json"):
        return ModelReference(source=Source.CONFIG, location=text)
    location, colon, name = text.rpartition(":")
    if colon and name.isidentifier():
        if location.endswith(".py"):
            return ModelReference(source=Source.FILE, location=location, callable_name=name)
        if location and all(part.isidentifier() for part in location.split(".")):
            shipped = location.startswith(f"{SHIPPED_MODELS}.")
            source = Source.SHIPPED if shipped else Source.MODULE
            return ModelReference(source=source, location=location, callable_name=name)
    raise ValueError(
        f"model {text!r} is none of package.module:callable, file.py:callable, a config.json and a "
        f"{', '.join(IMPORTERS)} file"
    )


def require_permission(reference: ModelReference, path: Path, *, allow_code: bool) -> None:
    """Refuses a model whose loading runs foreign code unless the user allowed it."""
    if reference.runs_code and not allow_code:
        what = f"{reference.location}:{reference.callable_name}".rstrip(":")
        raise UsageError(
            f"{path}: model: {what} can run code of its own; if you trust it, allow that with --allow-code"
        )
