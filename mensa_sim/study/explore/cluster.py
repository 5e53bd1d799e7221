"""Evaluating designs on a Dask cluster, the same evaluations as on this machine (extra `cluster`)."""

import logging
from concurrent.futures import CancelledError
from queue import Empty, Queue
from threading import Thread
from typing import Any, cast

import mensa_sim
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.study.explore.evaluate import Evaluator, Setup, Task
from mensa_sim.study.explore.study_file import DesignOutcome
from mensa_sim.study.explore.workers import Workers

SECONDS = 15
"""How long a cluster may take to answer."""


class DaskCluster(Workers):
    """Evaluates on the workers of a Dask cluster.

    The scheduler gives the tasks of a worker that dies to others; one that takes worker after worker with it counts
    as failed. The setup is a task too, so that it can be made again where the worker that held it is gone. Without the
    scheduler the search ends, and what is under way counts as not begun.
    """

    def __init__(self, setup: Setup, address: str) -> None:
        try:
            from distributed import Client, as_completed
            from distributed.comm.core import CommClosedError
        except ImportError as error:
            raise UsageError("--cluster needs the extra `cluster`: pip install 'mensa-sim[cluster]'") from error
        self._address = address
        self._losses = (CancelledError, CommClosedError)
        """What is raised about a task where the scheduler is lost: nobody here cancels any."""
        self._client: Any = _connected(Client, address)
        try:
            self.capacity = 2 * _threads(self._client, address)
            self._setup = self._client.submit(_same, setup, setup.digest(), pure=False)
        except BaseException as error:
            self._client.close()
            if isinstance(error, MensaError) or not isinstance(error, Exception):
                raise
            raise MensaError(f"--cluster {address}: was lost before any design was run: {_said(error)}") from error
        self._under_way: dict[Any, Task] = {}
        self._completed = cast(Any, as_completed)(loop=self._client.loop)

    def submit(self, task: Task) -> None:
        try:
            future = self._client.submit(_evaluate, self._setup, task, pure=False, retries=1)
        except Exception as error:  # each version has its own for a scheduler that it lost
            raise self._lost() from error
        self._under_way[future] = task
        self._completed.add(future)

    def wait(self) -> DesignOutcome:
        future = next(self._completed)
        task = self._under_way.pop(future)
        try:
            outcome: DesignOutcome = future.result()
        except self._losses as error:
            raise self._lost() from error
        except Exception as error:  # whatever a cluster raises about one task is that task's fault
            detail = f"the cluster gave it up: {_said(error)}"
            return DesignOutcome(number=task.number, point=task.point, state="failed", detail=detail)
        return outcome

    def _lost(self) -> MensaError:
        return MensaError(
            f"--cluster {self._address}: lost its scheduler; what was finished is kept, add --resume to go on"
        )

    def close(self) -> None:
        self._client.close()


def _connected(client: Any, address: str) -> Any:
    """A client of the cluster at an address; `UsageError` where none answers."""
    for name in ("distributed", "distributed.client"):  # it gives each a level of its own
        logging.getLogger(name).setLevel(logging.CRITICAL)
    answers: Queue[Any] = Queue()
    # A server that takes connections and never speaks keeps the client's constructor for ever, whatever its timeout.
    Thread(target=_connect, args=(client, address, answers), daemon=True).start()
    try:
        answer = answers.get(timeout=2 * SECONDS)
    except Empty:
        answer = TimeoutError()
    if not isinstance(answer, Exception):
        return answer
    if not isinstance(answer, OSError | ValueError | TypeError | ImportError):
        raise answer
    raise UsageError(
        f"--cluster {address}: no Dask scheduler answers there; "
        "give the address that `dask scheduler` prints, as in tcp://10.0.0.1:8786"
    ) from answer


def _connect(client: Any, address: str, answers: "Queue[Any]") -> None:
    """Puts a client of an address, or what keeps it from being one."""
    try:
        answers.put(client(address, timeout=SECONDS, set_as_default=False))
    except Exception as error:  # raised again by the thread that waits
        answers.put(error)


def _threads(client: Any, address: str) -> int:
    """How many tasks the workers take at once; each must have this version of the program."""
    try:
        client.wait_for_workers(1, timeout=SECONDS)
    except TimeoutError as error:
        raise UsageError(f"--cluster {address}: the scheduler has no workers; start some with `dask worker`") from error
    try:
        versions = client.run(_version)
    except ImportError as error:
        raise UsageError(f"--cluster {address}: a worker has no mensa-sim: {error}; install it there") from error
    for worker, version in versions.items():
        if version != mensa_sim.__version__:
            raise UsageError(f"--cluster {address}: {worker} has mensa-sim {version}, here is {mensa_sim.__version__}")
    threads = int(sum(client.nthreads().values()))
    if not threads:
        raise MensaError(f"--cluster {address}: its workers are gone")
    return threads


def _said(error: Exception) -> str:
    """The kind of an error and its first line."""
    first, _, _ = str(error).partition("\n")
    return f"{type(error).__name__}: {first}"


def _version() -> str:
    return mensa_sim.__version__


def _same(setup: Setup, digest: str) -> tuple[Setup, str]:
    return setup, digest


_evaluators: dict[str, Evaluator] = {}
"""The evaluator of this worker for the last setup; one thread may make it twice, which costs time only."""


def _evaluate(setup: tuple[Setup, str], task: Task) -> DesignOutcome:
    record, digest = setup
    evaluator = _evaluators.get(digest)
    if evaluator is None:
        _evaluators.clear()
        evaluator = _evaluators.setdefault(digest, Evaluator(record))
    return evaluator.outcome(task)
