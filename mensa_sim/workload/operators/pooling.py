"""Pooling: one comparison less than the window per output for a maximum, its additions and a division for a mean."""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Operation, Site, Tensor
from mensa_sim.workload.operators.call import Call, Handler


def pool(
    builder: GraphBuilder,
    site: Site,
    *,
    operator: str,
    data: Tensor,
    outputs: tuple[Tensor, ...],
    window: int,
    mean: bool,
) -> None:
    """Every output made of `window` inputs (those in the padding count as the others do)."""
    operations = outputs[0].elements * (window if mean else window - 1)
    builder.add(Operation(site=site, operator=operator, reads=(data,), writes=outputs, vector_ops=operations))


def adaptive_pool(
    builder: GraphBuilder,
    site: Site,
    *,
    operator: str,
    data: Tensor,
    outputs: tuple[Tensor, ...],
    rank: int,
    mean: bool,
) -> None:
    """Windows that share the input evenly: output i reads from floor(i*in/out) to ceil((i+1)*in/out)."""
    output = outputs[0]
    read = math.prod(_adaptive_reads(data.shape[axis - rank], output.shape[axis - rank]) for axis in range(rank))
    planes = output.elements // math.prod(output.shape[-rank:])
    operations = planes * read - (0 if mean else output.elements)
    builder.add(Operation(site=site, operator=operator, reads=(data,), writes=outputs, vector_ops=operations))


def _adaptive_reads(size: int, outputs: int) -> int:
    return sum(-(-(i + 1) * size // outputs) - i * size // outputs for i in range(outputs))


def _rank(call: Call) -> int:
    return int(call.target.split(".")[1].split("pool")[1][0])


def _window(sizes: Sequence[int], rank: int) -> int:
    return math.prod(sizes) if len(sizes) == rank else int(sizes[0]) ** rank


def _pool(call: Call) -> None:
    mean = call.operator.startswith("avg")
    pool(
        call.builder,
        call.site,
        operator="avg_pool" if mean else "max_pool",
        data=call.operands[0],
        outputs=call.results,
        window=_window(call["kernel_size"], _rank(call)),
        mean=mean,
    )


def _adaptive(call: Call) -> None:
    mean = "avg" in call.operator
    adaptive_pool(
        call.builder,
        call.site,
        operator="avg_pool" if mean else "max_pool",
        data=call.operands[0],
        outputs=call.results,
        rank=_rank(call),
        mean=mean,
    )


HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{kind}_pool{rank}d": _pool for kind in ("avg", "max") for rank in (1, 2, 3)},
    **{f"aten.max_pool{rank}d_with_indices": _pool for rank in (1, 2, 3)},
    **{f"aten.adaptive_{kind}_pool{rank}d": _adaptive for kind in ("avg", "max") for rank in (1, 2, 3)},
    **{f"aten._adaptive_avg_pool{rank}d": _adaptive for rank in (2, 3)},
}
