"""Every field of every file with unit, default and meaning, as tables of the folders' pages, from the JSON Schemas.

    python tests/pages/field_tables.py

writes them anew between the marks of each page.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mensa_sim.io.files import json_schema
from mensa_sim.study.check.check import RECORDS

ROOT = Path(__file__).resolve().parents[2]
PAGES: Mapping[str, tuple[str, ...]] = {
    "accelerator_specs/README.md": (
        *("accelerator", "measured_device", "datasheet_device", "system", "technology", "space", "fit", "datasheet"),
    ),
    "workloads/README.md": ("workload", "scenario"),
}
"""The kinds of files that each page describes."""

START = "<!-- fields: written by tests/pages/field_tables.py -->\n"
END = "<!-- end of fields -->\n"

UNITS: Mapping[str, str] = {
    "bytes_per_s": "B/s",
    "macs_per_s": "MAC/s",
    "per_s": "1/s",
    "pj_per_bit_mm": "pJ/(bit mm)",
    "pj_per_bit_byte": "pJ/(bit B)",
    "pj_per_bit": "pJ/bit",
    "mw_per_bit": "mW/bit",
    "mm2_per_bit": "mm²/bit",
    "pj_8_bit": "pJ",
    "bytes_per_layer": "B",
    "bytes": "B",
    "bits": "bit",
    "cycles": "cycles",
    "tokens": "tokens",
    "percent": "%",
    "fps": "1/s",
    "hz": "Hz",
    "ps": "ps",
    "us": "µs",
    "ns": "ns",
    "ms": "ms",
    "s": "s",
    "pj": "pJ",
    "mw": "mW",
    "mm2": "mm²",
    "nm": "nm",
    "v": "V",
}
"""By the last words of a field's name, longer ones first."""

WORDS: Mapping[str, str] = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


def unit_of(name: str) -> str:
    """The unit that a field's name ends in; empty where it has none."""
    return next((unit for end, unit in UNITS.items() if name == end or name.endswith(f"_{end}")), "")


@dataclass
class Tables:
    """The tables of one page; a record that stands on an earlier page, or further up, is linked."""

    page: str
    homes: dict[str, str]
    """By record, the page that has its table."""
    parts: list[str] = field(default_factory=list)

    def add(self, kind: str) -> None:
        """The table of a kind of file, and those of the records in it."""
        schema = json_schema(RECORDS[kind])
        definitions = schema.get("$defs", {})
        fresh = [name for name in definitions if name not in self.homes]
        self.homes |= dict.fromkeys(fresh, self.page)
        self._table(kind, schema)
        for name in fresh:
            self._table(name, definitions[name])

    def _table(self, title: str, schema: Mapping[str, Any]) -> None:
        about = " ".join(schema["description"].split("\n\n")[0].split())
        needed = schema.get("required", [])
        rows = [
            (
                "`" + name + "`",
                self._is(said),
                unit_of(name),
                _default(said, name in needed),
                said.get("description", ""),
            )
            for name, said in schema["properties"].items()
        ]
        self.parts.append(f"### {title}\n\n{about}\n\n{_markdown(('field', 'is', 'unit', 'default', 'meaning'), rows)}")

    def _is(self, said: Mapping[str, Any]) -> str:
        """What a field holds, in words."""
        if "$ref" in said:
            name = said["$ref"].split("/")[-1]
            page = "" if self.homes[name] == self.page else f"../{self.homes[name]}"
            return f"[{name}]({page}#{name.lower()})"
        if "enum" in said:
            return ", ".join(f"`{each}`" for each in said["enum"])
        if "anyOf" in said:
            return " or ".join(self._is(each) for each in said["anyOf"] if each.get("type") != "null")
        if "prefixItems" in said:
            return f"[{', '.join(self._is(each) for each in said['prefixItems'])}]"
        match said.get("type"):
            case "array":
                return f"list of {_plural(self._is(said['items']))}"
            case "object":
                inside = said.get("additionalProperties")
                return f"{_plural(self._is(inside)) if isinstance(inside, dict) else 'anything'} by name"
            case None:
                return "anything"
            case word:
                return WORDS[word]


def _plural(words: str) -> str:
    return f"{words}s" if words.endswith("number") else words


def _default(said: Mapping[str, Any], needed: bool) -> str:
    if needed:
        return "required"
    value = said.get("default")
    return "" if value in (None, "", [], {}) else f"`{json.dumps(value)}`".replace('"', "")


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def pages() -> Iterator[tuple[Path, str]]:
    """Each page with its tables made anew."""
    homes: dict[str, str] = {}
    for page, kinds in PAGES.items():
        tables = Tables(page=page, homes=homes)
        for kind in kinds:
            tables.add(kind)
        before, _, rest = (ROOT / page).read_text(encoding="utf-8").partition(START)
        _, _, after = rest.partition(END)
        yield ROOT / page, f"{before}{START}\n{chr(10).join(tables.parts)}\n{END}{after}"


if __name__ == "__main__":
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
