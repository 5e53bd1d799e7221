"""What layers are expected to cost as a stack, before its tiles are mapped: their work, and what the stack moves."""

from collections.abc import Callable, Mapping, Sequence

from mensa_sim.cost.layer_cost import MEMORY, LayerCost
from mensa_sim.cost.stacks.tiling import TilingSize
from mensa_sim.cost.stacks.traffic import StackTraffic
from mensa_sim.hardware.memory import Memory
from mensa_sim.units import PS_PER_S, least_ps


class ExpectedCost:
    """Of an accelerator's stacks.

    Each layer does the work that it does by itself, and moves its parameters meanwhile; the first one what enters, the
    last one what leaves. Of the stacks of four small networks on Pascal 61 to 100 % cost within a tenth of that, all
    within a third; with buffers of 8 KB one in twelve, and some 25 times as much, as tiles fetch parameters again.
    """

    def __init__(
        self, costs: Mapping[str, LayerCost], memory: Memory, traffic: Callable[[TilingSize], StackTraffic | None]
    ) -> None:
        """`traffic` is what a stack moves; none where it does not fit."""
        self._memory, self._traffic = memory, traffic
        self._known: dict[TilingSize, tuple[float, float] | None] = {}
        self._pj = {name: cost.energy_pj - cost.dynamic_pj.get(MEMORY, 0.0) for name, cost in costs.items()}
        self._ps = {name: cost.changed(power_mw=None).on_chip_ps for name, cost in costs.items()}
        self._ps_per_byte = PS_PER_S / memory.effective_bytes_per_s

    def value(self, size: TilingSize, rates: tuple[float, float]) -> float | None:
        """Of a stack in tiles of rows, in an objective to which a pJ and a ps add so much; none: it does not fit."""
        if size not in self._known:
            moved = self._traffic(size)
            self._known[size] = None if moved is None else self.of(size.layers[::-1], moved)
        found = self._known[size]
        return None if found is None else at_rates(found, rates)

    def of(self, layers: Sequence[str], moved: StackTraffic) -> tuple[float, float]:
        """Dynamic energy in pJ and latency in ps of layers in order."""
        size_bytes = dict(moved.fetched_bytes)
        for name, more in ((layers[0], moved.read_bytes), (layers[-1], moved.written_bytes)):
            size_bytes[name] = size_bytes.get(name, 0) + more
        moved_pj = self._memory.transfer_pj(
            read_bytes=moved.read_bytes + moved.parameter_bytes, write_bytes=moved.written_bytes
        )
        energy_pj = moved_pj + sum(self._pj[name] for name in layers)
        latency_ps = sum(max(self._ps[name], size_bytes.get(name, 0) * self._ps_per_byte) for name in layers)
        power_mw = self._memory.unit_power_mw
        return energy_pj, latency_ps if power_mw is None else max(latency_ps, least_ps(energy_pj, power_mw))


def at_rates(cost: tuple[float, float], rates: tuple[float, float]) -> float:
    """What pJ and ps add to an objective to which one of each adds so much."""
    return cost[0] * rates[0] + cost[1] * rates[1]
