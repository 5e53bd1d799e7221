"""What a unit costs depending on what lies on chip: the stages for each residency that may be chosen."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from mensa_sim.cost.fed import RESIDENT
from mensa_sim.cost.layer_cost import RESIDENCIES, STREAMED, LayerCost, Residency
from mensa_sim.cost.table import CostTable
from mensa_sim.records import dataclass
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.stage import Stage, stage_of
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A unit in one residency."""

    stages: tuple[Stage, ...]
    """One for each layer."""
    parameter_bytes: int
    """What its layers hold at once in the parameter buffer beyond resident parameters, at most."""
    activation_bytes: int | None
    """What its layers hold at once in the activation buffer, at most; none where unknown."""
    read_bytes: int
    prefetchable_bytes: int
    """Parameters that may come before it starts."""

    def of(self, layer: str) -> "Variant":
        """That of another unit of one layer, which costs the same."""
        return replace(self, stages=tuple(stage.of(layer) for stage in self.stages))


class Variants:
    """The residencies of a unit that are never slower than streaming everything, written when they are first asked for.

    A mapping may be chosen for its energy, so that a layer with more on chip takes longer; such a variant is left out,
    and what a buffer saves is never lost again.
    """

    __slots__ = ("_alike", "_chosen", "_largest_bytes", "_named", "_write", "_written", "heard_bytes", "streamed")

    def __init__(
        self, streamed: Variant, write: Callable[[Residency], Variant | None] | None = None, heard_bytes: int = 0
    ) -> None:
        """`write` gives the others, or none: most of them nobody asks for."""
        self.streamed = streamed
        """Nothing lies on chip."""
        self.heard_bytes = heard_bytes
        """What another unit reads from memory for it while both stream."""
        self._alike: Variants | None = None
        self._write = write
        self._written: dict[Residency, Variant | None] = {STREAMED: streamed}
        self._chosen: dict[int, Variant | None] = {}
        """By what lies on chip, as bits."""
        self._named: dict[str, Variants] = {}
        self._largest_bytes: int | None = None

    def of(self, layer: str) -> "Variants":
        """Those of another unit of one layer, which costs the same."""

        def renamed(residency: Residency) -> Variant | None:
            variant = self.at(residency)
            return None if variant is None else variant.of(layer)

        if layer not in self._named:
            self._named[layer] = found = Variants(self.streamed.of(layer), renamed, self.heard_bytes)
            found._alike = self
        return self._named[layer]

    def at(self, residency: Residency) -> Variant | None:
        """The variant for which just that lies on chip, if there is one."""
        if residency not in self._written:
            self._written[residency] = None if self._write is None else self._write(residency)
        return self._written[residency]

    def choose(self, parameters: bool, incoming: bool, output: bool) -> Variant | None:
        """The variant for this state of the buffers; resident parameters are fetched again where none uses them."""
        state = parameters + 2 * incoming + 4 * output
        if state not in self._chosen:
            resident = self.at(Residency(parameters=True, input=incoming, output=output)) if parameters else None
            self._chosen[state] = resident or self.at(Residency(input=incoming, output=output))
        return self._chosen[state]

    def for_state(self, parameters: bool, incoming: bool) -> Variant:
        """The variant for this state of the buffers, whose output leaves."""
        known = self._chosen.get(parameters + 2 * incoming)
        return known or self.choose(parameters, incoming, False) or self.streamed

    def kept_for(self, reader: "Variants", parameters: bool, incoming: bool, *, there: bool) -> Variant | None:
        """The variant whose output stays for its reader, if both can; `there` where the reader's parameters lie."""
        variant = self.choose(parameters, incoming, True)
        return None if variant is None or reader.choose(there, True, False) is None else variant

    def __eq__(self, other: object) -> bool:
        """Whether they are the same whatever lies on chip."""
        if not isinstance(other, Variants):
            return NotImplemented
        same = all(self.at(residency) == other.at(residency) for residency in RESIDENCIES)
        return same and self.heard_bytes == other.heard_bytes

    @property
    def largest_parameter_bytes(self) -> int:
        """The most that any of them holds in the parameter buffer."""
        if self._alike is not None:
            return self._alike.largest_parameter_bytes
        if self._largest_bytes is None:
            found = (self.at(residency) for residency in RESIDENCIES)
            self._largest_bytes = max(variant.parameter_bytes for variant in found if variant is not None)
        return self._largest_bytes

    @property
    def saved_bytes(self) -> int:
        """Memory reads that resident parameters save: of this unit, or of the one that reads them for it."""
        resident = self.at(RESIDENT)
        return self.streamed.read_bytes + self.heard_bytes - resident.read_bytes if resident else 0


