"""Space files for tests, small enough to be explored in seconds."""

from pathlib import Path
from typing import Any

from mensa_sim.io.files import write_yaml

TINY: dict[str, Any] = {
    "name": "tiny",
    "layers": [
        {"name": "conv", "operator": "conv2d", "dims": {"K": 16, "C": 8, "OY": 8, "OX": 8, "FY": 3, "FX": 3}},
        {"name": "head", "operator": "linear", "dims": {"K": 10, "C": 1024}, "inputs": ["conv"]},
    ],
}
"""A workload that needs no tracing."""

GRID: dict[str, Any] = {
    "name": "small_grid",
    "system": "mensa_g",
    "workloads": ["./tiny.yaml"],
    "parameters": {
        "memories.stacked.bandwidth_bytes_per_s": {"values": [128_000_000_000, 256_000_000_000]},
        "side": {
            "fields": ["accelerators.pascal.dataflow.axes.0.size", "accelerators.pascal.dataflow.axes.1.size"],
            "powers_of_two": {"low": 8, "high": 32},
        },
        "scheduler": {"values": ["mensa", "greedy"]},
    },
    "objectives": [{"metric": "energy_pj"}, {"metric": "latency_ps"}],
    "sampler": {"name": "grid"},
    "references": ["edge_tpu"],
}
"""Twelve designs."""


def write_space(folder: Path, **changes: Any) -> Path:
    """The grid with some top-level keys changed, as a file; none leaves a key out."""
    data = {key: value for key, value in {**GRID, **changes}.items() if value is not None}
    (folder / "tiny.yaml").write_text(write_yaml(TINY))
    path = folder / f"{data['name']}.yaml"
    path.write_text(write_yaml(data))
    return path
