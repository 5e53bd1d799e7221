"""Gains that are published of units in the memory, what they were measured against, and what stands for both here.

Nothing here was fitted to them. Tags: R, read in the publication or its data; S, as others quote it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

GainFigure = Literal["time", "energy", "time of a token", "energy of a token"]
"""Of the whole inference or answer, or of a decoding step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GainSide:
    """A system of ours, and how it is scheduled."""

    system: str
    scheduler: str | None = None
    """None: as the system's file says."""
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedGain:
    """By how many times something is better than a baseline; several figures where a range is published."""

    work: str
    figure: GainFigure
    published: tuple[float, float]
    tag: Literal["R", "S"]
    source: str
    against: str
    """The publication's baseline and workload."""
    workload: str | Mapping[str, Any]
    """What stands for its workload here."""
    ours: GainSide
    baseline: GainSide
    reason: str
    """Why ours is another."""

    def __post_init__(self) -> None:
        if not 0 < self.published[0] <= self.published[1]:
            raise ValueError(f"{self.work}: published from {self.published[0]} to {self.published[1]}")


ROW_PRODUCT = {
    "name": "product_of_one_row",
    "layers": [{"name": "product", "operator": "linear", "dims": {"K": 4096, "C": 4096}}],
    "parameter_bits": 16,
    "activation_bits": 16,
}
LLAMA_2_7B = {
    "name": "llama_2_7b",
    "model": "mensa_sim.workload.models.decoder:Decoder",
    "arguments": {
        "layers": 32,
        "hidden": 4096,
        "intermediate": 11008,
        "heads": 32,
        "kv_heads": 32,
        "head_dim": 128,
        "vocab": 32000,
    },
    "generate": {"prompt_tokens": 512, "new_tokens": 64},
    "weight_bits": 16,
    "activation_bits": 16,
    "kv_bits": 16,
}
CENT_DEVICE = (
    "accelerators.gddr6_aim.dataflow.axes.0.size=512",
    "accelerators.gddr6_aim.vector_unit.lanes=512",
    "accelerators.gddr6_aim.levels.2.capacity_bytes=65536",
    "accelerators.gddr6_aim.levels.2.read_bits=8192",
    "accelerators.gddr6_aim.levels.2.write_bits=8192",
    "memories.gddr6.bandwidth_bytes_per_s=1024000000000",
    "memories.gddr6.ports.bank.bandwidth_bytes_per_s=16384000000000",
    "memories.gddr6.channels=32",
    "memories.gddr6.capacity_bytes=16000000000",
)
"""32 channels of GDDR6-AiM instead of four (github.com/Yufeng98/CENT)."""

HBM_PIM = GainSide(system="npu_hbm_pim", scheduler="optimal")
LPDDR5_PIM = GainSide(system="npu_lpddr5_pim")
AIM = GainSide(system="npu_gddr6_aim", scheduler="single:gddr6_aim")
NPU_ALONE = "single:phone_npu"

_HBM_PIM = "Samsung at Hot Chips 33 (2021), as quoted by thememoryguy.com and Tom's Hardware"
_LPDDR5_PIM = "Samsung at Hot Chips 33 (2021), as quoted by tavesper.tech"
_AIM = "SK hynix, press release of 16 February 2022"
_PIM_AI = "PIM-AI (2024), arXiv 2411.17309, abstract"

_HBM_PIM_GAINS: tuple[tuple[GainFigure, tuple[float, float], str, str], ...] = (
    (
        "time",
        (2.5, 2.5),
        "the same FPGA with plain HBM2, a speech model",
        "which model, and how much of it runs in the memory, is not said; beside ours stands a phone's NPU that holds "
        "many weights on chip, beside theirs an FPGA",
    ),
    (
        "energy",
        (2.5, 2.6),
        "the same, 60 to 62 % less energy of the system",
        "theirs counts an FPGA board, ours chip and memory",
    ),
)