def variants_of(
    costs: CostTable, layers: Sequence[Layer], accelerator: str, options: Options, room_bytes: int | None = None
) -> Variants:
    """The variants of a unit that the options allow and the cost table holds; a lesser residency in its place is none.

    `room_bytes` is what parameters that stream may take of their buffer, where that is not all of it. Raises
    `InfeasibleError` where the accelerator cannot run a layer.
    """
    key = ("variants", *(layer.name for layer in layers), options, room_bytes)

    def new() -> Variants:
        name, first = layers[0].name, costs.first_alike(layers[0].name, accelerator)
        if len(layers) > 1:
            return _new_variants(costs, layers, accelerator, options, room_bytes)
        if first != name:
            return variants_of(costs, [costs.graph[first]], accelerator, options, room_bytes).of(name)
        made: list[tuple[list[LayerCost], Variants]] = costs.made_once(accelerator, (*key[:-1], "in any room"), list)
        whole = (costs.costs.get((name, accelerator, each)) for each in RESIDENCIES if not each.parameters)
        streamed = [_streamed(costs, layers, [each], room_bytes)[0] for each in whole if each is not None]
        found = next((variants for others, variants in made if others == streamed), None)
        if found is None:  # rooms in which a layer costs the same are one to it
            found = _new_variants(costs, layers, accelerator, options, room_bytes)
            made.append((streamed, found))
        return found

    return costs.made_once(accelerator, key, new)


def _new_variants(
    costs: CostTable, layers: Sequence[Layer], accelerator: str, options: Options, room_bytes: int | None
) -> Variants:
    streamed = _streamed(costs, layers, [costs.cost(layer.name, accelerator) for layer in layers], room_bytes)
    allowed, slowest_ps = _allowed(layers, options), _latency_ps(costs, streamed)

    def write(residency: Residency) -> Variant | None:
        if residency not in allowed:
            return None
        members = [costs.costs.get((layer.name, accelerator, residency)) for layer in layers]
        known = [member for member in members if member is not None and member.residency == residency]
        if len(known) == len(layers) and not residency.parameters:
            known = _streamed(costs, layers, known, room_bytes)
        if len(known) < len(layers) or _latency_ps(costs, known) > slowest_ps:
            return None
        return variant_of(costs, layers, known, room_bytes)

    return Variants(variant_of(costs, layers, streamed, room_bytes), write)


def _streamed(
    costs: CostTable, layers: Sequence[Layer], whole: list[LayerCost], room_bytes: int | None
) -> list[LayerCost]:
    """The costs of layers that stream their parameters through a room; those of the `whole` buffer if they fit it.

    Also where a layer does not fit the room whatever its tiles: then it takes what it takes.
    """
    if room_bytes is None or costs.in_room is None or _room_bytes(costs, layers, whole, None) <= room_bytes:
        return whole
    accelerator, residency = whole[0].accelerator, whole[0].residency
    level = costs.system.accelerator(accelerator).array.buffer("parameter")
    if level is None:
        return whole
    fitted = [costs.in_room(layer.name, accelerator, {level.name: room_bytes}) for layer in layers]
    found = [each[residency] for each in fitted if each is not None and each[residency].residency == residency]
    return found if len(found) == len(layers) else whole


def _allowed(layers: Sequence[Layer], options: Options) -> list[Residency]:
    """Only a single layer's activations stay on chip: members of a group hand theirs on step by step."""
    stay = (False, True) if options.activations and len(layers) == 1 else (False,)
    resident = (False, True) if options.parameters != "none" else (False,)
    return [
        Residency(parameters=parameters, input=incoming, output=output)
        for parameters in resident
        for incoming in stay
        for output in stay
        if parameters or incoming or output
    ]


def _latency_ps(costs: CostTable, members: Sequence[LayerCost]) -> int:
    bandwidth = costs.system.memory_of(members[0].accelerator).effective_bytes_per_s
    return sum(member.latency_ps(bandwidth) for member in members)


def variant_of(
    costs: CostTable, layers: Sequence[Layer], members: Sequence[LayerCost], room_bytes: int | None = None
) -> Variant:
    """The variant of a unit whose layers cost that; `room_bytes` as `variants_of` has it."""
    memory = costs.system.memory_of(members[0].accelerator)
    activations = [member.buffered_bytes.get("activation") for member in members]
    known = [size for size in activations if size is not None]
    stages = tuple(stage_of(member, memory, layer) for member, layer in zip(members, layers, strict=True))
    return Variant(
        stages=stages,
        prefetchable_bytes=sum(stage.prefetchable_bytes for stage in stages),
        parameter_bytes=_room_bytes(costs, layers, members, room_bytes),
        activation_bytes=max(known) if len(known) == len(members) else None,
        read_bytes=sum(member.memory_read_bytes for member in members),
    )


def _room_bytes(costs: CostTable, layers: Sequence[Layer], members: Sequence[LayerCost], room_bytes: int | None) -> int:
    """Room in the parameter buffer: the most of any layer, but a group that fits as a whole stays from step to step."""
    buffer_bytes = costs.system.accelerator(members[0].accelerator).spec.buffer_bytes.get("parameter")
    each = [_parameter_bytes(member, layer, buffer_bytes) for member, layer in zip(members, layers, strict=True)]
    room = room_bytes or buffer_bytes
    whole = len(layers) > 1 and room is not None and sum(each) <= room
    return sum(each) if whole else max(each)


def _parameter_bytes(cost: LayerCost, layer: Layer, buffer_bytes: int | None) -> int:
    """Room for streaming; where the cost does not say, all parameters that it reads or all of their buffer.

    More it can not be: what a table's rows leave no room for is not held at once.
    """
    if cost.residency.parameters:
        return 0
    read_bytes = layer.read_parameter_bytes
    most_bytes = read_bytes if buffer_bytes is None else min(read_bytes, buffer_bytes)
    return cost.buffered_bytes.get("parameter", most_bytes)
