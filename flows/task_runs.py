"""The task runs of a synthesis, as its page shows them: each hands one job to a worker and follows what it tells."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, State

from flows import progress
from flows.config import SynthesizeConfig
from flows.jobs import Done, Events, Job, Place, Runner

WINDOW = 4  # task runs submitted ahead, per worker
STAGE_START, STAGE_END = "start", "end"


class Run:
    """A run in hand: what its task runs share. Not a dataclass, so that Prefect passes it on as it is."""

    def __init__(self, config: SynthesizeConfig, pool: Runner, board: progress.Board) -> None:
        self.config, self.pool, self.board = config, pool, board
        self.json = config.model_dump(mode="json")
        self.networks = config.network_place
        self.stages: list[str] = []
        self.started = 0  # task runs that were started, nested ones included
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    def count(self) -> None:
        """One more task run that the server must have on record in the end."""
        with self._lock:
            self.started += 1

    def job(self, name: str, call: str, place: Place, **args: Any) -> Job:
        """A job of :mod:`flows.work` with this run's configuration."""
        return Job(name, f"flows.work:{call}", {"config": self.json, **args}, place)


@task(name="annotate", task_run_name="annotate-{number:04d}", cache_policy=NO_CACHE, log_prints=False)
def annotate_chunk(run: Run, number: int, photos: list[list[Any]]) -> list[dict[str, Any]]:
    """Faces of some photographs, given as their set writes them."""
    run.count()

    def handle(events: Events) -> list[dict[str, Any]]:
        for event in events:
            if isinstance(event, Done):
                return event.result
            run.board.photo(event["faces"])
        raise AssertionError

    return run.pool.run(
        run.job(f"annotation chunk {number}", "annotate", run.networks, photos=photos), handle
    )


@task(name="plan", task_run_name="plan", cache_policy=NO_CACHE)
def prepare(run: Run, sources: list[dict[str, Any]]) -> dict[str, Any]:
    """The plan and the store."""
    run.count()
    return run.pool.run(run.job("the plan", "prepare", "here", sources=sources))


@task(name="warm-up", task_run_name="warm-up-{number:02d}", cache_policy=NO_CACHE)
def warm_up(run: Run, number: int, shard: int) -> None:
    """Kernels and networks of one worker, so that the time of a shard is the shard's own."""
    run.count()
    run.pool.run(run.job(f"the warm-up of worker {number}", "warm", run.networks, shard=shard))


@task(name="stage", task_run_name="{name}-{shard:04d}", cache_policy=NO_CACHE)
def follow_stage(run: Run, shard: int, name: str, events: Any) -> dict[str, Any]:
    """Lasts as long as one stage of a shard does in its worker; returns the stage's last event."""
    run.count()
    for event in events:
        if event["at"] == STAGE_END:
            run.board.record("stage", shard=shard, **event)
            return event
    raise AssertionError


@task(name="shard", task_run_name="shard-{shard:04d}", cache_policy=NO_CACHE)
def make_shard(run: Run, shard: int) -> dict[str, Any] | State:
    """One shard: a worker makes it, and each stage is followed by a task run of its own."""
    run.count()
    if run.stopping.is_set():
        return Cancelled(message="The run was asked to stop before this shard began.")
    logger = get_run_logger()

    def handle(events: Events) -> dict[str, Any]:
        done = 0
        for event in events:
            if isinstance(event, Done):
                return event.result
            if event["at"] == STAGE_START:
                name, rows = event["stage"], event["rows"]
                run.board.advance(shard, done / max(1, len(run.stages)), rows)
                follow_stage.with_options(name=name)(run, shard, name, _Stream(events))
                done += 1
        raise AssertionError

    made = run.pool.run(run.job(f"shard {shard}", "make", run.networks, shard=shard), handle)
    logger.info("shard %d: %d committed, %d rejected", shard, made["committed"], made["rejected"])
    run.board.shard(made)
    return made


class _Stream:
    """An iterator that Prefect does not look into."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[Any]:
        return self._events


def submit(run: Run, calls: Iterable[tuple[Any, tuple[Any, ...]]]) -> Iterator[Any]:
    """Results of task runs in the order of ``calls``, with only a window of them submitted ahead."""
    waiting: list[PrefectFuture[Any]] = []
    rest = iter(calls)
    while True:
        while len(waiting) < WINDOW * run.config.workers and not run.stopping.is_set():
            call = next(rest, None)
            if call is None:
                break
            function, args = call
            waiting.append(function.submit(*args))
        if not waiting:
            return
        future = waiting.pop(0)
        future.wait()
        if future.state.is_cancelled():
            continue
        try:
            yield future.result()
        except BaseException:
            # The first failure ends the run; the others must not start meanwhile.
            run.stopping.set()
            run.pool.kill()
            for other in waiting:
                other.wait()
            raise
