from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.kills import children
from flows import keeper, server
from flows.server import ServerError, answers


def served(others: Sequence[int] = ()) -> list[int]:
    """Servers of this process besides some others, such as the one that all tests share."""
    found = [child for child, line in children(os.getpid()).items() if "flows.serve " in line]
    return [child for child in found if child not in others]


def test_a_server_that_dies_is_started_again_where_it_was(tmp_path: Path) -> None:
    others = served()
    with keeper.keeping(tmp_path / "home", timeout=250) as (url, first):
        assert served(others) == [first]
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 120
        while not (answers(url) and served(others) not in ([], [first])) and time.monotonic() < deadline:
            time.sleep(0.2)
        (second,) = served(others)
        assert second != first
        assert answers(url)
    assert served(others) == []
    assert server.away(url)


def test_one_that_dies_while_it_is_started_again_is_tried_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = []

    def start(*_: object, **options: object) -> tuple[str, str]:
        began.append(options)
        if len(began) < 3:
            raise ServerError("the run server ended with exit code -9 before it answered.")
        return "a process", "a URL"

    monkeypatch.setattr(server, "start", start)
    ending = threading.Event()
    monkeypatch.setattr(ending, "wait", lambda _: False)
    assert keeper._restarted(tmp_path, 1.0, 4200, ending) == "a process"
    assert began == [{"port": 4200}] * 3
    monkeypatch.setattr(ending, "wait", lambda _: True)
    began.clear()
    with pytest.raises(ServerError):
        keeper._restarted(tmp_path, 1.0, 4200, ending)
    assert len(began) == 1


def test_one_that_cannot_start_is_told_to_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.sys, "executable", "/bin/false")
    with pytest.raises(ServerError, match="exit code 1 before it answered"), keeper.keeping(tmp_path):
        pytest.fail("it has no URL")


def test_events_to_a_server_that_is_away_do_not_wait() -> None:
    from prefect.events.worker import EventsWorker

    with keeper.brisk_events("http://127.0.0.1:1/api"):
        kind, options = EventsWorker._client_override
        assert kind.__name__ == "PrefectEventsClient"
        # From the fourth attempt on the client sleeps a second before each.
        assert dict(options)["reconnection_attempts"] <= 2
    assert EventsWorker._client_override is None
