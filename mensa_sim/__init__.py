"""mensa-sim: a simulator of heterogeneous edge accelerators and their scheduler.

>>> import mensa_sim as ms
>>> result = ms.run("small_cnn", system="mensa_g")
>>> result
<Run: small_cnn on mensa_g>

`print(result)` shows the tables, `result.figure()` is a plotly figure, `result.to_pandas()` a data frame, and
`result.save(FOLDER)` writes what the command writes. A name is imported when it is first used. An argument
of another type than its annotation says is a `UsageError`.
"""

from types import FunctionType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "FULL",
    "PLAIN",
    "Calibrated",
    "Comparison",
    "Comparisons",
    "Decision",
    "DeviceFits",
    "Explanation",
    "Exploration",
    "Families",
    "InfeasibleError",
    "LayerGraph",
    "MensaError",
    "NearData",
    "Options",
    "PimGains",
    "Problem",
    "Reproduction",
    "Run",
    "ScenarioComparison",
    "ScenarioRun",
    "Schedule",
    "Sensitivity",
    "System",
    "UsageError",
    "Validation",
    "__version__",
    "calibrate",
    "check",
    "compare",
    "compare_scenario",
    "compare_workloads",
    "convert",
    "decide",
    "device",
    "diff",
    "explain",
    "explore",
    "families",
    "fit_devices",
    "import_timings",
    "list_kind",
    "load_system",
    "measure",
    "measure_models",
    "moves",
    "near_data",
    "place",
    "reproduce",
    "reproduce_pim",
    "run",
    "run_scenario",
    "schedule_of",
    "schema",
    "sensitivity",
    "show",
    "trace",
    "validate",
]

if (
    TYPE_CHECKING
):  # `__getattr__` reads it too: a name is imported when it is first used, so that the package costs nothing
    from mensa_sim.api.comparison import (
        Comparison,
        Comparisons,
        ScenarioComparison,
        compare,
        compare_scenario,
        compare_workloads,
    )
    from mensa_sim.api.decide import Decision, decide
    from mensa_sim.api.explanation import Explanation, explain, moves, place
    from mensa_sim.api.explore import Exploration, diff, explore
    from mensa_sim.api.files import check, convert, list_kind, schema, show
    from mensa_sim.api.measured import (
        Calibrated,
        DeviceFits,
        calibrate,
        device,
        fit_devices,
        import_timings,
        measure,
        measure_models,
    )
    from mensa_sim.api.reproduce import (
        NearData,
        PimGains,
        Reproduction,
        Sensitivity,
        near_data,
        reproduce,
        reproduce_pim,
        sensitivity,
    )
    from mensa_sim.api.session import Families, Run, ScenarioRun, families, run, run_scenario, trace
    from mensa_sim.api.validate import Validation, validate
    from mensa_sim.errors import InfeasibleError, MensaError, UsageError
    from mensa_sim.hardware.files import load_system
    from mensa_sim.hardware.system import System
    from mensa_sim.schedule.problem import Problem
    from mensa_sim.schedule.schedule import Schedule, schedule_of
    from mensa_sim.simulate.plan.options import FULL, PLAIN, Options
    from mensa_sim.workload.graph import LayerGraph


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    from mensa_sim.arguments import checked, names_for_type_checkers

    found = names_for_type_checkers(__name__, {name})[name]
    found = globals()[name] = checked(found) if isinstance(found, FunctionType) else found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
