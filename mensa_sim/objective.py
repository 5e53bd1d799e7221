"""What can be minimised: products of powers of energy and latency, one record that all stages ask.

Mapper, schedulers, simulation, studies and reports take an objective's value, unit and title from here: another one is
an entry of `OBJECTIVES` and nothing else. A product of powers grows with both and is quasi-concave in them, which is
what the search along the front of energy and latency rests its bounds on.
"""

from collections.abc import Mapping
from functools import reduce
from itertools import repeat
from operator import mul
from typing import TYPE_CHECKING, Literal, TypeVar

from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.units import PJ_PER_J, PS_PER_S

Amount = TypeVar("Amount")
"""A number, or a numpy array of them."""

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Energy to a power times latency to a power, to be made small."""

    title: str
    """As people call it."""
    energy_power: int = 0
    latency_power: int = 0

    def __post_init__(self) -> None:
        if min(self.energy_power, self.latency_power) < 0 or not self.energy_power + self.latency_power:
            raise ValueError(f"{self.title}: the powers must not be negative, and not both 0")

    def value(self, energy: Amount, latency: Amount) -> Amount:
        """The product, of numbers or of arrays that broadcast, in whatever units they have.

        >>> Objective(title="energy x delay²", energy_power=1, latency_power=2).value(3.0, 10.0)
        300.0
        """
        found: Amount = reduce(mul, (*repeat(energy, self.energy_power), *repeat(latency, self.latency_power)))
        return found

    def uncounted(self, energy: Amount, latency: Amount) -> Amount | float:
        """The one of both that it does not count, which decides between equal values; 0 if it counts both.

        >>> Objective(title="latency", latency_power=1).uncounted(3.0, 10.0)
        3.0
        """
        return 0.0 if self.mixed else latency if self.energy_power else energy

    def rates(self, before: tuple[float, float], after: tuple[float, float]) -> tuple[float, float]:
        """What each unit of energy and of latency adds from one point (energy, latency) to another.

        The differences times these rates are the whole difference of the value, split as no order of the two favours.

        >>> edp = Objective(title="energy x delay", energy_power=1, latency_power=1)
        >>> edp.rates((2.0, 10.0), (4.0, 30.0))
        (20.0, 3.0)
        """
        powers = self.energy_power, self.latency_power
        slopes = [_slope(*each) for each in zip(powers, before, after, strict=True)]
        means = [(one**power + other**power) / 2 for power, one, other in zip(powers, before, after, strict=True)]
        return slopes[0] * means[1], slopes[1] * means[0]

    @property
    def mixed(self) -> bool:
        """Whether both count: then the least value lies somewhere along the front, not at an end of it."""
        return bool(self.energy_power and self.latency_power)

    @property
    def unit(self) -> str:
        """The SI unit of a value.

        >>> Objective(title="energy x delay²", energy_power=1, latency_power=2).unit
        'Js²'
        """
        powers = (("J", self.energy_power), ("s", self.latency_power))
        return "".join(unit + (str(power).translate(_RAISED) if power > 1 else "") for unit, power in powers if power)

    @property
    def si_per_base(self) -> float:
        """What a value in powers of pJ and ps is multiplied by to be in `unit`."""
        return 1 / (float(PJ_PER_J) ** self.energy_power * float(PS_PER_S) ** self.latency_power)


def _slope(power: int, before: float, after: float) -> float:
    """The rise of a power between two points over their distance, without dividing by what may be 0."""
    return sum(after**step * before ** (power - 1 - step) for step in range(power))


DEFAULT_OBJECTIVE = "edp"

OBJECTIVES: Mapping[str, Objective] = {
    "edp": Objective(title="energy x delay", energy_power=1, latency_power=1),
    "latency": Objective(title="latency", latency_power=1),
    "energy": Objective(title="energy", energy_power=1),
    "ed2p": Objective(title="energy x delay²", energy_power=1, latency_power=2),
}
"""By the name that files and calls give. Energy x delay² is what scaling the supply voltage leaves as it is (Martin,
Nystroem and Penzes, "ET²: a metric for time and energy efficiency of computation", 2001)."""

if TYPE_CHECKING:
    ObjectiveName = str
else:
    ObjectiveName = Literal[tuple(OBJECTIVES)]
"""A field of a file that names an objective: the gate and the JSON Schema know the names."""

PERIOD = "period"
"""What the scheduler for streams makes small instead: the ps between inferences, which one inference does not show."""
_PERIOD = Objective(title="period", latency_power=1)


def objective_named(name: str) -> Objective:
    """The objective of that name; `UnknownNameError` lists the choices."""
    return lookup(OBJECTIVES, name, "objective")


def measure_of(name: str) -> Objective:
    """How a schedule's value is to be read, by the name of what it makes small: an objective, or a stream's period."""
    return _PERIOD if name == PERIOD else objective_named(name)


def mixed_objectives() -> dict[str, str]:
    """The name of the figure of a result for each objective that is no energy or latency alone, with its unit.

    >>> mixed_objectives()
    {'edp': 'edp_j_s', 'ed2p': 'ed2p_j_s2'}
    """
    return {name: _figure_name(name, each) for name, each in OBJECTIVES.items() if each.mixed}


def _figure_name(name: str, objective: Objective) -> str:
    powers = (("j", objective.energy_power), ("s", objective.latency_power))
    return "_".join((name, *(f"{unit}{power if power > 1 else ''}" for unit, power in powers)))


def product_shown(*names: str) -> str:
    """The mixed objective that one figure shows: the first of those asked for that is one, else the usual one."""
    return next((name for name in names if name in mixed_objectives()), DEFAULT_OBJECTIVE)


def shown_objectives(*names: str) -> list[str]:
    """The mixed objectives that a table shows: the usual one, and those that were asked for."""
    return [name for name in mixed_objectives() if name == DEFAULT_OBJECTIVE or name in names]
