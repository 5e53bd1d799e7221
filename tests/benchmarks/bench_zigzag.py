"""Our mapper and ZigZag on the same layers, the same core and the same objective, in turn.

    python tests/benchmarks/bench_zigzag.py [--workload mobilenet_v2] [--objective edp] [--depth 6] [--rounds 1]
    python tests/benchmarks/bench_zigzag.py --stated --objective latency

ZigZag is installed by pip into a virtual environment of its own in the cache folder, once; `--smallest` goes without it
where it has not been, and `--stated` compares with what a run of it for latency took once. Layers are the loop nests of
the workload, each alone, every tensor from and to memory; the vector work beside them is left out, for ZigZag has none.
Its clock runs over its search, ours over `price`, cold, which prices each layer in all eight residencies; imports stand
outside both. `--depth` is ZigZag's `lpf_limit`, 6 by default there too; a smaller one tries fewer mappings.
Energy and cycles are summed over the layers, once as we count them and once as ZigZag does. By its count our mappings
are compared where their loops divide the dims, since its language has no short tiles.
Wall time on a busy machine says little: the ratio of CPU times is beside it. Both tools run in one process.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cost"))

from bench_run import IMPORT_S, timed
from by_hand import assemble, price_mapping
from smallest import SMALL_MODEL, parser

from mensa_sim.cost.counts.tally import repeats_of
from mensa_sim.cost.counts.window import axis_histogram, window_histogram
from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.layer_cost import STREAMED, LayerCost
from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.recurrent import Steps
from mensa_sim.cost.table import CostTable
from mensa_sim.cost.vector import vector_work
from mensa_sim.hardware.files import load_system
from mensa_sim.io.store import cache_folder
from mensa_sim.workload.dims import DIMS
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, Parameter
from mensa_sim.workload.load import load_workload

PACKAGES = ("zigzag-dse==3.9.1", "six")
WORKER = Path(__file__).with_name("zigzag_worker.py")
SYSTEM = load_system("zigzag_edge_tpu_like")
(PLACED,) = SYSTEM.accelerators
SPEC, MEMORY = PLACED.spec, SYSTEM.memory_of(PLACED.name)
ENERGY = energy_model(PLACED, MEMORY)
THEIR_NAME = {"latency": "latency", "energy": "energy", "edp": "EDP"}
GOAL = 200
STATED_S = {"mobilenet_v2": 136.0}
"""Of ZigZag 3.9.1 for latency at its default depth, by wall clock, on two cores like those of `bench_run.py`'s goals: a
run of this project's own, not published."""
STATED_GOAL = 100
PS_PER_CYCLE = 1000


def environment(*, install: bool) -> Path | None:
    """The Python of ZigZag's environment; where there is none it is made, or not."""
    cache = cache_folder()
    if cache is None:
        raise SystemExit("no cache folder: set MENSA_SIM_CACHE to one")
    folder = cache / PACKAGES[0].replace("==", "-")
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        if not install:
            return None
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True
        )
        done.touch()
    return python


def bare_layers(workload: str) -> LayerGraph:
    """The loop nests of a workload, without the vector work beside them and without edges."""
    layers = [
        Layer(
            name=layer.name,
            operator=layer.operator,
            nest=layer.nest,
            parameters=(Parameter(name=f"{layer.name}.weight", size_bytes=layer.nest.weight_elements),),
            input_bytes=layer.nest.input_elements,
            output_bytes=layer.nest.output_elements,
        )
        for layer in load_workload(workload).layers
        if layer.nest is not None
    ]
    return LayerGraph(name=workload, layers=tuple(layers), edges=())


def our_mapping(layer: Layer, objective: str) -> NestMapping:
    """Our best mapping of a layer whose tensors all come from and go to memory."""
    assert layer.nest is not None
    pricer = Pricer(layer, SPEC, MEMORY, ENERGY, Steps(nest=layer.nest, steps=1, resident=False), objective)
    pricer.cost(STREAMED)
    found = pricer.found[STREAMED]
    assert found is not None
    return found.mapping


