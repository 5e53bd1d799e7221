"""What a layer costs on a measured device: the time of its kernel in a table, else a fit's, else a refusal."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mensa_sim.cost.layer_cost import LayerCost, Traffic
from mensa_sim.cost.measured.kernels import fused_kernels, kernel_runs, sequence_kernel
from mensa_sim.cost.measured.table import DTYPE_BYTES, Kernel
from mensa_sim.cost.measured.timings import MeasuredTimings, load_timings
from mensa_sim.cost.refusals import refusal
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.accelerator import MeasuredDevice
from mensa_sim.hardware.memory import Memory
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, PJ_PER_J, PJ_PER_UJ, US_PER_S, leakage_pj, seconds_to_ps, transfer_ps
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer

TimingsMode = Literal["exact", "fit"]
"""Measured kernels alone, or a fit to them for the others."""

TIMINGS_MODES: Mapping[str, TimingsMode] = {"exact": "exact", "fit": "fit"}

STEP_BY_STEP = "steps priced one kernel after another: the library's fused run of all steps was not timed"

MEAN_POWER = "energy of what a fit times: the mean power of the measured kernels that it was fitted to"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTime:
    """The time of a layer on a device, and how it is known."""

    seconds: float
    energy_pj: float | None
    """As measured, or at the mean power of the kernels that a fit is of; none where neither is known."""
    moved_bytes: int
    error_percent: float | None
    """A fit's mean error out of sample; none for a measured time."""
    how: str
    caveats: tuple[str, ...] = ()
    """As `LayerCost` has them."""


_NO_KERNEL = KernelTime(seconds=0.0, energy_pj=0.0, moved_bytes=0, error_percent=None, how="")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPrices:
    """The costs of a graph's layers on one measured accelerator, and why it refuses the others, by layer."""

    costs: Mapping[str, LayerCost]
    refusals: Mapping[str, str]


def measured_costs(graph: LayerGraph, spec: MeasuredDevice, memory: Memory, mode: TimingsMode) -> MeasuredPrices:
    """Prices every layer; `FileError` for a faulty file of timings."""
    timings = load_timings(Path(spec.timings), spec.timings_dtype, allow_fit=mode == "fit", figures=spec.figures)
    device = MeasuredCosts(graph, spec, memory, timings)
    costs: dict[str, LayerCost] = {}
    refusals: dict[str, str] = {}
    for layer in graph.layers:
        try:
            costs[layer.name] = device.cost(layer)
        except InfeasibleError as refusal:
            refusals[layer.name] = str(refusal)
    return MeasuredPrices(costs=costs, refusals=refusals)


