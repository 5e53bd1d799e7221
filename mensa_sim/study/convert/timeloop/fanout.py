"""What the instances of a node of an architecture unroll, by the constraints on its fan-out, as axes of ours."""

import re
from collections.abc import Mapping
from math import prod
from typing import Any

from mensa_sim.study.convert.foreign import ForeignFile, dims_of
from mensa_sim.study.convert.timeloop.node import ArchitectureNode

LETTERS: Mapping[str, str] = {
    "N": "B", "G": "G", "M": "K", "K": "K", "C": "C", "P": "OX", "Q": "OY", "R": "FX", "S": "FY",
}  # fmt: skip
"""Our dims for the letters of the tool's convolutions; K where a problem has it in place of M."""
_INDEXING: Mapping[str, str] = {"weights": "MKCRSG", "inputs": "NCPQRSG", "outputs": "NMKPQG"}
"""The letters that index each of the tool's data spaces."""
_FACTOR = re.compile(r"\s*(\w+?)\s*=?\s*(\d{1,9})\s*")


def axes_of(file: ForeignFile, node: ArchitectureNode, index: int) -> list[dict[str, Any]]:
    """Axes for the instances of a node, the first of them of an index; factors that none of them follows are told."""
    constraint = node.constraints.get("spatial", {})
    factors = _factors(file, node, constraint.get("factors"))
    axes: list[dict[str, Any]] = []
    followed: set[str] = set()
    for mesh, size in node.spatial.items():
        if size == 1:
            continue
        order = _order(constraint, factors, mesh)
        fixed = [factors.get(letter, 0) for letter in order]
        if order and all(fixed) and prod(fixed) <= size:
            if prod(fixed) < size:
                file.notes.choose(f"{node.name}, {mesh}: the {prod(fixed)} lanes that its factors fill, of {size}")
            axes += [{"size": lanes, "dims": [LETTERS[each]]} for each, lanes in zip(order, fixed, strict=True)]
            followed |= set(order)
        else:
            followed |= {letter for letter in order if not factors.get(letter)}
            dims = list(dict.fromkeys(LETTERS[letter] for letter in order))
            if not dims:
                dims = dims_of(index + len(axes))
                file.notes.choose(f"{node.name}, {mesh}: unrolls {dims[0]}, as its constraints leave it open")
            axes.append({"size": size, "dims": dims})
    for letter, factor in factors.items():
        if factor != 1 and letter not in followed:
            file.notes.leave((f"{node.name}.constraints.spatial.factors", f"{letter}={factor}"))
    return axes


def _order(constraint: Mapping[str, Any], factors: Mapping[str, int], mesh: str) -> list[str]:
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
    idle = _excluded(constraint.get("no_iteration_over_dataspaces"))
    return [each for each in letters if factors.get(each) != 1 and each in LETTERS and each not in idle]


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


def _excluded(spaces: Any) -> set[str]:
    names = spaces if isinstance(spaces, list) else [spaces]
    return {letter for name in names for letter in _INDEXING.get(str(name).lower(), "")}
