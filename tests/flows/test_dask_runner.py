from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client
from test_synthesize import config, shards

from flows import dask_runner
from flows.config import SynthesizeError
from flows.dask_runner import DaskRunner
from flows.jobs import Done, Job, JobError, StoppedError, WorkerDiedError
from flows.progress import Board
from flows.synthesize import run_synthesis
from storage.store import Store
from storage.verify import verify_store


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskRunner]:
    """A cluster on this machine with up to two workers."""
    with DaskRunner(2, recycle=3, logs=tmp_path_factory.mktemp("logs")) as running:
        yield running


def _double(value: int) -> Job:
    return Job(f"double {value}", "toy_jobs:double", {"value": value})


def test_jobs_are_shared_and_compute_with_one_thread(runner: DaskRunner) -> None:
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda v: runner.run(_double(v)), range(10)))
    assert [r["value"] for r in results] == [2 * v for v in range(10)]
    assert {(r["threads"], r["cv2"]) for r in results} == {("1", 1)}
    assert len({r["pid"] for r in results}) > 2, "processes are replaced after three jobs"


def test_events_arrive_in_order_before_the_result(runner: DaskRunner) -> None:
    events = runner.run(Job("a job", "toy_jobs:count", {"upto": 50}), list)
    assert events == [*({"n": n} for n in range(50)), Done(50)]
    assert all(psutil.pid_exists(pid) for pid in runner.living.values())


def test_a_graph_is_one_small_text(runner: DaskRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[Any, ...]] = []
    submit = runner._client.submit
    monkeypatch.setattr(runner._client, "submit", lambda *a, **k: sent.append(a[1:]) or submit(*a, **k))
    runner.run(_double(4))
    ((name, number, told),) = sent
    assert json.loads(told) == {"name": "double 4", "call": "toy_jobs:double", "args": {"value": 4}}
    assert (type(name), type(number)) == (str, int)


def test_the_scheduler_forgets_what_is_done(runner: DaskRunner) -> None:
    for value in range(4):
        runner.run(_double(value))
    deadline = time.monotonic() + 10
    tasks = -1
    while tasks and time.monotonic() < deadline:
        tasks = runner._client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
    assert tasks == 0


def test_a_process_that_dies_under_a_job_is_replaced(runner: DaskRunner, tmp_path: Path) -> None:
    before = runner.deaths
    seen: list[list] = []

    def handle(events):
        seen.append([])
        for event in events:
            if isinstance(event, Done):
                return event.result
            seen[-1].append(event)
        return None

    job = Job("shard 7", "toy_jobs:die_until", {"marker": str(tmp_path / "tries"), "times": 2})
    assert runner.run(job, handle) == "tried 3"
    assert seen == [[{"try": 1}], [{"try": 2}], [{"try": 3}]]
    assert runner.deaths == before + 2


def test_a_job_that_always_kills_its_process_gives_up(runner: DaskRunner, tmp_path: Path) -> None:
    job = Job("shard 7", "toy_jobs:die_until", {"marker": str(tmp_path / "tries"), "times": 99})
    with pytest.raises(
        WorkerDiedError, match=r"shard 7 failed.*exit code -9.*tried 3 times; read the workers' logs"
    ):
        runner.run(job)
    assert (tmp_path / "tries").read_text() == "3"


def test_an_exception_is_not_tried_again_and_keeps_its_trace(runner: DaskRunner) -> None:
    with pytest.raises(JobError, match=r"shard 3: OSError: the disk is on fire\.") as caught:
        runner.run(Job("shard 3", "toy_jobs:fail", {}))
    assert "toy_jobs.py" in caught.value.trace
    assert caught.value.kind == "OSError"


def test_a_job_of_this_machine_is_done_beside_the_parent(runner: DaskRunner) -> None:
    parent = runner.run(Job("the plan", "toy_jobs:parent", {}, "here"))
    assert parent == os.getpid()
    assert runner.run(Job("shard 1", "toy_jobs:parent", {})) != os.getpid()


def test_kill_ends_running_jobs_as_stopped(tmp_path: Path) -> None:
    with DaskRunner(1, logs=tmp_path / "logs") as running:
        asleep = threading.Event()

        def handle(events):
            for _ in events:
                asleep.set()

        with ThreadPoolExecutor(1) as threads:
            job = threads.submit(running.run, Job("shard 1", "toy_jobs:sleep", {"seconds": 60}), handle)
            assert asleep.wait(30)
            (pid,) = running.living.values()
            running.kill()
            with pytest.raises(StoppedError, match="shard 1"):
                job.result(20)
        with pytest.raises(StoppedError):
            running.run(_double(1))
    assert not psutil.pid_exists(pid)


