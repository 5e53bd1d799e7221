"""Operators that move nothing: views, and parts whose innermost run stays whole.

Reading a part of a tensor in unbroken runs (slice, split, select along an outer axis) is an address and a pitch, so it
is free. A part that breaks the innermost run, and every permutation that moves more than axes of size one, is
STRIDED: free only for readers that index freely (see `reindexing`). A cast between float types is free too, since
precision comes from the workload, not from the model.
"""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.operation import Role, Spot, Tensor, permuting
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.elementwise import elementwise


def view(spot: Spot, *, data: Tensor, output: Tensor, operator: str = "view") -> None:
    """The same elements in another shape; an expanded axis repeats what is stored once."""
    spot.add(operator, role=Role.VIEW, reads=(data,), writes=(_kept(data, output),))


def permute(spot: Spot, *, data: Tensor, output: Tensor, order: Sequence[int], operator: str = "permute") -> None:
    """Axes in another order; free where only axes of size one move. Raises `TraceError` where an axis is missing."""
    axes = tuple(axis % len(order) for axis in order)
    if sorted(axes) != list(range(len(data.shape))):
        raise TraceError(f"{spot.site.node}: {list(order)} is no order of the {len(data.shape)} axes that it reads")
    spot.add(operator, role=permuting(axes, data.shape), reads=(data,), writes=(_kept(data, output),), order=axes)


def part(
    spot: Spot,
    *,
    data: Tensor,
    output: Tensor,
    axis: int,
    start: int,
    length: int,
    step: int = 1,
    operator: str = "slice",
) -> None:
    """`length` positions along one axis."""
    axis %= len(data.shape)
    run = math.prod(data.shape[axis + 1 :])
    broken = run == 1 and data.shape[axis] > 1 and output.elements > 1 and (step > 1 or length == 1)
    span = f"{start}:{start + (length - 1) * step + 1}" + (f":{step}" if step > 1 else "")
    spot.add(
        operator,
        role=Role.STRIDED if broken else Role.VIEW,
        reads=(data,),
        writes=(_kept(data, output),),
        across=(axis,) if step < 0 else (),
        part=":," * axis + span,
    )


def pieces(
    spot: Spot,
    *,
    data: Tensor,
    outputs: Sequence[Tensor | None],
    lengths: Sequence[int],
    axis: int,
    operator: str = "split",
) -> None:
    """Parts one after another along an axis; one that nothing reads is passed by."""
    start = 0
    for output, length in zip(outputs, lengths, strict=False):
        if output is not None:
            part(spot, data=data, output=output, axis=axis, start=start, length=length, operator=operator)
        start += length


def join(spot: Spot, *, pieces: Sequence[Tensor], output: Tensor) -> None:
    """A tensor whose pieces are written side by side, each in its place: no copy."""
    spot.add("join", role=Role.VIEW, reads=tuple(pieces), writes=(output,))


def box(spot: Spot, *, data: Tensor, output: Tensor, cuts: Sequence[tuple[int, int, int, int]]) -> None:
    """A part along several axes: `cuts` are axis, start (negative ones from the end), length and step of each."""
    if not cuts:
        view(spot, data=data, output=output, operator="slice")
    for index, (axis, start, length, step) in enumerate(cuts):
        shape = tuple(length if at == axis else size for at, size in enumerate(data.shape))
        piece = output if index == len(cuts) - 1 else spot.new(f"cut{index}", shape, bits=data.bits)
        first = _within(start, data.shape[axis])
        part(spot, data=data, output=piece, axis=axis, start=first, length=length, step=step)
        data = spot.builder.tensor(piece.id)


def _within(start: int, size: int) -> int:
    """A start, negative ones from the end, as a place on an axis of a size."""
    return min(max(start + size if start < 0 else start, 0), size)


def cast(spot: Spot, *, data: Tensor, output: Tensor, known_free: bool = False) -> None:
    """Free but between numbers and indices: precision comes from the workload; `known_free` where it is done before."""
    if data.index == output.index or (known_free and data.constant is not None):
        view(spot, data=data, output=output, operator="cast")
    else:
        elementwise(spot, operator="cast", operands=(data,), output=output)


