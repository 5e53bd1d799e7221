"""Element types of ONNX tensors: how wide they are, and which of them index."""

import re

from mensa_sim.workload.importers.onnx.model import onnx_package

_NAMED = {"FLOAT": 32, "DOUBLE": 64, "BOOL": 8}
"""Bits of the types whose names do not say them."""

_INDICES = ("INT16", "INT32", "INT64", "UINT16", "UINT32", "UINT64")


def bits_of(kind: int) -> int | None:
    """Bits of an element as it is stored; none for texts and for what is no type.

    >>> from onnx import TensorProto
    >>> bits_of(TensorProto.INT4), bits_of(TensorProto.FLOAT8E4M3FN), bits_of(TensorProto.FLOAT), bits_of(99)
    (4, 8, 32, None)
    """
    types = onnx_package().TensorProto.DataType
    if kind not in types.values():
        return None
    name = types.Name(kind)
    digits = re.search(r"\d+", name)
    return _NAMED.get(name) if digits is None else int(digits[0])


def is_index_type(kind: int) -> bool:
    """True for integers that index, wider than a quantised activation."""
    types = onnx_package().TensorProto.DataType
    return kind in types.values() and types.Name(kind) in _INDICES


def is_quantised_type(kind: int) -> bool:
    """True for the narrow types that stand for a float with a scale."""
    types = onnx_package().TensorProto.DataType
    bits = bits_of(kind)
    return bits is not None and bits <= 8 and types.Name(kind) != "BOOL"
