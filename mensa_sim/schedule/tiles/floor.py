"""What no schedule of a graph is below, however its layers are cut: what is left of work where no mapping is asked."""

from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.table import CostTable
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, with_bound
from mensa_sim.units import PS_PER_S

_PROOF = "a floor: all MACs at the peak of all arrays, each parameter read and each output written once"


def with_floor(schedule: Schedule, costs: CostTable, problem: Problem) -> Schedule:
    """The schedule beside what none is below."""
    return with_bound(schedule, floor_of(costs, problem), _PROOF)


def floor_of(costs: CostTable, problem: Problem) -> float:
    """The objective of all MACs at the peak of all arrays together, and of parameters and outputs that move once.

    In an inference that finds empty buffers. It holds for whole layers, stacks, pieces and tiles alike.
    """
    graph, memories = costs.graph, costs.system.memories.values()
    peaks: dict[str, int] = {}
    mac_pj: dict[str, float] = {}
    for (layer, accelerator, residency), cost in costs.costs.items():
        if residency == STREAMED:
            peaks[accelerator] = max(peaks.get(accelerator, 0), cost.peak_macs_per_s)
            mac_pj[layer] = min(mac_pj.get(layer, float("inf")), cost.dynamic_pj.get("mac", 0.0))
    whole = {tensor.name: tensor.size_bytes for each in graph.layers for tensor in each.parameters}
    for each in graph.layers:
        if each.gathered_bytes is not None:
            whole |= dict.fromkeys((tensor.name for tensor in each.parameters), 0)
    read_bytes, written_bytes = sum(whole.values()), sum(layer.model_output_bytes for layer in graph.layers)
    compute_ps = graph.macs * PS_PER_S / sum(peaks.values()) if sum(peaks.values()) else 0.0
    moved_ps = (read_bytes + written_bytes) * PS_PER_S / sum(memory.effective_bytes_per_s for memory in memories)
    moved_pj = min(memory.transfer_pj(read_bytes=read_bytes, write_bytes=written_bytes) for memory in memories)
    return problem.value(sum(mac_pj.values()) + moved_pj, problem.host_ps + max(compute_ps, moved_ps))
