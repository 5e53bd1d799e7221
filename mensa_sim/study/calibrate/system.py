"""A system's file with some constants changed, which says in its source what they were fitted to."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mensa_sim.hardware.fields import parts_of, place_of, set_field
from mensa_sim.hardware.files import system_data


def calibrated_system(spec: str, fitted: Mapping[str, tuple[float, float]], said: str, beside: Path) -> dict[str, Any]:
    """Plain data of the system `spec` (or of an accelerator as its own system) with fitted values in place.

    `fitted` holds old and new values by `accelerators.NAME.FIELD` or `memories.NAME.FIELD`; paths are written as seen
    from the folder `beside`.
    """
    path, data, _ = system_data(spec)
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
