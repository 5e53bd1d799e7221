"""Pooling: one comparison less than the window per output for a maximum, its additions and a division for a mean."""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.layer import LoopNest
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.convolution import batch, window_sizes


def pool(
    spot: Spot,
    *,
    data: Tensor,
    outputs: tuple[Tensor, ...],
    taps: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int] = (1,),
    mean: bool,
) -> None:
    """Every output made of a window of inputs (those in the padding count too); shapes are [..., *space]."""
    operations = outputs[0].elements * (math.prod(taps) - (not mean))
    _add(spot, data, outputs, _window(data, outputs[0], taps, stride, dilation), operations, mean=mean)


def _add(
    spot: Spot, data: Tensor, outputs: tuple[Tensor, ...], window: LoopNest | None, operations: int, *, mean: bool
) -> None:
    name = "avg_pool" if mean else "max_pool"
    spot.add(name, reads=(data,), writes=outputs, window=window, vector_ops=operations)


def _window(
    data: Tensor, output: Tensor, taps: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> LoopNest | None:
    """The window as the loops that it moves over; of volumes none is kept."""
    rank = len(taps)
    if rank > 2:
        return None
    return LoopNest(B=batch(data, rank), G=data.shape[-rank - 1], **window_sizes(data, output, taps, stride, dilation))


def adaptive_pool(spot: Spot, *, data: Tensor, outputs: tuple[Tensor, ...], rank: int, mean: bool) -> None:
    """Windows that share the input evenly: output i reads from floor(i*in/out) to ceil((i+1)*in/out)."""
    output = outputs[0]
    read = math.prod(_adaptive_reads(data.shape[axis - rank], output.shape[axis - rank]) for axis in range(rank))
    planes = output.elements // math.prod(output.shape[-rank:])
    operations = planes * read - (0 if mean else output.elements)
    sizes = list(zip(data.shape[-rank:], output.shape[-rank:], strict=True))
    even = [size // outputs for size, outputs in sizes if size % outputs == 0]
    window = _window(data, output, even, even, (1,)) if len(even) == rank else None
    _add(spot, data, outputs, window, operations, mean=mean)


def _adaptive_reads(size: int, outputs: int) -> int:
    return sum(-(-(i + 1) * size // outputs) - i * size // outputs for i in range(outputs))


def power_pool(spot: Spot, *, data: Tensor, output: Tensor, taps: Sequence[int]) -> None:
    """Each element of a window to a power and added, then the root."""
    spot.add("lp_pool", reads=(data,), writes=(output,), vector_ops=2 * math.prod(taps) * output.elements)


def _rank(call: Call) -> int:
    return int(call.operator.split("pool")[1][0])


def _pool(call: Call) -> None:
    mean, rank = call.operator.startswith("avg"), _rank(call)
    sizes = [int(size) for size in call["kernel_size"]]
    taps = sizes if len(sizes) == rank else sizes[:1] * rank
    pool(
        call,
        data=call.operands[0],
        outputs=call.results,
        taps=taps,
        stride=call.get("stride") or taps,
        dilation=call.get("dilation") or (1,),
        mean=mean,
    )


def _adaptive(call: Call) -> None:
    mean = "avg" in call.operator
    adaptive_pool(call, data=call.operands[0], outputs=call.results, rank=_rank(call), mean=mean)


HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{kind}_pool{rank}d": _pool for kind in ("avg", "max") for rank in (1, 2, 3)},
    **{f"aten.max_pool{rank}d_with_indices": _pool for rank in (1, 2, 3)},
    **{f"aten.adaptive_{kind}_pool{rank}d": _adaptive for kind in ("avg", "max") for rank in (1, 2, 3)},
    **{f"aten._adaptive_avg_pool{rank}d": _adaptive for rank in (2, 3)},
}
