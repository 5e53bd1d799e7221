"""The memory traffic of a stack over its layers: tiles interleave, so that it runs beside all of them alike."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mensa_sim.cost.layer_cost import MEMORY, LayerCost, Traffic


def interleaved(costs: Mapping[str, LayerCost]) -> dict[str, LayerCost]:
    """The costs of a stack's layers, each with the share of all memory traffic that it has of the time on chip.

    While one layer computes, what another tile needs comes, and what one has made leaves. So the layers one after
    another take the larger of all computation and all traffic; what must come before the first tile, and leave after
    the last, alone stands outside. All bytes and energies add up to what they were.
    """
    order = list(costs.values())
    cycles = [max(cost.compute_cycles, cost.buffer_cycles) for cost in order]
    moved: dict[str, tuple[int, int]] = {}
    for cost in order:
        for each in cost.traffic:
            if each.level == MEMORY:
                read, write = moved.get(each.operand, (0, 0))
                moved[each.operand] = read + each.read_bytes, write + each.write_bytes
    reads = {operand: list(_shared(read, cycles)) for operand, (read, _) in moved.items()}
    writes = {operand: list(_shared(write, cycles)) for operand, (_, write) in moved.items()}
    memory_pj = sum(cost.dynamic_pj.get(MEMORY, 0.0) for cost in order)
    whole = sum(cycles)
    found: dict[str, LayerCost] = {}
    for place, (name, cost) in enumerate(costs.items()):
        own = [
            Traffic(operand=o, level=MEMORY, read_bytes=reads[o][place], write_bytes=writes[o][place])
            for o in moved
            if reads[o][place] or writes[o][place]
        ]
        chip_pj = {component: pj for component, pj in cost.dynamic_pj.items() if component != MEMORY}
        share_pj = memory_pj * cycles[place] / whole if whole else memory_pj * (place == 0)
        spread = replace(
            cost,
            head_bytes=0,
            tail_bytes=0,
            traffic=(*own, *(each for each in cost.traffic if each.level != MEMORY)),
            dynamic_pj={**chip_pj, **({MEMORY: share_pj} if share_pj else {})},
        )
        head = min(cost.head_bytes, spread.memory_read_bytes) if place == 0 else 0
        tail = min(cost.tail_bytes, spread.memory_write_bytes) if place == len(order) - 1 else 0
        found[name] = replace(spread, head_bytes=head, tail_bytes=tail)
    return found


def _shared(total: int, weights: Sequence[int]) -> Iterator[int]:
    """Whole parts of a total in proportion to the weights; of no weights, all is the first's."""
    whole, seen, given = sum(weights), 0, 0
    for place, weight in enumerate(weights):
        seen += weight
        until = total * seen // whole if whole else total
        yield until - given if whole or place == 0 else 0
        given = until
