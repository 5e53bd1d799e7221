"""Accelerators as ZigZag wrote them before version 3.5: ports by number, widths by direction, and `multipliers`."""

from typing import Any

from mensa_sim.io.faults import Location
from mensa_sim.study.convert.foreign import ForeignFile, in_newer_words

_ARRAY = {"multiplier_energy": "unit_energy", "multiplier_area": "unit_area"}
_PORTS = {"r_port": ("read", "r"), "w_port": ("write", "w"), "rw_port": ("read_write", "r")}
"""Type of each kind of port, and the letter of the widths that it has."""
MAX_PORTS = 64
_OLDER = ("r_bw", "w_bw", "min_r_granularity", "min_w_granularity", *_PORTS)


def renewed(file: ForeignFile) -> dict[str, Any]:
    """The same accelerator in the words of later versions; what is in these already stays."""
    data = in_newer_words(file.data, {"multipliers": "operational_array"})
    array, memories = data.get("operational_array"), data.get("memories")
    if isinstance(array, dict):
        data["operational_array"] = in_newer_words(array, _ARRAY)
    if isinstance(memories, dict):
        data["memories"] = {name: _memory(file, name, memory) for name, memory in memories.items()}
    return data


def _memory(file: ForeignFile, name: str, memory: Any) -> Any:
    if not isinstance(memory, dict) or "r_bw" not in memory:
        return memory
    both = _widths(memory, "r")
    ports: list[dict[str, Any]] = [
        {"name": f"{kind}_{index + 1}", "type": direction, **_widths(memory, letter)}
        for kind, (direction, letter) in _PORTS.items()
        for index in range(_count(file, ("memories", name, kind), memory.get(kind, 0)))
    ]
    if not ports:  # the tool's own tpu_like counts none, though its operands name one
        ports = [{"name": "rw_port_1", "type": "read_write", **both}]
        file.notes.choose(f"{name}: one port that reads and writes, as the file counts none")
    if "w_bw" in memory and both != _widths(memory, "w") and any(port["type"] == "read_write" for port in ports):
        file.notes.choose(f"{name}: a port that reads and writes has the widths of its reads both ways")
    operands, said = memory.get("operands"), memory.get("ports")
    if isinstance(operands, list) and isinstance(said, list) and all(isinstance(each, dict) for each in said):
        moves = [
            (name, f"{operand}, {way}")
            for operand, used in zip(operands, said, strict=False)
            for way, name in used.items()
        ]
        for port in ports:
            port["allocation"] = [move for name, move in moves if name == port["name"]]
    return {key: value for key, value in memory.items() if key not in _OLDER} | {"ports": ports}


def _count(file: ForeignFile, place: Location, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_PORTS:
        raise file.fault(place, f"must be a whole number from 0 to {MAX_PORTS}, not {value!r:.40}")
    return value


def _widths(memory: dict[str, Any], letter: str) -> dict[str, Any]:
    widest = memory.get(f"{letter}_bw")
    return {"bandwidth_min": memory.get(f"min_{letter}_granularity", widest), "bandwidth_max": widest}
