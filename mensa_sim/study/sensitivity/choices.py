"""What is varied, and over which range: every constant of the technology that a run uses, and every stated choice.

A constant whose publications agree is varied by a half to either side; where they do not, over what they say. Prices
alone need no new run (`reproduce_scaling`); what changes times or mappings is run again, mappings searched anew.
"""

from collections.abc import Sequence

from mensa_sim.hardware.system import System
from mensa_sim.simulate.plan.options import PLAIN, Options
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.sensitivity.setting import EVERY, PriceChoice, RunChoice, Setting

HALF = (0.5, 1.5)

_HALF_SOURCE = "a half to either side"

PRICE_CHOICES: tuple[PriceChoice, ...] = (
    PriceChoice(
        name="MAC energy",
        fields=("mac_pj_8_bit",),
        low=0.35,
        high=8.0,
        source="0.07 pJ (Horowitz, ISSCC 2014, at 22 nm) to 1.6 pJ (the paper's 0.2 pJ/bit read per operand bit)",
    ),
    PriceChoice(
        name="register energy",
        fields=("register_pj_per_bit", "register_pj_per_bit_byte"),
        low=0.5,
        high=1.5,
        source=_HALF_SOURCE,
    ),
    PriceChoice(
        name="wire energy",
        fields=("wire_pj_per_bit_mm",),
        low=0.5,
        high=3.3,
        source="to 0.4 pJ/bit/mm (arXiv 1207.6819)",
    ),
    PriceChoice(name="vector energy", fields=("vector_op_pj",), low=HALF[0], high=HALF[1], source=_HALF_SOURCE),
    PriceChoice(
        name="SRAM access energy",
        fields=("sram_energy_factor",),
        low=0.5,
        high=5.8,
        source="to Horowitz, ISSCC 2014, 20 pJ per 64 bits of 32 kB at 45 nm, at 22 nm",
    ),
    PriceChoice(
        name="SRAM leakage",
        fields=("sram_leakage_factor",),
        low=0.02,
        high=11.0,
        source="low-standby-power to high-performance cells (CACTI 7)",
    ),
    PriceChoice(name="MAC leakage", fields=("mac_leakage_mw",), low=HALF[0], high=HALF[1], source=_HALF_SOURCE),
    PriceChoice(
        name="register leakage", fields=("register_leakage_mw_per_bit",), low=HALF[0], high=HALF[1], source=_HALF_SOURCE
    ),
    PriceChoice(
        name="vector leakage", fields=("vector_lane_leakage_mw",), low=HALF[0], high=HALF[1], source=_HALF_SOURCE
    ),
    PriceChoice(name="MAC area", fields=("mac_area_mm2",), low=HALF[0], high=HALF[1], source=_HALF_SOURCE),
    PriceChoice(
        name="register area", fields=("register_area_mm2_per_bit",), low=HALF[0], high=HALF[1], source=_HALF_SOURCE
    ),
    PriceChoice(
        name="LPDDR4 energy per bit",
        fields=("memories.lpddr4.read_pj_per_bit", "memories.lpddr4.write_pj_per_bit"),
        low=0.5,
        high=1.5,
        source="about 4 to 13.7 pJ/bit; 8 (Accelergy) and 13.5 (DramDSE) lie inside",
    ),
    PriceChoice(
        name="LPDDR4 background", fields=("memories.lpddr4.background_mw",), low=0.5, high=1.5, source=_HALF_SOURCE
    ),
    PriceChoice(
        name="energy per bit inside the stack",
        fields=("memories.hbm_internal.read_pj_per_bit", "memories.hbm_internal.write_pj_per_bit"),
        low=0.5,
        high=1.54,
        source="to 5 pJ/bit inside a vault (Gao et al., TETRIS, ASPLOS 2017)",
    ),
    PriceChoice(
        name="background of the stack",
        fields=("memories.hbm_internal.background_mw",),
        low=0.5,
        high=50.4 / 8.2,
        source="to 50.4 mW per channel, the stack as seen from outside (DRAMsim3)",
    ),
)
"""Constants that need no new run. The MAC's width exponent has no effect on 8-bit models, the area
of vector lanes none on energy or time; LPDDR3, HBM2 and a host's
memory stand in no system of the comparison (HBM2 enters as a choice below)."""


def price_choices(systems: Sequence[System]) -> tuple[PriceChoice, ...]:
    """The choices of prices that systems use: of memories those of the kinds that they have.

    A kind of memory that stands in no system of the paper is varied by a half to either side.
    """
    kinds = dict.fromkeys(memory.kind for system in systems for memory in system.memories.values())
    found = [choice for choice in PRICE_CHOICES if choice.memory_kind is None or choice.memory_kind in kinds]
    known = {choice.memory_kind for choice in found}
    for kind in kinds:
        if kind not in known:
            bits = (f"memories.{kind}.read_pj_per_bit", f"memories.{kind}.write_pj_per_bit")
            for name, fields in (("energy per bit", bits), ("background", (f"memories.{kind}.background_mw",))):
                low, high = HALF
                name = f"{name} of {kind}"
                found.append(PriceChoice(name=name, fields=fields, low=low, high=high, source=_HALF_SOURCE))
    return tuple(found)


def run_choices(systems: Sequence[str]) -> tuple[RunChoice, ...]:
    """The choices that change anything on one of some systems."""
    return tuple(choice for choice in RUN_CHOICES if any(choice.touches(system) for system in systems))


