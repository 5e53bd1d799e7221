"""Einstein sums as matrix products: operands one after another, each first summed over what only it has."""

import math
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_letters

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.operation import Role, Spot, Tensor
from mensa_sim.workload.operators.call import Handler
from mensa_sim.workload.operators.matrix import matrix_nest, product
from mensa_sim.workload.operators.reduction import reduction
from mensa_sim.workload.operators.views import permute

_ELLIPSIS = "..."


def is_product(equation: str) -> bool:
    """True for two operands without repeated letters or ellipses, where a letter of one alone is in the result.

    >>> is_product("bhqd,bhkd->bhqk"), is_product("ii->i"), is_product("ab,bc")
    (True, False, True)
    """
    terms, output = _terms(equation)
    if len(terms) != 2 or any(len(set(term)) != len(term) or not term.isalpha() for term in terms):
        return False
    left, right = terms
    return set(output) <= set(left) | set(right) and (set(left) ^ set(right)) <= set(output)


def einsum(spot: Spot, *, equation: str, operands: Sequence[Tensor], output: Tensor) -> None:
    """Any Einstein sum; an ellipsis stands for the axes that its term does not name, aligned at the last.

    Raises `TraceError` where the equation does not fit the operands.
    """
    terms, result = _spelt_out(equation, [len(tensor.shape) for tensor in operands], spot.site.node)
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, operands, strict=True):
        for letter, size in zip(term, tensor.shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), size)
    if not set(result) <= set(sizes):
        raise TraceError(f"{spot.site.node}: the result of {equation} has letters that no operand has")
    waiting = list(zip(terms, operands, strict=True))
    term, tensor = _alone(spot, *waiting.pop(0), kept=_letters(waiting, result), sizes=sizes, number=0)
    for number, (other, right) in enumerate(list(waiting), start=1):
        waiting.pop(0)
        later = _letters(waiting, result)
        other, right = _alone(spot, other, right, kept=later | set(term), sizes=sizes, number=number)
        joined = result if not waiting else "".join(x for x in dict.fromkeys(term + other) if x in later)
        made = output if not waiting else _new(spot, f"product{number}", joined, sizes)
        _product(spot, (term, tensor), (other, right), (joined, made), sizes)
        term, tensor = joined, spot.builder.tensor(made.id)
    if len(operands) == 1:
        order = [term.index(letter) for letter in result]
        permute(spot, data=tensor, output=output, order=order, operator="einsum")


def _terms(equation: str) -> tuple[list[str], str]:
    """Each operand's letters and the result's; an omitted result holds the letters that occur once, in order."""
    operands, arrow, output = equation.replace(" ", "").partition("->")
    terms = operands.split(",")
    if not arrow:
        joined = operands.replace(",", "").replace(_ELLIPSIS, "")
        once = sorted(letter for letter in set(joined) if joined.count(letter) == 1)
        output = (_ELLIPSIS if _ELLIPSIS in operands else "") + "".join(once)
    return terms, output


def _spelt_out(equation: str, ranks: Sequence[int], node: str) -> tuple[list[str], str]:
    """Letters for every axis: those behind an ellipsis are ones that the equation leaves free."""
    terms, result = _terms(equation)
    named = [term.replace(_ELLIPSIS, "", 1) for term in terms]
    fits = len(terms) == len(ranks) and all(
        name.isascii()
        and (name.isalpha() or not name)
        and (len(name) == rank or (_ELLIPSIS in term and len(name) < rank))
        for name, term, rank in zip(named, terms, ranks, strict=True)
    )
    if not fits:
        raise TraceError(f"{node}: the equation {equation} does not fit operands of {list(ranks)} axes")
    free = [letter for letter in ascii_letters if letter not in equation]
    widest = max((rank - len(name) for name, rank in zip(named, ranks, strict=True)), default=0)
    if widest > len(free):
        raise TraceError(f"{node}: an ellipsis of {equation} stands for {widest} axes")
    behind = "".join(free[:widest])
    spelt = [
        term.replace(_ELLIPSIS, behind[widest - (rank - len(name)) :])
        for term, name, rank in zip(terms, named, ranks, strict=True)
    ]
    return spelt, result.replace(_ELLIPSIS, behind)


def _letters(waiting: Iterable[tuple[str, Tensor]], result: str) -> set[str]:
    return set(result).union(*(term for term, _ in waiting))


def _alone(
    spot: Spot, term: str, tensor: Tensor, *, kept: set[str], sizes: Mapping[str, int], number: int
) -> tuple[str, Tensor]:
    """One operand with its diagonals taken and its own letters summed."""
    once = "".join(dict.fromkeys(term))
    if once != term:
        taken = _new(spot, f"diagonal{number}", once, sizes)
        spot.add("diagonal", role=Role.STRIDED, reads=(tensor,), writes=(taken,))
        term, tensor = once, spot.builder.tensor(taken.id)
    left = "".join(letter for letter in term if letter in kept)
    if left != term:
        summed = _new(spot, f"sum{number}", left, sizes)
        reduction(spot, operator="sum", operands=(tensor,), outputs=(summed,))
        term, tensor = left, spot.builder.tensor(summed.id)
    return term, tensor


def _new(spot: Spot, part: str, letters: str, sizes: Mapping[str, int]) -> Tensor:
    return spot.new(part, [sizes[letter] for letter in letters])


def _product(
    spot: Spot,
    first: tuple[str, Tensor],
    second: tuple[str, Tensor],
    result: tuple[str, Tensor],
    sizes: Mapping[str, int],
) -> None:
    """Letters of both and the result are groups, of both alone the depth, of one alone rows or columns."""
    (left, data), (right, weight), (output, made) = first, second, result
    if data.constant is not None and weight.constant is None:
        data, weight, left, right = weight, data, right, left

    def extent(letters: str) -> int:
        return math.prod(sizes[letter] for letter in letters)

    shared = "".join(letter for letter in left if letter in right)
    nest = matrix_nest(
        rows=extent("".join(letter for letter in left if letter not in right)),
        columns=extent("".join(letter for letter in right if letter not in left)),
        depth=extent("".join(letter for letter in shared if letter not in output)),
        groups=extent("".join(letter for letter in shared if letter in output)),
    )
    product(spot, data=data, weight=weight, output=made, nest=nest)


HANDLERS: Mapping[str, Handler] = {
    "aten.einsum": lambda call: einsum(call, equation=call["equation"], operands=call.operands, output=call.result)
}
