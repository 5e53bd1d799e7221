"""Runs the notebooks of .github/notebooks from top to bottom and keeps what their cells show, small.

    python tests/pages/notebooks.py [NAME ...]

A plotly figure is kept as its data, which Jupyter draws, and as a picture, which everything else shows. Needs the extra
`notebooks` and a Chromium.
"""

import base64
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mensa_sim.report.page.page import script_json

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FIGURE = "application/vnd.plotly.v1+json"
SIZE = (760, 380)
"""Pixels of a figure's picture."""
TIMEOUT_S = 1800


def executed(path: Path, folder: Path) -> Any:
    """The notebook with what its cells show today, run in a folder; `CellExecutionError` where one fails."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    environment = {"PYTHONPATH": str(ROOT), "PLOTLY_RENDERER": "plotly_mimetype"}
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        NotebookClient(notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": str(folder)}}).execute()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    return notebook


def outputs(notebook: Any) -> Iterator[Any]:
    """Every output of every cell."""
    for cell in notebook["cells"]:
        yield from cell.get("outputs", [])


def kept(notebook: Any) -> Any:
    """The notebook without times and versions of one machine, its figures with pictures, digits as on a page."""
    notebook["metadata"] = {"kernelspec": dict(notebook["metadata"]["kernelspec"]), "language_info": {"name": "python"}}
    for cell in notebook["cells"]:
        cell["metadata"] = {}
    figures = [each["data"] for each in outputs(notebook) if FIGURE in each.get("data", {})]
    for data in figures:
        data[FIGURE] = json.loads(script_json(data[FIGURE]))
        data[FIGURE]["layout"].get("template", {}).pop("data", None)
    for data, picture in zip(figures, _pictures([data[FIGURE] for data in figures]), strict=True):
        data.pop("text/html", None)
        data["image/png"] = picture
    return notebook


def _pictures(figures: list[Any]) -> Iterator[str]:
    """Each figure as PNG in base 64, drawn by plotly's own script in the browser that reports are tested in."""
    from playwright.sync_api import sync_playwright
    from plotly.offline import get_plotlyjs

    from mensa_sim.report.slides.export import BROWSER_FLAGS, find_browser

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(BROWSER_FLAGS))
        page = browser.new_page()
        page.set_content("<div id='figure'></div>")
        page.add_script_tag(content=get_plotlyjs())
        for figure in figures:
            script = "([figure, size]) => Plotly.toImage(figure, {format: 'png', width: size[0], height: size[1]})"
            url = page.evaluate(script, [{"data": figure["data"], "layout": figure["layout"]}, SIZE])
            yield base64.b64encode(base64.b64decode(url.split(",")[1])).decode("ascii")
        browser.close()


def main(names: list[str]) -> None:
    """Run the notebooks named, or all, and write them with what they show."""
    for path in NOTEBOOKS:
        if not names or path.stem in names:
            with tempfile.TemporaryDirectory() as folder:
                made = kept(executed(path, Path(folder)))
            path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            print(f"{path.name}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
