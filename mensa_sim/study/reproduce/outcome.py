"""What one model does on one system, small enough to keep for hundreds of runs, and kept on disk beside the prices.

What one study has run, no other runs again.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, field, replace

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import FileError
from mensa_sim.hardware.accelerator import Device
from mensa_sim.hardware.host import HOST
from mensa_sim.hardware.static_energy import BACKGROUND, BOARD, LEAKAGE
from mensa_sim.hardware.system import System
from mensa_sim.io.files import validate
from mensa_sim.io.pack import Pack
from mensa_sim.io.store import digest_of
from mensa_sim.records import dataclass
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.metrics.inference import Metrics, metrics
from mensa_sim.simulate.plan.options import FULL, Options
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.simulate.scenario.arrivals import ClosedLoop
from mensa_sim.simulate.scenario.run import simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.study.run.flows import data_of, scheduled, with_data_plan
from mensa_sim.study.run.foreseen import foreseen
from mensa_sim.study.run.inferences import inferences
from mensa_sim.study.run.placement import Goal, Placement, Stacked, place
from mensa_sim.study.run.result import FirstInference, SteadyState
from mensa_sim.units import PJ_PER_J, PS_PER_S
from mensa_sim.workload.families.paper import families_of
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.graph_json import graph_to_data

IN_FLIGHT = 4
"""Inferences under way at once in the closed loop: more than the accelerators of any system here."""

REQUESTS = 12
"""Inferences of the closed loop."""

MADE_BY = "mensa_sim.study.reproduce.outcome"
"""The module that makes the outcome of an inference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to run a model: a system with changed fields, a goal, and what stays on chip."""

    label: str
    """What the case is for; with the system it names the case."""
    system: str
    overrides: tuple[str, ...] = ()
    goal: Goal = field(default_factory=Goal)
    on_chip: Options = FULL
    length: float = 1.0
    """Multiplies the steps of every layer that takes several."""
    kinds: tuple[str, ...] = ()
    """The kinds of model that it is for; none means all."""
    closed_loop: bool = False
    """Whether to also run inferences that overlap."""
    first_only: bool = False
    """Whether nobody asks for the steady state, which is then the first inference, nor for a bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyWork:
    """The layers of one family: what they computed, and what the accelerators could have done in their time."""

    layers: int
    macs: int
    possible_macs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(FirstInference):
    """One model on one system: the first inference, the steady state and, where asked for, overlapping inferences.

    Data lives where that is best in a first inference, and for the others where it is best in one that follows others.
    """

    model: str
    kind: str
    label: str
    energy_by_resource_pj: Mapping[str, Mapping[str, float]]
    """By resource (accelerator, memory, link, host), then component; what time alone costs are components."""
    traffic_bytes: int
    families: Mapping[int, FamilyWork]
    value: float
    """Of the schedule, as its flow predicts the objective."""
    bound: float | None = None
    """Proven for that."""
    closed_loop_per_s: float | None = None

    @property
    def energy_pj(self) -> float:
        """Energy of one inference."""
        return math.fsum(energy for parts in self.energy_by_resource_pj.values() for energy in parts.values())

    @property
    def macs_per_j(self) -> float:
        """MACs of the model over the energy of an inference."""
        return self.macs / self.energy_pj * PJ_PER_J

    @property
    def component_pj(self) -> dict[str, float]:
        """Energy by component over all resources; the leakage of all components is one."""
        parts: dict[str, list[float]] = {}
        for resource in self.energy_by_resource_pj.values():
            for component, energy in resource.items():
                parts.setdefault(general(component), []).append(energy)
        return {name: math.fsum(parts[name]) for name in sorted(parts)}


def general(component: str) -> str:
    """What all leakage is called, whatever component of an accelerator leaks; any other component itself."""
    return LEAKAGE if component.startswith(f"{LEAKAGE} ") else component


def outcome_of(graph: LayerGraph, kind: str, case: Case, system: System, memo: PriceMemo) -> Outcome:
    """Place and simulate one model as a case says."""
    placed = place(graph, system, case.goal, memo, bounded=not case.first_only)
    stacked: Stacked = {}
    placement = with_data_plan(placed, case.goal.flow, case.on_chip, case.goal, stacked=stacked)
    costs, found = placement.costs, placement.schedule
    graph = costs.graph
    steady, per_s = None, None
    if case.first_only:
        timeline = simulate(graph, costs, found.assignment, case.on_chip, data_of(placement))
    else:
        timeline, _ = inferences(placement, case.on_chip)
        found = found if found.bound is None else foreseen(placement, case.on_chip).schedule
        goal = replace(case.goal, steady=True)
        later = with_data_plan(replace(placed, goal=goal), goal.flow, case.on_chip, goal, stacked=stacked)
        _, steady = inferences(later, case.on_chip)
        per_s = _closed_loop_per_s(case, later) if case.closed_loop else None
    first = metrics(timeline, system, graph)
    return Outcome(
        model=graph.name,
        kind=kind,
        label=case.label,
        system=case.system,
        macs=graph.macs,
        parameter_bytes=graph.parameter_bytes,
        latency_ps=first.latency_ps,
        energy_by_resource_pj=energy_by_resource(timeline, system, first),
        steady=steady or SteadyState(latency_ps=first.latency_ps, energy_pj=first.energy_pj),
        utilization=first.utilization,
        handoffs=first.handoffs,
        traffic_bytes=sum(first.traffic_bytes.values()),
        accelerators=first.accelerators,
        families=_families(graph, system, first),
        value=found.value,
        bound=found.bound,
        closed_loop_per_s=per_s,
    )


