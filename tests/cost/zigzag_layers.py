"""The layers and mappings that ZigZag chose for its Edge-TPU-like core, in our records, with what it says they cost."""

import csv
import re
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.workload.dims import DIMS
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

SYSTEM = load_system("zigzag_edge_tpu_like")
SPEC: PeArray = SYSTEM.accelerators[0].array
MEMORY = SYSTEM.memory_of(SPEC.name)
ENERGY: EnergyModel = energy_model(SYSTEM.accelerators[0], MEMORY)
LEVELS = (
    *("weight_register", "weight_sram", "weight_dram", "input_sram", "input_dram", "output_register"),
    *("output_sram", "output_dram"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLayer:
    """One row of the peer's results."""

    name: str
    nest: LoopNest
    loops: tuple[Loop, ...]
    register: dict[str, int]
    """Innermost loops that each operand's registers hold."""
    buffer: dict[str, int]
    mac_pj: float
    energy_pj: dict[str, float]
    """By operand and level."""
    cycles: float
    """Head, computation with its stalls, and tail, by the peer's count."""

    def mapping(self, tile: int | None = None) -> NestMapping:
        """The peer's mapping. Its language has no buffer tile: so many loops, else all that every buffer holds."""
        tile = min(self.buffer.values()) if tile is None else tile
        return NestMapping(
            unrolling=unroll(self.nest, SPEC),
            loops=self.loops,
            cuts=(min(tile, *self.register.values()), tile),
            holds={
                operand: ((self.register[operand], held) if operand in self.register else (held,))
                for operand, held in self.buffer.items()
            },
        )

    @property
    def layer(self) -> Layer:
        """The layer alone, every tensor from and to memory."""
        return Layer(
            name=self.name,
            operator="conv2d",
            nest=self.nest,
            parameters=(Parameter(name="weight", size_bytes=self.nest.weight_elements),),
            input_bytes=self.nest.input_elements,
            output_bytes=self.nest.output_elements,
        )

    @property
    def divides(self) -> bool:
        """Whether every dim is a multiple of the lanes that it is unrolled over."""
        unrolling = unroll(self.nest, SPEC)
        return all(size % unrolling.lanes[dim] == 0 for dim, size in unrolling.sizes.items())


def spelled_loops(text: str) -> list[list[Loop]]:
    """Loops by level, innermost first, from text such as ` | (FX, 3) (OY, 7) | (K, 4)`."""
    return [[Loop(dim, int(trips)) for dim, trips in re.findall(r"\((\w+), (\d+)\)", part)] for part in text.split("|")]


def _peer_layer(row: dict[str, str]) -> PeerLayer:
    weight, inputs, output = (spelled_loops(row[f"temporal_{operand}"]) for operand in ("weight", "input", "output"))
    loops = tuple(chain(*weight))
    assert loops == tuple(chain(*inputs)) == tuple(chain(*output))
    sizes = {dim: int(row[dim]) for dim in DIMS}
    stride = int(row["stride"])
    nest = LoopNest(
        **sizes,
        stride_y=stride,
        stride_x=stride,
        input_height=stride * sizes["OY"],
        input_width=stride * sizes["OX"],
    )
    return PeerLayer(
        name=row["layer"].removesuffix("/" + row["operator"]),
        nest=nest,
        loops=loops,
        register={"weight": len(weight[0]), "output": len(output[0])},
        buffer={
            "weight": len(weight[0]) + len(weight[1]),
            "input": len(inputs[0]),
            "output": len(output[0]) + len(output[1]),
        },
        mac_pj=float(row["energy_mac_pj"]),
        energy_pj={level: float(row[f"energy_{level}_pj"]) for level in LEVELS},
        cycles=sum(float(row[f"cycles_{part}"]) for part in ("onload", "compute_and_stalls", "offload")),
    )


@cache
def peer_layers(reference: Path) -> tuple[PeerLayer, ...]:
    """The 53 layers of MobileNetV2 and 21 of ResNet-18; both pad so that the input is stride times the output."""
    with (reference / "peers" / "zigzag_edge_tpu_like.csv").open(newline="") as file:
        return tuple(_peer_layer(row) for row in csv.DictReader(file))
