"""Jobs for the pool's tests; worker processes import this module by name."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np


def double(value: int, emit) -> dict:
    emit({"value": value})
    return {
        "value": 2 * value,
        "pid": os.getpid(),
        "threads": os.environ["OMP_NUM_THREADS"],
        "cv2": cv2.getNumThreads(),
    }


def die_until(marker: str, times: int, emit) -> str:
    """Kill itself until it has been tried ``times`` times."""
    path = Path(marker)
    tries = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(tries))
    emit({"try": tries})
    if tries <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"tried {tries}"


def fail(emit) -> None:
    emit({"before": "the failure"})
    msg = "the disk is on fire."
    raise OSError(msg)


def sleep(seconds: float, emit) -> None:
    emit({"asleep": True})
    time.sleep(seconds)


def modules(emit) -> list[str]:
    """Modules that a worker has loaded once it can do real work."""
    import flows.work  # noqa: F401

    return sorted(sys.modules)


def faults(arrays: int, times: int, emit) -> int:
    """Pages that the system gave for so many arrays of 8 MB, made and thrown away together so many times."""
    for turn in range(times + 1):
        if turn == 1:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        [np.ones(1 << 20) for _ in range(arrays)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def count(upto: int, emit) -> int:
    for n in range(upto):
        emit({"n": n})
    return upto


def parent(emit) -> int:
    """Process that started this one."""
    return os.getppid()
