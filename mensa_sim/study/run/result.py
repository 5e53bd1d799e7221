"""What a run gives: flat records that reports render and scripts read."""

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from mensa_sim.cost.layer_cost import COMPONENTS
from mensa_sim.hardware.overrides import HeldSetting
from mensa_sim.hardware.static_energy import STATIC
from mensa_sim.hardware.system import System
from mensa_sim.objective import mixed_objectives, objective_named
from mensa_sim.records import dataclass
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule
from mensa_sim.simulate.metrics.inference import AcceleratorMetrics
from mensa_sim.simulate.record.causes import Cause
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.study.generation.answer import Answer
from mensa_sim.study.run.on_chip import HomeResult, SplitResult, StackResult
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.units import PJ_PER_J, PS_PER_S, mean_power_mw, ps_to_seconds
from mensa_sim.workload.coverage import Share, coverage_shares
from mensa_sim.workload.graph import Coverage, LayerGraph

Simulated = TypeVar("Simulated")
"""What a simulation says of one system."""

NOTABLE_GAP = 0.10
"""Schedules further above the proven bound are shown beside the best one: a choice."""

ENERGY_COMPONENTS = (*COMPONENTS, *STATIC)
"""As the cost model lists them, then what time costs."""

ACCELERATOR_FIELDS = ("layers", "busy_ps", "utilization", "energy_pj")
"""What a summary says of each accelerator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerResult:
    """One layer as it was scheduled and simulated."""

    name: str
    operator: str
    family: int | None
    accelerator: str
    start_ps: int
    end_ps: int
    cycles: int
    energy_pj: float
    """Dynamic energy."""
    utilization: float
    """MACs over the accelerator's peak in the layer's time."""
    bound: str
    source: str
    macs: int
    parameter_bytes: int
    steps: int
    reason: str
    """Why the scheduler put it there."""
    supported: bool = True
    """False for an operator that we cannot cost: charged its traffic alone."""
    error_percent: float | None = None
    """Mean error out of sample of the fit that its time comes from; none for measured and analytical times."""
    memory_bytes: int = 0
    """What it moved over its accelerator's memory, copies to other memories not counted."""
    utilization_split: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Utilization as a product, see `LayerCost.utilization_split`: in space, in time, without stalls."""
    mapping_floor: float | None = None
    """What no mapping's objective is below with every tensor from and to memory; see `LayerCost.floor`."""
    mapping_gap_percent: float | None = None
    """How far its mapping lies above that; none where none was searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimality:
    """A schedule's predicted objective value beside the proven bound, where one is known."""

    objective: str
    value: float
    bound: float | None = None
    gap: float | None = None
    simulated: float | None = None
    """The same objective from the simulation."""
    tried: int = 0
    """Schedules of which it was the best when simulated, near the least predicted; 0 where one alone was."""
    of_all: int = 0
    """Assignments of which none simulates better: all that there are, where each was tried or bounded from below."""
    compared: str | None = None
    """`steady` where all these were compared by an inference that follows others; none: by the first one."""
    causes: tuple[Cause, ...] = ()
    """What adds up to the difference between predicted and simulated latency and energy."""
    differs: tuple[str, ...] = ()
    """The causes of more than 1 % of the value, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyState:
    """An inference that finds the parameters that the one before it left on chip."""

    latency_ps: int
    energy_pj: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BestSchedule:
    """What the simulation gives of the best schedule, said where the chosen one is far from it."""

    scheduler: str
    latency_ps: int
    energy_pj: float
    simulated: float | None = None
    """The objective from the simulation, where one inference has it: what stays on chip is not in the prediction that
    the schedule is the best by, so that another may simulate better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstInference:
    """What an inference that finds empty buffers takes on a system, and an inference after it."""

    system: str
    macs: int
    parameter_bytes: int
    latency_ps: int
    utilization: float
    """MACs over the sum of peak x busy time."""
    accelerators: Mapping[str, AcceleratorMetrics]
    handoffs: int
    """Tensors that an accelerator gets from another one."""
    steady: SteadyState
    """All other figures are those of the first inference."""

    @property
    def throughput_inferences_per_s(self) -> float:
        """1 / latency: one inference at a time, never pipelined."""
        return PS_PER_S / self.latency_ps

    @property
    def macs_per_s(self) -> float:
        """MACs of the model over its latency."""
        return self.macs * PS_PER_S / self.latency_ps


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SystemResult(FirstInference):
    """One workload on one system: totals, and what each layer and accelerator did."""

    workload: str
    scheduler: str
    objective: str
    seed: int
    energy_by_component_pj: Mapping[str, float]
    """Dynamic energy by component, and what time alone costs as components of their own."""
    traffic_bytes: Mapping[str, int]
    area_mm2: float | None
    layers: Sequence[LayerResult]
    coverage: Coverage
    optimality: Optimality
    hardware: System
    graph: LayerGraph
    timeline: Timeline
    problem: Problem
    schedule: Schedule
    best: BestSchedule | None = None
    """Where the chosen schedule is more than `NOTABLE_GAP` above the proven bound."""
    homes: tuple[HomeResult, ...] = ()
    """Tensors with a home on chip, in the order of their producers."""
    stacks: tuple[StackResult, ...] = ()
    """Layers that ran tile by tile."""
    splits: tuple[SplitResult, ...] = ()
    """Layers that ran in pieces."""
    heard_bytes: int = 0
    """What pieces of layers took from memory while another one read it."""
    caveats: tuple[str, ...] = ()
    """What a reader must know of measured costs: fits with their errors, extrapolations, estimates."""

    def __repr__(self) -> str:
        return f"<SystemResult: {self.workload} on {self.system}>"

    @property
    def energy_pj(self) -> float:
        """Energy of one inference, leakage, background and board included."""
        return sum(self.energy_by_component_pj.values())

    @property
    def coverage_shares(self) -> Mapping[str, Share]:
        """Shares of MACs and bytes: costed and unsupported."""
        return coverage_shares(self.graph)

    def objective_value(self, name: str) -> float:
        """What an objective makes of its energy and latency, in the objective's SI unit."""
        return objective_of(self, name)

    @property
    def products(self) -> Mapping[str, float]:
        """The mixed objectives, by the names of their figures: `edp_j_s`, ..."""
        return {figure: self.objective_value(name) for name, figure in mixed_objectives().items()}

    @property
    def mean_power_mw(self) -> float:
        """Energy over latency: 1 pJ/ps is 1 W."""
        return mean_power_mw(self.energy_pj, self.latency_ps)

    @property
    def tops_per_w(self) -> float:
        """Two operations for each MAC of the model, over the energy it took: 1 per pJ is 1 TOPS/W."""
        return 2 * self.macs / self.energy_pj


