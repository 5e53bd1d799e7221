"""How far work is, in a notebook: one line below the cell, which each next one replaces."""

import sys
import time
from dataclasses import replace
from importlib import import_module
from typing import Any, TypeVar

from mensa_sim.io.progress import Progress, progress_text, silent
from mensa_sim.study.request.fields import counts_of

Request = TypeVar("Request")

EVERY_S = 0.2
"""Between two lines: a choice, so that a kernel has other things to do."""


def told_in_a_notebook(request: Request) -> Request:
    """The request, whose work a notebook tells of unless it says otherwise; as it is where nothing counts its work."""
    asked: Any = request
    noun = counts_of(type(asked))
    if not noun or getattr(asked, "progress", None) is not silent or not in_a_notebook():
        return request
    told: Request = replace(asked, progress=line_below_the_cell(noun))
    return told


def in_a_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def line_below_the_cell(noun: str) -> Progress:
    """Counts what work tells of; what is done last stays."""
    display: Any = import_module("IPython.display").display  # it may be there, with types or without
    shown: Any = None
    before_s = 0.0

    def line(done: int, total: int | None, last: str) -> None:
        nonlocal shown, before_s
        now_s = time.monotonic()
        if shown is not None and now_s - before_s < EVERY_S and done != total:
            return
        before_s = now_s
        text = {"text/plain": progress_text(noun, done, total, "" if done == total else last)}
        if shown is None:
            shown = display(text, raw=True, display_id=True)
        else:
            shown.update(text, raw=True)

    return line
