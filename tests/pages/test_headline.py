"""README's headline is that of the studies' page, figure by figure."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def tables(page: str) -> list[dict[str, dict[str, str]]]:
    """The tables of a page that begin with `Mensa-G against`: by the first cell, each column's text."""
    found: list[dict[str, dict[str, str]]] = []
    columns: list[str] = []
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells and cells[0] == "Mensa-G against":
            columns = cells
            found.append({})
        elif not cells:
            columns = []
        elif columns and not cells[0].startswith("---"):
            found[-1][cells[0]] = dict(zip(columns, cells, strict=True))
    return found


def test_the_first_page_says_what_the_page_of_the_studies_says() -> None:
    (first,) = tables("README.md")
    reproduced, varied = tables("mensa_sim/study/README.md")
    assert len(first) >= 5
    for label, row in first.items():
        for column in ("paper", "24 published models", "optimal schedule"):
            assert row[column] == reproduced[label][column], (label, column)
        interval = f"{varied[label]['5 %']} to {varied[label]['95 %']}"
        assert row["5 to 95 % over all constants and choices"] == interval, label
        assert varied[label]["as taken"] == row["24 published models"], label
