"""What evaluations need, read and traced once; what tells one study from another; the files behind it."""

from collections.abc import Sequence
from pathlib import Path

from mensa_sim.errors import MensaError, UsageError
from mensa_sim.hardware.files import load_system, system_files
from mensa_sim.hardware.overrides import shared_overrides
from mensa_sim.io.shipped import find
from mensa_sim.io.store import digest_of
from mensa_sim.simulate.scenario.files import trace_files
from mensa_sim.study.explore.evaluate import Setup
from mensa_sim.study.run.provenance import versions
from mensa_sim.study.space.check import CheckedSpace
from mensa_sim.study.space.design import Base, assignments_of, read_base
from mensa_sim.study.space.space import Space
from mensa_sim.workload.graph_json import graph_to_data
from mensa_sim.workload.load import load_generation, load_workload, workload_files


def setup_of(checked: CheckedSpace, overrides: Sequence[str], *, allow_code: bool, cache: bool) -> Setup:
    """The setup of a space's evaluations; `UsageError` for a workload, a stream's among them, or a reference."""
    space = checked.space
    names = [space.nearest(name) for name in space.file.workloads]
    of_streams = _stream_workloads(checked)
    generations = {name: load_generation(name, allow_code=allow_code) for name in dict.fromkeys((*names, *of_streams))}
    data = {
        name: graph_to_data(load_workload(name, allow_code=allow_code, cache=cache))
        for name in dict.fromkeys((*names, *of_streams))
    }
    return Setup(
        space=space,
        base=checked.base,
        references=_references(checked, overrides),
        graphs=tuple(data[name] for name in names),
        scenarios=checked.scenarios,
        stream_graphs={name: data[name] for name in of_streams},
        answers=tuple(generations[name] for name in names),
        conversations={name: found for name in of_streams if (found := generations[name]) is not None},
        cache=cache,
    )


def _stream_workloads(checked: CheckedSpace) -> list[str]:
    """The workloads of all scenarios as their streams name them, each once."""
    streams = (stream for scenario in checked.scenarios for stream in scenario.streams)
    return list(dict.fromkeys(stream.workload for stream in streams))


def _references(checked: CheckedSpace, overrides: Sequence[str]) -> tuple[Base, ...]:
    """The systems beside the front, scheduled as their own files say, else as the space does.

    What `--set` changes of a technology that they share with the space's system changes for them too.
    """
    space, flow = checked.space, checked.base.flow
    try:
        return tuple(_reference_base(space, space.nearest(name), flow, overrides) for name in space.file.references)
    except MensaError as error:
        raise UsageError(f"{space.path}: references: {error}") from error


def _reference_base(space: Space, name: str, flow: str, overrides: Sequence[str]) -> Base:
    reference = load_system(name)
    shared = shared_overrides(overrides, load_system(space.nearest(space.file.system)), reference)
    fixed = assignments_of(shared)
    if reference.scheduling is not None:
        return read_base(name, unsaid_flow=flow, fixed=fixed)
    own = space.file
    return read_base(name, scheduler=own.scheduler, objective=own.objective, unsaid_flow=flow, fixed=fixed)


def identity_of(setup: Setup, overrides: Sequence[str]) -> dict[str, str]:
    """What a study's designs depend on, our code and libraries among it, so that it is never continued as another."""
    file = setup.space.file
    parts: dict[str, object] = {
        "space": (file.name, setup.space.parameters, file.conditions, file.objectives, file.over, file.sampler),
        "timings": file.timings,
        "system": (setup.base.identity(), [base.identity() for base in setup.references]),
        "workloads": (file.workloads, setup.graphs),
        "scenarios": (file.scenarios, setup.scenarios, setup.stream_graphs),
        "overrides": tuple(overrides),
    }
    digests = {name: digest_of(value) for name, value in parts.items()}
    return {"mensa-sim": digest_of(versions(), stage="study"), **digests}


def files_of(checked: CheckedSpace) -> list[Path]:
    """The files that decide the outcome; accelerators that only a value names are in the space's own text."""
    space = checked.space
    systems = dict.fromkeys((space.file.system, *space.file.references))
    scenarios = [find("scenarios", space.nearest(name)) for name in space.file.scenarios]
    workloads = dict.fromkeys((*map(space.nearest, space.file.workloads), *_stream_workloads(checked)))
    return [
        space.path,
        *(file for name in workloads for file in workload_files(name)),
        *(file for path in scenarios for file in (path, *trace_files(path))),
        *(file for name in systems for file in system_files(space.nearest(name))),
    ]
