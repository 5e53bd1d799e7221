"""A configuration of SCALE-Sim, a systolic array with three SRAMs, as an accelerator file."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from mensa_sim.io.files import Raw
from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import (
    CLOCK_HZ,
    MEMORY_KIND,
    TECHNOLOGY,
    ForeignFile,
    accelerator_files,
    in_newer_words,
    text_number,
)
from mensa_sim.units import BITS_PER_BYTE, KIB
from mensa_sim.workload.dims import Operand

WORD_BYTES = 1
"""Of an element; the tool counts words."""
SUM_BYTES = 4
"""Of a partial sum in the array: a choice, 32 bits."""
MAX_NUMBER = 10**9

Flow = Literal["os", "ws", "is"]
STATIONARY: Mapping[Flow, Operand] = {"os": "output", "ws": "weight", "is": "input"}
_AXES: Mapping[Flow, tuple[str, str]] = {
    "os": ("OX*OY", "K"),
    "ws": ("C*FX*FY", "K"),
    "is": ("C*FX*FY", "OX*OY"),
}
"""What rows and columns of the array unroll (Samajdar et al., ISPASS 2020)."""
SRAMS: Mapping[str, Operand] = {"ifmapsramszkb": "input", "filtersramszkb": "weight", "ofmapsramszkb": "output"}
_SPELLED: Mapping[str, str] = {
    "arrayheight": "ArrayHeight",
    "arraywidth": "ArrayWidth",
    "ifmapsramszkb": "IfmapSramSzkB",
    "filtersramszkb": "FilterSramSzkB",
    "ofmapsramszkb": "OfmapSramSzkB",
    "bandwidth": "Bandwidth",
    "dataflow": "Dataflow",
}
"""The keys that have an equivalent, as people write them."""
_OLDER: Mapping[str, str] = {key.removesuffix("kb"): key for key in SRAMS}
"""Keys of version 1, which are in kB too."""
PRESETS, _RUN = "architecture_presets", "run_presets"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystolicArray:
    """What a configuration says."""

    rows: int
    columns: int
    flow: Flow
    kib: Mapping[Operand, int]
    bytes_per_cycle: int

    @property
    def fill_cycles(self) -> int:
        """R + C - 2 for each fold, and R to load the one that stays where it enters first."""
        return self.rows + self.columns - 2 + (0 if self.flow == "os" else self.rows)


def convert_configuration(file: ForeignFile) -> dict[str, str]:
    """Files of ours by name."""
    array, name = _array(file), file.path.stem
    notes = file.notes
    notes.choose(f"clock_hz: {CLOCK_HZ}, as the tool counts cycles")
    notes.choose(f"technology: {TECHNOLOGY}, as the tool's file prices nothing; memory: {MEMORY_KIND}")
    notes.choose(f"an element has {WORD_BYTES} byte, a partial sum in the array {SUM_BYTES}")
    notes.choose("SRAM ports keep up with the array, as the tool assumes")
    stationary = STATIONARY[array.flow]
    stays: dict[str, Any] = {"weight": "multicasts_along", "input": "multicasts_along"}
    registers = [
        {"name": f"{operand}_register", "serves": [operand], "capacity_bytes": WORD_BYTES, "per": [0, 1], key: [0, 1]}
        for operand, key in stays.items()
        if operand == stationary
    ]
    sums = {"name": "sums", "serves": ["output"], "capacity_bytes": SUM_BYTES, "per": [0, 1], "reduces_along": [0, 1]}
    data: Raw = {
        "name": name,
        "clock_hz": CLOCK_HZ,
        "dataflow": {
            "axes": [
                {"size": size, "dims": [dim]}
                for size, dim in zip((array.rows, array.columns), _AXES[array.flow], strict=True)
            ],
            "stationary": stationary,
            "pipeline_cycles": array.fill_cycles,
            "pipeline_cycles_per": "pass",
        },
        "accumulator_bits": SUM_BYTES * BITS_PER_BYTE,
        "levels": [*registers, sums, *_srams(array)],
        "default_memory": {
            "kind": MEMORY_KIND,
            "bandwidth_bytes_per_s": array.bytes_per_cycle * CLOCK_HZ,
            "efficiency": 1.0,
        },
        "source": f"SCALE-Sim, {file.path.name}; converted",
    }
    return accelerator_files(file, data, None, f"Converted from {file.path.name}, a configuration of SCALE-Sim.")


def _srams(array: SystolicArray) -> list[dict[str, Any]]:
    """One for each operand; a cycle's traffic is at most what enters or leaves along both sides."""
    bits = (array.rows + array.columns) * SUM_BYTES * BITS_PER_BYTE
    ports = {"read_bits": bits, "write_bits": bits, "min_bits": WORD_BYTES * BITS_PER_BYTE}
    return [
        {"name": f"{operand}_sram", "serves": [operand], "capacity_bytes": kib * KIB, **ports}
        for operand, kib in array.kib.items()
    ]


def _array(file: ForeignFile) -> SystolicArray:
    presets = in_newer_words(file.data[PRESETS], _OLDER)
    file = replace(file, data={**file.data, PRESETS: presets})
    for section, values in file.data.items():
        for key in values:
            known = (section == PRESETS and key in _SPELLED) or (section, key) == (_RUN, "interfacebandwidth")
            if not known and (section, key) != ("general", "run_name"):
                file.notes.leave((section, key))
    rows, columns = _whole(file, "arrayheight"), _whole(file, "arraywidth")
    text = presets.get("dataflow", "").strip().lower()
    flow = next((each for each in _AXES if each == text), None)
    if flow is None:
        raise file.fault((PRESETS, "Dataflow"), f"{text[:40]!r} is none of {', '.join(_AXES)}")
    computed = file.data.get(_RUN, {}).get("interfacebandwidth", "CALC").strip().upper() == "CALC"
    if computed:
        file.notes.choose("bandwidth: what the array can ask for in a cycle, as InterfaceBandwidth is CALC")
    return SystolicArray(
        rows=rows,
        columns=columns,
        flow=flow,
        kib={operand: _whole(file, key) for key, operand in SRAMS.items()},
        bytes_per_cycle=(rows + columns) * SUM_BYTES if computed else _bandwidth(file),
    )


def _whole(file: ForeignFile, key: str) -> int:
    if key not in file.data[PRESETS]:
        raise file.fault((PRESETS, _SPELLED[key]), "is required")
    text = file.data[PRESETS][key].strip()
    number = text_number(text)
    if number is None or not 1 <= number <= MAX_NUMBER or number != int(number):
        raise file.fault((PRESETS, _SPELLED[key]), f"{text[:40]!r} is not a whole number from 1")
    return int(number)


def _bandwidth(file: ForeignFile) -> int:
    """Words in a cycle of one memory for all three SRAMs, each of which has the first number's for itself there."""
    first, *others = (text.strip() for text in file.data[PRESETS].get("bandwidth", "").split(","))
    number = text_number(first)
    if number is None or not 1 <= number <= MAX_NUMBER or number != int(number):
        raise file.fault((PRESETS, _SPELLED["bandwidth"]), f"{first[:40]!r} is not a whole number of words a cycle")
    if others:
        file.notes.leave((PRESETS, "bandwidth", "after the first"))
    words = int(number) * len(SRAMS)
    file.notes.choose(f"bandwidth: one memory with {words} words a cycle, as each of the three SRAMs has {first} there")
    return words * WORD_BYTES
