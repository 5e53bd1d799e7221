"""Which of several systems a setting holds on: a shared technology is one, an accelerator's field its own."""

from collections.abc import Sequence
from pathlib import Path

from mensa_sim.hardware.fields import holds_place, parse_override, place_of
from mensa_sim.hardware.files import system_data
from mensa_sim.hardware.system import System
from mensa_sim.io.at_hand import Given
from mensa_sim.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSetting:
    """A setting, and the systems of a result that it holds on."""

    setting: str
    """As `--set` takes it."""
    systems: tuple[str, ...]


def changes_of(settings: Sequence[tuple[str, Sequence[str]]]) -> tuple[HeldSetting, ...]:
    """What was set where, from the texts that each system, by name, was loaded with; in the order of the texts.

    >>> changes_of([("mensa_g", ["technology.vdd_v=1", "name=own"]), ("edge_tpu", ["technology.vdd_v=1"])])[0].systems
    ('mensa_g', 'edge_tpu')
    """
    texts = dict.fromkeys(text for _, own in settings for text in own)
    return tuple(
        HeldSetting(setting=text, systems=tuple(name for name, own in settings if text in own)) for text in texts
    )


def shared_overrides(texts: Sequence[str], system: System, other: System) -> tuple[str, ...]:
    """What of the settings of a system another one gets too: those of technology files that both use.

    Where only some of its accelerators use such a file, they alone get the setting.
    """
    files = {Path(placed.spec.technology).resolve() for placed in system.accelerators}
    sharing = [placed.name for placed in other.accelerators if Path(placed.spec.technology).resolve() in files]
    found: list[str] = []
    for text in texts:
        place = place_of(parse_override(text)[0], f"--set {text}")
        if place.owner == "technology" and place.accelerator is None:
            whole = len(sharing) == len(other.accelerators)
            found += [text] if whole else [f"accelerators.{name}.{text}" for name in sharing]
    return tuple(found)


def held_overrides(texts: Sequence[str], systems: Sequence[Given | System]) -> tuple[tuple[str, ...], ...]:
    """For each of some systems the settings that speak of something it has; what none has goes to all, as an error.

    A system that is at hand is taken to have everything.
    """
    held = [[text for text in texts if _holds(system, text)] for system in systems]
    nowhere = {text for text in texts if not any(text in own for own in held)}
    return tuple(tuple(text for text in texts if text in own or text in nowhere) for own in held)


def _holds(system: Given | System, text: str) -> bool:
    if isinstance(system, System):
        return True
    _, raw, accelerators = system_data(system)
    return holds_place(raw, accelerators, text)
