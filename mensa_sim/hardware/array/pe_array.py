"""An accelerator that is an array of PEs: how it walks a loop nest, and what stands between array and memory."""

from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction
from itertools import pairwise
from math import ceil, prod
from typing import Literal

from mensa_sim.hardware.accelerator import BUFFERS, Accelerator, BufferName, VectorUnit
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.parameter_store import ParameterStore
from mensa_sim.hardware.technology.technology import Constant
from mensa_sim.names import repeated
from mensa_sim.ranges import at_least
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import FLATTENED, OPERANDS, Operand, split_dims
from mensa_sim.workload.own_mapping import OwnMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLength:
    """A word of memory holds pairs of a run of zeros and the value after it, as in Eyeriss (Chen et al., JSSC 2017)."""

    run_bits: int
    """Bits of a run: the longest has 2 to this power, less one, zeros."""
    word_bits: int
    """Bits of a word of pairs."""
    pairs: int
    """Pairs in a word."""

    def __post_init__(self) -> None:
        at_least(1, self, *self.__slots__, label="run_length")

    def share(self, element_bits: int, zeros: float) -> float:
        """Bits after coding over bits before, of elements of which that share are zeros at random; at most 1.

        A pair stands for a run and a value: of n elements at most, of (1 - zeros^n) / (1 - zeros) in the mean. What
        would grow crosses as it is.

        >>> code = RunLength(run_bits=5, word_bits=64, pairs=3)
        >>> [round(code.share(16, zeros), 3) for zeros in (0.0, 0.5, 0.75)]
        [1.0, 0.667, 0.333]
        """
        most = 2**self.run_bits
        elements = float(most) if zeros >= 1 else (1 - float(zeros**most)) / (1 - zeros)
        return min(1.0, self.word_bits / self.pairs / elements / element_bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of the PE array: filled with its dims until full; what does not fill it idles."""

    size: int
    """PEs along it."""
    dims: tuple[str, ...]
    """Dims of the loop nest that fill it, in this order: `K`, `C`, ..., or several flattened, the first one fastest, as
    in `OX*OY` or, for the rows of im2col, `C*FX*FY`."""

    def __post_init__(self) -> None:
        at_least(1, self, "size", label="axis")
        if not self.dims:
            raise ValueError("axis: dims is empty")
        flat = [dim for entry in self.dims for dim in split_dims(entry)]
        if len(set(flat)) != len(flat):
            raise ValueError(f"axis: a dim stands twice in {list(self.dims)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """Cycles in which a PE hands its partial sum on instead of multiplying: so many after the products over some dims.

    Of those dims, what the PE's registers hold is one such run of products.

    Eyeriss v1 spends one after the FX*C products of a row primitive (Chen et al., JSSC 2017).
    """

    cycles: int
    """Cycles of one hand-over."""
    per: tuple[str, ...]
    """The dims over whose products a PE adds up before it hands on."""

    def __post_init__(self) -> None:
        at_least(1, self, "cycles", label="hop")
        for dim in self.per:
            split_dims(dim)

    def spans(self, dim: str) -> bool:
        """Whether a run of products goes over a dim, or over all members of a flattened product.

        >>> Hop(cycles=1, per=("FX", "C")).spans("C"), Hop(cycles=1, per=("FX", "C")).spans("FX*FY")
        (True, False)
        """
        return set(split_dims(dim)) <= {member for entry in self.per for member in split_dims(entry)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataflow:
    """How the array unrolls a loop nest in space and which operand stays at the registers in time."""

    axes: tuple[Axis, ...]
    """The axes of the array; levels name them by their index, from 0."""
    stationary: Operand
    """The operand that stays at the registers while the loops that do not index it run."""
    batch_steps: bool = False
    """Whether independent time steps share one parameter fetch."""
    overlap: bool = True
    """Transfers overlap computation, so that a double-buffered level holds two tiles; without it, one."""
    pipeline_cycles: int | None = None
    """Cycles to fill and drain the array; none means a wavefront over the filled axes."""
    pipeline_cycles_per: Literal["tile", "pass"] = "tile"
    """How often the array fills and drains: for each tile of the outermost level, or for each pass over its rows.

    A pass holds one fold of the stationary operand while the loops that it is irrelevant to run: an array that cannot
    take in the next fold behind the last one, as in SCALE-Sim (Samajdar et al., ISPASS 2020).
    """
    depthwise_tap_slots: int = 1
    """A depthwise filter's taps take a multiple of this many slots."""
    depthwise_slot_cycles: int = 1
    """Cycles of a slot: above 1 where a depthwise filter uses one of so many MACs of a PE."""
    hop: Hop | None = None
    """Cycles that handing on partial sums takes, where it takes any."""
    pe_dims: tuple[str, ...] = ()
    """The dims that the MACs of one PE unroll, filled in order like an axis; none: those of the axes, last first."""

    def __post_init__(self) -> None:
        if not self.axes:
            raise ValueError("dataflow: axes is empty")
        at_least(1, self, "depthwise_tap_slots", "depthwise_slot_cycles", label="dataflow")
        at_least(0, self, "pipeline_cycles", label="dataflow")
        for entry in self.pe_dims:
            split_dims(entry)


MAX_RATE_DENOMINATOR = 1000
"""Rates are taken as fractions, so that cycles stay whole numbers: a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeArray(Accelerator):
    """An array of PEs with its registers and buffers."""

    dataflow: Dataflow
    """How the array walks a layer's loop nest."""
    macs_per_pe: int = 1
    """Multiply-accumulates of one PE per cycle, over `dataflow.pe_dims`, else those of the axes."""
    operand_bits: int = 8
    """The operand width its MACs are built for: sets their area and leakage; dynamic energy follows the layer.

    A product of wider operands is put together from as many of that width as it takes, one after another.
    """
    rates: Mapping[int, float] = field(default_factory=dict)
    """Products per MAC and cycle by operand width, where they are others: of the widths listed, the narrowest that
    holds both operands counts."""
    accumulator_bits: int = 32
    """Width of a partial sum."""
    levels: tuple[Level, ...] = ()
    """Innermost first; each operand passes those that serve it, on its way between the array and memory."""
    run_length: RunLength | None = None
    """How activations are coded between it and its memory; none: they cross as they are."""
    gates_zeros: bool = False
    """Whether a zero of the input keeps the weight beside it from being read and the MAC still: energy, not time."""
    clock_network_pj_per_cycle: Constant | None = None
    """Of the tree that distributes the clock, which runs while the accelerator is on; none where nobody states it."""
    working_pj_per_cycle: Constant | None = None
    """What it draws in a cycle in which its array works or waits for its buffers, where its maker states that and not
    what its parts take: in place of all that its technology says but leakage."""
    vector_unit: VectorUnit | None = None
    """What does elementwise work; absent: such work passes the buffer once more and takes its port alone."""
    mappings: tuple[OwnMapping, ...] = ()
    """What its user fixes of the mappings of some layers; of all others they are searched."""
    parameter_store: ParameterStore | None = None
    """How parameters lie in the tiles of an accelerator that a host feeds; absent: as one buffer."""

    def __post_init__(self) -> None:
        Accelerator.__post_init__(self)
        at_least(1, self, "macs_per_pe", "operand_bits", "accumulator_bits", label=self.name)
        faults = self._axis_faults() + self._level_faults() + self._mapping_faults()
        faults += [f"rates: {width}: {rate} must be above 0" for width, rate in self.rates.items() if not rate > 0]
        if faults:
            raise ValueError(f"{self.name}: {'; '.join(faults)}")

    def product_cycles(self, weight_bits: int, input_bits: int) -> Fraction:
        """Cycles that a MAC takes for a product of operands that wide.

        >>> from mensa_sim.hardware.files import load_accelerator
        >>> load_accelerator("edge_tpu").product_cycles(16, 8)
        Fraction(2, 1)
        """
        wider = [width for width in sorted(self.rates) if width >= max(weight_bits, input_bits)]
        if wider:
            return 1 / Fraction(self.rates[wider[0]]).limit_denominator(MAX_RATE_DENOMINATOR)
        return Fraction(ceil(weight_bits / self.operand_bits) * ceil(input_bits / self.operand_bits))

    def _axis_faults(self) -> list[str]:
        """What is wrong between the axes, and between them and the MACs of a PE."""
        faults = []
        if self.macs_per_pe == 1 and self.dataflow.pe_dims:
            faults.append("dataflow has pe_dims, so macs_per_pe must be above 1")
        entries = dict.fromkeys(entry for axis in self.unrolled_axes for entry in axis.dims)
        holder: dict[str, str] = {}
        for entry in entries:
            members = split_dims(entry)
            if len(members) > 1 and members not in FLATTENED:
                choices = ", ".join("*".join(each) for each in FLATTENED)
                faults.append(f"dataflow: {entry} cannot be flattened; only {choices} can")
            for member in members:
                if holder.setdefault(member, entry) != entry:
                    faults.append(f"dataflow: {member} stands both in {holder[member]} and in {entry}")
        return faults

    def _level_faults(self) -> list[str]:
        """What is wrong between the levels, and between them and the axes."""
        faults = []
        names = [level.name for level in self.levels]
        faults += [f"levels: {name} stands twice" for name in sorted(repeated(names))]
        last = len(self.unrolled_axes) - 1
        for level in self.levels:
            if level.per and not 0 <= min(level.per) <= max(level.per) <= last:
                faults.append(f"levels: {level.name}: per has an axis beyond 0 to {last}")
        for operand in OPERANDS:
            for inner, outer in pairwise(self.levels_of(operand)):
                if not outer.ported:
                    faults.append(f"levels: the {operand} has registers, {outer.name}, outside {inner.name}")
                if not set(outer.per) <= set(inner.per):
                    faults.append(f"levels: {outer.name} stands along axes that {inner.name}, inside it, does not")
        weights = self.levels_of("weight")
        if self.gates_zeros and (not weights or weights[0].ported):
            faults.append("gates_zeros: weights need registers at the MACs, whose reads it saves")
        return faults

    def _mapping_faults(self) -> list[str]:
        """What is wrong between the mappings and the levels."""
        names = {level.name for level in self.levels}
        faults: list[str] = []
        for index, own in enumerate(self.mappings):
            if own.accelerator is not None:
                faults.append(f"mappings[{index}].accelerator: is this one, so it must be left out")
            faults += [f"mappings[{index}].holds: no level is called {name}" for name in own.holds if name not in names]
        return faults

    def copies(self, level: Level) -> int:
        """Tiles of an operand that a level holds at once: the one in use, and under double buffering the next."""
        return 2 if level.ported and level.double_buffered and self.dataflow.overlap else 1

    def level(self, name: str) -> Level:
        """The level of that name."""
        return next(level for level in self.levels if level.name == name)

    def waits_for(self, operand: Operand) -> bool:
        """Whether the array waits while an operand comes from memory or goes there."""
        levels = self.levels_of(operand)
        return bool(levels) and levels[-1].waits

    def levels_of(self, operand: Operand) -> tuple[Level, ...]:
        """The levels that serve an operand, innermost first."""
        return tuple(level for level in self.levels if operand in level.serves)

    def store_of(self, operand: Operand) -> Level | None:
        """The outermost SRAM on an operand's way."""
        for level in reversed(self.levels):
            if operand in level.serves and level.ported:
                return level
        return None

    def buffer(self, name: BufferName) -> Level | None:
        """What holds parameters, or activations, from one layer to the next.

        For parameters the outermost SRAM that serves them alone, for activations the one that is outermost for inputs
        and outputs, if it stands once. A store that parameters share with activations keeps none of them over layers: a
        choice.
        """
        store = self.store_of("weight" if name == "parameter" else "output")
        if store is None or store.per:
            return None
        if name == "parameter":
            return store if store.serves == ("weight",) else None
        return store if store == self.store_of("input") else None

    @property
    def pes(self) -> int:
        """Processing elements of the array."""
        return prod(axis.size for axis in self.dataflow.axes)

    @property
    def unrolled_axes(self) -> tuple[Axis, ...]:
        """The axes of the array and, where a PE holds several MACs, those of one PE as the last axis."""
        axes = self.dataflow.axes
        if self.macs_per_pe == 1:
            return axes
        dims = self.dataflow.pe_dims or tuple(dict.fromkeys(d for a in reversed(axes) for d in a.dims))
        return (*axes, Axis(size=self.macs_per_pe, dims=dims))

    @property
    def peak_macs_per_s(self) -> int:
        """With every PE busy."""
        return self.pes * self.macs_per_pe * self.clock_hz

    @property
    def buffer_bytes(self) -> Mapping[BufferName, int]:
        """Capacity of what holds parameters or activations from one layer to the next."""
        found = {name: self.buffer(name) for name in BUFFERS}
        return {name: level.capacity_bytes for name, level in found.items() if level is not None}
