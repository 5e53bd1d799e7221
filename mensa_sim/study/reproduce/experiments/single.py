"""Single changes to the systems of the comparison, and what each says of a mechanism.

None of them enters the headline. They exist to find out by which mechanism a figure comes out elsewhere than the
paper's, and to say so with a number.
"""

from collections.abc import Sequence

from mensa_sim.flow import HOMES, STACKS
from mensa_sim.simulate.plan.options import PLAIN
from mensa_sim.study.reproduce.experiments.experiment import LARGE_BUFFER, RECURRENT_KINDS, Experiment
from mensa_sim.study.reproduce.request import SYSTEMS
from mensa_sim.study.run.placement import Goal

NARROW_PORTED = ("edge_tpu", LARGE_BUFFER)
"""Designs whose ports are as wide as the Edge TPU's memory asks for; Base+HB's are as wide as its own does."""
EDGE_TPUS = ("base_hb", *NARROW_PORTED)


def _everywhere(*overrides: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys((*SYSTEMS, LARGE_BUFFER), overrides)


def _multiplied(**factors: float) -> dict[str, dict[str, float]]:
    return {system: dict(factors) for system in (*SYSTEMS, LARGE_BUFFER)}


def _edge_tpus(*fields: str, designs: Sequence[str] = EDGE_TPUS) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(designs, tuple(f"accelerators.edge_tpu.{text}" for text in fields))


def _ports(buffer: str, bits: int) -> tuple[str, str]:
    return f"levels.{buffer}_buffer.read_bits={bits}", f"levels.{buffer}_buffer.write_bits={bits}"


PLAIN_READING = "activations_through_memory"
OPTIMAL = "optimal_schedule"

SINGLE_CHANGES: tuple[Experiment, ...] = (
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
        name=HOMES,
        change="tensors living on chip from their producer to their last reader, where there is room (`--flow homes`)",
        mechanism=(
            "the Edge TPU's 2 MB hold whole residual edges and branches beside its tiles, while 128 to 256 kB hold "
            "fewer of them, and what changes accelerators still goes through memory"
        ),
        overrides=_everywhere(),
        goal=Goal(flow=HOMES),
    ),
    Experiment(
        name=STACKS,
        change="consecutive layers running tile by tile, what flows between them staying on chip (`--flow stacks`)",
        mechanism=(
            "line buffers of a few rows fit 128 and 256 kB where whole tensors do not, so that the small accelerators "
            "lose least of what the Edge TPU's 2 MB save, as long as a stack's layers are on one of them"
        ),
        overrides=_everywhere(),
        goal=Goal(flow=STACKS),
    ),
    Experiment(
        name="wide_parameter_ports",
        change="parameter ports of 512 B a cycle, as Base+HB has, instead of 64 on the Edge TPU and its larger buffer",
        mechanism=(
            "a layer of one MAC per byte takes each parameter through the buffer's port once per MAC, and 64 B a cycle "
            "at 480 MHz are 30.7 GB/s: a larger buffer does not help beyond that"
        ),
        overrides=_edge_tpus(*_ports("parameter", 4096), designs=NARROW_PORTED),
    ),
    Experiment(
        name="base_hb_narrow_ports",
        change="the Edge TPU's ports of 64 B a cycle on Base+HB, whose memory asks for 400",
        mechanism=(
            "the paper says that only the bandwidth differs and states no ports; behind 30.7 GB/s a faster memory "
            "cannot help a layer of one MAC per byte"
        ),
        overrides=_edge_tpus(*_ports("parameter", 512), *_ports("activation", 512), designs=("base_hb",)),
    ),
    Experiment(
        name="narrow_parameter_ports",
        change="parameter ports of 8 B a cycle, one 64-bit word, instead of 64 on the Edge TPU designs",
        mechanism="the paper states no port widths, and 8 B a cycle are 3.8 GB/s: less than its memory gives",
        overrides=_edge_tpus(*_ports("parameter", 64)),
        kinds=(*RECURRENT_KINDS, "rcnn"),
    ),
    Experiment(
        name="wide_activation_ports",
        change="activation ports of 512 B a cycle, as Base+HB has, instead of 64 on the Edge TPU and its larger buffer",
        mechanism="depthwise and pointwise layers with little reuse wait for the activation buffer's port",
        overrides=_edge_tpus(*_ports("activation", 4096), designs=NARROW_PORTED),
    ),
    Experiment(
        name="single_buffered",
        change="single instead of double buffers in the Edge TPU designs, so that the array waits for each fetch",
        mechanism="the paper states no double buffering, and an array that waits for each fetch takes longer",
        overrides=_edge_tpus("dataflow.overlap=false"),
    ),
    Experiment(
        name="no_gates_kept",
        change="a parameter buffer of 128 kB on the Edge TPU designs, too small to keep gates from step to step",
        mechanism=(
            "a recurrent group that fits the 4 MB buffer stays there over all time steps, while Pavlov and Eyeriss v2 "
            "have no parameter buffer and fetch it again in each step"
        ),
        overrides=dict.fromkeys(
            ("edge_tpu", "base_hb"), ("accelerators.edge_tpu.levels.parameter_buffer.capacity_bytes=131072",)
        ),
        kinds=(*RECURRENT_KINDS, "rcnn"),
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
        name="quiet_sram",
        change="a fiftieth of the SRAM leakage, as low-standby-power cells have",
        mechanism="the cell type decides how the buffers' leakage stands to that of the array",
        overrides=_everywhere("technology.sram_leakage_factor=0.02"),
        prices_only=True,
    ),
    Experiment(
        name="leaky_logic",
        change="11 times the leakage of MACs, registers and vector units, as high-performance transistors have",
        mechanism=(
            "the array's leakage is that of bare multipliers, adders and registers (Aladdin, ISCA 2014), without "
            "control and clock, and the transistors are as much a choice as the SRAM cells"
        ),
        multiples=_multiplied(mac_leakage_mw=11, register_leakage_mw_per_bit=11, vector_lane_leakage_mw=11),
        prices_only=True,
    ),
    Experiment(
        name="cheap_dram",
        change="half the energy per bit of LPDDR4, the low end of what is published",
        mechanism="the less a bit from memory costs, the more the rest of a chip counts",
        multiples=_multiplied(**{f"memories.lpddr4.{side}_pj_per_bit": 0.5 for side in ("read", "write")}),
        prices_only=True,
    ),
    Experiment(
        name="no_background",
        change="no background power of the memories",
        mechanism="the paper may count the accelerators' leakage alone as static energy",
        overrides=_everywhere(
            "technology.memories.lpddr4.background_mw=0", "technology.memories.hbm_internal.background_mw=0"
        ),
        prices_only=True,
    ),
    Experiment(
        name="eyeriss_skips_zeros",
        change=(
            "Eyeriss v2 sparing 44 % of its MAC, register and wire energy and 16 % of its memory energy, as if every "
            "zero were skipped"
        ),
        mechanism=(
            "44 % of the inputs of convolutions are zero (Albericio et al., Cnvlutin, ISCA 2016); its code takes 12 "
            "bits for each that is not (JETCAS 2019), 0.84 of the bytes"
        ),
        multiples={
            "eyeriss_v2": {
                **dict.fromkeys(("mac_pj_8_bit", "wire_pj_per_bit_mm"), 0.56),
                **dict.fromkeys(("register_pj_per_bit", "register_pj_per_bit_byte"), 0.56),
                **{f"memories.lpddr4.{side}_pj_per_bit": 0.84 for side in ("read", "write")},
            }
        },
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