def test_nobody_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_runner, "PATIENCE", 1.0)
    with pytest.raises(
        SynthesizeError, match=r"no Dask scheduler answers there.*start one with `dask scheduler`"
    ):
        DaskRunner(1, scheduler="tcp://127.0.0.1:9").__enter__()
    with pytest.raises(ValueError, match="--workers 1"):
        DaskRunner(0)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, run_server: str) -> tuple[Path, str]:
    """Folder and generation hash of an undisturbed run by processes."""
    folder = tmp_path_factory.mktemp("quiet")
    return folder, run_synthesis(config(folder), Board())["hash"]


def _kill_parent_of_worker(out: Path, name: str, killed: list[int]) -> None:
    """SIGKILL whatever ``name`` is above the first worker process of ours that is in the middle of a shard."""
    deadline = time.monotonic() + 90
    while not killed and time.monotonic() < deadline:
        time.sleep(0.05)
        if not list((out / "tmp").glob("*-*")):
            continue
        for process in psutil.process_iter(["cmdline"]):
            if "flows.worker" in (process.info["cmdline"] or ()):
                above = [p for p in process.parents() if name in " ".join(p.cmdline())]
                if above and str(os.getpid()) in {str(p.pid) for p in process.parents()}:
                    above[-1].kill()
                    killed.append(above[-1].pid)
                    break


@pytest.mark.slow
def test_losing_a_dask_worker_in_a_shard_costs_nothing(tmp_path: Path, quiet: tuple[Path, str]) -> None:
    wanted = config(tmp_path, runner="dask", limits={"seconds": 0.05})
    killed: list[int] = []
    killer = threading.Thread(target=_kill_parent_of_worker, args=(wanted.out, "multiprocessing", killed))
    killer.start()
    board = Board()
    result = run_synthesis(wanted, board)
    killer.join()
    assert killed, "a Dask worker was killed in the middle of a shard"
    assert (result["state"], result["hash"]) == ("Completed", quiet[1])
    assert shards(wanted.out) == shards(quiet[0] / "store")
    assert (result["committed"], result["rejected"], result["pending"]) == (32, 8, 0)
    assert verify_store(wanted.out, deep=True).ok


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler and two workers, each in processes of its own, as on a cluster."""
    folder = tmp_path_factory.mktemp("dask")
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path, "DASK_TEMPORARY_DIRECTORY": str(folder)}
    environment["DASK_LOGGING__DISTRIBUTED"] = "error"
    started = []

    def start(what: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments]
        with (folder / f"{what}-{len(started)}.log").open("wb") as log:
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder))

    start(
        "scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", "file.json"
    )
    deadline = time.monotonic() + 60
    while not (folder / "file.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    address = json.loads((folder / "file.json").read_text())["address"]
    for _ in range(2):
        start("worker", address, "--nthreads", "1", "--no-dashboard", "--memory-limit", "0")
    try:
        yield address
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@pytest.mark.slow
def test_losing_a_nanny_with_its_worker_on_a_scheduler_costs_nothing(
    tmp_path: Path, quiet: tuple[Path, str], scheduler: str
) -> None:
    wanted = config(tmp_path, runner=scheduler, limits={"seconds": 0.05})
    killed: list[int] = []
    killer = threading.Thread(target=_kill_parent_of_worker, args=(wanted.out, "dask_worker", killed))
    killer.start()
    result = run_synthesis(wanted, Board())
    killer.join()
    assert killed, "a nanny was killed in the middle of a shard"
    assert (result["state"], result["hash"]) == ("Completed", quiet[1])
    assert shards(wanted.out) == shards(quiet[0] / "store")
    assert Store.open(wanted.out).counts().pending == 0
    with Client(scheduler, set_as_default=False) as client:
        left = client.run(lambda dask_worker: [name for name in dask_worker.plugins if "facepairs" in name])
    assert list(left.values()) == [[]], "one worker is left, and nothing of the run in it"


def test_a_job_for_a_gpu_waits_for_one(
    tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_runner, "PATIENCE", 5.0)
    with (
        DaskRunner(1, attempts=1, logs=tmp_path / "logs", silence=0.1, scheduler=scheduler) as running,
        pytest.raises(WorkerDiedError, match=r"no Dask worker that has a GPU .*took shard 1"),
    ):
        running.run(Job("shard 1", "toy_jobs:double", {"value": 1}, "gpu"))


def test_a_worker_that_does_not_see_our_folders_says_so(tmp_path: Path, scheduler: str) -> None:
    with (
        DaskRunner(1, logs=tmp_path / "gone" / "logs" / "run", scheduler=scheduler) as running,
        pytest.raises(
            JobError, match=r"does not see .*logs; mount photographs, store and cache folder"
        ) as caught,
    ):
        running.run(_double(1))
    assert caught.value.kind == "SynthesizeError"
