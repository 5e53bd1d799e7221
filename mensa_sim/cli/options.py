"""What the commands share: options, options of the form NAME=VALUE, and showing tables."""

import functools
import inspect
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mensa_sim.cli.steps import clear, told
from mensa_sim.errors import UsageError

COLUMNS = 80
"""Every table fits so many columns."""


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


Workload = Annotated[
    str,
    typer.Argument(
        help="Workload file, or the bare name of a shipped one.", autocompletion=names_of("workloads", "scenarios")
    ),
]
SystemName = Annotated[
    str,
    typer.Option("--system", help="System or accelerator: file or bare name.", autocompletion=names_of("systems")),
]
Scheduler = Annotated[
    str | None,
    typer.Option(help="Scheduler: greedy, ...; mensa unless the system says.", autocompletion=names_of("schedulers")),
]
Objective = Annotated[
    str | None,
    typer.Option(
        help="Minimise latency, energy or edp; edp unless the system says.",
        autocompletion=one_of("edp", "latency", "energy"),
    ),
]
Overrides = Annotated[list[str], typer.Option("--set", help="FIELD=VALUE on any field of the system; repeatable.")]
SchedulerOptions = Annotated[list[str], typer.Option("--option", help="NAME=NUMBER of the scheduler; repeatable.")]
Pins = Annotated[list[str], typer.Option("--pin", help="LAYER=ACCELERATOR; repeatable.")]
Output = Annotated[Path | None, typer.Option(help="Folder for the results.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell every step and how long it took.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Timings = Annotated[str, typer.Option(help="Measured accelerators: exact (their table alone) or fit.")]


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


def add(app: typer.Typer, command: Callable[..., None], name: str | None = None, *, counts: bool = False) -> None:
    """Adds a command with the option that all have, `-v`; one that `counts` its work shows no passing steps."""

    @functools.wraps(command)
    def with_steps(*, verbose: bool, **options: Any) -> None:
        silent = counts or options.get("quiet") or options.get("as_json")
        with told(verbose=verbose, passing=not silent):
            command(**options)

    signature = inspect.signature(command)
    last = inspect.Parameter("verbose", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Verbose)
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in signature.parameters.values()]
    with_steps.__signature__ = signature.replace(parameters=[*parameters, last])  # type: ignore[attr-defined]
    with_steps.__annotations__ = {**command.__annotations__, "verbose": Verbose}
    app.command(name)(with_steps)


def show(what: object) -> None:
    """Print tables or a line on standard output; a terminal narrower than a table wraps it, no figure is cut."""
    from rich.console import Console

    clear()
    console = Console(highlight=False)
    console.width = max(console.width, COLUMNS)
    console.print(what, soft_wrap=isinstance(what, str), markup=False)


def show_results(folder: Path, files: Iterable[str]) -> None:
    """Where the results are, and what they are called."""
    show(f"\nresults in {folder}:\n  {', '.join(sorted(files))}")


def write(text: str) -> None:
    """Write text as it is, for scripts."""
    clear()
    sys.stdout.write(text)
