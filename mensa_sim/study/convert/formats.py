"""The files of other tools that can be converted: how each is recognised, and what reads it.

A new one is a module with a function of a `ForeignFile` and a line here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mensa_sim.study.convert.scale_sim.configuration import convert_configuration
from mensa_sim.study.convert.scale_sim.topology import convert_topology
from mensa_sim.study.convert.timeloop.architecture import convert_architecture
from mensa_sim.study.convert.timeloop.problem import convert_problem
from mensa_sim.study.convert.zigzag.accelerator import convert_accelerator
from mensa_sim.study.convert.zigzag.workload import convert_workload

Files = Mapping[str, str]
"""Text by file name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFormat:
    """A kind of file of another tool."""

    title: str
    """What messages call it, with its article."""
    recognise: Callable[[Any], bool]
    """Whether plain data of such a suffix is of this kind."""
    convert: Callable[..., Files]
    """Files of ours, from one of its kind and, where one is given with it, its companion."""
    suffixes: tuple[str, ...] = (".yaml", ".yml")
    companion: str | None = None
    """The kind of the file that it may come with."""


def _mapping_with(*keys: str) -> Callable[[Any], bool]:
    return lambda data: isinstance(data, dict) and set(keys) <= set(data)


def _list_of(*keys: str) -> Callable[[Any], bool]:
    return lambda data: isinstance(data, list) and bool(data) and all(_mapping_with(*keys)(each) for each in data)


FORMATS: Mapping[str, ForeignFormat] = {
    "zigzag_accelerator": ForeignFormat(
        title="an accelerator of ZigZag",
        recognise=_mapping_with("memories", "operational_array"),
        convert=convert_accelerator,
        companion="zigzag_mapping",
    ),
    "zigzag_mapping": ForeignFormat(
        title="a mapping of ZigZag",
        recognise=_list_of("memory_operand_links"),
        convert=lambda file: {},  # it says nothing without an accelerator
    ),
    "zigzag_workload": ForeignFormat(
        title="a workload of ZigZag", recognise=_list_of("operator_type", "equation"), convert=convert_workload
    ),
    "timeloop_architecture": ForeignFormat(
        title="an architecture of Timeloop", recognise=_mapping_with("architecture"), convert=convert_architecture
    ),
    "timeloop_problem": ForeignFormat(
        title="a problem of Timeloop", recognise=_mapping_with("problem"), convert=convert_problem
    ),
    "scale_sim_configuration": ForeignFormat(
        title="a configuration of SCALE-Sim",
        suffixes=(".cfg",),
        recognise=_mapping_with("architecture_presets"),
        convert=convert_configuration,
    ),
    "scale_sim_topology": ForeignFormat(
        title="a topology of SCALE-Sim",
        suffixes=(".csv",),
        recognise=lambda data: isinstance(data, list) and bool(data),
        convert=convert_topology,
    ),
}
"""By name; a file may be of several kinds."""
