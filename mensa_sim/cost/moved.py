"""What a layer costs whose tensors lie on the chip outside its own levels, or are read for it by another."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from mensa_sim.cost.layer_cost import MEMORY, Feed, LayerCost, Traffic
from mensa_sim.cost.vector import vector_work
from mensa_sim.hardware.routes import Route
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """Where what a layer reads and writes lies, as far as it is not in its accelerator's levels or memory."""

    inputs: tuple[tuple[Route, int], ...] = ()
    """The way to a part of its input, and the bytes of it that the layer reads."""
    output: tuple[Route, Route] | None = None
    """Where its output is written, and the way back for partial sums."""
    heard: frozenset[Operand] = frozenset()
    """Operands that another piece of its layer reads from memory at the same time: they come to it too."""

    @property
    def moves(self) -> bool:
        """Whether anything is elsewhere."""
        return bool(self.inputs or self.output or self.heard)


def moved_cost(cost: LayerCost, layer: Layer, system: System, fed: Fed, beside: int = 0) -> LayerCost:
    """The cost with its traffic where `fed` says; tiles, cycles and the accelerator's own levels stay as they are.

    An array that waits for its inputs or outputs does for those that lie elsewhere too, and for what comes meanwhile.
    `beside` are the bytes of its input that the cost takes from the accelerator's own level already: of what is left,
    each part has its share of every fetch.
    """
    placed = system.accelerator(cost.accelerator)
    traffic, taken, output, heard_bytes = _parted(cost.traffic, layer, placed, fed, beside)
    kept = tuple(each for each in traffic if each.read_bytes or each.write_bytes)
    reads = sum(each.read_bytes for each in kept if each.level == MEMORY)
    writes = sum(each.write_bytes for each in kept if each.level == MEMORY)
    pj = dict(cost.dynamic_pj)
    rest_pj = pj.pop(MEMORY, 0.0) - system.memory_of(cost.accelerator).transfer_pj(
        read_bytes=cost.memory_read_bytes - reads, write_bytes=cost.memory_write_bytes - writes
    )
    if reads + writes:
        pj[MEMORY] = max(0.0, rest_pj)
    ways = [*zip((way for way, _ in fed.inputs), taken, strict=True), *zip(fed.output or (), output, strict=False)]
    feeds = _joined(feed for way, size in ways if size for feed in _feeds(way, size))
    ends: tuple[tuple[object, Operand], ...] = ((fed.inputs, "input"), (fed.output, "output"))
    waits = any(there and placed.array.waits_for(operand) for there, operand in ends)
    return cost.changed(
        traffic=kept,
        head_bytes=min(cost.head_bytes, reads),
        tail_bytes=min(cost.tail_bytes, writes),
        dynamic_pj=pj,
        feeds=(*cost.feeds, *feeds),
        overlap=cost.overlap and not (feeds and layer.nest and waits),
        heard_bytes=heard_bytes,
    )


def _parted(
    traffic: Iterable[Traffic], layer: Layer, placed: PlacedAccelerator, fed: Fed, beside: int
) -> tuple[list[Traffic], list[int], tuple[int, int], int]:
    """What is left of the traffic; bytes read over each way, written and read back over the output's, and heard."""
    left_bytes = max(1, layer.input_bytes - beside)
    inputs: set[str] = {"input", "weight"} if layer.weights_are_activations else {"input"}
    vector_input = vector_work(layer, placed.array).input_bytes
    taken = [0] * len(fed.inputs)
    written = read_back = heard = 0
    left: list[Traffic] = []
    for each in traffic:
        if each.level != MEMORY:
            left.append(each)
            continue
        read, write = each.read_bytes, each.write_bytes
        share = read if each.operand in inputs else min(read, vector_input) if each.operand == "vector" else 0
        for place, (_, size_bytes) in enumerate(fed.inputs):
            part = share * min(size_bytes, left_bytes) // left_bytes
            taken[place] += part
            read -= part
        if each.operand in fed.heard:
            heard += read
            read = 0
        elif each.operand == "vector" and "weight" in fed.heard:  # biases and scales come with the weights
            heard += max(0, each.read_bytes - share)
            read -= max(0, each.read_bytes - share)
        if fed.output is not None and each.operand in ("output", "vector"):
            written += write
            write = 0
            if each.operand == "output":
                read_back += read
                read = 0
        stays = (read, write) == (each.read_bytes, each.write_bytes)
        left.append(each if stays else replace(each, read_bytes=read, write_bytes=write))
    return left, taken, (written, read_back), heard


def _feeds(way: Route, size_bytes: int) -> Iterator[Feed]:
    """What so many bytes ask of each resource on a way."""
    for leg in way.legs:
        yield Feed(
            resource=leg.resource,
            size_bytes=size_bytes,
            bandwidth_bytes_per_s=float(leg.bandwidth_bytes_per_s),
            latency_ps=leg.latency_ps,
            energy_pj={name: energy for name, energy in leg.energy_pj(size_bytes).items() if energy},
        )


def _joined(feeds: Iterable[Feed]) -> tuple[Feed, ...]:
    """One feed for each resource: what a layer moves over it in turn."""
    found: dict[str, Feed] = {}
    for feed in feeds:
        known = found.get(feed.resource)
        if known is not None:
            energy_pj: Mapping[str, float] = {
                name: known.energy_pj.get(name, 0.0) + feed.energy_pj.get(name, 0.0)
                for name in {**known.energy_pj, **feed.energy_pj}
            }
            feed = replace(known, size_bytes=known.size_bytes + feed.size_bytes, energy_pj=energy_pj)
        found[feed.resource] = feed
    return tuple(found.values())
