"""What schedules make small, as people read it: values in SI units, and rows of the products of energy and latency."""

from collections.abc import Iterator, Sequence

from mensa_sim.objective import measure_of, objective_named, shown_objectives
from mensa_sim.report.page.quantities import engineering
from mensa_sim.study.run.result import SystemResult


def objective_text(name: str, value: float) -> str:
    """A value in the SI unit of what a schedule makes small.

    >>> objective_text("edp", 0.0015), objective_text("ed2p", 2e-6), objective_text("period", 0.02)
    ('1.5 mJs', '2 µJs²', '20 ms')
    """
    return engineering(value, measure_of(name).unit)


def predicted_text(name: str, value: float) -> str:
    """A schedule's value, which is in powers of pJ and ps.

    >>> predicted_text("latency", 2_500_000)
    '2.5 µs'
    """
    return objective_text(name, value * measure_of(name).si_per_base)


def product_rows(systems: Sequence[SystemResult]) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Title, the text of each system, and the last one's value over the first's, of the products that a table shows."""
    for name in shown_objectives(*(system.objective for system in systems)):
        values = [system.objective_value(name) for system in systems]
        yield objective_named(name).title, tuple(objective_text(name, each) for each in values), values[-1] / values[0]