def energy_components(*results: SystemResult) -> tuple[str, ...]:
    """The components that any of the results has: as the cost model lists them, then what time costs."""
    found = {name for result in results for name in result.energy_by_component_pj}
    return tuple(name for name in ENERGY_COMPONENTS if name in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """A system against a baseline on the same workload; above 1 is better."""

    energy_efficiency: float
    throughput: float
    latency: float


class Took(Protocol):
    """What has taken a time and an energy: an inference, a whole answer."""

    @property
    def latency_ps(self) -> int:
        """Its time."""

    @property
    def energy_pj(self) -> float:
        """All its energy."""


def objective_of(took: Took, name: str) -> float:
    """What an objective makes of an energy and a time, in the objective's SI unit."""
    return objective_named(name).value(took.energy_pj / PJ_PER_J, ps_to_seconds(took.latency_ps))


def ratios(result: Took, baseline: Took) -> Ratios:
    """Energy efficiency is baseline energy over ours; throughput and latency are baseline time over ours."""
    speedup = baseline.latency_ps / result.latency_ps
    return Ratios(energy_efficiency=baseline.energy_pj / result.energy_pj, throughput=speedup, latency=speedup)


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideBaseline(Provenance, Generic[Simulated]):
    """The same on a system and on its baseline."""

    main: Simulated
    baseline: Simulated | None
    """None where the usual one cannot run the workload."""
    alone: str = ""
    """Why there is no baseline."""
    changes: tuple[HeldSetting, ...] = ()
    """Which setting holds on the system, which on both."""

    @property
    def systems(self) -> tuple[Simulated, ...]:
        """The system, then the baseline where there is one."""
        return (self.main, self.baseline) if self.baseline else (self.main,)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult(BesideBaseline[SystemResult]):
    """A run beside its baseline, with what it was made from."""

    answer: Answer | None = None
    """Of a workload that generates, whose first decoding step `main` is; likewise on the baseline."""
    baseline_answer: Answer | None = None

    @property
    def ratios(self) -> Ratios | None:
        """The main system against the baseline, where there is one."""
        return ratios(self.main, self.baseline) if self.baseline else None
