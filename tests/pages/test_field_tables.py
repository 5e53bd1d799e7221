"""The tables of the files' fields say what the records say, of every field."""

import json
from pathlib import Path

import pytest
from field_tables import PAGES, UNITS, pages, unit_of

from mensa_sim.io.files import json_schema
from mensa_sim.study.check.check import RECORDS


@pytest.mark.parametrize(("path", "made_anew"), [*pages()], ids=PAGES)
def test_a_page_has_the_tables_that_the_records_give(path: Path, made_anew: str) -> None:
    assert path.read_text(encoding="utf-8") == made_anew, "run python tests/pages/field_tables.py"


def test_every_kind_of_file_stands_on_one_page() -> None:
    assert sorted(kind for kinds in PAGES.values() for kind in kinds) == sorted(RECORDS)


@pytest.mark.parametrize("kind", RECORDS)
def test_every_field_of_a_file_says_what_it_means_in_its_schema(kind: str) -> None:
    schema = json_schema(RECORDS[kind])
    for record in (schema, *schema.get("$defs", {}).values()):
        assert record["description"]
        assert [name for name, said in record.get("properties", {}).items() if not said.get("description")] == []


def test_a_schema_leaves_out_what_only_a_reader_fills_in() -> None:
    assert '"at"' not in json.dumps(json_schema(RECORDS["accelerator"])["$defs"]["OwnMapping"])


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("bandwidth_bytes_per_s", "B/s"),
        ("read_pj_per_bit", "pJ/bit"),
        ("register_pj_per_bit_byte", "pJ/(bit B)"),
        ("capacity_bytes", "B"),
        ("clock_hz", "Hz"),
        ("efficiency", ""),
        ("axes", ""),
    ],
)
def test_a_field_has_the_unit_that_its_name_ends_in(name: str, unit: str) -> None:
    assert unit_of(name) == unit


def test_a_longer_ending_stands_before_a_shorter_one_that_it_ends_in() -> None:
    ends = list(UNITS)
    assert [end for at, end in enumerate(ends) for other in ends[:at] if end.endswith(f"_{other}")] == []
