"""The words of all README.md hold: files are good, commands and snippets run and print what stands there."""

import io
import json
import re
import shlex
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from in_this_process import mensa_sim
from killed import ended

from mensa_sim.cli.main import app
from mensa_sim.io.shipped import FOLDERS, shipped_files

ROOT = Path(__file__).resolve().parents[1]
FOLDERS_WITH_PAGES = (".", "workloads", "accelerator_specs", "mensa_sim", "mensa_sim/study", "tests")
"""In the order in which they are read: what a page runs may use the files and results of those before it."""
PAGES = {f"{folder}/README.md".removeprefix("./"): ROOT / folder / "README.md" for folder in FOLDERS_WITH_PAGES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of a page."""

    page: str
    language: str
    file: str
    """The file that it is; none for commands and snippets."""
    text: str
    shown: str
    """What the page shows of its output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a reader types: a command or a snippet."""

    block: Block
    typed: str

    def __str__(self) -> str:
        return self.typed if self.block.language != "python" else f"{self.block.page}: {self.typed.splitlines()[-1]}"


def blocks_of(page: str, path: Path) -> list[Block]:
    found = re.findall(
        r"^```(\w+)([^\n]*)\n(.*?)^```$(?:\n+^```text\n(.*?)^```$)?",
        path.read_text(encoding="utf-8"),
        flags=re.DOTALL | re.MULTILINE,
    )
    return [
        Block(page=page, language=language, file=file.strip(), text=text, shown=shown)
        for language, file, text, shown in found
    ]


BLOCKS = [block for page, path in PAGES.items() for block in blocks_of(page, path)]
FILES = {block.file: block.text for block in BLOCKS if block.file}


def commands(block: Block) -> list[Step]:
    return [Step(block=block, typed=line) for line in block.text.splitlines() if line.startswith("mensa-sim ")]


def steps() -> list[Step]:
    """All commands and snippets that take seconds, page by page from top to bottom."""
    found = []
    for block in BLOCKS:
        if block.language == "sh":
            found += commands(block)
        elif block.language == "python" and not block.file:
            found.append(Step(block=block, typed=block.text))
    return found


LONG = [step for block in BLOCKS if block.language == "console" for step in commands(block)]


def words(command: str) -> list[str]:
    return shlex.split(command, comments=True)[1:]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the checkout, with the files that the pages have their reader write."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("workloads", "accelerator_specs"):
        (folder / name).symlink_to(ROOT / name)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def printed(snippet: str, checkout: Path) -> str:
    """What a snippet prints that is typed in the checkout, beside the modules that pages have their reader write."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.chdir(checkout)
        patch.syspath_prepend(checkout)
        patch.setenv("COLUMNS", "80")
        exec(compile(snippet, "snippet", "exec"), {"__name__": "__main__"})
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)
    return out.getvalue()


@pytest.mark.parametrize("step", steps(), ids=str)
def test_every_command_and_snippet_runs_and_prints_what_stands_there(step: Step, checkout: Path) -> None:
    if step.block.language == "python":
        out = printed(step.typed, checkout)
    else:
        out = mensa_sim(checkout, *words(step.typed)).stdout
    if step.block.shown:
        assert _trimmed(out) == _trimmed(step.block.shown)


VALIDATED = "results/validate/summary.json"
"""What `mensa-sim validate`, a command of the studies' page, writes."""


def test_the_studies_state_how_far_gpus_are_off_as_their_validation_finds_it(checkout: Path) -> None:
    """Of the Edge TPUs, `test_real_edge_tpu` asks it."""
    if not (checkout / VALIDATED).is_file():
        mensa_sim(checkout, "validate")
    page = " ".join(PAGES["mensa_sim/study/README.md"].read_text(encoding="utf-8").split())
    groups = json.loads((checkout / VALIDATED).read_text())["groups"]
    found = [each for each in groups if each["system"].startswith("gpu_")]
    assert len(found) == 8
    for each in found:
        assert f"{each['test']['mean_absolute_percentage_error']:.1f} %" in page, each


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("step", LONG, ids=str)
def test_a_command_that_takes_minutes_parses_and_names_what_is_there(step: Step, checkout: Path) -> None:
    name, *arguments = words(step.typed)
    parsed = typer.main.get_command(app).commands[name].make_context(name, arguments).params  # type: ignore[attr-defined]
    shipped = {found for kind in FOLDERS for found in shipped_files(kind)}
    inputs = [parsed.get(key) for key in ("workload", "space", "system")] + (parsed.get("workloads") or [])
    for each in inputs:
        found_before = each is not None and each.startswith("results/")
        assert each is None or found_before or each in shipped or (checkout / each).is_file(), each


@pytest.mark.long
@pytest.mark.parametrize("step", LONG, ids=str)
def test_a_command_that_takes_minutes_runs(step: Step, checkout: Path) -> None:
    code, _, errors = ended("-m", "mensa_sim", *words(step.typed), cwd=checkout)
    assert code == 0, errors


def test_no_command_hides_in_a_block_that_nothing_runs() -> None:
    assert {block.language for block in BLOCKS} == {"sh", "python", "yaml", "csv", "console"}
    assert len(steps()) > 25
    assert all(block.file for block in BLOCKS if block.language in ("yaml", "csv"))
    assert len(FILES) == sum(bool(block.file) for block in BLOCKS)
    fences = sum(line.startswith("```") for path in PAGES.values() for line in path.read_text().splitlines())
    assert fences == 2 * (len(BLOCKS) + sum(bool(block.shown) for block in BLOCKS))


def test_the_first_two_blocks_install_and_run_and_install_and_test() -> None:
    first, second = BLOCKS[0].text, BLOCKS[1].text
    assert "pip install" in first
    assert "mensa-sim run workloads/lstm.yaml" in first
    assert "pip install" in second
    assert "pytest" in second
    assert len(first.splitlines()) == len(second.splitlines()) == 1
    assert second in [block.text for block in BLOCKS if block.page == "tests/README.md"]


def test_every_folder_that_people_open_has_a_page_that_is_run() -> None:
    top = [folder for folder in FOLDERS_WITH_PAGES if "/" not in folder and folder != "."]
    written = {path.relative_to(ROOT).as_posix() for folder in top for path in (ROOT / folder).rglob("README.md")}
    assert written | {"README.md"} == PAGES.keys()
    assert len(PAGES["README.md"].read_text().splitlines()) < 250


def anchors(path: Path) -> set[str]:
    """The places of a page that a link may name, as GitHub makes them of its headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [
    (page, target)
    for page, path in PAGES.items()
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    if not target.startswith("https://")
]


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: str, target: str) -> None:
    name, _, anchor = target.partition("#")
    path = PAGES[page].parent / name if name else PAGES[page]
    assert path.is_file()
    assert not anchor or anchor in anchors(path)
