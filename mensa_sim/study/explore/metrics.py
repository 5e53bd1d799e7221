"""The metrics of a design: of its hardware alone, of one workload on it, and over all workloads."""

import math
from collections.abc import Iterable, Mapping, Sequence

from mensa_sim.errors import UsageError
from mensa_sim.hardware.area import area_mm2, chip_area_mm2
from mensa_sim.hardware.static_energy import component_leakage_mw
from mensa_sim.hardware.system import System
from mensa_sim.lookup import lookup, unknown_name
from mensa_sim.objective import mixed_objectives
from mensa_sim.records import dataclass
from mensa_sim.study.explore.scenario import PREFIX, WHOLE, check_scenario_metric, prefixed
from mensa_sim.study.generation.answer import Answer
from mensa_sim.study.run.result import ACCELERATOR_FIELDS, ENERGY_COMPONENTS, SystemResult, Took, objective_of
from mensa_sim.study.space.files import Direction, ObjectiveEntry, Over, SpaceFile
from mensa_sim.units import PS_PER_S, mean_power_mw

Values = Mapping[str, float]

HARDWARE = (
    *("area_mm2", "accelerators", "peak_macs_per_s", "peak_tops", "buffer_bytes", "leakage_mw"),
    "memory_bandwidth_bytes_per_s",
)
"""What conditions may ask of a design before it is run: sums over its accelerators, or its memories."""
RUN = (
    "latency_ps",
    "energy_pj",
    *mixed_objectives().values(),
    "throughput_inferences_per_s",
    "macs_per_s",
    "utilization",
    "handoffs",
    "tops_per_w",
    "mean_power_mw",
)
"""What is kept of every workload on every design."""
ANSWER_METRICS = (
    *("ttft_ps", "time_per_token_ps", "tokens_per_s", "prefill_tokens_per_s", "energy_per_token_pj", "kv_bytes"),
)
"""Of a workload that generates: `generation.ttft_ps`."""
MORE_IS_BETTER = (
    *("tokens_per_s", "prefill_tokens_per_s", "throughput_inferences_per_s", "macs_per_s", "utilization"),
    *("tops_per_w", "peak_macs_per_s", "peak_tops", "throughput_per_s"),
)
MAY_BE_ZERO = ("handoffs", "deadline_misses", "overloaded_streams", "mean_queueing_ps", "layers", "busy_ps")
STEADY = "steady_state."
STEADY_METRICS = ("latency_ps", "energy_pj")
"""Of an inference that finds the parameters that the one before it left on chip."""


def hardware_metrics(system: System) -> dict[str, float]:
    """The sums that `HARDWARE` names; the area is absent where an accelerator's is not known."""
    specs = [placed.spec for placed in system.accelerators]
    areas = [area_mm2(placed) for placed in system.accelerators]
    peak = sum(spec.peak_macs_per_s for spec in specs)
    known = {"area_mm2": chip_area_mm2(system)} if all(areas) else {}
    behind = [memory for memory in system.memories.values() if not memory.on_chip]
    return {
        **known,
        "accelerators": len(specs),
        "peak_macs_per_s": peak,
        "peak_tops": 2 * peak / 1e12,
        "buffer_bytes": sum(sum(spec.buffer_bytes.values()) for spec in specs),
        "leakage_mw": math.fsum(mw for placed in system.accelerators for mw in component_leakage_mw(placed).values()),
        "memory_bandwidth_bytes_per_s": sum(memory.bandwidth_bytes_per_s for memory in behind),
    }


def needs_steady(wanted: Iterable[str]) -> bool:
    """Whether a design is judged by its steady state."""
    return any(name.startswith(STEADY) for name in wanted)


