"""Reading accelerators, technologies and systems from YAML: every fault of a file in one error."""

import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from mensa_sim.errors import FileError, UsageError
from mensa_sim.hardware.accelerator import Accelerator, DatasheetDevice, MeasuredDevice
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.array.short_form import KEYS as SHORT_FORM
from mensa_sim.hardware.array.short_form import in_levels, with_levels
from mensa_sim.hardware.fields import override_structure, override_technologies, parts_of, set_field
from mensa_sim.hardware.memory import SRAM, Memory, MemoryEntry, MemoryPort
from mensa_sim.hardware.static_energy import under_limit
from mensa_sim.hardware.system import PlacedAccelerator, Setting, System, SystemFile
from mensa_sim.hardware.technology.node_scaling import at_own_node
from mensa_sim.hardware.technology.sram import on_chip_memory, reach_faults
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.io.at_hand import Given, file_of
from mensa_sim.io.files import Raw, keys_of, read_mapping, read_record, read_text, validate
from mensa_sim.io.shipped import beside, find, is_file, shipped_files
from mensa_sim.lookup import lookup, unknown_name
from mensa_sim.workload.own_mapping import placed as with_places

FILE_KINDS: Mapping[str, type[Any]] = {
    "accelerator": PeArray,
    "measured_device": MeasuredDevice,
    "datasheet_device": DatasheetDevice,
    "technology": Technology,
    "system": SystemFile,
}
"""The record that is the schema of each kind of file of this stage."""

ACCELERATOR_KINDS = ("accelerator", "measured_device", "datasheet_device")

_MARKS: Mapping[str, str] = {
    "timings": "measured_device",
    "reached": "datasheet_device",
    "clock_hz": "accelerator",
    "sram_cell": "technology",
    "memories": "system",
}
"""Kinds of files by a key that only they have, but for that of all accelerators, which comes behind the devices'."""


def kind_of(keys: Container[str]) -> str | None:
    """The kind of hardware file that has these keys at its top level; none if it is no such file."""
    return next((kind for key, kind in _MARKS.items() if key in keys), None)


def validated_accelerator(data: Raw, label: str) -> Accelerator:
    """The accelerator that plain data describes: a device if it says timings or what it reaches, else a PE array."""
    return _knowing_places(validate(data, _record_of(data), label), label)


def _knowing_places(spec: Accelerator, label: str) -> Accelerator:
    """The accelerator whose own mappings know where they stand."""
    if not isinstance(spec, PeArray) or not spec.mappings:
        return spec
    return dataclasses.replace(spec, mappings=with_places(spec.mappings, label))


def read_accelerator(path: Path) -> Accelerator:
    """The accelerator of a file, its paths as the file has them."""
    keys = keys_of(path)
    if _record_of(keys) is PeArray and keys.intersection(SHORT_FORM):
        return validated_accelerator(accelerator_data(path), str(path))
    return read_record(path, _record_of(keys))


def _record_of(keys: Container[str]) -> type[Accelerator]:
    """The record of an accelerator's file; a file that says nothing of its kind is taken for an array's."""
    kind = kind_of(keys)
    record: type[Accelerator] = FILE_KINDS[kind] if kind in ACCELERATOR_KINDS else PeArray
    return record


def accelerator_data(path: Path) -> Raw:
    """What an accelerator's file says, its memory as levels."""
    return with_levels(read_mapping(path), str(path))


def load_technology(name_or_path: str | Path) -> Technology:
    """A technology, every constant at its own node."""
    path = find("technologies", str(name_or_path))
    return _technology(str(path), read_text(path))


def load_accelerator(name_or_path: str | Path) -> Accelerator:
    """An accelerator, the paths it names relative to the working directory; what they hold is checked too."""
    path = find("accelerators", str(name_or_path))
    spec = _resolved(read_accelerator(path), path)
    kinds = load_technology(spec.technology).memories
    if spec.default_memory is not None and spec.default_memory.kind not in kinds:
        fault = unknown_memory_kind(spec.default_memory.kind, kinds)
        raise FileError(str(path), [f"default_memory.kind: {fault}"])
    return spec


def load_system(name_or_path: Given, overrides: Sequence[str] = ()) -> System:
    """A system with all that its files name; an accelerator's name or path means it alone on its default memory.

    A dict says what a file would, of a system or of an accelerator, and may hold others in place of the files it names.
    `overrides` are `FIELD=VALUE` texts, applied before anything is checked: fields of the system,
    `accelerators.NAME.FIELD`, `accelerators.NAME.technology.FIELD`, and `technology.FIELD` for all technologies.
    """
    path, raw, file = _system_mapping(name_or_path)
    accelerators = _accelerator_mappings(path, file)
    label = str(path)
    if overrides:
        label = f"{path} with --set"
        override_structure(raw, {name: data for name, (_, data) in accelerators.items()}, overrides)
        file = validate(raw, SystemFile, label)
    specs = {
        name: _resolved(validated_accelerator(data, _label(where, overrides)), where)
        for name, (where, data) in accelerators.items()
    }
    technologies = _technologies(specs, overrides)
    placed = tuple(
        PlacedAccelerator(spec=specs[name], technology=technologies[name], memory=entry.memory)
        for name, entry in zip(specs, file.accelerators, strict=True)
    )
    return assembled_system(file, placed, label)


