"""ONNX operators that multiply: convolutions, matrix products, attention, recurrent layers."""

from collections.abc import Mapping

from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.importers.onnx.call import OnnxCall, OnnxHandler
from mensa_sim.workload.operators.convolution import convolution
from mensa_sim.workload.operators.einsum import einsum
from mensa_sim.workload.operators.elementwise import elementwise
from mensa_sim.workload.operators.matrix import matmul, matrix_nest, product
from mensa_sim.workload.operators.quantisation import SCALED
from mensa_sim.workload.operators.recurrent import PEEPHOLE_OPERATIONS, CellWeights
from mensa_sim.workload.operators.recurrent_calls import stacked_recurrent, steps_and_batch
from mensa_sim.workload.operators.reduction import gone_over_twice
from mensa_sim.workload.operators.views import permute


def _convolution(call: OnnxCall) -> None:
    weight = call.parameter(1)
    rank = len(weight.shape) - 2
    convolution(
        call,
        data=call.tensor(0),
        weight=weight,
        bias=call.optional_parameter(2),
        output=call.result,
        stride=call.attributes.get("strides", [1] * rank),
        dilation=call.attributes.get("dilations", [1] * rank),
        groups=call.attributes.get("group", 1),
        transposed=call.operator == "ConvTranspose",
    )


def _gemm(call: OnnxCall) -> None:
    """alpha * A' B' + beta * C; factors fold into constants, and cost a product each where there are none."""
    left, right, addend = call.tensor(0), call.parameter(1), call.optional(2)
    rows, depth = left.shape[::-1] if call.attributes.get("transA", 0) else left.shape
    columns = right.shape[0] if call.attributes.get("transB", 0) else right.shape[1]
    data, weight = left, right
    if left.constant is not None and right.constant is None:
        data, weight, rows, columns = right, left, columns, rows
    if addend is not None and addend.constant is None and call.attributes.get("beta", 1.0) != 1.0:
        addend = _scaled(call, addend, "beta")
    if weight.constant is None and call.attributes.get("alpha", 1.0) != 1.0:
        data = _scaled(call, data, "alpha")
    nest = matrix_nest(rows=rows, columns=columns, depth=depth)
    product(call, data=data, weight=weight, output=call.result, nest=nest, addend=addend)


def _scaled(call: OnnxCall, tensor: Tensor, factor: str) -> Tensor:
    scaled = call.new(factor, tensor.shape)
    elementwise(call, operator="mul", operands=(tensor,), output=scaled)
    return scaled


def _dynamic_quantise(call: OnnxCall) -> None:
    """The range of all elements, then each one scaled: the width is the cast's; scale and zero point are literals."""
    quantised, *factors = call.results
    if quantised is not None:
        data = call.tensor(0)
        ranges = gone_over_twice(data, data.elements)
        call.add("quantize", writes=(quantised,), vector_ops=SCALED * data.elements, **ranges)
    for factor in factors:
        if factor is not None:
            call.fill(factor)


def _matmul(call: OnnxCall) -> None:
    left, right = call.tensor(0), call.tensor(1)
    if left.constant is None or right.constant is None:
        left, right = call.parameter(0), call.parameter(1)
    matmul(call, left=left, right=right, output=call.result)


_PEEPHOLES = 3
"""Gates of an LSTM that may see the cell: input, output, forget."""


def _recurrent(call: OnnxCall) -> None:
    """X [T, B, I], W [D, gates * H, I], R [D, gates * H, H], B [D, 2 * gates * H], lengths, h0, c0, peepholes.

    Sequences shorter than the longest are stepped through to its end, as padded ones are.
    """
    if call.attributes.get("input_forget", 0):
        call.unsupported()
        return
    weight, hidden = call.parameter(1), call.parameter(2)
    bias, peepholes = (call.optional_parameter(at) for at in (3, 7))
    cells = [[_cell(call, weight, hidden, bias, peepholes, direction) for direction in range(weight.shape[0])]]
    batch_first = bool(call.attributes.get("layout", 0))
    data = call.tensor(0)
    steps, batch = steps_and_batch(data, batch_first=batch_first)
    directions, units = hidden.shape[0], hidden.shape[2]
    state = (directions, batch, units)
    shapes = ((steps, *state), state, state)[: 3 if call.operator == "LSTM" else 2]
    results = [call.output(at) or call.new(f"unread{at}", shape) for at, shape in enumerate(shapes)]
    stacked_recurrent(
        call,
        kind=call.operator.lower(),
        data=data,
        batch_first=batch_first,
        cells=cells,
        initial=_state(call, 5, state),
        initial_cell=_state(call, 6, state) if call.operator == "LSTM" else None,
        results=results,
    )


def _state(call: OnnxCall, at: int, shape: tuple[int, ...]) -> Tensor | None:
    """The first state, [directions, batch, units]; what is not given is zeros."""
    value = call.value(at)
    given = None if value is not None and not value.any() else call.optional(at)
    if given is None:
        node = call.site.node
        return call.builder.constant(f"{node}/zeros{at}", shape, name=f"{node}.zeros{at}", fill=True)
    if call.attributes.get("layout", 0):
        turned = call.new(f"state{at}", shape)
        permute(call, data=given, output=turned, order=(1, 0, 2))
        return call.builder.tensor(turned.id)
    return given


def _cell(
    call: OnnxCall, weight: Tensor, hidden: Tensor, bias: Tensor | None, peepholes: Tensor | None, direction: int
) -> CellWeights:
    def part(tensor: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
        mark = f"[{direction}]" if tensor.shape[0] > 1 else ""
        named = f"{tensor.constant or tensor.id}{mark}{name}"
        return call.builder.constant(f"{call.site.node}/{tensor.id}{mark}{name}", shape, name=named, bits=tensor.bits)

    rows = weight.shape[1]
    return CellWeights(
        input=part(weight, "", weight.shape[1:]),
        hidden=part(hidden, "", hidden.shape[1:]),
        input_bias=part(bias, ".input", (rows,)) if bias is not None else None,
        hidden_bias=part(bias, ".hidden", (rows,)) if bias is not None else None,
        cell=() if peepholes is None else (part(peepholes, "", peepholes.shape[1:]),),
        cell_operations_per_unit=0 if peepholes is None else PEEPHOLE_OPERATIONS * _PEEPHOLES,
    )


HANDLERS: Mapping[str, OnnxHandler] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), _convolution),
    "Gemm": _gemm,
    "MatMul": _matmul,
    "DynamicQuantizeLinear": _dynamic_quantise,
    "Einsum": lambda call: einsum(
        call, equation=call.attributes["equation"], operands=call.operands, output=call.result
    ),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
}
