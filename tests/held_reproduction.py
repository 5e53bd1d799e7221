"""A reproduction over few models as if the paper's figures were of these alone, so that ours are held against them."""

import dataclasses

from mensa_sim.hardware.system import System
from mensa_sim.study.reproduce.findings import agreements, deviations, with_alternatives
from mensa_sim.study.reproduce.paper import paper_figures
from mensa_sim.study.reproduce.reproduce import ReproduceResult
from mensa_sim.study.reproduce.statements import statements
from mensa_sim.study.reproduce.table import row_of
from mensa_sim.study.reproduce.workers import system_of


def held_against_the_paper(few: ReproduceResult) -> ReproduceResult:
    """With every row, distance and statement that a reproduction over all models has."""

    def system_named(name: str) -> System:
        return system_of(name, ())

    rows = tuple(with_alternatives(row_of(each, few.runs, system_named), few.runs) for each in paper_figures())
    return dataclasses.replace(
        few,
        rows=rows,
        deviations=deviations(rows, few.runs),
        agreements=agreements(rows, few.runs),
        statements=statements(few.runs),
    )
