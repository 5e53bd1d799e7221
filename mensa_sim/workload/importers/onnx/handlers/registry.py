"""Every ONNX operator that we can read, by name: one table, put together from the families' own."""

from collections.abc import Mapping

from mensa_sim.workload.importers.onnx.call import OnnxHandler
from mensa_sim.workload.importers.onnx.handlers import attention, layers, moves, rarer, vectors

ONNX_OPERATORS: Mapping[str, OnnxHandler] = {
    name: handler for family in (layers, attention, vectors, moves, rarer) for name, handler in family.HANDLERS.items()
}
"""ONNX operator to the handler that adds its layers."""
