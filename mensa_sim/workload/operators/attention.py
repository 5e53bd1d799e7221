"""Scaled dot-product attention (Vaswani et al. 2017) as scores, softmax and context.

Both products are of two activations, one group per batch and key head; query heads that share a key head (grouped
query attention) are rows of its group. A causal mask saves nothing: every score is computed, then masked.
"""

import math
from collections.abc import Mapping

from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Operation, Site, Tensor
from mensa_sim.workload.layer import LoopNest
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.matrix import matrix_nest, product
from mensa_sim.workload.operators.softmax import softmax_operations


def attention(
    builder: GraphBuilder,
    site: Site,
    *,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    causal: bool,
    output: Tensor,
) -> None:
    """Three layers: `.scores`, `.softmax`, `.context`; tensors are [..., length, width]."""
    groups = math.prod(key.shape[:-2])
    keys, width = key.shape[-2:]
    rows = query.elements // (groups * width)
    scores = _new(site, "scores", (groups, rows, keys))
    weights = _new(site, "softmax", (groups, rows, keys))
    builder.add(
        Operation(
            site=Site(node=site.node, name=f"{site.name}.scores", source=site.source),
            operator="matmul",
            reads=(query, key),
            writes=(scores,),
            nest=_scores_nest(query, key, rows, keys, width, groups),
        )
    )
    masks = int(causal) + (mask is not None)
    builder.add(
        Operation(
            site=Site(node=site.node, name=f"{site.name}.softmax", source=site.source),
            operator="softmax",
            reads=(scores,) if mask is None else (scores, mask),
            writes=(weights,),
            vector_ops=(1 + masks) * scores.elements + softmax_operations(scores.elements, keys),
        )
    )
    product(
        builder,
        Site(node=site.node, name=f"{site.name}.context", source=site.source),
        operator="matmul",
        data=weights,
        weight=value,
        output=output,
        rows=rows,
        columns=value.shape[-1],
        depth=keys,
        groups=groups,
    )


def _scores_nest(query: Tensor, key: Tensor, rows: int, keys: int, width: int, groups: int) -> LoopNest:
    """A learned query is the weight of the product, a computed one its rows."""
    if query.constant is not None and key.constant is None:
        rows, keys = keys, rows
    return matrix_nest(rows=rows, columns=keys, depth=width, groups=groups)


def _new(site: Site, part: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(id=f"{site.node}/{part}", shape=shape, stored=math.prod(shape))


def _attention(call: Call) -> None:
    attention(
        call.builder,
        call.site,
        query=call.tensor("query"),
        key=call.tensor("key"),
        value=call.tensor("value"),
        mask=call.get("attn_mask"),
        causal=bool(call.get("is_causal", False)),
        output=call.result,
    )


HANDLERS: Mapping[str, Handler] = {"aten.scaled_dot_product_attention": _attention}
