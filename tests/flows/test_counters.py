from __future__ import annotations

import mmap
import time

import numpy as np
import pytest

from flows.counters import PAGE_FAULTS, SOFTWARE, Meter, PerfCounter, peak_memory, resident_memory

MB = 1 << 20


def test_wall_and_cpu_are_told_apart() -> None:
    meter = Meter()
    meter.start()
    time.sleep(0.2)
    slept = meter.stop()
    assert slept.wall >= 0.19
    assert slept.cpu < 0.1


def test_the_peak_belongs_to_the_time_between_start_and_stop() -> None:
    if not peak_memory():
        pytest.skip("this system has no /proc")
    meter = Meter()
    meter.start()
    before = resident_memory()
    block = np.ones(64 * MB, np.uint8)
    del block
    used = meter.stop()
    assert used.peak - before > 50 * MB
    assert used.faults > 0
    meter.start()
    assert meter.stop().peak - before < 50 * MB


def test_the_kernel_counts_events_of_this_process() -> None:
    counter = PerfCounter.open(SOFTWARE, PAGE_FAULTS)
    if counter is None:
        pytest.skip("this kernel lets nobody count")
    before = counter.read()
    with mmap.mmap(-1, 16 * MB) as fresh:  # memory that nobody had before
        for page in range(0, len(fresh), 4096):
            fresh[page] = 1
    assert counter.read() > before
    counter.close()


def test_an_event_that_does_not_exist_is_not_counted() -> None:
    assert PerfCounter.open(SOFTWARE, 10_000) is None
