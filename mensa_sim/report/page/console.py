"""Tables for a terminal, all of one look."""

from rich.table import Table


def console_table(title: str = "") -> Table:
    """An empty table without lines."""
    return Table(title=title or None, title_justify="left", box=None, header_style="bold", pad_edge=False)


def figure_columns(table: Table, *names: str) -> None:
    """Adds columns of figures: on the right, never broken."""
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
