"""TFLite's recurrent operators: gates have weights of their own each, states are variables of the model.

Inputs of an LSTM by position: 0 data, 1-4 input weights (i f g o), 5-8 hidden weights, 9-11 peepholes, 12-15 biases,
16 and 17 projection and its bias, 18 and 19 the states, 20-23 normalisation coefficients. Without the weights of gate i
it is coupled to the forget gate (Greff et al. 2017). A two-directional one has the second direction behind the first.
"""

from collections.abc import Mapping, Sequence

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.importers.tflite.call import TfliteCall, TfliteHandler
from mensa_sim.workload.operators.matrix import linear, matrix_nest
from mensa_sim.workload.operators.recurrent import PEEPHOLE_OPERATIONS, CellRun, CellWeights, recurrent_cell
from mensa_sim.workload.operators.recurrent_calls import steps_and_batch
from mensa_sim.workload.operators.views import join, view

_BASIC = 1
"""LSTMKernelType: inputs data, state, weights [4 H, I + H], biases, cell state."""

_NORMALISED = 7
"""Vector operations of a normalised gate for each unit: sum, difference, square, sum, product, scale, shift."""


_NORMS = (20, 21, 22, 23)
"""Of an LSTM in one direction; one in two has none."""


def _lstm(call: TfliteCall) -> None:
    if call.operator == "LSTM" and call.option("KernelType", 0) == _BASIC:
        _basic(call)
        return
    _one_direction(call, 1, call.result, norms=_NORMS)


