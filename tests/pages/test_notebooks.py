"""The notebooks are small, kept as they ran from top to bottom, and run again in the long set."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from notebooks import FIGURE, NOTEBOOKS, ROOT, executed, outputs

import mensa_sim as ms

MAX_KIB = 250


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def source(notebook: Any, kind: str) -> str:
    return "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind)


def test_there_are_four_and_the_readme_leads_to_each() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(NOTEBOOKS) == 4
    assert all(f"(.github/notebooks/{path.name})" in readme for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_as_it_ran_from_top_to_bottom(path: Path) -> None:
    notebook = read(path)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for output in outputs(notebook)}
    assert kinds <= {"stream", "execute_result", "display_data"}
    assert not [output for output in outputs(notebook) if output.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_shows_a_picture_of_each_figure_and_nothing_of_a_terminal_or_a_machine(path: Path) -> None:
    notebook = read(path)
    assert path.stat().st_size < MAX_KIB * 1024
    figures = [output["data"] for output in outputs(notebook) if FIGURE in output.get("data", {})]
    assert figures
    assert all("image/png" in data and "text/html" not in data for data in figures)
    text = json.dumps(notebook)
    assert "\\u001b[" not in text
    assert not re.search(r'"/(home|root|tmp|work)/', text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_what_the_package_offers_and_its_links_lead_to_files(path: Path) -> None:
    notebook = read(path)
    used = set(re.findall(r"\bms\.(\w+)", source(notebook, "code")))
    assert used
    assert used <= set(ms.__all__)
    links = re.findall(r"\]\(([^)#\s]+)", source(notebook, "markdown"))
    assert all((path.parent / link).is_file() for link in links)


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbclient", reason="pip install 'mensa-sim[notebooks]'")
    pytest.importorskip("ipykernel", reason="pip install 'mensa-sim[notebooks]'")
    executed(path, tmp_path)
