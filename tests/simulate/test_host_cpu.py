"""A host whose own CPU runs what the accelerator that it feeds does not: who refuses what, what crosses when."""

from dataclasses import replace
from pathlib import Path

import pytest
from simulation_problems import accelerator, chain, cost, layer, memory, system, table

from mensa_sim.cost.prices.price import price
from mensa_sim.cost.refusals import refusals
from mensa_sim.errors import FileError, InfeasibleError
from mensa_sim.hardware.files import load_accelerator, load_system
from mensa_sim.hardware.host import HostLink
from mensa_sim.hardware.routes import route_between
from mensa_sim.hardware.system import System
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.schedule.policies.registry import schedule
from mensa_sim.simulate.inference import simulate
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer

HOST = HostLink(overhead_ps=1000, in_bytes_per_s=10**9, out_bytes_per_s=2 * 10**9, cpu="cpu")


def platform() -> System:
    """A chip on a link, and the CPU of the host on a memory of its own."""
    both = system(
        [accelerator("chip", "link"), accelerator("cpu", "ddr")], memories={"link": memory(), "ddr": memory()}
    )
    return replace(both, host=HOST)


def branched(operators: dict[str, str], edges: list[tuple[str, str]]) -> LayerGraph:
    layers = tuple(Layer(name=name, operator=operator, output_bytes=8) for name, operator in operators.items())
    flows = tuple(Edge(producer=one, consumer=other, size_bytes=8) for one, other in edges)
    return LayerGraph(name="branched", layers=layers, edges=flows)


FORK = branched(
    {"a": "conv2d", "b": "tanh", "c": "conv2d", "d": "conv2d", "e": "add"},
    [("a", "b"), ("b", "c"), ("a", "d"), ("c", "e"), ("d", "e")],
)
"""b is refused; c and e come after it, d does not."""


@pytest.mark.parametrize(("stops", "refused"), [(False, {"b"}), (True, {"b", "c", "e"})])
def test_a_compiler_that_stops_leaves_all_that_follows_and_nothing_else(stops: bool, refused: set[str]) -> None:
    spec = replace(load_accelerator("coral"), refuses=("tanh",), stops_at_refusal=stops)
    found = refusals(FORK, spec)
    assert set(found) == refused
    assert found["b"] == "it does not run tanh"
    if stops:
        assert found["c"] == "it stops at b"


def test_a_recurrent_group_is_left_whole_with_what_follows() -> None:
    graph = branched({"a": "conv2d", "b": "gelu", "c": "conv2d", "d": "conv2d"}, [("a", "b"), ("a", "c"), ("c", "d")])
    grouped = replace(
        graph, layers=tuple(replace(each, group="g" if each.name in "bc" else None) for each in graph.layers)
    )
    spec = replace(load_accelerator("coral"), refuses=("gelu",), stops_at_refusal=True)
    assert set(refusals(grouped, spec)) == {"b", "c", "d"}


def test_what_is_enlarged_beyond_the_chip_is_refused() -> None:
    spec = load_accelerator("coral")
    room = spec.buffer_bytes["activation"]
    for size_bytes, count in ((room, 0), (room + 1, 1)):
        graph = LayerGraph(name="one", layers=(Layer(name="r", operator="resize", output_bytes=size_bytes),), edges=())
        assert len(refusals(graph, spec)) == count


def test_between_the_chip_and_the_hosts_cpu_bytes_cross_the_chips_channel_once() -> None:
    built = platform()
    (out,) = route_between(built, "chip", "cpu").legs
    (into,) = route_between(built, "cpu", "chip").legs
    assert (out.resource, out.bandwidth_bytes_per_s) == ("link", 2 * 10**9)
    assert (into.resource, into.bandwidth_bytes_per_s) == ("link", 10**9)
    link = built.memories["link"]
    written_pj, read_pj = link.transfer_pj(write_bytes=1), link.transfer_pj(read_bytes=1)
    assert (out.energy_pj(1), into.energy_pj(1)) == ({"memory": written_pj}, {"memory": read_pj})
    assert written_pj > 0


