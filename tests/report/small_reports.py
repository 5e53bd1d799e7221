"""Reports of every kind from studies small enough to be run in a second each; names in them try to be markup."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from held_reproduction import held_against_the_paper
from plain_reports import PLAIN

import mensa_sim as ms
from mensa_sim.api import explanation as explaining
from mensa_sim.api import session as api
from mensa_sim.api.explore import explore
from mensa_sim.api.validate import validate
from mensa_sim.io.files import write_yaml
from mensa_sim.report.compare.compare import COMPARISON
from mensa_sim.report.compare.scenario import SCENARIO_COMPARISON
from mensa_sim.report.compare.several import COMPARISONS
from mensa_sim.report.decide.page import DECISION
from mensa_sim.report.explain.page import EXPLANATION
from mensa_sim.report.explore.page import EXPLORATION
from mensa_sim.report.reproduce.page import REPRODUCTION
from mensa_sim.report.run.page import INFERENCE
from mensa_sim.report.scenario.page import SCENARIO_RUN
from mensa_sim.report.sensitivity.page import SENSITIVITY
from mensa_sim.report.validate.validate import VALIDATION
from mensa_sim.study.compare.compare import compare
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.decide.result import DecideResult, SingleRun, Standing, Tried
from mensa_sim.study.explore.result import ExploreResult
from mensa_sim.study.reproduce.reproduce import reproduce
from mensa_sim.study.reproduce.request import SYSTEMS, ReproduceRequest
from mensa_sim.study.scenario.scenario import ScenarioResult
from mensa_sim.study.sensitivity.joint import Draw, Interval
from mensa_sim.study.sensitivity.sensitivity import SensitivityResult
from mensa_sim.study.sensitivity.swings import Swing, headlines_of

HOSTILE = "<img src=x onerror='window.hacked=1'></script><script>window.hacked=1</script>"
"""Whatever file it comes from, it is text."""

TINY: dict[str, Any] = {
    "name": "tiny",
    "layers": [
        {"name": HOSTILE, "operator": "conv2d", "dims": {"K": 16, "C": 8, "OY": 8, "OX": 8, "FY": 3, "FX": 3}},
        {"name": "head", "operator": "linear", "dims": {"K": 10, "C": 1024}, "inputs": [HOSTILE]},
    ],
}


def tiny_workload(folder: Path) -> Path:
    """A workload that needs no tracing."""
    path = folder / "tiny.yaml"
    path.write_text(write_yaml(TINY))
    return path


def run_page(folder: Path) -> str:
    """A run of the tiny workload."""
    return INFERENCE.page(api.run(tiny_workload(folder), pins={HOSTILE: "pascal", "head": "pavlov"}))


def scenario_file(folder: Path) -> Path:
    """Two streams, one of which waits for the other."""
    workload = tiny_workload(folder)
    scenario = {
        "name": "pair",
        "duration_s": 0.001,
        "streams": [
            {
                "name": HOSTILE,
                "workload": str(workload),
                "arrivals": {"kind": "periodic", "fps": 50_000},
                "deadline_ms": 0.1,
            },
            {"name": "second", "workload": str(workload), "arrivals": {"kind": "poisson", "rate_per_s": 50_000}},
        ],
    }
    path = folder / "pair.yaml"
    path.write_text(write_yaml(scenario))
    return path


def scenario_result(folder: Path) -> ScenarioResult:
    """The two streams beside the baseline."""
    return api.run_scenario(scenario_file(folder))


def scenario_page(folder: Path) -> str:
    """The two streams."""
    return SCENARIO_RUN.page(scenario_result(folder))


def compare_page(folder: Path) -> str:
    """The tiny workload on two systems."""
    request = CompareRequest(workload=str(tiny_workload(folder)), systems=("edge_tpu", "mensa_g"))
    return COMPARISON.page(compare(request))


def compare_workloads_page(folder: Path) -> str:
    """The tiny workload and its convolution alone."""
    alone = {"name": "alone", "layers": TINY["layers"][:1]}
    return COMPARISONS.page(ms.compare_workloads([tiny_workload(folder), alone], ("edge_tpu", "mensa_g")))


def compare_scenario_page(folder: Path) -> str:
    """The two streams on two systems."""
    return SCENARIO_COMPARISON.page(ms.compare_scenario(scenario_file(folder), ("edge_tpu", "mensa_g")))


def reproduce_page(folder: Path) -> str:
    """A reproduction over one small model, with all that one over all models says."""
    return REPRODUCTION.page(held_against_the_paper(reproduce(ReproduceRequest(models=("keyboard_cifg",)))))


def validate_page(folder: Path) -> str:
    """Two rows of measurements that were never made."""
    tiny_workload(folder)
    rows = folder / "rows.csv"
    rows.write_text(
        "workload,system,metric,measured,source\ntiny.yaml,coral_usb3,latency_ms,0.5,made up\n"
        "tiny.yaml,edge_tpu,latency_ms,0.001,made up\n"
    )
    return VALIDATION.page(validate(rows))


def sensitivity_page(folder: Path) -> str:
    """A study with the figures made up."""
    headlines = headlines_of(SYSTEMS)
    nominal = {headline: 1.0 + place for place, headline in enumerate(headlines)}
    swings = tuple(
        Swing(
            choice=choice,
            taken="1",
            setting=setting,
            source=HOSTILE,
            values={headline: value * factor for headline, value in nominal.items()},
            flips={headlines[0]: HOSTILE} if factor < 1 else {},
        )
        for choice, setting, factor in (("leakage", "0.5 times", 0.8), (HOSTILE, HOSTILE, 1.3), ("leakage", "2", 1.1))
    )
    result = SensitivityResult(
        nominal=nominal,
        swings=swings,
        intervals={
            headline: Interval(low=value / 2, median=value, high=value * 2, below_one=0.1)
            for headline, value in nominal.items()
        },
        draws=(),
        prices=10,
        models=("lstm",),
        simulated=4,
        repriced=6,
        searched={},
        seed=0,
        versions={"mensa-sim": "0"},
        inputs={"workloads/lstm.yaml": "0"},
    )
    return SENSITIVITY.page(result)


def decide_page(folder: Path) -> str:
    """A decision with the figures made up."""
    systems = ("edge_tpu", HOSTILE)
    tried = tuple(
        Tried(
            kind="field",
            name=name,
            systems=systems[1:],
            taken="1",
            setting="4",
            lead=lead,
            best=systems[lead >= 1],
            source=HOSTILE,
            turns_at="2" if lead < 1 else "",
        )
        for name, lead in (("links.0.energy_pj_per_bit", 0.8), (HOSTILE, 1.7))
    )
    result = DecideResult(
        objective="edp",
        shares={"lstm": 0.5, HOSTILE: 0.5},
        measured=tuple(
            SingleRun(workload=workload, system=system, latency_ps=10**9, energy_pj=1e9, value=1.0 + place, gap=0.1)
            for workload in ("lstm", HOSTILE)
            for place, system in enumerate(systems)
        ),
        standings=tuple(
            Standing(
                system=system,
                ratio=1.0 + place,
                energy_efficiency=1.0,
                speed=1.0,
                share=float(place),
                share_low=place * 0.8,
                share_high=0.2 + place * 0.8,
            )
            for place, system in enumerate(systems)
        ),
        best=HOSTILE,
        runner_up="edge_tpu",
        lead=1.5,
        interval=Interval(low=0.9, median=1.5, high=2.0, below_one=0.1),
        histogram=((0.8, 1.0, 1), (1.0, 1.6, 6), (1.6, 2.2, 3)),
        tried=tried,
        left_out=(HOSTILE,),
        draws=(Draw(label="draw 0", chosen={}, cases=()),),
        prices=10,
        simulated=4,
        seed=0,
        versions={"mensa-sim": "0"},
        inputs={"workloads/lstm.yaml": "0"},
    )
    return DECISION.page(result)


def explore_result(folder: Path) -> ExploreResult:
    """Four designs, one parameter with a name that tries to be markup."""
    tiny_workload(folder)
    space = {
        "name": "small",
        "system": "mensa_g",
        "workloads": ["./tiny.yaml"],
        "parameters": {
            "memories.stacked.bandwidth_bytes_per_s": {"values": [32_000_000_000, 256_000_000_000]},
            "scheduler": {"values": ["mensa", "greedy"]},
            HOSTILE: {"options": {HOSTILE: {}}},
        },
        "objectives": [{"metric": "energy_pj"}, {"metric": "latency_ps"}],
        "sampler": {"name": "grid"},
        "references": ["edge_tpu"],
    }
    path = folder / "small.yaml"
    path.write_text(write_yaml(space))
    return explore(path, folder=folder / "explored")


def explore_page(folder: Path) -> str:
    """The four designs."""
    return EXPLORATION.page(explore_result(folder))


def explain_page(folder: Path) -> str:
    """A layer of the tiny workload on an array with three kinds of levels."""
    placement = explaining.place(tiny_workload(folder), system="edge_tpu")
    return EXPLANATION.page(explaining.explain(placement, HOSTILE))


def plain_page(folder: Path) -> str:
    """Those of the studies whose report is plain."""
    return on_one(make(HOSTILE).files()["report.html"] for make in PLAIN)


def on_one(pages: Iterable[str]) -> str:
    """Pages whose figures have names of their own as one, as a browser takes most of its time to read plotly."""
    heads, _, ends = zip(*(page.partition("<body>") for page in pages), strict=True)
    bodies = (end.partition("</body>")[0] for end in ends)
    return f"{heads[0]}<body>{''.join(bodies)}</body></html>"


def study_pages(folder: Path) -> str:
    """Those of studies, of a layer and of measurements."""
    made = (compare_page, compare_workloads_page, explain_page, validate_page, sensitivity_page, decide_page)
    return on_one(page(folder) for page in made)


def explore_pages(folder: Path) -> str:
    """The four designs, and the scenario on two systems."""
    return on_one(page(folder) for page in (explore_page, compare_scenario_page))


PAGES = {
    "plain": plain_page,
    "studies": study_pages,
    "run": run_page,
    "scenario": scenario_page,
    "reproduce": reproduce_page,
    "explore": explore_pages,
}
"""By kind of report, what makes one below a folder."""
