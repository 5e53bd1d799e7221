"""What a notebook asks about files: which ship, what one says, whether one is good, what its schema is."""

import inspect
import itertools
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mensa_sim.api.asks import asks
from mensa_sim.errors import UsageError
from mensa_sim.hardware.files import accelerator_files, system_files
from mensa_sim.io.at_hand import Given, file_of
from mensa_sim.io.atomic import refuse_unwritable, write_all_atomically
from mensa_sim.io.files import json_schema, read_text
from mensa_sim.io.json_text import json_text
from mensa_sim.io.shipped import FOLDERS, find, is_file, shipped_files, shipped_root, to_copy
from mensa_sim.lookup import lookup
from mensa_sim.schedule.policies.registry import SCHEDULERS
from mensa_sim.schedule.policies.simple import single
from mensa_sim.study.check.check import RECORDS, check_files
from mensa_sim.study.convert.convert import convert as convert_files
from mensa_sim.study.convert.foreign import Conversion
from mensa_sim.study.convert.request import ConvertRequest
from mensa_sim.workload.load import workload_files
from mensa_sim.workload.model_kinds import MODEL_KINDS


def list_kind(kind: str) -> list[dict[str, str]]:
    """Name, path and a word about everything of a kind that ships; schedulers have no path.

    Kinds: workloads, scenarios, systems, accelerators, technologies, spaces, models (the 24 that stand for the
    paper's), schedulers. An accelerator is also a system of its name.

    >>> import mensa_sim as ms
    >>> ms.list_kind("models")[0]["name"]
    'mobilenet_v1'
    """
    if kind == "schedulers":
        return _schedulers()
    lookup({**FOLDERS, "models": "", "schedulers": ""}, kind, "kind")
    files = dict(shipped_files("workloads" if kind == "models" else kind))
    if kind == "systems":
        files = {**shipped_files("accelerators"), **files}
    if kind == "models":
        return [_entry(name, files[name], kind=of) for of, names in MODEL_KINDS.items() for name in names]
    return [_entry(name, files[name]) for name in sorted(files)]


def _schedulers() -> list[dict[str, str]]:
    table = {"single:NAME": single, **SCHEDULERS}
    return [{"name": name, "about": _sentence(inspect.getdoc(function) or "")} for name, function in table.items()]


def _entry(name: str, path: Path, **more: str) -> dict[str, str]:
    """Where a shipped file lies, and the first sentence of the comment on top of it."""
    top = itertools.takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    about = _sentence(" ".join(line.lstrip("# ") for line in top))
    entry = {"name": name, **more, "path": path.relative_to(shipped_root()).as_posix()}
    return {**entry, "about": about} if about else entry


def _sentence(text: str) -> str:
    """The first sentence of a text, without its end.

    >>> _sentence("A tiny network. For tests.")
    'A tiny network'
    """
    return re.split(r"(?<!et al)(?<!no)\.(?:\s|$)|;|: (?=[a-z])", " ".join(text.split()), maxsplit=1)[0]


def show(kind: str, name: str, with_parts: str | Path | None = None) -> str:
    """The text of a shipped file, comments included, to copy and change; an accelerator stands for its own system.

    It names other shipped files by bare names, so that it says the same wherever it lies. `with_parts` names a folder
    into which the file is written with all that it names, each to be changed.
    """
    lookup(FOLDERS, kind, "kind of file")
    alone = kind == "systems" and name not in shipped_files(kind) and name in shipped_files("accelerators")
    path = find("accelerators" if alone else kind, name)
    text = to_copy(read_text(path))
    if with_parts is not None:
        if not path.is_relative_to(shipped_root()):
            raise UsageError(f"{name} is a file of your own; what is copied with its parts is a shipped one")
        _copy(Path(with_parts), _with_parts(kind, name, path))
    return text


def _with_parts(kind: str, name: str, path: Path) -> tuple[Path, ...]:
    """A shipped file and all shipped files that it names."""
    if kind == "accelerators":
        return accelerator_files(path)
    if kind == "systems":
        return (path, *(file for file in system_files(name) if file != path))
    return workload_files(name) if kind == "workloads" else (path,)


def _copy(folder: Path, files: Iterable[Path]) -> None:
    """Files written below a folder as they lie below the shipped root; `UsageError` where other ones lie there."""
    contents = {folder / path.relative_to(shipped_root()): path.read_bytes() for path in files}
    others = [path for path, content in contents.items() if is_file(path) and path.read_bytes() != content]
    if others:
        raise UsageError(f"{others[0]} is there already, and is another; choose another folder")
    write_all_atomically(contents)


def check(files: Iterable[Given], *, allow_code: bool = False) -> list[str]:
    """Every fault of YAML files of any kind, or of what dicts say in place of some; empty where all are good.

    With `allow_code` the layers of workloads are checked too, for which the code that they name is run.
    """
    return check_files([Path(str(file_of(file))) for file in files], allow_code=allow_code)


@asks(ConvertRequest)
def convert(request: ConvertRequest) -> Conversion:
    """Files of ours from those of ZigZag, Timeloop or SCALE-Sim, written into a folder.

    Says which fields have no equivalent here, and what was chosen where a file does not state it. Raises `FileError`
    with file and field for what cannot be converted, and `UsageError` where another file stands in the way.
    """
    folder = None if request.output is None else Path(request.output)
    if folder is not None:
        refuse_unwritable(folder)
    made = convert_files([Path(file) for file in request.files])
    made = made if folder is None else replace(made, folder=folder)
    contents = {made.folder / name: text for name, text in made.files.items()}
    others = [path for path, text in contents.items() if is_file(path) and path.read_bytes() != text.encode()]
    if others and not request.force:
        raise UsageError(f"{others[0]} is there already; choose another --output, or replace it with --force")
    write_all_atomically(contents)
    return made


def schema(kind: str) -> str:
    """The JSON Schema of a kind of file as JSON text: workload, scenario, system, accelerator, technology, ..."""
    return json_text(json_schema(lookup(RECORDS, kind, "kind of file")))
