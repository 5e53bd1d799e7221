"""What was set on which system, for people and for scripts."""

from collections.abc import Sequence
from typing import Any

from mensa_sim.hardware.overrides import HeldSetting
from mensa_sim.lookup import both
from mensa_sim.study.run.result import BesideBaseline


def changes_text(changes: Sequence[HeldSetting], systems: Sequence[str]) -> tuple[str, ...]:
    """One line for each setting: the systems of the result that it holds on.

    >>> changes_text([HeldSetting(setting="technology.vdd_v=1", systems=("mensa_g",))], ["mensa_g", "edge_tpu"])
    ('--set technology.vdd_v=1 holds on mensa_g alone',)
    """
    return tuple(f"--set {each.setting} holds on {_where(each.systems, systems)}" for each in changes)


def changes_of(result: BesideBaseline[Any]) -> tuple[str, ...]:
    """The same of what has a baseline."""
    return changes_text(result.changes, [system.system for system in result.systems])


def _where(named: Sequence[str], systems: Sequence[str]) -> str:
    if len(named) == 1 < len(systems):
        return f"{named[0]} alone"
    return both(named)


def changes_summary(changes: Sequence[HeldSetting]) -> dict[str, object]:
    """The settings for summary.json: nothing where nothing was set."""
    return {"changes": [{"set": each.setting, "systems": list(each.systems)} for each in changes]} if changes else {}
