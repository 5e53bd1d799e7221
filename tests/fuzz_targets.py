"""Good files of every kind that a user writes, and the commands that read them, for the fuzzer to mutate."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import fuzz_richer as richer
from foreign_files import (
    SCALE_SIM_CONFIGURATION,
    SCALE_SIM_CONVOLUTIONS,
    SCALE_SIM_DEPTHWISE,
    SCALE_SIM_PRODUCTS,
    SCALE_SIM_VERSION_1,
    TIMELOOP,
    TIMELOOP_FIRST,
    TIMELOOP_OLDER,
    ZIGZAG_ACCELERATOR,
    ZIGZAG_MAPPING,
    ZIGZAG_OLDER,
    ZIGZAG_WORKLOAD,
)

from mensa_sim.api import files as api_files
from mensa_sim.api import session as api

FOREIGN = (
    *((".yaml", text) for text in (ZIGZAG_ACCELERATOR, ZIGZAG_OLDER, ZIGZAG_WORKLOAD)),
    *((".yaml", text) for text in (TIMELOOP, TIMELOOP_FIRST, TIMELOOP_OLDER)),
    *((".cfg", text) for text in (SCALE_SIM_CONFIGURATION, SCALE_SIM_VERSION_1)),
    *((".csv", text) for text in (SCALE_SIM_CONVOLUTIONS, SCALE_SIM_DEPTHWISE, SCALE_SIM_PRODUCTS)),
)
"""Files of other tools, by suffix."""
TINY = """\
name: tiny
layers:
  - {name: conv, operator: conv2d, dims: {K: 16, C: 8, OY: 8, OX: 8, FY: 3, FX: 3}, stride: 1, dilation: 1}
  - {name: gate, operator: linear, dims: {K: 32, C: 1024}, steps: 4, recurrent: true, group: g, inputs: [conv]}
  - {name: head, operator: linear, dims: {K: 10, C: 1024}, inputs: [conv], output_bytes: 10}
parameter_bits: 8
activation_bits: 8
"""
MODEL = """\
name: small
model: mensa_sim.workload.models.small_cnn:SmallCNN
arguments: {channels: 4, classes: 3}
inputs: [{shape: [1, 3, 8, 8], dtype: float32}]
parameter_bits: 8
"""
SCENARIO = """\
name: two
duration_s: 0.001
policy: edf
seed: 1
prefetch: true
parameters: best-value
streams:
  - {name: eyes, workload: ./tiny.yaml, arrivals: {kind: periodic, fps: 5000, offset_ms: 0.1}, deadline_ms: 1}
  - {name: ears, workload: ./tiny.yaml, arrivals: {kind: poisson, rate_per_s: 5000, requests: 9}, priority: 2}
  - {name: nose, workload: ./tiny.yaml, arrivals: {kind: closed_loop, in_flight: 2, requests: 3}}
"""
TRACED = "name: t\nstreams:\n  - {name: a, workload: ./tiny.yaml, arrivals: {kind: trace, trace: case.csv}}\n"
SPACE = """\
name: grid
system: mensa_g
workloads: [./tiny.yaml]
parameters:
  memories.stacked.bandwidth_bytes_per_s: {values: [128000000000, 256000000000]}
  side: {fields: [accelerators.pascal.dataflow.axes.0.size], powers_of_two: {low: 8, high: 32}}
  scheduler: {values: [mensa, greedy]}
objectives: [{metric: energy_pj}, {metric: latency_ps}]
sampler: {name: random, seed: 1}
references: [edge_tpu]
"""
MEASURED = """\
# a comment
workload,system,metric,measured,source
tiny.yaml,edge_tpu,latency_ms,0.01,"a, b"
tiny.yaml,coral_usb3,latency_ms,0.02,x
"""
ARRIVALS = "arrival_ms,other\n0,a\n0.01,b\n0.02,c\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A file to mutate, the name under which it lies, and the commands that read it, the usual one first."""

    name: str
    content: bytes
    commands: tuple[str, ...]


