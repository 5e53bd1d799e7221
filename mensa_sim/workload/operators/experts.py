"""Grouped products: rows that are sorted by the weight they meet (mixture of experts, Shazeer et al. 2017).

Which expert gets how many rows hangs on the data. The rows are spread evenly here, as routers are trained to do: of R
rows on E experts, R mod E get one row more than the others, and with fewer rows than experts only R of them are read.
"""

from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Operation, Role, Site, Tensor
from mensa_sim.workload.operators.call import Call, Handler, unsupported
from mensa_sim.workload.operators.matrix import matmul, matrix_nest


def grouped_product(
    builder: GraphBuilder, site: Site, *, data: Tensor, weight: Tensor, bias: Tensor | None, output: Tensor
) -> None:
    """Rows [R, C], sorted by expert, times the weights [E, C, K] of their experts."""
    experts, depth, columns = weight.shape
    fewer, busier = divmod(data.shape[0], experts)
    shares = [(count, rows) for count, rows in ((busier, fewer + 1), (experts - busier, fewer)) if count and rows]
    written = []
    first_row = first_expert = 0
    for index, (count, rows) in enumerate(shares):
        alone = len(shares) == 1
        part = output if alone else replace(output, id=f"{site.node}/{index}", shape=(count * rows, columns))
        part = replace(part, stored=part.elements)
        read = data if alone else _rows(builder, site, data, first_row, count * rows)
        held = weight if alone else _experts(builder, site, weight, first_expert, count)
        builder.add(
            Operation(
                site=site,
                operator="linear" if weight.constant is not None else "matmul",
                reads=(read, held) if bias is None else (read, held, bias),
                writes=(part,),
                nest=matrix_nest(rows=rows, columns=columns, depth=depth, groups=count),
                gathered=count * depth * columns if weight.constant is not None and count < experts and alone else None,
                has_bias=bias is not None,
            )
        )
        written.append(part)
        first_row, first_expert = first_row + count * rows, first_expert + count
    if len(written) > 1:
        builder.add(Operation(site=site, operator="join", role=Role.VIEW, reads=tuple(written), writes=(output,)))


def _rows(builder: GraphBuilder, site: Site, data: Tensor, first: int, count: int) -> Tensor:
    """Some rows of the sorted ones."""
    rows = replace(data, id=f"{site.node}/rows{first}", shape=(count, data.shape[1]), stored=count * data.shape[1])
    builder.add(Operation(site=site, operator="slice", role=Role.VIEW, reads=(data,), writes=(rows,)))
    return builder.tensor(rows.id)


def _experts(builder: GraphBuilder, site: Site, weight: Tensor, first: int, count: int) -> Tensor:
    """The weights of some experts: a parameter of its own."""
    shape = (count, *weight.shape[1:])
    some = replace(weight, id=f"{site.node}/experts{first}", shape=shape, stored=0, constant=None)
    some = replace(some, stored=min(some.elements, weight.stored))
    part = f"{first}:{first + count}"
    builder.add(Operation(site=site, operator="slice", role=Role.VIEW, reads=(weight,), writes=(some,), part=part))
    return builder.tensor(some.id)


def _grouped(call: Call) -> None:
    data = call.tensor("input")
    weight = next(call.tensor(name) for name in ("mat2", "weight") if name in call.arguments)
    if len(data.shape) == 2 and len(weight.shape) == 3:
        bias = call.get("bias")
        grouped_product(call.builder, call.site, data=data, weight=weight, bias=bias, output=call.result)
    elif len(data.shape) == len(weight.shape) == 3:
        matmul(call.builder, call.site, left=data, right=weight, output=call.result)
    else:
        unsupported(call)


HANDLERS: Mapping[str, Handler] = dict.fromkeys(
    ("aten._grouped_mm", "aten._scaled_grouped_mm", "transformers.grouped_mm_fallback"), _grouped
)