def _kept(data: Tensor, output: Tensor) -> Tensor:
    """The output with what it stores: never more than the tensor it shows.

    Integers that are no indices (sums of quantised products) stay none, whatever their type.
    """
    stored = min(data.stored, max(output.stored, output.elements))
    return Tensor(id=output.id, shape=output.shape, stored=stored, index=data.index, bits=output.bits)


def _native_dropout(call: Call) -> None:
    """As in inference, where it passes all of its input on."""
    view(call, data=call.tensor("input"), output=call.result, operator="dropout")
    for mask in call.results[1:]:
        call.fill(mask)


def _permute(call: Call) -> None:
    data = call.operands[0]
    axes = list(range(len(data.shape)))
    order = _ORDERS[call.operator](call, axes)
    permute(call, data=data, output=call.result, order=order)


def _swapped(axes: list[int], first: int, second: int) -> list[int]:
    """Two axes in each other's place; a single number has none."""
    if axes:
        axes[first], axes[second] = axes[second], axes[first]
    return axes


def _moved(call: Call, axes: list[int]) -> list[int]:
    sources = [axis % len(axes) for axis in _listed(call["source"])]
    targets = [axis % len(axes) for axis in _listed(call["destination"])]
    order = [axis for axis in axes if axis not in sources]
    for target, source in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source)
    return order


def _listed(value: int | Sequence[int]) -> Sequence[int]:
    return [value] if isinstance(value, int) else value


_ORDERS = {
    "permute": lambda call, axes: [axis % len(axes) for axis in call["dims"]],
    "transpose": lambda call, axes: _swapped(axes, call["dim0"], call["dim1"]),
    "swapaxes": lambda call, axes: _swapped(axes, call["axis0"], call["axis1"]),
    "t": lambda call, axes: axes[::-1],
    "numpy_T": lambda call, axes: axes[::-1],
    "adjoint": lambda call, axes: [*axes[:-2], axes[-1], axes[-2]],
    "mT": lambda call, axes: [*axes[:-2], axes[-1], axes[-2]],
    "movedim": _moved,
    "moveaxis": _moved,
}


def _slice(call: Call) -> None:
    data, axis, step = call.operands[0], call.get("dim", 0), call.get("step", 1)
    start = _within(call.get("start", 0), data.shape[axis])
    part(call, data=data, output=call.result, axis=axis, start=start, length=call.result.shape[axis], step=step)


def _select(call: Call) -> None:
    data, axis = call.operands[0], call["dim"]
    start = call["index"] % data.shape[axis]
    part(call, data=data, output=call.result, axis=axis, start=start, length=1, operator="select")


def _pieces(call: Call) -> None:
    """split, chunk and unbind: parts one after another along an axis."""
    data, axis = call.operands[0], call.get("dim", 0)
    same_rank = len(call.result.shape) == len(data.shape)
    lengths = [result.shape[axis] if same_rank else 1 for result in call.results]
    pieces(call, data=data, outputs=call.results, lengths=lengths, axis=axis, operator=call.operator)


_VIEWS = """
    view _unsafe_view reshape _reshape_alias flatten unflatten ravel squeeze unsqueeze expand expand_as broadcast_to
    view_as reshape_as alias detach clone contiguous lift lift_fresh lift_fresh_copy dropout feature_dropout
    alpha_dropout
"""
_CASTS = "_to_copy to type_as"

HANDLERS: Mapping[str, Handler] = {
    **{
        f"aten.{name}": lambda call: view(call, data=call.operands[0], output=call.result, operator=call.operator)
        for name in _VIEWS.split()
    },
    **{f"aten.{name}": lambda call: cast(call, data=call.operands[0], output=call.result) for name in _CASTS.split()},
    **{f"aten.{name}": _permute for name in _ORDERS},
    **dict.fromkeys(
        ("aten.pixel_shuffle", "aten.pixel_unshuffle", "aten.channel_shuffle"), lambda call: call.add(role=Role.STRIDED)
    ),
    # The source of an in-place copy replaces what it overwrites.
    "aten.copy": lambda call: view(call, data=call.tensor("src"), output=call.result, operator="copy_into"),
    "aten.native_dropout": _native_dropout,
    "aten.slice": _slice,
    "aten.narrow": _slice,
    "aten.select": _select,
    **dict.fromkeys((f"aten.{n}" for n in ("split", "split_with_sizes", "chunk", "unbind", "tensor_split")), _pieces),
}
