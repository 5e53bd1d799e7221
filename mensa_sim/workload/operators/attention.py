"""Scaled dot-product attention (Vaswani et al. 2017) as scores, softmax and context.

Both products are of two activations, one group per batch and key head; query heads that share a key head (grouped
query attention) are rows of its group. A causal mask saves nothing: every score is computed, then masked.
"""

import math
from collections.abc import Mapping

from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.layer import LoopNest
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.matrix import matrix_nest, product
from mensa_sim.workload.operators.reduction import gone_over_twice, softmax_operations


def attention(
    spot: Spot, *, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, output: Tensor
) -> None:
    """Three layers: `.scores`, `.softmax`, `.context`; tensors are [..., length, width]. Without keys all are zero."""
    if not key.elements:
        spot.fill(output)
        return
    groups = math.prod(key.shape[:-2])
    keys, width = key.shape[-2:]
    rows = query.elements // (groups * width)
    scores, weights = (spot.new(part, (groups, rows, keys)) for part in ("scores", "softmax"))
    name = spot.site.name
    nest = _scores_nest(query, key, rows, keys, width, groups)
    spot.named(f"{name}.scores").add("matmul", reads=(query, key), writes=(scores,), nest=nest)
    masks = int(causal) + (mask is not None)
    spot.named(f"{name}.softmax").add(
        "softmax",
        reads=(scores,) if mask is None else (scores, mask),
        writes=(weights,),
        vector_ops=(1 + masks) * scores.elements + softmax_operations(scores.elements, keys),
        **gone_over_twice(scores, keys),
    )
    product(
        spot.named(f"{name}.context"),
        operator="matmul",
        data=weights,
        weight=value,
        output=output,
        nest=matrix_nest(rows=rows, columns=value.shape[-1], depth=keys, groups=groups),
    )


def _scores_nest(query: Tensor, key: Tensor, rows: int, keys: int, width: int, groups: int) -> LoopNest:
    """A learned query is the weight of the product, a computed one its rows."""
    if query.constant is not None and key.constant is None:
        rows, keys = keys, rows
    return matrix_nest(rows=rows, columns=keys, depth=width, groups=groups)


def _attention(call: Call) -> None:
    attention(
        call,
        query=call.tensor("query"),
        key=call.tensor("key"),
        value=call.tensor("value"),
        mask=call.get("attn_mask"),
        causal=bool(call.get("is_causal", False)),
        output=call.result,
    )


HANDLERS: Mapping[str, Handler] = {"aten.scaled_dot_product_attention": _attention}
