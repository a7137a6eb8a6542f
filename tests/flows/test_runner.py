from __future__ import annotations

import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows.runner import Done, Job, JobError, Pool, StoppedError, WorkerDiedError


def _double(value: int) -> Job:
    return Job(f"double {value}", "toy_jobs:double", {"value": value})


def test_two_workers_share_the_jobs_and_compute_with_one_thread() -> None:
    with Pool(2) as pool, ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda v: pool.run(_double(v)), range(12)))
        assert len(pool.pids) <= 2
    assert [r["value"] for r in results] == [2 * v for v in range(12)]
    assert {r["threads"] for r in results} == {"1"}
    assert {r["cv2"] for r in results} == {1}
    assert len({r["pid"] for r in results}) <= 2


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other allocators know nothing of these variables"
)
def test_a_worker_keeps_the_memory_of_pictures_that_it_threw_away() -> None:
    with Pool(1) as pool:
        # By itself the allocator asks the system for the 80 MB each time: 20480 pages of 4 kB.
        assert pool.run(Job("faults", "toy_jobs:faults", {"arrays": 10, "times": 10})) < 10 * 2048


def test_events_arrive_in_order_before_the_result() -> None:
    with Pool(1) as pool:
        assert pool.run(_double(4), list)[0] == {"value": 4}
        last = pool.run(_double(5), list)[-1]
    assert isinstance(last, Done)
    assert last.result["value"] == 10


def test_a_dead_worker_is_replaced_and_the_job_made_again(tmp_path: Path) -> None:
    job = Job("shard 7", "toy_jobs:die_until", {"marker": str(tmp_path / "tries"), "times": 2})
    seen: list[list] = []

    def handle(events):
        seen.append([])
        for event in events:
            if isinstance(event, Done):
                return event.result
            seen[-1].append(event)
        return None

    with Pool(1) as pool:
        assert pool.run(job, handle) == "tried 3"
        assert pool.deaths == 2
        assert pool.run(_double(1))["value"] == 2
    assert seen == [[{"try": 1}], [{"try": 2}], [{"try": 3}]]


def test_a_job_that_always_kills_its_worker_names_the_exit_code(tmp_path: Path) -> None:
    job = Job("shard 7", "toy_jobs:die_until", {"marker": str(tmp_path / "tries"), "times": 99})
    with Pool(1, attempts=2) as pool, pytest.raises(WorkerDiedError, match=r"shard 7 failed.*exit code -9"):
        pool.run(job)
    assert (tmp_path / "tries").read_text() == "2"


def test_an_exception_is_not_tried_again_and_keeps_its_trace() -> None:
    with Pool(1) as pool:
        with pytest.raises(JobError, match=r"shard 3: OSError: the disk is on fire\.") as caught:
            pool.run(Job("shard 3", "toy_jobs:fail", {}))
        assert "toy_jobs.py" in caught.value.trace
        assert caught.value.kind == "OSError"
        assert pool.run(_double(2))["value"] == 4, "the worker lives on"


def test_an_unknown_function_is_one_sentence() -> None:
    with Pool(1) as pool, pytest.raises(JobError, match="'toy_jobs:nothing' cannot be found"):
        pool.run(Job("a job", "toy_jobs:nothing", {}))


def test_recycling_starts_a_fresh_process() -> None:
    with Pool(1, recycle=2) as pool:
        pids = [pool.run(_double(v))["pid"] for v in range(4)]
    assert pids[0] == pids[1]
    assert pids[2] == pids[3]
    assert pids[0] != pids[2]


def test_a_hung_worker_counts_as_dead() -> None:
    with Pool(1, attempts=1, silence=0.3) as pool, pytest.raises(WorkerDiedError, match="exit code -9"):
        pool.run(Job("shard 1", "toy_jobs:sleep", {"seconds": 60}))


def test_kill_ends_running_jobs_as_stopped() -> None:
    with Pool(1) as pool:
        asleep = threading.Event()

        def handle(events):
            for _ in events:
                asleep.set()

        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(pool.run, Job("shard 1", "toy_jobs:sleep", {"seconds": 60}), handle)
            assert asleep.wait(20)
            pool.kill()
            with pytest.raises(StoppedError, match="shard 1"):
                running.result(20)
        with pytest.raises(StoppedError):
            pool.run(_double(1))


def test_workers_write_a_log(tmp_path: Path) -> None:
    with Pool(1, logs=tmp_path / "logs") as pool, pytest.raises(JobError):
        pool.run(Job("shard 3", "toy_jobs:fail", {}))
    assert "the disk is on fire" in (tmp_path / "logs" / "worker-0.log").read_text()


def test_a_pool_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="--workers 1"):
        Pool(0)
