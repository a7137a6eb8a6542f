"""A pool of supervised worker processes: a worker that dies is replaced, and its job is made again.

Prefect's own process pool fails whole when one child dies (docs/operations.md), so the parent keeps Prefect
and the workers are plain processes (:mod:`flows.worker`). Jobs must be idempotent: one may run more than once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flows.jobs import Done, Events, Handle, Job, JobError, StoppedError, WorkerDiedError, last
from flows.logs import RUN_VARIABLE

log = logging.getLogger(__name__)

# One thread a worker. And glibc's allocator keeps what is freed: by itself it gives every array of a picture's size
# back to the system and asks for it again, and each page of it faults anew (docs/performance.md).
ENVIRONMENT = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
) | {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}


@dataclass
class _Worker:
    """One process and our end of its socket."""

    number: int
    process: subprocess.Popen[bytes]
    connection: Connection
    jobs: int = 0

    def stop(self) -> None:
        """Hang up on an idle process, so that it ends."""
        self.connection.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Pool:
    """Up to ``workers`` processes, started when first needed.

    Args:
        workers: processes; each computes with one thread.
        recycle: jobs after which a process is replaced by a fresh one; 0 never.
        attempts: times a job is tried when workers die under it.
        silence: seconds without a word after which a worker counts as hung and is killed.
        logs: folder for ``<label>-<n>.log``, named after the run; None leaves the workers' standard error alone.
        label: begins the names of the logs.
    """

    workers: int
    recycle: int = 0
    attempts: int = 3
    logs: Path | None = None
    silence: float = 1800.0
    label: str = "worker"
    deaths: int = field(default=0, init=False)
    _idle: queue.SimpleQueue[_Worker | int] = field(init=False, default_factory=queue.SimpleQueue)
    _live: dict[int, _Worker] = field(init=False, default_factory=dict)
    _lock: threading.RLock = field(init=False, default_factory=threading.RLock)
    _stopped: threading.Event = field(init=False, default_factory=threading.Event)

    def __post_init__(self) -> None:
        if self.workers < 1:
            msg = f"a pool needs at least one worker, got {self.workers}; pass --workers 1 or more."
            raise ValueError(msg)
        for number in range(self.workers):
            self._idle.put(number)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            self.kill()
        self.stop()

    def run(self, job: Job, handle: Handle | None = None) -> Any:
        """See :meth:`flows.jobs.Runner.run`."""
        handle = handle or last
        for attempt in range(1, self.attempts + 1):
            worker = self._take()
            try:
                value = handle(self._events(worker, job))
            except WorkerDiedError as death:
                self._bury(worker)
                if self._stopped.is_set():
                    msg = f"{job.name} was stopped before it was done."
                    raise StoppedError(msg) from death
                log.warning("%s (attempt %d of %d)", death, attempt, self.attempts)
                if attempt == self.attempts:
                    msg = (
                        f"{job.name} failed: {death} It was tried {attempt} times; read the worker's log"
                        f"{f' in {self.logs}' if self.logs else ''}, then type the same command to go on."
                    )
                    raise WorkerDiedError(msg) from death
            except JobError:
                self._give_back(worker)
                raise
            except BaseException:
                # Whoever handled the events broke off: the worker is still busy with the job.
                self._bury(worker)
                raise
            else:
                self._give_back(worker)
                return value
        raise AssertionError

    @property
    def living(self) -> dict[int, int]:
        """Process id of each living worker, by its number."""
        with self._lock:
            return {number: worker.process.pid for number, worker in self._live.items()}

    @property
    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        with self._lock:
            return [worker.process.pid for worker in self._live.values()]

    def kill(self) -> None:
        """End all workers at once and start no more; returns at once. Jobs raise :class:`StoppedError`."""
        self._stopped.set()
        with self._lock:
            for worker in self._live.values():
                worker.process.kill()

    def stop(self) -> None:
        """Start no more jobs, let the running ones finish, and end all workers."""
        self._stopped.set()
        while self._live:
            with contextlib.suppress(queue.Empty):
                place = self._idle.get(timeout=0.2)
                if isinstance(place, _Worker):
                    place.stop()
                    with self._lock:
                        self._live.pop(place.number, None)

    def _take(self) -> _Worker:
        """An idle worker, started if its place is empty."""
        while True:
            if self._stopped.is_set():
                msg = "the pool is stopped; make a new one."
                raise StoppedError(msg)
            try:
                place = self._idle.get(timeout=0.5)
            except queue.Empty:
                continue
            if isinstance(place, _Worker):
                if place.process.poll() is None:
                    return place
                with self._lock:
                    self._live.pop(place.number, None)
                place.connection.close()
                place = place.number
            return self._start(place)

    def _start(self, number: int) -> _Worker:
        """A new process with one end of a socket pair; its death is an end of file for us."""
        ours, theirs = socket.socketpair()
        environment = os.environ | ENVIRONMENT
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        environment[RUN_VARIABLE] = self.logs.name if self.logs else ""
        command = [sys.executable, "-m", "flows.worker", str(theirs.fileno())]
        errors = None
        if self.logs is not None:
            self.logs.mkdir(parents=True, exist_ok=True)
            errors = (self.logs / f"{self.label}-{number}.log").open("ab")
        with theirs:
            process = subprocess.Popen(
                command,
                env=environment,
                pass_fds=[theirs.fileno()],
                stderr=errors,
                stdout=errors or subprocess.DEVNULL,
            )
        if errors is not None:
            errors.close()
        worker = _Worker(number, process, Connection(ours.detach()))
        with self._lock:
            self._live[number] = worker
        return worker

    def _events(self, worker: _Worker, job: Job) -> Events:
        """Send the job and yield what the worker tells, up to and with its result."""
        worker.jobs += 1
        try:
            worker.connection.send_bytes(json.dumps({"call": job.call, "args": job.args}).encode())
            while True:
                if not worker.connection.poll(self.silence):
                    worker.process.kill()
                message = json.loads(worker.connection.recv_bytes())
                if "event" in message:
                    yield message["event"]
                elif "done" in message:
                    yield Done(message["done"])
                    return
                else:
                    error = message["error"]
                    text = f"{job.name}: {error['type']}: {error['message']}"
                    raise JobError(text, error["type"], error["traceback"])
        except (EOFError, OSError) as error:
            code = worker.process.wait()
            msg = (
                f"worker {worker.number} (pid {worker.process.pid}) died with exit code {code} in {job.name}."
            )
            raise WorkerDiedError(msg) from error

    def _give_back(self, worker: _Worker) -> None:
        """The worker's place is free again; a worker that did its share is replaced."""
        if self.recycle and worker.jobs >= self.recycle:
            with self._lock:
                self._live.pop(worker.number, None)
            worker.stop()
            self._idle.put(worker.number)
        else:
            self._idle.put(worker)

    def _bury(self, worker: _Worker) -> None:
        """Free the place of a worker that is dead, or that must not go on."""
        with self._lock:
            self._live.pop(worker.number, None)
            self.deaths += 1
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
        worker.connection.close()
        self._idle.put(worker.number)
