"""A bound on the work of what runs in this process, by its CPU time: how busy the machine is decides nothing."""

import contextlib
import signal
from collections.abc import Iterator


class TooLongError(BaseException):
    """Work that took too long; no handler of exceptions may swallow it."""


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Ends what uses more than so many seconds of CPU."""

    def stop(number: int, frame: object) -> None:
        raise TooLongError(f"more than {seconds} s of CPU")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
