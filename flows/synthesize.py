"""From photographs to a published pair store: annotate, plan, make shards, publish, report.

One Prefect task run per chunk of photographs and per shard, with the stages of a shard as task runs inside it. The
work itself is done by supervised worker processes (:mod:`flows.runner`); task runs only follow their events. Truth is
in the store, so calling the flow again with the same configuration resumes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Cancelled, State
from prefect.task_runners import ThreadPoolTaskRunner

from assets.readers import folder
from assets.readers.kinds import AUTO
from assets.readers.photo_set import Photo, PhotoSet
from assets.readers.sets import read_photos
from assets.readers.tree import PhotoSetError
from assets.registry import data_dir, photo_paths
from flows import announce, metrics, progress, summary
from flows.config import SynthesizeConfig, SynthesizeError
from flows.logs import RunLog
from flows.records import drain
from flows.run_page import RunPage
from flows.runner import Done, Job, JobError, Pool, StoppedError, WorkerDiedError
from flows.server import api
from flows.usage import age, all_used, watching
from storage.generation import publish
from storage.store import Store
from storage.verify import verify_store

CHUNK = 16  # photographs of one annotate task run
WINDOW = 4  # task runs submitted ahead, per worker
STAGE_START, STAGE_END = "start", "end"


class Run:
    """A run in hand: what its task runs share. Not a dataclass, so that Prefect passes it on as it is."""

    def __init__(self, config: SynthesizeConfig, pool: Pool, board: progress.Board) -> None:
        self.config, self.pool, self.board = config, pool, board
        self.json = config.model_dump(mode="json")
        self.stages: list[str] = []
        self.started = 0  # task runs that were started, nested ones included
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    def count(self) -> None:
        """One more task run that the server must have on record in the end."""
        with self._lock:
            self.started += 1

    def job(self, name: str, call: str, **args: Any) -> Job:
        """A job of :mod:`flows.work` with this run's configuration."""
        return Job(name, f"flows.work:{call}", {"config": self.json, **args})


@task(name="annotate", task_run_name="annotate-{number:04d}", cache_policy=NO_CACHE, log_prints=False)
def annotate_chunk(run: Run, number: int, photos: list[list[Any]]) -> list[dict[str, Any]]:
    """Faces of some photographs, given as their set writes them."""
    run.count()

    def handle(events: Iterator[dict[str, Any] | Done]) -> list[dict[str, Any]]:
        for event in events:
            if isinstance(event, Done):
                return event.result
            run.board.photo(event["faces"])
        raise AssertionError

    return run.pool.run(run.job(f"annotation chunk {number}", "annotate", photos=photos), handle)


@task(name="plan", task_run_name="plan", cache_policy=NO_CACHE)
def prepare(run: Run, sources: list[dict[str, Any]]) -> dict[str, Any]:
    """The plan and the store."""
    run.count()
    return run.pool.run(run.job("the plan", "prepare", sources=sources))


@task(name="warm-up", task_run_name="warm-up-{number:02d}", cache_policy=NO_CACHE)
def warm_up(run: Run, number: int, shard: int) -> None:
    """Kernels and networks of one worker, so that the time of a shard is the shard's own."""
    run.count()
    run.pool.run(run.job(f"the warm-up of worker {number}", "warm", shard=shard))


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

    def handle(events: Iterator[dict[str, Any] | Done]) -> dict[str, Any]:
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

    made = run.pool.run(run.job(f"shard {shard}", "make", shard=shard), handle)
    logger.info("shard %d: %d committed, %d rejected", shard, made["committed"], made["rejected"])
    run.board.shard(made)
    return made


class _Stream:
    """An iterator that Prefect does not look into."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[Any]:
        return self._events


@flow(name="synthesize", flow_run_name="synthesize-{config.out.name}", validate_parameters=True)
def synthesize(config: SynthesizeConfig) -> dict[str, Any] | State:
    """Make a pair store from photographs, or go on with one that is there.

    Returns:
        Counts, generation and the number of task runs; a Cancelled state when it was asked to stop.

    Raises:
        SynthesizeError, StoreError, JobError, WorkerDiedError: one sentence each; the same call resumes.
    """
    photos = photographs(config.photos, config.photo_kind)
    # What it was taken for is kept, so that a resumed run takes it for the same.
    config = config.model_copy(update={"photo_kind": photos.kind})
    name = str(flow_run.id or os.getpid())
    logs = config.cache / "logs" / name
    board = progress.current()
    with (
        RunLog(logs, run=name, store=str(config.out)) as board.log,
        Pool(config.workers, config.recycle, config.attempts, logs) as pool,
        metrics.serving(config.metrics, lambda: metrics.render(board, pool.living, pool.deaths)) as address,
        watching(board.record, lambda: _processes(pool, board)),
    ):
        board.say(photos.line)
        run = Run(config, pool, board)
        board.say(f"log {board.log.path}{f', metrics {address}' if address else ''}")
        with _stopping(run):
            try:
                return _phases(run, photos.photos)
            except StoppedError:
                run.stopping.set()
        counts = Store.open(config.out).counts() if (config.out / "store.json").exists() else None
    done = f"{counts.shards_done} of {counts.shards} shards are" if counts else "annotations are"
    return Cancelled(message=f"Stopped: {done} kept; type the same command to go on.")


def _processes(pool: Pool, board: progress.Board) -> dict[str, int]:
    """Process ids of a run by name, its server's too if that is our own."""
    server = {} if board.server is None else {"server": board.server}
    return {"parent": os.getpid()} | server | {f"worker {n}": pid for n, pid in sorted(pool.living.items())}


