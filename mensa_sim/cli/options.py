"""Options of the command line: those of a study, made of its request's fields, and those of all commands."""

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from mensa_sim.cli.steps import told
from mensa_sim.errors import UsageError
from mensa_sim.records import dataclass
from mensa_sim.study.request.fields import StudyOption, counts_of, options_of

Output = Annotated[Path | None, typer.Option(help="Folder for the results.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell every step and how long it took.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")]

Export = Annotated[
    str | None, typer.Option("--export", help="Write figures and tables for slides too: svg,png,csv, or some of these.")
]


Page = Annotated[Path | None, typer.Option("--report", help="Write the page, with its figures, to this file.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a study's result is told; each field is an option of a command that takes one."""

    as_json: AsJson = False
    quiet: Quiet = False
    export: Export = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed(Told):
    """How it is told where its files go into a folder."""

    force: Force = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Filed):
    """The same, and which folder that is."""

    output: Output = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged(Told):
    """How it is told where its page is written if it is asked for."""

    page: Page = None


def names_of(*kinds: str) -> Callable[[str], list[str]]:
    """Completes the names of what ships."""

    def complete(incomplete: str) -> list[str]:
        from mensa_sim.api.files import list_kind

        names = [entry["name"] for kind in kinds for entry in list_kind(kind)]
        return [name for name in names if name.startswith(incomplete)]

    return complete


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Completes one of some words."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def add(app: typer.Typer, command: Callable[..., None], *, name: str | None = None) -> None:
    """Adds a command with the option that all have, `-v`; one whose request counts its work shows no passing steps.

    The options of a command that takes a `request` are the fields of that record, beside the command's own: it is
    called with the request that they make. So are those of its own parameters that are records.
    """
    own = list(inspect.signature(command).parameters.values())
    request: Any = own.pop(0).annotation if own and own[0].name == "request" else None
    options = [] if request is None else [each for each in options_of(request) if not each.spelling.at_hand]

    @functools.wraps(command)
    def with_steps(*, verbose: bool, **given: Any) -> None:
        silent = bool(request and counts_of(request)) or given.get("quiet") or given.get("as_json")
        with told(verbose=verbose, passing=not silent, notes=not given.get("quiet")):
            for name, kind in spread.items():
                given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
            if request is None:
                command(**given)
            else:
                asking = {option.field: _field_value(option, given.pop(option.field)) for option in options}
                command(request(**asking), **given)

    spread: dict[str, Any] = {each.name: each.annotation for each in own if is_dataclass(each.annotation)}
    own = [option for each in own for option in _spread(each)]
    verbose = inspect.Parameter("verbose", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Verbose)
    asked = [_parameter(option) for option in sorted(options, key=_place)]
    parameters = [*asked, *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), verbose]
    with_steps.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_steps.__annotations__ = {each.name: each.annotation for each in parameters}
    app.command(name)(with_steps)


def _spread(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """A parameter, or those of the record that it is."""
    record: Any = parameter.annotation if is_dataclass(parameter.annotation) else None
    return list(inspect.signature(record).parameters.values()) if record else [parameter]


def _place(option: StudyOption) -> int:
    """Arguments first, then what decides a result, then the rest."""
    return 0 if not option.flag else 1 if option.spelling.role == "choice" else 2


def _parameter(option: StudyOption) -> inspect.Parameter:
    """The parameter that typer reads."""
    several = option.form in ("texts", "names", "pairs", "numbers")
    spelling = option.spelling
    complete = names_of(*spelling.kinds) if spelling.kinds else one_of(*spelling.words) if spelling.words else None
    settings: dict[str, Any] = {"help": option.help, "min": spelling.minimum, "autocompletion": complete}
    kind: Any = bool if option.form == "flag" else list[str] if several else option.kind
    default: Any = option.default
    if option.required:
        default = ...
    elif option.form == "flag":
        default = False
    elif several or spelling.absent is not None:
        default = None
    if default is None:
        kind = kind | None
    made = typer.Option(default, option.flag, **settings) if option.flag else typer.Argument(default, **settings)
    return inspect.Parameter(option.field, inspect.Parameter.KEYWORD_ONLY, default=made, annotation=kind)


def _field_value(option: StudyOption, given: Any) -> Any:
    """What a field gets of what was typed."""
    match option.form:
        case "flag":
            return option.spelling.stands_for if given else option.default
        case "texts":
            return tuple(given or ())
        case "names":
            names = (name.strip() for text in given or () for name in text.split(","))
            return tuple(name for name in names if name) or (() if option.required else option.default)
        case "pairs":
            texts = [part for text in given or () for part in (text.split(",") if option.spelling.commas else [text])]
            return pairs(option.flag, texts)
        case "numbers":
            return numbers(option.flag, given or ())
        case _:
            return option.spelling.absent() if given is None and option.spelling.absent else given


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Name to value, split at the last `=`; a text without one, or a name given twice, is an error.

    >>> pairs("--pin", ["lstm.l0.cell=pavlov"])
    {'lstm.l0.cell': 'pavlov'}
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if not equals or not name or not value:
            raise UsageError(f"{option} {text!r}: must be NAME=VALUE")
        if name in found:
            raise UsageError(f"{option}: {name} is given twice")
        found[name] = value
    return found


def numbers(option: str, texts: Sequence[str]) -> dict[str, float]:
    """Name to a finite number.

    >>> numbers("--option", ["mac_ratio=2.5"])
    {'mac_ratio': 2.5}
    """
    found: dict[str, float] = {}
    for name, value in pairs(option, texts).items():
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UsageError(f"{option} {name}={value}: must be a finite number")
        found[name] = number
    return found
