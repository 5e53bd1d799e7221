"""Random small nests, arrays and mappings."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from drawn_once import one_of
from hypothesis import strategies as st

from mensa_sim.cost.counts.ways import Precision, ways
from mensa_sim.cost.layer_cost import Residency
from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.unrolling import Unrolling, unroll
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import Axis, Dataflow, Hop, PeArray
from mensa_sim.workload.dims import DIMS, OPERANDS, Operand
from mensa_sim.workload.layer import Layer, LoopNest, Parameter


def with_level(spec: PeArray, name: str, **changes: object) -> PeArray:
    """The accelerator with one of its levels changed."""
    levels = tuple(replace(level, **changes) if level.name == name else level for level in spec.levels)
    assert levels != spec.levels
    return replace(spec, levels=levels)


def layer_of(nest: LoopNest) -> Layer:
    """A convolution that is such a nest."""
    return Layer(
        name="layer",
        operator="conv2d",
        nest=nest,
        parameters=(Parameter(name="w", size_bytes=nest.weight_elements),),
        input_bytes=nest.input_elements,
        output_bytes=nest.output_elements,
    )


@st.composite
def nests(draw: st.DrawFn, largest: int = 4) -> LoopNest:
    """A nest of at most some hundred products, any stride and dilation, input padded, exact or with unused rows."""
    sizes = dict.fromkeys(DIMS, 1)
    budget = 400
    for dim in draw(st.permutations(DIMS)):
        sizes[dim] = draw(st.integers(1, max(1, min(largest + 2 * (dim in ("OX", "K", "C")), budget))))
        budget //= sizes[dim]
    steps = {name: draw(st.integers(1, 3)) for name in ("stride_y", "stride_x")}
    spread = {name: draw(st.integers(1, 2)) for name in ("dilation_y", "dilation_x")}
    size = {}
    for axis, name in (("y", "input_height"), ("x", "input_width")):
        outputs, taps = sizes["O" + axis.upper()], sizes["F" + axis.upper()]
        reach = steps[f"stride_{axis}"] * (outputs - 1) + spread[f"dilation_{axis}"] * (taps - 1) + 1
        size[name] = max(1, reach + draw(st.integers(-3, 1)))
    return LoopNest(**sizes, **steps, **spread, **size)


def residencies(spec: PeArray, some: Sequence[Residency]) -> st.SearchStrategy[Residency]:
    """Those that an array has buffers for, the first half as often as each of the others: it keeps nothing on chip."""

    def possible(each: Residency) -> bool:
        activations, buffers = each.input or each.output, spec.buffer_bytes
        return ("activation" in buffers or not activations) and ("parameter" in buffers or not each.parameters)

    found = [each for each in some if possible(each)]
    return one_of(*found, *found[1:])


SERVED = st.sets(one_of(*OPERANDS), min_size=1)


@cache
def _some_of(axes: int) -> st.SearchStrategy[set[int]]:
    return st.sets(st.integers(0, axes - 1))


@cache
def _axes_among(*per: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(one_of(*per), unique=True).map(tuple) if per else st.just(())


def sharing(draw: st.DrawFn, serves: tuple[Operand, ...], per: list[int]) -> dict[str, tuple[int, ...]]:
    """Along which of its axes the lanes of a level share an instance."""
    some = _axes_among(*per)
    found = {"multicasts_along": draw(some)} if serves != ("output",) else {}
    return found | ({"reduces_along": draw(some)} if "output" in serves else {})


def two_levels(draw: st.DrawFn, axes: int) -> list[Level]:
    """Registers for some operands, a buffer for parameters, and one for activations, or not."""
    levels = []
    for operand in OPERANDS:
        if draw(st.booleans()):
            per = sorted(draw(_some_of(axes)))
            shared = sharing(draw, (operand,), per)
            waits = draw(st.booleans())
            levels.append(
                Level(name=operand, serves=(operand,), capacity_bytes=64, per=tuple(per), waits=waits, **shared)
            )
    for name, serves in (("parameter", ("weight",)), ("activation", ("input", "output"))):
        if draw(st.booleans()):
            levels.append(sram(draw, name, serves, ()))
    return levels


def sram(draw: st.DrawFn, name: str, serves: tuple[Operand, ...], per: tuple[int, ...]) -> Level:
    """An SRAM, most often too small for everything."""
    return Level(
        name=name,
        serves=serves,
        capacity_bytes=draw(one_of(256, 4096)),
        per=per,
        read_bits=64,
        write_bits=128,
        min_bits=draw(one_of(8, 16, 64)),
        ports=draw(one_of("separate", "rw", "per_operand")),
        double_buffered=draw(st.booleans()),
        waits=draw(st.booleans()),
        **sharing(draw, serves, list(per)),
    )


def hierarchies(draw: st.DrawFn, axes: int) -> list[Level]:
    """One to five levels, each for any operands, along ever fewer axes outwards; some operands pass some by."""
    levels: list[Level] = []
    per = set(draw(_some_of(axes)))
    for index in range(draw(st.integers(1, 5))):
        serves = tuple(sorted(draw(SERVED)))
        per &= draw(_some_of(axes)) | (per if draw(st.booleans()) else set())
        along = tuple(sorted(per))
        if index < 2 and draw(st.booleans()) and not any(set(serves) & set(level.serves) for level in levels):
            shared = sharing(draw, serves, list(along))
            waits = draw(st.booleans())
            levels.append(Level(name=f"l{index}", serves=serves, capacity_bytes=64, per=along, waits=waits, **shared))
        else:
            levels.append(sram(draw, f"l{index}", serves, along))
    return levels


@cache
def _axes_of(*entries: str) -> st.SearchStrategy[list[Axis]]:
    axis = st.builds(
        lambda size, dims: Axis(size=size, dims=tuple(dims)),
        st.integers(1, 6),
        st.lists(one_of(*entries), min_size=1, max_size=3, unique=True),
    )
    return st.lists(axis, min_size=1, max_size=3)


@st.composite
def accelerators(draw: st.DrawFn, *, deep: bool = False) -> PeArray:
    """Any array of one to three axes: with or without registers and a buffer for each operand, or any hierarchy."""
    outputs, taps = (
        draw(one_of("OX*OY", "OY*OX", "OY OX")),
        draw(one_of("C FX*FY", "C FY*FX", "C FY FX", "C*FX*FY", "C*FY*FX")),
    )
    entries = ["B", "G", "K", *outputs.split(), *taps.split()]
    axes = tuple(draw(_axes_of(*entries)))
    macs_per_pe = draw(one_of(1, 1, 2))
    levels = (hierarchies if deep else two_levels)(draw, len(axes) + (macs_per_pe > 1))
    hop = Hop(cycles=1, per=("FX", "C")) if draw(st.booleans()) else None
    weights = next((level for level in levels if "weight" in level.serves), None)
    return PeArray(
        name="drawn",
        placement="cpu_die",
        technology="none",
        clock_hz=10**9,
        dataflow=Dataflow(
            axes=axes,
            stationary=draw(one_of(*OPERANDS)),
            overlap=draw(st.booleans()),
            pipeline_cycles=draw(one_of(None, 0, 3)),
            pipeline_cycles_per=draw(one_of("tile", "pass")),
            depthwise_tap_slots=draw(one_of(1, 4)),
            depthwise_slot_cycles=draw(one_of(1, 2)),
            hop=hop,
        ),
        macs_per_pe=macs_per_pe,
        accumulator_bits=draw(one_of(16, 32)),
        levels=tuple(levels),
        gates_zeros=weights is not None and not weights.ported and draw(st.booleans()),
        source="drawn at random",
    )


@st.composite
def mappings(draw: st.DrawFn, nest: LoopNest, accelerator: PeArray) -> NestMapping:
    """Any loops in any order, dims split into any loops, every level holding any number of them."""
    unrolling: Unrolling = unroll(nest, accelerator)
    loops = []
    for dim in unrolling.dims:
        left = unrolling.trips(dim)
        while left > 1:
            trips = draw(st.integers(2, left))
            loops.append(Loop(dim, trips))
            left = -(-left // trips)
    loops = draw(st.permutations(loops))
    count = len(loops)
    way = ways(accelerator, unrolling, Precision())
    numbers = st.integers(0, count)
    holds = {o: tuple(sorted(draw(numbers) for _ in way[o].stops)) for o in OPERANDS}
    cuts = tuple(sorted(draw(st.lists(numbers, min_size=1, max_size=3))))
    return NestMapping(unrolling=unrolling, loops=tuple(loops), cuts=cuts, holds=holds)
