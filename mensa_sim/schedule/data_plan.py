"""Where data lives while a schedule runs: the record that schedule files, summaries and the simulation share."""

from dataclasses import dataclass

from mensa_sim.flow import DEFAULT_FLOW, FlowName


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where the output of a layer lives on chip until its last reader has ended."""

    tensor: str
    """The layer that makes it."""
    home: str
    """An accelerator, whose activation level holds it, or an on-chip memory of the system."""
    size_bytes: int

    def __post_init__(self) -> None:
        if self.size_bytes < 0:
            raise ValueError(f"home of {self.tensor}: {self.size_bytes} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlan:
    """How the layers of a schedule hand on their tensors; what has no home on chip goes through memory."""

    flow: FlowName = DEFAULT_FLOW
    homes: tuple[Home, ...] = ()

    def __post_init__(self) -> None:
        tensors = [home.tensor for home in self.homes]
        if len(set(tensors)) < len(tensors):
            raise ValueError(f"two homes for {next(name for name in tensors if tensors.count(name) > 1)}")


LAYER_BY_LAYER = DataPlan()
"""Nothing is planned: an output stays where the next layer alone reads it."""
