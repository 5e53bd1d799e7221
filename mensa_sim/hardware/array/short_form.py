"""The short form of an array's memory: registers in each PE, a buffer for parameters and one for activations.

    registers: {weight: {bytes: 1, shared_along: [OX, OY]}, output: {bytes: 4, shared_along: [C]}}
    buffers: {parameter: {capacity_bytes: 4194304, read_bits: 512, write_bits: 512, min_bits: 64}}

stands for the levels `weight_register`, `accumulator` and `parameter_buffer`. Files may say either, never both; whoever
reads them afterwards sees levels. Dotted names follow: `buffers.parameter.read_bits` is
`levels.parameter_buffer.read_bits`.
"""

from collections.abc import Mapping
from dataclasses import field

from mensa_sim.errors import FileError
from mensa_sim.hardware.accelerator import BUFFERS, BufferName
from mensa_sim.io.files import Raw, validate
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import OPERANDS, RELEVANT, Operand, split_dims

KEYS = ("registers", "buffers")
REGISTER_LEVELS: Mapping[Operand, str] = {
    "weight": "weight_register",
    "input": "input_register",
    "output": "accumulator",
}
BUFFER_LEVELS: Mapping[BufferName, str] = {"parameter": "parameter_buffer", "activation": "activation_buffer"}
SERVES: Mapping[BufferName, tuple[Operand, ...]] = {"parameter": ("weight",), "activation": ("input", "output")}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterFile:
    """The registers of one operand in a PE."""

    bytes: int
    shared_along: tuple[str, ...] = ()
    """Dims along which lanes share them."""

    def __post_init__(self) -> None:
        for dim in self.shared_along:
            split_dims(dim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """An SRAM: its capacity, the bits that its ports move each cycle, and the smallest access."""

    capacity_bytes: int
    read_bits: int
    write_bits: int
    min_bits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortForm:
    """What the short form may say."""

    registers: Mapping[Operand, RegisterFile] = field(default_factory=dict)
    buffers: Mapping[BufferName, Buffer] = field(default_factory=dict)


def with_levels(data: Raw, label: str) -> Raw:
    """An accelerator's plain data with levels in place of the short form; other data as it is.

    Raises `FileError` for data that has both, and for a sharing that no axis has alone.
    """
    short = {key: data[key] for key in KEYS if key in data}
    if not short:
        return data
    if "levels" in data:
        raise FileError(label, [f"levels: stands beside {' and '.join(short)}, its short form; write one of them"])
    form = validate(short, ShortForm, label)
    dataflow = data.get("dataflow")
    if not isinstance(dataflow, dict):
        return {key: value for key, value in data.items() if key not in KEYS} | {"levels": []}
    in_place = dataflow.get("refill_in_place", False)
    axes = _axes(data, dataflow)
    levels = [_register(name, form.registers[name], axes, label) for name in OPERANDS if name in form.registers]
    levels += [_buffer(name, form.buffers[name], in_place=in_place is True) for name in BUFFERS if name in form.buffers]
    rest = {key: value for key, value in data.items() if key not in KEYS}
    if isinstance(in_place, bool):
        rest["dataflow"] = {key: value for key, value in dataflow.items() if key != "refill_in_place"}
    return {**rest, "levels": levels}


def in_levels(parts: tuple[str, ...]) -> tuple[str, ...]:
    """A dotted name inside an accelerator, with a name of the short form as that of its level.

    >>> in_levels(("buffers", "parameter", "capacity_bytes")), in_levels(("registers", "output", "bytes"))
    (('levels', 'parameter_buffer', 'capacity_bytes'), ('levels', 'accumulator', 'capacity_bytes'))
    """
    match parts:
        case ("buffers", "parameter" | "activation" as name, *rest):
            return ("levels", BUFFER_LEVELS[name], *rest)
        case ("registers", "weight" | "input" | "output" as operand, *rest):
            return (
                "levels",
                REGISTER_LEVELS[operand],
                *("capacity_bytes" if part == "bytes" else part for part in rest),
            )
        case _:
            return parts


def _axes(data: Raw, dataflow: Raw) -> list[set[str]]:
    """The dims that each axis unrolls, the MACs of a PE as the last one; what is no axis unrolls nothing."""
    axes = [_members(axis.get("dims") if isinstance(axis, dict) else None) for axis in dataflow.get("axes") or ()]
    if data.get("macs_per_pe", 1) != 1:
        axes.append(_members(dataflow.get("pe_dims")) or set().union(*axes))
    return axes


def _members(dims: object) -> set[str]:
    texts = [entry for entry in dims if isinstance(entry, str)] if isinstance(dims, list) else []
    return {part.strip() for entry in texts for part in entry.split("*")}


def _register(operand: Operand, registers: RegisterFile, axes: list[set[str]], label: str) -> Raw:
    """Lanes share along the axes that unroll a dim they share along: all that the operand ignores there, or none."""
    shared = {member for entry in registers.shared_along for member in split_dims(entry)}
    along = [index for index, dims in enumerate(axes) if dims & shared]
    for index in along:
        others = sorted(axes[index] - RELEVANT[operand] - shared)
        if others:
            raise FileError(
                label,
                [
                    f"registers.{operand}.shared_along: axis {index} also unrolls {', '.join(others)}, along which "
                    f"the {operand} is not shared; levels cannot tell them apart: name both or neither"
                ],
            )
    sharing = "reduces_along" if operand == "output" else "multicasts_along"
    return {
        "name": REGISTER_LEVELS[operand],
        "serves": [operand],
        "capacity_bytes": registers.bytes,
        "per": list(range(len(axes))),
        **({sharing: along} if along else {}),
    }


def _buffer(name: BufferName, buffer: Buffer, *, in_place: bool) -> Raw:
    return {
        "name": BUFFER_LEVELS[name],
        "serves": list(SERVES[name]),
        "capacity_bytes": buffer.capacity_bytes,
        "read_bits": buffer.read_bits,
        "write_bits": buffer.write_bits,
        **({} if buffer.min_bits is None else {"min_bits": buffer.min_bits}),
        **({"double_buffered": False} if in_place else {}),
    }
