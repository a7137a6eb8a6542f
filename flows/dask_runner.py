"""The jobs of a run on a Dask cluster: one on this machine that grows and shrinks, or the workers of a scheduler.

A Dask worker is a place where one worker process of ours lives (:class:`flows.runner.Pool` of one): same environment,
same threads, same recycling as without Dask, so same bytes; heads and networks are loaded there once and stay. A graph
is one task that carries the job as JSON text. Events come back on a topic of the scheduler, which keeps the last
thousand. Losing a worker or its nanny costs the job's time: Dask has the job done elsewhere, and if the lost one
finishes all the same, the first commit wins.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import queue
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import dask
from distributed import Client, Future, LocalCluster
from distributed.scheduler import KilledWorker

from flows.config import SynthesizeError
from flows.dask_place import Place, perform
from flows.jobs import Done, Events, Handle, Job, JobError, StoppedError, WorkerDiedError, last
from flows.runner import Pool

log = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds for a scheduler to answer, and for the first worker to come
# A cluster on this machine begins with all its workers, and has one for each job in hand; idle ones stay five minutes,
# because the first worker may warm up alone for one.
ADAPT = {"interval": "1s", "wait_count": 300, "target_duration": "10ms"}


@dataclass
class _Inbox:
    """What came of one job: events of its attempts, and at last its future."""

    future: Any = None
    messages: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    attempt: str = ""  # whose events are handed out; others are of lost workers
    worker: str = ""  # that does it


@dataclass
class DaskRunner:
    """A :class:`flows.jobs.Runner` on Dask.

    Args:
        workers: jobs in hand at once; on this machine also the most workers there are.
        recycle: jobs after which a worker's process is replaced by a fresh one; 0 never.
        attempts: times a job is tried when workers die under it.
        logs: folder of the workers' logs, named after the run; on a cluster of several machines, one that all share.
        silence: seconds without a word after which a worker counts as hung.
        scheduler: address of a scheduler; None starts a cluster on this machine for as long as this runner lives.
        gpu: networks run on GPUs: workers of a cluster on this machine have one each.

    Raises:
        SynthesizeError: the scheduler does not answer, or has no workers, or they cannot run this.
    """

    workers: int
    recycle: int = 0
    attempts: int = 3
    logs: Path | None = None
    silence: float = 1800.0
    scheduler: str | None = None
    gpu: bool = False
    deaths: int = field(default=0, init=False)
    _name: str = field(init=False, default_factory=lambda: f"facepairs-{uuid.uuid4().hex}")
    _inboxes: dict[int, _Inbox] = field(init=False, default_factory=dict)
    _numbers: Iterator[int] = field(init=False, default_factory=itertools.count)
    _pids: dict[str, int] = field(init=False, default_factory=dict)
    _stopped: threading.Event = field(init=False, default_factory=threading.Event)
    _stack: contextlib.ExitStack = field(init=False, default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        if self.workers < 1:
            msg = f"a runner needs at least one worker, got {self.workers}; pass --workers 1 or more."
            raise ValueError(msg)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            # A process beside us for what must be done on this machine.
            self._here = stack.enter_context(Pool(1, 0, self.attempts, self.logs, self.silence, "here"))
            address = self.scheduler or stack.enter_context(self._cluster())
            self._client = stack.enter_context(self._connect(address))
            self._client.subscribe_topic(self._name, self._hear)
            place = Place(self._name, self.recycle, str(self.logs or ""), self.silence)
            try:
                self._client.register_plugin(place)
            except Exception as error:  # whatever a worker raises that cannot import us
                msg = f"workers of {address} cannot run facepairs ({error}); install this version of it on each one."
                raise SynthesizeError(msg) from error
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            self.kill()
        self.stop()

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[Any]:
        """A cluster on the loopback address of this machine."""
        settings = {"distributed.scheduler.unknown-task-duration": "1h"}  # so that it grows at once
        resources = {"GPU": 1} if self.gpu else None
        with (
            dask.config.set(settings),
            LocalCluster(
                n_workers=self.workers,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address="127.0.0.1:0",
                resources=resources,
            ) as cluster,
        ):
            cluster.adapt(minimum=1, maximum=self.workers, **ADAPT)
            yield cluster

    @contextlib.contextmanager
    def _connect(self, address: Any) -> Iterator[Client]:
        try:
            client = Client(address, set_as_default=False, timeout=PATIENCE, name="facepairs")
        except (OSError, ValueError) as error:
            msg = f"--runner {address}: no Dask scheduler answers there ({error}); start one with `dask scheduler`."
            raise SynthesizeError(msg) from error
        with client:
            try:
                client.wait_for_workers(1, PATIENCE)
            except TimeoutError as error:
                msg = (
                    f"--runner {address}: the scheduler has no workers; on each machine type `dask worker {address} "
                    "--nthreads 1 --nworkers N`, with `--resources GPU=1` beside a GPU."
                )
                raise SynthesizeError(msg) from error
            yield client
            with contextlib.suppress(Exception):  # a scheduler that is gone has nothing to be taken down
                client.unregister_worker_plugin(self._name)

    def run(self, job: Job, handle: Handle | None = None) -> Any:
        """See :meth:`flows.jobs.Runner.run`."""
        handle = handle or last
        if job.place == "here":
            return self._here.run(job, handle)
        number, inbox = next(self._numbers), _Inbox()
        self._inboxes[number] = inbox
        try:
            for attempt in range(1, self.attempts + 1):
                try:
                    return handle(self._events(job, number, inbox))
                except WorkerDiedError as death:
                    self.deaths += 1
                    log.warning("%s (attempt %d of %d)", death, attempt, self.attempts)
                    if attempt == self.attempts:
                        msg = (
                            f"{job.name} failed: {death} It was tried {attempt} times; read the workers' logs"
                            f"{f' in {self.logs}' if self.logs else ''}, then type the same command to go on."
                        )
                        raise WorkerDiedError(msg) from death
            raise AssertionError
        finally:
            del self._inboxes[number]
            self._forget(inbox)

    def _events(self, job: Job, number: int, inbox: _Inbox) -> Events:
        """Submit the job, unless Dask has it in hand, and yield what one attempt tells, up to and with its result."""
        if self._stopped.is_set():
            msg = f"{job.name} was stopped before it was done."
            raise StoppedError(msg)
        if inbox.future is None:
            self._submit(job, number, inbox)
        while True:
            try:
                told = inbox.messages.get(timeout=self.silence + PATIENCE)
            except queue.Empty:
                raise self._hung(job, inbox) from None
            if told is None:
                msg = f"{job.name} was stopped before it was done."
                raise StoppedError(msg)
            if isinstance(told, dict):
                if "begin" in told:
                    self._begin(job, told, inbox)
                elif told["attempt"] == inbox.attempt:
                    yield told["event"]
            elif told is inbox.future:
                yield Done(self._result(job, inbox))
                return

    def _begin(self, job: Job, told: dict[str, Any], inbox: _Inbox) -> None:
        """An attempt begins; if one was at work, Dask has lost its worker."""
        before = inbox.worker
        self._pids.pop(before, None)
        inbox.attempt, inbox.worker = told["attempt"], told["begin"]["worker"]
        self._pids[inbox.worker] = told["begin"]["pid"]
        if before:
            msg = f"the Dask worker {before} was lost in {job.name}."
            raise WorkerDiedError(msg)

    def _submit(self, job: Job, number: int, inbox: _Inbox) -> None:
        told = json.dumps({"name": job.name, "call": job.call, "args": job.args})
        key = f"{job.call.rpartition(':')[2]}-{uuid.uuid4().hex}"
        resources = {"GPU": 1} if job.place == "gpu" else None
        inbox.future = self._client.submit(
            perform, self._name, number, told, key=key, pure=False, resources=resources
        )
        inbox.future.add_done_callback(inbox.messages.put)

    def _result(self, job: Job, inbox: _Inbox) -> Any:
        """What a finished future brings; the inbox is then without one, so that another attempt submits anew."""
        future: Future = inbox.future
        try:
            told = json.loads(future.result(self.silence + PATIENCE))
        except KilledWorker as error:
            self._anew(inbox)
            msg = f"Dask lost one worker after the other in {job.name} ({error.last_worker.address} was the last)."
            raise WorkerDiedError(msg) from error
        except Exception as error:  # cancelled, lost with its scheduler, or not to be run there
            self._anew(inbox)
            msg = f"Dask gave up {job.name} ({type(error).__name__}: {error})."
            raise WorkerDiedError(msg) from error
        if "died" in told:
            self._anew(inbox)
            raise WorkerDiedError(told["died"])
        if "error" in told:
            raise JobError(*told["error"])
        return told["done"]

    def _hung(self, job: Job, inbox: _Inbox) -> WorkerDiedError:
        """Nothing was heard for too long: take the job from its worker, which its nanny starts again."""
        where, at_work = inbox.worker, bool(inbox.attempt)
        self._anew(inbox)
        if at_work:
            with contextlib.suppress(Exception):  # it may be gone, or have no nanny
                self._client.restart_workers([where], timeout=PATIENCE, raise_for_error=False)
            return WorkerDiedError(
                f"the Dask worker {where} said nothing for {self.silence:.0f} s in {job.name}."
            )
        need = " that has a GPU (`--resources GPU=1`)" if job.place == "gpu" else ""
        return WorkerDiedError(f"no Dask worker{need} took {job.name} within {self.silence:.0f} s.")

    def _anew(self, inbox: _Inbox) -> None:
        self._forget(inbox)
        self._pids.pop(inbox.worker, None)
        inbox.future, inbox.attempt, inbox.worker = None, "", ""

    def _forget(self, inbox: _Inbox) -> None:
        """Let the scheduler forget a job and its result."""
        if inbox.future is not None:
            inbox.future.release()

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """An event from a worker, in the client's thread."""
        inbox = self._inboxes.get(event[1]["job"])
        if inbox is not None:
            inbox.messages.put(event[1])

    @property
    def living(self) -> dict[int, int]:
        """See :attr:`flows.jobs.Runner.living`; nobody when the workers may be on other machines."""
        known = [] if self.scheduler else list(self._pids.values())
        # One that was recycled is known until its successor begins.
        return {n: pid for n, pid in enumerate(known) if Path(f"/proc/{pid}").exists()}

    def kill(self) -> None:
        """See :meth:`flows.jobs.Runner.kill`."""
        self._stopped.set()
        self._here.kill()
        for inbox in list(self._inboxes.values()):
            inbox.messages.put(None)

    def stop(self) -> None:
        """See :meth:`flows.jobs.Runner.stop`."""
        self._stopped.set()
        self._stack.close()
