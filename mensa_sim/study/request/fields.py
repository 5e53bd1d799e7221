"""An option of a study is a field of its request record; how a command line spells it stands beside the field.

The command line, the command to repeat, the choices in a summary and the function of the API are derived from here:
adding an option to a study is one field with its default and, as its docstring, its help. Nothing heavy is imported
here. What several studies ask for stands below: a workload, and how its layers are placed.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from mensa_sim.errors import UsageError
from mensa_sim.flow import DEFAULT_FLOW, FLOWS
from mensa_sim.io.field_docs import field_docs
from mensa_sim.lookup import either
from mensa_sim.objective import DEFAULT_OBJECTIVE, OBJECTIVES
from mensa_sim.records import dataclass

if TYPE_CHECKING:
    from mensa_sim.schedule.policies.own import OwnScheduler


OptionForm = Literal["value", "flag", "texts", "names", "pairs", "numbers"]
"""One value; a flag without one; texts, each with the flag before it; names joined by commas; `NAME=VALUE` texts."""

Role = Literal["choice", "permission", "means"]
"""A choice decides what comes out and stands in the summary; a permission is part of the command to repeat alone; by
what means a result is come to (processes, caches, folders) is of no concern to either."""

SPELLING = "spelling"
"""The key of a field's metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a field is written on a command line, where its name, type and docstring do not say it."""

    flag: str = ""
    """`--set`; the field's name where none is given, and none at all for a leading argument."""
    form: OptionForm = "value"
    stands_for: object = True
    """What a flag sets the field to."""
    help: str = ""
    """In place of the docstring, for a flag that says the contrary of its field."""
    commas: bool = False
    """Whether commas part several pairs in one text, as they part names."""
    kinds: tuple[str, ...] = ()
    """Kinds of what ships, whose names a shell completes."""
    words: tuple[str, ...] = ()
    """Words that a shell completes."""
    minimum: int | None = None
    maximum: int | None = None
    role: Role = "choice"
    file: bool = False
    """Whether it names a file, whose content is the choice."""
    at_hand: bool = False
    """Whether it is an object that no command line can say."""
    counts: str = ""
    """Of a field that is told how far the work is: what is counted."""
    absent: Callable[[], object] | None = None
    """What a command line takes where the option is absent, if that is not the field's default."""


