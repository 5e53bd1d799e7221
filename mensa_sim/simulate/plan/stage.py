"""What one layer asks of its accelerator and its memory, in the form that the engine runs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import field

from mensa_sim.cost.layer_cost import Feed, LayerCost, Residency
from mensa_sim.hardware.memory import Memory
from mensa_sim.records import copier, dataclass
from mensa_sim.workload.layer import Layer

Energy = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One layer on one accelerator: head, then body (computation beside traffic), then tail.

    The memory's energy is split over the three by their share of reads and writes, so exactly that its parts add
    up to the layer's figure to the last bit.
    """

    layer: str
    residency: Residency
    on_chip_ps: int
    head_bytes: int
    body_bytes: int
    tail_bytes: int
    read_bytes: int
    """Those of the three that are read."""
    prefetchable_bytes: int
    """Parameters among them that may come before the layer starts: each once, none that depends on the input."""
    overlap: bool
    macs: int
    chip_pj: Energy
    """Dynamic energy of all components but the memory."""
    head_pj: Energy
    body_pj: Energy
    tail_pj: Energy
    feeds: tuple[Feed, ...]
    """What moves beside the body over other memories and links."""
    cost: LayerCost = field(repr=False, compare=False)
    """What it is made from."""
    energies_pj: tuple[float, ...] = field(init=False, repr=False, compare=False)
    """All of its dynamic energy, piece by piece: whoever adds it up asks some dozen times."""

    def __post_init__(self) -> None:
        pieces = (pj for part in self.parts_pj for pj in part.values())
        object.__setattr__(self, "energies_pj", tuple(pieces))

    def of(self, layer: str) -> "Stage":
        """That of another layer which costs the same."""
        other: Stage = _copied(self)  # blocks of a model repeat by the dozen
        object.__setattr__(other, "layer", layer)
        object.__setattr__(other, "cost", self.cost.of(layer, self.cost.accelerator))
        return other

    @property
    def parts_pj(self) -> tuple[Energy, ...]:
        """All of its dynamic energy."""
        return self.chip_pj, self.head_pj, self.body_pj, self.tail_pj

    def after(self, early_bytes: int) -> tuple[int, int]:
        """Bytes of head and body where so many of those that may come early have come.

        They are missing from the body first, but the head waits for no more than is left.
        """
        head_bytes = min(self.head_bytes, self.read_bytes - early_bytes)
        return head_bytes, self.head_bytes + self.body_bytes - early_bytes - head_bytes


_copied = copier(Stage)


def stage_of(cost: LayerCost, memory: Memory, layer: Layer) -> Stage:
    """The stage of a layer's cost on an accelerator that hangs on that memory."""
    chip_pj = {name: energy for name, energy in cost.dynamic_pj.items() if name != "memory"}
    memory_pj = cost.dynamic_pj.get("memory", 0.0)
    if cost.memory_bytes == 0 and memory_pj:
        chip_pj["memory"] = memory_pj
        memory_pj = 0.0
    total_pj = memory.transfer_pj(read_bytes=cost.memory_read_bytes, write_bytes=cost.memory_write_bytes)
    head_pj = memory.transfer_pj(read_bytes=cost.head_bytes)
    tail_pj = memory.transfer_pj(write_bytes=cost.tail_bytes)
    sizes = (cost.head_bytes, cost.body_bytes, cost.tail_bytes)
    shares = (head_pj, max(0.0, total_pj - head_pj - tail_pj), tail_pj) if total_pj else sizes
    present = [share if size else 0 for share, size in zip(shares, sizes, strict=True)]
    head, body, tail = split_exactly(memory_pj, present)
    return Stage(
        layer=cost.layer,
        residency=cost.residency,
        on_chip_ps=cost.on_chip_ps,
        head_bytes=cost.head_bytes,
        body_bytes=cost.body_bytes,
        tail_bytes=cost.tail_bytes,
        read_bytes=cost.memory_read_bytes,
        prefetchable_bytes=_prefetchable_bytes(cost, layer),
        overlap=cost.overlap,
        macs=cost.macs,
        chip_pj=chip_pj,
        head_pj={"memory": head} if head else {},
        body_pj={"memory": body} if body else {},
        tail_pj={"memory": tail} if tail else {},
        feeds=tuple(feed for feed in cost.feeds if feed.size_bytes),
        cost=cost,
    )


def part_of(energy_pj: Energy, have: int, whole: int) -> Energy:
    """The energy of the part of something that is done.

    >>> part_of({"memory": 10.0}, 3, 4)
    {'memory': 7.5}
    """
    if have >= whole:
        return energy_pj
    return {name: energy * (have / whole) for name, energy in energy_pj.items()} if have > 0 else {}


def _prefetchable_bytes(cost: LayerCost, layer: Layer) -> int:
    if layer.gathered_bytes is not None or layer.weights_are_activations:
        return 0
    weight_bytes = sum(t.read_bytes for t in cost.traffic if t.operand == "weight" and t.level == "memory")
    once_bytes = layer.parameter_bytes if cost.stored_bytes is None else cost.stored_bytes
    return min(weight_bytes, once_bytes, cost.memory_read_bytes)


def split_exactly(total: float, shares: Sequence[float]) -> tuple[float, ...]:
    """Parts in proportion to the shares whose exact sum is the total, without rounding.

    Each part is a whole number of the total's unit in the last place; the last part with a share takes the rest.

    >>> import math
    >>> math.fsum(split_exactly(0.1, [1, 1, 1])) == 0.1
    True
    """
    whole = math.fsum(shares)
    parts = [0.0] * len(shares)
    if not total:
        return tuple(parts)
    last = max((index for index, share in enumerate(shares) if share), default=len(shares) - 1)
    unit = math.ulp(total)
    left = total
    for index, share in enumerate(shares[:last]):
        if share:
            parts[index] = math.floor(total * (share / whole) / unit) * unit
            left -= parts[index]
    parts[last] = left
    return tuple(parts)
