"""A workload of ZigZag, a list of layers with their equations, as a layer list."""

import re
from collections.abc import Mapping
from dataclasses import field
from math import prod
from typing import Any

from mensa_sim.io.faults import Location
from mensa_sim.names import repeated
from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import ForeignFile, distinct, workload_files
from mensa_sim.study.convert.nest import ForeignNest, Sliding
from mensa_sim.study.convert.zigzag.mapping import OPERAND_OF
from mensa_sim.workload.dims import Operand

_PRODUCTS = ("Conv", "Conv_downsample", "Gemm")
POOLS = ("Pooling", "Pool", "MaxPool", "AveragePool", "GlobalAveragePool")
_PAIRS = ("Add", "Max")
_WIDTHS: Mapping[str, str] = {"W": "weight_bits", "I": "input_bits", "O": "accumulator_bits", "O_final": "output_bits"}
"""`O` is a partial sum."""
_HANDED_ON = ("input_bits", "output_bits")
"""Widths of a layer without a nest."""

_OPERAND = re.compile(r"(\w)((?:\[\w*\])+)")
_RELATION = re.compile(r"(\w+)\s*=\s*(?:(\d+)\s*\*\s*)?(\w+)\s*\+\s*(?:(\d+)\s*\*\s*)?(\w+)")
MAX_STRIDE_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigZagLayer:
    """One layer as the tool's workload says it."""

    id: int
    operator_type: str
    equation: str
    loop_dims: tuple[str, ...]
    loop_sizes: tuple[int, ...]
    operand_precision: Mapping[str, int]
    name: str | None = None
    dimension_relations: tuple[str, ...] = ()
    operand_source: Mapping[str, int] = field(default_factory=dict)
    pr_loop_dims: tuple[str, ...] | None = None
    pr_loop_sizes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        known = (*_PRODUCTS, *POOLS, *_PAIRS)
        if self.operator_type not in known:
            raise ValueError(
                f"operator_type {self.operator_type!r} has no equivalent; those that have: {', '.join(known)}"
            )
        if len(self.loop_dims) != len(self.loop_sizes):
            raise ValueError(f"loop_dims names {len(self.loop_dims)} dims and loop_sizes {len(self.loop_sizes)} sizes")
        twice = repeated(dim.upper() for dim in self.loop_dims)
        if twice:
            raise ValueError(f"loop_dims names {', '.join(twice)} twice")
        if min(self.loop_sizes, default=1) < 1:
            raise ValueError(f"loop_sizes {list(self.loop_sizes)} holds a size below 1")
        if len(self.pr_loop_dims or ()) != len(self.pr_loop_sizes or ()):
            raise ValueError("pr_loop_dims and pr_loop_sizes differ in length")

    @property
    def sizes(self) -> dict[str, int]:
        """Size by dim."""
        return {dim.upper(): size for dim, size in zip(self.loop_dims, self.loop_sizes, strict=True)}


def convert_workload(file: ForeignFile) -> dict[str, str]:
    """The layer list of a workload, by file name."""
    layers: dict[int, ZigZagLayer] = {}
    places: dict[int, Location] = {}
    for index, data in enumerate(file.data):
        layer = file.record(data, ZigZagLayer, (index,))
        if layer.id in layers:
            raise file.fault((index, "id"), f"{layer.id} is taken by another layer")
        layers[layer.id], places[layer.id] = layer, (index,)
    titles = distinct(layer.name or f"layer_{key}" for key, layer in layers.items())
    names = dict(zip(layers, titles, strict=True))
    entries = [_entry(file, layer, names, places[key]) for key, layer in layers.items()]
    return workload_files(file, file.path.stem, entries, f"Converted from {file.path.name}, a workload of ZigZag.")


def _entry(file: ForeignFile, layer: ZigZagLayer, names: Mapping[int, str], place: Location) -> dict[str, Any]:
    for key, source in layer.operand_source.items():
        if source not in names:
            raise file.fault((*place, "operand_source", key), f"no layer has the id {source}")
    sources = [source for key, source in layer.operand_source.items() if key in OPERAND_OF and source != layer.id]
    constant = layer.operand_source.get("W", layer.id) == layer.id
    widths = {ours: layer.operand_precision[k] for k, ours in _WIDTHS.items() if layer.operand_precision.get(k)}
    if layer.operator_type in _PRODUCTS:
        entry = _product(file, layer, place, constant=constant, first=not sources)
    else:
        entry = _elementwise(layer, names[layer.id])
        widths = {ours: bits for ours, bits in widths.items() if ours in _HANDED_ON}
        sources = (
            sources if layer.operator_type in _PAIRS else [s for s in sources if s == layer.operand_source.get("I")]
        )
    entry["name"] = names[layer.id]
    inputs = list(dict.fromkeys(names[source] for source in sources))
    return {**entry, **widths, **({"inputs": inputs} if inputs else {})}


