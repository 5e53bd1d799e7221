"""The cost of one layer on one accelerator, in every residency."""

import dataclasses
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from mensa_sim.cost.assemble import fixed
from mensa_sim.cost.counts.nest import count_nest
from mensa_sim.cost.counts.tally import Repeats, repeats_of
from mensa_sim.cost.counts.ways import precision_of
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import RESIDENCIES, LayerCost, Residency
from mensa_sim.cost.mapping.capacity import held_bytes
from mensa_sim.cost.mapping.least import Floors
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.own import (
    check_lanes,
    check_order,
    fixed_mapping,
    own_mapping,
    refuse_overfull,
    tile_within,
    told,
)
from mensa_sim.cost.mapping.search import LIMITS, Mapped, Search, limits_of
from mensa_sim.cost.mapping.task import NestTask, Target
from mensa_sim.cost.mapping.unrolling import Unrolling, unroll
from mensa_sim.cost.overlap import beside_waiting_sums
from mensa_sim.cost.prices.cases import PricedCase, assembled, case_of
from mensa_sim.cost.recurrent import Steps
from mensa_sim.cost.vector import vector_work
from mensa_sim.errors import FileError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.objective import objective_named
from mensa_sim.units import PJ_PER_J, PS_PER_S, leakage_pj
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer, LoopNest


def _lesser(residency: Residency, costs: dict[Residency, LayerCost]) -> Residency:
    """The largest residency already priced in its own right that asks for no more than this one."""

    def within(other: Residency) -> bool:
        return all(mine or not its for mine, its in zip(residency, other, strict=True))

    return max((r for r, cost in costs.items() if cost.residency == r and within(r)), key=_kept)


def _kept(residency: Residency) -> tuple[int, bool, bool, bool]:
    flags = (residency.parameters, residency.input, residency.output)
    return (sum(flags), *flags)


