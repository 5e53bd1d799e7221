"""Checking hardware files without running anything: what each names must be there and fit."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mensa_sim.errors import FileError
from mensa_sim.hardware.files import load_accelerator, load_system, load_technology
from mensa_sim.registry import unknown_name


def check_accelerator(path: Path) -> None:
    """Raises `FileError` with every fault of an accelerator's file, or of the technology it names."""
    spec = load_accelerator(path)
    technology = load_technology(spec.technology)
    memory = spec.default_memory
    if memory is not None and memory.kind not in technology.memories:
        error = unknown_name(memory.kind, technology.memories, "memory kind")
        raise FileError(str(path), [f"default_memory.kind: {error}"])


def check_technology(path: Path) -> None:
    """Raises `FileError` with every fault of a technology's file."""
    load_technology(path)


def check_system(path: Path) -> None:
    """Raises `FileError` with every fault of a system's file, or of the first file it names that has some."""
    load_system(path)


CHECKS: Mapping[str, Callable[[Path], None]] = {
    "accelerator": check_accelerator,
    "technology": check_technology,
    "system": check_system,
}
"""The check of each kind of file, by what `hardware.files.kind_of` answers."""
