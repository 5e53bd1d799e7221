"""Every TFLite operator that we can read, by name: one table, put together from the families' own."""

from collections.abc import Mapping

from mensa_sim.workload.importers.tflite.call import TfliteHandler
from mensa_sim.workload.importers.tflite.handlers import custom, layers, moves, recurrent, variables, vectors

TFLITE_OPERATORS: Mapping[str, TfliteHandler] = {
    name: handler
    for family in (layers, recurrent, vectors, moves, variables)
    for name, handler in family.HANDLERS.items()
}
"""TFLite operator to the handler that adds its layers."""

TFLITE_CUSTOM: Mapping[str, TfliteHandler] = custom.HANDLERS
"""Custom operator to its handler; the names are their authors' own, and may be those of the schema."""
