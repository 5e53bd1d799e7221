"""Conversations: requests that are a prompt and then one decoding step after another."""

import math
import random
from collections.abc import Iterator
from typing import Literal

from mensa_sim.ranges import at_least, positive, within
from mensa_sim.records import dataclass

CONTEXT_STEP = 64
"""Tokens of context between two that are priced (a choice): costs of a step grow almost evenly with the context."""

MOST_JOINED = 256
"""Conversations in one step: a choice."""

MOST_PRICED = 64
"""Prompts, and steps, of one stream that are placed and planned: a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCount:
    """How many tokens, the same in each conversation or drawn anew for each.

    `uniform` draws from `least` to `most`, both included; `lognormal` has the median and the standard deviation of the
    logarithm that are given, and what lies outside `least` and `most` counts as those.
    """

    kind: Literal["fixed", "uniform", "lognormal"]
    """How they are drawn."""
    least: int
    """Never fewer."""
    most: int
    """Never more."""
    median: float | None = None
    """Of `lognormal`."""
    sigma: float | None = None
    """Of `lognormal`: the standard deviation of the logarithm of the tokens."""

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ValueError(
                f"tokens from {self.least} to {self.most}: must be at least 1, the most not below the least"
            )
        if self.kind == "fixed" and self.least != self.most:
            raise ValueError(f"a fixed number of tokens is one number, not {self.least} to {self.most}")
        if (self.kind == "lognormal") != (self.median is not None) or (self.median is None) != (self.sigma is None):
            raise ValueError("median and sigma go with kind lognormal, which needs both")
        positive(self, "median", "sigma")

    def drawn(self, generator: random.Random) -> int:
        """The tokens of the next conversation."""
        if self.kind == "uniform":
            return generator.randint(self.least, self.most)
        if self.median is None or self.sigma is None:
            return self.least
        return max(self.least, min(self.most, round(generator.lognormvariate(math.log(self.median), self.sigma))))


def fixed(tokens: int) -> TokenCount:
    """The same number of tokens in each conversation."""
    return TokenCount(kind="fixed", least=tokens, most=tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What is asked of a model that generates: each request reads a prompt, and every further token is a step.

    Steps are priced at one context in `context_step` tokens, the middle one, which stands for all of them; so are
    prompts whose length is drawn. Steps of several conversations may be joined: those that wait when a step ends, the
    first of them, are the next one (Yu et al., Orca, OSDI 2022). It costs what one of the next priced number does, each
    after the mean of their contexts, which is exact where costs grow evenly with the context.
    """

    prompt_tokens: TokenCount
    new_tokens: TokenCount
    token_deadline_ps: int | None = None
    """From one token to the next."""
    context_step: int = CONTEXT_STEP
    batch: int = 1
    """The most conversations whose steps are joined in one, which reads the weights once for all of them."""

    def __post_init__(self) -> None:
        positive(self, "token_deadline_ps")
        at_least(1, self, "context_step")
        within(1, MOST_JOINED, self, "batch")
        prompts, contexts = len(self.prompts), len(self.contexts)
        if max(prompts, contexts) > MOST_PRICED:
            raise ValueError(
                f"{prompts} lengths of prompts and {contexts} contexts would be priced, at most {MOST_PRICED} of each; "
                f"raise context_step ({self.context_step}), or narrow the lengths"
            )

    @property
    def batches(self) -> tuple[int, ...]:
        """The numbers of joined steps that are priced: powers of two, and the most.

        >>> Conversation(prompt_tokens=fixed(512), new_tokens=fixed(100), batch=6).batches
        (1, 2, 4, 6)
        """
        powers = (1 << place for place in range(self.batch.bit_length()))
        return tuple(dict.fromkeys((*powers, self.batch)))

    def batch_for(self, steps: int) -> int:
        """The least priced number of steps that is no smaller."""
        return next(batch for batch in self.batches if batch >= steps)

    @property
    def most_context(self) -> int:
        """Tokens of the longest conversation that a step may read."""
        return self.prompt_tokens.most + self.new_tokens.most - 1

    @property
    def prompts(self) -> tuple[int, ...]:
        """The lengths of prompts that are priced."""
        return self._priced(self.prompt_tokens.least, self.prompt_tokens.most)

    @property
    def contexts(self) -> tuple[int, ...]:
        """The contexts of steps that are priced; none where the prompt gives the only token."""
        return self._priced(self.prompt_tokens.least, self.most_context - 1) if self.new_tokens.most > 1 else ()

    def prompt_for(self, tokens: int) -> int:
        """The priced prompt that stands for one of so many tokens."""
        return self._stands_for(tokens, self.prompt_tokens.least, self.prompt_tokens.most)

    def context_for(self, context: int) -> int:
        """The priced context that stands for another."""
        return self._stands_for(context, self.prompt_tokens.least, self.most_context - 1)

    def drawn(self, seed: str) -> Iterator[tuple[int, int]]:
        """Tokens of prompt and answer of one conversation after another; the same for the same seed."""
        generator = random.Random(seed)
        while True:
            yield self.prompt_tokens.drawn(generator), self.new_tokens.drawn(generator)

    def _priced(self, least: int, most: int) -> tuple[int, ...]:
        starts = range(least // self.context_step, most // self.context_step + 1)
        return tuple(self._stands_for(start * self.context_step, least, most) for start in starts)

    def _stands_for(self, tokens: int, least: int, most: int) -> int:
        """The middle of the tokens that are priced together.

        >>> Conversation(prompt_tokens=fixed(512), new_tokens=fixed(100)).contexts
        (543, 593)
        """
        start = tokens // self.context_step * self.context_step
        return (max(start, least) + min(start + self.context_step - 1, most)) // 2
