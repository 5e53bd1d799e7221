"""What the model says of the figures that people measure: latency, energy, the compiler's cycles, cached bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mensa_sim.cost.fed import ON_CHIP
from mensa_sim.cost.parameter_cache import cached_parameters
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.errors import UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.lookup import lookup
from mensa_sim.study.run.result import SteadyState
from mensa_sim.study.run.run import evaluate_system
from mensa_sim.units import PJ_PER_MJ, PS_PER_MS, seconds_to_ps
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload

ESTIMATORS: Mapping[str, str] = {"coral": "coral_compiler"}
"""The accelerator that stands for what a device's compiler believes of it."""


@dataclass(slots=True, kw_only=True)
class Predictor:
    """Predicts metrics of workloads on systems, each graph traced and each pair simulated once."""

    allow_code: bool = False
    cache: bool = True
    _graphs: dict[str, LayerGraph] = field(default_factory=dict)
    _systems: dict[str, System] = field(default_factory=dict)
    _steady: dict[tuple[str, str], SteadyState] = field(default_factory=dict)
    _memo: PriceMemo = field(default_factory=PriceMemo)

    def predict(self, workload: str, system: str, metric: str) -> float:
        """A metric in the unit of its name; a workload or system is a bare name or a path."""
        return lookup(PREDICTIONS, metric, "metric")(self, workload, system)

    def graph(self, workload: str) -> LayerGraph:
        """The layer graph of a workload."""
        if workload not in self._graphs:
            self._graphs[workload] = load_workload(workload, allow_code=self.allow_code, cache=self.cache)
        return self._graphs[workload]

    def system(self, name: str) -> System:
        """The system of that name or path."""
        if name not in self._systems:
            self._systems[name] = load_system(name)
        return self._systems[name]

    def steady(self, workload: str, system: str) -> SteadyState:
        """Every inference after the first."""
        key = (workload, system)
        if key not in self._steady:
            graph, built = self.graph(workload), self.system(system)
            alone = len(built.accelerators) == 1
            scheduler = f"single:{built.accelerators[0].name}" if alone else "optimal"
            self._steady[key] = evaluate_system(graph, built, scheduler, "latency", memo=self._memo).steady
        return self._steady[key]

    def roofline_ms(self, workload: str, system: str) -> float:
        """What peak MAC rates and the memories' quoted bandwidths allow at most, for a later inference.

        Inputs and outputs cross the memory once, and of the parameters what exceeds all parameter buffers together.
        """
        graph, built = self.graph(workload), self.system(system)
        peak = sum(placed.spec.peak_macs_per_s for placed in built.accelerators)
        kept = sum(placed.spec.buffer_bytes.get("parameter", 0) for placed in built.accelerators)
        tensors = {each.name: each.size_bytes for layer in graph.layers for each in layer.parameters}
        ends = sum(layer.model_input_bytes + layer.model_output_bytes for layer in graph.layers)
        moved = ends + max(0, sum(tensors.values()) - kept)
        bandwidth = sum(memory.bandwidth_bytes_per_s for memory in built.memories.values())
        return seconds_to_ps(max(graph.macs / peak, moved / bandwidth)) / PS_PER_MS


def _latency_ms(predictor: Predictor, workload: str, system: str) -> float:
    return predictor.steady(workload, system).latency_ps / PS_PER_MS


def _energy_mj(predictor: Predictor, workload: str, system: str) -> float:
    return predictor.steady(workload, system).energy_pj / PJ_PER_MJ


def _compiler_cycles(predictor: Predictor, workload: str, system: str) -> float:
    """Cycles of all layers, everything on chip, of the accelerator that stands for the compiler's view."""
    (placed, *others) = predictor.system(system).accelerators
    if others:
        raise UsageError(f"compiler_cycles: {system} has several accelerators")
    name = ESTIMATORS.get(placed.name, placed.name)
    built = predictor.system(name if name != placed.name else system)
    graph = predictor.graph(workload)
    costs = price(graph, built, "latency")
    for layer in graph.layers:
        costs.cost(layer.name, name)
    return float(sum(costs.cost(layer.name, name, ON_CHIP).compute_cycles for layer in graph.layers))


def _cached_parameter_bytes(predictor: Predictor, workload: str, system: str) -> float:
    (placed, *others) = predictor.system(system).accelerators
    if others:
        raise UsageError(f"cached_parameter_bytes: {system} has several accelerators")
    return float(cached_parameters(predictor.graph(workload).layers, placed.array).size_bytes)


PREDICTIONS: Mapping[str, Callable[[Predictor, str, str], float]] = {
    "latency_ms": _latency_ms,
    "energy_mj": _energy_mj,
    "compiler_cycles": _compiler_cycles,
    "cached_parameter_bytes": _cached_parameter_bytes,
}
