"""What a notebook asks about files: which ship, what one says, whether one is good, what its schema is."""

import json
from collections.abc import Iterable
from pathlib import Path

from mensa_sim.files import json_schema
from mensa_sim.registry import lookup
from mensa_sim.schedule.registry import SCHEDULERS
from mensa_sim.shipped import FOLDERS, find, shipped_files, shipped_root
from mensa_sim.study.check import RECORDS, check_files


def list_kind(kind: str) -> list[dict[str, str]]:
    """Name and path of everything of a kind that ships; schedulers have no path.

    Kinds: workloads, scenarios, systems, accelerators, schedulers, technologies, spaces. An accelerator is also a
    system of its name.
    """
    if kind == "schedulers":
        return [{"name": name} for name in ("single:NAME", *SCHEDULERS)]
    lookup({**FOLDERS, "schedulers": ""}, kind, "kind")
    files = dict(shipped_files(kind))
    if kind == "systems":
        files = {**shipped_files("accelerators"), **files}
    root = shipped_root()
    return [{"name": name, "path": files[name].relative_to(root).as_posix()} for name in sorted(files)]


def show(kind: str, name: str) -> str:
    """The text of a shipped file, comments included; an accelerator stands for the system of its name."""
    lookup(FOLDERS, kind, "kind of file")
    alone = kind == "systems" and name not in shipped_files(kind) and name in shipped_files("accelerators")
    return find("accelerators" if alone else kind, name).read_text()


def check(files: Iterable[str | Path]) -> list[str]:
    """Every fault of YAML files of any kind; empty where all are good."""
    return check_files([Path(file) for file in files])


def schema(kind: str) -> str:
    """The JSON Schema of a kind of file as JSON text: workload, scenario, system, accelerator, technology, ..."""
    return json.dumps(json_schema(lookup(RECORDS, kind, "kind of file")), indent=2) + "\n"
