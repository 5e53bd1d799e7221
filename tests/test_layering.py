"""The house of the design: stages import only stages above them, and libraries stay in their rooms."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mensa_sim

PACKAGE = Path(mensa_sim.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

GROUND = {"units", "names", "field_faults", "errors", "registry", "atomic_write", "files", "shipped", "__init__"}
MAY_IMPORT = {
    "workload": set(),
    "hardware": set(),
    "cost": {"workload", "hardware"},
    "schedule": {"workload", "hardware", "cost"},
    "simulate": {"workload", "hardware", "cost", "schedule"},
    "measure": {"workload"},
    "study": {"workload", "hardware", "cost", "schedule", "simulate", "measure"},
    "report": {"workload", "hardware", "cost", "schedule", "simulate", "study"},
    "__main__": {"cli"},
    "api": {"workload", "hardware", "cost", "schedule", "simulate", "study", "report", "measure"},
    "cli": {"workload", "hardware", "cost", "schedule", "simulate", "study", "report", "measure", "api"},
}
COST_TIMING_TABLE = "mensa_sim.cost.timing_table"


def room(library: str, module: Path) -> bool:
    """Whether a library may be imported in a module."""
    path = module.relative_to(PACKAGE)
    stage = path.parts[0]
    if library == "torch":
        return stage == "measure" or (
            stage == "workload"
            and (path.parts[1] in {"operators", "models"} or path.name.startswith(("trace", "build_model")))
        )
    if library in {"yaml", "pydantic"}:
        return path.name == "files.py"
    return stage == {"simpy": "simulate", "plotly": "report"}[library]


def imports(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def stage_of(dotted: str) -> str:
    """The stage of a module; `api_*` and `cli_*` are parts of `api` and `cli`."""
    parts = dotted.split(".")
    name = parts[1] if len(parts) > 1 else "__init__"
    return name.split("_")[0] if name.startswith(("api_", "cli_")) else name


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_a_stage_imports_only_stages_above_it(module: Path) -> None:
    stage = stage_of("mensa_sim." + module.relative_to(PACKAGE).parts[0].removesuffix(".py"))
    known = GROUND | set(MAY_IMPORT)
    for name in imports(module):
        if not name.startswith("mensa_sim") or stage_of(name) not in known:
            continue
        other = stage_of(name)
        if other == stage or other in GROUND or (stage == "measure" and name.startswith(COST_TIMING_TABLE)):
            continue
        assert stage not in GROUND or stage == "__init__", f"ground module {stage} imports {name}"
        assert other in MAY_IMPORT.get(stage, set(MAY_IMPORT)), f"{stage} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(module: Path) -> None:
    for name in imports(module):
        library = name.split(".")[0]
        if library in {"torch", "simpy", "plotly", "yaml", "pydantic"}:
            assert room(library, module), f"{module.relative_to(PACKAGE)} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_no_file_is_longer_than_350_lines(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 350