def system_data(name_or_path: Given) -> tuple[Path, Raw, dict[str, tuple[Path, Raw]]]:
    """Where a system's file lies, what it says, and by name where each accelerator's file lies and what that says."""
    path, raw, file = _system_mapping(name_or_path)
    return path, raw, _accelerator_mappings(path, file)


def system_files(name_or_path: Given) -> tuple[Path, ...]:
    """Every file that a system is made from: its own, its accelerators', and the technologies and timings of those."""
    path, _, file = _system_mapping(name_or_path)
    specs = [where for where, _ in _accelerator_mappings(path, file).values()]
    return tuple(dict.fromkeys((path, *specs, *(each for where in specs for each in accelerator_files(where)))))


def accelerator_files(path: Path) -> tuple[Path, ...]:
    """The file of an accelerator, then its technology and timings."""
    return (path, *files_named(path, _named_files(read_accelerator(path))).values())


def _label(path: Path, changes: Sequence[str] | Mapping[str, Setting]) -> str:
    return f"{path} with its changes" if changes else str(path)


def _system_mapping(given: Given) -> tuple[Path, Raw, SystemFile]:
    """Where the system's file lies and what it says; an accelerator's own system is made on the spot."""
    name_or_path = str(file_of(given))
    accelerators, systems = shipped_files("accelerators"), shipped_files("systems")
    bare = Path(name_or_path).name == name_or_path and not Path(name_or_path).suffix
    if bare and name_or_path not in systems:
        path = lookup({**systems, **accelerators}, name_or_path, "system")
    else:
        path = find("systems", name_or_path)
    raw = read_mapping(path)
    if kind_of(raw) in ACCELERATOR_KINDS:
        raw = _own_system(path)
        return path, raw, validate(raw, SystemFile, path)
    return path, raw, read_record(path, SystemFile)


def _own_system(path: Path) -> Raw:
    """The system of an accelerator's name: it alone, on its default memory."""
    spec = read_accelerator(path)
    if spec.default_memory is None:
        raise FileError(str(path), ["default_memory: is required to use the accelerator as a system of its own"])
    memory = spec.default_memory.kind
    return {
        "name": spec.name,
        "memories": {memory: read_mapping(path)["default_memory"]},
        "accelerators": [{"spec": path.name, "memory": memory}],
        "source": spec.source,
    }


def _accelerator_mappings(path: Path, file: SystemFile) -> dict[str, tuple[Path, Raw]]:
    """Each accelerator's path and plain data by name, with the changes that the system's file makes."""
    found: dict[str, tuple[Path, Raw]] = {}
    faults: list[str] = []
    for index, entry in enumerate(file.accelerators):
        where = beside(path, entry.spec, "accelerators")
        if not is_file(where):
            faults.append(f"accelerators[{index}].spec: no such file: {where}")
            continue
        name, data = read_accelerator(where).name, accelerator_data(where)
        for dotted, value in entry.set.items():
            shown = f"{path}: accelerators[{index}].set"
            set_field(data, in_levels(parts_of(dotted, shown)), value, shown)
        if entry.set:
            name = validated_accelerator(data, _label(where, entry.set)).name
        if name in found:
            faults.append(f"accelerators[{index}]: a second {name}; give it another name: set: {{name: ...}}")
        found[name] = (where, data)
    if faults:
        raise FileError(str(path), faults)
    return found


NAMED_FILES: Mapping[str, str] = {"technology": "technologies", "timings": "measured"}
"""The keys of an accelerator's file that name another file, and the kind of that."""


def files_named(path: Path, named: Mapping[str, str]) -> dict[str, Path]:
    """The files that an accelerator's file names, by key."""
    return {key: beside(path, name, NAMED_FILES[key]) for key, name in named.items()}


def _named_files(spec: Accelerator) -> dict[str, str]:
    """What an accelerator's file calls the files that it names, by key."""
    timings = {"timings": spec.timings} if isinstance(spec, MeasuredDevice) else {}
    return {"technology": spec.technology, **timings}


def _resolved(spec: Accelerator, path: Path) -> Accelerator:
    """The accelerator with the paths it names made relative to the working directory, or absolute."""
    found = files_named(path, _named_files(spec))
    missing = [f"{name}: no such file: {target}" for name, target in found.items() if not is_file(target)]
    if missing:
        raise FileError(str(path), missing)
    changes: dict[str, Any] = {name: str(target) for name, target in found.items()}
    return _knowing_places(dataclasses.replace(spec, **changes), str(path))


def _technologies(specs: Mapping[str, Accelerator], overrides: Sequence[str]) -> dict[str, Technology]:
    """The technology of each accelerator by its name; a file that several name is read once."""
    if not overrides:
        paths = dict.fromkeys(spec.technology for spec in specs.values())
        read = {path: _technology(path, read_text(Path(path))) for path in paths}
        return {name: read[spec.technology] for name, spec in specs.items()}
    mappings = {name: read_mapping(Path(spec.technology)) for name, spec in specs.items()}
    override_technologies(mappings, overrides)
    labels = {name: _label(Path(spec.technology), overrides) for name, spec in specs.items()}
    return {
        name: technology_at_own_node(validate(data, Technology, labels[name]), labels[name])
        for name, data in mappings.items()
    }


