"""The short form of an array's memory: what it stands for, and what it cannot say."""

from pathlib import Path

import pytest
import yaml

import mensa_sim as ms
from mensa_sim.errors import FileError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.array.short_form import with_levels
from mensa_sim.hardware.files import accelerator_data, load_accelerator, load_system
from mensa_sim.io.shipped import shipped_files

SHORT = {
    "edge_tpu": {
        "registers": {
            "weight": {"bytes": 1, "shared_along": ["OX", "OY"]},
            "output": {"bytes": 4, "shared_along": ["C"]},
        },
        "buffers": {
            "parameter": {"capacity_bytes": 4194304, "read_bits": 512, "write_bits": 512, "min_bits": 64},
            "activation": {"capacity_bytes": 2097152, "read_bits": 512, "write_bits": 512, "min_bits": 64},
        },
    },
    "coral": {
        "registers": {
            "weight": {"bytes": 1, "shared_along": ["OX", "OY"]},
            "output": {"bytes": 4, "shared_along": ["C"]},
        },
        "buffers": {
            "parameter": {"capacity_bytes": 8073216, "read_bits": 2048, "write_bits": 2048, "min_bits": 64},
            "activation": {"capacity_bytes": 3145728, "read_bits": 2048, "write_bits": 2048, "min_bits": 64},
        },
    },
    "jacquard": {
        "registers": {"weight": {"bytes": 2}, "output": {"bytes": 4, "shared_along": ["C", "FX", "FY"]}},
        "buffers": {
            "parameter": {"capacity_bytes": 131072, "read_bits": 128, "write_bits": 128, "min_bits": 64},
            "activation": {"capacity_bytes": 131072, "read_bits": 512, "write_bits": 512, "min_bits": 64},
        },
    },
}
"""What shipped accelerators would say in the short form."""


def shortened(name: str, folder: Path) -> Path:
    """A shipped accelerator's file with the short form in place of its levels."""
    data = accelerator_data(shipped_files("accelerators")[name])
    data.pop("levels")
    technology = load_accelerator(name).technology
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**data, "technology": str(Path(technology).resolve()), **SHORT[name]}))
    return path


@pytest.mark.parametrize("name", SHORT)
def test_the_short_form_stands_for_the_levels_of_the_shipped_file(name: str, tmp_path: Path) -> None:
    short, shipped = load_accelerator(shortened(name, tmp_path)), load_accelerator(name)
    assert isinstance(short, PeArray)
    assert isinstance(shipped, PeArray)
    assert short.levels == shipped.levels


def test_tiles_that_are_refilled_in_place_are_buffers_that_hold_one(tmp_path: Path) -> None:
    path = shortened("edge_tpu", tmp_path)
    data = yaml.safe_load(path.read_text())
    data["dataflow"]["refill_in_place"] = True
    path.write_text(yaml.safe_dump(data))
    spec = load_accelerator(path)
    assert isinstance(spec, PeArray)
    assert [level.double_buffered for level in spec.levels if level.ported] == [False, False]


@pytest.mark.parametrize("name", ["buffers.parameter.capacity_bytes", "levels.parameter_buffer.capacity_bytes"])
@pytest.mark.parametrize("short", [False, True])
def test_a_setting_names_a_level_or_the_buffer_that_it_is(name: str, short: bool, tmp_path: Path) -> None:
    system = str(shortened("edge_tpu", tmp_path)) if short else "edge_tpu"
    spec = load_system(system, [f"accelerators.edge_tpu.{name}=1048576"]).accelerators[0].spec
    assert isinstance(spec, PeArray)
    buffer = spec.buffer("parameter")
    assert buffer is not None
    assert buffer.capacity_bytes == 1048576


def test_both_forms_give_one_result(tmp_path: Path) -> None:
    short = ms.run("small_cnn", system=str(shortened("edge_tpu", tmp_path)), baseline="edge_tpu").main
    plain = ms.run("small_cnn", system="edge_tpu", baseline="edge_tpu").main
    assert (short.latency_ps, short.energy_pj) == (plain.latency_ps, plain.energy_pj)


def test_both_forms_in_one_file_are_refused() -> None:
    with pytest.raises(FileError, match="levels: stands beside buffers, its short form"):
        with_levels({"levels": [], "buffers": {}}, "a.yaml")


def test_a_field_that_the_short_form_does_not_have_is_named() -> None:
    with pytest.raises(FileError, match=r"buffers\.parameter\.capacity: unknown key"):
        with_levels({"dataflow": {}, "buffers": {"parameter": {"capacity": 1}}}, "a.yaml")


def test_sharing_along_a_part_of_what_an_operand_ignores_on_an_axis_is_refused() -> None:
    data = {
        "dataflow": {"axes": [{"size": 4, "dims": ["C", "FX"]}]},
        "registers": {"output": {"bytes": 4, "shared_along": ["C"]}},
    }
    with pytest.raises(FileError, match="axis 0 also unrolls FX"):
        with_levels(data, "a.yaml")


def test_an_accelerator_in_the_short_form_is_good(tmp_path: Path) -> None:
    assert ms.check([shortened("edge_tpu", tmp_path)]) == []
