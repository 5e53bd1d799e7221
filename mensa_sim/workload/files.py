"""The workload file: a model to trace or a list of layers, and the widths of both."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from mensa_sim.io.faults import Fault
from mensa_sim.io.files import read_record
from mensa_sim.names import check_folder_name
from mensa_sim.ranges import within
from mensa_sim.records import dataclass
from mensa_sim.workload.generation.model import Generate
from mensa_sim.workload.generation.widths import ModelWidths, WeightGroup
from mensa_sim.workload.importers.layer_list.entries import MAX_MACS, MAX_STEPS, LayerEntry, reference_faults
from mensa_sim.workload.importers.reference import ModelReference, Source, parse_reference
from mensa_sim.workload.layer import MAX_BITS, WIDTHS
from mensa_sim.workload.own_mapping import OwnMapping

DataType = Literal["float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputEntry:
    """One input tensor of the model, by position or, with a `name`, by keyword.

    Its values never matter, unless a `value` is given: one number for every element, or nested lists of the shape.
    """

    shape: tuple[int, ...]
    """Its sizes."""
    dtype: DataType = "float32"
    """Its element type."""
    name: str | None = None
    """The keyword that the model takes it by; absent: by position."""
    value: Any = None
    """One number for every element, or nested lists of the shape; absent: whatever, as values never matter to costs."""

    def __post_init__(self) -> None:
        if any(size < 1 for size in self.shape):
            raise ValueError(f"shape {list(self.shape)} has a size below 1")
        if any(size > MAX_STEPS for size in self.shape):
            raise ValueError(f"shape {list(self.shape)} has a size above {MAX_STEPS}, more than can be counted exactly")
        if math.prod(self.shape) > MAX_MACS:
            raise ValueError(f"shape {list(self.shape)} has more than {MAX_MACS} elements, which cannot be counted")
        if self.value is not None and not _is_value(self.value, self.shape):
            raise ValueError(f"value is neither one number nor nested lists of shape {list(self.shape)}")


def _is_value(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether numbers fit a shape: one for all elements, or lists in lists as deep and as long as it says."""
    if isinstance(value, bool | int | float):
        return True
    return _fills(value, shape)


def _fills(value: Any, shape: tuple[int, ...]) -> bool:
    if not shape:
        return isinstance(value, bool | int | float)
    return isinstance(value, list) and len(value) == shape[0] and all(_fills(item, shape[1:]) for item in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFile:
    """What a workload file says: either `model` (with `arguments` and `inputs`) or `layers`."""

    name: str
    """Its name, which is also that of its folder of results."""
    model: str | None = None
    """`file.py:callable` beside this file, `package.module:callable`, a `.pt2`, `.onnx` or `.tflite` file, or the
    `config.json` of a model that generates."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the callable is called with, by name."""
    inputs: tuple[InputEntry, ...] = ()
    """The tensors that the model reads."""
    layers: tuple[LayerEntry, ...] = ()
    """The layers, in place of a model."""
    parameter_bits: int = 8
    """Of every parameter."""
    activation_bits: int = 8
    """Of every activation."""
    weight_bits: int | None = None
    """Of the weights of products, where it is not `parameter_bits`: in every layer that states no other than that."""
    input_bits: int | None = None
    """Of what the layers of a list read, where it has another width than `activation_bits`."""
    output_bits: int | None = None
    """Of what the layers of a list hand on, where it has another width than `activation_bits`."""
    accumulator_bits: int | None = None
    """Of partial sums, where they are not as wide as an accelerator's accumulators."""
    mappings: tuple[OwnMapping, ...] = ()
    """What is fixed of the mappings of some layers on some accelerators."""
    generate: Generate | None = None
    """Prompt and answer lengths of a model that generates; its model says the sizes of its phases."""
    weight_group: WeightGroup | None = None
    """Of a model that generates, as the next three: what scales of groups of weights add."""
    kv_bits: int | None = None
    """Of keys and values; none: `activation_bits`."""
    embedding_bits: int | None = None
    """Of the table of tokens; none: as the weights."""
    head_bits: int | None = None
    """Of the product that makes logits; none: as the weights, or as the table that it is tied to."""

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        within(1, MAX_BITS, self, *WIDTHS)
        without = [index for index, own in enumerate(self.mappings) if own.accelerator is None]
        if without:
            raise ValueError(f"mappings[{without[0]}].accelerator: is required: whose array it is a mapping for")
        if (self.model is None) == (not self.layers):
            raise ValueError("needs either model or layers, and not both")
        if self.generate is not None:
            self._check_generate()
            return
        widths = ("weight_group", "kv_bits", "embedding_bits", "head_bits")
        self._refuse(*widths, because="it is of workloads that generate")
        if self.model is None:
            self._refuse("arguments", "inputs", because="a list of layers takes none")
            return
        self._refuse("input_bits", "output_bits", because="what layers of a model hand on has activation_bits")
        reference = parse_reference(self.model)
        if reference.source is Source.CONFIG:
            raise ValueError("a configuration is of a model that generates: say how much in generate")
        importer = reference.importer
        refused = [name for name in ("arguments", "inputs") if name not in importer.takes]
        self._refuse(*refused, because=f"{importer.title} holds its own")
        if "value" not in importer.takes and any(entry.value is not None for entry in self.inputs):
            raise ValueError(f"inputs: {importer.title} takes no value")
        if reference.source is Source.MODEL_FILE:
            return
        if not self.inputs:
            raise ValueError("inputs is required: the shape of each tensor that the model reads")
        if len({entry.name is None for entry in self.inputs}) > 1:
            raise ValueError("inputs has some entries with a name and some without")

    def _check_generate(self) -> None:
        if self.model is None or parse_reference(self.model).source is Source.MODEL_FILE:
            raise ValueError("generate needs a model of phases, such as mensa_sim.workload.models.decoder:Decoder")
        if parse_reference(self.model).source is Source.CONFIG:
            self._refuse("arguments", because="a configuration holds its own")
        self._refuse("inputs", because="a model that generates knows those of its phases")
        self._refuse("mappings", because="layers of a model that generates have other sizes in each step")
        widths = ("input_bits", "output_bits", "accumulator_bits")
        self._refuse(*widths, because="weight_bits, activation_bits and kv_bits say how wide a model that generates is")
        _ = self.widths

    @property
    def widths(self) -> ModelWidths:
        """The widths of a workload that generates."""
        return ModelWidths(
            weight_bits=self.parameter_bits if self.weight_bits is None else self.weight_bits,
            activation_bits=self.activation_bits,
            kv_bits=self.activation_bits if self.kv_bits is None else self.kv_bits,
            embedding_bits=self.embedding_bits,
            head_bits=self.head_bits,
            weight_group=self.weight_group,
        )

    @property
    def bits(self) -> dict[str, int]:
        """The widths of what its model states no width of, by the names that a builder has for them."""
        return {"parameter_bits": self.parameter_bits, "activation_bits": self.activation_bits}

    def _refuse(self, *names: str, because: str) -> None:
        for name in names:
            if getattr(self, name):
                raise ValueError(f"{name} must be left out: {because}")

    @property
    def reference(self) -> ModelReference:
        """Where the model comes from; a `ValueError` where there is none."""
        return parse_reference(self.model or "")


def read_workload(path: Path) -> WorkloadFile:
    """A workload file, with every fault of it in one `FileError`."""
    return read_record(path, WorkloadFile, check=_reference_faults)


def _reference_faults(data: Any) -> Iterable[Fault]:
    layers = data.get("layers") if isinstance(data, Mapping) else None
    return reference_faults(layers) if isinstance(layers, list) else ()
