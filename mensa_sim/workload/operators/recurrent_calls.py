"""How torch spells recurrent layers: stacked, bidirectional, projected, batch first or not, and single cells."""

from collections.abc import Mapping, Sequence

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.recurrent import CELLS, CellRun, CellWeights, recurrent_cell
from mensa_sim.workload.operators.views import join, part


def stacked_recurrent(
    spot: Spot,
    *,
    kind: str,
    data: Tensor,
    batch_first: bool,
    cells: Sequence[Sequence[CellWeights]],
    initial: Tensor | None,
    initial_cell: Tensor | None = None,
    results: Sequence[Tensor],
) -> None:
    """Layers of one or two directions; results are the sequence, the last hidden and, for an LSTM, cell state.

    `cells[layer][direction]`; the states are [layers * directions, batch, units].
    """
    group = spot.builder.claim(spot.site.name)
    steps, batch = steps_and_batch(data, batch_first=batch_first)
    inputs: tuple[Tensor, ...] = (data,)
    last_hidden: list[Tensor] = []
    last_cell: list[Tensor] = []
    for layer, directions in enumerate(cells):
        outputs = []
        for direction, weights in enumerate(directions):
            name = f"{group}.l{layer}" + ("_reverse" if direction else "")
            index = layer * len(directions) + direction
            units = weights.hidden.shape[0] // len(CELLS[kind].gates)
            sequence = spot.new(name, (steps, batch, weights.hidden.shape[1]))
            carried = (spot.new(f"{name}.c", (batch, units)),) if kind == "lstm" else ()
            run = CellRun(
                steps=steps,
                batch=batch,
                inputs=inputs,
                initial=_state(spot, initial, index, f"{name}.h0"),
                initial_cell=_state(spot, initial_cell, index, f"{name}.c0"),
                writes=(sequence,),
                carried=carried,
            )
            recurrent_cell(spot, kind=kind, weights=weights, run=run, group=name)
            outputs.append(sequence)
            final = spot.new(f"{name}.hn", (1, batch, weights.hidden.shape[1]))
            part(spot, data=sequence, output=final, axis=0, start=steps - 1, length=1)
            last_hidden.append(final)
            last_cell.extend(carried)
        inputs = tuple(outputs)
    for result, pieces in zip(results, (inputs, last_hidden, last_cell), strict=False):
        join(spot, pieces=pieces, output=result)


def steps_and_batch(data: Tensor, *, batch_first: bool) -> tuple[int, int]:
    """Of a sequence [steps, batch, features], the first two turned where `batch_first`; no batch is one."""
    if len(data.shape) == 2:
        return data.shape[0], 1
    steps, batch = (data.shape[1], data.shape[0]) if batch_first else data.shape[:2]
    return steps, batch


def _state(spot: Spot, states: Tensor | None, index: int, name: str) -> tuple[Tensor, ...]:
    """One layer's first state out of the stacked ones."""
    if states is None:
        return ()
    output = spot.new(name, states.shape[1:])
    part(spot, data=states, output=output, axis=0, start=index, length=1, operator="select")
    return (spot.builder.tensor(output.id),)


def _weights(call: Call, *, with_projection: bool) -> list[list[CellWeights]]:
    parameters: list[Tensor] = list(call["params"])
    per_cell = 2 + 2 * bool(call["has_biases"]) + with_projection
    rows = [parameters[at : at + per_cell] for at in range(0, len(parameters), per_cell)]
    cells = [
        CellWeights(
            input=row[0],
            hidden=row[1],
            input_bias=row[2] if call["has_biases"] else None,
            hidden_bias=row[3] if call["has_biases"] else None,
            projection=row[-1] if with_projection else None,
        )
        for row in rows
    ]
    directions = 2 if call["bidirectional"] else 1
    return [cells[at : at + directions] for at in range(0, len(cells), directions)]


def _layers(call: Call) -> None:
    if "data" in call.arguments:
        raise TraceError(
            f"{call.site.node}: packed sequences cannot be traced; "
            "leave pack_padded_sequence out and pass padded tensors"
        )
    kind = call.operator.split("_")[0]
    states = call["hx"]
    hidden, cell = states if kind == "lstm" else (states, None)
    count = call["num_layers"] * (2 if call["bidirectional"] else 1)
    plain = 2 + 2 * bool(call["has_biases"])
    stacked_recurrent(
        call,
        kind=kind,
        data=call.tensor("input"),
        batch_first=call["batch_first"],
        cells=_weights(call, with_projection=len(call["params"]) == count * (plain + 1)),
        initial=hidden,
        initial_cell=cell,
        results=call.results,
    )


def _cell(call: Call) -> None:
    """A single step outside a loop that could fold: still a recurrent group, of one step."""
    kind = call.operator.split("_")[0]
    states = call["hx"]
    hidden, cell = states if kind == "lstm" else (states, None)
    weights = CellWeights(
        input=call.tensor("w_ih"), hidden=call.tensor("w_hh"), input_bias=call.get("b_ih"), hidden_bias=call.get("b_hh")
    )
    group = call.builder.claim(call.site.name)
    run = CellRun(
        steps=1,
        batch=call.result.elements // call.result.shape[-1],
        inputs=(call.tensor("input"),),
        initial=(hidden,),
        initial_cell=() if cell is None else (cell,),
        writes=call.results[:1],
        carried=call.results[1:],
    )
    recurrent_cell(call, kind=kind, weights=weights, run=run, group=group)


_KINDS = ("lstm", "gru", "rnn_tanh", "rnn_relu")

HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{kind}": _layers for kind in _KINDS},
    **{f"aten.{kind}_cell": _cell for kind in _KINDS},
}
