"""Quantised values: casts to narrow integers and back, and products of them.

A cast costs nothing of its own: scale and zero point are part of how a product is rounded on its way out, as in the
integer arithmetic of Jacob et al. (CVPR 2018). What it does is to say how wide the elements are. Where the scale is
found at run time, the range of all elements is two comparisons for each.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mensa_sim.workload.build.operation import Role, Tensor
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.elementwise import elementwise
from mensa_sim.workload.operators.indexing import embedding
from mensa_sim.workload.operators.matrix import matmul
from mensa_sim.workload.operators.reduction import gone_over_twice

_RANGE = 2
"""A minimum and a maximum."""
SCALED = 3
"""A minimum, a maximum and the product with the scale that follows from them."""
_PACKED_BITS = 4
"""Width of an element in torch's packed weights of four bits."""


def cast(call: Call, *, data: Tensor, output: Tensor, bits: int | None) -> None:
    """The same values, in elements of `bits` (none: as wide as before); what else the call reads are their scales."""
    scales = tuple(tensor for tensor in call.operands if tensor is not data and tensor.constant is not None)
    written = replace(output, stored=min(data.stored, output.elements), index=data.index, bits=bits, scales=scales)
    call.add("cast", role=Role.VIEW, reads=(data,), writes=(written,))


def _bits_of_range(call: Call) -> int | None:
    """The width of the integers whose range a call gives; none where it gives none."""
    low, high = (call.get(name, call.get(other)) for name, other in (("quant_min", "qmin"), ("quant_max", "qmax")))
    return (high - low).bit_length() if isinstance(low, int) and isinstance(high, int) and high > low else None


def _quantise(call: Call) -> None:
    """Operators that give the range of their integers have its width; the others that of the result's type.

    A scale that is found at run time takes a pass over the data before the cast.
    """
    bits = _bits_of_range(call) or call.result.bits or 8
    data = call.operands[0]
    if any(tensor.constant is None for tensor in call.operands[1:]) and data.constant is None:
        written = replace(call.result, index=False, bits=bits)
        ranges = gone_over_twice(data, data.elements // max(1, call.operands[1].elements))
        call.add("quantize", reads=(data,), writes=(written,), vector_ops=SCALED * data.elements, **ranges)
        return
    cast(call, data=data, output=call.result, bits=bits)
    for further in call.results[1:]:  # which elements were clipped: what training asks for
        call.fill(further)


def _dequantise(call: Call) -> None:
    """Narrow integers as numbers: no wider than they were, even where the type of what holds them says more."""
    data = call.operands[0]
    wide = data.index  # a bias, in as many bits as a sum of products has
    if wide and data.constant is None:
        elementwise(call, operator="cast", operands=(data,), output=call.result)
    else:
        cast(call, data=data, output=call.result, bits=None if wide else _bits_of_range(call))


def _choose(call: Call) -> None:
    """Scale and zero point of what is only known at run time."""
    data = call.operands[0]
    call.add("aminmax", reads=(data,), vector_ops=_RANGE * data.elements)


def _product(call: Call) -> None:
    """Products of quantised values; scales are applied on the way out, and a sum of products is no index."""
    left = next(call.tensor(name) for name in ("input", "mat_a") if name in call.arguments)
    right = next(call.tensor(name) for name in ("mat2", "mat_b") if name in call.arguments)
    matmul(call, left=left, right=right, output=replace(call.result, index=False), addend=call.get("bias"))


def _packed_product(call: Call) -> None:
    """Rows times a weight that is stored transposed, or packed: its columns are those of the result."""
    data, stored = call.operands[:2]
    depth, columns = data.shape[-1], call.result.shape[-1]
    bits = stored.bits if call.operator.endswith("int8pack_mm") else _PACKED_BITS
    weight = call.builder.constant(
        f"{call.site.node}/weight",
        (depth, columns),
        name=stored.constant or stored.id,
        bits=bits,
        scales=tuple(tensor for tensor in call.operands[2:] if tensor.constant is not None),
    )
    matmul(call, left=data, right=weight, output=call.result)


def _embedding(call: Call) -> None:
    """Rows of a quantised table; packed ones hold several elements in a byte."""
    table, indices = call.tensor("weight"), call.tensor("indices")
    per_row = math.prod(call.result.shape[len(indices.shape) :])
    bits = max(1, 8 * table.shape[-1] // per_row)
    rows = call.builder.constant(
        f"{call.site.node}/table", (table.shape[0], per_row), name=table.constant or table.id, bits=bits
    )
    embedding(call, table=rows, indices=indices, output=call.result)


def _named(prefix: str, names: str, handler: Handler) -> dict[str, Any]:
    return {f"{prefix}.{name}": handler for name in names.split()}


HANDLERS: Mapping[str, Handler] = {
    **_named(
        "quantized_decomposed",
        "quantize_per_tensor quantize_per_channel quantize_per_token quantize_per_channel_group fake_quant_per_channel",
        _quantise,
    ),
    **_named(
        "quantized_decomposed",
        "dequantize_per_tensor dequantize_per_channel dequantize_per_token dequantize_per_channel_group",
        _dequantise,
    ),
    **_named(
        "quantized_decomposed",
        """choose_qparams choose_qparams_symmetric choose_qparams_per_token choose_qparams_per_token_asymmetric
        _choose_qparams_per_token_asymmetric_impl""",
        _choose,
    ),
    **_named("quantized_decomposed", "embedding_byte embedding_2bit embedding_4bit", _embedding),
    **_named("torchao", "quantize_affine", _quantise),
    **_named("torchao", "dequantize_affine", _dequantise),
    **_named("torchao", "choose_qparams_affine", _choose),
    **_named(
        "aten",
        """fake_quantize_per_tensor_affine fake_quantize_per_channel_affine quantize_per_tensor quantize_per_channel
        fake_quantize_per_tensor_affine_cachemask fake_quantize_per_channel_affine_cachemask
        _fake_quantize_per_tensor_affine_cachemask_tensor_qparams""",
        _quantise,
    ),
    **_named("aten", "dequantize int_repr", _dequantise),
    **_named("aten", "_int_mm _scaled_mm", _product),
    **_named(
        "aten",
        "_weight_int8pack_mm _weight_int4pack_mm _weight_int4pack_mm_for_cpu _dyn_quant_matmul_4bit",
        _packed_product,
    ),
}
