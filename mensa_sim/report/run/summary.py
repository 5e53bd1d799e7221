"""summary.json and layers.csv: what scripts may rely on."""

from dataclasses import asdict

from mensa_sim.io.csv_text import csv_of
from mensa_sim.io.json_text import picked, plain, present
from mensa_sim.report.generation.tables import generation_summary
from mensa_sim.report.page.changes import changes_summary
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.study.run.result import (
    ACCELERATOR_FIELDS,
    LayerResult,
    RunResult,
    SystemResult,
    energy_components,
    ratios,
)

LAYER_FIELDS = (
    *("name", "operator", "family", "accelerator", "start_ps", "end_ps", "cycles", "energy_pj", "utilization"),
    *("bound", "source", "error_percent"),
)
HOME_FIELDS = ("tensor", "home", "start_ps", "end_ps", "bytes=size_bytes", "saved_bytes")
STACK_FIELDS = ("layers", "accelerator", "tiles", "rows", "start_ps", "end_ps", "saved_bytes")
MAPPING_FIELDS = ("mapping_floor", "mapping_gap_percent")
ROW_FIELDS = (*LAYER_FIELDS, "macs", "parameter_bytes", "steps", "supported", "reason", *MAPPING_FIELDS)


def summary(result: RunResult) -> dict[str, object]:
    """A run as plain JSON values in a fixed order; an unknown value is absent."""
    main = result.main
    return {
        **_totals(main),
        **({} if result.answer is None else {"generation": generation_summary(result.answer)}),
        "accelerators": {name: picked(each, *ACCELERATOR_FIELDS) for name, each in main.accelerators.items()},
        **picked(main, "handoffs"),
        "layers": [_layer(layer) for layer in main.layers],
        "homes": [picked(home, *HOME_FIELDS) for home in main.homes],
        "stacks": [picked(stack, *STACK_FIELDS) for stack in main.stacks],
        "splits": [present(plain(split)) for split in main.splits],
        **({"heard_bytes": main.heard_bytes} if main.splits else {}),
        **({"caveats": list(main.caveats)} if main.caveats else {}),
        **picked(main, "steady_state=steady", "coverage"),
        "coverage_shares": {name: share.record for name, share in main.coverage_shares.items()},
        "optimality": present(plain(main.optimality)),
        **({"best_schedule": _best(result)} if main.best else {}),
        **_against(result),
        **changes_summary(result.changes),
        **provenance_summary(result),
    }


def _against(result: RunResult) -> dict[str, object]:
    """The baseline and the ratios against it, or why there is none."""
    baseline, found = result.baseline, result.ratios
    if baseline is None or found is None:
        return {"alone": result.alone}
    figures = picked(baseline, "system", "latency_ps", "energy_pj")
    if result.baseline_answer is not None:
        figures["generation"] = generation_summary(result.baseline_answer)
    return {"baseline": figures, "ratios": asdict(found)}


def _best(result: RunResult) -> dict[str, object]:
    """The best schedule's figures, and its ratios against the baseline."""
    best, baseline = result.main.best, result.baseline
    if best is None:
        return {}
    return {**asdict(best), **({} if baseline is None else {"ratios": asdict(ratios(best, baseline))})}


def _totals(main: SystemResult) -> dict[str, object]:
    return present(
        {
            **picked(main, "workload", "system", "scheduler", "objective"),
            "flow": main.schedule.data.flow if main.schedule.data else None,
            **picked(main, "seed", "macs", "parameter_bytes", "latency_ps", "energy_pj"),
            **main.products,
            **picked(main, "throughput_inferences_per_s", "macs_per_s", "utilization", "traffic_bytes"),
            "energy_by_component_pj": {name: main.energy_by_component_pj[name] for name in energy_components(main)},
            "area_mm2": main.area_mm2,
        }
    )


def _layer(layer: LayerResult) -> dict[str, object]:
    marks = {} if layer.supported else {"supported": False}
    return {**present(picked(layer, *LAYER_FIELDS)), **marks}


def layers_csv(result: RunResult) -> str:
    """layers.csv as text: one row a layer, in schedule order."""
    return csv_of(ROW_FIELDS, result.main.layers)