def run_metrics(result: SystemResult, wanted: Iterable[str], answer: Answer | None = None) -> dict[str, float]:
    """`RUN` of one workload, and the wanted ones among the parts (`traffic_bytes.lpddr4`) that are there.

    Of an answer, time and energy and what is made of both are those of the whole, the others those of its first step.
    """
    whole: Took = result if answer is None else answer
    mixed = {figure: objective_of(whole, name) for name, figure in mixed_objectives().items()}
    found: dict[str, float] = {name: mixed[name] if name in mixed else getattr(result, name) for name in RUN}
    if answer is not None:
        found |= {
            "latency_ps": answer.latency_ps,
            "energy_pj": answer.energy_pj,
            "throughput_inferences_per_s": PS_PER_S / answer.latency_ps,
            "mean_power_mw": mean_power_mw(answer.energy_pj, answer.latency_ps),
        }
    found = {name: found[name] for name in RUN}
    parts: dict[str, float] = {
        **{
            f"generation.{name}": value for name in ANSWER_METRICS if (value := getattr(answer, name, None)) is not None
        },
        **{f"{STEADY}{name}": getattr(result.steady, name) for name in STEADY_METRICS},
        **{f"traffic_bytes.{name}": value for name, value in result.traffic_bytes.items()},
        **{f"energy_by_component_pj.{name}": value for name, value in result.energy_by_component_pj.items()},
    }
    for name, each in result.accelerators.items():
        parts |= {f"accelerators.{name}.{field}": getattr(each, field) for field in ACCELERATOR_FIELDS}
    return found | {name: parts[name] for name in wanted if name in parts}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchObjective:
    """One thing that the search makes small or large."""

    name: str
    """The metric's, with how it is taken over workloads where the space asks for one metric in two ways."""
    metric: str
    direction: Direction
    over: Over
    scenario: int | None = None
    """The place of the one scenario that counts; none: all."""

    def value(self, hardware: Values, workloads: Sequence[Values], scenarios: Sequence[Values] = ()) -> float:
        """The objective of a design; `UsageError` where a workload, a scenario or the hardware has no such value."""
        if self.metric in HARDWARE:
            return _present(hardware, self.metric)
        if self.metric.startswith(PREFIX):
            chosen = scenarios if self.scenario is None else [scenarios[self.scenario]]
            return over_workloads(self, [_present(prefixed(values), self.metric) for values in chosen])
        return over_workloads(self, [_present(values, self.metric) for values in workloads])

    def cost(self, value: float) -> float:
        """The value, turned so that less is better."""
        return value if self.direction == "minimize" else -value


def objectives_of(file: SpaceFile) -> tuple[SearchObjective, ...]:
    """The objectives of a space; `UsageError` for an unknown metric or one that stands there twice."""
    found: list[SearchObjective] = []
    metrics = [entry.metric for entry in file.objectives]
    for entry in file.objectives:
        check_metric(entry.metric)
        _check_place(entry, file)
        objective = _objective(entry, file, alone=metrics.count(entry.metric) == 1)
        if any(objective.name == other.name for other in found):
            raise UsageError(f"{objective.name} stands there twice")
        found.append(objective)
    return tuple(found)


def _check_place(entry: ObjectiveEntry, file: SpaceFile) -> None:
    """`UsageError` where a space has nothing that the objective can be of, or too many of what may be 0."""
    metric, over = entry.metric, entry.over or file.over
    of_scenarios = metric.startswith(PREFIX)
    if entry.scenario is not None:
        if not of_scenarios:
            raise UsageError(f"{metric}: is of no scenario; write {PREFIX}{metric}, or leave scenario out")
        lookup(dict.fromkeys(file.scenarios), entry.scenario, f"scenario of this space for {metric}")
    kind = "scenarios" if of_scenarios else "workloads"
    count = len(getattr(file, kind)) if entry.scenario is None else 1
    if not count and metric not in HARDWARE:
        raise UsageError(f"{metric}: the space names no {kind}")
    if count > 1 and over == "geometric_mean" and metric.split(".")[-1] in MAY_BE_ZERO:
        raise UsageError(f"{metric}: may be 0, which has no place in a geometric mean; say over: mean, or worst")


