"""Dilated convolutions as TensorFlow writes them: space to batches, a plain convolution, batches to space."""

from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.workload.importers.tflite.file import TfliteModel, TfliteOperator

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def without_batches(model: TfliteModel) -> tuple[TfliteModel, Mapping[int, tuple[int, ...]], tuple[int, ...]]:
    """The model with each such group as one convolution, their dilations by operator, and the operators that went.

    The convolution must be the only reader of the first and the only source of the second re-ordering.
    """
    readers: dict[int, list[TfliteOperator]] = {}
    for operator in model.operators:
        for index in operator.inputs:
            readers.setdefault(index, []).append(operator)
    made_by = {index: operator for operator in model.operators for index in operator.outputs}
    dilated: dict[int, tuple[int, ...]] = {}
    joined: dict[int, TfliteOperator] = {}
    gone: list[int] = []
    for operator in model.operators:
        if operator.kind not in _CONVOLUTIONS or not operator.inputs or len(operator.outputs) != 1:
            continue
        before = made_by.get(operator.inputs[0])
        after = readers.get(operator.outputs[0], [])
        if before is None or before.kind != "SPACE_TO_BATCH_ND" or [o.kind for o in after] != ["BATCH_TO_SPACE_ND"]:
            continue
        block = _block(before, model)
        alone = len(readers[before.outputs[0]]) == 1 and not {*before.outputs, *operator.outputs} & {*model.outputs}
        if block is None or block != _block(after[0], model) or not alone:
            continue
        dilated[operator.index] = block
        inputs = (before.inputs[0], *operator.inputs[1:])
        joined[operator.index] = replace(operator, inputs=inputs, outputs=after[0].outputs)
        gone += [before.index, after[0].index]
    kept = [joined.get(operator.index, operator) for operator in model.operators if operator.index not in gone]
    return replace(model, operators=tuple(kept)), dilated, tuple(gone)


def _block(operator: TfliteOperator, model: TfliteModel) -> tuple[int, ...] | None:
    """Positions per axis that become batches, where two axes do."""
    value = model.tensors[operator.inputs[1]].value if len(operator.inputs) > 1 and operator.inputs[1] >= 0 else None
    return None if value is None or value.size != 2 else tuple(int(size) for size in value.reshape(-1))
