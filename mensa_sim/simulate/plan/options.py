"""What the simulation may do beyond one layer after another: prefetch, and keep things on chip."""

from typing import Literal

from mensa_sim.arguments import check_fields
from mensa_sim.records import dataclass

ParameterPolicy = Literal["none", "first-fit", "best-value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which modelling steps beyond the analytical sum are taken; none by default."""

    prefetch: bool = False
    """While a layer runs, the parameters of the next one come into the room that the parameter buffer has left."""
    activations: bool = False
    """A layer's output stays in the activation buffer for the next layer on the same accelerator."""
    parameters: ParameterPolicy = "none"
    """Which parameters stay in the parameter buffer between inferences."""

    def __post_init__(self) -> None:
        check_fields(self)


PLAIN = Options()
FULL = Options(prefetch=True, activations=True, parameters="best-value")
