"""Batches made while the network computes: one thread, a few batches ahead, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

DEPTH = 2  # batches that wait at most

T = TypeVar("T")
U = TypeVar("U")


def ahead(make: Callable[[T], U], wanted: Iterable[T], depth: int = DEPTH) -> Iterator[U]:
    """``make`` of each thing in turn, computed by a thread up to ``depth`` things ahead; its errors are raised here.

    Decoding, warping and NumPy arithmetic let other threads run, so on two cores a step waits for no data.
    """
    left = iter(wanted)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as worker:
        waiting: deque[Future[U]] = deque(worker.submit(make, item) for item in islice(left, depth))
        try:
            while waiting:
                found = waiting.popleft().result()
                for item in islice(left, 1):
                    waiting.append(worker.submit(make, item))
                yield found
        finally:
            for future in waiting:
                future.cancel()
