"""TFLite operators that move or re-index: views, parts, copies, gathers, casts, what is made of nothing."""

from collections.abc import Mapping

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.operation import Role
from mensa_sim.workload.importers.tflite.call import TfliteCall, TfliteHandler, channels_first
from mensa_sim.workload.operators.copies import concatenation, copy, pad, repeat, update
from mensa_sim.workload.operators.indexing import embedding, gather, pick
from mensa_sim.workload.operators.views import box, cast, permute, pieces, view


def _view(call: TfliteCall) -> None:
    """A file holds 1 for a size that is decided while the model runs: what no longer fits shows it."""
    before, after = call.tensor(0).elements, call.result.elements
    if before != after and call.operator != "BITCAST":
        raise TraceError(
            f"{call.label} makes {after} elements of {before}: its sizes are decided while the "
            "model runs; convert the model with fixed sizes"
        )
    view(call, data=call.tensor(0), output=call.result, operator=call.operator.lower())


def _transpose(call: TfliteCall) -> None:
    order = call.integers(1)
    if order is None or sorted(axis % len(order) for axis in order) != list(range(len(call.tensor(0).shape))):
        copy(call, operands=call.operands[:1], outputs=(call.result,))
    else:
        permute(call, data=call.tensor(0), output=call.result, order=order)


def _slice(call: TfliteCall) -> None:
    """Begins and sizes, or begins, ends and strides: one part per axis that is cut; anything else is a copy."""
    data, output = call.tensor(0), call.result
    starts = call.integers(1)
    steps = call.integers(3) if call.operator == "STRIDED_SLICE" else [1] * len(data.shape)
    masks = ("EllipsisMask", "NewAxisMask", "ShrinkAxisMask")
    plain = call.operator == "SLICE" or not any(call.option(name, 0) for name in masks[:2])
    known = starts is not None and steps is not None and len(starts) == len(steps) <= len(data.shape)
    if starts is None or steps is None or not (plain and known) or any(step < 1 for step in steps):
        gather(call, data=data, indices=(), output=output)
        return
    shrunk = call.option("ShrinkAxisMask", 0) if call.operator == "STRIDED_SLICE" else 0
    opened = call.option("BeginMask", 0) if call.operator == "STRIDED_SLICE" else 0
    lengths = iter(output.shape)
    cuts = []
    for axis, size in enumerate(data.shape):
        length = 1 if shrunk >> axis & 1 else next(lengths, 1)
        step = steps[axis] if axis < len(steps) and not shrunk >> axis & 1 else 1
        start = starts[axis] if axis < len(starts) and not opened >> axis & 1 else 0
        if length != size or step != 1:
            cuts.append((axis, start, length, step))
    box(call, data=data, output=output, cuts=cuts)


def _split(call: TfliteCall) -> None:
    """SPLIT names the axis first, SPLIT_V last."""
    at_data, at_axis = (1, 0) if call.operator == "SPLIT" else (0, 2)
    data, axis = call.tensor(at_data), (call.integers(at_axis) or [0])[0]
    lengths = [result.shape[axis] for result in call.outputs]
    pieces(call, data=data, outputs=call.outputs, lengths=lengths, axis=axis)


def _unpack(call: TfliteCall) -> None:
    pieces(
        call,
        data=call.tensor(0),
        outputs=call.outputs,
        lengths=[1] * len(call.outputs),
        axis=call.option("Axis", 0),
        operator="unbind",
    )


def _concatenation(call: TfliteCall) -> None:
    concatenation(call, operands=call.operands, output=call.before_activation())
    call.activate()


def _pad(call: TfliteCall) -> None:
    """Widths [axes, 2]; on images the channels, which come last, are shown first."""
    data, output, widths = call.tensor(0), call.result, call.integers(1)
    zeros = call.operator == "PAD" or call.is_zero(2)
    if widths is None or len(widths) != 2 * len(data.shape) or call.operator == "MIRROR_PAD":
        copy(call, operands=(data,), outputs=(output,))
        return
    pairs = [widths[at : at + 2] for at in range(0, len(widths), 2)]
    if len(pairs) > 2:
        data, output = channels_first(data), channels_first(output)
        pairs = [pairs[0], pairs[-1], *pairs[1:-1]]
    last_first = [width for pair in reversed(pairs) for width in pair]
    pad(call, data=data, output=output, widths=last_first, zeros=zeros)


def _repeat(call: TfliteCall) -> None:
    make = view if call.operator == "BROADCAST_TO" else repeat
    make(call, data=call.tensor(0), output=call.result)


def _shuffle(call: TfliteCall) -> None:
    call.add("shuffle", role=Role.STRIDED, reads=call.operands[:1])


def _batches(call: TfliteCall) -> None:
    """Space to batches and back: a re-ordering, and a copy where elements are added or cut."""
    same = call.tensor(0).elements == call.result.elements
    (_shuffle if same else _moved)(call)


def _moved(call: TfliteCall) -> None:
    copy(call, operands=call.operands[:1], outputs=(call.result,))


def _gather(call: TfliteCall) -> None:
    data, indices, axis = call.tensor(0), call.tensor(1), call.option("Axis", 0)
    pick(call, data=data, indices=indices, axis=axis, known=call.integers(1), output=call.result)


def _update(call: TfliteCall) -> None:
    """A part overwritten at a computed place: in place where nothing reads the old elements."""
    base, source = call.tensor(0), call.tensor(1)
    update(call, base=base, source=source, output=call.result, updated=source.elements)


def _fill(call: TfliteCall) -> None:
    for result in call.outputs:
        call.fill(result)


HANDLERS: Mapping[str, TfliteHandler] = {
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BITCAST"), _view),
    # The width is the result's, and sparse weights are spread out beforehand.
    **dict.fromkeys(
        ("QUANTIZE", "DEQUANTIZE", "CAST", "FAKE_QUANT", "DENSIFY"),
        lambda call: cast(call, data=call.tensor(0), output=call.result, known_free=True),
    ),
    "TRANSPOSE": _transpose,
    **dict.fromkeys(("SLICE", "STRIDED_SLICE"), _slice),
    **dict.fromkeys(("SPLIT", "SPLIT_V"), _split),
    "UNPACK": _unpack,
    **dict.fromkeys(("CONCATENATION", "PACK"), _concatenation),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _pad),
    **dict.fromkeys(("TILE", "BROADCAST_TO"), _repeat),
    **dict.fromkeys(("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"), _shuffle),
    **dict.fromkeys(("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"), _batches),
    **dict.fromkeys(("REVERSE_V2", "REVERSE_SEQUENCE", "MATRIX_DIAG", "DILATE", "REAL", "IMAG"), _moved),
    "GATHER": _gather,
    "GATHER_ND": lambda call: gather(call, data=call.tensor(0), indices=(call.tensor(1),), output=call.result),
    # Indices come first here.
    "EMBEDDING_LOOKUP": lambda call: embedding(
        call, table=call.parameter(1), indices=call.tensor(0), output=call.result
    ),
    **dict.fromkeys(
        ("SCATTER_ND", "MATRIX_SET_DIAG", "SPARSE_TO_DENSE"),
        lambda call: copy(call, operands=call.operands, outputs=(call.result,)),
    ),
    "DYNAMIC_UPDATE_SLICE": _update,
    "ONE_HOT": lambda call: call.add("onehot", reads=call.operands[:1], vector_ops=call.result.elements),
    **dict.fromkeys(("SHAPE", "RANK", "RANGE", "FILL", "ZEROS_LIKE", "BROADCAST_ARGS"), _fill),
}
