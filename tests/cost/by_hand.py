"""Counts and costs of mappings that a test writes down, in place of those that a search finds."""

from typing import Any

from mensa_sim.cost.assemble import billed, fixed
from mensa_sim.cost.counts.nest import NestCounts, count_nest
from mensa_sim.cost.counts.tally import Repeats
from mensa_sim.cost.counts.ways import Precision, precision_of, ways
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import LayerCost, Residency
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.vector import VectorWork
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.workload.layer import Layer, LoopNest


def price_mapping(
    nest: LoopNest, accelerator: PeArray, mapping: NestMapping, precision: Precision | None = None, word_bits: int = 1
) -> NestCounts:
    """The counts of any given mapping, whether it fits the levels or not; `word_bits` is the memory's."""
    return count_nest(
        nest, accelerator, mapping, ways(accelerator, mapping.unrolling, precision or Precision(), word_bits)
    )


def assemble(
    layer: Layer,
    accelerator: PeArray,
    energy: EnergyModel,
    residency: Residency,
    repeats: Repeats,
    counts: NestCounts | None,
    work: VectorWork,
    **further: Any,
) -> LayerCost:
    """The cost of one layer; `further` are fields of its cost that nothing here decides."""
    own = billed(accelerator, energy, precision_of(layer), repeats, counts, work)
    (row,) = own.rows(1)
    return LayerCost(**fixed(layer, accelerator), residency=residency, **row, **further)