def test_the_cpu_starts_when_the_chips_output_has_come_and_sends_nothing_back() -> None:
    """1 ns of preparing, 5 bytes in, 10 cycles, 8 bytes out at 2 GB/s, then 10 cycles of the CPU."""
    built = platform()
    layers = [replace(layer("a", output_bytes=8), model_input_bytes=5), replace(layer("b"), model_output_bytes=32)]
    costs = table(chain(*layers), built, [cost("a", "chip", compute=10), cost("b", "cpu", compute=10)])
    spans = simulate(costs.graph, costs, {"a": "chip", "b": "cpu"}).spans
    seen = [
        (span.resource, span.start_ps // 1000, span.end_ps // 1000) for span in spans if span.end_ps > span.start_ps
    ]
    assert sorted(seen, key=lambda each: each[1]) == [
        ("host", 0, 1),
        ("link", 1, 6),
        ("chip", 6, 16),
        ("link", 16, 20),
        ("cpu", 20, 30),
    ]


def test_the_host_reads_back_what_a_chip_made_when_all_of_it_is_there() -> None:
    """d of the chip waits for nobody and runs before c, which waits for the CPU; 8 bytes of each go back after c."""
    flows = (("a", "b"), ("b", "c"), ("a", "d"))
    edges = tuple(Edge(producer=one, consumer=other, size_bytes=0) for one, other in flows)
    layers = [replace(layer(name), model_output_bytes=8 * (name in "cd")) for name in "abcd"]
    graph = LayerGraph(name="net", layers=tuple(layers), edges=edges)
    where = {"a": "chip", "b": "cpu", "c": "chip", "d": "chip"}
    costs = table(graph, platform(), [cost(name, where[name], compute=10) for name in "abcd"])
    spans = simulate(graph, costs, where).spans
    ends = {span.layer: span.end_ps for span in spans if span.resource == "chip"}
    assert ends["d"] < ends["c"]
    (back,) = [span for span in spans if span.resource == "link" and span.size_bytes]
    assert (back.size_bytes, back.start_ps) == (16, ends["c"])


@pytest.fixture(scope="module")
def coral() -> System:
    return load_system("coral_usb3")


def test_a_shipped_host_takes_what_its_edge_tpu_refuses_and_another_without_a_cpu_refuses_the_model(
    coral: System,
) -> None:
    costs = price(FORK, coral, "latency")
    problem = problem_of(FORK, coral, costs, static_mw=0.0)
    assert set(schedule(problem, "first").assignment.values()) == {"coral"}
    graph = replace(
        FORK,
        layers=tuple(
            replace(each, operator="layer_norm" if each.name == "b" else each.operator) for each in FORK.layers
        ),
    )
    problem = problem_of(graph, coral, price(graph, coral, "latency"), static_mw=0.0)
    assert schedule(problem, "first").assignment == {
        "a": "coral",
        "b": "xeon_gold_6154",
        "c": "xeon_gold_6154",
        "d": "coral",
        "e": "xeon_gold_6154",
    }
    alone = load_system("coral_pcie")
    with pytest.raises(InfeasibleError, match=r"b .*does not run layer_norm"):
        problem_of(graph, alone, price(graph, alone, "latency"), static_mw=0.0)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("cpu: xeon_gold_6154", "cpu: nobody", "host.cpu: unknown accelerator 'nobody'"),
        ("xeon_gold_6154.yaml, memory: ddr", "xeon_gold_6154.yaml, memory: usb3", "over which it feeds others"),
    ],
)
def test_a_mistake_in_a_hosts_cpu_is_told_with_its_field(tmp_path: Path, old: str, new: str, fault: str) -> None:
    shipped = Path(__file__).parents[2] / "accelerator_specs"
    text = (shipped / "systems" / "coral_usb3.yaml").read_text().replace("../accelerators", f"{shipped}/accelerators")
    assert old in text
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace(old, new))
    with pytest.raises(FileError, match=fault):
        load_system(file)