PUBLISHED_GAINS = (
    *(
        PublishedGain(
            work="hbm_pim",
            figure=figure,
            published=published,
            tag="S",
            source=_HBM_PIM,
            against=against,
            workload=workload,
            ours=HBM_PIM,
            baseline=GainSide(system="npu_hbm_pim", scheduler=NPU_ALONE),
            reason=reason,
        )
        for workload in ("rnnt_streaming", "whisper_tiny")
        for figure, published, against, reason in _HBM_PIM_GAINS
    ),
    PublishedGain(
        work="lpddr5_pim",
        figure="time of a token",
        published=(2.0, 2.0),
        tag="S",
        source=_LPDDR5_PIM,
        against="plain LPDDR5, simulated, voice recognition, translation and chatbot (more than twice)",
        workload="llama_3_2_1b",
        ours=LPDDR5_PIM,
        baseline=GainSide(system="npu_lpddr5_pim", scheduler=NPU_ALONE),
        reason="the units' arithmetic, 102.4 GOPS of int8 a die, takes half of what the banks give, and the "
        "fewer bits a weight has the less of it; theirs is not said to be bound by it",
    ),
    PublishedGain(
        work="lpddr5_pim",
        figure="energy of a token",
        published=(2.5, 2.5),
        tag="S",
        source=_LPDDR5_PIM,
        against="the same (more than 60 % less)",
        workload="llama_3_2_1b",
        ours=LPDDR5_PIM,
        baseline=GainSide(system="npu_lpddr5_pim", scheduler=NPU_ALONE),
        reason="a bit inside costs 15 % of one outside here, and nothing of a host is counted",
    ),
    PublishedGain(
        work="gddr6_aim",
        figure="time",
        published=(16.0, 16.0),
        tag="R",
        source=_AIM,
        against="plain GDDR6, some computations",
        workload=ROW_PRODUCT,
        ours=AIM,
        baseline=GainSide(system="npu_gddr6_aim", scheduler=NPU_ALONE),
        reason="16 times is the banks' bandwidth over the pins'; a product of one row also sends its input and output",
    ),
    PublishedGain(
        work="gddr6_aim",
        figure="energy",
        published=(5.0, 5.0),
        tag="R",
        source=_AIM,
        against="the same, 80 % less power",
        workload=ROW_PRODUCT,
        ours=AIM,
        baseline=GainSide(system="npu_gddr6_aim", scheduler=NPU_ALONE),
        reason="theirs is a power, of what is not said; ours is an energy of chip and memory",
    ),
    PublishedGain(
        work="pim_ai",
        figure="time",
        published=(1.25, 1.45),
        tag="R",
        source=_PIM_AI,
        against="state-of-the-art mobile SoCs, queries in a second",
        workload="llama_3_2_1b",
        ours=LPDDR5_PIM,
        baseline=GainSide(system="npu_lpddr5x"),
        reason="ours has LP-Spec's 51.2 GB/s outside and units bound by arithmetic, against 76.8 GB/s of LPDDR5X",
    ),
    PublishedGain(
        work="pim_ai",
        figure="energy",
        published=(6.9, 13.4),
        tag="R",
        source=_PIM_AI,
        against="the same, energy of a query",
        workload="llama_3_2_1b",
        ours=LPDDR5_PIM,
        baseline=GainSide(system="npu_lpddr5x"),
        reason="theirs takes 10 to 20 pJ for a bit that leaves the memory, ours what the LPDDR5 of our table takes",
    ),
    PublishedGain(
        work="cent",
        figure="time of a token",
        published=(6.32, 6.32),
        tag="R",
        source="CENT, github.com/Yufeng98/CENT, data of figure 13a",
        against="NVIDIA A100, Llama-2 7B, latency",
        workload=LLAMA_2_7B,
        ours=GainSide(system="npu_gddr6_aim", scheduler="single:gddr6_aim", overrides=CENT_DEVICE),
        baseline=GainSide(system="a100_80gb"),
        reason="weights decide, at 16.4 TB/s inside against 2.0; ours lets all 32 channels of one device work on each "
        "layer of one conversation; theirs pipelines layers over channels and devices, crosses CXL, and their A100 has "
        "several conversations",
    ),
    PublishedGain(
        work="cd_pim",
        figure="time of a token",
        published=(11.42, 11.42),
        tag="R",
        source="CD-PIM (2026), arXiv 2601.12298, abstract",
        against="a GPU-only edge device, batch 1, mean",
        workload="llama_3_2_1b",
        ours=LPDDR5_PIM,
        baseline=GainSide(system="orin_nano_gpu"),
        reason="theirs quarters each bank for four times its bandwidth and has units to match, at a clock and number "
        "that were not read; ours are Samsung's, bound by arithmetic; their GPU is not named, ours is an Orin Nano",
    ),
)

NOT_RECOMPUTED: Mapping[str, str] = {
    "HPIM, up to 22.8 times an A100 (arXiv 2509.12993, abstract)": "bandwidth and clock of its two kinds of memory lie "
    "in a part that was not read, and the figure is a peak",
    "UMDAM, TTFT up to 3.0 times (arXiv 2511.03293)": "its baseline is an unsuited layout of weights; layouts inside a "
    "memory are not modelled here",
    "LPDDR-PIM, 72 % less power (Samsung, Hot Chips 2023)": "the workload is not stated",
    "HBM-PIM on 96 MI100, twice as fast (Samsung, 2023)": "a mixture of experts over 96 GPUs is no device on the edge",
}
"""Published gains that have no counterpart here, and why."""
