"""What the model says of the figures that people measure: latency, energy, the compiler's cycles, cached bytes.

Of models that generate: speeds of the prompt and of decoding, energy of a token.
"""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any

from mensa_sim.cost.fed import ON_CHIP
from mensa_sim.cost.parameter_cache import cached_parameters
from mensa_sim.cost.prices.memo import PriceMemo, shared_memo
from mensa_sim.cost.prices.price import price
from mensa_sim.errors import UsageError
from mensa_sim.flow import DEFAULT_FLOW, FlowName
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.study.generation.generation import Answered, answer_on
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.result import SteadyState, SystemResult
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.validate.file import Lengths, layer_apart
from mensa_sim.units import PJ_PER_MJ, PS_PER_MS, PS_PER_S, seconds_to_ps
from mensa_sim.workload.generation.model import Generation
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_generation, load_workload

PROMPT_METRICS = ("ttft_ms", "prefill_tokens_per_s")
"""Those of the prompt alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRate:
    """A phase, or the mean step of an answer: its time, its energy, its tokens and what it asks at least."""

    latency_ps: float
    energy_pj: float
    tokens: int
    macs: int
    least_bytes: int
    """Parameters once, and the keys and values that it reads."""

    @classmethod
    def of_prompt(cls, generation: Generation, answered: Answered) -> "PhaseRate":
        """The prompt with all its tokens, until the answer's first one."""
        answer, prompt = answered.answer, answered.prompt
        if answer is None or prompt is None:
            raise UsageError(f"{generation.name}: no prompt is read")
        tokens = generation.generate.conversations * generation.generate.prompt_tokens
        return replace(_rate(prompt, tokens), latency_ps=answer.ttft_ps)

    @classmethod
    def of_step(cls, generation: Generation, result: SystemResult) -> "PhaseRate":
        """One decoding step: a token of each conversation."""
        return _rate(result, generation.generate.conversations)

    @classmethod
    def of_answer(cls, generation: Generation, answered: Answered) -> "PhaseRate":
        """The mean step of an answer; `UsageError` where the prompt gives the only token."""
        answer = answered.answer
        time_ps = None if answer is None else answer.time_per_token_ps
        energy_pj = None if answer is None else answer.energy_per_token_pj
        if time_ps is None or energy_pj is None:
            raise UsageError(f"{generation.name}: an answer of one token has no decoding step")
        conversations = generation.generate.conversations
        steps = generation.generate.steps
        middle = _rate(answered.step, conversations, generation.step(steps[len(steps) // 2]))
        return replace(middle, latency_ps=time_ps, energy_pj=energy_pj * conversations)

    def on_roofline(self, peak_macs_per_s: float, bytes_per_s: float) -> "PhaseRate":
        """The same in the time that peak rate and quoted bandwidth allow at most."""
        seconds = max(self.macs / peak_macs_per_s, self.least_bytes / bytes_per_s)
        return replace(self, latency_ps=seconds * PS_PER_S)


def _rate(result: SystemResult, tokens: int, graph: LayerGraph | None = None) -> PhaseRate:
    graph = graph or result.graph
    read = {
        each.name: each.size_bytes
        for layer in graph.layers
        for each in layer.parameters
        if layer.gathered_bytes is None
    }
    return PhaseRate(
        latency_ps=result.latency_ps,
        energy_pj=result.energy_pj,
        tokens=tokens,
        macs=graph.macs,
        least_bytes=sum(read.values()) + sum(layer.state_bytes for layer in graph.layers),
    )


GENERATION_PREDICTIONS: Mapping[str, Callable[[PhaseRate], float]] = {
    "ttft_ms": lambda phase: phase.latency_ps / PS_PER_MS,
    "prefill_tokens_per_s": lambda phase: phase.tokens * PS_PER_S / phase.latency_ps,
    "decode_tokens_per_s": lambda phase: phase.tokens * PS_PER_S / phase.latency_ps,
    "energy_per_token_mj": lambda phase: phase.energy_pj / phase.tokens / PJ_PER_MJ,
}
"""By metric, in the unit of its name."""


UNSAID = Lengths()
"""Of a workload that does not generate, and of one that generates as its file says."""

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
    memo: PriceMemo = field(init=False)
    _generations: dict[str, Generation] = field(default_factory=dict)
    _phases: dict[tuple[str, str, bool, Lengths], PhaseRate] = field(default_factory=dict)
    _answers: dict[tuple[str, str, Lengths], Answered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.memo = shared_memo(cache=self.cache)

    def predict(self, workload: str, system: str, metric: str, lengths: Lengths = UNSAID) -> float:
        """A metric in the unit of its name; a workload or system is a bare name or a path.

        `lengths` are those of a workload that generates.
        """
        if metric in GENERATION_PREDICTIONS:
            return GENERATION_PREDICTIONS[metric](self.generated(workload, system, metric, lengths))
        return lookup(PREDICTIONS, metric, "metric")(self, workload, system)

    def generated(self, workload: str, system: str, metric: str, lengths: Lengths) -> PhaseRate:
        """The phase that a metric speaks of: the prompt, the step at a context, or the steps of an answer."""
        if workload not in self._generations:
            found = load_generation(workload, allow_code=self.allow_code)
            if found is None:
                raise UsageError(f"{metric}: {workload} does not generate")
            if found.draft is not None:
                raise UsageError(f"{metric}: {workload} speculates, and its steps are priced as an answer alone")
            self._generations[workload] = found
        key = (workload, system, metric in PROMPT_METRICS, lengths)
        if key not in self._phases:
            self._phases[key] = self._phase(*key)
        return self._phases[key]

    def _phase(self, workload: str, name: str, prompt: bool, lengths: Lengths) -> PhaseRate:
        generation, system = self._generations[workload], self.system(name)
        said = {"prompt_tokens": lengths.prompt_tokens, "new_tokens": lengths.new_tokens}
        given: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        asked = replace(generation, generate=replace(generation.generate, **given))
        goal = Goal(scheduler=_scheduler(system), objective="latency", flow=_flow(system))
        if lengths.context is not None and not prompt:
            step = evaluate(asked.step(lengths.context), system, goal, memo=self.memo, explained=False)
            return PhaseRate.of_step(asked, step)
        if (workload, name, lengths) not in self._answers:
            answered = answer_on(asked, system, goal, evaluate, self.memo, explained=False)
            self._answers[workload, name, lengths] = answered
        return (PhaseRate.of_prompt if prompt else PhaseRate.of_answer)(asked, self._answers[workload, name, lengths])

    def graph(self, workload: str) -> LayerGraph:
        """The layer graph of a workload, or of one layer of it."""
        if workload not in self._graphs:
            path, *layers = layer_apart(workload)
            graph = load_workload(path, allow_code=self.allow_code, cache=self.cache)
            if layers:
                (layer,) = layers
                alone = lookup({each.name: each for each in graph.layers}, layer, f"layer of {path}")
                graph = LayerGraph(name=workload, layers=(alone,), edges=())
            self._graphs[workload] = graph
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
            goal = Goal(
                scheduler=_scheduler(built),
                objective="latency" if built.scheduling is None else built.scheduling.objective,
                flow=_flow(built),
                steady=True,
            )
            self._steady[key] = evaluate(graph, built, goal, memo=self.memo, explained=False).steady
        return self._steady[key]

    def roofline(self, workload: str, system: str, metric: str, lengths: Lengths = UNSAID) -> float | None:
        """What the plain roofline says of a time or a rate; none of anything else."""
        if metric == "latency_ms":
            return self.roofline_ms(workload, system)
        if metric not in GENERATION_PREDICTIONS or metric == "energy_per_token_mj":
            return None
        built = self.system(system)
        peak = sum(placed.spec.peak_macs_per_s for placed in built.devices)
        bandwidth = _quoted_bytes_per_s(built)
        phase = self.generated(workload, system, metric, lengths)
        return GENERATION_PREDICTIONS[metric](phase.on_roofline(peak, bandwidth))

    def roofline_ms(self, workload: str, system: str) -> float:
        """What peak MAC rates and the memories' quoted bandwidths allow at most, for a later inference.

        Inputs and outputs cross the memory once, and of the parameters what exceeds all parameter buffers together.
        """
        graph, built = self.graph(workload), self.system(system)
        peak = sum(placed.spec.peak_macs_per_s for placed in built.devices)
        kept = sum(placed.spec.buffer_bytes.get("parameter", 0) for placed in built.devices)
        tensors = {each.name: each.size_bytes for layer in graph.layers for each in layer.parameters}
        ends = sum(layer.model_input_bytes + layer.model_output_bytes for layer in graph.layers)
        moved = ends + max(0, sum(tensors.values()) - kept)
        return seconds_to_ps(max(graph.macs / peak, moved / _quoted_bytes_per_s(built))) / PS_PER_MS


def _quoted_bytes_per_s(system: System) -> float:
    """Of all memories of its devices together."""
    apart = {placed.memory for placed in system.accelerators} - {placed.memory for placed in system.devices}
    return sum(each.bandwidth_bytes_per_s for name, each in system.memories.items() if name not in apart)


def _flow(system: System) -> FlowName:
    """That of its compiler, or what a run takes where no file says it."""
    return (system.scheduling and system.scheduling.flow) or DEFAULT_FLOW


def _scheduler(system: System) -> str:
    """One accelerator leaves no choice, and neither does a compiler for a device behind a host; else the optimum."""
    if len(system.accelerators) == 1:
        return f"single:{system.accelerators[0].name}"
    return "optimal" if system.host is None or system.host.cpu is None else "first"


def _compiler_cycles(predictor: Predictor, workload: str, system: str) -> float:
    """Cycles of all layers, everything on chip, of the accelerator that stands for the compiler's view."""
    (placed, *others) = predictor.system(system).devices
    if others:
        raise UsageError(f"compiler_cycles: {system} has several accelerators")
    name = ESTIMATORS.get(placed.name, placed.name)
    built = predictor.system(name if name != placed.name else system)
    graph = predictor.graph(workload)
    costs = price(graph, built, "latency", predictor.memo)
    for layer in graph.layers:
        costs.cost(layer.name, name)
    return float(sum(costs.cost(layer.name, name, ON_CHIP).compute_cycles for layer in graph.layers))


def _cached_parameter_bytes(predictor: Predictor, workload: str, system: str) -> float:
    (placed, *others) = predictor.system(system).devices
    if others:
        raise UsageError(f"cached_parameter_bytes: {system} has several accelerators")
    return float(cached_parameters(predictor.graph(workload).layers, placed.array).size_bytes)


PREDICTIONS: Mapping[str, Callable[[Predictor, str, str], float]] = {
    "latency_ms": lambda predictor, workload, system: predictor.steady(workload, system).latency_ps / PS_PER_MS,
    "energy_mj": lambda predictor, workload, system: predictor.steady(workload, system).energy_pj / PJ_PER_MJ,
    "compiler_cycles": _compiler_cycles,
    "cached_parameter_bytes": _cached_parameter_bytes,
}
