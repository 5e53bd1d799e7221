"""The same accelerator has the same colour wherever it stands, and no two of one figure look alike."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_reports import HOSTILE, PAGES, tiny_workload

from mensa_sim.api import session as api
from mensa_sim.cost.layer_cost import COMPONENTS
from mensa_sim.hardware.files import load_system
from mensa_sim.io.shipped import shipped_files
from mensa_sim.report.page.colours import (
    COLOURS,
    COMPONENT_LOOKS,
    COMPONENT_NAMES,
    INK,
    OPERAND_LOOKS,
    OWN,
    PATTERNS,
    looks,
)
from mensa_sim.report.page.figure import Drawn, figure, scatter
from mensa_sim.report.run.figures import run_figures
from mensa_sim.workload.dims import OPERANDS

NAMES = st.lists(st.one_of(st.sampled_from(sorted(OWN)), st.text(min_size=1)), max_size=len(COLOURS) * len(PATTERNS))


@given(NAMES)
def test_no_two_accelerators_of_a_figure_look_alike(names: list[str]) -> None:
    found = looks(names)
    assert list(found) == list(dict.fromkeys(names))
    assert len({(look.colour, look.pattern) for look in found.values()}) == len(found)


@given(st.text(min_size=1))
def test_a_name_alone_has_the_colour_that_it_has_beside_any_shipped_mensa(name: str) -> None:
    mensa = ("pascal", "pavlov", "jacquard")
    assert {each: look.colour for each, look in looks((*mensa, name)).items() if each in mensa} == {
        each: looks([each])[each].colour for each in mensa
    }


def test_every_accelerator_keeps_its_colour_in_every_shipped_system() -> None:
    for name in shipped_files("systems"):
        for accelerator, look in looks(placed.name for placed in load_system(name).accelerators).items():
            assert look.colour == OWN.get(accelerator, look.colour)


def test_every_component_of_the_energy_has_a_look_and_a_name_of_its_own() -> None:
    assert len({(look.colour, look.pattern) for look in COMPONENT_LOOKS.values()}) == len(COMPONENT_LOOKS)
    assert set(COMPONENT_NAMES) == set(COMPONENT_LOOKS)


def test_every_component_that_a_cost_may_have_has_a_look() -> None:
    assert set(COMPONENTS) <= set(COMPONENT_LOOKS)


def test_every_operand_has_a_look_of_its_own() -> None:
    assert list(OPERAND_LOOKS) == [*OPERANDS, "vector"]
    assert len({look.colour for look in OPERAND_LOOKS.values()}) == len(OPERAND_LOOKS)


PAPERS = ("#FFFFFF", "#17191C")
"""A light page and a dark one."""


def contrast(one: str, other: str) -> float:
    """Of two colours, by WCAG 2.2: from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [each for each in COLOURS if each != INK])
def test_lines_areas_and_marks_stand_out_from_a_light_page_and_from_a_dark_one(colour: str) -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    traces = [
        scatter(x=[1], y=[1], mode="lines", line={"color": colour}, fillcolor=colour),
        scatter(x=[1], y=[1], mode="markers", marker={"color": colour, "symbol": ["circle-open"]}),
        scatter(x=[1], y=[1], mode="markers", marker={"color": colour}),
    ]
    line, hollow, filled = figure("finding", "x", "y", traces)["data"]
    edge = filled["marker"].get("line", {}).get("color", filled["marker"]["color"])
    for drawn in (line["line"]["color"], line["fillcolor"], hollow["marker"]["color"], edge):
        assert min(contrast(drawn, paper) for paper in PAPERS) >= 3


def colours_of(drawn: Drawn) -> set[str]:
    return set(re.findall(r"#[0-9A-F]{6}", str(drawn.figure["data"])))


def test_one_accelerator_has_one_colour_in_all_figures_of_a_run(tmp_path: Path) -> None:
    result = api.run(tiny_workload(tmp_path), pins={HOSTILE: "pascal", "head": "pascal"})
    figures = run_figures(result)
    pascal, pavlov = (looks(result.main.accelerators)[name].colour for name in ("pascal", "pavlov"))
    for name in ("families", "timeline", "bandwidth", "buffers"):
        assert pascal in colours_of(figures[name])
        assert pavlov not in colours_of(figures[name])


def test_no_name_from_a_file_becomes_markup_in_any_report(tmp_path: Path) -> None:
    for kind, page in PAGES.items():
        folder = tmp_path / kind
        folder.mkdir()
        text = page(folder)
        assert HOSTILE not in text, kind
        assert "<img" not in text.partition("<body>")[2], kind
        body = text.partition("<body>")[2]
        assert body.count("<script>") == body.count("</script>"), kind
