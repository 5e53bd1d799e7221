"""Who has which colour: the same accelerator, component or kind of layer in every figure of every report."""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from mensa_sim.hardware.static_energy import BACKGROUND, BOARD, LEAKAGE
from mensa_sim.records import dataclass

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, INK = "#56B4E9", "#CC79A7", "#F0E442", "#000000"
COLOURS = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW, INK)
"""Okabe and Ito's palette, safe for the colour-blind (Wong, Nature Methods 8:441, 2011); black is the theme's ink."""

PAPER = "#ffffff"
"""Dark on a dark page."""

GREY = "#8c8c8c"
"""For what only stands behind, and for the edges of marks: legible on light and on dark."""

DEEPER: Mapping[str, str] = {ORANGE: "#C58600", SKY: "#3A98D6", YELLOW: "#9E9600"}
"""For lines, areas, hollow marks and other marks' edges: darkened until they are 3 to 1 on white (WCAG 2.2, 1.4.11)."""

INK_ON_COLOURS, PAPER_ON_COLOURS = "#111111", "#fefefe"
"""Of text on a colour, which is the same on a dark page, as the colour is."""


def text_on(colour: str) -> str:
    """The colour in which text is read on another (WCAG 2.2, 1.4.3): black or white, on ink that of paper.

    >>> text_on(BLUE), text_on(GREEN), text_on(INK)
    ('#fefefe', '#111111', '#ffffff')
    """
    if colour == INK:
        return PAPER
    return PAPER_ON_COLOURS if colour == BLUE else INK_ON_COLOURS


PATTERNS = ("", "/", "x", ".")
"""Fill patterns that tell apart what has the same colour."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon")

OWN: Mapping[str, str] = {
    "pascal": BLUE,
    "pavlov": ORANGE,
    "jacquard": GREEN,
    "mensa_g": VERMILION,
    "edge_tpu": INK,
    "base_hb": SKY,
    "eyeriss_v2": PURPLE,
    "eyeriss_v1": YELLOW,
    "coral": YELLOW,
    "cpu_xeon_1_thread": VERMILION,
    "gpu_a100": SKY,
    "gpu_h100": SKY,
    "gpu_t4": PURPLE,
    "phone_npu": BLUE,
    "lpddr5_pim": YELLOW,
    "hbm_pim": YELLOW,
    "gddr6_aim": YELLOW,
}
"""What ships. Two of a colour never stand in one shipped system."""


def pattern(shape: str | list[str]) -> dict[str, Any]:
    """A pattern drawn over the colour."""
    return {"shape": shape, "fillmode": "overlay", "fgcolor": "rgba(255, 255, 255, 0.75)", "solidity": 0.3, "size": 7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one accelerator, system or component is drawn."""

    colour: str
    pattern: str = ""
    symbol: str = "circle"

    @property
    def bar(self) -> dict[str, Any]:
        """A marker of bars."""
        return {"color": self.colour, "pattern": pattern(self.pattern)}


def looks(names: Iterable[str]) -> dict[str, Look]:
    """A look for each accelerator or system; no two are the same, and a name keeps its own unless another has it.

    >>> looks(["jacquard", "pavlov"])["pavlov"].colour == looks(["pavlov"])["pavlov"].colour
    True
    >>> len({look.colour for look in looks(["pavlov", *"abcdefg"]).values()})
    8
    """
    found: dict[str, Look] = {}
    asked = list(dict.fromkeys(names))
    ordered = sorted(asked, key=lambda name: name not in OWN)
    taken: set[tuple[str, str]] = set()
    for name in ordered:
        first = COLOURS.index(OWN[name]) if name in OWN else zlib.crc32(name.encode()) % len(COLOURS)
        places = [(COLOURS[(first + step) % len(COLOURS)], pattern) for pattern in PATTERNS for step in range(8)]
        colour, pattern = next((place for place in places if place not in taken), places[0])
        taken.add((colour, pattern))
        symbol = SYMBOLS[(COLOURS.index(colour) + 3 * PATTERNS.index(pattern)) % len(SYMBOLS)]
        found[name] = Look(colour=colour, pattern=pattern, symbol=symbol)
    return {name: found[name] for name in asked}


COMPONENT_LOOKS: Mapping[str, Look] = {
    "mac": Look(colour=VERMILION),
    "vector": Look(colour=YELLOW),
    "register": Look(colour=ORANGE),
    "network": Look(colour=PURPLE),
    "parameter_buffer": Look(colour=GREEN),
    "activation_buffer": Look(colour=SKY),
    "shared_buffer": Look(colour=GREEN, pattern="x"),
    "memory": Look(colour=BLUE),
    "link": Look(colour=INK),
    "device": Look(colour=VERMILION, pattern="/"),
    LEAKAGE: Look(colour=ORANGE, pattern="/"),
    BACKGROUND: Look(colour=BLUE, pattern="/"),
    BOARD: Look(colour=INK, pattern="/"),
}
"""By component of the energy; striped where time alone costs it, crossed where one of its colour serves others too."""

OPERAND_LOOKS: Mapping[str, Look] = {
    "weight": Look(colour=GREEN),
    "input": Look(colour=SKY),
    "output": Look(colour=ORANGE),
    "vector": Look(colour=YELLOW),
}
"""By operand of a layer: weights as the buffer of parameters, inputs as that of activations."""

COMPONENT_NAMES: Mapping[str, str] = {
    "mac": "MACs",
    "vector": "vector unit",
    "register": "registers",
    "network": "on-chip network",
    "parameter_buffer": "parameter buffer",
    "activation_buffer": "activation buffer",
    "shared_buffer": "shared levels",
    "memory": "memory (DRAM)",
    "link": "links between memories",
    "device": "device as a whole",
    LEAKAGE: "leakage",
    BACKGROUND: "memory background",
    BOARD: "board",
}
"""For people."""
