"""The cores that ship with ZigZag 3.9.1 (MIT licence; in its package as inputs/hardware), as files of that tool.

Figures are the tool's; what they are made of is written here: bits, pJ of an access of the full width, the axes along
which an instance serves all lanes. `eyeriss_like` ships without a mapping: rows and output channels are a choice.
"""

from pathlib import Path
from typing import Any

from mensa_sim.io.files import write_yaml

KIB = 8 * 1024
"""Bits."""
ALL = ("I1", "I2", "O")

Memory = tuple[str, tuple[str, ...], int, float, float, tuple[int, int], tuple[int, ...] | None]
"""Name, operands, bits, pJ read, pJ written, smallest and largest access, axes served (from 1; none: all)."""

DRAM: Memory = ("dram", ALL, 10_000_000_000, 700, 750, (64, 64), None)
SMALL: Memory = ("rf_1B", ("I2",), 8, 0.01, 0.01, (8, 8), (3, 4))
SUMS: Memory = ("rf_2B", ("O",), 16, 0.02, 0.02, (16, 16), (2,))
ONE_PORT = {"sram_8KB", "sram_1M", "dram"}

CORES: dict[str, tuple[float, tuple[tuple[int, str], ...], tuple[Memory, ...]]] = {
    "tesla_npu_like": (
        0.04,
        ((32, "K, 32"), (32, "OX, 8"), (4, "OY, 4")),
        (
            ("rf_1B", ("I2",), 8, 0.01, 0.01, (8, 8), (2, 3)),
            ("rf_4B", ("O",), 32, 0.022, 0.022, (16, 16), ()),
            ("sram_1KB_I", ("I1",), KIB, 4.78, 5.59, (64, 256), None),
            ("sram_1KB_W", ("I2",), KIB, 4.78, 5.59, (64, 256), None),
            ("sram_1MB_A", ("I1", "O"), 1024 * KIB, 208.08, 189.2, (64, 1024), None),
            ("sram_1MB_W", ("I2",), 1024 * KIB, 208.08, 189.2, (64, 1024), None),
            DRAM,
        ),
    ),
    "meta_prototype": (
        0.04,
        ((32, "K, 32"), (2, "C, 2"), (4, "OX, 4"), (4, "OY, 4")),
        (
            SMALL,
            SUMS,
            ("sram_64KB", ("I2",), 64 * KIB, 26.56, 30.8, (64, 512), None),
            ("sram_32KB", ("I1",), 32 * KIB, 13.28, 15.4, (64, 256), None),
            ("sram_1MB_A", ("I1", "O"), 1024 * KIB, 208.08, 189.2, (64, 1024), None),
            ("sram_1MB_W", ("I2",), 1024 * KIB, 208.08, 189.2, (64, 1024), None),
            DRAM,
        ),
    ),
    "ascend_like": (
        0.04,
        ((16, "K, 16"), (16, "C, 16"), (2, "OX, 2"), (2, "OY, 2")),
        (
            SMALL,
            SUMS,
            ("rf_64KB_I", ("I1",), 8 * KIB, 26.56, 30.72, (64, 512), None),
            ("rf_64KB_W", ("I2",), 8 * KIB, 50.16, 108.0, (64, 2048), None),
            ("sram_256KB_O", ("O",), 256 * KIB, 123.2, 212.8, (64, 2048), None),
            ("sram_1MB_A", ("I1", "O"), 1024 * KIB, 465.6, 825.6, (64, 4096), None),
            ("sram_1MB_W", ("I2",), 1024 * KIB, 465.6, 825.6, (64, 4096), None),
            (*DRAM[:6], (1, 2)),
        ),
    ),
    "tpu_like": (
        0.04,
        ((32, "K, 32"), (32, "C, 32")),
        (
            ("rf_128B", ("I2",), 1024, 0.095, 0.095, (8, 8), ()),
            ("rf_2B", ("O",), 16, 0.021, 0.021, (16, 16), ()),
            ("sram_2MB", ("I1", "O"), 2048 * KIB, 416.16, 378.4, (64, 2048), None),
            DRAM,
        ),
    ),
    "edge_tpu_like": (
        0.04,
        ((8, "K, 8"), (8, "C, 8"), (4, "OX, 4"), (4, "OY, 4")),
        (
            SMALL,
            SUMS,
            ("sram_32KB", ("I2",), 32 * KIB, 22.9, 52.01, (64, 512), None),
            ("sram_2MB", ("I1", "O"), 2048 * KIB, 416.16, 378.4, (64, 2048), None),
            DRAM,
        ),
    ),
    "eyeriss_like": (
        0.5,
        ((14, "OY, 14"), (12, "K, 12")),
        (
            ("rf_64B_A", ("I1",), 512, 1.0, 1.5, (8, 8), ()),
            ("rf_64B_W", ("I2",), 512, 1.0, 1.5, (8, 8), ()),
            ("rf_16B", ("O",), 128, 1.5, 2.0, (24, 24), ()),
            ("sram_8KB", ("O",), 8 * KIB, 10.0, 15.0, (128, 128), None),
            ("sram_64KB", ("I2",), 64 * KIB, 20, 25, (128, 128), None),
            ("sram_1M", ("I1", "O"), 1024 * KIB, 100, 130, (384, 384), None),
            ("dram", ALL, 10_000_000_000, 1000, 1000, (64, 64), None),
        ),
    ),
}
"""Energy of a MAC, lanes of each axis and what fills them, memories from the innermost."""


def accelerator_data(core: str) -> dict[str, Any]:
    """The accelerator as the tool's file says it."""
    mac_pj, axes, memories = CORES[core]
    dimensions = [f"D{index}" for index, _ in enumerate(axes, start=1)]
    return {
        "name": core,
        "memories": {
            name: {
                "size": bits,
                "r_cost": read_pj,
                "w_cost": write_pj,
                "area": 0,
                "latency": 1,
                "operands": list(operands),
                "ports": _ports(name, low, high),
                "served_dimensions": dimensions if served is None else [f"D{axis}" for axis in served],
            }
            for name, operands, bits, read_pj, write_pj, (low, high), served in memories
        },
        "operational_array": {
            "unit_energy": mac_pj,
            "unit_area": 1,
            "dimensions": dimensions,
            "sizes": [size for size, _ in axes],
        },
    }


def _ports(name: str, low: int, high: int) -> list[dict[str, Any]]:
    kinds = ["read_write"] if name in ONE_PORT else ["read", "write"]
    return [
        {"name": f"{kind}_1", "type": kind, "bandwidth_min": low, "bandwidth_max": high, "allocation": []}
        for kind in kinds
    ]


def mapping_data(core: str) -> list[dict[str, Any]]:
    """The mapping that ships with it."""
    axes = CORES[core][1]
    return [
        {
            "name": "default",
            "spatial_mapping": {f"D{index}": [filled] for index, (_, filled) in enumerate(axes, start=1)},
            "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"},
        }
    ]


def write_core(core: str, folder: Path) -> tuple[Path, Path]:
    """Both files of a core."""
    files = folder / f"{core}.yaml", folder / f"{core}_mapping.yaml"
    for path, data in zip(files, (accelerator_data(core), mapping_data(core)), strict=True):
        path.write_text(write_yaml(data), encoding="utf-8")
    return files
