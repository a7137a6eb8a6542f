from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from flows.usage import EVENT, age, all_used, used, watching

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_memory_and_cpu_of_a_process_are_told() -> None:
    held = bytearray(os.urandom(50_000_000))
    use = used(os.getpid())
    assert use is not None
    assert use["resident"] > len(held)
    assert use["share"] <= use["resident"] <= use["peak"]
    assert abs(use["cpu"] - time.process_time()) < 0.2, "all threads, user and system"


def test_a_process_that_has_ended_is_told_as_none() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert used(ended.pid) is None


def test_a_process_may_call_itself_anything() -> None:
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'a ) 1 ('); print('x', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        use = used(child.pid)
        assert use is not None
        assert 0 <= use["cpu"] < 10
        assert use["pid"] == child.pid
        child.communicate(b"")


def test_it_is_recorded_at_once_again_and_at_the_end() -> None:
    told: list[tuple[str, dict]] = []
    with watching(
        lambda event, processes: told.append((event, processes)),
        lambda: {"me": os.getpid(), "none": 2**22 + 1},
        0.05,
    ):
        deadline = time.monotonic() + 10
        while len(told) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        during = len(told)
    assert during >= 3
    assert len(told) > during
    assert {event for event, _ in told} == {EVENT}
    assert all(set(processes) == {"me"} for _, processes in told)


def test_the_age_of_a_process_grows() -> None:
    before = age(os.getpid())
    time.sleep(0.05)
    after = age(os.getpid())
    assert before is not None
    assert after is not None
    assert 0.03 < after - before < 30
    assert before < 86_400
    assert age(2**22 + 1) is None


def test_processes_that_have_ended_are_left_out() -> None:
    assert list(all_used({"me": os.getpid(), "gone": 2**22 + 1})) == ["me"]
