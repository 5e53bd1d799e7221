"""Which importer reads a model file, by the file's suffix: a new format is a folder and a line here."""

import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

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
