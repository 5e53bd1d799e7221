"""Scaling a published constant between process nodes.

Energy and area after Stillmaker and Baas, "Scaling equations for the accurate prediction of CMOS device performance
from 180 nm to 7 nm", Integration 58 (2017), doi:10.1016/j.vlsi.2017.02.002: energy of a gate at a node is a
polynomial in its supply voltage, area a table of factors. A node between two of theirs is interpolated.
"""

import bisect
import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mensa_sim.errors import UsageError
from mensa_sim.hardware.technology.technology import Constant, Technology
from mensa_sim.io.files import read_record
from mensa_sim.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingTables:
    """What `node_scaling.yaml` holds."""

    energy: Mapping[float, tuple[float, float, float]]
    """By node in nm, coefficients (a, b, c) of a V^2 + b V + c, the relative energy of a gate at V volts."""
    area: Mapping[float, tuple[float, ...]]
    """Factor from the node of the key to each node, the smallest first."""


TABLES = read_record(Path(__file__).with_name("node_scaling.yaml"), ScalingTables)
NODES_NM = tuple(TABLES.area)


def _bracket(node_nm: float) -> tuple[float, float, float]:
    """The published nodes around a node and how far it lies from the first to the second, linear in nm."""
    if not NODES_NM[0] <= node_nm <= NODES_NM[-1]:
        raise UsageError(f"node_nm is {node_nm}: the published scaling covers {NODES_NM[0]:g} to {NODES_NM[-1]:g} nm")
    upper = max(bisect.bisect_left(NODES_NM, node_nm), 1)
    low, high = NODES_NM[upper - 1], NODES_NM[upper]
    return low, high, (node_nm - low) / (high - low)


def _relative_energy(node_nm: float, vdd_v: float) -> float:
    low, high, share = _bracket(node_nm)
    values = [a * vdd_v**2 + b * vdd_v + c for a, b, c in (TABLES.energy[low], TABLES.energy[high])]
    return values[0] + share * (values[1] - values[0])


def energy_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """What multiplies the energy of a logic operation, between nodes and supply voltages.

    >>> round(energy_factor(45, 0.9, 22, 0.8), 3)
    0.241
    """
    return _relative_energy(to_nm, to_v) / _relative_energy(from_nm, from_v)


def area_factor(from_nm: float, to_nm: float) -> float:
    """What multiplies the area of logic between nodes; log-linear between the published ones.

    The published factors have two digits, so that one way times the other way is not 1 (2.2 x 0.46 from 32 to 45 nm
    and back), and between published nodes a node would differ from itself by up to 0.5 %: that is divided out.

    >>> area_factor(45, 32), area_factor(28, 28)
    (0.46, 1.0)
    """
    return _interpolated(from_nm, to_nm) / math.sqrt(_interpolated(from_nm, from_nm) * _interpolated(to_nm, to_nm))


def _interpolated(from_nm: float, to_nm: float) -> float:
    from_low, from_high, from_share = _bracket(from_nm)
    to_low, to_high, to_share = _bracket(to_nm)

    def along_row(row: float) -> float:
        low, high = (TABLES.area[row][NODES_NM.index(node)] for node in (to_low, to_high))
        return _between(low, high, to_share)

    return _between(along_row(from_low), along_row(from_high), from_share)


def _between(low: float, high: float, share: float) -> float:
    """Log-linear interpolation that is exact at both ends."""
    if share in (0.0, 1.0):
        return high if share else low
    return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))


def leakage_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """What multiplies the leakage of a logic block: its transistors' total width times the supply voltage.

    The ITRS held the off-current per micrometre of gate width of high-performance logic near 100 nA through these
    nodes (ITRS 2007 to 2013, PIDS chapter), so the current of a block shrinks with its feature size.
    """
    return (to_nm / from_nm) * (to_v / from_v)


def wire_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """What multiplies the energy per millimetre of wire: capacitance per length stays, voltage squared counts.

    Ho, Mai and Horowitz, "The future of wires", Proceedings of the IEEE 89(4) (2001).
    """
    del from_nm, to_nm
    return (to_v / from_v) ** 2


def _logic_area_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    del from_v, to_v
    return area_factor(from_nm, to_nm)


Rule = Callable[[float, float, float, float], float]

RULES: Mapping[str, Rule] = {
    "mac_pj_8_bit": energy_factor,
    "mac_leakage_mw": leakage_factor,
    "mac_area_mm2": _logic_area_factor,
    "register_pj_per_bit": energy_factor,
    "register_pj_per_bit_byte": energy_factor,
    "register_leakage_mw_per_bit": leakage_factor,
    "register_area_mm2_per_bit": _logic_area_factor,
    "wire_pj_per_bit_mm": wire_factor,
    "vector_op_pj": energy_factor,
    "vector_lane_leakage_mw": leakage_factor,
    "vector_lane_area_mm2": _logic_area_factor,
}
"""How each constant of a technology scales; the others do not depend on the logic's node."""


def at_own_node(technology: Technology) -> Technology:
    """The technology with every constant that was published at another node scaled to its own."""
    changes: dict[str, Any] = {
        name: _scaled(getattr(technology, name), rule, technology) for name, rule in RULES.items()
    }
    for name, constant in technology.constants().items():
        if name not in RULES and constant.node_nm is not None:
            raise UsageError(f"{name}: does not scale with the node; leave out node_nm and vdd_v")
    return dataclasses.replace(technology, **changes)


def _scaled(constant: Constant, rule: Rule, technology: Technology) -> Constant:
    if constant.node_nm is None or constant.vdd_v is None:
        return constant
    factor = rule(constant.node_nm, constant.vdd_v, technology.node_nm, technology.vdd_v)
    note = (
        f"{constant.value:g} at {constant.node_nm:g} nm, {constant.vdd_v:g} V times {factor:.4g} "
        f"to {technology.node_nm:g} nm, {technology.vdd_v:g} V"
    )
    return Constant(value=constant.value * factor, source=f"{constant.source.rstrip('. ')}; {note}")
