"""How ZigZag maps layers onto an accelerator: which dims its axes unroll, and which memory operands layers have."""

from collections.abc import Mapping
from dataclasses import field

from mensa_sim.io.faults import Location
from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import ForeignFile
from mensa_sim.workload.dims import DIMS, Operand

LINKS: Mapping[str, str] = {"O": "O", "W": "I2", "I": "I1"}
"""Usual memory operands of a product's operands."""
_DIM_OF: Mapping[str, str] = {**{dim: dim for dim in DIMS}, "D": "OX"}
"""Our dims for the tool's, whose D are the rows of a matrix product."""
OPERAND_OF: Mapping[str, Operand] = {"O": "output", "W": "weight", "I": "input"}
"""Operands by the letters that ZigZag gives them."""
MAX_LANES_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigZagMapping:
    """One entry of a mapping file: of the layers of its name, `default` of all others."""

    name: str
    spatial_mapping: Mapping[str, tuple[str, ...]] | None = None
    """By axis, `DIM, LANES`."""
    spatial_mapping_hint: Mapping[str, tuple[str, ...]] | None = None
    """By axis, the dims that may fill it with as many lanes as a layer has for them."""
    memory_operand_links: Mapping[str, str] = field(default_factory=lambda: dict(LINKS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spatial:
    """What the mapping of most layers says of the array."""

    axes: Mapping[str, tuple[tuple[str, int], ...]]
    """By axis, dims and the lanes of each."""
    hints: Mapping[str, tuple[str, ...]]
    """By axis, dims that may fill it."""
    operands: Mapping[str, Operand]
    """Our operand for each memory operand."""


def spatial_of(core: ForeignFile, dataflows: Mapping[str, tuple[str, ...]] | None, file: ForeignFile | None) -> Spatial:
    """The default entry of a mapping file; without one, what the core's own file says and the usual operands."""
    usual = {link: OPERAND_OF[operand] for operand, link in LINKS.items()}
    if file is None:
        return Spatial(axes=_axes(core, dataflows, ("dataflows",)), hints={}, operands=usual)
    if dataflows:
        core.notes.leave(("dataflows",))
    entries = [file.record(data, ZigZagMapping, (index,)) for index, data in enumerate(file.data)]
    default = next((index for index, entry in enumerate(entries) if entry.name == "default"), None)
    if default is None:
        raise file.fault((), "has no entry called default, which says how the array is filled")
    for index, entry in enumerate(entries):
        if index != default:
            file.notes.leave((f"[{entry.name}]",))
    entry = entries[default]
    links = entry.memory_operand_links
    for operand, link in links.items():
        if operand not in OPERAND_OF or link not in usual:
            raise file.fault((default, "memory_operand_links", operand), f"{link!r} is none of {', '.join(usual)}")
    hints = {
        axis: tuple(
            _dim(file, text.strip(), (default, "spatial_mapping_hint", axis, index)) for index, text in enumerate(texts)
        )
        for axis, texts in (entry.spatial_mapping_hint or {}).items()
    }
    return Spatial(
        axes=_axes(file, entry.spatial_mapping, (default, "spatial_mapping")),
        hints=hints,
        operands={**usual, **{link: OPERAND_OF[name] for name, link in links.items()}},
    )


def _axes(
    file: ForeignFile, said: Mapping[str, tuple[str, ...]] | None, place: Location
) -> dict[str, tuple[tuple[str, int], ...]]:
    return {
        axis: tuple(_lanes(file, text, (*place, axis, index)) for index, text in enumerate(texts))
        for axis, texts in (said or {}).items()
    }


def _dim(file: ForeignFile, text: str, place: Location) -> str:
    if text not in _DIM_OF:
        raise file.fault(place, f"{text!r} is none of {', '.join(_DIM_OF)}")
    return _DIM_OF[text]


def _lanes(file: ForeignFile, text: str, place: Location) -> tuple[str, int]:
    dim, comma, lanes = (part.strip() for part in text.partition(","))
    if dim not in _DIM_OF or not comma or not lanes.isdecimal() or len(lanes) > MAX_LANES_DIGITS or not int(lanes):
        raise file.fault(place, f"{text!r} is not written as K, 32 with a dim of {', '.join(_DIM_OF)}")
    return _DIM_OF[dim], int(lanes)
