"""What is varied, and over which range: every constant of the technology that a run uses, and every stated choice.

A constant whose publications agree is varied by a half to either side; where they do not, over what they say. Prices
alone need no new run (`reproduce_scaling`); what changes times or mappings is run again, mappings searched anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.simulate.plan.options import FULL, PLAIN, Options
from mensa_sim.study.reproduce.experiments.experiment import SYSTEMS
from mensa_sim.study.reproduce.scaling import multiplied
from mensa_sim.study.run.placement import Goal

HALF = (0.5, 1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChoice:
    """A constant, or constants that go together, at a low and a high multiple of the shipped value."""

    name: str
    fields: tuple[str, ...]
    """Names as `Technology.constants()` has them, or another number of the technology."""
    low: float
    high: float
    source: str

    def overrides(self, technology: Technology, multiple: float) -> tuple[str, ...]:
        """The settings that multiply the shipped values."""
        return multiplied(technology, dict.fromkeys(self.fields, multiple))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One other way to decide a choice."""

    label: str
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By system; only the systems named are run again."""
    goal: Goal = field(default_factory=Goal)
    on_chip: Options = FULL
    length: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChoice:
    """A stated choice: what was taken, and what else could have been."""

    name: str
    taken: str
    settings: tuple[Setting, ...]
    source: str
    joint: bool = False
    """Whether it is drawn in the joint runs."""


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
        name="register leakage",
        fields=("register_leakage_mw_per_bit",),
        low=HALF[0],
        high=HALF[1],
        source=_HALF_SOURCE,
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


def _everywhere(*overrides: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(SYSTEMS, overrides)


def _efficiency(value: float) -> dict[str, tuple[str, ...]]:
    lpddr4, stacked = f"memories.lpddr4.efficiency={value}", f"memories.stacked.efficiency={value}"
    return {system: (lpddr4, stacked) if system == "mensa_g" else (lpddr4,) for system in SYSTEMS}


def _ports(buffer: str) -> dict[str, tuple[str, ...]]:
    fields = tuple(f"accelerators.edge_tpu.levels.{buffer}_buffer.{side}_bits=4096" for side in ("read", "write"))
    return {"edge_tpu": fields, "base_hb": fields}


def _gated() -> dict[str, tuple[str, ...]]:
    names = {
        "edge_tpu": ("edge_tpu",),
        "base_hb": ("edge_tpu",),
        "eyeriss_v2": ("eyeriss_v2",),
        "mensa_g": ("pascal", "pavlov", "jacquard"),
    }
    settings = ("power_gating.residual=0.05", "power_gating.wake_up_ps=1000000", "power_gating.source=varied")
    return {
        system: tuple(f"accelerators.{name}.{text}" for name in accelerators for text in settings)
        for system, accelerators in names.items()
    }


def _clock(hz: int) -> dict[str, tuple[str, ...]]:
    return {"eyeriss_v2": (f"accelerators.eyeriss_v2.clock_hz={hz}",)}


def _scheduled(label: str, scheduler: str = "mensa", **options: float) -> Setting:
    return Setting(label=label, overrides={"mensa_g": ()}, goal=Goal(scheduler=scheduler, options=options))


RUN_CHOICES: tuple[RunChoice, ...] = (
    RunChoice(
        name="SRAM cell",
        taken="itrs-lop",
        settings=tuple(
            Setting(label=cell, overrides=_everywhere(f"technology.sram_cell={cell}"))
            for cell in ("itrs-hp", "itrs-lstp")
        ),
        source="CACTI 7: leakage differs 500-fold between cell types, access energy 2-fold",
    ),
    RunChoice(
        name="DRAM efficiency",
        taken="0.75",
        settings=(
            Setting(label="0.6", overrides=_efficiency(0.6)),
            Setting(label="0.9", overrides=_efficiency(0.9)),
        ),
        source="a choice: the paper states none",
        joint=True,
    ),
    RunChoice(
        name="what stays on chip",
        taken="prefetch, activations, parameters",
        settings=(
            Setting(label="nothing (plain reading)", overrides=_everywhere(), on_chip=PLAIN),
            Setting(
                label="no activations",
                overrides=_everywhere(),
                on_chip=Options(prefetch=True, activations=False, parameters="best-value"),
            ),
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
        settings=(Setting(label="512 B a cycle", overrides=_ports("parameter")),),
        source="a choice: the paper states none; eight times as wide is what Base+HB's bandwidth asks for",
        joint=True,
    ),
    RunChoice(
        name="activation ports of the Edge TPU",
        taken="64 B a cycle",
        settings=(Setting(label="512 B a cycle", overrides=_ports("activation")),),
        source="a choice: the paper states none",
        joint=True,
    ),
    RunChoice(
        name="memory of Base+HB",
        taken="LPDDR4, eight times as fast",
        settings=(
            Setting(
                label="an HBM2 stack",
                overrides={"base_hb": ("memories.lpddr4.kind=hbm2", "memories.lpddr4.channels=8")},
            ),
        ),
        source="a choice: the paper states only the bandwidth",
        joint=True,
    ),
    RunChoice(
        name="idle gating",
        taken="none",
        settings=(Setting(label="to 5 % of the leakage, 1 us to wake", overrides=_gated()),),
        source="a choice: the paper states none",
    ),
    RunChoice(
        name="objective of mappings and schedules",
        taken="energy x delay",
        settings=(
            Setting(label="latency", overrides=_everywhere(), goal=Goal(objective="latency")),
            Setting(label="energy", overrides=_everywhere(), goal=Goal(objective="energy")),
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
        settings=(Setting(label="least cost of each family", overrides={"mensa_g": ("families={}",)}),),
        source="the paper's table against this cost model",
    ),
    RunChoice(
        name="sequence length",
        taken="each model's own",
        settings=tuple(
            Setting(label=label, overrides=_everywhere(), length=length)
            for label, length in (("1/4", 0.25), ("4", 4.0))
        ),
        source="a choice: the paper states none",
        joint=True,
    ),
)