def levels(mapping: NestMapping) -> dict[str, list[list[Loop]]]:
    """The loops of each operand at its registers, where it has any, its buffer and memory."""
    cuts = {operand: list(held) for operand, held in mapping.holds.items()}
    return {
        operand: [
            [loop for loop in mapping.loops[start:end] if loop.trips > 1]
            for start, end in zip([0, *held], [*held, len(mapping.loops)], strict=True)
        ]
        for operand, held in cuts.items()
    }


def their_cost(layer: Layer, found: dict[str, list[list[list]]], objective: str) -> LayerCost:
    """ZigZag's mapping by our counts, cut into the buffer tiles that suit it best."""
    assert layer.nest is not None
    loops = tuple(Loop(*loop) for level in found["weight"] for loop in level)
    sizes = {operand: [len(level) for level in held] for operand, held in found.items()}
    buffer = {operand: sum(held[:-1]) for operand, held in sizes.items()}
    registers = max(held[0] for held in sizes.values() if len(held) > 2)
    mappings = [
        NestMapping(
            unrolling=unroll(layer.nest, SPEC),
            loops=loops,
            cuts=(min(tile, registers), tile),
            holds={operand: tuple(accumulate(held[:-1])) for operand, held in sizes.items()},
        )
        for tile in range(min(buffer.values()) + 1)
    ]
    counted = [price_mapping(layer.nest, SPEC, mapping, word_bits=MEMORY.word_bits) for mapping in mappings]
    work, repeats = vector_work(layer, SPEC), repeats_of(layer, 1, STREAMED, steps_resident=False)
    costs = [assemble(layer, SPEC, ENERGY, STREAMED, repeats, counts, work) for counts in counted]
    figures = {"latency": cycles, "energy": lambda cost: cost.energy_pj, "edp": lambda c: cycles(c) * c.energy_pj}
    return min(costs, key=figures[objective])


def cycles(cost: LayerCost) -> float:
    return cost.latency_ps(MEMORY.effective_bytes_per_s) / PS_PER_CYCLE


def job(layers: Sequence[Layer], objective: str, depth: int) -> dict:
    """What the worker reads."""
    entries = []
    for layer in layers:
        nest = layer.nest
        assert nest is not None
        entries.append(
            {
                "name": layer.name,
                "sizes": dict(zip(DIMS, nest.sizes, strict=True)),
                "stride": {"X": nest.stride_x, "Y": nest.stride_y},
                "dilation": {"X": nest.dilation_x, "Y": nest.dilation_y},
                "input": {"X": nest.input_width, "Y": nest.input_height},
                "levels": levels(our_mapping(layer, objective)),
            }
        )
    return {"layers": entries, "objective": THEIR_NAME[objective], "depth": depth}


def run_theirs(python: Path, work: dict) -> dict:
    """One search of all layers by ZigZag."""
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder, "job.json"), Path(folder, "result.json")
        given.write_text(json.dumps(work))
        subprocess.run([python, WORKER, given, result], check=True, stdout=subprocess.DEVNULL)
        return json.loads(result.read_text())


def run_ours(graph: LayerGraph, objective: str) -> tuple[dict[str, float], CostTable]:
    """One search of all layers by us, nothing remembered from the last."""
    for remembered in (axis_histogram, window_histogram):
        remembered.cache_clear()
    start, started_s = time.perf_counter(), time.process_time()
    table = price(graph, SYSTEM, objective)
    return {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - started_s}, table


