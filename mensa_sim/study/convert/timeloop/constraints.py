"""What files of Timeloop before version 0.4 say apart of their components: what each keeps, and what it unrolls."""

from typing import Any

from mensa_sim.study.convert.foreign import ForeignFile

CONSTRAINTS = ("architecture_constraints", "mapspace_constraints", "mapspace")
_KINDS = dict.fromkeys(("bypass", "bypassing", "datatype"), "dataspace")
"""What constraints on the data spaces of a component are called."""


def take_targets(file: ForeignFile, found: dict[str, dict[str, Any]]) -> None:
    """Adds the constraints of each component by their kind."""
    for key in CONSTRAINTS:
        given = file.data.get(key) or {}
        for entry in _entries(file, key, given):
            kind = _KINDS.get(str(entry.get("type")), str(entry.get("type")))
            target = str(entry.get("target"))
            said = found.setdefault(target, {}).setdefault(kind, {})
            for name, value in entry.items():
                if name not in ("target", "type") and said.setdefault(name, value) != value:
                    raise file.fault((key, target, kind, name), "is stated twice, in two ways")


def _entries(file: ForeignFile, key: str, given: Any) -> list[dict[str, Any]]:
    """Each with its target and type: a list of such, below `targets` or `constraints` or below the key that the latter
    names, or for each target a list of types and attributes."""
    entries: Any = given
    if isinstance(given, dict):
        chosen = given.get("constraints")
        named = f"constraints_{chosen}" if isinstance(chosen, str) else "constraints"
        read = "targets" if "targets" in given else named
        entries = given.get(read, [])
        for other in given:
            if other not in (read, "version") and not (other == "constraints" and isinstance(chosen, str)):
                file.notes.leave((key, other))
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise file.fault((key,), "must be a list of targets")
    found: list[dict[str, Any]] = []
    for entry in entries:
        nested = entry.get("constraints")
        if nested is None:
            found.append(entry)
            continue
        if not isinstance(nested, list) or not all(isinstance(each, dict) for each in nested):
            raise file.fault((key, str(entry.get("name"))), "must have a list of constraints")
        for each in nested:
            attributes = each.get("attributes") or {}
            if not isinstance(attributes, dict):
                raise file.fault((key, str(entry.get("name")), "attributes"), "must be a mapping")
            found.append({"target": entry.get("name"), "type": each.get("type"), **attributes})
    return found
