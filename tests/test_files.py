"""The strict gate: every fault at once, each with its field, and nothing silently understood."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mensa_sim.errors import FileError
from mensa_sim.io import files, yaml_text
from mensa_sim.io.files import json_schema, read_mapping, read_record, validate, write_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of an array."""

    size: int
    dims: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is {self.size}, must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """A made-up record with every kind of field our files have."""

    name: str
    axes: tuple[Axis, ...] = ()
    clock_hz: int = 1
    energy_pj: float = 0.0
    overlap: bool = True
    stationary: Literal["output", "weight"] = "output"
    technology: Path | None = None
    families: Mapping[int, str] = field(default_factory=dict)
    stride: int | tuple[int, int] = 1


def written(folder: Path, text: str) -> Path:
    path = folder / "array.yaml"
    path.write_text(text)
    return path


def faults(folder: Path, text: str, kind: type = Array) -> tuple[str, ...]:
    with pytest.raises(FileError) as caught:
        read_record(written(folder, text), kind)
    assert caught.value.exit_code == 2
    assert all(line.startswith(str(folder / "array.yaml")) for line in str(caught.value).splitlines())
    return caught.value.faults


def test_a_good_file_becomes_its_record(tmp_path: Path) -> None:
    text = """
        name: one   # and comments
        axes: [{size: 64, dims: [K, G]}, {size: 8}]
        clock_hz: 480_000_000
        energy_pj: 1.5e-3
        technology: ../technology/cmos.yaml
        families: {1: pascal, 2: jacquard}
        stride: [1, 2]
        stationary: weight
        overlap: false
    """
    assert read_record(written(tmp_path, text), Array) == Array(
        name="one",
        axes=(Axis(size=64, dims=("K", "G")), Axis(size=8)),
        clock_hz=480_000_000,
        energy_pj=0.0015,
        technology=Path("../technology/cmos.yaml"),
        families={1: "pascal", 2: "jacquard"},
        stride=(1, 2),
        stationary="weight",
        overlap=False,
    )


def test_a_whole_number_may_stand_where_a_fraction_is_meant(tmp_path: Path) -> None:
    assert read_record(written(tmp_path, "name: a\nenergy_pj: 3"), Array).energy_pj == 3.0


def test_every_fault_of_a_file_comes_at_once_with_its_field_and_line(tmp_path: Path) -> None:
    text = "nam: x\naxes:\n- {size: 0}\n- {sise: 3, dims: K}\nclock_hz: 1e9\nenergy_pj: .nan\nenergy_pj: 2\n"
    assert faults(tmp_path, text) == (
        "energy_pj: .nan is not a finite number (line 7)",
        *("energy_pj: the key occurs twice (first in line 6) (line 7)", "name: is required"),
        *("axes[0]: size is 0, must be at least 1 (line 3)", "axes[1].size: is required (line 4)"),
        "axes[1].dims: must be a list, not the text 'K' (line 4)",
        "axes[1].sise: unknown key; did you mean size? the keys are size, dims (line 4)",
        "clock_hz: must be a whole number, not the text '1e9'; write 1000000000 (line 5)",
        "nam: unknown key; did you mean name? the keys are name, axes, clock_hz, energy_pj, overlap, "
        "stationary, technology, families, stride (line 1)",
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("clock_hz: 1e9", "write 1000000000"),
        ("clock_hz: 2.5E+9", "write 2500000000"),
        ("clock_hz: 1.0", "write 1"),
        ("clock_hz: 0x10", "write 16"),
        ("clock_hz: 010", "write 10"),
        ("clock_hz: '12'", "write 12"),
        ("energy_pj: 1e-12", "write 1.0e-12"),
        ("energy_pj: 1.5e9", "write 1500000000.0"),
        ("energy_pj: '3.5'", "write 3.5"),
        ("clock_hz: 1__0", "write 10"),
        ("clock_hz: 1_", "write 1"),
        ("energy_pj: 1._5", "write 1.5"),
    ],
)
def test_text_that_looks_like_a_number_is_refused_with_the_number_to_write(
    tmp_path: Path, text: str, hint: str
) -> None:
    (fault,) = faults(tmp_path, f"name: a\n{text}")
    assert hint in fault
    number = hint.removeprefix("write ")
    key = text.split(":")[0]
    assert read_record(written(tmp_path, f"name: a\n{key}: {number}"), Array) is not None


@pytest.mark.parametrize(
    "line",
    [
        *("clock_hz: 1.5", "clock_hz: true", "clock_hz: 12:30", "clock_hz: _1", "clock_hz: 2024-01-01"),
        *("clock_hz:", "energy_pj: .inf", "energy_pj: -.INF", "energy_pj: nan", "energy_pj: 1.0e+999", "name: 3"),
        *("name: true", "overlap: yes", "overlap: 1", "stationary: input", "axes: 3", "axes: {size: 3}"),
        *("axes: [3]", "families: {one: pascal}", "families: [pascal]", "technology: 3", "stride: [1, 2, 3]"),
        *("stride: half", "axes: !!python/tuple [1]", "name: !!python/object/apply:os.system [echo]"),
        *("name: !!str 3", "? [1, 2]\n: 3", "overlap: true\n--- \nname: b", "<<: {name: b}", "axes: *nothing"),
    ],
)
def test_a_wrong_value_is_one_fault_that_names_its_field(tmp_path: Path, line: str) -> None:
    name = "" if line.startswith("name") else "name: a\n"
    found = faults(tmp_path, name + line)
    key = line.split(":")[0]
    assert found
    if key.isidentifier() and "---" not in line:
        assert all(fault.startswith(key) for fault in found)


