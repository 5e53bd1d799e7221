"""onnxruntime's attention: heads side by side, packed or apart, with caches and rotated positions.

Each becomes the standard's Attention on [batch, heads, length, width]. A cache that is one tensor for keys and values,
the kernels for one step of decoding and those of packed batches stay as they are, and are refused by name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mensa_sim.workload.importers.onnx.contributed.fused import FusedNode

_BY_HEAD = (0, 2, 1, 3)
"""Between [batch, length, heads, width] and [batch, heads, length, width]."""


def _by_head(fused: FusedNode, data: str, heads: int) -> str:
    """[batch, length, heads * width] as [batch, heads, length, width]."""
    apart = fused.add("Reshape", [data, fused.constant([0, 0, heads, -1])])
    return fused.add("Transpose", [apart], perm=_BY_HEAD)


def _cut(fused: FusedNode, data: str, axis: int, sizes: Sequence[int]) -> list[str]:
    """Parts of a tensor along an axis."""
    ends = [sum(sizes[: at + 1]) for at in range(len(sizes))]
    at_axis = fused.constant([axis])
    return [
        fused.add("Slice", [data, fused.constant([end - size]), fused.constant([end]), at_axis])
        for end, size in zip(ends, sizes, strict=True)
    ]


def _attend(
    fused: FusedNode, operands: Sequence[str], *, mask: str = "", causal: bool = False, past: Sequence[str] = ("", "")
) -> list[Any]:
    """Query, key and value by head to the node's first output; grown caches are its second and third."""
    kept = [fused.node.output[at] if fused.wants(at) else "" for at in (1, 2)]
    names = [*operands, mask, *past]
    while not names[-1]:
        names.pop()
    found = fused.add("Attention", names, is_causal=int(causal))
    fused.parts[-1].output.extend(kept if any(kept) else [])
    joined = fused.add("Transpose", [found], perm=_BY_HEAD)
    fused.add("Reshape", [joined, fused.constant([0, 0, -1])])
    return fused.end()


