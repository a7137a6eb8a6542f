"""Make rejected rows again after the cause of a reject was fixed: what the workers do, and who tells them.

Every shard is replaced in one step (:mod:`storage.retry`), so the command may be killed and typed again; shards that
were retried have no row of that reason left, or the same one as before.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from flows.config import SynthesizeConfig, SynthesizeError
from flows.jobs import Job
from flows.logs import RunLog
from flows.outputs import check_folder
from flows.remake import load_config
from flows.runners import open_runner
from storage.generation import publish
from storage.reject import Reason
from storage.retry import check_retry, rejected_keys, retry_shard
from storage.store import Rejected, Sample, Store

Emit = Callable[[dict[str, Any]], None]
Tell = Callable[[int, int, str], None]  # shards done, shards in all, what just happened


def prepare(config: dict[str, Any], reasons: list[str], emit: Emit) -> dict[str, Any]:
    """In a worker: check that a retry is allowed, look at the photographs again, and list what is to be made."""
    from flows.synthesize import photographs
    from flows.work import opened
    from tasks.source_table import SourceTable

    settings, recipe = opened(config)
    store = Store.open(settings.out)
    mark = check_retry(store, recipe.description, allow_mixed=settings.allow_mixed)
    todo = rejected_keys(store, reasons)
    wanted = {store.plan.row(key).source for keys in todo.values() for key in keys}
    if wanted and "sources.parquet" in store.description["snapshot"]:
        store.snapshot("sources.parquet")  # its hash
        table = SourceTable.read(store.root / "snapshot" / "sources.parquet")
        names = {row.photo for row in table.usable if row.id in wanted}
        for photo in photographs(settings.photos, settings.photo_kind).photos:
            if photo.name in names:
                recipe.annotate(
                    photo.file(), photo.name
                )  # from the cache, unless landmarks, parsing or fit are new
                emit({"photo": photo.name})
    return {"fingerprint": mark, "shards": {str(shard): keys for shard, keys in todo.items()}}


def remake_rejects(config: dict[str, Any], shard: int, keys: list[str], emit: Emit) -> dict[str, Any]:
    """In a worker: make some rejected rows of a shard again and replace its commit."""
    from flows.work import opened, opened_store

    settings, recipe = opened(config)
    store = opened_store(settings, recipe)
    rows = store.plan.shards[shard]
    head = rows[0].head
    chain = recipe.chain(head)
    told: Counter[str] = Counter()
    began = time.perf_counter()

    def outcomes() -> Iterator[Sample | Rejected]:
        for trace in chain.trace(rows, keys, functools.partial(recipe.load, head=head)):
            outcome = trace.outcome
            emit({"key": outcome.row.key})
            if hasattr(outcome, "reject"):
                told[outcome.reject.reason.value] += 1
                yield Rejected(outcome.row.key, outcome.reject.reason, outcome.stage, outcome.reject.detail)
            else:
                told["committed"] += 1
                yield recipe.sample(outcome)

    written = retry_shard(store, shard, outcomes(), recipe.description, {"retried": keys})
    seconds = round(time.perf_counter() - began, 3)
    return {"shard": shard, "state": written.state, "became": dict(told), "seconds": seconds}


def run_retry(
    root: Path,
    reasons: list[str],
    *,
    workers: int | None = None,
    limits: dict[str, float] | None = None,
    allow_mixed: bool = False,
    tell: Tell = lambda done, total, text: None,
) -> dict[str, Any]:
    """Retry all rows that were rejected for one of the reasons, and publish what came of it.

    Args:
        root: folder of the store.
        reasons: of the closed list :class:`storage.reject.Reason`.
        workers: processes; default: as the run had.
        limits: limits of the check in place of those that the store was made with.
        allow_mixed: other settings or code than the store's own are meant.
        tell: hears of every shard.

    Raises:
        SynthesizeError: an unknown reason, nothing was rejected for it, or the store is not finished.
        StoreError: other settings or code without ``allow_mixed``.
        JobError, WorkerDiedError: as a run does; the same call goes on.
    """
    if unknown := sorted(set(reasons) - {reason.value for reason in Reason}):
        msg = f"there is no reason '{unknown[0]}'; a row is rejected for one of {', '.join(sorted(Reason))}."
        raise SynthesizeError(msg)
    store = Store.open(root)
    _check_ready(store, reasons, allow_mixed)
    config = _configured(root, workers, limits, allow_mixed)
    check_folder(config.cache, "--cache")
    logs = config.cache / "logs" / f"retry-{root.absolute().name}-{os.getpid()}"
    given = config.model_dump(mode="json")
    became: Counter[str] = Counter()
    states: Counter[str] = Counter()
    lock = threading.Lock()
    with ExitStack() as stack:
        log = stack.enter_context(RunLog(logs, run=logs.name, store=str(root)))
        pool = stack.enter_context(open_runner(config, logs))
        todo = pool.run(
            Job(
                "the retry's preparation",
                "flows.retry:prepare",
                {"config": given, "reasons": reasons},
                config.network_place,
            )
        )
        log.record("retry", reasons=reasons, shards=len(todo["shards"]), fingerprint=todo["fingerprint"])

        def do(item: tuple[str, list[str]]) -> None:
            shard, keys = item
            job = Job(
                f"the retry of shard {shard}",
                "flows.retry:remake_rejects",
                {"config": given, "shard": int(shard), "keys": keys},
                config.network_place,
            )
            made = pool.run(job)
            with lock:
                became.update(made["became"])
                states[made["state"]] += 1
                log.record("shard", **made)
                tell(sum(states.values()), len(todo["shards"]), f"shard {shard}: {made['became']}")

        with ThreadPoolExecutor(config.workers) as threads:
            try:
                for done in [threads.submit(do, item) for item in todo["shards"].items()]:
                    done.result()
            except BaseException:  # Ctrl-C, too: what is not begun stays as it was
                pool.kill()
                threads.shutdown(cancel_futures=True)
                raise
        generation = publish(store, allow_mixed=config.allow_mixed, reject_budget=config.reject_budget)
        log.record("published", generation=generation.name, hash=generation.hash)
    return {
        "store": str(root), "reasons": reasons, "rows": sum(len(keys) for keys in todo["shards"].values()),
        "became": dict(sorted(became.items())), "shards": dict(sorted(states.items())),
        "fingerprint": todo["fingerprint"], "generation": generation.name, "totals": dict(generation.totals),
    }  # fmt: skip


def _check_ready(store: Store, reasons: list[str], allow_mixed: bool) -> None:
    """Refuse what would end without a generation, before anything is made.

    Raises:
        SynthesizeError: nothing was rejected for the reasons, rows are pending, or the store is mixed already.
    """
    root, counts = store.root, store.counts()
    if not set(reasons) & set(counts.reasons):
        named = ", ".join(f"{name} {count}" for name, count in counts.reasons.items()) or "nothing at all"
        msg = f"no row of {root} was rejected for {' or '.join(reasons)}; it has {named}."
        raise SynthesizeError(msg)
    if counts.pending:
        msg = (
            f"{root} is not finished ({counts.pending} of {counts.planned} pairs are pending), so what is retried "
            f"could not be published; type 'facepairs run {root}' first."
        )
        raise SynthesizeError(msg)
    marks = set().union(*(commit.fingerprints for commit in store.commits().values()))
    if len(marks) > 1 and not allow_mixed:
        msg = (
            f"{root} was made by {len(marks)} settings or versions of the code already, and what is retried joins "
            "them; say that this is meant with --allow-mixed."
        )
        raise SynthesizeError(msg)


def _configured(
    root: Path, workers: int | None, limits: dict[str, float] | None, allow_mixed: bool
) -> SynthesizeConfig:
    changes: dict[str, Any] = {"allow_mixed": allow_mixed}
    if workers is not None:
        changes["workers"] = workers
    if limits:
        changes["limits"] = limits
    return SynthesizeConfig.model_validate(load_config(root).model_dump() | changes)
