"""The decision with one thing otherwise: a price, a stated choice, a field; and at which value it turns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field

from mensa_sim.errors import UsageError
from mensa_sim.records import dataclass
from mensa_sim.study.decide.fields import FieldChoice, FieldValue
from mensa_sim.study.decide.ledger import Ledger, Scores, best_of, lead
from mensa_sim.study.decide.request import name_of_file
from mensa_sim.study.decide.result import Tried, TriedKind
from mensa_sim.study.reproduce.outcome import Case
from mensa_sim.study.reproduce.table import MAIN
from mensa_sim.study.sensitivity.prices import Prices
from mensa_sim.study.sensitivity.setting import PriceChoice, RunChoice
from mensa_sim.study.sensitivity.swings import halved

FIELD_HALVINGS = 7
"""Of the way to a field's far end: what turns the decision is known to 1 %, as the way is a factor of four."""

AN_OWN_CHOICE = "the designer's"


@dataclass(slots=True, kw_only=True)
class _Turning:
    """A field that turns the decision between two values, which come nearer to each other."""

    choice: FieldChoice
    near: float
    far: float

    @property
    def middle(self) -> float | None:
        """The value to try next; none where no other lies between."""
        found = self.choice.between(self.near, self.far)
        return None if found in (self.near, self.far) else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """What a decision is tried with."""

    ledger: Ledger
    scores: Scores
    prices: Prices
    choices: Sequence[RunChoice]
    fields: Sequence[FieldChoice]
    taken: Callable[[Case], Case]
    """A case on top of what is taken."""
    nominal: dict[str, float] = field(init=False)
    best: str = field(init=False)
    left_out: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        nominal = self.scores.at(MAIN)
        assert nominal is not None  # who cannot run as taken has been refused
        object.__setattr__(self, "nominal", nominal)
        object.__setattr__(self, "best", best_of(nominal))

    def priced(self) -> Iterator[Tried]:
        """Every price at either end of its range; a turn by halving, as no run is needed."""
        for choice in self.prices.choices:
            try:
                for multiple in (choice.low, choice.high):
                    yield self._priced(choice, multiple)
            except UsageError as error:
                self.left_out.append(str(error))

    def _priced(self, choice: PriceChoice, multiple: float) -> Tried:
        def at(multiple: float) -> Mapping[str, float]:
            factors = {system: self.prices.factors(choice, system, multiple) for system in self.nominal}
            return self.scores.at(MAIN, factors) or {}

        scores = at(multiple)
        turns = ""
        if lead(scores, self.best) < 1:
            turns = f"{halved(lambda each: lead(at(each), self.best), multiple):.3g} times the shipped value"
        return self._tried("price", choice.name, "1 times", f"{multiple:.3g} times", choice.source, scores, turns)

    def chosen(self) -> Iterator[Tried]:
        """Every other way to decide a stated choice."""
        for choice in self.choices:
            for setting in choice.settings:
                scores = self.scores.at(f"{choice.name}: {setting.label}")
                if scores is not None:
                    turns = f"between {choice.taken} and {setting.label}" if lead(scores, self.best) < 1 else ""
                    on = tuple(name for name in self.nominal if setting.on(name) is not None)
                    words = (choice.name, choice.taken, setting.label, choice.source)
                    yield self._tried("choice", *words, scores, turns, on)

    def end_cases(self) -> list[Case]:
        """The runs of every field at its far ends."""
        return [case for choice in self.fields for end in choice.ends for case in _cases(choice, end)]

    def in_fields(self) -> Iterator[Tried]:
        """Every field at its far ends; a number that turns the decision is searched for where it does."""
        leads = {(c.name, c.systems, end): self._lead(c, end) for c in self.fields for end in c.ends}
        turning = {
            (choice.name, choice.systems, end): _Turning(choice=choice, near=float(choice.taken), far=float(end))
            for choice in self.fields
            for end in choice.ends
            if not isinstance(end, bool) and (leads[choice.name, choice.systems, end] or 1.0) < 1
        }
        for _ in range(FIELD_HALVINGS):
            self._halve([search for search in turning.values() if search.middle is not None])
        for choice in self.fields:
            for end in choice.ends:
                key = (choice.name, choice.systems, end)
                found = leads[key]
                scores = self.scores.at(_label(choice, end))
                if found is None or scores is None:
                    continue
                turns = ""
                if found < 1:
                    turns = _shown(end) if key not in turning else f"{turning[key].far:.4g}"
                words = (choice.name, _shown(choice.taken), _shown(end), AN_OWN_CHOICE)
                yield self._tried("field", *words, scores, turns, choice.systems)

    def _halve(self, searches: Sequence[_Turning]) -> None:
        """One more value for each search; one at which a system cannot run counts as on the far side."""
        tried = [(search, search.middle) for search in searches]
        self.ledger.run(self.taken(case) for s, value in tried if value is not None for case in _cases(s.choice, value))
        for search, value in tried:
            if value is not None:
                if (self._lead(search.choice, value) or 0.0) > 1:
                    search.near = value
                else:
                    search.far = value

    def _lead(self, choice: FieldChoice, value: FieldValue) -> float | None:
        scores = self.scores.at(_label(choice, value))
        return None if scores is None else lead(scores, self.best)

    def _tried(
        self,
        kind: TriedKind,
        name: str,
        taken: str,
        setting: str,
        source: str,
        scores: Mapping[str, float],
        turns_at: str,
        systems: Sequence[str] = (),
    ) -> Tried:
        return Tried(
            kind=kind,
            name=name,
            systems=tuple(name_of_file(system) for system in systems or self.nominal),
            taken=taken,
            setting=setting,
            lead=lead(scores, self.best),
            best=name_of_file(best_of(scores)),
            source=source,
            turns_at=turns_at,
        )


def _label(choice: FieldChoice, value: FieldValue) -> str:
    return f"{choice.setting(value)} ({', '.join(map(name_of_file, choice.systems))})"


def _cases(choice: FieldChoice, value: FieldValue) -> list[Case]:
    return [
        Case(label=_label(choice, value), system=system, overrides=(choice.setting(value),))
        for system in choice.systems
    ]


def _shown(value: FieldValue) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.4g}"