@lru_cache(maxsize=16)
def _technology(path: str, text: str) -> Technology:
    """The technology of a file while it holds this text: most systems share one."""
    return technology_at_own_node(read_record(Path(path), Technology), path)


def technology_at_own_node(technology: Technology, label: str) -> Technology:
    try:
        return at_own_node(technology)
    except UsageError as error:
        raise FileError(label, [str(error)]) from error


def assembled_system(file: SystemFile, accelerators: tuple[PlacedAccelerator, ...], label: str) -> System:
    """The system, its memories priced by the technology of the first accelerator that hangs on each."""
    faults: list[str] = []
    memories: dict[str, Memory] = {}
    for name, (entry, port_of) in ways_in(file).items():
        holders = [placed for placed in accelerators if placed.memory == name] or list(accelerators)
        if entry.kind == SRAM and isinstance(entry, MemoryEntry):
            if accelerators:
                memories[name] = on_chip_memory(entry, accelerators)
            continue
        kinds = holders[0].technology.memories if holders else {}
        if entry.kind not in kinds:
            faults.append(f"memories.{name}.kind: {unknown_memory_kind(entry.kind, kinds)}")
            continue
        energy = kinds[entry.kind]
        memories[name] = Memory(
            kind=entry.kind,
            bandwidth_bytes_per_s=entry.bandwidth_bytes_per_s,
            efficiency=entry.efficiency,
            read_pj_per_bit=energy.read_pj_per_bit.value,
            write_pj_per_bit=energy.write_pj_per_bit.value,
            background_mw=energy.background_mw.value * entry.channels,
            word_bits=entry.word_bits,
            capacity_bytes=entry.capacity_bytes if isinstance(entry, MemoryEntry) else None,
            port_of=port_of,
            takes_turns=file.memories[port_of or name].exclusive,
        )
        if entry.power_limit_mw is not None:
            try:
                memories[name] = under_limit(name, memories[name], entry.power_limit_mw, accelerators)
            except ValueError as error:
                faults.append(f"memories.{name}.power_limit_mw: {error}")
    faults += _reference_faults(file, [placed.name for placed in accelerators])
    if faults:
        raise FileError(label, faults)
    try:
        return System(
            name=file.name,
            memories=memories,
            accelerators=accelerators,
            links=file.links,
            families=dict(sorted(file.families.items())),
            host=file.host,
            scheduling=file.scheduling,
            source=file.source,
        )
    except ValueError as error:
        raise FileError(label, [str(error)]) from error


def unknown_memory_kind(kind: str, kinds: Iterable[str]) -> str:
    """What to say of a kind that a technology has no energies for."""
    return (
        f"{unknown_name(kind, kinds, 'memory kind')}; a new kind is an entry under `memories:` of the technology's "
        "file: read_pj_per_bit, write_pj_per_bit and background_mw, each with its source"
    )


def ways_in(file: SystemFile) -> dict[str, tuple[MemoryPort, str | None]]:
    """Every memory of a file by name, and every port as `MEMORY.PORT` with the memory that it is a port of."""
    found: dict[str, tuple[MemoryPort, str | None]] = {}
    for name, entry in file.memories.items():
        found[name] = entry, None
        found |= {f"{name}.{port}": (way, name) for port, way in entry.ports.items()}
    return found


def _reference_faults(file: SystemFile, names: Sequence[str]) -> list[str]:
    """What the file names and does not hold."""
    faults: list[str] = [] if names else ["accelerators: is empty"]
    known = ways_in(file)
    on_chip = {name: entry for name, entry in file.memories.items() if entry.kind == SRAM}
    for index, entry in enumerate(file.accelerators):
        if entry.memory not in known:
            faults.append(f"accelerators[{index}].memory: {unknown_name(entry.memory, known, 'memory')}")
        elif entry.memory in on_chip:
            faults.append(f"accelerators[{index}].memory: {entry.memory} is on the chip; name the DRAM behind it")
    faults += reach_faults(on_chip, names)
    joined: set[frozenset[str]] = set()
    for index, link in enumerate(file.links):
        ends = [*(name for name in file.memories if name not in on_chip), *names]
        faults += [
            f"links[{index}].between: {unknown_name(end, ends, 'memory or accelerator')}"
            for end in link.between
            if end not in ends
        ]
        if len({end in names for end in link.between}) > 1:
            faults.append(f"links[{index}].between: joins a memory and an accelerator, which hangs on one as it is")
        if frozenset(link.between) in joined:
            faults.append(f"links[{index}].between: a second link between {' and '.join(link.between)}")
        joined.add(frozenset(link.between))
    unknown = [(family, name) for family, name in file.families.items() if name not in names]
    return faults + [f"families.{family}: {unknown_name(name, names, 'accelerator')}" for family, name in unknown]
