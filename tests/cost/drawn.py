"""Random small nests, arrays and mappings."""

from hypothesis import strategies as st

from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.unrolling import Unrolling, unroll
from mensa_sim.hardware.pe_array import Axis, Buffer, Dataflow, Hop, PeArray, Register
from mensa_sim.workload.dims import DIMS, OPERANDS
from mensa_sim.workload.layer import LoopNest


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


@st.composite
def accelerators(draw: st.DrawFn) -> PeArray:
    """Any array of one to three axes, with or without buffers and registers."""
    flat_y, flat_f = draw(st.booleans()), draw(st.booleans())
    entries = ["B", "G", "K", "C"]
    entries += [draw(st.sampled_from(["OX*OY", "OY*OX"]))] if flat_y else ["OY", "OX"]
    entries += [draw(st.sampled_from(["FX*FY", "FY*FX"]))] if flat_f else ["FY", "FX"]
    axis = st.builds(
        lambda size, dims: Axis(size=size, dims=tuple(dims)),
        st.integers(1, 6),
        st.lists(st.sampled_from(entries), min_size=1, max_size=3, unique=True),
    )
    registers = {}
    for operand in OPERANDS:
        if draw(st.booleans()):
            shared = draw(st.lists(st.sampled_from(DIMS), unique=True, max_size=3))
            registers[operand] = Register(bytes=64, shared_along=tuple(shared))
    buffers = {}
    for name in ("parameter", "activation"):
        if draw(st.booleans()):
            min_bits = draw(st.sampled_from([8, 16, 64]))
            buffers[name] = Buffer(
                capacity_bytes=draw(st.sampled_from([256, 4096])), read_bits=64, write_bits=128, min_bits=min_bits
            )
    hop = Hop(cycles=1, per=("FX", "C")) if draw(st.booleans()) else None
    return PeArray(
        name="drawn",
        placement="cpu_die",
        technology="none",
        clock_hz=10**9,
        dataflow=Dataflow(
            axes=tuple(draw(st.lists(axis, min_size=1, max_size=3))),
            stationary=draw(st.sampled_from(OPERANDS)),
            overlap=draw(st.booleans()),
            pipeline_cycles=draw(st.sampled_from([None, 0, 3])),
            depthwise_tap_slots=draw(st.sampled_from([1, 4])),
            depthwise_slot_cycles=draw(st.sampled_from([1, 2])),
            hop=hop,
        ),
        macs_per_pe=draw(st.sampled_from([1, 1, 2])),
        accumulator_bits=draw(st.sampled_from([16, 32])),
        registers=registers,
        buffers=buffers,
        source="drawn at random",
    )


@st.composite
def mappings(draw: st.DrawFn, nest: LoopNest, accelerator: PeArray) -> NestMapping:
    """Any loops in any order, dims split into up to three loops, every level holding any number of them."""
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
    register = {operand: draw(st.integers(0, count)) for operand in OPERANDS}
    buffer = {operand: draw(st.integers(register[operand], count)) for operand in OPERANDS}
    return NestMapping(
        unrolling=unrolling,
        loops=tuple(loops),
        tile=draw(st.integers(0, count)),
        register=register,
        buffer=buffer,
    )
