"""Runs ZigZag on loop nests; the Python that runs this has zigzag-dse, and nothing of ours.

    python zigzag_worker.py JOB.json RESULT.json

The clock runs over the search alone: imports, and pricing given mappings by ZigZag's count, stand outside it.
"""

import json
import logging
import sys
import tempfile
import time
from math import ceil, prod
from pathlib import Path

import zigzag
from zigzag.api import get_hardware_performance_zigzag
from zigzag.cost_model.cost_model import CostModelEvaluation
from zigzag.datatypes import LayerDim
from zigzag.mapping.temporal_mapping import TemporalMapping

OPERANDS = {"weight": "W", "input": "I", "output": "O"}
AXES = {"K": 8, "C": 8, "OX": 4, "OY": 4}
INPUTS = Path(zigzag.__file__).parent / "inputs"


def workload(layers: list[dict]) -> list[dict]:
    """The layers in ZigZag's own format: 8-bit operands, 16-bit partial sums, every layer alone."""
    entries = []
    for index, layer in enumerate(layers):
        sizes, pads = layer["sizes"], []
        for axis in ("X", "Y"):
            reach = layer["stride"][axis] * (sizes[f"O{axis}"] - 1) + layer["dilation"][axis] * (sizes[f"F{axis}"] - 1)
            pad = max(0, reach + 1 - layer["input"][axis])
            pads.append([pad // 2, pad - pad // 2])
        entries.append(
            {
                "id": index,
                "name": layer["name"],
                "operator_type": "Conv",
                "equation": "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]",
                "dimension_relations": [
                    f"i{axis.lower()}={layer['stride'][axis]}*o{axis.lower()}+{layer['dilation'][axis]}*f{axis.lower()}"
                    for axis in ("X", "Y")
                ],
                "loop_dims": list(sizes),
                "loop_sizes": list(sizes.values()),
                "operand_precision": {"W": 8, "I": 8, "O": 16, "O_final": 8},
                "operand_source": {"I": index, "W": index},
                "pr_loop_dims": ["IX", "IY"],
                "pr_loop_sizes": [layer["input"]["X"], layer["input"]["Y"]],
                "padding": pads,
            }
        )
    return entries


def found(evaluation: CostModelEvaluation) -> dict:
    """What ZigZag says of its best mapping of a layer."""
    mapping = evaluation.temporal_mapping.mapping_dic_origin
    return {
        "energy_pj": evaluation.energy_total,
        "cycles": evaluation.latency_total2,
        "levels": {
            ours: next(
                [[[loop_dim.name, int(trips)] for loop_dim, trips in level] for level in levels]
                for operand, levels in mapping.items()
                if operand.name == theirs
            )
            for ours, theirs in OPERANDS.items()
        },
    }


def judged(evaluation: CostModelEvaluation, levels: dict | None, sizes: dict) -> dict | None:
    """A given mapping by ZigZag's count; none where its loops do not divide, which its language cannot say."""
    if levels is None:
        return None
    loops = [loop for level in levels["weight"] for loop in level]
    for dim, size in sizes.items():
        if prod(trips for name, trips in loops if name == dim) != ceil(size / AXES.get(dim, 1)):
            return None
    names = {operand.name: operand for operand in evaluation.layer.layer_operands}
    mapping = TemporalMapping(
        {
            names[theirs]: [[(LayerDim(dim), trips) for dim, trips in level] for level in levels[ours]]
            for ours, theirs in OPERANDS.items()
        },
        evaluation.layer,
        evaluation.temporal_mapping.type,
    )
    priced = CostModelEvaluation(
        accelerator=evaluation.accelerator,
        layer=evaluation.layer,
        spatial_mapping=evaluation.spatial_mapping,
        spatial_mapping_int=evaluation.spatial_mapping_int,
        temporal_mapping=mapping,
    )
    return {"energy_pj": priced.energy_total, "cycles": priced.latency_total2}


def main(job_path: str, result_path: str) -> None:
    job = json.loads(Path(job_path).read_text())
    evaluations = 0
    price = CostModelEvaluation.run

    def counted(evaluation: CostModelEvaluation) -> None:
        nonlocal evaluations
        evaluations += 1
        price(evaluation)

    CostModelEvaluation.run = counted
    with tempfile.TemporaryDirectory() as folder:
        logging.disable(logging.CRITICAL)
        start, started_s = time.perf_counter(), time.process_time()
        _, _, results = get_hardware_performance_zigzag(
            workload=workload(job["layers"]),
            accelerator=str(INPUTS / "hardware" / "edge_tpu_like.yaml"),
            mapping=str(INPUTS / "mapping" / "edge_tpu_like.yaml"),
            opt=job["objective"],
            lpf_limit=job["depth"],
            dump_folder=folder,
            loma_show_progress_bar=False,
        )
        wall_s, cpu_s = time.perf_counter() - start, time.process_time() - started_s
    searched = evaluations
    best = sorted((evaluation for evaluation, _ in results[0][1]), key=lambda evaluation: evaluation.layer.id)
    Path(result_path).write_text(
        json.dumps(
            {
                "wall_s": wall_s,
                "cpu_s": cpu_s,
                "evaluations": searched,
                "found": [found(evaluation) for evaluation in best],
                "judged": [
                    judged(evaluation, layer.get("levels"), layer["sizes"])
                    for evaluation, layer in zip(best, job["layers"], strict=True)
                ],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