def _phases(run: Run, photos: tuple[Photo, ...]) -> dict[str, Any]:
    """Annotate, plan, make, publish, report."""
    config, board = run.config, run.board
    board.begin_photos(len(photos))
    chunks = (photos[i : i + CHUNK] for i in range(0, len(photos), CHUNK))
    told = ((run, n, [photo.to_json() for photo in chunk]) for n, chunk in enumerate(chunks))
    sources: list[dict[str, Any]] = []
    for found in _submit(run, ((annotate_chunk, arguments) for arguments in told)):
        sources += found
    faces = sum(not row["reason"] for row in sources)
    if not faces:
        why = ", ".join(sorted({row["reason"] for row in sources})) or "no photographs"
        msg = f"no face to work with in {len(photos)} photographs ({why}); pass other photographs with --photos."
        raise SynthesizeError(msg)

    run.pool.start_rest(run.job("the start", "load"))
    facts = prepare(run, sources)
    run.stages = facts["stages"]
    store = Store.open(config.out, allow_mixed=True)
    counts, pending = store.counts(), store.pending()
    board.say(
        f"{faces} faces in {len(photos)} photographs; {counts.planned} pairs planned in {counts.shards} shards, "
        f"{len(pending)} shards to make; store {config.out}, fingerprint {facts['fingerprint'][:12]}"
    )
    board.say(facts["textures"])
    if pending:
        board.say("warming up: the first run on a machine compiles the kernels, about a minute")
        warm_up(run, 0, pending[0])  # alone, since the others find what it compiled
        for _ in _submit(run, [(warm_up, (run, n, pending[0])) for n in range(1, config.workers)]):
            pass
    board.record("ready", seconds=age(os.getpid()), processes=all_used(_processes(run.pool, board)))
    board.begin_pairs(counts)
    page = RunPage(store, board, config.cache / "prefect")
    page.refresh()
    try:
        alarmed = False
        for _ in _submit(run, [(make_shard, (run, shard)) for shard in pending]):
            page.refresh()
            if not alarmed and (alarmed := announce.too_many(board.accepted, board.rejected, config)):
                announce.rejects_high(store, board.accepted, board.rejected, config)
    finally:
        page.refresh(now=True)
    if run.stopping.is_set():
        raise StoppedError
    return _finish(run, store, sources, page)


def _finish(run: Run, store: Store, sources: list[dict[str, Any]], page: RunPage) -> dict[str, Any]:
    """Publish, verify, announce, report, run page."""
    config, board = run.config, run.board
    generation = publish(store, allow_mixed=config.allow_mixed, reject_budget=config.reject_budget)
    problems = verify_store(store).problems
    if problems:
        msg = f"{config.out} does not verify: {problems[0]}; type 'facepairs verify {config.out} --deep'."
        raise SynthesizeError(msg)
    announce.published(store, generation)
    result = summary.collect(config, store, board, sources, generation)
    if config.report:
        board.say("writing report.html and contact_sheet.png")
        try:
            result["report"] = run.pool.run(run.job("the report", "report", result=result))
        except (JobError, WorkerDiedError) as error:
            # The pairs are published and verified: a page about them that failed must not fail them.
            board.say(f"no report: {error} Type 'facepairs report {config.out}' to write it later.")
    page.finish(result)
    return result | {"task_runs": run.started}


def _submit(run: Run, calls: Iterable[tuple[Any, tuple[Any, ...]]]) -> Iterator[Any]:
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


@contextlib.contextmanager
def _stopping(run: Run) -> Iterator[None]:
    """Ctrl-C lets the shards in hand finish, a second one or SIGTERM abandons them; either way the run resumes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        if run.stopping.is_set() or number == signal.SIGTERM:
            run.stopping.set()
            run.pool.kill()
        else:
            run.stopping.set()
            run.board.say("stopping: the shards in hand are finished first; Ctrl-C again abandons them")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def photographs(path: Path | None, kind: str = AUTO) -> PhotoSet:
    """The photographs of a set, by name; those that ship when no set is given.

    Raises:
        SynthesizeError: nothing there, no photographs in it, another kind than the one asked for, or damaged.
    """
    if path is None:
        shipped = tuple(
            sorted((Photo(str(path), path.name) for path in photo_paths()), key=lambda one: one.name)
        )
        return PhotoSet(folder.KIND, "those that ship", data_dir() / "photos", shipped)
    try:
        return read_photos(path, kind)
    except PhotoSetError as error:
        raise SynthesizeError(str(error)) from error


def run_synthesis(config: SynthesizeConfig, board: progress.Board | None = None) -> dict[str, Any]:
    """The flow with an API to report to: the configured one, else a server of our own that is drained and stopped.

    Returns:
        The flow's result and ``"state"``: Completed or Cancelled.

    Raises:
        Whatever the flow raises.
    """
    board = board or progress.Board()
    with progress.showing(board), api(config.cache / "prefect") as reached:
        if reached.owned:
            board.server = reached.pid
            board.say(f"run page while it runs: {reached.ui}")
        threads = ThreadPoolTaskRunner(max_workers=config.workers)
        state = synthesize.with_options(task_runner=threads)(config, return_state=True)
        result = {"message": state.message} if state.is_cancelled() else state.result(raise_on_failure=False)
        if reached.owned:
            began = time.monotonic()
            expected = result.get("task_runs", 0) if isinstance(result, dict) else 0
            recorded = drain(state.state_details.flow_run_id, expected)
            board.record("drained", states=recorded, seconds=round(time.monotonic() - began, 3))
    if isinstance(result, BaseException):
        raise result
    return {**result, "state": state.name}
