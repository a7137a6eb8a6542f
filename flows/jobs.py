"""What a runner of jobs is: jobs go in, events and a result come out, whoever does the work and wherever.

Two runners satisfy :class:`Runner`: processes of this machine (:mod:`flows.runner`) and a Dask cluster
(:mod:`flows.dask_runner`). Jobs must be idempotent: one may run more than once, and twice at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self


class WorkerDiedError(RuntimeError):
    """A worker ended in the middle of a job."""


class JobError(RuntimeError):
    """A job raised; ``kind`` is the exception's type and ``trace`` its traceback in the worker."""

    def __init__(self, message: str, kind: str = "", trace: str = "") -> None:
        super().__init__(message)
        self.kind, self.trace = kind, trace


class StoppedError(RuntimeError):
    """The runner was told to stop before the job was done."""


Place = Literal["cpu", "gpu", "here"]


@dataclass(frozen=True)
class Job:
    """What a worker is to do: ``function(**args, emit=…)`` with JSON-able arguments and result.

    ``place`` matters on a cluster: a job of ``"gpu"`` runs networks on a GPU and asks for one, a job of ``"here"`` is
    done on the machine of the parent.
    """

    name: str  # for messages: "shard 7"
    call: str  # "module:function"
    args: dict[str, Any]
    place: Place = "cpu"


@dataclass(frozen=True)
class Done:
    """The last thing a job's event stream yields."""

    result: Any


Events = Iterator[dict[str, Any] | Done]
Handle = Callable[[Events], Any]


class Runner(Protocol):
    """Has jobs done by workers; a worker that dies costs its job's time, never the job."""

    deaths: int  # of workers, so far

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def run(self, job: Job, handle: Handle | None = None) -> Any:
        """Have a job done; blocks, and may be called from many threads.

        Args:
            job: what to do.
            handle: gets the iterator over the job's events, whose last item is :class:`Done`; what it returns
                is returned. It is called again, with a new iterator, when a worker died under the job.

        Raises:
            WorkerDiedError: workers died under the job as often as it may be tried.
            JobError: the job raised.
            StoppedError: the runner was stopped.
        """

    @property
    def living(self) -> dict[int, int]:
        """Process id of each living worker of this machine, by its number."""

    def kill(self) -> None:
        """End all work at once and start no more; returns at once. Jobs raise :class:`StoppedError`."""

    def stop(self) -> None:
        """Start no more jobs, let the running ones finish, and end all workers."""


def last(events: Events) -> Any:
    """Ignore the events, return the result."""
    for event in events:
        if isinstance(event, Done):
            return event.result
    raise AssertionError
