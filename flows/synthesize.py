"""From photographs to a published pair store: annotate, plan, make shards, publish, report.

One Prefect task run per chunk of photographs and per shard, with the stages of a shard as task runs inside it
(:mod:`flows.task_runs`). The work itself is done by workers (:mod:`flows.runners`); task runs only follow their events.
Truth is in the store, so calling the flow again with the same configuration resumes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Cancelled, State
from prefect.task_runners import ThreadPoolTaskRunner

from assets.readers.kinds import AUTO
from assets.readers.photo_set import PhotoSet
from assets.readers.sets import read_photos, shipped_photos
from assets.readers.tree import PhotoSetError
from flows import announce, metrics, progress, summary
from flows.config import SynthesizeConfig, SynthesizeError
from flows.jobs import JobError, Runner, StoppedError, WorkerDiedError
from flows.logs import RunLog
from flows.outputs import check_folder
from flows.records import drain, unrecorded
from flows.run_page import RunPage
from flows.runners import open_runner
from flows.server import api
from flows.task_runs import Run, annotate_chunk, make_shard, prepare, submit, warm_up
from flows.usage import age, all_used, watching
from storage.errors import StoreError
from storage.generation import publish
from storage.layout import refuse_foreign
from storage.manifest import STORE
from storage.store import Store
from storage.verify import verify_store

CHUNK = 16  # photographs of one annotate task run


@flow(name="synthesize", flow_run_name="synthesize-{config.out.name}", validate_parameters=True)
def synthesize(config: SynthesizeConfig) -> dict[str, Any] | State:
    """Make a pair store from photographs, or go on with one that is there.

    Returns:
        Counts, generation and the number of task runs; a Cancelled state when it was asked to stop.

    Raises:
        SynthesizeError, StoreError, JobError, WorkerDiedError: one sentence each; the same call resumes.
    """
    board = progress.current()
    try:
        board.outcome = _run(config, board)
    except BaseException as error:
        board.outcome = error
        raise
    return board.outcome


def check_places(config: SynthesizeConfig) -> None:
    """Refuse places that a run cannot work in, before anything is made.

    Raises:
        StoreError: ``--out`` or ``--cache`` cannot be written, ``--out`` holds something that is not a store, or
            ``--photos`` is a store.
    """
    if config.photos is not None and (config.photos / STORE).is_file():
        msg = f"--photos {config.photos} is a store of pairs; give the photographs that pairs are to be made from."
        raise StoreError(msg)
    check_folder(config.cache, "--cache")
    check_folder(config.out)
    if config.out.is_dir() and not (config.out / STORE).exists():
        refuse_foreign(config.out)


def _check_begun(config: SynthesizeConfig) -> None:
    """Refuse to go on with a store of another plan, as far as that is known before any photograph was looked at.

    Raises:
        SynthesizeError: other numbers. StoreError: the store cannot be opened.
    """
    if not (config.out / STORE).exists():
        return
    plan = Store.open(config.out).plan
    for option, begun, now in (
        ("--pairs", len(plan), config.pairs),
        ("--seed", plan.rows[0].seed, config.seed),
    ):
        if begun != now:
            msg = (
                f"{config.out} was begun with plan {plan.hash[:12]} of {option} {begun}, now {now} is given; give the "
                "same number as before, or choose a new folder with --out."
            )
            raise SynthesizeError(msg)


def _run(config: SynthesizeConfig, board: progress.Board) -> dict[str, Any] | State:
    check_places(config)
    _check_begun(config)
    photos = photographs(config.photos, config.photo_kind)
    # What it was taken for is kept, so that a resumed run takes it for the same.
    config = config.model_copy(update={"photo_kind": photos.kind})
    name = str(flow_run.id or os.getpid())
    logs = config.cache / "logs" / name
    with (
        RunLog(logs, run=name, store=str(config.out)) as board.log,
        open_runner(config, logs) as pool,
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


def _processes(pool: Runner, board: progress.Board) -> dict[str, int]:
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
    for found in submit(run, ((annotate_chunk, arguments) for arguments in told)):
        sources += found
    faces = sum(not row["reason"] for row in sources)
    if not faces:
        why = ", ".join(sorted({row["reason"] for row in sources})) or "no photographs"
        msg = f"no face to work with in {len(photos)} photographs ({why}); pass other photographs with --photos."
        raise SynthesizeError(msg)

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
        for _ in submit(run, [(warm_up, (run, n, pending[0])) for n in range(1, config.workers)]):
            pass
    board.record("ready", seconds=age(os.getpid()), processes=all_used(_processes(run.pool, board)))
    board.begin_pairs(counts)
    page = RunPage(store, board, config.cache / "prefect")
    page.refresh()
    try:
        alarmed = False
        for _ in submit(run, [(make_shard, (run, shard)) for shard in pending]):
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
            result["report"] = run.pool.run(run.job("the report", "report", "here", result=result))
        except (JobError, WorkerDiedError) as error:
            # The pairs are published and verified: a page about them that failed must not fail them.
            board.say(f"no report: {error} Type 'facepairs report {config.out}' to write it later.")
    page.finish(result)
    return result | {"task_runs": run.started}


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
        return shipped_photos()
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
        try:
            state = synthesize.with_options(task_runner=threads)(config, return_state=True)
        except Exception as error:
            state = unrecorded(board, reached.url, error)
        result = {"message": state.message} if state.is_cancelled() else state.result(raise_on_failure=False)
        if reached.owned and state.state_details.flow_run_id:
            began = time.monotonic()
            expected = result.get("task_runs", 0) if isinstance(result, dict) else 0
            recorded = drain(state.state_details.flow_run_id, expected)
            board.record("drained", states=recorded, seconds=round(time.monotonic() - began, 3))
    if isinstance(result, BaseException):
        raise result
    return {**result, "state": state.name}
