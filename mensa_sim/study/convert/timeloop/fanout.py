"""What the instances of a node of an architecture unroll, by the constraints on its fan-out, as axes of ours."""

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import ForeignFile, dims_of
from mensa_sim.study.convert.timeloop.node import ArchitectureNode
from mensa_sim.workload.dims import Operand


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The letters of a kind of layer and its tensors."""

    dims: Mapping[str, str]
    """Our dim for each letter."""
    indexing: Mapping[str, str]
    """By data space, in small letters, the letters that index it."""
    operands: Mapping[str, Operand]
    """By data space."""


CONVOLUTION_NAMES = Naming(
    # K where a problem has it in place of M
    dims={"N": "B", "G": "G", "M": "K", "K": "K", "C": "C", "P": "OX", "Q": "OY", "R": "FX", "S": "FY"},
    indexing={"weights": "MKCRSG", "inputs": "NCPQRSG", "outputs": "NMKPQG"},
    operands={"weights": "weight", "inputs": "input", "outputs": "output"},
)
PRODUCT_NAMES = Naming(
    dims={"M": "OX", "N": "K", "K": "C"},
    indexing={"a": "MK", "b": "KN", "z": "MN"},
    operands={"a": "input", "b": "weight", "z": "output"},
)
"""Of the tool's matrix products, M rows of K by K columns of N."""


def naming_of(file: ForeignFile, nodes: Sequence[ArchitectureNode]) -> Naming:
    """That of the data spaces which the constraints on components name."""
    said = [names for node in nodes for names in node.constraints.get("dataspace", {}).values()]
    spaces = {str(name).lower() for names in said for name in (names if isinstance(names, list) else [names])}
    if not spaces & set(PRODUCT_NAMES.operands):
        return CONVOLUTION_NAMES
    file.notes.choose("A, B and Z are the input, the weights and the output of a matrix product")
    return PRODUCT_NAMES


_FACTOR = re.compile(r"\s*(\w+?)\s*=?\s*(\d{1,9})\s*")


def axes_of(file: ForeignFile, node: ArchitectureNode, index: int, naming: Naming) -> list[dict[str, Any]]:
    """Axes for the instances of a node, the first of them of an index; factors that none of them follows are told."""
    constraint = node.constraints.get("spatial", {})
    factors = _factors(file, node, constraint.get("factors"))
    axes: list[dict[str, Any]] = []
    followed: set[str] = set()
    for mesh, size in node.spatial.items():
        if size == 1:
            continue
        order = _order(constraint, factors, mesh, naming)
        fixed = {letter: factors[letter] for letter in order if factors.get(letter)}
        lanes = prod(fixed.values())
        if lanes > size:
            fixed, lanes = {}, 1
        axes += [{"size": count, "dims": [naming.dims[letter]]} for letter, count in fixed.items()]
        free = [letter for letter in order if letter not in fixed]
        followed |= {*fixed, *(letter for letter in free if not factors.get(letter))}
        dims = list(dict.fromkeys(naming.dims[letter] for letter in free))
        if not (dims or fixed):
            dims = dims_of(index + len(axes))
            file.notes.choose(f"{node.name}, {mesh}: unrolls {dims[0]}, as its constraints leave it open")
        if dims and size // lanes > 1:
            axes.append({"size": size // lanes, "dims": dims})
            lanes *= size // lanes
        if lanes < size:
            file.notes.choose(f"{node.name}, {mesh}: the {lanes} lanes that its factors fill, of {size}")
    for letter, factor in factors.items():
        if factor != 1 and letter not in followed:
            file.notes.leave((f"{node.name}.constraints.spatial.factors", f"{letter}={factor}"))
    return axes


def _order(constraint: Mapping[str, Any], factors: Mapping[str, int], mesh: str, naming: Naming) -> list[str]:
    """The letters that a mesh unrolls.

    They are those of its side of `split` (the first so many of the permutation go along meshX) that no factor fixes
    at 1; without a permutation, those that have a factor or are to be maximised.
    """
    letters = _letters(constraint.get("permutation"))
    if not letters:
        letters = list(dict.fromkeys([*factors, *_letters(constraint.get("maximize_dims"))]))
    split = constraint.get("split")
    if isinstance(split, int):
        letters = letters[:split] if mesh == "meshX" else letters[split:]
    spaces = constraint.get("no_iteration_over_dataspaces")
    names = spaces if isinstance(spaces, list) else [spaces]
    idle = {letter for name in names for letter in naming.indexing.get(str(name).lower(), "")}
    return [each for each in letters if factors.get(each) != 1 and each in naming.dims and each not in idle]


def _factors(file: ForeignFile, node: ArchitectureNode, given: Any) -> dict[str, int]:
    """Lanes by letter, of `[N=1, C=1]`, `N=1 C=1` or `N1 C1`; 0 is as many as there are."""
    texts = given if isinstance(given, list) else str(given or "").replace(",", " ").split()
    found: dict[str, int] = {}
    for text in texts:
        factor = _FACTOR.fullmatch(str(text))
        if factor is None:
            file.notes.leave((f"{node.name}.constraints.spatial.factors", str(text)[:40]))
        else:
            found[factor.group(1)] = int(factor.group(2))
    return found


def _letters(given: Any) -> list[str]:
    """Letters of a text, of a list, or of a list of lists."""
    if isinstance(given, list):
        return [letter for each in given for letter in (_letters(each) if isinstance(each, list) else [str(each)])]
    return list(str(given or "").replace(",", "").replace(" ", ""))