def spelled(flag: str = "", **settings: Any) -> Mapping[str, Spelling]:
    """The metadata of a field."""
    return {SPELLING: Spelling(flag=flag, **settings)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOption:
    """A field of a request as an option: what it is called and what it takes."""

    field: str
    flag: str
    """Empty for an argument, which is known by its place."""
    text: str
    """What the field means: its docstring."""
    spelling: Spelling
    form: OptionForm
    kind: type
    """Of one value on a command line; text where the field takes objects that are at hand."""
    default: object
    """`dataclasses.MISSING` where there is none."""

    @property
    def help(self) -> str:
        """What the option means on a command line."""
        return self.spelling.help or self.text

    @property
    def required(self) -> bool:
        """Whether a request cannot be made without it."""
        return self.default is dataclasses.MISSING

    @property
    def name(self) -> str:
        """What summaries call it: its flag as an identifier, or the field of an argument."""
        return self.flag.lstrip("-").replace("-", "_") or self.field


def options_of(request: type[Any]) -> tuple[StudyOption, ...]:
    """The options of a request record, in the order of its fields, those of its bases first."""
    texts = field_docs(request)
    return tuple(_option(field, texts.get(field.name, "")) for field in dataclasses.fields(request))


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRequest:
    """What a study is asked; a number outside the range that its spelling states is a `UsageError`."""

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            spelling, value = each.metadata.get(SPELLING, Spelling()), getattr(self, each.name)
            for word, end, side in (("least", spelling.minimum, 1), ("most", spelling.maximum, -1)):
                if end is not None and isinstance(value, int | float) and side * value < side * end:
                    raise UsageError(f"{each.name} is {value}, must be at {word} {end}")


def counts_of(request: type[Any]) -> str:
    """What the work of a request counts as it is done; empty where nothing does."""
    fields = dataclasses.fields(request)
    return next((counts for each in fields if (counts := each.metadata.get(SPELLING, Spelling()).counts)), "")


def _option(field: "dataclasses.Field[Any]", text: str) -> StudyOption:
    spelling: Spelling = field.metadata.get(SPELLING, Spelling())
    argument = field.kw_only is False and not spelling.flag
    return StudyOption(
        field=field.name,
        flag="" if argument else spelling.flag or f"--{field.name.replace('_', '-')}",
        text=text,
        spelling=spelling,
        form="flag" if field.type is bool else spelling.form,
        kind=_kind(field.type),
        default=field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default,
    )


def _kind(annotation: object) -> type:
    """The type of one value: that of an annotation such as `int | None`, text for all that is more than that.

    >>> _kind(float | None), _kind("str | System"), _kind(tuple[str, ...])
    (<class 'float'>, <class 'str'>, <class 'str'>)
    """
    types = [each for each in get_args(annotation) or (annotation,) if each is not type(None)]
    return next((each for each in (bool, int, float, Path) if types == [each]), str)


Overrides = Sequence[str] | Mapping[str, object]
"""`FIELD=VALUE` texts as for `--set`, or field to value."""


CACHED = spelled("--no-cache", stands_for=False, help="Trace and price anew; store nothing.", role="means")
"""How every study spells that graphs and prices are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRequest(StudyRequest):
    """A workload by name, by path, or as an object that is at hand; the defaults are the command line's."""

    workload: object = field(kw_only=False, metadata=spelled(kinds=("workloads", "scenarios")))
    """Workload file, or the bare name of a shipped one."""
    inputs: object = field(default=None, kw_only=False, metadata=spelled(at_hand=True))
    """Example inputs of a module that is at hand, by position or by name."""
    allow_code: bool = field(default=False, metadata=spelled(role="permission"))
    """Let the workload name code outside the shipped models."""
    strict: bool = field(default=False, metadata=spelled(role="permission"))
    """Refuse a model with unsupported operators."""
    cache: bool = field(default=True, metadata=CACHED)
    """Whether graphs and prices are kept, and taken from where they were kept before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRequest(WorkloadRequest):
    """A workload whose layers are wanted; a file says its own name and bits."""

    name: str | None = field(default=None, metadata=spelled(at_hand=True))
    """What to call a module that is at hand; its class where nothing is said."""
    parameter_bits: int | None = field(default=None, metadata=spelled(at_hand=True))
    """Of a module that is at hand; 8 where nothing is said."""
    activation_bits: int | None = field(default=None, metadata=spelled(at_hand=True))
    """Of a module that is at hand; 8 where nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRequest(WorkloadRequest):
    """A workload whose layers are placed on a system, or on several."""

    scheduler: "str | OwnScheduler | None" = field(default=None, metadata=spelled(kinds=("schedulers",)))
    """Scheduler: greedy, ...; mensa unless the system says."""
    objective: str | None = field(
        default=None,
        metadata=spelled(
            words=tuple(OBJECTIVES), help=f"Minimise {either(OBJECTIVES)}; {DEFAULT_OBJECTIVE} unless the system says."
        ),
    )
    """What schedules and mappings make small; none: as the system says, else the default."""
    overrides: Overrides = field(default=(), metadata=spelled("--set", form="texts"))
    """FIELD=VALUE on any field of the system; repeatable."""
    options: Mapping[str, float] = field(default_factory=dict, metadata=spelled("--option", form="numbers"))
    """NAME=NUMBER of the scheduler; repeatable."""
    flow: str | None = field(
        default=None,
        metadata=spelled(
            words=tuple(FLOWS), help=f"Between layers: {either(FLOWS)}; {DEFAULT_FLOW} unless the system says."
        ),
    )
    """How data flows between layers; none: as the system says, else the default."""
    timings: str = field(default="fit", metadata=spelled(words=("fit", "exact")))
    """Measured accelerators: exact (their table alone) or fit."""
