"""Disagreements and side results of a reproduction that are worth a sentence, each computed."""

import math
from collections.abc import Sequence

from mensa_sim.hardware.static_energy import BACKGROUND, LEAKAGE
from mensa_sim.study.reproduce.experiments.experiment import OPTIMAL, PLAIN_READING, RECURRENT_KINDS
from mensa_sim.study.reproduce.outcome import IN_FLIGHT
from mensa_sim.study.reproduce.quantities import ALONE
from mensa_sim.study.reproduce.table import MAIN, Runs
from mensa_sim.study.reproduce.workers import system_of

CNN = ("cnn",)


def statements(runs: Runs) -> tuple[str, ...]:
    """Every sentence that the runs allow."""
    return tuple(
        text
        for text in (_recurrent_on_base_hb(runs), _where_gates_go(runs), _eyeriss_on_cnns(runs), _overlap(runs))
        if text
    )


def _mean_ratio(runs: Runs, label: str, system: str, against: str) -> float | None:
    ours, theirs = runs.of(label, system, RECURRENT_KINDS), runs.of(label, against, RECURRENT_KINDS)
    if not ours or len(ours) != len(theirs):
        return None
    return _mean([other.latency_ps / mine.latency_ps for mine, other in zip(ours, theirs, strict=True)])


def _recurrent_on_base_hb(runs: Runs) -> str:
    main = _mean_ratio(runs, MAIN, "mensa_g", "base_hb")
    narrow = _mean_ratio(runs, "base_hb_narrow_ports", "mensa_g", "base_hb")
    fast = _mean_ratio(runs, "pavlov_16x16", "mensa_g", "base_hb")
    if main is None or narrow is None or fast is None:
        return ""
    busy = [each.accelerators["pavlov"] for each in runs.of(MAIN, "mensa_g", RECURRENT_KINDS)]
    used = [share.utilization for share in busy if share.macs]
    reached = f"; Pavlov reaches {_mean(used):.0%} of its 128 GMAC/s" if used else ""
    return (
        f"On LSTMs and transducers Mensa-G is {main:.2f} times as fast as Base+HB (paper: 1.26), whose ports are as "
        f"wide as its memory asks for. With the Edge TPU's narrow ones it would be {narrow:.2f} times as "
        f"fast{reached}, and with four times its PEs Mensa-G is {fast:.2f} times as fast."
    )


def _where_gates_go(runs: Runs) -> str:
    best = runs.of(OPTIMAL, "mensa_g", RECURRENT_KINDS)
    ours = runs.of(MAIN, "mensa_g", RECURRENT_KINDS)
    macs = sum(each.macs for each in best)
    if not macs:
        return ""
    jacquard = sum(each.accelerators["jacquard"].macs for each in best) / macs
    before = sum(each.accelerators["jacquard"].macs for each in ours) / macs
    by_cost = runs.of("phase_one_by_cost", "mensa_g", RECURRENT_KINDS)
    families = sum(each.accelerators["jacquard"].macs for each in by_cost) / macs
    prefers = "prefers Jacquard to Pavlov" if jacquard > 0.5 else "leaves most gates with Pavlov"
    return (
        f"The schedule of least energy x delay {prefers}: it gives Jacquard {jacquard:.0%} of the MACs of LSTMs and "
        f"transducers, Mensa's schedule {before:.0%}, and Mensa's with each family on its accelerator of least energy "
        f"x delay {families:.0%}."
    )


EYERISS_STEPS = (
    ("every activation through memory", PLAIN_READING),
    ("2 GHz too", "plain_and_eyeriss_2_ghz"),
    ("leaky SRAM too", "plain_fast_eyeriss_and_leaky"),
    ("dear SRAM accesses too", "plain_fast_eyeriss_and_dear_sram"),
    ("every zero skipped too", "plain_fast_eyeriss_dear_sram_and_zeros"),
    ("half the energy of an LPDDR4 bit too", "plain_fast_eyeriss_dear_sram_zeros_and_cheap_dram"),
)
"""What brings Eyeriss v2's energy on CNNs down, one change on top of the other."""


def _eyeriss_on_cnns(runs: Runs) -> str:
    """Where Eyeriss v2's energy goes, and what it takes to bring it down to the paper's figure."""
    parts = [_shares_of_baseline(runs, system) for system in ("edge_tpu", "eyeriss_v2")]
    if not all(parts):
        return ""
    base, ours = parts
    waiting = [shares[LEAKAGE] + shares[BACKGROUND] for shares in parts]
    steps = ", ".join(
        f"{math.fsum(_shares_of_baseline(runs, 'eyeriss_v2', label).values()):.2f} with {words}"
        for words, label in EYERISS_STEPS
    )
    edge_tpu = system_of("edge_tpu", runs.taken.on("edge_tpu"))
    static = [
        _mean([ALONE["buffer_share_of_static_energy"](outcome, edge_tpu) for outcome in outcomes])
        for outcomes in (runs.of(label, "edge_tpu", CNN) for label in (MAIN, "leaky_sram"))
    ]
    return (
        f"On CNNs Eyeriss v2 takes {math.fsum(ours.values()):.2f} times the Edge TPU's energy (paper: 0.64): "
        f"{ours['memory']:.2f} of it in memory traffic (Edge TPU {base['memory']:.2f}), since 192 kB keep few "
        f"activations, and {waiting[1]:.2f} in leakage and memory background (Edge TPU {waiting[0]:.2f}), since it is "
        f"slow. One change on top of the other it is {steps}. That is no evidence: the leaky cells alone move the "
        f"buffers' share of static energy from {static[0]:.2f} to {static[1]:.2f} (paper: 0.48)."
    )


def _shares_of_baseline(runs: Runs, system: str, label: str = MAIN) -> dict[str, float]:
    """Energy of CNNs by component, each over the Edge TPU's on the same model, in the mean over models."""
    pairs = list(zip(runs.of(label, system, CNN), runs.of(label, "edge_tpu", CNN), strict=True))
    names = dict.fromkeys(name for outcome, _ in pairs for name in outcome.component_pj)
    return {name: _mean([o.component_pj.get(name, 0.0) / base.energy_pj for o, base in pairs]) for name in names}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _overlap(runs: Runs) -> str:
    gains = []
    for system in ("edge_tpu", "mensa_g"):
        outcomes = runs.of(MAIN, system, ("cnn", "lstm", "transducer", "rcnn"))
        rates = [
            o.closed_loop_per_s / o.throughput_inferences_per_s for o in outcomes if o.closed_loop_per_s is not None
        ]
        if not rates:
            return ""
        gains.append(_mean(rates))
    return (
        f"With {IN_FLIGHT} inferences in flight, planned for such that follow others, throughput is {gains[1]:.2f} "
        "times 1 / latency on Mensa-G, whose accelerators work on several at once, and "
        f"{gains[0]:.2f} times on the Edge TPU; the headline leaves that out."
    )
