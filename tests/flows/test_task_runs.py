from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from flows.task_runs import WINDOW, submit


class _Task:
    """Looks like a Prefect task whose runs end when they are waited for."""

    def __init__(self, fails_at: int = -1) -> None:
        self.fails_at, self.begun, self.alive, self.most = fails_at, 0, 0, 0

    def submit(self, run: Any, number: int) -> Any:
        self.begun += 1
        self.alive += 1
        self.most = max(self.most, self.alive)

        def result() -> int:
            self.alive -= 1
            if number == self.fails_at:
                raise RuntimeError(str(number))
            return number

        state = SimpleNamespace(is_cancelled=lambda: False)
        return SimpleNamespace(wait=lambda: None, result=result, state=state)


def _run(workers: int = 2) -> Any:
    killed: list[bool] = []
    return SimpleNamespace(
        config=SimpleNamespace(workers=workers), stopping=threading.Event(), killed=killed,
        pool=SimpleNamespace(kill=lambda: killed.append(True)),
    )  # fmt: skip


def test_results_come_in_order_and_only_a_window_is_alive() -> None:
    task, run = _Task(), _run()
    assert list(submit(run, ((task, (run, n)) for n in range(100)))) == list(range(100))
    assert task.most == WINDOW * 2


def test_the_first_failure_ends_the_run() -> None:
    task, run = _Task(fails_at=3), _run()
    with pytest.raises(RuntimeError, match="3"):
        list(submit(run, ((task, (run, n)) for n in range(100))))
    assert run.stopping.is_set()
    assert run.killed == [True]
    assert task.begun <= 4 + WINDOW * 2


def test_a_run_that_is_asked_to_stop_submits_no_more() -> None:
    task, run = _Task(), _run()
    seen = []
    for number in submit(run, ((task, (run, n)) for n in range(100))):
        seen.append(number)
        run.stopping.set()
    assert seen == list(range(WINDOW * 2))
