"""The standard's Attention: heads side by side in the last axis are taken apart, new keys and values join a cache."""

from collections.abc import Mapping

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.operation import Role, Tensor
from mensa_sim.workload.importers.onnx.call import OnnxCall, OnnxHandler
from mensa_sim.workload.operators.attention import attention
from mensa_sim.workload.operators.views import permute, view

_PAST = {1: 4, 2: 5}
"""Where the cache of the keys and that of the values stand among the inputs."""
_PRESENT = {1: 1, 2: 2}
"""Where the grown ones stand among the outputs."""
_INNER = 3
"""The output that shows the scores; mode 3 shows them behind the softmax."""


def _attention(call: OnnxCall) -> None:
    heads = (call.attributes.get("q_num_heads", 1), *(call.attributes.get("kv_num_heads", 1),) * 2)
    query = _by_head(call, call.tensor(0), "query", heads[0])
    key, value = (_cached(call, at, heads[at]) for at in (1, 2))
    output = call.result
    joined = len(output.shape) == 3
    apart = call.new("heads", (*query.shape[:3], value.shape[-1])) if joined else output
    attention(
        call,
        query=query,
        key=key,
        value=value,
        mask=call.optional(3),
        causal=bool(call.attributes.get("is_causal", 0)),
        output=apart,
    )
    if joined:
        batch, count, length, width = apart.shape
        turned = call.new("joined", (batch, length, count, width))
        permute(call, data=apart, output=turned, order=(0, 2, 1, 3))
        view(call, data=turned, output=output)
    shown = call.output(_INNER)
    if shown is not None:
        part = "softmax" if call.attributes.get("qk_matmul_output_mode", 0) == 3 else "scores"
        view(call, data=call.builder.tensor(f"{call.site.node}/{part}"), output=shown)


def _cached(call: OnnxCall, at: int, heads: int) -> Tensor:
    """Keys or values by head, behind those of the cache: they are appended in place, so that nothing is copied."""
    new = _by_head(call, call.tensor(at), f"input{at}", heads)
    past = call.optional(_PAST[at])
    present = call.output(_PRESENT[at])
    if past is None:
        if present is not None:
            view(call, data=new, output=present)
        return new
    grown = present or call.new(f"cache{at}", (*new.shape[:2], past.shape[2] + new.shape[2], new.shape[3]))
    call.add("append", role=Role.VIEW, reads=(past, new), writes=(grown,))
    return call.builder.tensor(grown.id)


def _by_head(call: OnnxCall, data: Tensor, part: str, heads: int) -> Tensor:
    """[batch, length, heads * width] as [batch, heads, length, width]."""
    if len(data.shape) == 4:
        return data
    if len(data.shape) != 3 or heads < 1 or data.shape[2] % heads:
        raise TraceError(f"{call.label}: {heads} heads do not fit {list(data.shape)}")
    batch, length, width = data.shape
    apart = call.new(f"{part}/apart", (batch, length, heads, width // heads))
    turned = call.new(f"{part}/turned", (batch, heads, length, width // heads))
    view(call, data=data, output=apart)
    permute(call, data=apart, output=turned, order=(0, 2, 1, 3))
    return call.builder.tensor(turned.id)


HANDLERS: Mapping[str, OnnxHandler] = {"Attention": _attention}
