"""TFLite's resource variables, which streaming models keep from one inference to the next: state of the model."""

from collections.abc import Mapping

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.importers.tflite.call import TfliteCall, TfliteHandler, tensor_id
from mensa_sim.workload.operators.copies import copy
from mensa_sim.workload.operators.views import view


def _read(call: TfliteCall) -> None:
    """The state where it lies, or what this inference has put there."""
    before = [
        operator
        for operator in call.model.operators
        if operator.kind == "ASSIGN_VARIABLE"
        and operator.index < call.source.index
        and _variable(call, operator.inputs[0]) == _variable(call, call.source.inputs[0])
    ]
    held = call.builder.tensor(f"operator {before[-1].index}/assigned") if before else _state(call, call.result)
    view(call, data=held, output=call.result)


def _assign(call: TfliteCall) -> None:
    """The runtime copies into the variable's own memory (TFLite's kernels/assign_variable.cc)."""
    value = call.tensor(1)
    state = _state(call, value)
    assigned = call.new("assigned", value.shape, bits=value.bits)
    copy(call, operands=(value,), outputs=(assigned,))
    call.builder.next_state(state.id, assigned.id)


def _state(call: TfliteCall, like: Tensor) -> Tensor:
    id = _variable(call, call.source.inputs[0])
    if call.builder.has(id):
        return call.builder.tensor(id)
    return call.builder.state(id, like.shape, bits=like.bits)


def _variable(call: TfliteCall, handle: int) -> str:
    """What a variable is called: its shared name, else the handle that stands for it."""
    for operator in call.model.operators:
        if operator.kind == "VAR_HANDLE" and handle in operator.outputs:
            shared = operator.options.SharedName() if operator.options is not None else None
            return f"variable {shared.decode(errors='replace')}" if shared else f"variable {tensor_id(handle)}"
    raise TraceError(f"{call.label} names a variable that no handle stands for")


HANDLERS: Mapping[str, TfliteHandler] = {
    # A name for memory: it holds nothing that moves. What runs once runs before the first inference alone.
    "VAR_HANDLE": lambda call: call.fill(call.result),
    "CALL_ONCE": lambda call: call.builder.note_layout(call.site.node),
    "READ_VARIABLE": _read,
    "ASSIGN_VARIABLE": _assign,
}