def _objective(entry: ObjectiveEntry, file: SpaceFile, *, alone: bool) -> SearchObjective:
    over = entry.over or file.over
    last = entry.metric.split(".")[-1]
    direction: Direction = "maximize" if last in MORE_IS_BETTER else "minimize"
    return SearchObjective(
        name=entry.metric if alone else f"{entry.metric} ({entry.scenario or over})",
        metric=entry.metric,
        direction=entry.direction or direction,
        over=over,
        scenario=None if entry.scenario is None else file.scenarios.index(entry.scenario),
    )


def check_metric(name: str) -> None:
    """`UsageError` for a metric that no design can have."""
    if name.startswith(PREFIX):
        check_scenario_metric(name.removeprefix(PREFIX))
        return
    match name.split("."):
        case [top] if top in RUN or top in HARDWARE:
            return
        case ["traffic_bytes", memory] if memory:
            return
        case ["steady_state", part] if part in STEADY_METRICS:
            return
        case ["generation", part] if part in ANSWER_METRICS:
            return
        case ["energy_by_component_pj", component]:
            if component not in ENERGY_COMPONENTS:
                raise unknown_name(component, ENERGY_COMPONENTS, "energy component")
        case ["accelerators", _, field]:
            if field not in ACCELERATOR_FIELDS:
                raise unknown_name(field, ACCELERATOR_FIELDS, "metric of an accelerator")
        case _:
            parts = (
                *(f"{STEADY}{part}" for part in STEADY_METRICS),
                *(f"generation.{part}" for part in ANSWER_METRICS),
                "traffic_bytes.MEMORY",
                "energy_by_component_pj.COMPONENT",
                "accelerators.NAME.METRIC",
                *(f"{PREFIX}{part}" for part in WHOLE),
                f"{PREFIX}streams.NAME.METRIC",
            )
            raise unknown_name(name, (*RUN, *HARDWARE, *parts), "metric")


def over_workloads(objective: SearchObjective, values: Sequence[float]) -> float:
    """One value for all workloads.

    >>> latency = SearchObjective(name="latency_ps", metric="latency_ps", direction="minimize", over="geometric_mean")
    >>> over_workloads(latency, [2.0, 8.0])
    4.0
    """
    match objective.over:
        case "mean":
            return math.fsum(values) / len(values)
        case "worst":
            return max(values) if objective.direction == "minimize" else min(values)
        case "geometric_mean":
            if len(values) == 1:
                return values[0]
            if min(values) <= 0:
                raise UsageError(f"{objective.metric}: a geometric mean needs values above 0, one is {min(values)}")
            return math.exp(math.fsum(map(math.log, values)) / len(values))


def summary_metrics(
    over: Over, hardware: Values, workloads: Sequence[Values], scenarios: Sequence[Values] = ()
) -> dict[str, float]:
    """What tables show of every design: the metrics over all workloads and all scenarios, and those of the hardware.

    A metric that one of them has not is absent; of one that may be 0 the mean stands in a geometric one's place.
    """
    found: dict[str, float] = {}
    for names, rows in ((RUN, workloads), ([f"{PREFIX}{n}" for n in WHOLE], [prefixed(row) for row in scenarios])):
        for name in names:
            values = [row[name] for row in rows if name in row]
            if not values or len(values) < len(rows):
                continue
            last = name.split(".")[-1]
            direction: Direction = "maximize" if last in MORE_IS_BETTER else "minimize"
            zero = last in MAY_BE_ZERO or min(values) <= 0
            usable: Over = "mean" if over == "geometric_mean" and zero else over
            found[name] = over_workloads(
                SearchObjective(name=name, metric=name, direction=direction, over=usable), values
            )
    return {**found, **hardware}


def _present(values: Values, name: str) -> float:
    if name not in values:
        why = ": in one of its streams no inference ended" if name.startswith(PREFIX) else ""
        raise UsageError(f"this design has no {name}{why}")
    return values[name]