def _product(file: ForeignFile, layer: ZigZagLayer, place: Location, *, constant: bool, first: bool) -> dict[str, Any]:
    nest = _nest(file, layer, place)
    try:
        entry = nest.entry("", constant_weights=constant)
    except ValueError as error:
        raise file.fault((*place, "equation"), str(error)) from error
    if entry["operator"] == "conv2d":
        given = {
            dim.upper(): size for dim, size in zip(layer.pr_loop_dims or (), layer.pr_loop_sizes or (), strict=True)
        }
        rows, columns = (
            given.get(dim, 1 if window is None else 0) for dim, window in (("IY", nest.rows), ("IX", nest.columns))
        )
        if given and rows and columns:
            entry["input_size"] = [rows, columns]
        elif first:
            entry["padding"] = "valid"
            file.notes.choose("an input whose size (pr_loop_sizes) is not given is as large as what its windows reach")
    return entry


def _nest(file: ForeignFile, layer: ZigZagLayer, place: Location) -> ForeignNest:
    """The nest that the equation says: `O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]`."""
    named: dict[Operand, list[str]] = {}
    for letter, dims in _OPERAND.findall(layer.equation):
        if letter not in OPERAND_OF:
            raise file.fault((*place, "equation"), f"has an operand {letter}; those of a product are O, W and I")
        named[OPERAND_OF[letter]] = [dim.upper() for dim in re.findall(r"\[(\w+)\]", dims)]
    if set(named) != set(OPERAND_OF.values()):
        raise file.fault((*place, "equation"), f"{layer.equation!r} does not name O, W and I")
    windows: dict[str, Sliding] = {}
    for index, text in enumerate(layer.dimension_relations):
        found = _RELATION.fullmatch(text.strip())
        if found is None or max(len(part or "") for part in found.group(2, 4)) > MAX_STRIDE_DIGITS:
            raise file.fault((*place, "dimension_relations", index), f"{text!r} is not written as ix=2*ox+1*fx")
        rows, *terms = found.groups()
        if rows.upper() in windows:
            raise file.fault((*place, "dimension_relations", index), f"says what {rows} is a second time")
        pairs = [(dim.upper(), int(coefficient or 1)) for coefficient, dim in (terms[:2], terms[2:])]
        try:
            windows[rows.upper()] = Sliding.of(pairs, named["output"])
        except ValueError as error:
            raise file.fault((*place, "dimension_relations", index), str(error)) from error
    slid_along = {dim: (window.outputs, window.taps) for dim, window in windows.items()}
    indexes = {operand: frozenset(dims) for operand, dims in named.items()}
    indexes["input"] = frozenset(part for dim in named["input"] for part in slid_along.get(dim, (dim,)))
    known = set(layer.sizes)
    unknown = sorted({dim for dims in indexes.values() for dim in dims} - known)
    if unknown:
        raise file.fault((*place, "loop_dims"), f"{', '.join(unknown)} of the equation has no size")
    if not set(windows) <= {"IY", "IX"}:
        raise file.fault((*place, "dimension_relations"), "the input has rows iy and columns ix, and no others")
    return ForeignNest(sizes=layer.sizes, indexes=indexes, rows=windows.get("IY"), columns=windows.get("IX"))


def _elementwise(layer: ZigZagLayer, name: str) -> dict[str, Any]:
    """Pools take an operation for each tap, sums and maxima of two tensors one for each element."""
    taps = prod(size for dim, size in layer.sizes.items() if dim in ("FX", "FY"))
    elements = prod(layer.sizes.values()) // taps
    if layer.operator_type in _PAIRS:
        return {"name": name, "operator": "elementwise", "elements": elements}
    return {"name": name, "operator": "pooling", "elements": elements, "vector_ops": elements * taps}