def first_targets(folder: Path) -> list[Target]:
    """Writes good files of a first day into a folder; returns what to mutate of them."""
    (folder / "tiny.yaml").write_text(TINY)
    technology = api_files.show("technologies", "cmos_22nm")
    (folder / "cmos_22nm.yaml").write_text(technology)
    accelerators = {
        name: api_files.show("accelerators", name).replace("../technology/", "")
        for name in ("pascal", "pavlov", "jacquard", "eyeriss_v2", "cpu_xeon_1_thread", "gpu_t4")
    }
    for name, text in accelerators.items():
        (folder / f"{name}.yaml").write_text(text.replace("../measured/", ""))
    system = api_files.show("systems", "mensa_g").replace("../accelerators/", "")
    (folder / "own_technology.yaml").write_text(accelerators["pavlov"].replace("cmos_22nm.yaml", "case.yaml"))
    for name, suffix in (("cpu_xeon_1_thread", "csv"), ("gpu_t4", "yaml")):
        text = accelerators[name].replace(f"../measured/{name}.{suffix}", f"case.{suffix}")
        (folder / f"own_timings_{suffix}.yaml").write_text(text)
    (folder / "traced.yaml").write_text(TRACED)
    (folder / "link.yaml").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to("loop")
    measured = Path(api.__file__).parents[2] / "accelerator_specs" / "measured"
    lines = (measured / "cpu_xeon_1_thread.csv").read_bytes().splitlines(keepends=True)
    table = [line for line in lines if line.startswith((b"#", b"operator", b"linear,", b"conv2d,"))][:60]
    placement = api.run(folder / "tiny.yaml", cache=False)
    files = placement.files()
    (folder / "before.json").write_text(files["summary.json"])
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        api.families(["tiny.yaml", "small_cnn"], count=2, save=Path("families.yaml"))
    families = (folder / "families.yaml").read_text()
    price = ("explain case.yaml", "trace case.yaml", "check case.yaml", "run case.yaml -q", "trace case.yaml --json")
    on = ("explain tiny.yaml --system case.yaml", "check case.yaml", "run tiny.yaml --system case.yaml -q")
    return [
        Target(
            name="case.yaml", content=TINY.encode(), commands=(*price, "compare case.yaml --systems pascal,mensa_g -q")
        ),
        Target(name="case.yaml", content=MODEL.encode(), commands=("check case.yaml", "trace case.yaml --no-cache")),
        *(Target(name="case.yaml", content=accelerators[n].encode(), commands=on) for n in ("pavlov", "eyeriss_v2")),
        Target(name="case.yaml", content=system.encode(), commands=on),
        Target(
            name="case.yaml",
            content=technology.encode(),
            commands=("check case.yaml", "explain tiny.yaml --system own_technology.yaml"),
        ),
        *(
            Target(name=f"case{suffix}", content=text.encode(), commands=(f"convert case{suffix} -q --force",))
            for suffix, text in FOREIGN
        ),
        Target(name="case.yaml", content=SCENARIO.encode(), commands=("run case.yaml -q", "check case.yaml")),
        Target(name="case.csv", content=ARRIVALS.encode(), commands=("run traced.yaml -q",)),
        Target(
            name="case.yaml",
            content=SPACE.encode(),
            commands=("check case.yaml", "explore case.yaml --trials 1 --jobs 1 -q --force"),
        ),
        Target(name="case.csv", content=MEASURED.encode(), commands=("validate --data case.csv -q",)),
        Target(
            name="case.csv",
            content=b"".join(table),
            commands=(
                "explain tiny.yaml --system own_timings_csv.yaml --timings exact",
                "calibrate x case.csv",
            ),
        ),
        Target(
            name="case.yaml",
            content=(measured / "gpu_t4.yaml").read_bytes(),
            commands=("explain tiny.yaml --system own_timings_yaml.yaml", "check case.yaml"),
        ),
        Target(
            name="case.yaml",
            content=files["schedule.yaml"].encode(),
            commands=("run tiny.yaml -q --schedule case.yaml",),
        ),
        Target(name="case.yaml", content=families.encode(), commands=("run tiny.yaml -q --families case.yaml",)),
        Target(name="case.json", content=files["summary.json"].encode(), commands=("diff before.json case.json",)),
    ]


