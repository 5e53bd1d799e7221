"""What time alone costs: leakage of accelerators, background power of memories, a host's board; one ledger for all.

The scheduler's prediction, the simulation's totals, streams, reports and the paper's figures all ask here, so that no
total can leave a part out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from mensa_sim.hardware.accelerator import Device, PowerGating
from mensa_sim.hardware.area import by_component
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.records import dataclass
from mensa_sim.units import PJ_PER_MJ, leakage_pj


def component_leakage_mw(placed: PlacedAccelerator) -> Mapping[str, float]:
    """Leakage power of each component: mac, register, those of the levels, vector; and its clock network's power.

    Memory background belongs to the system's memories. A measured accelerator's is its idle power, as `device`.
    """
    if isinstance(placed.spec, Device):
        return {} if placed.spec.idle_mw is None else {"device": placed.spec.idle_mw.value}
    leakage, spec = by_component(placed, "leakage_mw"), placed.array
    if spec.clock_network_pj_per_cycle is not None:
        leakage["clock"] = spec.clock_network_pj_per_cycle.value * spec.clock_hz / PJ_PER_MJ
    return leakage


def under_limit(name: str, memory: Memory, limit_mw: float, accelerators: Sequence[PlacedAccelerator]) -> Memory:
    """A way into a memory whose units share what its limit leaves beside leakage and background.

    Raises `ValueError` where that is nothing.
    """
    idle_mw = idle_mw_of(name, memory, accelerators)
    if limit_mw <= idle_mw:
        raise ValueError(f"is {limit_mw:g} mW, and idle it draws {idle_mw:.4g} with what hangs on it")
    units = sum(placed.memory == name for placed in accelerators)
    return replace(memory, unit_power_mw=(limit_mw - idle_mw) / units) if units else memory


def idle_mw_of(name: str, memory: Memory, accelerators: Sequence[PlacedAccelerator]) -> float:
    """What a way into a memory draws, with the units that hang on it, however little they do."""
    units = (placed for placed in accelerators if placed.memory == name)
    return memory.background_mw + sum(sum(component_leakage_mw(placed).values()) for placed in units)


LEAKAGE = "leakage"
BACKGROUND = "background"
BOARD = "board"
STATIC = (LEAKAGE, BACKGROUND, BOARD)
"""The energy components that time alone causes, in the order in which they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticEnergy:
    """What the powers of a system come to over a time."""

    leakage_pj: Mapping[str, Mapping[str, float]]
    """By accelerator and component, less what gating cuts."""
    background_pj: Mapping[str, float]
    """By memory."""
    board_pj: float

    @property
    def by_component_pj(self) -> dict[str, float]:
        """Leakage and background of the whole system, and its board where that draws power."""
        found = {
            LEAKAGE: math.fsum(energy for parts in self.leakage_pj.values() for energy in parts.values()),
            BACKGROUND: math.fsum(self.background_pj.values()),
        }
        return found | ({BOARD: self.board_pj} if self.board_pj else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticPower:
    """What a system draws however little it does."""

    leakage_mw: Mapping[str, Mapping[str, float]]
    """By accelerator and component."""
    background_mw: Mapping[str, float]
    """By memory."""
    board_mw: float = 0.0
    """Of the host and the board around the accelerators, where it is counted."""
    gating: Mapping[str, PowerGating] = field(default_factory=dict)
    """Of the accelerators that can cut their supply."""

    @property
    def total_mw(self) -> float:
        """All of it, with every supply on."""
        leaking = sum(sum(parts.values()) for parts in self.leakage_mw.values())
        return leaking + sum(self.background_mw.values()) + self.board_mw

    @property
    def least_mw(self) -> float:
        """What is left of it while every supply that can be cut is."""
        cut_mw = ((1 - each.residual) * sum(self.leakage_mw[name].values()) for name, each in self.gating.items())
        return self.total_mw - sum(cut_mw)

    def over(self, time_ps: int, off_ps: Mapping[str, int] | None = None) -> StaticEnergy:
        """The energy of a time; `off_ps` is that of it in which an accelerator's supply is cut: the residual leaks."""
        off_ps = off_ps or {}
        return StaticEnergy(
            leakage_pj={
                name: self._leaked_pj(parts, time_ps, off_ps.get(name, 0), self.gating.get(name))
                for name, parts in self.leakage_mw.items()
            },
            background_pj={name: leakage_pj(power, time_ps) for name, power in self.background_mw.items()},
            board_pj=leakage_pj(self.board_mw, time_ps),
        )

    @staticmethod
    def _leaked_pj(
        parts: Mapping[str, float], time_ps: int, off_ps: int, gating: PowerGating | None
    ) -> dict[str, float]:
        residual = gating.residual if gating else 1.0
        return {
            name: leakage_pj(power, time_ps - off_ps) + leakage_pj(power * residual, off_ps)
            for name, power in parts.items()
        }


def static_power(system: System, leakage_mw: Mapping[str, Mapping[str, float]] | None = None) -> StaticPower:
    """The static power of a system; `leakage_mw` replaces what its technologies say of its accelerators' components."""
    if leakage_mw is None:
        leakage_mw = {placed.name: component_leakage_mw(placed) for placed in system.accelerators}
    return StaticPower(
        leakage_mw={placed.name: leakage_mw[placed.name] for placed in system.accelerators},
        background_mw={name: memory.background_mw for name, memory in system.memories.items()},
        board_mw=0.0 if system.host is None else system.host.board_mw,
        gating={
            placed.name: placed.spec.power_gating
            for placed in system.accelerators
            if placed.spec.power_gating is not None
        },
    )
