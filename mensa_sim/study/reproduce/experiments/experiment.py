"""An experiment: one change, or several at once, to the systems of the comparison, and what it says of a mechanism."""

from collections.abc import Mapping, Sequence
from dataclasses import field

from mensa_sim.flow import HOMES, STACKS
from mensa_sim.records import dataclass
from mensa_sim.simulate.plan.options import FULL, Options
from mensa_sim.study.reproduce.outcome import Case
from mensa_sim.study.reproduce.request import SYSTEMS
from mensa_sim.study.reproduce.scaling import multiplied
from mensa_sim.study.reproduce.taken import SHIPPED, Taken
from mensa_sim.study.reproduce.workers import system_of
from mensa_sim.study.run.placement import Goal

LARGE_BUFFER = "edge_tpu_8x_buffer"
RECURRENT_KINDS = ("lstm", "transducer")
PLAIN_READING = "activations_through_memory"
OPTIMAL = "optimal_schedule"
LISTED_EXPERIMENTS = (OPTIMAL, PLAIN_READING, HOMES, STACKS)
"""The experiments whose runs are listed beside the headline's; of the others only the first inference is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A change to some systems; all others are as in the headline."""

    name: str
    change: str
    """What was changed, in words that follow `with`."""
    mechanism: str
    """Why that matters: one sentence."""
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By system."""
    multiples: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By system, constants of the technology and what each is multiplied by."""
    prices_only: bool = False
    """Whether only prices change: then nothing is run again."""
    base: "Experiment | None" = None
    """The experiment whose runs are priced anew; the headline's where none is named."""
    parts: tuple[str, ...] = ()
    """The experiments that it does at once; none for a single change."""
    same_as: Mapping[str, str] = field(default_factory=dict)
    """Systems that are as in another experiment, by its name, so that its runs stand for them."""
    goal: Goal = field(default_factory=Goal)
    on_chip: Options = FULL
    kinds: tuple[str, ...] = ()
    """The kinds of model that it touches; none means all."""

    def __post_init__(self) -> None:
        if self.base is not None and not self.prices_only:
            raise ValueError(f"{self.name}: only an experiment of prices stands on the runs of another")

    @property
    def touched(self) -> frozenset[str]:
        """The systems that differ from the headline's."""
        own = frozenset(self.overrides) | frozenset(self.multiples)
        return own if self.base is None else own | self.base.touched

    def settings(self, system: str, taken: Taken = SHIPPED) -> tuple[str, ...]:
        """All that is set on a system: what is taken everywhere, then what the base sets, then its own."""
        before = taken.on(system) if self.base is None else self.base.settings(system, taken)
        technology = system_of(system, before).accelerators[0].technology
        return (*before, *self.overrides.get(system, ()), *multiplied(technology, self.multiples.get(system, {})))

    def cases(self, taken: Taken = SHIPPED) -> tuple[Case, ...]:
        """The runs that it needs."""
        if self.prices_only:
            return ()
        return tuple(
            Case(
                label=self.name,
                system=system,
                overrides=self.settings(system, taken),
                goal=taken.scheduled(system, self.goal),
                on_chip=self.on_chip,
                kinds=RECURRENT_KINDS if system == LARGE_BUFFER else self.kinds,
                first_only=self.name not in LISTED_EXPERIMENTS,
            )
            for system in (*SYSTEMS, LARGE_BUFFER)
            if system in self.touched and system not in self.same_as
        )


def together(name: str, change: str, mechanism: str, parts: Sequence[Experiment]) -> Experiment:
    """Several experiments at once: those that need runs run together, prices alone stand on the runs of the one other.

    Touches the kinds of model that all parts touch.
    """
    runs = [part for part in parts if not part.prices_only]
    prices = [part for part in parts if part.prices_only]
    if runs and prices and len(runs) > 1:
        raise ValueError(f"{name}: join {', '.join(part.name for part in runs)} first, then price them")
    base = runs[0] if runs and prices else None
    own = parts if base is None else prices
    goals = [part.goal for part in own if part.goal != Goal()]
    kept = [part.on_chip for part in own if part.on_chip != FULL]
    kinds = [part.kinds for part in parts if part.kinds]
    return Experiment(
        name=name,
        change=change,
        mechanism=mechanism,
        overrides=_merged_overrides(own),
        multiples=_merged_multiples(own),
        prices_only=bool(prices),
        base=base,
        parts=tuple(each for part in parts for each in part.parts or (part.name,)),
        same_as={} if prices else _touched_by_one(parts),
        goal=goals[0] if goals else Goal(),
        on_chip=kept[0] if kept else FULL,
        kinds=tuple(kind for kind in kinds[0] if all(kind in each for each in kinds)) if kinds else (),
    )


def _touched_by_one(parts: Sequence[Experiment]) -> dict[str, str]:
    touching = {system: [part.name for part in parts if system in part.touched] for system in (*SYSTEMS, LARGE_BUFFER)}
    return {system: names[0] for system, names in touching.items() if len(names) == 1}


def _merged_overrides(parts: Sequence[Experiment]) -> dict[str, tuple[str, ...]]:
    systems = dict.fromkeys(system for part in parts for system in part.overrides)
    return {system: tuple(text for part in parts for text in part.overrides.get(system, ())) for system in systems}


def _merged_multiples(parts: Sequence[Experiment]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for part in parts:
        for system, values in part.multiples.items():
            mine = found.setdefault(system, {})
            for constant, factor in values.items():
                mine[constant] = mine.get(constant, 1.0) * factor
    return found
