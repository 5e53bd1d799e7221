"""What is measured of models that generate: speeds of the prompt and of decoding, energy of a token."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from mensa_sim.errors import UsageError
from mensa_sim.records import dataclass
from mensa_sim.study.generation.generation import Answered
from mensa_sim.study.run.result import SystemResult
from mensa_sim.units import PJ_PER_MJ, PS_PER_MS, PS_PER_S
from mensa_sim.workload.generation.model import Generation
from mensa_sim.workload.graph import LayerGraph

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