def energy_by_resource(timeline: Timeline, system: System, measured: Metrics) -> dict[str, dict[str, float]]:
    """The energy of an inference by resource, then component; what time alone costs are components."""
    parts: dict[tuple[str, str], list[float]] = {}
    for span in timeline.spans:
        for component, energy in span.energy_pj.items():
            resource = span.resource
            if component == "memory" and resource not in system.memories:
                resource = system.accelerator(resource).memory
            parts.setdefault((resource, component), []).append(energy)
    energies: dict[str, dict[str, float]] = {}
    for resource, component in sorted(parts):
        energies.setdefault(resource, {})[component] = math.fsum(parts[resource, component])
    static = measured.static
    for name, leaked in static.leakage_pj.items():
        energies.setdefault(name, {}).update({f"{LEAKAGE} {part}": energy for part, energy in leaked.items()})
    for name, energy in static.background_pj.items():
        energies.setdefault(name, {})[BACKGROUND] = energy
    return energies | ({HOST: {BOARD: static.board_pj}} if static.board_pj else {})


def _families(graph: LayerGraph, system: System, measured: Metrics) -> dict[int, FamilyWork]:
    family_of = families_of(graph)
    peaks = {placed.name: placed.spec.peak_macs_per_s for placed in system.accelerators}
    work: dict[int, list[tuple[int, float]]] = {}
    for name, layer in measured.layers.items():
        if name in family_of:
            possible = peaks[layer.accelerator] * (layer.end_ps - layer.start_ps) / PS_PER_S
            work.setdefault(family_of[name], []).append((graph[name].macs, possible))
    return {
        family: FamilyWork(
            layers=len(work[family]),
            macs=sum(macs for macs, _ in work[family]),
            possible_macs=math.fsum(possible for _, possible in work[family]),
        )
        for family in sorted(work)
    }


def _closed_loop_per_s(case: Case, placement: Placement) -> float:
    """Inferences per second with several in flight, filling and draining included."""
    arrivals = ClosedLoop(in_flight=IN_FLIGHT, requests=REQUESTS)
    name = placement.costs.graph.name
    streams = (Stream(name=name, workload=name, arrivals=arrivals),)
    scenario = Scenario(name=name, streams=streams, options=case.on_chip)
    ran = simulate_scenario(scenario, {name: scheduled(placement)}, max_spans=0)
    return REQUESTS * PS_PER_S / ran.metrics.end_ps


class KeptOutcomes:
    """The outcomes of one model, by all that each depends on.

    None where a device is measured or the goal names a file or holds a function: there a case does not tell it all.
    """

    def __init__(self, pack: Pack | None, graph: LayerGraph, kind: str, *, made_by: str = MADE_BY) -> None:
        """`made_by` is the module that, with all that it imports, makes an outcome of a model, a case and a system."""
        self._pack = pack
        model = graph_to_data(graph)
        self._about = digest_of(model, kind, module=made_by, libraries=("numpy", "scipy")) if pack else ""

    def get(self, case: Case, system: System) -> Outcome | None:
        """The outcome of a case on its system, if it is there."""
        if self._pack is None or not _told(case, system):
            return None
        name = self._name(case, system)
        try:
            return validate(self._pack.get_data(name), Outcome, case.label)
        except FileError:
            return None

    def put(self, case: Case, system: System, outcome: Outcome) -> None:
        """Keep the outcome of a case on its system."""
        if self._pack is not None and _told(case, system):
            self._pack.put_data(self._name(case, system), asdict(outcome))

    def _name(self, case: Case, system: System) -> bytes:
        return bytes.fromhex(digest_of(self._about, case, system.everything))


def _told(case: Case, system: System) -> bool:
    goal = case.goal
    measured = any(isinstance(placed.spec, Device) for placed in system.accelerators)
    files = goal.schedule_file is not None or goal.families_file is not None
    return isinstance(goal.scheduler, str) and not files and not measured
