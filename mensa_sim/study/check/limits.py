"""What a chip cannot run: a file without fault may run no common operator, so that small layers are priced on it."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mensa_sim.cost.prices.memo import shared_memo
from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.accelerator import Device
from mensa_sim.hardware.files import load_accelerator, load_system
from mensa_sim.hardware.system import System
from mensa_sim.io.at_hand import file_of
from mensa_sim.lookup import both
from mensa_sim.workload.load import load_workload

LOGGER = logging.getLogger(__name__)

_IMAGE = {"OY": 8, "OX": 8}
_ELEMENTS = {"elements": 64, "vector_ops": 64}
COMMON: Mapping[str, Mapping[str, Any]] = {
    "convolutions": {"operator": "conv2d", "dims": {"K": 16, "C": 16, "FY": 3, "FX": 3, **_IMAGE}},
    "depthwise convolutions": {"operator": "conv2d", "dims": {"G": 16, "FY": 3, "FX": 3, **_IMAGE}},
    "fully connected layers": {"operator": "linear", "dims": {"K": 16, "C": 16}},
    "products of two activations": {"operator": "matmul", "dims": {"K": 16, "C": 16, "OX": 8}},
    "pooling": {"operator": "max_pool", **_ELEMENTS},
    "softmax": {"operator": "softmax", **_ELEMENTS},
    "additions": {"operator": "add", **_ELEMENTS},
}
"""A small layer of each common operator, by what people call them: sizes are a choice."""

LENT_MEMORY = {"kind": "lpddr4", "bandwidth_bytes_per_s": 32 * 10**9, "efficiency": 1.0}
"""What an accelerator that names no memory is priced on; whether it runs a layer does not hang on it."""


def alone(path: Path) -> System:
    """The system of an accelerator's file, on a memory that is lent where the file names none."""
    lent = {
        "name": "alone",
        "memories": {"memory": LENT_MEMORY},
        "accelerators": [{"spec": str(path.resolve()), "memory": "memory"}],
    }
    return load_system(path if load_accelerator(path).default_memory else file_of(lent))


def tell_limits(path: Path, system: System) -> None:
    """Notes which common operators no accelerator of a file's system runs, and which its host's CPU alone does."""
    for text in _limits(system):
        LOGGER.warning("%s: %s", path, text)


def _limits(system: System) -> Iterator[str]:
    if any(isinstance(placed.spec, Device) for placed in system.devices):
        return  # what a device runs is what was measured
    layers = [{"name": name, "inputs": [], **layer} for name, layer in COMMON.items()]
    graph = load_workload(file_of({"name": "common", "layers": layers}), cache=False)
    refused = price(graph, system, "latency", shared_memo()).refusals
    own = [placed.name for placed in system.devices]
    missing = [name for name in COMMON if all((name, each) in refused for each in own)]
    if not missing:
        return
    why = dict.fromkeys(refused[name, each] for name in missing for each in own)
    cpu = None if system.host is None else system.host.cpu
    then = f"such layers run on its host's CPU, {cpu}" if cpu else "a workload with such a layer is refused"
    yield f"{both(own)} cannot run {both(missing)} ({'; '.join(why)}): {then}"
