"""A real Dask cluster on loopback gives what this process gives, also when a worker is killed in the middle."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from explorations import outcomes
from killed import HANGS_S
from space_files import write_space

from mensa_sim.api.explore import explore
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.study.explore import cluster as explore_cluster
from mensa_sim.study.explore.result import ExploreResult

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
dask = pytest.importorskip("dask")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, a cluster that is there answers."""
    monkeypatch.setattr(explore_cluster, "SECONDS", HANGS_S)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    # Dask puts what its workers find around them into the environment of this process, for ever.
    with (
        mock.patch.dict(os.environ),
        dask.config.set({"distributed.comm.timeouts.connect": HANGS_S}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},  # else it wants the port 8787
            local_directory=str(tmp_path_factory.mktemp("dask")),
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def local(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> ExploreResult:
    folder = tmp_path_factory.mktemp("local")
    return explore(write_space(folder), folder=folder / "out")


def test_a_cluster_finds_what_one_process_finds(cluster: Any, local: ExploreResult, tmp_path: Path) -> None:
    result = explore(write_space(tmp_path), folder=tmp_path / "out", cluster=cluster.scheduler_address)
    assert outcomes(result) == outcomes(local)
    assert [design.number for design in result.front] == [design.number for design in local.front]


def test_a_server_that_never_speaks_is_told_before_any_design_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore_cluster, "SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UsageError, match="no Dask scheduler answers"):
            explore(write_space(tmp_path), folder=tmp_path / "out", cluster=address)
    assert explore(write_space(tmp_path), folder=tmp_path / "out", trials=1).trials == 1


def test_a_cluster_that_is_lost_before_any_design_is_run_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore_cluster, "_connected", mock.Mock())
    monkeypatch.setattr(explore_cluster, "_threads", mock.Mock(side_effect=OSError("Stream is closed\nand more")))
    with pytest.raises(
        MensaError, match=r"^--cluster here: was lost before any design was run: OSError: Stream is closed$"
    ):
        explore_cluster.DaskCluster(mock.Mock(), "here")


def test_killing_a_worker_in_the_middle_changes_nothing(cluster: Any, local: ExploreResult, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one(done: int, wanted: int | None, last: str) -> None:
        if done >= 3 and not killed:
            process = cluster.workers[0].process.process
            killed.append(process.pid)
            process.kill()

    space = write_space(tmp_path)
    result = explore(space, folder=tmp_path / "out", cluster=cluster.scheduler_address, progress=kill_one)
    assert killed
    assert outcomes(result) == outcomes(local)


def test_designs_that_a_lost_scheduler_leaves_are_run_when_the_search_goes_on(
    cluster: Any, local: ExploreResult, tmp_path: Path
) -> None:
    def lose(done: int, wanted: int | None, last: str) -> None:
        for client in [each for each in distributed.Client._instances if each.scheduler_comm] if done == 3 else ():
            client.loop.add_callback(client.scheduler_comm.comm.abort)

    space, folder = write_space(tmp_path), tmp_path / "out"
    with pytest.raises(MensaError, match="lost its scheduler; what was finished is kept, add --resume to go on"):
        explore(space, folder=folder, cluster=cluster.scheduler_address, progress=lose)
    found = outcomes(explore(space, folder=folder, resume=True, trials=5))
    assert found == outcomes(local)[: len(found)]
