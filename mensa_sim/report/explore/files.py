"""The files of an exploration: summary.json, designs.csv, and each design of the front as a system that runs."""

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.files import write_yaml
from mensa_sim.io.json_text import picked
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.study.explore.evaluate import scheduling_of
from mensa_sim.study.explore.result import DesignResult, ExploreResult, Reference
from mensa_sim.study.space.build import technology_data
from mensa_sim.study.space.design import Design


def explore_summary(result: ExploreResult) -> dict[str, object]:
    """An exploration as plain JSON values in a fixed order."""
    file = result.space.file
    return {
        **picked(file, "space=name", "system", "workloads"),
        **(picked(file, "scenarios") if file.scenarios else {}),
        **picked(file, "over", "sampler=sampler.name", "sampler.seed"),
        "points": result.space.size,
        "trials": result.trials,
        "failed": result.count("failed"),
        "excluded": result.count("excluded"),
        "repeats": result.count("repeat"),
        "objectives": [picked(each, "name", "direction") for each in result.objectives],
        "front": [_design(design, result) for design in result.front],
        "references": [
            {"system": each.name, "metrics": all_of(each), **picked(each, "dominated_by")} for each in result.references
        ],
        **picked(result, "reference_failures", "importance"),
        "failures": [picked(o, "design=number", "error=detail") for o in result.outcomes if o.state == "failed"],
        **provenance_summary(result),
    }


def all_of(each: DesignResult | Reference) -> dict[str, float]:
    """Every figure of a design, or of a system beside the designs."""
    return {**each.metrics, **each.objectives}


def _design(design: DesignResult, result: ExploreResult) -> dict[str, object]:
    return {
        **picked(design, "design=number", "parameters"),
        "metrics": all_of(design),
        "system": f"{design_folder(design)}/system.yaml",
        **_settings(_plain(design, result)),
    }


def _settings(plain: Design) -> dict[str, object]:
    """How a design is scheduled, as its file says it too."""
    options: dict[str, object] = {"scheduler_options": plain.options} if plain.options else {}
    return {"scheduler": plain.scheduler, "objective": plain.objective, "flow": plain.flow, **options}


def _scheduling(plain: Design) -> dict[str, object]:
    """The block of a system's file that makes `run` schedule it as the exploration did."""
    found = scheduling_of(plain, [str(entry.data["name"]) for entry in plain.entries.values()])
    options: dict[str, object] = {"options": dict(found.options)} if found.options else {}
    return {"scheduler": found.scheduler, "objective": found.objective, "flow": found.flow, **options}


def designs_csv(result: ExploreResult) -> str:
    """One row for every design that was chosen; what is not known is empty."""
    parameters = [parameter.name for parameter in result.space.parameters]
    objectives = [objective.name for objective in result.objectives]
    by_number = {design.number: design for design in result.designs}
    metrics = list(dict.fromkeys(name for design in result.designs for name in design.metrics))
    others = [name for name in metrics if name not in objectives]
    front = {design.number for design in result.front}
    rows: list[tuple[object, ...]] = []
    for outcome in result.outcomes:
        design = by_number.get(outcome.number)
        shown = result.space.shown(outcome.point)
        values = all_of(design) if design else {}
        rows.append(
            (
                outcome.number,
                outcome.state,
                "yes" if outcome.number in front else "",
                *(shown[name] for name in parameters),
                *(values.get(name) for name in (*objectives, *others)),
                outcome.detail,
            )
        )
    return csv_text(("design", "state", "front", *parameters, *objectives, *others, "detail"), rows)


def design_folder(design: DesignResult) -> str:
    """Where the files of a design of the front lie, below the results."""
    return f"front/design-{design.number}"


def front_files(result: ExploreResult) -> dict[str, str]:
    """For each design of the front, its system and accelerators, and the technology and timing files that they name.

    The files name one another by relative paths, so the folder can be moved and sent.
    """
    files: dict[str, str] = {}
    shared: dict[tuple[str, str], str] = {}
    for design in result.front:
        files |= dict(_system_files(design, result, shared))
    return files


def _plain(design: DesignResult, result: ExploreResult) -> Design:
    place = bisect_left(result.outcomes, design.number, key=lambda outcome: outcome.number)
    return result.base.design(result.space.assignments(result.outcomes[place].point))


def _system_files(
    design: DesignResult, result: ExploreResult, shared: dict[tuple[str, str], str]
) -> Iterator[tuple[str, str]]:
    """The files of one design by path; files that designs share are made once, `shared` says where they are."""
    plain = _plain(design, result)
    folder = design_folder(design)
    for name, entry in plain.entries.items():
        data: dict[str, Any] = dict(entry.data)
        if entry.technology not in shared:
            shared[entry.technology] = _unused("front/technology", Path(entry.technology[0]).stem, shared)
            yield shared[entry.technology], write_yaml(technology_data(result.base, entry.technology))
        data["technology"] = os.path.relpath(shared[entry.technology], folder)
        if data.get("timings"):
            key = (str(data["timings"]), "timings")
            if key not in shared:
                shared[key] = _unused("front/timings", Path(data["timings"]).stem, shared, Path(data["timings"]).suffix)
                yield shared[key], Path(data["timings"]).read_text(encoding="utf-8")
            data["timings"] = os.path.relpath(shared[key], folder)
        yield f"{folder}/{name}.yaml", write_yaml(data)
    system = {
        **plain.system,
        "name": f"design_{design.number}",
        "accelerators": [{"spec": f"{name}.yaml", "memory": e.memory} for name, e in plain.entries.items()],
        "scheduling": _scheduling(plain),
        "source": _source(design, result, plain),
    }
    yield f"{folder}/system.yaml", write_yaml(system)


def _unused(folder: str, stem: str, shared: Mapping[tuple[str, str], str], suffix: str = ".yaml") -> str:
    """A path that no other file has: two files of one name, or one with other changes, must not collide."""
    path, number = f"{folder}/{stem}{suffix}", 1
    while path in shared.values():
        number += 1
        path = f"{folder}/{stem}_{number}{suffix}"
    return path


def _source(design: DesignResult, result: ExploreResult, plain: Design) -> str:
    """Where a design comes from, for people."""
    changed = ", ".join(f"{name} {value}" for name, value in design.parameters.items())
    base = str(plain.system.get("source", "")).strip()
    options = "".join(f", {name} {value}" for name, value in plain.options.items())
    return (
        f"Design {design.number} of the space {result.space.file.name} from {plain.system.get('name')}: {changed}; "
        f"scheduler {plain.scheduler}{options}, objective {plain.objective}." + (f" {base}" if base else "")
    )