def _two_ways(call: TfliteCall) -> None:
    """Results side by side, each direction in its place, or apart."""
    merged = bool(call.option("MergeOutputs", False))
    shape = call.result.shape
    halves = call.outputs
    if merged:
        half = (*shape[:-1], shape[-1] // 2)
        halves = tuple(call.new(f"way{at}", half, bits=call.result.bits) for at in range(2))
    _one_direction(call, 1, halves[0])
    _one_direction(call, 18, halves[1], mark="_reverse")
    if merged:
        join(call, pieces=[call.builder.tensor(half.id) for half in halves], output=call.result)


def _one_direction(call: TfliteCall, first: int, output: Tensor, *, mark: str = "", norms: Sequence[int] = ()) -> None:
    """`first` is where its inputs begin; they have the order of those of one direction."""
    steps, batch = _steps_and_batch(call)
    coupled = not call.has(first)
    gates = range(1, 4) if coupled else range(4)
    hidden, peephole, bias, projection = first + 4, first + 8, first + 11, first + 15
    peepholes = [call.parameter(at) for at in range(peephole, bias) if call.has(at)]
    scales = [call.parameter(at) for at in norms if call.has(at)]
    weights = CellWeights(
        input=_stacked(call, [first + at for at in gates], f"input{mark}"),
        hidden=_stacked(call, [hidden + at for at in gates], f"hidden{mark}"),
        input_bias=_stacked(call, [bias + at for at in gates], f"bias{mark}") if call.has(bias + 1) else None,
        projection=call.optional_parameter(projection),
        cell=(*peepholes, *scales),
        cell_operations_per_unit=PEEPHOLE_OPERATIONS * len(peepholes) + _NORMALISED * len(scales),
    )
    shape = (steps, batch, output.shape[-1])
    written = call.new(f"sequence{mark}", shape, stored=output.elements, bits=output.bits)
    group = call.builder.claim(f"{call.site.name}{mark}")
    run = CellRun(steps=steps, batch=batch, inputs=(call.tensor(0),), writes=(written,))
    recurrent_cell(call, kind="cifg" if coupled else "lstm", weights=weights, run=run, group=group)
    view(call, data=call.builder.tensor(written.id), output=output)


def _steps_and_batch(call: TfliteCall) -> tuple[int, int]:
    data = call.tensor(0)
    if call.operator in ("LSTM", "RNN"):
        return 1, data.elements // data.shape[-1]
    return steps_and_batch(data, batch_first=not call.option("TimeMajor", False))


def _stacked(call: TfliteCall, places: Sequence[int], part_name: str) -> Tensor:
    """The gates' tensors as one, gate after gate: each is a slice of it, and its own parameter again."""
    tensors = [call.parameter(at) for at in places]
    first = tensors[0]
    rows = sum(tensor.shape[0] for tensor in tensors)
    name = f"{call.site.name}.{part_name}"
    return call.builder.constant(f"{call.site.node}/{part_name}", (rows, *first.shape[1:]), name=name, bits=first.bits)


def _basic(call: TfliteCall) -> None:
    """One step whose input and hidden weights lie side by side."""
    data, state, stacked = call.tensor(0), call.tensor(1), call.parameter(2)
    rows, depth, units = stacked.shape[0], data.shape[-1], state.shape[-1]
    if stacked.shape[1] != depth + units:
        raise TraceError(f"{call.label}: weights {list(stacked.shape)} do not fit its inputs")
    given = (state,) if state.constant is None else ()
    cell_state = call.tensor(4)
    weights = CellWeights(
        input=_columns(call, stacked, "input", rows, depth),
        hidden=_columns(call, stacked, "hidden", rows, units),
        input_bias=call.optional_parameter(3),
    )
    run = CellRun(
        steps=1,
        batch=data.elements // depth,
        inputs=(data,),
        initial=given,
        initial_cell=(cell_state,) if cell_state.constant is None else (),
        writes=call.outputs[:1],
        carried=call.outputs[1:2],
    )
    group = call.builder.claim(call.site.name)
    recurrent_cell(call, kind="lstm", weights=weights, run=run, group=group)


def _columns(call: TfliteCall, stacked: Tensor, name: str, rows: int, columns: int) -> Tensor:
    return call.builder.constant(
        f"{call.site.node}/{name}", (rows, columns), name=f"{stacked.constant}[{name}]", bits=stacked.bits
    )


def _two_way_rnn(call: TfliteCall) -> None:
    for at, output in enumerate(call.outputs[:2]):
        _plain(call, 1 + 4 * at, output, mark="_reverse" if at else "")


def _plain(call: TfliteCall, first: int, output: Tensor, mark: str = "") -> None:
    """Input weights, hidden weights and bias stand one after another."""
    steps, batch = _steps_and_batch(call)
    weights = CellWeights(
        input=call.parameter(first), hidden=call.parameter(first + 1), input_bias=call.optional_parameter(first + 2)
    )
    run = CellRun(steps=steps, batch=batch, inputs=(call.tensor(0),), writes=(output,))
    group = call.builder.claim(f"{call.site.name}{mark}")
    recurrent_cell(call, kind="rnn", weights=weights, run=run, group=group)


def _svdf(call: TfliteCall) -> None:
    """A filter of rank one per row: over the features of this step, then over the time that its memory holds.

    Weights [filters, inputs] and [filters, steps] (Nakkiran et al. 2015); the memory is state, read whole.
    """
    data, features, times = call.tensor(0), call.parameter(1), call.parameter(2)
    filters, steps = times.shape
    batch = data.elements // data.shape[-1]
    seen = call.new("features", (batch, filters), bits=data.bits)
    linear(call, data=data, weight=features, bias=None, output=seen)
    rank = max(1, filters // call.result.shape[-1])
    call.multiply(
        "time_filter",
        operands=(call.builder.tensor(seen.id), call.tensor(4), times),
        bias=call.optional_parameter(3),
        output=call.before_activation(),
        nest=matrix_nest(rows=batch, columns=1, depth=steps, groups=filters),
        vector_ops=call.result.elements * (rank - 1),
        state_elements=batch * filters,
    )
    call.activate()


HANDLERS: Mapping[str, TfliteHandler] = {
    **dict.fromkeys(("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"), _lstm),
    "BIDIRECTIONAL_SEQUENCE_LSTM": _two_ways,
    **dict.fromkeys(("RNN", "UNIDIRECTIONAL_SEQUENCE_RNN"), lambda call: _plain(call, 1, call.result)),
    "BIDIRECTIONAL_SEQUENCE_RNN": _two_way_rnn,
    "SVDF": _svdf,
}
