"""Kernels of recurrent layers: the cell update of one step, and the library's fused run over all steps."""

from collections.abc import Callable, Mapping

import torch

from mensa_sim.cost.measured.table import Kernel
from mensa_sim.measurement.kernels.products import nest_of
from mensa_sim.measurement.random_tensors import RandomTensors
from mensa_sim.measurement.stopwatch import Run
from mensa_sim.workload.operators.recurrent import CELLS


def _cell_update(kernel: Kernel, tensors: RandomTensors) -> Run:
    """One step's update of the state from both halves of every gate; the kind follows from the counts."""
    for kind, update in _UPDATES.items():
        operations, halves = CELLS[kind].operations_per_unit, 2 * len(CELLS[kind].gates)
        units = kernel.vector_ops // operations
        exact = units > 0 and kernel.vector_ops % operations == 0
        if exact and halves * units <= kernel.input_elements <= (halves + 2) * units:
            return update(units, tensors)
    raise ValueError(f"a cell update of {kernel.vector_ops} operations on {kernel.input_elements} elements is no cell")


def _lstm(units: int, tensors: RandomTensors) -> Run:
    inputs, hidden, cell = tensors.normal(4, units), tensors.normal(4, units), tensors.normal(units)

    def update() -> torch.Tensor:
        gates = inputs + hidden
        carried = torch.sigmoid(gates[1]) * cell + torch.sigmoid(gates[0]) * torch.tanh(gates[2])
        return torch.sigmoid(gates[3]) * torch.tanh(carried)

    return update


def _gru(units: int, tensors: RandomTensors) -> Run:
    inputs, hidden, state = tensors.normal(3, units), tensors.normal(3, units), tensors.normal(units)

    def update() -> torch.Tensor:
        reset, keep = torch.sigmoid(inputs[:2] + hidden[:2])
        new = torch.tanh(inputs[2] + reset * hidden[2])
        return torch.lerp(new, state, keep)

    return update


def _rnn(units: int, tensors: RandomTensors) -> Run:
    inputs, hidden = tensors.normal(units), tensors.normal(units)
    return lambda: torch.tanh(inputs + hidden)


_UPDATES: Mapping[str, Callable[[int, RandomTensors], Run]] = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}

_MODULES: Mapping[str, Callable[..., torch.nn.RNNBase]] = {
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
    "rnn": torch.nn.RNN,
}


def _sequence(kernel: Kernel, tensors: RandomTensors) -> Run:
    """The library's layer over all steps, on an input of width 1: the input half is other layers' work."""
    nest = nest_of(kernel)
    kind, _, projected = kernel.operator.partition("_")
    options = {"proj_size": nest.C} if projected else {}
    module = _MODULES[kind](1, nest.K, **options).to(device=tensors.device, dtype=tensors.dtype)
    for parameter in module.parameters():
        parameter.copy_(tensors.normal(*parameter.shape) / nest.C**0.5)
    module.flatten_parameters()
    data = tensors.normal(kernel.steps, nest.B * nest.OX, 1)
    return lambda: module(data)


RECURRENT: Mapping[str, Callable[[Kernel, RandomTensors], Run]] = {
    "cell_update": _cell_update,
    **dict.fromkeys(("lstm", "lstm_projected", "gru", "rnn"), _sequence),
}