def richer_targets(folder: Path) -> list[Target]:
    """Writes good files that use what is rarer beside those of `first_targets`; returns what to mutate of them."""
    for name in ("simba_chiplet", "coral", "cortex_a57", "hbm_pim", "orin_nano_gpu", "eyeriss_v1"):
        text = api_files.show("accelerators", name).replace("../technology/", "").replace("../measured/", "")
        (folder / f"{name}.yaml").write_text(text)
    (folder / "cmos_65nm.yaml").write_text(api_files.show("technologies", "cmos_65nm"))
    for name, text in richer.BESIDE.items():
        (folder / name).write_text(text)
    schedules = {
        "homes": api.run(folder / "tiny.yaml", cache=False),
        **{
            flow: api.run(folder / "chain.yaml", system="simba_4", flow=flow, cache=False)
            for flow in ("stacks", "tiles")
        },
    }
    flows = {flow: found.files()["schedule.yaml"] for flow, found in schedules.items()}
    (folder / "placed.yaml").write_text(flows["homes"])
    on = ("explain tiny.yaml --system case.yaml", "check case.yaml", "run tiny.yaml --system case.yaml -q")
    chips = "run chain.yaml -q --system simba_4 --schedule case.yaml"
    decide = "decide case.yaml --systems edge_tpu,pascal --runs 1 --prices 2 --no-fields --jobs 1 -q --force"
    near = "near-data --models case.yaml --bits 8 --contexts 16 --worlds 1 --jobs 1 -q --output out.csv"
    explore = ("check case.yaml", "explore case.yaml --trials 1 --jobs 1 -q --force")
    theirs = (
        "import-timings case.csv --columns K=K,C=C,OX=OX,median_us=median_us --operator linear --output out.csv "
        "--device-name x --source y --processors 1 --cache-bytes 1 --bytes-per-s 1 --peak-macs-per-s 1"
    )
    fit = "fit-devices {} --shapes {} -q --output out.csv"

    def target(text: str, *commands: str, name: str = "case.yaml") -> Target:
        return Target(name=name, content=text.encode(), commands=commands)

    def spec(name: str) -> str:
        return (folder / f"{name}.yaml").read_text()

    return [
        target(
            richer.LAYERS,
            "run case.yaml -q",
            "check case.yaml",
            "trace case.yaml --csv",
            "families case.yaml --count 2",
            decide,
        ),
        target(richer.GENERATES, "run case.yaml -q", "check case.yaml", near, "trace case.yaml"),
        target(richer.CONFIGURATION, "run configured.yaml -q", "check configured.yaml", name="case.json"),
        *(target(spec(name), *on) for name in ("simba_chiplet", "coral", "hbm_pim", "orin_nano_gpu", "eyeriss_v1")),
        target(richer.SYSTEM, *on, "run chain.yaml --system case.yaml --flow stacks -q"),
        target(richer.HOSTED, *on),
        target(
            api_files.show("systems", "simba_4").replace("../accelerators/", ""),
            *on,
            "run chain.yaml --system case.yaml --flow tiles -q",
        ),
        target(
            richer.SCENARIO, "run case.yaml -q", "check case.yaml", "compare case.yaml --systems mensa_g,edge_tpu -q"
        ),
        *(target(text, *explore) for text in (richer.SPACE, richer.SCENARIO_SPACE)),
        target(
            flows["homes"],
            "run tiny.yaml -q --schedule case.yaml",
            "run tiny.yaml -q --flow layers --schedule case.yaml",
        ),
        *(target(flows[flow], chips) for flow in ("stacks", "tiles")),
        target(richer.DATA_SHEET, "device case.yaml", "check case.yaml", "device case.yaml --output out.csv"),
        target(
            richer.RUNS,
            fit.format("case.csv", "shapes.json"),
            fit.format("runs.csv", "shapes.json --others case.csv"),
            name="case.csv",
        ),
        target(richer.SHAPES, fit.format("runs.csv", "case.json"), name="case.json"),
        target(ZIGZAG_MAPPING, "convert zigzag.yaml case.yaml -q --force"),
        target(richer.TIMINGS, theirs, name="case.csv"),
    ]
