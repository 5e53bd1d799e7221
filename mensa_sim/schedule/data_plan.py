"""Where data lives while a schedule runs: the record that schedule files, summaries and the simulation share."""

import math
from dataclasses import replace

from mensa_sim.cost.tiles.pieces import SplitAxis
from mensa_sim.flow import LAYERS, FlowName
from mensa_sim.names import repeated
from mensa_sim.ranges import at_least
from mensa_sim.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where the output of a layer lives on chip until its last reader has ended."""

    tensor: str
    """The layer that makes it."""
    home: str
    """An accelerator, whose activation level holds it, or an on-chip memory of the system."""
    size_bytes: int

    def __post_init__(self) -> None:
        at_least(0, self, "size_bytes", label=f"home of {self.tensor}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptParameters:
    """Which parameters stay in an accelerator's buffer between inferences, and what room the others pass through."""

    accelerator: str
    layers: tuple[str, ...]
    """Those whose parameters stay, by the first layer of each unit."""
    room_bytes: int
    """Bytes of its parameter buffer that layers which stream theirs are mapped to."""

    def __post_init__(self) -> None:
        at_least(1, self, "room_bytes", label=f"parameters on {self.accelerator}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Layers that one accelerator runs tile by tile: what flows between them stays on chip."""

    layers: tuple[str, ...]
    """In order."""
    accelerator: str
    tiles: int
    rows: int
    """Of the last layer in a tile."""

    def __post_init__(self) -> None:
        if len(self.layers) < 2:
            raise ValueError(f"stack of {', '.join(self.layers) or 'nothing'}: must have at least 2 layers")
        at_least(1, self, "tiles", "rows", label=f"stack of {self.layers[0]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPart:
    """A piece of a split layer."""

    accelerator: str
    size: int
    """How much of the axis."""

    def __post_init__(self) -> None:
        at_least(1, self, "size", label=f"a part on {self.accelerator}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A layer in pieces: `LAYER#1` is the first part, and so on."""

    layer: str
    axis: SplitAxis
    parts: tuple[SplitPart, ...]
    """Along the axis, in order."""
    together: bool = True
    """Whether they run at once: what all read is then read once, and what comes next waits for all. Else they are tiles
    that start as soon as what they read is there."""

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError(f"split of {self.layer}: must have at least 2 parts")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlan:
    """How the layers of a schedule hand on their tensors; what has no home on chip goes through memory."""

    flow: FlowName = LAYERS
    homes: tuple[Home, ...] = ()
    parameters: tuple[KeptParameters, ...] = ()
    """By accelerator; where it says nothing, as the simulation's policy chooses, beside the largest tiles."""
    stacks: tuple[Stack, ...] = ()
    splits: tuple[Split, ...] = ()
    """Of layers that stand in the schedule as their pieces."""
    homes_gap: float = 0.0
    """At most this share above the best choice of homes, by the prices of the program that chose them; 0: proved."""

    def __post_init__(self) -> None:
        if not 0 <= self.homes_gap < math.inf:
            raise ValueError(f"homes_gap is {self.homes_gap}, must be finite and not negative")
        if twice := repeated(home.tensor for home in self.homes):
            raise ValueError(f"two homes for {twice[0]}")
        if twice := repeated(kept.accelerator for kept in self.parameters):
            raise ValueError(f"parameters of {twice[0]} stand twice")
        if twice := repeated(each.layer for each in self.splits):
            raise ValueError(f"two splits of {twice[0]}")
        if twice := repeated(layer for stack in self.stacks for layer in stack.layers):
            raise ValueError(f"two stacks with {twice[0]}")

    def parameters_on(self, accelerator: str) -> KeptParameters | None:
        """What stays on an accelerator; none where the simulation's policy chooses."""
        return next((kept for kept in self.parameters if kept.accelerator == accelerator), None)

    def with_parameters(self, kept: KeptParameters) -> "DataPlan":
        """The plan with other parameters on an accelerator."""
        others = (each for each in self.parameters if each.accelerator != kept.accelerator)
        return replace(self, parameters=(*others, kept))


LAYER_BY_LAYER = DataPlan()
"""Nothing is planned: an output stays where the next layer alone reads it."""
