"""Reading rows by computed indices: embeddings and gathers. Only what is picked is read.

Indices that are constants are addresses known beforehand, so they are no parameters.
"""

from collections.abc import Mapping, Sequence

from mensa_sim.workload.build.operation import Role, Spot, Tensor
from mensa_sim.workload.build.reindexing import COPY
from mensa_sim.workload.operators.call import Call, Handler
from mensa_sim.workload.operators.views import part


def embedding(
    spot: Spot, *, table: Tensor, indices: Tensor, output: Tensor, gathered: int | None = None, vector_ops: int = 0
) -> None:
    """Rows of a parameter table; the table is the layer's parameter even where the indices are constants."""
    spot.add(
        "embedding",
        reads=(table, *_computed((indices,))),
        writes=(output,),
        gathered=output.elements if gathered is None else gathered,
        vector_ops=vector_ops,
        foldable=False,
    )


def gather(
    spot: Spot, *, data: Tensor, indices: Sequence[Tensor], output: Tensor, axes: Sequence[int] | None = None
) -> None:
    """Elements of a tensor at computed places along axes (all of them), copied; no more is read than is written."""
    if data.constant is not None and any(tensor.constant is None for tensor in indices):
        spot.add("embedding", reads=(data, *indices), writes=(output,), gathered=min(output.elements, data.stored))
        return
    picked = spot.new("picked", output.shape, stored=min(output.elements, data.stored), index=data.index)
    spot.add("pick", role=Role.VIEW, reads=(data,), writes=(picked,))
    across = tuple(range(len(output.shape)) if axes is None else axes)
    spot.add(COPY, reads=(spot.builder.tensor(picked.id), *_computed(indices)), writes=(output,), across=across)


def pick(spot: Spot, *, data: Tensor, indices: Tensor, axis: int, known: Sequence[int] | None, output: Tensor) -> None:
    """Positions along an axis: a known one is a part, computed rows of a parameter table are an embedding."""
    axis %= len(data.shape)
    if known is not None and len(known) == 1:
        start = known[0] % data.shape[axis]
        part(spot, data=data, output=output, axis=axis, start=start, length=1, operator="select")
    elif data.constant is not None and axis == 0:
        embedding(spot, table=spot.builder.learned(data), indices=indices, output=output)
    else:
        gather(spot, data=data, indices=(indices,), output=output, axes=(axis,))


def _computed(indices: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(tensor for tensor in indices if tensor.constant is None)


def _embedding(call: Call) -> None:
    table, indices = call.tensor("weight"), call.tensor("indices")
    if table.constant is None:
        gather(call, data=table, indices=(indices,), output=call.result)
    else:
        embedding(call, table=table, indices=indices, output=call.result)


def _embedding_bag(call: Call) -> None:
    """Rows summed per bag: every index reads a row and adds it."""
    table, indices = call.tensor("weight"), call.tensor("indices")
    rows = indices.elements * table.shape[1]
    embedding(call, table=table, indices=indices, output=call.result, gathered=rows, vector_ops=rows)


def _gather(call: Call) -> None:
    data, *indices = call.operands
    given, rank = call.get("indices"), len(data.shape)
    axes = [axis for axis, index in enumerate(given) if index is not None] if isinstance(given, list) else None
    if isinstance(call.get("dim"), int):
        axes = [call["dim"] % rank]
    gather(call, data=data, indices=indices, output=call.result, axes=axes if rank == len(call.result.shape) else None)


_BAGS = "embedding_bag _embedding_bag _embedding_bag_forward_only"
_GATHERS = "index _unsafe_index gather index_select take take_along_dim"

HANDLERS: Mapping[str, Handler] = {
    "aten.embedding": _embedding,
    **{f"aten.{name}": _embedding_bag for name in _BAGS.split()},
    **{f"aten.{name}": _gather for name in _GATHERS.split()},
}
