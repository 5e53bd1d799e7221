"""Accelerators as ZigZag wrote them before version 3.5: ports by number, widths by direction, `multipliers`."""

from typing import Any

_ARRAY = {"multiplier_energy": "unit_energy", "multiplier_area": "unit_area"}
_PORTS = {"r_port": ("read", "r"), "w_port": ("write", "w"), "rw_port": ("read_write", "r")}
"""Type of each kind of port, and the letter of the widths that it has."""
MAX_PORTS = 64
_OLDER = ("r_bw", "w_bw", "min_r_granularity", "min_w_granularity", *_PORTS)


def renewed(data: dict[str, Any]) -> dict[str, Any]:
    """The same accelerator in the words of later versions; what is in these already stays."""
    data = dict(data)
    if "multipliers" in data:
        data.setdefault("operational_array", data.pop("multipliers"))
    array, memories = data.get("operational_array"), data.get("memories")
    if isinstance(array, dict):
        data["operational_array"] = {_ARRAY.get(key, key): value for key, value in array.items()}
    if isinstance(memories, dict):
        data["memories"] = {name: _memory(memory) for name, memory in memories.items()}
    return data


def _memory(memory: Any) -> Any:
    if not isinstance(memory, dict) or "r_bw" not in memory:
        return memory
    ports = [
        {"name": f"{kind}_{index + 1}", "type": direction, **_widths(memory, letter)}
        for kind, (direction, letter) in _PORTS.items()
        for index in range(_count(memory.get(kind)))
    ]
    if not ports:  # the tool's own tpu_like counts none, though its operands name one
        ports = [{"name": "rw_port_1", "type": "read_write", **_widths(memory, "r")}]
    return {key: value for key, value in memory.items() if key not in _OLDER} | {"ports": ports}


def _count(value: Any) -> int:
    return max(0, min(value, MAX_PORTS)) if isinstance(value, int) else 0


def _widths(memory: dict[str, Any], letter: str) -> dict[str, Any]:
    widest = memory.get(f"{letter}_bw")
    return {"bandwidth_min": memory.get(f"min_{letter}_granularity", widest), "bandwidth_max": widest}
