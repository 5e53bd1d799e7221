"""Named experiments: one change each, with what it tests. A deviation is explained by the runs that close it.

None of these changes enters the headline. They exist to find out by which mechanism a figure comes out elsewhere than
the paper's, and to say so with a number.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from mensa_sim.simulate.options import FULL, PLAIN, Options
from mensa_sim.study.placement import Goal
from mensa_sim.study.reproduce_outcome import Case, Outcome
from mensa_sim.study.reproduce_scaling import at_prices, price_factors
from mensa_sim.study.reproduce_table import MAIN
from mensa_sim.study.reproduce_workers import ModelOutcomes, system_of

SYSTEMS = ("edge_tpu", "base_hb", "eyeriss_v2", "mensa_g")
"""The systems of the comparison."""

LARGE_BUFFER = "edge_tpu_8x_buffer"
RECURRENT = ("lstm", "transducer")
EDGE_TPUS = ("edge_tpu", "base_hb", LARGE_BUFFER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One change to some systems and what it says about the mechanism."""

    name: str
    change: str
    """What was changed, in words that follow `with`."""
    mechanism: str
    """Why that matters: one sentence."""
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By system; a system that is not named is as in the headline."""
    prices_only: bool = False
    """Whether only prices change: then nothing is run again."""
    goal: Goal = field(default_factory=Goal)
    on_chip: Options = FULL
    kinds: tuple[str, ...] = ()
    """The kinds of model that it touches; none means all."""

    def cases(self) -> tuple[Case, ...]:
        """The runs that it needs."""
        if self.prices_only:
            return ()
        return tuple(
            Case(
                label=self.name,
                system=system,
                overrides=overrides,
                goal=self.goal,
                on_chip=self.on_chip,
                kinds=RECURRENT if system == LARGE_BUFFER else self.kinds,
            )
            for system, overrides in self.overrides.items()
        )


def _everywhere(*overrides: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys((*SYSTEMS, LARGE_BUFFER), overrides)


def _edge_tpus(*fields: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(EDGE_TPUS, tuple(f"accelerators.edge_tpu.{text}" for text in fields))


PLAIN_READING = "activations_through_memory"
OPTIMAL = "optimal_schedule"

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        name=PLAIN_READING,
        change="every activation through memory, nothing prefetched and nothing kept (the plain reading)",
        mechanism=(
            "the Edge TPU keeps activations in its 2 MB, Eyeriss v2 and Mensa-G's accelerators have 128 to 256 kB and "
            "send most of them through DRAM"
        ),
        overrides=_everywhere(),
        on_chip=PLAIN,
    ),
    Experiment(
        name="wide_parameter_ports",
        change="parameter ports of 512 B a cycle instead of 64 on the Edge TPU designs",
        mechanism=(
            "a layer of one MAC per byte takes each parameter through the buffer's port once per MAC, and 64 B a cycle "
            "at 480 MHz are 30.7 GB/s: neither a faster memory nor a larger buffer helps beyond that"
        ),
        overrides=_edge_tpus("buffers.parameter.read_bits=4096", "buffers.parameter.write_bits=4096"),
    ),
    Experiment(
        name="wide_activation_ports",
        change="activation ports of 512 B a cycle instead of 64 on the Edge TPU designs",
        mechanism="depthwise and pointwise layers with little reuse wait for the activation buffer's port",
        overrides=_edge_tpus("buffers.activation.read_bits=4096", "buffers.activation.write_bits=4096"),
    ),
    Experiment(
        name="no_gates_kept",
        change="a parameter buffer of 128 kB on the Edge TPU designs, too small to keep gates from step to step",
        mechanism=(
            "a recurrent group that fits the 4 MB buffer stays there over all time steps, while Pavlov and Eyeriss v2 "
            "have no parameter buffer and fetch it again in each step"
        ),
        overrides=dict.fromkeys(
            ("edge_tpu", "base_hb"), ("accelerators.edge_tpu.buffers.parameter.capacity_bytes=131072",)
        ),
        kinds=(*RECURRENT, "rcnn"),
    ),
    Experiment(
        name="pavlov_16x16",
        change="16 x 16 PEs in Pavlov instead of 8 x 8",
        mechanism="Pavlov at 128 GMAC/s is compute-bound: its memory could feed 192 G parameters a second",
        overrides={
            "mensa_g": ("accelerators.pavlov.dataflow.axes.0.size=16", "accelerators.pavlov.dataflow.axes.1.size=16")
        },
    ),
    Experiment(
        name=OPTIMAL,
        change="the optimal schedule instead of Mensa's on Mensa-G",
        mechanism="Mensa's two phases know families and thresholds, not the cost of a hand-over or of a slower array",
        overrides={"mensa_g": ()},
        goal=Goal(scheduler="optimal"),
    ),
    Experiment(
        name="phase_one_by_cost",
        change="phase I by least energy x delay of each family instead of the paper's table",
        mechanism="the table of families and accelerators is not the cheapest one under this cost model",
        overrides={"mensa_g": ("families={}",)},
    ),
    Experiment(
        name="reluctant_phase_two",
        change="phase II moving only where the compute time shrinks 8-fold instead of 2-fold",
        mechanism="phase II's wording is a reading of the paper, and its thresholds set how often work is handed over",
        overrides={"mensa_g": ()},
        goal=Goal(scheduler="mensa", options={"mac_ratio": 8.0}),
    ),
    Experiment(
        name="eyeriss_2_ghz",
        change="Eyeriss v2 at 2 GHz instead of 480 MHz",
        mechanism=(
            "the paper states no clock for Eyeriss v2, and 384 MACs at the baseline's 480 MHz are 9 % of its peak rate"
        ),
        overrides={"eyeriss_v2": ("accelerators.eyeriss_v2.clock_hz=2000000000",)},
    ),
    Experiment(
        name="mac_1.6_pj",
        change="1.6 pJ per MAC, the other reading of 0.2 pJ/bit",
        mechanism="the dearer the MACs, which every design must do, the closer all designs",
        overrides=_everywhere("technology.mac_pj_8_bit=1.6"),
        prices_only=True,
    ),
    Experiment(
        name="sram_5.8x",
        change="SRAM accesses at 5.8 times CACTI's energy for wide words",
        mechanism=(
            "per bit that is Horowitz's 20 pJ per 64 bits of 32 kB (ISSCC 2014) scaled to 22 nm; CACTI's wide words "
            "make buffers cheap beside DRAM"
        ),
        overrides=_everywhere("technology.sram_energy_factor=5.8"),
        prices_only=True,
    ),
    Experiment(
        name="leaky_sram",
        change="11 times the SRAM leakage, as high-performance cells have",
        mechanism="leakage of the 6 MB of buffers is the Edge TPU's cost of a slow layer, and cell types differ widely",
        overrides=_everywhere("technology.sram_leakage_factor=11"),
        prices_only=True,
    ),
    Experiment(
        name="quiet_stack",
        change="a stacked memory whose background power is zero",
        mechanism="Mensa-G pays the background of two memories, the other systems of one",
        overrides={"mensa_g": ("technology.memories.hbm_internal.background_mw=0",)},
        prices_only=True,
    ),
)


EXPERIMENT_NAMED: Mapping[str, Experiment] = {experiment.name: experiment for experiment in EXPERIMENTS}


def main_cases() -> tuple[Case, ...]:
    """The headline's runs, and the baseline with eight times the buffer on the models that the paper shows it for."""
    systems = tuple(Case(label=MAIN, system=system, closed_loop=True) for system in SYSTEMS)
    return (*systems, Case(label=MAIN, system=LARGE_BUFFER, kinds=RECURRENT))


def with_prices(models: tuple[ModelOutcomes, ...]) -> tuple[ModelOutcomes, ...]:
    """The outcomes with those of the experiments that change nothing but prices."""
    return tuple(dataclasses.replace(each, outcomes=(*each.outcomes, *(_priced(each.outcomes)))) for each in models)


def _priced(outcomes: tuple[Outcome, ...]) -> list[Outcome]:
    main = [outcome for outcome in outcomes if outcome.label == MAIN]
    found: list[Outcome] = []
    for experiment in EXPERIMENTS:
        if not experiment.prices_only:
            continue
        for outcome in main:
            if outcome.system in experiment.overrides:
                new = system_of(outcome.system, experiment.overrides[outcome.system])
                priced = at_prices(outcome, price_factors(system_of(outcome.system, ()), new))
                found.append(dataclasses.replace(priced, label=experiment.name))
    return found
