"""Reading rows by computed indices: embeddings and gathers. Only what is picked is read.

Indices that are constants are addresses known beforehand, so they are no parameters.
"""

from collections.abc import Mapping, Sequence

from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import Operation, Role, Site, Tensor
from mensa_sim.workload.build.reindexing import COPY
from mensa_sim.workload.operators.call import Call, Handler


def embedding(
    builder: GraphBuilder,
    site: Site,
    *,
    table: Tensor,
    indices: Tensor,
    output: Tensor,
    gathered: int | None = None,
    vector_ops: int = 0,
) -> None:
    """Rows of a parameter table; the table is the layer's parameter even where the indices are constants."""
    builder.add(
        Operation(
            site=site,
            operator="embedding",
            reads=(table, *_computed((indices,))),
            writes=(output,),
            gathered=output.elements if gathered is None else gathered,
            vector_ops=vector_ops,
            foldable=False,
        )
    )


def gather(builder: GraphBuilder, site: Site, *, data: Tensor, indices: Sequence[Tensor], output: Tensor) -> None:
    """Elements of a tensor at computed places, copied; no more of it is read than is written."""
    if data.constant is not None and any(tensor.constant is None for tensor in indices):
        builder.add(
            Operation(
                site=site,
                operator="embedding",
                reads=(data, *indices),
                writes=(output,),
                gathered=min(output.elements, data.stored),
            )
        )
        return
    picked = Tensor(
        id=f"{site.node}/picked",
        shape=output.shape,
        stored=min(output.elements, data.stored),
        index=data.index,
    )
    builder.add(Operation(site=site, operator="pick", role=Role.VIEW, reads=(data,), writes=(picked,)))
    kept = builder.tensor(picked.id)
    builder.add(Operation(site=site, operator=COPY, reads=(kept, *_computed(indices)), writes=(output,)))


def _computed(indices: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(tensor for tensor in indices if tensor.constant is None)


def _embedding(call: Call) -> None:
    table, indices = call.tensor("weight"), call.tensor("indices")
    if table.constant is None:
        gather(call.builder, call.site, data=table, indices=(indices,), output=call.result)
    else:
        embedding(call.builder, call.site, table=table, indices=indices, output=call.result)


def _embedding_bag(call: Call) -> None:
    """Rows summed per bag: every index reads a row and adds it."""
    table, indices = call.tensor("weight"), call.tensor("indices")
    rows = indices.elements * table.shape[1]
    embedding(
        call.builder,
        call.site,
        table=table,
        indices=indices,
        output=call.result,
        gathered=rows,
        vector_ops=rows,
    )


def _gather(call: Call) -> None:
    data, *indices = call.operands
    gather(call.builder, call.site, data=data, indices=indices, output=call.result)


_GATHERS = "index _unsafe_index gather index_select take take_along_dim"

HANDLERS: Mapping[str, Handler] = {
    "aten.embedding": _embedding,
    "aten.embedding_bag": _embedding_bag,
    "aten._embedding_bag": _embedding_bag,
    "aten._embedding_bag_forward_only": _embedding_bag,
    **{f"aten.{name}": _gather for name in _GATHERS.split()},
}
