"""The commands about files: `list`, `show`, `check`, `schema` and `convert`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mensa_sim.cli.options import AsJson, Quiet, one_of
from mensa_sim.cli.printing import show, show_results, write
from mensa_sim.errors import UsageError
from mensa_sim.io.json_text import json_text
from mensa_sim.io.shipped import FOLDERS
from mensa_sim.study.convert.request import ConvertRequest

LISTED = (*FOLDERS, "models", "schedulers")
SCHEMAS = ("workload", "scenario", "system", "accelerator", "technology", "space", "fit")


def list_kind(
    kind: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(LISTED)}; all without it.", autocompletion=one_of(*LISTED))
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what ships: names, and on a terminal what they are."""
    from mensa_sim.api import files as api

    if as_json:
        found = {each: api.list_kind(each) for each in ((kind,) if kind else LISTED)}
        write(json_text(found[kind] if kind else found))
    elif kind is None:
        for each in LISTED:
            names = [entry["name"] for entry in api.list_kind(each)]
            _show_kind(each, names)
    elif sys.stdout.isatty():
        show(_table(kind, api.list_kind(kind)))
    else:
        for entry in api.list_kind(kind):
            write(f"{entry['name']}\n")


def _show_kind(kind: str, names: list[str]) -> None:
    from rich.padding import Padding

    show(f"{kind}:")
    show(Padding(", ".join(names), (0, 0, 0, 2)))


def _table(kind: str, entries: list[dict[str, str]]) -> object:
    from mensa_sim.report.page.sheet import Sheet, texts

    return Sheet(texts(kind, "what"), [(entry["name"], entry.get("about", "")) for entry in entries])


def show_file(
    kind: Annotated[
        str, typer.Argument(help="workloads, systems, accelerators, technologies, ...", autocompletion=one_of(*FOLDERS))
    ],
    name: Annotated[str, typer.Argument(help="The bare name.")],
    with_parts: Annotated[
        Path | None, typer.Option(help="Write it into this folder, with copies of all that it names.")
    ] = None,
) -> None:
    """Print a shipped file, to copy and change; it says the same wherever it lies."""
    from mensa_sim.api import files as api

    text = api.show(kind, name, with_parts)
    if with_parts is None:
        write(text)
    else:
        show(f"{name} and what it names are in {with_parts}")


def check(
    files: Annotated[list[Path], typer.Argument(help="YAML files of any kind.")],
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Check the layers of workloads too: run the code that they name.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Validate YAML files; every fault of every file is listed."""
    from mensa_sim.api import files as api

    faults = {str(file): api.check([file], allow_code=allow_code) for file in files}
    if as_json:
        write(json_text([{"file": file, "faults": found} for file, found in faults.items()]))
    elif not quiet:
        for file, found in faults.items():
            if not found:
                show(f"{file}: ok")
    if any(faults.values()):
        raise UsageError("\n".join(fault for found in faults.values() for fault in found))


def schema(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(SCHEMAS)}.", autocompletion=one_of(*SCHEMAS))],
) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    from mensa_sim.api import files as api

    write(api.schema(kind))


def convert(request: ConvertRequest, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Turn accelerators and workloads of ZigZag, Timeloop or SCALE-Sim into files of ours."""
    from mensa_sim.api import files as api

    made = api.convert.of(request)
    told = {"chosen": list(made.chosen), "left_out": list(made.left_out)}
    if as_json:
        write(json_text({"folder": made.folder.as_posix(), "files": sorted(made.files), **told}))
    elif not quiet:
        titles = {"chosen": "chosen, as the files do not say it", "left_out": "no equivalent here"}
        for key, lines in told.items():
            show("\n  ".join((f"{titles[key]}:", *(lines or ["nothing"]))))
        show_results(made.folder, made.files)
