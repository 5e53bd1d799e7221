"""Read by the process alone from which workers are copied: what comes to it in halves has been cut off by a kill.

A command that is killed while it begins a worker leaves the server, or the worker that it copied, without what that is
to do. Both would print a traceback of it, and there is nobody whom it could help.
"""

import pickle
import sys
from types import TracebackType


def silent_of_halves(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Tells of every exception but those of reading what has no end."""
    if not issubclass(kind, EOFError | pickle.UnpicklingError):
        sys.__excepthook__(kind, error, at)


sys.excepthook = silent_of_halves
