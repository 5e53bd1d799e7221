"""The host that feeds the accelerators of a system over their memories' channels."""

from mensa_sim.ranges import at_least
from mensa_sim.records import dataclass

HOST = "host"
"""The name of a system's host among its resources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLink:
    """What one inference costs at the interface of accelerators that a host feeds, as Coral's over USB or PCIe.

    Tensors stay on a chip from layer to layer. What an accelerator reads from outside crosses its memory's channel at
    `in_bytes_per_s` before its layers, what others read of it at `out_bytes_per_s`; parameters that do not fit on chip
    cross a layer ahead, instructions before all layers, both at the channel's own rate. What the host's own CPU runs
    crosses nothing: all lies in its memory.
    """

    overhead_ps: int
    """Time in which the host prepares an inference, before anything else of it happens."""
    in_bytes_per_s: int
    """Rate of what an accelerator reads from outside."""
    out_bytes_per_s: int
    """Rate of what others read of it."""
    instruction_bytes_per_layer: int = 0
    """Instructions that cross the memory's channel in each inference."""
    output_channel_multiple: int = 1
    """The channels of the graph's outputs are padded to a multiple of this when they are read back."""
    board_mw: float = 0.0
    """Power of the host and the board around the accelerator while the inference lasts, where it is measured too."""
    cpu: str | None = None
    """The accelerator of the system that is the host's own CPU; none where layers may not run there."""
    source: str = ""
    """The publication or the measurements that these figures come from."""

    def __post_init__(self) -> None:
        at_least(1, self, "in_bytes_per_s", "out_bytes_per_s", "output_channel_multiple", label="host")
        at_least(0, self, "overhead_ps", "instruction_bytes_per_layer", "board_mw", label="host")