def _attention(fused: FusedNode) -> list[Any] | None:
    """Data, weights [width, query + key + value], bias, mask; not with a cache, which is one tensor for both."""
    weights, heads = fused.model.constants.get(fused.input(1)), int(fused.attributes.get("num_heads", 0))
    if weights is None or len(weights.shape) != 2 or heads < 1 or fused.input(4) or fused.wants(1):
        return None
    sizes = list(fused.attributes.get("qkv_hidden_sizes", ())) or [weights.shape[1] // 3] * 3
    if len(sizes) != 3 or sum(sizes) != weights.shape[1] or any(size % heads for size in sizes):
        return None
    made = fused.add("MatMul", [fused.input(0), fused.input(1)])
    if fused.input(2):
        made = fused.add("Add", [made, fused.input(2)])
    operands = [_by_head(fused, part, heads) for part in _cut(fused, made, 2, sizes)]
    causal = bool(fused.attributes.get("unidirectional", 0))
    return _attend(fused, operands, mask=fused.input(5) or fused.input(3), causal=causal)


def _multi_head(fused: FusedNode) -> list[Any] | None:
    """Query, key, value (or some of them in one), bias, two masks, caches of keys and of values."""
    heads, shape = int(fused.attributes.get("num_heads", 0)), fused.shape(0)
    if heads < 1 or shape is None or (fused.input(1) and fused.shape(1) is None):
        return None
    operands = _separate(fused, heads)
    if operands is None:
        return None
    mask = fused.input(5) or fused.input(4)
    causal = bool(fused.attributes.get("unidirectional", 0))
    return _attend(fused, operands, mask=mask, causal=causal, past=(fused.input(6), fused.input(7)))


def _separate(fused: FusedNode, heads: int) -> list[str] | None:
    """By head, of [batch, length, width] each, of [batch, length, heads, 2 or 3, width], or of caches by head."""
    found: list[str] = []
    for at in range(3):
        name, shape = fused.input(at), fused.shape(at)
        if not name:
            break
        if shape is None or (len(shape) == 5 and shape[2] != heads):
            return None
        if len(shape) == 5:
            parts = _cut(fused, name, 3, [1] * shape[3])
            found += [_turned(fused, part, shape) for part in parts]
        else:
            found.append(name if len(shape) == 4 else _by_head(fused, _biased(fused, name, at), heads))
    return found if len(found) == 3 else None


def _turned(fused: FusedNode, part: str, shape: Sequence[int]) -> str:
    """[batch, length, heads, 1, width] by head."""
    whole = fused.add("Reshape", [part, fused.constant([*shape[:3], shape[4]])])
    return fused.add("Transpose", [whole], perm=_BY_HEAD)


def _biased(fused: FusedNode, name: str, at: int) -> str:
    """With its part of the bias of all three, where there is one."""
    bias = fused.model.constants.get(fused.input(3))
    widths = [shape[-1] for shape in map(fused.shape, range(3)) if shape is not None]
    if bias is None or len(widths) != 3 or bias.shape != (sum(widths),):
        return name
    return fused.add("Add", [name, _cut(fused, fused.input(3), 0, widths)[at]])


def _grouped(fused: FusedNode) -> list[Any] | None:
    """Query (or all three in one), key, value, their caches, lengths, tables of rotations, positions, mask; causal."""
    heads, shared = (int(fused.attributes.get(name, 0)) for name in ("num_heads", "kv_num_heads"))
    shape = fused.shape(0)
    if heads < 1 or shared < 1 or shape is None or len(shape) != 3:
        return None
    counts = (heads, shared, shared)
    names = [fused.input(at) for at in range(3)]
    if not names[1]:
        width, rest = divmod(shape[2], sum(counts))
        if rest:
            return None
        names = _cut(fused, names[0], 2, [count * width for count in counts])
    if fused.attributes.get("do_rotary", 0):
        tables = _rows_of_tables(fused, shape[0], shape[1])
        names[:2] = [
            fused.add("RotaryEmbedding", [name, *tables], num_heads=count)
            for name, count in zip(names, counts[:2], strict=False)
        ]
    operands = [_by_head(fused, name, count) for name, count in zip(names, counts, strict=True)]
    return _attend(fused, operands, mask=fused.input(10), causal=True, past=(fused.input(3), fused.input(4)))


def _rows_of_tables(fused: FusedNode, batch: int, length: int) -> list[str]:
    """Cosine and sine of each position, of the tables' rows."""
    positions = fused.input(9) or fused.constant(np.tile(np.arange(length), (batch, 1)))
    return [fused.add("Gather", [table, positions], axis=0) for table in (fused.input(7), fused.input(8)) if table]


def _rotary(fused: FusedNode) -> list[Any] | None:
    """Data, positions, tables of cosine and sine."""
    shape = fused.shape(1)
    if shape is None:
        return None
    positions = fused.input(1)
    tables = [fused.add("Gather", [fused.input(at), positions], axis=0) for at in (2, 3)]
    kept = {name: value for name, value in fused.attributes.items() if name in ("interleaved", "num_heads")}
    fused.add("RotaryEmbedding", [fused.input(0), *tables], **kept)
    return fused.end()


def _embedded(fused: FusedNode) -> list[Any] | None:
    """Words, segments and positions from their tables, added and normalised; a mask's lengths beside them."""
    shape = fused.shape(0)
    if shape is None or len(shape) != 2:
        return None
    positions = fused.input(8) or fused.constant(np.arange(shape[1]))
    total = fused.add("Gather", [fused.input(2), fused.input(0)], axis=0)
    total = fused.add("Add", [total, fused.add("Gather", [fused.input(3), positions], axis=0)])
    if fused.input(1) and fused.input(4):
        total = fused.add("Add", [total, fused.add("Gather", [fused.input(4), fused.input(1)], axis=0)])
    if fused.wants(2):
        total = fused.add("Identity", [total], output=fused.node.output[2])
    if fused.wants(1):
        masked = fused.input(7) or fused.constant(np.ones(shape))
        fused.add("ReduceMax", [masked], output=fused.node.output[1], axes=[1], keepdims=0)
    fused.add("LayerNormalization", [total, fused.input(5), fused.input(6)], axis=-1)
    return fused.end()


ATTENTION_PARTS: Mapping[str, Callable[[FusedNode], list[Any] | None]] = {
    "Attention": _attention,
    "MultiHeadAttention": _multi_head,
    "GroupQueryAttention": _grouped,
    "RotaryEmbedding": _rotary,
    "EmbedLayerNormalization": _embedded,
}
"""Fused operator to its parts; none where this one cannot be taken apart."""
