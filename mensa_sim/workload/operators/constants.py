"""Tensors that a model makes of nothing: fills take no memory, tables are constants."""

from collections.abc import Mapping

from mensa_sim.workload.build.operation import Spot, Tensor
from mensa_sim.workload.operators.call import Handler


def random(spot: Spot, output: Tensor) -> None:
    """Drawn anew in each inference, also into a tensor that was made for it."""
    spot.add("random", reads=(), writes=(output,), foldable=False, vector_ops=output.elements)


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
    **{f"aten.{name}": lambda call: call.fill(call.result) for name in _FILLS.split()},
    # Numbers that depend on no input: computed before the model runs.
    **{f"aten.{name}": lambda call: call.add(reads=()) for name in _TABLES.split()},
    **{f"aten.{name}": lambda call: random(call, call.result) for name in _RANDOM.split()},
}
