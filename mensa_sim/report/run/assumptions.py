"""What holds for a result and a reader should know, from the result itself."""

from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.system import System
from mensa_sim.report.page.quantities import engineering, percent_text
from mensa_sim.study.run.result import SystemResult
from mensa_sim.units import PJ_PER_J


def run_assumptions(main: SystemResult) -> list[str]:
    """The assumptions that bear on a run most, each one sentence or two."""
    measured = [layer for layer in main.layers if layer.source != "analytical"]
    errors = [layer.error_percent for layer in measured if layer.error_percent is not None]
    texts = [
        "The first inference finds empty buffers; the steady state finds the parameters that the one before it left.",
        f"Throughput is 1 / latency, never pipelined. Energy holds {_waiting(main.hardware)} from start to end.",
        *memory_texts(main.hardware),
        "Array wires and area come from MACs, registers, buffers and vector units alone, without routing and control.",
        *_working(main.hardware),
    ]
    if measured:
        texts.append(
            f"The times of {len(measured)} layers come from measured kernels"
            + (f", {len(errors)} of them from a fit with up to {max(errors):.0f} % mean error." if errors else ".")
        )
    if main.coverage.unsupported:
        names = ", ".join(main.coverage.unsupported_operators)
        texts.append(f"Operators that are not understood are charged their traffic alone: {names}.")
    if main.hardware.host is not None:
        texts.append("A host feeds the system over its interface, whose time and energy are in the totals.")
    texts += [f"The simulation differs from the scheduler's prediction: {why}." for why in main.optimality.differs]
    return texts


def _working(system: System) -> list[str]:
    """Whose energy is that of the device as a whole."""
    stated = [
        (each.name, each.array.working_pj_per_cycle) for each in system.accelerators if isinstance(each.spec, PeArray)
    ]
    return [
        f"{name} draws {engineering(each.value / PJ_PER_J, 'J')} in each cycle in which it works, as its maker states"
        " of the device as a whole: its parts add nothing to that."
        for name, each in stated
        if each is not None
    ]


def _waiting(system: System) -> str:
    """What costs energy for as long as the inference lasts."""
    board_mw = system.host.board_mw if system.host else 0.0
    return f"leakage, memory background and {board_mw:g} mW of board" if board_mw else "leakage and memory background"


def memory_texts(system: System) -> list[str]:
    """The memories, with what of their bandwidth is reached."""
    return [
        f"Memory {name} ({memory.kind}): {percent_text(memory.efficiency)} of "
        f"{engineering(memory.bandwidth_bytes_per_s, 'B/s')} is reached; {memory.read_pj_per_bit:.3g} pJ per bit read, "
        f"{memory.write_pj_per_bit:.3g} written."
        for name, memory in system.memories.items()
    ]