def _efficiency(value: float) -> tuple[str, ...]:
    return (f"memories.{EVERY}.efficiency={value}",)


def _ports(buffer: str, bits: int) -> tuple[str, ...]:
    return tuple(f"accelerators.edge_tpu.levels.{buffer}_buffer.{side}_bits={bits}" for side in ("read", "write"))


GATED = tuple(
    f"accelerators.{EVERY}.power_gating.{text}" for text in ("residual=0.05", "wake_up_ps=1000000", "source=varied")
)


def _clock(hz: int) -> tuple[str, ...]:
    return (f"accelerators.eyeriss_v2.clock_hz={hz}",)


def _scheduled(label: str, scheduler: str = "mensa", **options: float) -> Setting:
    return Setting(label=label, places=True, goal=Goal(scheduler=scheduler, options=options))


RUN_CHOICES: tuple[RunChoice, ...] = (
    RunChoice(
        name="SRAM cell",
        taken="itrs-lop",
        settings=tuple(
            Setting(label=cell, overrides=(f"technology.sram_cell={cell}",)) for cell in ("itrs-hp", "itrs-lstp")
        ),
        source="CACTI 7: leakage differs 500-fold between cell types, access energy 2-fold",
    ),
    RunChoice(
        name="DRAM efficiency",
        taken="0.75",
        settings=(Setting(label="0.6", overrides=_efficiency(0.6)), Setting(label="0.9", overrides=_efficiency(0.9))),
        source="a choice: the paper states none",
        joint=True,
    ),
    RunChoice(
        name="what stays on chip",
        taken="prefetch, activations, parameters",
        settings=(
            Setting(label="nothing (plain reading)", on_chip=PLAIN),
            Setting(label="no activations", on_chip=Options(prefetch=True, activations=False, parameters="best-value")),
        ),
        source="a choice, the same for every system",
        joint=True,
    ),
    RunChoice(
        name="clock of Eyeriss v2",
        taken="480 MHz",
        settings=(
            Setting(label="200 MHz", overrides=_clock(200_000_000)),
            Setting(label="2 GHz", overrides=_clock(2_000_000_000)),
        ),
        source="the chip's in 65 nm (JETCAS 2019) to that of Mensa-G's accelerators; the paper states none",
        joint=True,
    ),
    RunChoice(
        name="parameter ports of the Edge TPU",
        taken="64 B a cycle",
        settings=(Setting(label="512 B a cycle", overrides=_ports("parameter", 4096), only=("edge_tpu",)),),
        source="a choice: the paper states none; eight times as wide is what Base+HB has",
        joint=True,
    ),
    RunChoice(
        name="activation ports of the Edge TPU",
        taken="64 B a cycle",
        settings=(Setting(label="512 B a cycle", overrides=_ports("activation", 4096), only=("edge_tpu",)),),
        source="a choice: the paper states none",
        joint=True,
    ),
    RunChoice(
        name="ports of Base+HB",
        taken="512 B a cycle",
        settings=(
            Setting(
                label="64 B a cycle",
                overrides=(*_ports("parameter", 512), *_ports("activation", 512)),
                only=("base_hb",),
            ),
        ),
        source="a choice: the paper states none; its bandwidth asks for 400 B, the Edge TPU has 64",
        joint=True,
    ),
    RunChoice(
        name="memory of Base+HB",
        taken="LPDDR4, eight times as fast",
        settings=(
            Setting(
                label="an HBM2 stack",
                overrides=("memories.lpddr4.kind=hbm2", "memories.lpddr4.channels=8"),
                only=("base_hb",),
            ),
        ),
        source="a choice: the paper states only the bandwidth",
        joint=True,
    ),
    RunChoice(
        name="idle gating",
        taken="none",
        settings=(Setting(label="to 5 % of the leakage, 1 us to wake", overrides=GATED),),
        source="a choice: the paper states none",
    ),
    RunChoice(
        name="objective of mappings and schedules",
        taken="energy x delay",
        settings=(
            Setting(label="latency", goal=Goal(objective="latency")),
            Setting(label="energy", goal=Goal(objective="energy")),
        ),
        source="a choice",
    ),
    RunChoice(
        name="scheduler",
        taken="mensa",
        settings=(_scheduled("optimal", "optimal"), _scheduled("greedy", "greedy")),
        source="the paper's two phases against the best there is",
    ),
    RunChoice(
        name="phase II: compute ratio",
        taken="2",
        settings=(_scheduled("1", mac_ratio=1.0), _scheduled("8", mac_ratio=8.0)),
        source="a reading of the paper",
        joint=True,
    ),
    RunChoice(
        name="phase II: reuse threshold",
        taken="64",
        settings=(_scheduled("16", reuse_threshold=16.0), _scheduled("256", reuse_threshold=256.0)),
        source="a reading of the paper",
    ),
    RunChoice(
        name="phase I",
        taken="the paper's table",
        settings=(Setting(label="least cost of each family", overrides=("families={}",), places=True),),
        source="the paper's table against this cost model",
    ),
    RunChoice(
        name="sequence length",
        taken="each model's own",
        settings=tuple(Setting(label=label, length=length) for label, length in (("1/4", 0.25), ("4", 4.0))),
        source="a choice: the paper states none",
        joint=True,
    ),
)
