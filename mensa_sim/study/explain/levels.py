"""What each level of an accelerator holds and moves for a layer, and how near its mapping is to the best."""

from mensa_sim.cost.layer_cost import MEMORY, LayerCost, Traffic
from mensa_sim.hardware.area import instances
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelUse:
    """One operand at one level, over all steps of a layer."""

    level: str
    operand: str
    read_bytes: int
    write_bytes: int
    held_bytes: int | None = None
    """Its tile in the fullest instance; none for memory and for elementwise work."""
    capacity_bytes: int | None = None
    """Of an instance; none for memory."""
    instances: int = 1
    """All that the array has."""

    @property
    def moved_bytes(self) -> int:
        """In both directions."""
        return self.read_bytes + self.write_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingUse:
    """A layer's mapping on an accelerator with a PE array: every tensor from and to memory."""

    layer: str
    accelerator: str
    mapping: str
    """Unrolled dims and loops, in words."""
    fixed_in: str
    """Where a user fixed it, whole or in part; empty where it was searched freely."""
    levels: tuple[LevelUse, ...]
    """From memory inwards; operands in the order of `OPERANDS`."""
    objective: str
    value: float | None = None
    """What the mapping reaches, the accelerator's own leakage included, in joules and seconds to the objective's
    powers."""
    floor: float | None = None
    """What no mapping is below."""
    gap: float | None = None


def mapping_use(cost: LayerCost, accelerator: PeArray, objective: str) -> MappingUse | None:
    """The use of a layer's levels; none for a layer without a loop nest."""
    if not cost.mapping:
        return None
    levels = {level.name: level for level in accelerator.levels}
    order = [MEMORY, *reversed(levels)]
    return MappingUse(
        layer=cost.layer,
        accelerator=cost.accelerator,
        mapping=cost.mapping,
        fixed_in=cost.mapping_from,
        levels=tuple(
            _use(traffic, accelerator, levels.get(name))
            for name in order
            for traffic in cost.traffic
            if traffic.level == name
        ),
        objective=objective,
        value=None if cost.floor is None or cost.gap is None else cost.floor * (1 + cost.gap),
        floor=cost.floor,
        gap=cost.gap,
    )


def _use(traffic: Traffic, accelerator: PeArray, level: Level | None) -> LevelUse:
    return LevelUse(
        level=traffic.level,
        operand=traffic.operand,
        read_bytes=traffic.read_bytes,
        write_bytes=traffic.write_bytes,
        held_bytes=traffic.held_bytes,
        capacity_bytes=level.capacity_bytes if level else None,
        instances=instances(accelerator, level) if level else 1,
    )
