"""What the whole answer of a model that generates takes on one system, as the outcome of an inference has it."""

from functools import partial
from operator import attrgetter

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.system import System
from mensa_sim.simulate.metrics.inference import metrics
from mensa_sim.study.generation.answer import Answer, energy_of
from mensa_sim.study.generation.generation import answer_on
from mensa_sim.study.reproduce.outcome import Case, Outcome, energy_by_resource, general
from mensa_sim.study.run.result import SteadyState, SystemResult
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.generation.model import Generation

MADE_ANSWERS = "mensa_sim.study.generation.outcome"
"""The module that makes the outcome of an answer."""
MOVED = "from the prompt to the steps"
"""What carries keys and values there, where they lie in two memories."""


def answer_outcome(generation: Generation, kind: str, case: Case, system: System, memo: PriceMemo) -> Outcome:
    """Time and energy are those of the whole answer; schedule, accelerators and utilization those of the first step.

    There is no steady state: what an answer finds on chip is its own. `InfeasibleError` where it cannot run.
    """
    answered = answer_on(generation, system, case.goal, evaluate, memo, on_chip=case.on_chip)
    answer, step, prompt = answered.answer, answered.step, answered.prompt
    if answer is None or prompt is None:
        raise InfeasibleError(f"{generation.name}: generates nothing")
    parts = map(attrgetter, ("weight_bytes", "kv_bytes", "activation_bytes"))
    moved = sum(total for part in parts for total in (part(answer.prompt), answer.over_steps(part)))
    return Outcome(
        model=generation.name,
        kind=kind,
        label=case.label,
        system=case.system,
        macs=step.macs,
        parameter_bytes=step.parameter_bytes,
        latency_ps=answer.latency_ps,
        energy_by_resource_pj=_energy(answer, step, prompt),
        steady=SteadyState(latency_ps=answer.latency_ps, energy_pj=answer.energy_pj),
        utilization=step.utilization,
        handoffs=step.handoffs,
        traffic_bytes=round(moved),
        accelerators=step.accelerators,
        families={},
        value=step.optimality.value,
        bound=step.optimality.bound,
    )


def _energy(answer: Answer, step: SystemResult, prompt: SystemResult) -> dict[str, dict[str, float]]:
    """By resource and component: the prompt's own, and each component of the steps where the first step has it.

    All steps run where the first one does, so the parts of a component hardly change with the context.
    """
    found = _of(prompt)
    if answer.steps:
        first = _of(step)
        whole: dict[str, float] = {}
        for parts in first.values():
            for component, energy_pj in parts.items():
                whole[general(component)] = whole.get(general(component), 0.0) + energy_pj
        for resource, parts in first.items():
            mine = found.setdefault(resource, {})
            for component, energy_pj in parts.items():
                name = general(component)
                share = energy_pj / whole[name] if whole[name] else 0.0
                mine[component] = mine.get(component, 0.0) + share * answer.over_steps(partial(energy_of, name))
    return found | ({MOVED: dict(answer.moved_pj)} if answer.moved_pj else {})


def _of(result: SystemResult) -> dict[str, dict[str, float]]:
    measured = metrics(result.timeline, result.hardware, result.graph)
    return energy_by_resource(result.timeline, result.hardware, measured)
