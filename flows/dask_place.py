"""What runs in a Dask worker: a place where one worker process of ours lives, and the task that gives it a job."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin, get_worker

from flows.config import SynthesizeError
from flows.jobs import Done, Events, Job, JobError, StoppedError, WorkerDiedError
from flows.runner import Pool


@dataclass
class Place(WorkerPlugin):
    """Our worker process in a Dask worker, for one run.

    Args:
        name: of the run, on the cluster.
        recycle: jobs after which the process is replaced.
        logs: folder for its log, on a file system that all machines share; empty without logs.
        silence: seconds without a word after which it is killed.
    """

    name: str
    recycle: int
    logs: str
    silence: float
    pool: Pool | None = None

    def setup(self, worker: Any) -> None:
        """The process itself starts with the first job."""
        host, _, port = worker.address.rpartition("/")[2].rpartition(":")
        logs = Path(self.logs) if self.logs else None
        self.pool = Pool(1, self.recycle, 1, logs, self.silence, f"worker-{host}-{port}")

    def teardown(self, worker: Any) -> None:
        """End the process; the job in hand is abandoned, because nobody waits for it any more."""
        assert self.pool is not None
        self.pool.kill()
        self.pool.stop()


def perform(run: str, number: int, told: str) -> str:
    """The Dask task: one job, done by the process of this Dask worker.

    Args:
        run: name of the run's :class:`Place`, and of the topic of its events.
        number: of the job, in the parent's count.
        told: name, call and arguments of the job, as JSON.

    Returns:
        JSON: ``{"done": result}``, ``{"error": [message, kind, trace]}`` or ``{"died": message}``.
    """
    worker = get_worker()
    place = worker.plugins[run]
    job = Job(**json.loads(told))
    attempt = {"job": number, "attempt": uuid.uuid4().hex}

    def handle(events: Events) -> Any:
        (pid,) = place.pool.pids
        worker.log_event(run, {**attempt, "begin": {"worker": worker.address, "pid": pid}})
        for event in events:
            if isinstance(event, Done):
                return event.result
            worker.log_event(run, {**attempt, "event": event})
        raise AssertionError

    try:
        if place.logs and not Path(place.logs).parent.is_dir():
            raise JobError(_unshared(place.logs, worker.address), SynthesizeError.__name__)
        return json.dumps({"done": place.pool.run(job, handle)})
    except JobError as error:
        return json.dumps({"error": [str(error), error.kind, error.trace]})
    except (WorkerDiedError, StoppedError) as error:
        return json.dumps({"died": str(error)})


def _unshared(logs: str, address: str) -> str:
    return (
        f"the Dask worker {address} does not see {Path(logs).parent}; mount photographs, store and cache folder under "
        "the same path on every machine, or name a shared cache with --cache."
    )
