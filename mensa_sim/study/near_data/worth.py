"""What units in the memory are worth: decoding steps on an NPU alone and with them, in drawn worlds."""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.flow import LAYERS
from mensa_sim.hardware.memory import way_field
from mensa_sim.hardware.static_energy import idle_mw_of, static_power
from mensa_sim.hardware.system import System
from mensa_sim.io.at_hand import file_of
from mensa_sim.io.atomic import refuse_unwritable_file, write_atomically
from mensa_sim.io.csv_text import csv_of
from mensa_sim.io.files import read_mapping
from mensa_sim.io.shipped import find
from mensa_sim.objective import DEFAULT_OBJECTIVE
from mensa_sim.records import dataclass
from mensa_sim.schedule.policies.registry import SINGLE
from mensa_sim.study.near_data.request import NearDataRequest
from mensa_sim.study.reproduce.outcome import Case, Outcome
from mensa_sim.study.reproduce.reproduce import study_files
from mensa_sim.study.reproduce.workers import ModelOutcomes, ModelTask, forget_systems, run_models, system_of
from mensa_sim.study.request.command import made_of
from mensa_sim.study.run.placement import goal_on
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.study.sensitivity.setting import price_choices
from mensa_sim.units import MW_PER_W
from mensa_sim.workload.load import load_generation

EFFICIENCIES = (0.6, 0.9)
"""Between which the share of each bandwidth that is reached is drawn: a choice, as in `sensitivity`."""

NPU_SIDE, UNITS_TOO = "the NPU alone", "with units in the memory"
AS_TAKEN = "as taken"
FULL_BITS = 16
"""Weights as wide have no scales."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A decoding step that is looked at."""

    model: str
    parameters: int
    bits: int
    context: int
    workload: str
    """The file that says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GainInWorlds:
    """How many times less is needed with units in the memory: as taken, and in the worlds that were drawn."""

    taken: float
    worlds: tuple[float, ...]

    @property
    def least(self) -> float:
        """Of all worlds, the one as taken among them."""
        return min(self.taken, *self.worlds)

    @property
    def most(self) -> float:
        """Likewise."""
        return max(self.taken, *self.worlds)

    @property
    def text(self) -> str:
        """As taken, the least and the most."""
        return f"{self.taken:.2f} [{self.least:.2f}, {self.most:.2f}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorthRow:
    """A step on one system, perhaps under a limit of power."""

    system: str
    cell: Cell
    limit_w: float | None
    alone: Outcome
    together: Outcome
    """Both as taken."""
    time: GainInWorlds
    energy: GainInWorlds


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDataStudy(Provenance):
    """Every step that was asked for, and why some have no row."""

    rows: tuple[WorthRow, ...]
    failures: tuple[str, ...]
    worlds: int

    @property
    def findings(self) -> Iterator[str]:
        """By system and limit, where units in the memory are better in every world, and where in none."""
        groups: dict[tuple[str, float | None], list[WorthRow]] = {}
        for row in self.rows:
            groups.setdefault((row.system, row.limit_w), []).append(row)
        for (system, limit_w), rows in groups.items():
            under = "" if limit_w is None else f" under {limit_w:g} W"
            for name, gains in (("faster", [row.time for row in rows]), ("more frugal", [row.energy for row in rows])):
                always = sum(gain.least > 1 for gain in gains)
                never = sum(gain.most <= 1 for gain in gains)
                yield f"{system}{under}: {name} in every world in {always} of {len(rows)} rows, in no world in {never}"


def near_data(request: NearDataRequest) -> NearDataStudy:
    """Every step on every system, alone and with units in the memory, as taken and in every world.

    `UsageError` for a workload that does not generate, or a system without accelerators on both sides.
    """
    refuse_unwritable_file(request.output)
    forget_systems()
    first, limits = int(request.contexts[0]), tuple(map(float, request.limits_w))
    cells = [_cell(*each) for each in product(request.models, map(int, request.bits), map(int, request.contexts))]
    worlds = (AS_TAKEN, *(f"world {number}" for number in range(request.worlds)))
    limits_of = {cell.workload: (None, *(limits if cell.context == first else ())) for cell in cells}
    cases = {
        (system, limit_w): tuple(case for world in worlds for case in _cases(system, world, limit_w, request.seed))
        for system in request.systems
        for limit_w in (None, *limits)
    }
    tasks = [
        ModelTask(
            model=cell.workload,
            cases=tuple(
                case
                for system in request.systems
                for limit_w in limits_of[cell.workload]
                for case in cases[system, limit_w]
            ),
            whole=False,
            lenient=True,
        )
        for cell in cells
    ]
    found = run_models(tasks, request.jobs, request.progress)
    rows, failures = [], list[str]()
    for cell, ran in zip(cells, found, strict=True):
        known = {(each.label, each.system): each for each in ran.outcomes}
        for system, limit_w in product(request.systems, limits_of[cell.workload]):
            row = _row(system, cell, limit_w, known, worlds)
            if row is None:
                under = "" if limit_w is None else f" under {limit_w:g} W"
                where = f"{cell.model} at {cell.bits} bits after {cell.context} on {system}{under}"
                failures.append(f"{where}: {_why(ran, system, under)}")
            else:
                rows.append(row)
    rows.sort(key=lambda row: (request.systems.index(row.system), row.limit_w or 0.0))
    study = NearDataStudy(
        rows=tuple(rows),
        failures=tuple(failures),
        worlds=request.worlds,
        **made_of("near-data", request, study_files(request.models, request.systems)),
    )
    if request.output is not None:
        write_atomically(Path(request.output), csv_of(WORTH_FIELDS, study.rows))
    return study


def _cell(model: str, bits: int, context: int) -> Cell:
    path = find("workloads", model)
    data = dict(read_mapping(path))
    if "generate" not in data:
        raise UsageError(f"--models: {model} does not generate")
    data |= {
        "name": f"{path.stem}_{bits}_bits_after_{context}",
        "generate": {"prompt_tokens": context, "new_tokens": 2},
        "weight_bits": bits,
    }
    if bits >= FULL_BITS:
        data.pop("weight_group", None)
    workload = str(file_of(data))
    generation = load_generation(workload)
    assert generation is not None  # it has `generate`
    return Cell(model=path.stem, parameters=generation.model.parameters, bits=bits, context=context, workload=workload)


def _cases(system: str, world: str, limit_w: float | None, seed: int) -> Iterator[Case]:
    """A world's runs: alone, and with units in the memory, each layer where its energy times its time is least."""
    overrides = () if world == AS_TAKEN else _drawn(system_of(system, ()), f"{seed}/{world}")
    if limit_w is not None:
        overrides = (*overrides, *_limits(system_of(system, overrides), limit_w * MW_PER_W))
    for side, scheduler in ((NPU_SIDE, f"{SINGLE}{_beside_the_processor(system)}"), (UNITS_TOO, "greedy")):
        label = _label(side, world, limit_w)
        goal = goal_on(system_of(system, ()), scheduler=scheduler, objective=DEFAULT_OBJECTIVE, unsaid_flow=LAYERS)
        yield Case(label=label, system=system, overrides=overrides, goal=goal, first_only=True)


