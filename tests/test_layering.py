"""The house: stages import only stages above them, libraries stay in their rooms, a noun has one definition."""

import ast
import collections
import functools
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mensa_sim
from mensa_sim.cost.prices import kept
from mensa_sim.io import store

PACKAGE = Path(mensa_sim.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({module.parent for module in MODULES} - {PACKAGE})

GROUND = {"arguments", "arrays", "errors", "flow", "lookup", "names", "objective", "ranges", "records", "units"}
STAGES = ("io", "workload", "hardware", "cost", "schedule", "simulate", "study", "report", "measurement", "api", "cli")
"""From the top down: each may import those before it, and ground."""
DOORS = {"__init__", "__main__"}
"""The package's own entries, which lead anywhere."""

TORCH = ("workload/importers/torch", "workload/operators", "workload/models", "measurement")
REGISTRIES = {"workload/operators", "workload/models", "schedule/policies"}
"""Folders with a file for each entry: as many as there are entries."""


@functools.cache
def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


@functools.cache
def nodes(module: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(module)))


def place(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def stage_of(path: str) -> str:
    return path.split("/")[0].removesuffix(".py")


def room(library: str, path: str) -> bool:
    """Whether a library may be imported in a module."""
    if library == "torch":
        return path.startswith(TORCH)
    if library in {"yaml", "pydantic"}:
        return path.startswith("io/") or path.endswith("/files.py")
    return stage_of(path) == {"simpy": "simulate", "plotly": "report"}[library]


@functools.cache
def imports(module: Path) -> tuple[str, ...]:
    return tuple(_imports(module))


def _imports(module: Path) -> Iterator[str]:
    for node in nodes(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_file_stands_in_the_drawing() -> None:
    assert {stage_of(place(module)) for module in MODULES} <= {*GROUND, *STAGES, *DOORS}


def allowed(module: Path, name: str) -> bool:
    """Whether a module's stage may import what it does."""
    stage, parts = stage_of(place(module)), name.split(".")
    if stage in DOORS or parts[0] != "mensa_sim" or len(parts) == 1 or parts[1] not in {*GROUND, *STAGES}:
        return True
    return parts[1] in ({*GROUND, *STAGES[: STAGES.index(stage) + 1]} if stage in STAGES else GROUND)


def test_a_stage_imports_only_stages_above_it() -> None:
    assert [(place(module), name) for module in MODULES for name in imports(module) if not allowed(module, name)] == []


def test_no_modules_need_each_other_to_begin() -> None:
    """Of imports at their top: in a circle the first one asked for ends in an `ImportError`."""
    by_name = {
        ".".join(("mensa_sim", *module.relative_to(PACKAGE).with_suffix("").parts)): module for module in MODULES
    }
    needs: dict[str, set[str]] = {}
    for name, module in by_name.items():
        tops = [node for node in tree(module).body if isinstance(node, ast.ImportFrom)]
        needs[name] = {f"{top.module}" for top in tops} | {
            f"{top.module}.{alias.name}" for top in tops for alias in top.names
        }
    graphlib.TopologicalSorter({name: found & by_name.keys() for name, found in needs.items()}).prepare()


def test_libraries_stay_in_their_rooms() -> None:
    confined = {"torch", "simpy", "plotly", "yaml", "pydantic"}
    found = [(library, place(module)) for module in MODULES for library in {n.split(".")[0] for n in imports(module)}]
    assert {library for library, _ in found} >= confined
    assert [(library, path) for library, path in found if library in confined and not room(library, path)] == []


@functools.cache
def calls(module: Path) -> frozenset[str]:
    return frozenset(ast.unparse(node.func) for node in nodes(module) if isinstance(node, ast.Call))


def test_records_have_one_maker() -> None:
    makers = {place(module) for module in MODULES if "dataclasses.dataclass" in {*imports(module), *calls(module)}}
    assert makers == {"records.py"}, "import `dataclass` from `mensa_sim.records`, which makes a command start sooner"


@pytest.mark.parametrize("writer", ["json.dump", "json.dumps", "csv.writer", "csv.DictWriter"])
def test_json_and_csv_have_one_writer(writer: str) -> None:
    writers = {place(module) for module in MODULES if writer in calls(module)}
    assert writers <= {"io/json_text.py", "io/csv_text.py"}


def functions(stage: str) -> dict[str, tuple[str, set[str]]]:
    """By name, what each function of a stage says it returns, and the names from outside it that it reads."""
    found: dict[str, tuple[str, set[str]]] = {}
    for module in MODULES:
        if stage_of(place(module)) == stage:
            for node in nodes(module):
                if isinstance(node, ast.FunctionDef):
                    names = [name for name in ast.walk(node) if isinstance(name, ast.Name)]
                    own = {name.id for name in names if isinstance(name.ctx, ast.Store)}
                    own |= {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
                    read = {name.id for name in names} - own
                    returned, others = found.get(node.name, ("", set()))
                    found[node.name] = (returned + ast.unparse(node.returns or node), others | read)
    return found


def shown() -> set[str]:
    """The functions that make the figures and the blocks of a report's page."""
    made = [
        node
        for module in MODULES
        for node in nodes(module)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Report", "plain_report")
    ]
    return {ast.unparse(each.value) for node in made for each in node.keywords if each.arg in ("figures", "blocks")}


def test_every_figure_is_drawn_on_a_page() -> None:
    known = functions("report")
    drawn, new = set(), shown()
    while new:
        drawn |= new
        new = {name for each in new for name in known[each][1] & known.keys()} - drawn
    figures = {name for name, (returned, _) in known.items() if re.search(r"\bFigure\b|\bDrawn\b", returned)}
    assert len(figures) > 20
    assert figures <= drawn


def test_a_page_is_escaped_and_drawn_by_one_kit() -> None:
    users = {
        library: {place(module) for module in MODULES if library in {name.split(".")[0] for name in imports(module)}}
        for library in ("html", "plotly")
    }
    export = "report/slides/export.py"
    escaping = {export, *(f"report/page/{name}.py" for name in ("page", "cards", "figure", "notebook"))}
    assert users["html"] <= escaping
    assert users["plotly"] <= {export, "report/page/packed.py", "report/page/plotly_figures.py"}


def test_no_file_is_longer_than_350_lines() -> None:
    assert [place(module) for module in MODULES if len(module.read_text().splitlines()) > 350] == []


def test_a_folder_holds_at_most_15_files_and_no_three_with_one_prefix() -> None:
    for folder in FOLDERS:
        files = [module.stem for module in folder.glob("*.py") if module.name != "__init__.py"]
        prefixes = collections.Counter(stem.split("_")[0] for stem in files)
        if place(folder) not in REGISTRIES:
            assert len(files) <= 15, place(folder)
            assert [prefix for prefix, many in prefixes.items() if many > 2] == [], place(folder)


def test_a_class_name_is_used_once() -> None:
    homes = collections.defaultdict(set)
    for module in MODULES:
        for node in nodes(module):
            if isinstance(node, ast.ClassDef):
                homes[node.name].add(place(module))
    assert {name: sorted(files) for name, files in homes.items() if len(files) > 1} == {}


EACH_ITS_OWN = {"HANDLERS", "LOGGER"}
"""What every file of a registry has, and the usual name of what a file logs with."""


def constants(module: Path) -> Iterator[str]:
    """The public names that a module gives to values and types; a type variable means nothing outside its functions."""
    for node in tree(module).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            call = ast.unparse(node.value.func) if isinstance(node.value, ast.Call) else ""
            for target in (
                [] if call == "TypeVar" else getattr(node, "targets", None) or [getattr(node, "target", node)]
            ):
                yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))


def test_a_public_constant_or_alias_has_one_home() -> None:
    homes = collections.defaultdict(set)
    for module in MODULES:
        for name in constants(module):
            if not name.startswith("_") and name not in EACH_ITS_OWN:
                homes[name].add(place(module))
    assert len(homes) > 500
    assert {name: sorted(files) for name, files in homes.items() if len(files) > 1} == {}


def test_what_is_kept_of_a_price_counts_all_code_that_makes_it() -> None:
    homes = {f"mensa_sim.{place(module).removesuffix('.py').replace('/', '.')}": module for module in MODULES}
    made_by, left = set[str](), [kept._MADE_BY]
    while left:
        name = left.pop()
        if name in homes and name not in made_by:
            made_by.add(name)
            left += imports(homes[name])
    assert made_by == set(store.sources_of(PACKAGE, kept._MADE_BY)) - {"mensa_sim"}
    assert {"mensa_sim.cost.assemble", "mensa_sim.cost.energy", "mensa_sim.cost.mapping.search"} <= made_by
    assert not any("import_module" in homes[name].read_text() for name in made_by)


def test_what_is_kept_counts_the_code_of_a_stage_and_of_those_above_it() -> None:
    assert STAGES[: len(store.STAGES)] == store.STAGES
