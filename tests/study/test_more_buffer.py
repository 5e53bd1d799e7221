"""With latency as the objective, a larger parameter buffer makes no inference slower, the first one included."""

from itertools import pairwise

from mensa_sim.hardware.files import load_system
from mensa_sim.study.run.run import evaluate_system
from mensa_sim.workload.load import load_workload


def test_a_larger_parameter_buffer_makes_a_recurrent_model_no_slower() -> None:
    """Above 1 MiB all parameters begin to stay; the room kept for them must not keep them from coming early."""
    graph = load_workload("keyboard_cifg")
    found = []
    for kib in (512, 1024, 1536, 2048, 4096):
        system = load_system("edge_tpu", [f"accelerators.edge_tpu.levels.parameter_buffer.capacity_bytes={kib * 1024}"])
        result = evaluate_system(graph, system, "single:edge_tpu", "latency")
        found.append((result.latency_ps, result.steady.latency_ps))
    for (first, later), (first_with_more, later_with_more) in pairwise(found):
        assert first_with_more <= first
        assert later_with_more <= later
    assert found[-1][0] < found[0][0]
