"""A system's file with some constants changed, which says in its source what they were fitted to."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mensa_sim.hardware.fields import parts_of, place_of, set_field
from mensa_sim.io.files import read_mapping
from mensa_sim.io.shipped import find, shipped_files


def calibrated_system(spec: str, fitted: Mapping[str, tuple[float, float]], said: str, beside: Path) -> dict[str, Any]:
    """Plain data of the system `spec` (or of an accelerator as its own system) with fitted values in place.

    `fitted` holds old and new values by `accelerators.NAME.FIELD` or `memories.NAME.FIELD`; paths are written as seen
    from the folder `beside`.
    """
    path, data = _system(spec)
    for entry in data["accelerators"]:
        entry["spec"] = os.path.relpath(path.parent / entry["spec"], beside)
    for field, (_, new) in fitted.items():
        place = place_of(parts_of(field, "--field"), f"--field {field}")
        if place.owner == "system":
            set_field(data, place.inside, new, f"--field {field}")
        else:
            entry = data["accelerators"][0]
            entry["set"] = {**entry.get("set", {}), ".".join(place.inside): new}
    data["name"] = f"{data['name']}_calibrated"
    data["source"] = "; ".join(text for text in (str(data.get("source", "")).strip(), said) if text)
    return data


def _system(spec: str) -> tuple[Path, dict[str, Any]]:
    """Where the file lies, and what it says, an accelerator's as that of its own system."""
    known = shipped_files("systems")
    path = find("systems" if spec in known or spec not in shipped_files("accelerators") else "accelerators", spec)
    data = read_mapping(path)
    if "memories" in data:
        return path, data
    memory = data["default_memory"]
    return path, {
        "name": data["name"],
        "memories": {memory["kind"]: dict(memory)},
        "accelerators": [{"spec": path.name, "memory": memory["kind"]}],
        "source": data.get("source", ""),
    }
