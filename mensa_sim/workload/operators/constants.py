"""Tensors that a model makes of nothing: fills take no memory, tables are constants."""

from collections.abc import Mapping

from mensa_sim.workload.build.operation import Tensor
from mensa_sim.workload.build.spot import Spot
from mensa_sim.workload.operators.call import Call, Handler


def random(spot: Spot, output: Tensor) -> None:
    """Drawn anew in each inference, also into a tensor that was made for it."""
    spot.add("random", reads=(), writes=(output,), foldable=False, vector_ops=output.elements)


def _fill(call: Call) -> None:
    call.fill(call.result)


def _table(call: Call) -> None:
    """Numbers that depend on no input: computed before the model runs."""
    call.add(reads=())


def _random(call: Call) -> None:
    random(call, call.result)


_FILLS = """
    zeros ones full empty zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty scalar_tensor
    empty_strided new_empty_strided fill empty_permuted
"""
_TABLES = "arange linspace logspace eye tril_indices triu_indices hann_window hamming_window"
_RANDOM = """
    rand randn randint rand_like randn_like randint_like bernoulli normal uniform randperm exponential geometric cauchy
    log_normal normal_functional multinomial poisson
"""

HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{name}": _fill for name in _FILLS.split()},
    **{f"aten.{name}": _table for name in _TABLES.split()},
    **{f"aten.{name}": _random for name in _RANDOM.split()},
}
