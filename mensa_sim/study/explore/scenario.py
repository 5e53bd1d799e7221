"""The metrics of a design in a scenario: of the whole run, and of one of its streams."""

import math
from collections.abc import Iterable, Mapping

from mensa_sim.errors import UsageError
from mensa_sim.lookup import unknown_name
from mensa_sim.simulate.scenario.scenario import Scenario
from mensa_sim.study.scenario.scenario import ScenarioSystemResult

PREFIX = "scenario."
"""What the names of these metrics begin with in a space."""
LATENCIES = ("p50_ps", "p95_ps", "p99_ps", "max_ps")
WHOLE = (
    *LATENCIES,
    "deadline_misses",
    "overloaded_streams",
    "throughput_per_s",
    "energy_per_inference_pj",
    "mean_power_mw",
)
"""Of all streams: a latency is that of the slowest stream, `energy_per_inference_pj` all energy over all inferences
that ended; misses and throughput are sums."""
STREAM = (
    *LATENCIES,
    "mean_latency_ps",
    "mean_queueing_ps",
    "mean_service_ps",
    "deadline_misses",
    "throughput_per_s",
    "energy_per_inference_pj",
    "handoffs",
)
"""Of one stream, as in the summary of a scenario."""


def scenario_values(result: ScenarioSystemResult, wanted: Iterable[str]) -> dict[str, float]:
    """`WHOLE`, and the wanted ones among `streams.NAME.METRIC`; absent is what needs an inference that ended."""
    streams = result.metrics.streams
    asked = [stream for stream in streams.values() if stream.requests]
    found: dict[str, float | None] = {}
    for name in LATENCIES:
        values = [getattr(stream, name) for stream in asked]
        found[name] = None if None in values else max(values, default=None)
    found |= {
        "deadline_misses": sum(stream.deadline_misses for stream in asked),
        "overloaded_streams": sum(stream.overloaded for stream in asked),
        "throughput_per_s": math.fsum(stream.throughput_per_s for stream in asked),
        "energy_per_inference_pj": result.energy_per_inference_pj,
        "mean_power_mw": result.metrics.mean_power_mw,
    }
    for name in wanted:
        match name.split("."):
            case ["streams", stream, metric]:
                found[name] = getattr(streams[stream], metric)
    return {name: value for name, value in found.items() if value is not None}


def check_scenario_metric(name: str) -> None:
    """`UsageError` for a metric that no scenario can have; `name` is without the prefix."""
    match name.split("."):
        case [top] if top in WHOLE:
            return
        case ["streams", _, metric]:
            if metric not in STREAM:
                raise unknown_name(metric, STREAM, "metric of a stream")
        case _:
            raise unknown_name(name, (*WHOLE, "streams.NAME.METRIC"), "metric of a scenario")


def check_stream(name: str, scenarios: Iterable[Scenario]) -> None:
    """`UsageError` where a metric is of a stream that one of the scenarios has not."""
    parts = name.removeprefix(PREFIX).split(".")
    if not name.startswith(PREFIX) or parts[0] != "streams":
        return
    for scenario in scenarios:
        streams = [name for stream in scenario.streams for name in stream.names]
        if parts[1] not in streams:
            unknown = unknown_name(parts[1], streams, f"stream of the scenario {scenario.name}")
            raise UsageError(f"{name}: {unknown}")


def of_metrics(names: Iterable[str]) -> list[str]:
    """The names of metrics of scenarios among some, without their prefix."""
    return [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]


def prefixed(values: Mapping[str, float]) -> dict[str, float]:
    """Metrics of a scenario as tables name them."""
    return {f"{PREFIX}{name}": value for name, value in values.items()}
