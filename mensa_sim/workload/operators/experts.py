"""Grouped products: rows that are sorted by the weight they meet (mixture of experts, Shazeer et al. 2017).

Which expert gets how many rows hangs on the data. The rows are spread evenly here, as routers are trained to do: of R
rows on E experts, R mod E get one row more than the others, and with fewer rows than experts only R of them are read.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.operators.call import Call, Handler, unsupported
from mensa_sim.workload.operators.matrix import matmul, matrix_nest
from mensa_sim.workload.operators.views import join, part


def even_shares(rows: int, experts: int) -> list[tuple[int, int]]:
    """How many experts get how many rows each.

    >>> even_shares(11, 4), even_shares(3, 4)
    ([(3, 3), (1, 2)], [(3, 1)])
    """
    fewer, busier = divmod(rows, experts)
    return [(count, each) for count, each in ((busier, fewer + 1), (experts - busier, fewer)) if count and each]


def grouped_product(spot: Spot, *, data: Tensor, weight: Tensor, bias: Tensor | None, output: Tensor) -> None:
    """Rows [R, C], sorted by expert, times the weights [E, C, K] of their experts."""
    experts, depth, columns = weight.shape
    shares = even_shares(data.shape[0], experts)
    written = []
    first_row = first_expert = 0
    for index, (count, rows) in enumerate(shares):
        alone = len(shares) == 1
        shape = output.shape if alone else (count * rows, columns)
        made = replace(
            output, id=output.id if alone else f"{spot.site.node}/{index}", shape=shape, stored=math.prod(shape)
        )
        read = data if alone else _some(spot, data, "rows", first_row, count * rows)
        held = weight if alone else _some(spot, weight, "experts", first_expert, count)
        learned = weight.constant is not None
        spot.multiply(
            "linear" if learned else "matmul",
            operands=(read, held),
            bias=bias,
            output=made,
            nest=matrix_nest(rows=rows, columns=columns, depth=depth, groups=count),
            gathered=count * depth * columns if learned and count < experts and alone else None,
        )
        written.append(made)
        first_row, first_expert = first_row + count * rows, first_expert + count
    if len(written) > 1:
        join(spot, pieces=written, output=output)


def _some(spot: Spot, whole: Tensor, kind: str, first: int, count: int) -> Tensor:
    """Some of the sorted rows, or the weights of some experts: a parameter of its own."""
    some = spot.new(f"{kind}{first}", (count, *whole.shape[1:]), bits=whole.bits)
    part(spot, data=whole, output=some, axis=0, start=first, length=count)
    return spot.builder.tensor(some.id)


def _grouped(call: Call) -> None:
    data = call.tensor("input")
    weight = next(call.tensor(name) for name in ("mat2", "weight") if name in call.arguments)
    if len(data.shape) == 2 and len(weight.shape) == 3:
        bias = call.get("bias")
        grouped_product(call, data=data, weight=weight, bias=bias, output=call.result)
    elif len(data.shape) == len(weight.shape) == 3:
        matmul(call, left=data, right=weight, output=call.result)
    else:
        unsupported(call)


HANDLERS: Mapping[str, Handler] = dict.fromkeys(
    ("aten._grouped_mm", "aten._scaled_grouped_mm", "transformers.grouped_mm_fallback"), _grouped
)
