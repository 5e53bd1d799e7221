"""Layers in residencies, and what they cost under the mappings found: many at once, in arrays."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mensa_sim.arrays import picked
from mensa_sim.cost.assemble import billed
from mensa_sim.cost.counts.crossing import evenly, pick, whole_words
from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.cost.counts.tally import Repeats, new_tally, slice_kept_bytes, vector_traffic
from mensa_sim.cost.counts.ways import precision_of
from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Residency
from mensa_sim.cost.mapping.arrays.sides import BufferCase
from mensa_sim.cost.mapping.arrays.winners import Counted
from mensa_sim.cost.mapping.capacity import buffered_bytes, bytes_held, whole_bits
from mensa_sim.cost.mapping.search import Mapped
from mensa_sim.cost.vector import VectorWork, vector_cycles
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import OPERANDS, Operand

if TYPE_CHECKING:
    from mensa_sim.cost.prices.layer import Pricer

_SMALL = 2**40
"""Whole numbers below it fit an array of the machine's own, as do their products here. A choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedCase:
    """A layer in a residency."""

    pricer: "Pricer"
    repeats: Repeats
    kept: frozenset[Operand]
    """The operands that stay on chip."""
    residency: Residency = STREAMED
    """What its cost is called."""


def case_of(asked: Sequence[PricedCase], work: VectorWork | None = None) -> BufferCase:
    """What is asked of mappings in one residency, of a layer each: [task]; the work beside their nests may be known."""
    first, repeats = asked[0].pricer, _repeats(asked)
    work = work or work_of([each.pricer for each in asked])
    vector = new_tally(first.accelerator)
    vector_traffic(vector, work, first.accelerator, repeats)
    return BufferCase(
        kept=asked[0].kept,
        repeats=repeats,
        vector=vector,
        vector_cycles=vector_cycles(work, first.accelerator),
        vector_pj=work.ops * first.energy.vector_pj,
    )


def assembled(asked: Sequence[PricedCase], found: Sequence[Mapped | None]) -> list[LayerCost | None]:
    """The costs of cases on one accelerator under such mappings; none where a nest has none.

    Those whose mappings were searched together are added up together.
    """
    costs: list[LayerCost | None] = [None] * len(asked)
    alike: dict[Hashable, list[int]] = {}
    for place, (each, best) in enumerate(zip(asked, found, strict=True)):
        if best is None and each.pricer.task is None:
            alike.setdefault("no nest", []).append(place)
        elif best is not None:
            together = isinstance(best.counted, Counted) and each.repeats.steps <= best.counted.times[best.place]
            alike.setdefault(id(best.counted) if together else f"{place}", []).append(place)
    texts: dict[int, str] = {}
    for places in alike.values():
        rows = _rows([asked[place] for place in places], [found[place] for place in places])
        for place, row in zip(places, rows, strict=True):
            best, pricer = found[place], asked[place].pricer
            row |= {"residency": asked[place].residency}
            if best is None:
                costs[place] = LayerCost(**pricer.fields, **row)
                continue
            if id(best.mapping) not in texts:
                texts[id(best.mapping)] = best.mapping.describe()
            costs[place] = LayerCost(
                **pricer.fields,
                **row,
                spatial_utilization=pricer.spatial_utilization,
                mapping=texts[id(best.mapping)],
                mapping_from=pricer.own.place if pricer.own is not None else "",
                floor=best.floor,
                gap=gap_of(best.objective, best.floor),
            )
    return costs


def gap_of(objective: float, floor: float) -> float | None:
    """How far an objective lies above its floor; none where that is nothing."""
    return max(0.0, objective / floor - 1) if floor else None


def _rows(asked: Sequence[PricedCase], found: Sequence[Mapped | None]) -> Iterator[dict[str, Any]]:
    """The fields of the cost of each, that its counts decide: all in arrays, or of a single one in plain numbers."""
    pricer = asked[0].pricer
    repeats, work = asked[0].repeats, pricer.work
    if len(asked) > 1:
        repeats, work = _repeats(asked), work_of([each.pricer for each in asked])
    counts, buffered = _counted(asked, [best for best in found if best is not None])
    rows = billed(pricer.accelerator, pricer.energy, precision_of(pricer.layer), repeats, counts, work).rows(len(asked))
    between = slice_kept_bytes(work, repeats, shared=True) * (repeats.fetches["input"] > 0)
    if pricer.accelerator.buffer("activation") is not None and (counts is None or np.any(work.slices)):
        buffered["activation"] = np.where(work.slices, between, buffered.get("activation", 0))
    held = {name: np.broadcast_to(size, len(asked)).tolist() for name, size in buffered.items()}
    for index, row in enumerate(rows):
        own = {name: int(each[index]) for name, each in held.items()}
        if "activation" in own:
            own["activation"] += asked[index].pricer.waiting_bytes
        yield row | {"buffered_bytes": own}


def _counted(asked: Sequence[PricedCase], found: Sequence[Mapped]) -> tuple[NestCounts | None, dict[str, Any]]:
    """The counts of some mappings, and what each holds in the stores; weights that stay are filled once and whole,
    whatever is fetched again."""
    if not found:
        return None, {}
    pricer, many, best = asked[0].pricer, len(found) > 1, found[0]
    own = [whole_bits(each.pricer.task.nest, each.pricer.task.target.precision) for each in asked if each.pricer.task]
    if many and isinstance(best.counted, Counted):
        counts = picked(best.counted.nest, np.array([each.place for each in found]))
        whole: dict[Operand, Any] = {operand: np.array([bits[operand] for bits in own]) for operand in OPERANDS}
        stays: dict[Operand, Any] = {
            operand: np.array([operand in each.kept for each in asked]) for operand in OPERANDS
        }
    else:
        counts, whole = best.counts, dict(own[0])
        stays = {operand: operand in asked[0].kept for operand in OPERANDS}
    accelerator = pricer.accelerator
    if accelerator.store_of("weight") is not None:
        weight = counts.operands["weight"]
        store, bits, kept = weight.levels[-1], whole["weight"], stays["weight"]
        fills = store.stop.copied * evenly(bits, store.stop.spread, store.level.access_bits)
        stored = replace(
            store,
            fill_bits=pick(kept, bits, store.fill_bits),
            fill_accesses=pick(kept, fills, store.fill_accesses),
        )
        moved = pick(kept, whole_words(bits, pricer.word_bits), weight.memory_read_bits)
        filled = replace(weight, memory_read_bits=moved, levels=(*weight.levels[:-1], stored))
        counts = replace(counts, operands={**counts.operands, "weight": filled})
    return counts, buffered_bytes(accelerator, bytes_held(accelerator, counts, whole, stays))


def _repeats(asked: Sequence[PricedCase]) -> Repeats:
    """Of each case: [case]."""
    fetches = {operand: _whole(each.repeats.fetches[operand] for each in asked) for operand in OPERANDS}
    return Repeats(steps=_whole(each.repeats.steps for each in asked), fetches=fetches)


def work_of(pricers: Sequence["Pricer"]) -> VectorWork:
    """The work beside the nests: [pricer]."""
    return VectorWork(**{f.name: _whole(getattr(each.work, f.name) for each in pricers) for f in fields(VectorWork)})


def _whole(numbers: Iterable[int]) -> Any:
    """A whole number that all have, or an array; of python's own where the machine's might not hold their products."""
    own = list(numbers)
    if len(set(own)) == 1:
        return own[0]
    return np.array(own, dtype=np.int64 if max(own) < _SMALL else object)
