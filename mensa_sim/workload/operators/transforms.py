"""Fourier transforms and complex numbers, on the vector unit.

A transform of n points takes n/2 log2 n butterflies of ten real operations each (Cooley and Tukey 1965, radix 2); one
of real numbers, or back to them, half of that. A complex element is two numbers in memory; a sum of two is two
operations, a product six.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from mensa_sim.workload.build.operation import Role
from mensa_sim.workload.operators.call import Call, Handler

_PER_BUTTERFLY = 10
"""A complex product (six) and two complex sums."""


def fft_operations(transforms: int, points: int, *, real: bool = False) -> int:
    """Real operations of so many transforms of so many points.

    >>> fft_operations(1, 8)
    120
    """
    butterflies = transforms * points * max(1, (points - 1).bit_length()) / 2
    return math.ceil(_PER_BUTTERFLY * butterflies / (1 + real))


def _fft(call: Call) -> None:
    """The larger of the two sides says how many points there are."""
    data, output = call.operands[0], call.result
    real = "c2c" not in call.operator
    whole = data if data.elements >= output.elements else output
    points = math.prod(whole.shape[axis] for axis in call["dim"])
    batches = whole.elements // points
    call.add("fft", reads=(data,), vector_ops=fft_operations(batches, points, real=real))


def _same_numbers(call: Call) -> None:
    """A complex tensor as pairs of numbers, or the other way: the same memory."""
    data = call.operands[0]
    written = replace(call.result, stored=min(data.stored, call.result.stored), index=data.index)
    call.add(role=Role.VIEW, reads=(data,), writes=(written,))


def _one_half(call: Call) -> None:
    """Real or imaginary parts: every second number; of real numbers, themselves."""
    data = call.operands[0]
    role = Role.VIEW if data.stored <= data.elements else Role.STRIDED
    call.add(role=role, reads=(data,), writes=(replace(call.result, stored=min(data.stored, call.result.stored)),))


_VIEWS = "view_as_real view_as_complex resolve_conj resolve_neg conj _conj _neg_view"

HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(("aten._fft_r2c", "aten._fft_c2r", "aten._fft_c2c"), _fft),
    **{f"aten.{name}": _same_numbers for name in _VIEWS.split()},
    **dict.fromkeys(("aten.real", "aten.imag"), _one_half),
    # Two real tensors made one: a product with sine and cosine where they are length and angle.
    **dict.fromkeys(
        ("aten.polar", "aten.complex"),
        lambda call: call.add(vector_ops=call.result.elements * (4 if call.operator == "polar" else 0)),
    ),
}