def _label(side: str, world: str, limit_w: float | None) -> str:
    return f"{side}, {world}" if limit_w is None else f"{side} under {limit_w:g} W, {world}"


def _beside_the_processor(name: str) -> str:
    """The accelerator outside the memory; `UsageError` where there is none, or none inside."""
    placed = {each.name: each.spec.placement for each in system_of(name, ()).accelerators}
    outside = [each for each, where in placed.items() if where == "cpu_die"]
    if len(outside) != 1 or len(placed) == 1:
        raise UsageError(f"{name}: needs one accelerator beside the processor, and others in the memory")
    return outside[0]


def _drawn(system: System, seed: str) -> tuple[str, ...]:
    """What a world sets: every price evenly in its range by its logarithm, and the share of each way's bandwidth.

    The same price is the same on every system.
    """
    found: list[str] = []
    for choice in price_choices([system]):
        place = random.Random(f"{seed}/{choice.name}").random()
        found += choice.overrides(system, choice.low * (choice.high / choice.low) ** place)
    for name, memory in system.memories.items():
        share = random.Random(f"{seed}/{name}").uniform(*EFFICIENCIES)
        found.append(f"{way_field(name, memory)}.efficiency={share!r}")
    return tuple(found)


def _limits(system: System, limit_mw: float) -> tuple[str, ...]:
    """The limit of each way in, so that all of the system together draws no more while one side works."""
    idle_mw = static_power(system).total_mw
    found: list[str] = []
    for name, memory in system.memories.items():
        others_mw = idle_mw - idle_mw_of(name, memory, system.accelerators)
        found.append(f"{way_field(name, memory)}.power_limit_mw={max(limit_mw - others_mw, 1e-3)!r}")
    return tuple(found)


def _row(
    system: str, cell: Cell, limit_w: float | None, known: Mapping[tuple[str, str], Outcome], worlds: Sequence[str]
) -> WorthRow | None:
    pairs = [
        tuple(known.get((_label(side, world, limit_w), system)) for side in (NPU_SIDE, UNITS_TOO)) for world in worlds
    ]
    both = [(alone, together) for alone, together in pairs if alone is not None and together is not None]
    if len(both) < len(worlds):
        return None
    times = [alone.latency_ps / together.latency_ps for alone, together in both]
    energies = [alone.energy_pj / together.energy_pj for alone, together in both]
    return WorthRow(
        system=system,
        cell=cell,
        limit_w=limit_w,
        alone=both[0][0],
        together=both[0][1],
        time=GainInWorlds(taken=times[0], worlds=tuple(times[1:])),
        energy=GainInWorlds(taken=energies[0], worlds=tuple(energies[1:])),
    )


def _why(ran: ModelOutcomes, system: str, under: str) -> str:
    """The first fault of a row's runs, on one line."""
    starts = tuple(f"{side}{under}, " for side in (NPU_SIDE, UNITS_TOO))
    return next(
        reason.splitlines()[0]
        for label, reason in ran.failures.items()
        if label.startswith(starts) and label.endswith(system)
    )


WORTH_FIELDS = (
    *("system", "cell.model", "cell.parameters", "cell.bits", "cell.context", "limit_w"),
    *("alone_ps=alone.latency_ps", "alone_pj=alone.energy_pj"),
    *("together_ps=together.latency_ps", "together_pj=together.energy_pj"),
    *("time_gain=time.taken", "time_low=time.least", "time_high=time.most"),
    *("energy_gain=energy.taken", "energy_low=energy.least", "energy_high=energy.most"),
)
"""Of a row, what tables have of it."""