class MeasuredCosts:
    """Prices the layers of one graph on one measured accelerator."""

    def __init__(self, graph: LayerGraph, spec: MeasuredDevice, memory: Memory, timings: MeasuredTimings) -> None:
        self._graph, self._spec, self._memory, self._timings = graph, spec, memory, timings

    def cost(self, layer: Layer) -> LayerCost:
        """The layer's cost in any residency: a device's own caches are in its times.

        Raises `InfeasibleError` with the reason where there is no time or no energy for it: a total without
        an energy would count it as zero.
        """
        refused = refusal(layer, self._spec)
        if refused is not None:
            raise InfeasibleError(refused)
        if not layer.supported:
            raise InfeasibleError(f"{layer.operator} is an operator without kernels")
        time = self._time(layer)
        dynamic, estimate = self._energy(time)
        for part in self._fused(layer):
            more, said = self._energy(part)
            dynamic, estimate = dynamic + more, estimate or said
            time = replace(
                time,
                seconds=time.seconds + part.seconds,
                moved_bytes=time.moved_bytes + part.moved_bytes,
                how=f"{time.how}; {part.how}" if part.how else time.how,
                caveats=tuple(dict.fromkeys((*time.caveats, *part.caveats))),
            )
        cycles = math.ceil(round(time.seconds * self._spec.clock_hz, 3))  # a float's last digits are no cycle
        return LayerCost(
            layer=layer.name,
            accelerator=self._spec.name,
            source="measured",
            macs=layer.macs,
            clock_hz=self._spec.clock_hz,
            compute_cycles=cycles,
            buffer_cycles=0,
            spatial_utilization=1.0 if layer.macs else 0.0,
            peak_macs_per_s=self._spec.peak_macs_per_s,
            traffic=self._traffic(layer, time),
            dynamic_pj={"device": dynamic},
            mapping=time.how,
            error_percent=time.error_percent,
            caveats=tuple(text for text in (*time.caveats, self._precision(layer), estimate) if text),
        )

    def _precision(self, layer: Layer) -> str:
        """What to know where the kernels were not measured at the workload's own width."""
        bits = DTYPE_BYTES[self._timings.dtype] * BITS_PER_BYTE
        if layer.parameter_bits == layer.activation_bits == bits:
            return ""
        widths = f"{layer.parameter_bits}-bit parameters and {layer.activation_bits}-bit activations"
        return f"kernels at {self._timings.dtype} stand for {widths}"

    def _time(self, layer: Layer) -> KernelTime:
        """The fused run of its group, else its own kernel; measured ones first."""
        members = self._graph.groups.get(layer.group, ()) if layer.group is not None else ()
        sequence = sequence_kernel(members, self._timings.dtype) if members else None
        runs = kernel_runs(layer, self._timings.dtype)
        share = _share(layer, members) if members else 1.0
        for find in (self._measured, self._fitted):
            if sequence is not None:
                found = find(sequence, 1, share)
                if found is not None:
                    return found
            found = find(runs.kernel, runs.times, 1.0)
            if found is not None:
                return found if runs.times == 1 else replace(found, caveats=(*found.caveats, STEP_BY_STEP))
        raise InfeasibleError(self._timings.why_not(runs.kernel))

    def _fused(self, layer: Layer) -> Iterator[KernelTime]:
        """The kernels of what the layer fused; one that has no time is nothing but a caveat."""
        for kernel in fused_kernels(layer, self._timings.dtype):
            found = self._measured(kernel, 1, 1.0) or self._fitted(kernel, 1, 1.0)
            if found is None:
                yield replace(_NO_KERNEL, caveats=(f"{kernel.operator} that layers fused was not timed: left out",))
            else:
                yield replace(found, caveats=("what layers fused runs as kernels of its own", *found.caveats))

    def _measured(self, kernel: Kernel, times: int, share: float) -> KernelTime | None:
        timing = self._timings.measured(kernel)
        if timing is None:
            return None
        energy = None if timing.energy_uj is None else timing.energy_uj * times * share * PJ_PER_UJ
        spread = f"{timing.median_us:g} us, IQR {timing.iqr_us:g} us, {timing.repetitions} repetitions"
        return KernelTime(
            seconds=timing.median_us / US_PER_S * times * share,
            energy_pj=energy,
            moved_bytes=int(kernel.moved_bytes * times * share),
            error_percent=None,
            how=f"measured: {_described(kernel, times, share)}, {spread}",
        )

    def _fitted(self, kernel: Kernel, times: int, share: float) -> KernelTime | None:
        found = self._timings.fitted(kernel)
        if found is None:
            return None
        return KernelTime(
            seconds=found.seconds * times * share,
            energy_pj=None if found.power_w is None else found.power_w * found.seconds * times * share * PJ_PER_J,
            moved_bytes=int(kernel.moved_bytes * times * share),
            error_percent=found.error_percent,
            how=f"fit, {found.error_percent:g} % mean error out of sample: {_described(kernel, times, share)}",
            caveats=(*found.caveats, *([] if found.power_w is None else [MEAN_POWER])),
        )

    def _energy(self, time: KernelTime) -> tuple[float, str]:
        """Energy above idle power, which the device draws whether it works or waits, and how it was estimated if so."""
        idle = 0.0 if self._spec.idle_mw is None else self._spec.idle_mw.value
        idle_pj = leakage_pj(idle, seconds_to_ps(time.seconds))
        if time.energy_pj is not None:
            return max(0.0, time.energy_pj - idle_pj), ""
        if self._spec.power_mw is not None:
            power = self._spec.power_mw.value
            estimate = leakage_pj(power, seconds_to_ps(time.seconds))
            said = f"energy estimated as {power:g} mW times the time ({self._spec.power_mw.source})"
            return max(0.0, estimate - idle_pj), said
        raise InfeasibleError(
            "its energy is neither measured nor stated, and no total may leave it out; give the accelerator a power_mw "
            "with its source (a datasheet's board power: it is then said to be an estimate)"
        )

    def _traffic(self, layer: Layer, time: KernelTime) -> tuple[Traffic, ...]:
        """Bytes of the kernel's operands, as far as the memory can have moved them in that time.

        What is beyond came from the device's caches: the measured time stays what it is.
        """
        bandwidth = self._memory.effective_bytes_per_s
        most = max(0, int(time.seconds * bandwidth) - 1)
        moved = min(time.moved_bytes, most)
        while moved and transfer_ps(moved, bandwidth) > seconds_to_ps(time.seconds):
            moved -= 1
        parts = {"weight": layer.weight_bytes, "input": layer.input_bytes, "output": layer.output_bytes}
        total = sum(parts.values())
        if not total or not moved:
            return ()
        written = moved * parts["output"] // total
        weights = moved * parts["weight"] // total
        reads = {"weight": weights, "input": moved - written - weights}
        found = [
            Traffic(operand=name, level="memory", read_bytes=count, write_bytes=0) for name, count in reads.items()
        ]
        found.append(Traffic(operand="output", level="memory", read_bytes=0, write_bytes=written))
        return tuple(part for part in found if part.read_bytes or part.write_bytes)


def _share(layer: Layer, members: Sequence[Layer]) -> float:
    """The part of a group's fused time that is a member's: that of its MACs and vector operations."""
    total = sum(member.macs + member.vector_ops for member in members)
    return (layer.macs + layer.vector_ops) / total if total else 1 / len(members)


def _described(kernel: Kernel, times: int, share: float) -> str:
    often = f" x {times}" if times > 1 else ""
    part = f" ({100 * share:.3g} % of its group's)" if share < 1 else ""
    return f"{kernel}{often}{part}"
