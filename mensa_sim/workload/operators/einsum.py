"""Einstein sums of two operands as one matrix product; any other is first taken apart by torch."""

import math
from collections.abc import Mapping

from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.matrix import product


def is_product(equation: str) -> bool:
    """True for two operands without repeated letters or ellipses, where a letter of one alone is in the result.

    >>> is_product("bhqd,bhkd->bhqk"), is_product("ii->i"), is_product("ab,bc")
    (True, False, True)
    """
    left, right, output = _terms(equation)
    if left is None or right is None or output is None:
        return False
    if any(len(set(term)) != len(term) or not term.isalpha() for term in (left, right)):
        return False
    return set(output) <= set(left) | set(right) and (set(left) ^ set(right)) <= set(output)


def _terms(equation: str) -> tuple[str | None, str | None, str | None]:
    """Both operands' letters and the result's; an omitted result holds the letters that occur once, in order."""
    operands, _, output = equation.replace(" ", "").partition("->")
    terms = operands.split(",")
    if len(terms) != 2:
        return None, None, None
    if "->" not in equation:
        joined = terms[0] + terms[1]
        output = "".join(sorted(letter for letter in set(joined) if joined.count(letter) == 1))
    return terms[0], terms[1], output


def _einsum(call: Call) -> None:
    """Letters of both and the result are groups, of both alone the depth, of one alone rows or columns."""
    left, right, output = _terms(call["equation"])
    if left is None or right is None or output is None:
        raise ValueError(f"{call.site.node}: {call['equation']} is not a product of two operands")
    data, weight = call.operands
    sizes = dict(zip(left, data.shape, strict=True)) | {
        letter: max(size, dict(zip(left, data.shape, strict=True)).get(letter, 1))
        for letter, size in zip(right, weight.shape, strict=True)
    }
    if data.constant is not None and weight.constant is None:
        data, weight, left, right = weight, data, right, left

    def extent(letters: str) -> int:
        return math.prod(sizes[letter] for letter in letters)

    shared = "".join(letter for letter in left if letter in right)
    product(
        call.builder,
        call.site,
        operator="linear" if weight.constant is not None else "matmul",
        data=data,
        weight=weight,
        output=call.result,
        rows=extent("".join(letter for letter in left if letter not in right)),
        columns=extent("".join(letter for letter in right if letter not in left)),
        depth=extent("".join(letter for letter in shared if letter not in output)),
        groups=extent("".join(letter for letter in shared if letter in output)),
    )


HANDLERS: Mapping[str, Handler] = {"aten.einsum": _einsum}
