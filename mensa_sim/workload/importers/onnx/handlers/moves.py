"""ONNX operators that move or re-index: views, parts, copies, gathers, constants."""

from collections.abc import Mapping

from mensa_sim.workload.build.operation import Role
from mensa_sim.workload.importers.onnx.call import OnnxCall, OnnxHandler
from mensa_sim.workload.operators.copies import concatenation, copy, pad, repeat
from mensa_sim.workload.operators.indexing import gather, pick
from mensa_sim.workload.operators.views import box, cast, permute, pieces, view


def _view(call: OnnxCall) -> None:
    view(call, data=call.tensor(0), output=call.result, operator=call.operator.lower())


def _dropout(call: OnnxCall) -> None:
    """Nothing is dropped in inference: the mask, where it is read, is ones."""
    kept, *masks = call.results
    if kept is not None:
        _view(call)
    for mask in masks:
        if mask is not None:
            call.fill(mask)


def _transpose(call: OnnxCall) -> None:
    data = call.tensor(0)
    order = call.attributes.get("perm", range(len(data.shape))[::-1])
    permute(call, data=data, output=call.result, order=order)


def _slice(call: OnnxCall) -> None:
    """One part per axis that is cut; backwards or computed places are a copy."""
    data, output = call.tensor(0), call.result
    starts = call.listed("starts", 1)
    axes = call.listed("axes", 3) or list(range(len(starts or ())))
    steps = call.listed("steps", 4) or [1] * len(axes)
    if starts is None or any(step < 1 for step in steps):
        gather(call, data=data, indices=(), output=output)
        return
    cuts = [
        (axis % len(data.shape), start, output.shape[axis], step)
        for axis, start, step in zip(axes, starts, steps, strict=True)
        if data.shape[axis] != output.shape[axis] or step != 1
    ]
    box(call, data=data, output=output, cuts=cuts)


def _split(call: OnnxCall) -> None:
    data = call.tensor(0)
    axis = call.attributes.get("axis", 0) % len(data.shape)
    lengths = call.listed("split", 1)
    if lengths is None:
        count = call.attributes.get("num_outputs", len(call.results))
        each = -(-data.shape[axis] // count)
        lengths = [min(each, data.shape[axis] - at * each) for at in range(count)]
    pieces(call, data=data, outputs=call.results, lengths=lengths, axis=axis)


def _concat(call: OnnxCall) -> None:
    """Behind a model input that nothing else reads, and out again as an output: a cache, which grows in place."""
    past, *new = call.inputs
    nodes = call.model.proto.graph.node
    alone = past in call.model.inputs and sum(name == past for node in nodes for name in node.input) == 1
    if alone and len(new) == 1 and call.result.id in call.model.outputs:
        call.add("append", role=Role.VIEW)
        return
    concatenation(call, operands=call.operands, output=call.result)


def _pad(call: OnnxCall) -> None:
    data, widths = call.tensor(0), call.listed("pads", 1)
    rank = len(data.shape)
    if widths is None:
        copy(call, operands=(data,), outputs=(call.result,))
        return
    axes = [axis % rank for axis in call.listed("axes", 3) or range(rank)]
    low_high = {axis: (widths[at], widths[at + len(axes)]) for at, axis in enumerate(axes)}
    torch_order = [width for axis in reversed(range(rank)) for width in low_high.get(axis, (0, 0))]
    value = call.value(2)
    fill = call.attributes.get("value", 0.0) if value is None else float(value.reshape(-1)[0])
    zeros = call.attributes.get("mode", "constant") == "constant" and fill == 0
    pad(call, data=data, output=call.result, widths=torch_order, zeros=zeros)


def _gather(call: OnnxCall) -> None:
    data, indices, axis = call.tensor(0), call.tensor(1), call.attributes.get("axis", 0)
    pick(call, data=data, indices=indices, axis=axis, known=call.integers(1), output=call.result)


HANDLERS: Mapping[str, OnnxHandler] = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Expand"), _view),
    "Dropout": _dropout,
    **dict.fromkeys(
        ("Cast", "CastLike", "QuantizeLinear", "DequantizeLinear"),
        lambda call: cast(call, data=call.tensor(0), output=call.result),
    ),
    "Transpose": _transpose,
    "Slice": _slice,
    "Split": _split,
    "Concat": _concat,
    "Pad": _pad,
    "Tile": lambda call: repeat(call, data=call.tensor(0), output=call.result),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), lambda call: call.add("shuffle", role=Role.STRIDED)),
    "Gather": _gather,
    **dict.fromkeys(
        ("GatherElements", "GatherND"),
        lambda call: gather(call, data=call.tensor(0), indices=(call.tensor(1),), output=call.result),
    ),
    **dict.fromkeys(
        ("ScatterElements", "ScatterND", "Scatter"),
        lambda call: copy(call, operands=call.operands, outputs=(call.result,), vector_ops=call.tensor(2).elements),
    ),
    "ConstantOfShape": lambda call: call.fill(call.result),
    # Numbers that depend on no input.
    **dict.fromkeys(
        ("Range", "EyeLike", "HannWindow", "HammingWindow", "BlackmanWindow", "MelWeightMatrix"),
        lambda call: call.add(call.operator.lower(), reads=()),
    ),
}
