"""What a request names or holds: a name or a path is loaded, an object that is at hand is taken as it is."""

from collections.abc import Sequence
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.hardware.files import load_system, system_files
from mensa_sim.hardware.system import System
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload, refuse_unsupported, workload_files


def check_seed(seed: int) -> None:
    """`UsageError` for a seed that is no whole number of at least 0."""
    if not isinstance(seed, int) or seed < 0:
        raise UsageError(f"the seed is {seed!r}, must be a whole number of at least 0")


def graph_given(workload: str | LayerGraph, *, allow_code: bool, strict: bool, cache: bool) -> LayerGraph:
    """The layer graph of a workload by name or path, or the graph itself."""
    if isinstance(workload, str):
        return load_workload(workload, allow_code=allow_code, strict=strict, cache=cache)
    if strict:
        refuse_unsupported(workload, workload.name)
    return workload


def system_given(system: str | System, overrides: Sequence[str] = ()) -> System:
    """The system by name or path, or the system itself, which overrides come too late for."""
    if isinstance(system, str):
        return load_system(system, overrides=overrides)
    if overrides:
        raise UsageError(f"{system.name} is loaded already: give the overrides to load_system")
    return system


def workload_files_given(workload: str | LayerGraph) -> tuple[Path, ...]:
    """The files behind a workload that was given by name or path; a graph at hand has none."""
    return workload_files(workload) if isinstance(workload, str) else ()


def system_files_given(*systems: str | System) -> tuple[Path, ...]:
    """The files behind the systems that were given by name or path."""
    return tuple(file for system in systems if isinstance(system, str) for file in system_files(system))