def test_a_date_stays_text(tmp_path: Path) -> None:
    assert read_record(written(tmp_path, "name: 2024-01-01"), Array).name == "2024-01-01"


@pytest.mark.parametrize(
    "word", ["no", "on", "off", "y", "Norway", "1e9", "0o7", "1:30", "1__0", "1_", "1._5", "1_.5", "1.5_", "-1__0"]
)
def test_only_true_and_false_are_booleans_and_only_decimal_numbers_are_numbers(tmp_path: Path, word: str) -> None:
    assert read_mapping(written(tmp_path, f"a: {word}")) == {"a": word}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"# only a comment\n", "empty"),
        (b"name: \xff\xfe", "UTF-8"),
        (b"name: [1, 2\nother: 3", "line 2"),
        (b"name: \x00", "not YAML"),
        (b"\tname: a", "not YAML"),
        (b"just text", "mapping"),
        (b"- a\n- b", "mapping"),
    ],
)
def test_a_file_that_is_no_mapping_is_one_clear_error(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "array.yaml"
    path.write_bytes(content)
    for read in (read_mapping, lambda path: read_record(path, Array)):
        with pytest.raises(FileError, match=reason):
            read(path)


def test_a_missing_file_and_a_directory_say_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_mapping(tmp_path / "absent.yaml")
    with pytest.raises(FileError, match="directory"):
        read_mapping(tmp_path)
    with pytest.raises(FileError, match="not a path"):
        read_mapping(Path("a\0b"))


def test_an_alias_is_what_it_points_at(tmp_path: Path) -> None:
    text = "name: a\naxes: [&one {size: 3, dims: [K]}, *one]"
    first, second = read_record(written(tmp_path, text), Array).axes
    assert first == second == Axis(size=3, dims=("K",))


def test_an_alias_bomb_is_refused_quickly(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    with pytest.raises(FileError, match="unfolds to more than"):
        read_mapping(written(tmp_path, bomb))
    with pytest.raises(FileError, match="no complete anchor"):
        read_mapping(written(tmp_path, "a: &a [*a]"))


NESTS = {
    "lists on one line": "a: {}".format("[" * 100_000),
    "lists that all end": "a: {}{}".format("[" * 2000, "]" * 2000),
    "mappings on one line": "a: {}".format("{" * 2000),
    "JSON": '{{"a": {}1{}}}'.format('[{"b":' * 1000, "}]" * 1000),
    "lists on lines of their own": "a: {}".format("[\n" * 2000),
    "entries of entries": "- " * 2000,
    "keys of keys": "? " * 2000,
    "indented mappings": "".join(f"{' ' * level}a:\n" for level in range(2000)),
    "anchors": "a: {}".format("&a [" * 2000),
    "a shallow list before": "a: [1, [2]]\nb: {}".format("[" * 2000),
}


@pytest.mark.parametrize("loader", [yaml_text._LOADER, yaml.SafeLoader], ids=["fastest parser", "parser in Python"])
@pytest.mark.parametrize("text", NESTS.values(), ids=NESTS)
def test_a_deep_nest_is_refused_in_our_words_whatever_limit_the_parser_has(
    text: str, loader: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_text, "_LOADER", loader)
    with pytest.raises(FileError, match=r"line \d+: nested deeper than 64 levels$"):
        read_mapping(written(tmp_path, text))


@pytest.mark.parametrize("text", ["a: ['{}]", 'a: "{}', "a: [1, 2\nb: '{}'"])
def test_brackets_inside_a_text_are_no_nest(text: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="not YAML"):
        read_mapping(written(tmp_path, text.format("[" * 2000)))


def test_a_nest_of_64_levels_is_read(tmp_path: Path) -> None:
    assert read_mapping(written(tmp_path, "a: " + "[" * 63 + "]" * 63))
    with pytest.raises(FileError, match="nested deeper"):
        read_mapping(written(tmp_path, "a: " + "[" * 64 + "]" * 64))


def test_a_file_above_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "name: " + "a" * 94
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 100)
    assert read_mapping(written(tmp_path, text))
    with pytest.raises(FileError, match="larger than"):
        read_mapping(written(tmp_path, text + "b"))


def test_plain_data_is_validated_as_a_file_is() -> None:
    assert validate({"name": "a", "axes": [{"size": 2}]}, Array, "x.yaml").axes == (Axis(size=2),)
    with pytest.raises(FileError, match=r"x.yaml: axes\[0\].size: must be a whole number"):
        validate({"name": "a", "axes": [{"size": "2"}]}, Array, "x.yaml")
    with pytest.raises(FileError, match="plain data"):
        validate({"name": object()}, Array, "x.yaml")
    with pytest.raises(FileError, match="must be a mapping with the keys name"):
        validate([1], Array, "x.yaml")


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_DATA = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), _DATA, min_size=1, max_size=4))
def test_what_is_written_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, data: dict) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    path.write_text(write_yaml(data), encoding="utf-8", newline="")
    assert read_mapping(path) == data
    assert write_yaml(data) == write_yaml(read_mapping(path))


def test_written_yaml_has_no_anchors_and_refuses_what_is_not_finite() -> None:
    shared = {"size": 1}
    assert "&" not in write_yaml({"a": shared, "b": shared})
    assert yaml.safe_load(write_yaml({"a": shared, "b": (1, 2)})) == {"a": shared, "b": [1, 2]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_yaml({"a": float("nan")})


def test_the_schema_of_a_record_lists_its_fields_and_forbids_others() -> None:
    schema = json_schema(Array)
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name"]
    assert set(schema["properties"]) == {
        *("name", "axes", "clock_hz", "energy_pj", "overlap", "stationary", "technology", "families", "stride"),
    }
    assert schema["$defs"]["Axis"]["required"] == ["size"]
