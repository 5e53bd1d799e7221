"""A model that generates, and what is asked of it: the graphs of its phases and the memory that it takes."""

import math
from dataclasses import replace
from functools import cached_property
from typing import Protocol, runtime_checkable

from mensa_sim.errors import UsageError
from mensa_sim.ranges import at_least, within
from mensa_sim.records import dataclass
from mensa_sim.workload.generation.widths import ModelWidths
from mensa_sim.workload.graph import LayerGraph

MAX_TOKENS = 2**24
"""Of all conversations at once: a choice, more than any model keeps."""


@runtime_checkable
class GeneratingModel(Protocol):
    """What a callable must give for a workload that generates: `mensa_sim.workload.models.decoder` has one."""

    @property
    def parameters(self) -> int:
        """Parameters of the model."""
        ...

    def kv_bytes(self, context: int, widths: ModelWidths) -> int:
        """Keys and values of one conversation after so many tokens."""
        ...

    def phase(self, name: str, widths: ModelWidths, *, tokens: int, context: int, batch: int = 1) -> LayerGraph:
        """The graph of some new tokens after those of the context."""
        ...


def phase_of(
    model: GeneratingModel, name: str, widths: ModelWidths, *, tokens: int, context: int, batch: int = 1
) -> LayerGraph:
    """The graph of a phase, with what a runtime does besides: prompts come in first, tokens are chosen last."""
    graph = model.phase(name, widths, tokens=tokens, context=context, batch=batch)
    head = next((layer.name for layer in reversed(graph.layers) if layer.nest and layer.parameters), None)
    first = None if context else graph.layers[0].name
    layers = tuple(
        replace(layer, chooses=layer.name == head, prompts=batch if layer.name == first else 0)
        if layer.name in {head, first}
        else layer
        for layer in graph.layers
    )
    return replace(graph, layers=layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculation:
    """A smaller model proposes tokens one after another, and the model reads all of them in one step.

    Leviathan et al., ICML 2023 (arXiv 2211.17192). How often a proposal is right is a figure of the two models and
    their texts: it is stated, not computed.
    """

    draft: str
    """Workload of the model that proposes: a bare name, or a path relative to the workload file."""
    tokens: int
    """Proposed in each round."""
    acceptance: float
    """Share of proposed tokens that the model would have chosen too."""

    def __post_init__(self) -> None:
        at_least(1, self, "tokens")
        within(0, 1, self, "acceptance")

    @property
    def tokens_a_round(self) -> float:
        """Tokens that a round is expected to give: those before the first wrong one, and one of the model's own.

        Equation 1 of Leviathan et al., which takes each proposal to be right independently of the others.

        >>> Speculation(draft="small", tokens=4, acceptance=0.5).tokens_a_round
        1.9375
        """
        return math.fsum(self.acceptance**place for place in range(self.tokens + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """How much is generated: the `generate` of a workload file."""

    prompt_tokens: int
    """Tokens that are read at once before the first one is answered."""
    new_tokens: int
    """Tokens of the answer, the first one included."""
    conversations: int = 1
    """Answered at once, each with keys and values of its own: the weights are read once for all."""
    speculation: Speculation | None = None
    """Of a model that reads what a smaller one proposes."""

    def __post_init__(self) -> None:
        at_least(1, self, "prompt_tokens", "new_tokens", "conversations")
        if self.conversations * (self.prompt_tokens + self.new_tokens) > MAX_TOKENS:
            raise ValueError(f"all conversations together have more than {MAX_TOKENS} tokens")

    @property
    def steps(self) -> range:
        """The context of each decoding step: the prompt gives the first token, each step one more."""
        return range(self.prompt_tokens, self.prompt_tokens + self.new_tokens - 1)

    @property
    def proposed(self) -> int:
        """Tokens that a step reads beside the last one."""
        return 0 if self.speculation is None else self.speculation.tokens


@dataclass(frozen=True, kw_only=True)
class Generation:
    """A workload that generates: a model, its widths, and how much it answers."""

    name: str
    model: GeneratingModel
    widths: ModelWidths
    generate: Generate
    draft: "Generation | None" = None
    """The model that proposes tokens, where there is speculation."""

    @cached_property
    def prompt(self) -> LayerGraph:
        """The phase that reads the prompt and gives the first token."""
        return self._phase(f"{self.name}_prompt", self.generate.prompt_tokens, 0)

    def step(self, context: int) -> LayerGraph:
        """The decoding step after so many tokens; `UsageError` for more than the model takes."""
        return self._phase(self.name, 1 + self.generate.proposed, context)

    def _phase(self, name: str, tokens: int, context: int) -> LayerGraph:
        batch = self.generate.conversations
        try:
            return phase_of(self.model, name, self.widths, tokens=tokens, context=context, batch=batch)
        except ValueError as error:
            raise UsageError(f"{self.name}: {error}") from error

    @property
    def kv_bytes(self) -> int:
        """Keys and values of all conversations when the answers are complete."""
        generate = self.generate
        last = generate.prompt_tokens + generate.new_tokens - 1 + generate.proposed
        return generate.conversations * self.model.kv_bytes(last, self.widths)
