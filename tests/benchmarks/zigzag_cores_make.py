"""Makes zigzag_cores.csv; the Python that runs this has zigzag-dse 3.9.1 and six, and nothing of ours.

    python zigzag_cores_make.py ../cost/zigzag_cores.csv

Each layer is searched alone for least energy (`lpf_limit` 5), every tensor from and to memory, 16-bit partial sums; it
takes ten minutes on a core. `eyeriss_like` ships without a mapping: rows and output channels are a choice.
"""

import csv
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
import zigzag
from zigzag.api import get_hardware_performance_zigzag

DIMS = ("B", "G", "K", "C", "OY", "OX", "FY", "FX")
OPERANDS = {"weight": "W", "input": "I", "output": "O"}
INPUTS = Path(zigzag.__file__).parent / "inputs"
CORES = {
    "tesla_npu_like": "tesla_npu_like",
    "meta_prototype": "meta_prototype_like",
    "ascend_like": "ascend_like",
    "tpu_like": "tpu_like",
    "edge_tpu_like": "edge_tpu_like",
    "eyeriss_like": None,
}
"""The mapping file of each core."""


def conv(k: int, c: int, o: int, f: int, stride: int) -> tuple[dict[str, int], int]:
    return {"B": 1, "G": 1, "K": k, "C": c, "OY": o, "OX": o, "FY": f, "FX": f}, stride


def gemm(g: int, k: int, c: int, rows: int) -> tuple[dict[str, int], int]:
    return {"B": 1, "G": g, "K": k, "C": c, "OY": 1, "OX": rows, "FY": 1, "FX": 1}, 1


LAYERS: dict[str, dict[str, tuple[int, tuple[dict[str, int], int]]]] = {
    "resnet18": {
        "conv1": (1, conv(64, 3, 112, 7, 2)),
        "layer1": (4, conv(64, 64, 56, 3, 1)),
        "layer2.0.conv1": (1, conv(128, 64, 28, 3, 2)),
        "layer2.0.conv2": (3, conv(128, 128, 28, 3, 1)),
        "layer2.0.downsample": (1, conv(128, 64, 28, 1, 2)),
        "layer3.0.conv1": (1, conv(256, 128, 14, 3, 2)),
        "layer3.0.conv2": (3, conv(256, 256, 14, 3, 1)),
        "layer3.0.downsample": (1, conv(256, 128, 14, 1, 2)),
        "layer4.0.conv1": (1, conv(512, 256, 7, 3, 2)),
        "layer4.0.conv2": (3, conv(512, 512, 7, 3, 1)),
        "layer4.0.downsample": (1, conv(512, 256, 7, 1, 2)),
        "fc": (1, gemm(1, 1000, 512, 1)),
    },
    "bert_block": {
        "q": (4, gemm(1, 768, 768, 128)),
        "qk": (1, gemm(12, 128, 64, 128)),
        "av": (1, gemm(12, 64, 128, 128)),
        "up": (1, gemm(1, 3072, 768, 128)),
        "down": (1, gemm(1, 768, 3072, 128)),
    },
}
"""How many layers of the network are alike, sizes and stride."""


def entry(name: str, sizes: dict[str, int], stride: int) -> dict[str, Any]:
    """The layer in the tool's format; half of the padding on either side."""
    pads = []
    for axis in ("X", "Y"):
        pad = max(0, stride * (sizes[f"O{axis}"] - 1) + sizes[f"F{axis}"] - stride * sizes[f"O{axis}"])
        pads.append([pad // 2, pad - pad // 2])
    return {
        "id": 0,
        "name": name,
        "operator_type": "Conv",
        "equation": "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]",
        "dimension_relations": [f"ix={stride}*ox+1*fx", f"iy={stride}*oy+1*fy"],
        "loop_dims": list(sizes),
        "loop_sizes": list(sizes.values()),
        "operand_precision": {"W": 8, "I": 8, "O": 16, "O_final": 8},
        "operand_source": {"I": 0, "W": 0},
        "pr_loop_dims": ["IX", "IY"],
        "pr_loop_sizes": [stride * sizes["OX"], stride * sizes["OY"]],
        "padding": pads,
    }


def mapping(core: str) -> list[dict[str, Any]]:
    """The default entry of the core's mapping."""
    name = CORES[core]
    if name is None:
        links = {"O": "O", "W": "I2", "I": "I1"}
        spatial = {"D1": ["OY, 14"], "D2": ["K, 12"]}
        return [{"name": "default", "spatial_mapping": spatial, "memory_operand_links": links}]
    entries = yaml.safe_load((INPUTS / "mapping" / f"{name}.yaml").read_text())
    return [each for each in entries if each["name"] == "default"]


def searched(core: str, name: str, sizes: dict[str, int], stride: int) -> Any:
    """The best mapping of a layer, evaluated."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "mapping.yaml")
        given.write_text(yaml.safe_dump(mapping(core)))
        _, _, results = get_hardware_performance_zigzag(
            workload=[entry(name, sizes, stride)],
            accelerator=str(INPUTS / "hardware" / f"{core}.yaml"),
            mapping=str(given),
            opt="energy",
            lpf_limit=5,
            dump_folder=folder,
            loma_show_progress_bar=False,
        )
    return results[0][1][0][0]


def main(path: str) -> None:
    logging.disable(logging.CRITICAL)
    columns = [f"{what}_{operand}{unit}" for what, unit in (("loops", ""), ("energy", "_pj")) for operand in OPERANDS]
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["core", "network", "layer", "count", *DIMS, "stride", "energy_pj", "cycles", *columns])
        for core in CORES:
            for network, layers in LAYERS.items():
                for name, (count, (sizes, stride)) in layers.items():
                    found = searched(core, name, sizes, stride)
                    levels = {o.name: each for o, each in found.temporal_mapping.mapping_dic_origin.items()}
                    energies = {str(o.name): each for o, each in found.mem_energy_breakdown.items()}
                    loops = (
                        "|".join(" ".join(f"({dim.name}, {int(trips)})" for dim, trips in level) for level in levels[o])
                        for o in OPERANDS.values()
                    )
                    costs = ("|".join(f"{pj:.10g}" for pj in energies[o]) for o in OPERANDS.values())
                    total = [f"{found.energy_total:.10g}", int(found.latency_total2)]
                    writer.writerow([core, network, name, count, *sizes.values(), stride, *total, *loops, *costs])


if __name__ == "__main__":
    main(sys.argv[1])
