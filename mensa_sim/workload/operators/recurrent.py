"""LSTM, GRU and plain recurrent layers as gates (Hochreiter and Schmidhuber 1997, Cho et al. 2014, Elman 1990).

Each layer and direction becomes one matrix-vector product per gate with the input, whose steps are all known
beforehand; one per gate with the hidden state, step after step; and one cell update that closes each step. A
projection of the hidden state (Sak et al. 2014) is one more recurrent product. Hidden products, cell update and
projection form a recurrent group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.operators.matrix import matrix_nest


@dataclass(frozen=True, slots=True, kw_only=True)
class CellKind:
    """One kind of recurrent cell."""

    gates: tuple[str, ...]
    """In the order in which torch stacks them in a weight."""
    operations_per_unit: int
    """Vector operations of one cell update: every add, product and activation, biases apart."""
    carries: int
    """State vectors that only the cell update itself reads again."""


CELLS: Mapping[str, CellKind] = {
    # i f o: add, sigmoid; g: add, tanh; c' = f*c + i*g; h = o * tanh(c')
    "lstm": CellKind(gates=("i", "f", "g", "o"), operations_per_unit=4 * 2 + 3 + 2, carries=1),
    # the same with i = 1 - f
    "cifg": CellKind(gates=("f", "g", "o"), operations_per_unit=3 * 2 + 4 + 2, carries=1),
    # r z: add, sigmoid; n: r*hidden, add, tanh; h' = (1 - z)*n + z*h
    "gru": CellKind(gates=("r", "z", "n"), operations_per_unit=2 * 2 + 3 + 4, carries=0),
    # add, tanh or relu
    "rnn": CellKind(gates=("h",), operations_per_unit=2, carries=0),
}


PEEPHOLE_OPERATIONS = 2
"""Vector operations of a peephole for each unit: a product and a sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellWeights:
    """The parameters of one layer and direction, gates stacked along the first axis."""

    input: Tensor
    hidden: Tensor
    input_bias: Tensor | None = None
    hidden_bias: Tensor | None = None
    projection: Tensor | None = None
    cell: tuple[Tensor, ...] = ()
    """What the cell update reads: peepholes, coefficients of normalisations."""
    cell_operations_per_unit: int = 0
    """Vector operations that those add to what the cell's kind takes for each unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """What one layer and direction reads and writes: the sequence, the given first state, the results.

    `writes` are the tensors that the last part of a step (cell update, or projection) writes; `carried` those that
    the cell update writes for outside readers (an LSTM's last cell state). Where nothing gives the first state it is
    zeros, and every step counts a read of the state.
    """

    steps: int
    batch: int
    inputs: tuple[Tensor, ...]
    initial: tuple[Tensor, ...] = ()
    initial_cell: tuple[Tensor, ...] = ()
    writes: tuple[Tensor, ...]
    carried: tuple[Tensor, ...] = ()


def recurrent_cell(spot: Spot, *, kind: str, weights: CellWeights, run: CellRun, group: str) -> None:
    """The layers of one recurrent layer and direction; `group` names them, as in `encoder.l0`."""
    cell = CELLS[kind]
    units = weights.hidden.shape[0] // len(cell.gates)
    state = weights.hidden.shape[1]
    depth = weights.input.shape[1]
    halves: list[Tensor] = []
    for index, gate in enumerate(cell.gates):
        for half, weight, bias in (
            ("input", weights.input, weights.input_bias),
            ("hidden", weights.hidden, weights.hidden_bias),
        ):
            hidden = half == "hidden"
            name = f"{group}.{gate}"
            output = spot.new(f"{name}.{half}", (run.steps, run.batch, units))
            constants = [_gate_slice(spot, tensor, index, gate, units) for tensor in (weight, bias) if tensor]
            spot.named(f"{name}.{half}").add(
                f"{half}_gate",
                reads=(*(run.initial if hidden else run.inputs), *constants),
                writes=(output,),
                nest=matrix_nest(rows=run.batch, columns=units, depth=state if hidden else depth),
                steps=run.steps,
                recurrent=hidden,
                group=group if hidden else None,
                gate=name,
                feedback_elements=_fed_back(run, state, given=run.initial) if hidden else 0,
                has_bias=bias is not None,
            )
            halves.append(output)
    per_unit = cell.operations_per_unit + weights.cell_operations_per_unit
    _cell_update(spot, replace(cell, operations_per_unit=per_unit), run, group, tuple(halves), units, weights)


def _cell_update(
    spot: Spot, cell: CellKind, run: CellRun, group: str, halves: tuple[Tensor, ...], units: int, weights: CellWeights
) -> None:
    projection = weights.projection
    unprojected = spot.new(f"{group}.cell", (run.steps, run.batch, units))
    # A cell without a carried state still blends the previous hidden state in where it has gates (GRU).
    blended = cell.carries or len(cell.gates) > 1
    initial = run.initial_cell if cell.carries else run.initial if blended else ()
    spot.named(f"{group}.cell").add(
        "cell_update",
        reads=(*halves, *initial, *weights.cell),
        writes=((unprojected,) if projection is not None else run.writes) + run.carried,
        vector_ops=unprojected.elements * cell.operations_per_unit,
        steps=run.steps,
        recurrent=True,
        group=group,
        feedback_elements=_fed_back(run, units, given=initial) if blended else 0,
        state_elements=(run.steps - 1) * run.batch * units * cell.carries,
    )
    if projection is None:
        return
    spot.named(f"{group}.projection").add(
        "projection",
        reads=(unprojected, projection),
        writes=run.writes,
        nest=matrix_nest(rows=run.batch, columns=projection.shape[0], depth=projection.shape[1]),
        steps=run.steps,
        recurrent=True,
        group=group,
    )


def _fed_back(run: CellRun, width: int, *, given: Sequence[Tensor]) -> int:
    """Elements of the state that its own steps made; what is given before the first counts as a read of its own."""
    first = any(tensor.constant is None for tensor in given)
    return (run.steps - (1 if first else 0)) * run.batch * width


def _gate_slice(spot: Spot, stacked: Tensor, index: int, gate: str, units: int) -> Tensor:
    """One gate's rows of a stacked weight or bias: a parameter of its own, `weight_ih_l0[i]`."""
    name = f"{stacked.constant}[{gate}]"
    shape = (units, *stacked.shape[1:])
    return spot.builder.constant(f"{spot.site.node}/{stacked.id}[{index}]", shape, name=name, bits=stacked.bits)
