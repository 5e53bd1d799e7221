"""Elementwise operators: one vector operation per output element for an add, a compare or an activation.

An activation function is one operation however many adds and products it is written with (a vector unit looks it up);
the builder finds those that a model spells out.
"""

from collections.abc import Mapping

from mensa_sim.workload.build.operation import Role, Spot, Tensor
from mensa_sim.workload.operators.call import Call, Handler

_ONE_OPERATION = """
    relu relu6 leaky_relu rrelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh hardshrink softshrink
    softplus softsign sigmoid log_sigmoid log_sigmoid_forward tanh tanhshrink threshold prelu _prelu_kernel
    exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal square abs neg sign sgn ceil floor round trunc frac
    sin cos tan asin acos atan sinh cosh asinh acosh atanh erf erfc erfinv
    add sub rsub mul div true_divide floor_divide remainder fmod pow float_power atan2 maximum minimum fmax fmin
    clamp clamp_min clamp_max clip eq ne lt le gt ge logical_and logical_or logical_xor logical_not
    bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift isnan isinf isfinite
    where masked_fill nan_to_num heaviside xlogy copysign hypot logit sinc i0 lgamma digamma polygamma deg2rad rad2deg
    signbit angle special_i0e special_i1 special_i1e special_erfcx special_ndtri special_log_ndtr special_zeta
    special_bessel_j0 special_bessel_j1 logaddexp logaddexp2 nextafter gcd lcm ldexp
"""

_COMPLEX: Mapping[str, int] = {"mul": 6, "div": 6, "abs": 4, "angle": 4}
"""Operations of a complex element where they are more than the two of a sum."""

_MORE_OPERATIONS: Mapping[str, int] = {"glu": 2, "addcmul": 3, "addcdiv": 3, "lerp": 3}

OPERATIONS_PER_ELEMENT: Mapping[str, int] = {**dict.fromkeys(_ONE_OPERATION.split(), 1), **_MORE_OPERATIONS}
"""Vector operations per output element, by operator."""


def elementwise(
    spot: Spot, *, operator: str, operands: tuple[Tensor, ...], output: Tensor, operations_per_element: int = 1
) -> None:
    """One operator on every element, operands broadcast to the output's shape."""
    spot.add(
        operator,
        role=Role.ELEMENTWISE,
        reads=operands,
        writes=(output,),
        vector_ops=output.elements * operations_per_element,
    )


def _elementwise(call: Call) -> None:
    per_element = OPERATIONS_PER_ELEMENT.get(call.operator, 1)
    if call.get("alpha", 1) != 1:
        per_element += 1
    if any(tensor.stored > tensor.elements for tensor in (*call.operands, call.result)):
        per_element = _COMPLEX.get(call.operator, 2 * per_element)
    elementwise(
        call, operator=call.operator, operands=call.operands, output=call.result, operations_per_element=per_element
    )


HANDLERS: Mapping[str, Handler] = {
    **{f"aten.{name}": _elementwise for name in OPERATIONS_PER_ELEMENT},
    "aten.max.other": _elementwise,
    "aten.min.other": _elementwise,
}