class Pricer:
    """One layer on one accelerator: the candidates are made once, each residency picks its own."""

    def __init__(
        self,
        layer: Layer,
        accelerator: PeArray,
        memory: Memory,
        energy: EnergyModel,
        steps: Steps,
        objective: str,
        limits: Mapping[str, int] = LIMITS,
    ) -> None:
        layer, accelerator, self.waiting_bytes = beside_waiting_sums(layer, accelerator)
        self.layer, self.accelerator, self.energy, self.steps = layer, accelerator, energy, steps
        self.work = vector_work(layer, accelerator)
        self.word_bits = memory.word_bits
        self.task: NestTask | None = None
        """What is mapped; none for a layer without a nest."""
        self.found: dict[Residency, Mapped | None] = {}
        """By residency: the best mapping, or none where none fits."""
        self._search: Search | None = None
        self._asked: dict[Residency, tuple[Repeats, frozenset[Operand]]] = {}
        self.own = own_mapping(layer, accelerator)
        """What its user fixes of its mapping."""
        self.fixed: NestMapping | None = None
        """All of it."""
        self.spatial_utilization = 0.0
        if steps.nest is not None:
            unrolling = unroll(steps.nest, accelerator, self.own.unroll if self.own else None)
            lanes = accelerator.pes * accelerator.macs_per_pe
            self.spatial_utilization = steps.nest.macs / (lanes * unrolling.passes)
            target = Target(
                accelerator=accelerator,
                energy=energy,
                bandwidth_bytes_per_s=memory.effective_bytes_per_s,
                precision=precision_of(layer),
                objective=objective,
                word_bits=memory.word_bits,
            )
            with self._told():
                self.task = self._task(steps.nest, unrolling, target, limits_of(unrolling, limits))

    def _task(self, nest: LoopNest, unrolling: Unrolling, target: Target, limits: Mapping[str, int]) -> NestTask:
        own = self.own
        if own is None:
            return NestTask(nest, unrolling, target, limits)
        check_lanes(own, unrolling)
        check_order(own)
        task = NestTask(nest, unrolling, target, limits, tile=tile_within(own, unrolling), order=own.order)
        if own.loops:
            self.fixed = fixed_mapping(own, unrolling, task.ways)
            refuse_overfull(own, self.accelerator, count_nest(nest, self.accelerator, self.fixed, task.ways))
        return task

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What is wrong with a user's mapping is told with the layer that it is for."""
        try:
            yield
        except FileError as error:
            raise told(error, self.layer.name, self.accelerator.name) from error

    @property
    def likeness(self) -> Hashable:
        """What layers have in common that are searched together: they keep the same operands in each residency."""
        precision = None if self.task is None else self.task.target.precision
        return precision, self.layer.weights_are_activations, self.steps.resident, self.own

    @cached_property
    def shortage(self) -> str:
        """Why no mapping fits, for people."""
        return self.task.shortage if self.task is not None and not self.task.registers else ""

    @cached_property
    def residencies(self) -> list[Residency]:
        """Those for which the buffers have room."""
        return residencies_with_room(self.layer, self.accelerator)

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Those of its cost that are the same in every residency."""
        return fixed(self.layer, self.accelerator)

    def costs(self, priced: Mapping[Residency, LayerCost]) -> dict[Residency, LayerCost]:
        """The cost in each residency, given those of which a mapping was found."""
        costs: dict[Residency, LayerCost] = {}
        for residency in RESIDENCIES:
            costs[residency] = priced.get(residency) or costs[_lesser(residency, costs)]
        return costs

    def cost(self, residency: Residency) -> LayerCost | None:
        """The cost of the best mapping in a residency, or none where no candidate fits."""
        return assembled([self.asked(residency)], [self.best(residency)])[0]

    def best(self, residency: Residency) -> Mapped | None:
        """The best mapping in a residency: found before, or searched alone."""
        if residency not in self.found:
            self.found[residency] = self._best(self.asked(residency))
        return self.found[residency]

    def asked(self, residency: Residency) -> PricedCase:
        """What a residency asks: how often each operand crosses, and which ones stay."""
        if residency not in self._asked:
            repeats = repeats_of(self.layer, self.steps.steps, residency, steps_resident=self.steps.resident)
            kept = resident_operands(residency, weights_are_activations=self.layer.weights_are_activations)
            self._asked[residency] = repeats, kept | {"weight"} if self.steps.resident else kept
        repeats, kept = self._asked[residency]
        return PricedCase(pricer=self, repeats=repeats, kept=kept, residency=residency)

    def _best(self, asked: PricedCase) -> Mapped | None:
        """The best mapping of a case, searched alone."""
        if self.task is not None and self.fixed is not None:
            return self._given(self.task, self.fixed, asked)
        if self.task is None or not self.task.registers:
            return None
        self._search = self._search or Search([self.task])
        return self._search.best([case_of([asked])])[0][0]

    def _given(self, task: NestTask, mapping: NestMapping, asked: PricedCase) -> Mapped | None:
        """A user's own mapping with what it reaches; none where what stays on chip leaves no room for its tiles."""
        counts = count_nest(task.nest, self.accelerator, mapping, task.ways)
        held = held_bytes(task.nest, self.accelerator, task.target.precision, counts, asked.kept)
        if any(size > self.accelerator.level(name).capacity_bytes for name, size in held.items()):
            return None
        floor = Floors([task]).demand(case_of([asked])).floor(task.target)
        objective = objective_named(task.target.objective)
        bare = Mapped(mapping=mapping, counted=counts, latency_ps=0, energy_pj=0, objective=0, floor=0)
        (cost,) = assembled([asked], [bare])
        latency_ps = cost.latency_ps(task.target.bandwidth_bytes_per_s) if cost else 0
        energy_pj = (cost.energy_pj if cost else 0.0) + leakage_pj(task.target.energy.leakage_mw, latency_ps)
        return dataclasses.replace(
            bare,
            latency_ps=latency_ps,
            energy_pj=energy_pj,
            objective=float(objective.value(energy_pj / PJ_PER_J, latency_ps / PS_PER_S)),
            floor=float(floor[0]),
        )


def resident_operands(residency: Residency, *, weights_are_activations: bool) -> frozenset[Operand]:
    """The operands that a residency keeps on chip from start to end."""
    kept: set[Operand] = set()
    if residency.input:
        kept.add("input")
    if residency.output:
        kept.add("output")
    if residency.input if weights_are_activations else residency.parameters:
        kept.add("weight")
    return frozenset(kept)


def residencies_with_room(layer: Layer, accelerator: PeArray) -> list[Residency]:
    """Those whose tensors fit the buffers at all; a state lies in memory."""
    parameters, activations = accelerator.buffer("parameter"), accelerator.buffer("activation")
    input_bytes, output_bytes, parameter_bytes = layer.input_bytes, layer.output_bytes, layer.parameter_bytes
    room_bytes, parameter_room_bytes = (
        0 if each is None else each.capacity_bytes for each in (activations, parameters)
    )
    return [
        each
        for each in RESIDENCIES
        if not (each.input and layer.state_bytes)
        and input_bytes * each.input + output_bytes * each.output <= room_bytes
        and parameter_bytes * each.parameters <= parameter_room_bytes
    ]