def compare(title: str, ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> None:
    """Sums of energy and cycles, and the layer where we are worst."""
    print(title)
    for index, (what, unit) in enumerate((("energy", "uJ"), ("cycles", "million"))):
        mine, other = ([pair[index] for pair in pairs] for pairs in (ours, theirs))
        worst = max(a / b for a, b in zip(mine, other, strict=True))
        worse = sum(a > b * (1 + 1e-3) for a, b in zip(mine, other, strict=True))
        print(
            f"  {what:6} ours {sum(mine) / 1e6:10.3f} theirs {sum(other) / 1e6:10.3f} {unit:8}"
            f" ratio {sum(mine) / sum(other):.4f}; {worse} of {len(mine)} layers worse by 0.1 %, at most {worst:.4f}"
        )


def against_stated(graph: LayerGraph, objective: str, rounds: int) -> None:
    """Ours beside what ZigZag took once: here, and as it would be on the machine of `bench_run.py`'s goals."""
    ours_s = statistics.median(run_ours(graph, objective)[0]["cpu_s"] for _ in range(rounds))
    numpy_s = statistics.median(timed([sys.executable, "-c", "import numpy"], dict(os.environ))[0] for _ in range(3))
    ratio = STATED_S[graph.name] / ours_s
    print(
        f"{graph.name}: {len(graph.layers)} layers, least {objective}: ours {ours_s:.3f} CPU s, ZigZag"
        f" {STATED_S[graph.name]:.0f} s, {ratio:.0f} times that; {ratio * numpy_s / IMPORT_S:.0f} on the machine of the"
        f" goals (goal {STATED_GOAL})"
    )


def main(workload: str, objective: str, depth: int, rounds: int, *, smallest: bool, stated: bool) -> None:
    if smallest:
        workload, depth, rounds = SMALL_MODEL, 1, 1
    if stated:
        against_stated(bare_layers(workload), objective, rounds)
        return
    python = environment(install=not smallest)
    graph = bare_layers(workload)
    work = job(graph.layers, objective, depth)
    if python is None:
        print(
            f"{workload}: ours {run_ours(graph, objective)[0]['cpu_s']:.3f} CPU s; ZigZag is not installed, so skipped"
        )
        return
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "ZigZag": []}
    for _ in range(rounds):
        before, table = run_ours(graph, objective)
        result = run_theirs(python, work)
        runs["ZigZag"].append(result)
        runs["ours"] += [before, run_ours(graph, objective)[0]]
    print(f"{workload}: {len(graph.layers)} layers, least {objective}, {rounds} rounds of ours, ZigZag, ours; medians")
    print(f"ZigZag 3.9.1 at depth {depth}: {result['evaluations']:,} mappings")
    for clock in ("wall_s", "cpu_s"):
        mine_s, other_s = (statistics.median(run[clock] for run in runs[name]) for name in ("ours", "ZigZag"))
        print(
            f"  {clock:6} ours {mine_s:7.3f} ZigZag {other_s:7.1f} ratio {other_s / mine_s:4.0f} (goal {GOAL})"
            f"; each of ours: {', '.join(f'{run[clock]:.3f}' for run in runs['ours'])}"
        )
    costs = [table.cost(layer.name, PLACED.name) for layer in graph.layers]
    theirs = [their_cost(layer, f["levels"], objective) for layer, f in zip(graph.layers, result["found"], strict=True)]
    compare("by our count", *([(c.energy_pj, cycles(c)) for c in each] for each in (costs, theirs)))
    pairs = [(j, f) for j, f in zip(result["judged"], result["found"], strict=True) if j]
    compare(
        f"by ZigZag's count, {len(pairs)} layers where our loops divide",
        *([(p[i]["energy_pj"], p[i]["cycles"]) for p in pairs] for i in (0, 1)),
    )


if __name__ == "__main__":
    made = parser(__doc__)
    made.add_argument("--workload", default="mobilenet_v2")
    made.add_argument("--objective", default="edp", choices=sorted(THEIR_NAME))
    made.add_argument("--depth", type=int, default=6)
    made.add_argument("--rounds", type=int, default=1)
    made.add_argument("--stated", action="store_true")
    main(**vars(made.parse_args()))
