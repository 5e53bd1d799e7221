"""How data flows between layers: one dictionary of names, the poorer flow before the richer one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from mensa_sim.lookup import lookup

FLOWS: Mapping[str, str] = {
    "layers": "a layer's output stays on chip for the next layer alone, all else goes through memory",
    "homes": "a tensor lives on chip from its producer to its last reader, however many they are, where there is room",
    "stacks": "consecutive layers run tile by tile, what flows between them stays on chip",
    "tiles": "a layer may run in pieces on several accelerators at once, and start before the one before it has ended",
}
"""By the name that files and calls give, what it means; a flow may do all that those before it do."""

LAYERS = "layers"
"""The poorest, which plans nothing."""
HOMES = "homes"
STACKS = "stacks"
IN_TILES = "tiles"
DEFAULT_FLOW = HOMES

if TYPE_CHECKING:
    FlowName = str
else:
    FlowName = Literal[tuple(FLOWS)]
"""A field of a file that names a flow: the gate and the JSON Schema know the names."""


def in_whole_layers(flow: FlowName) -> FlowName:
    """The flow itself, but that of stacks for one that would run layers in pieces.

    >>> in_whole_layers("tiles"), in_whole_layers("homes")
    ('stacks', 'homes')
    """
    return STACKS if flow == IN_TILES else flow


def flow_named(name: str) -> FlowName:
    """The name itself; `UnknownNameError` lists the choices."""
    lookup(FLOWS, name, "flow")
    return name
