from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from flows import server
from flows.server import ServerError, api, away, free_port


def test_a_configured_api_is_used_and_nothing_is_started(
    run_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", run_server)
    monkeypatch.setattr(server, "start", lambda *a: pytest.fail("a server was started"))
    with api(tmp_path) as reached:
        assert (reached.url, reached.owned, reached.ui) == (
            run_server,
            False,
            run_server.removesuffix("/api"),
        )


def test_a_configured_api_that_is_away_is_told_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    monkeypatch.setattr(server, "GRACE", 0.0)
    with pytest.raises(ServerError, match=r"nobody answers at .*unset PREFECT_API_URL"), api(tmp_path):
        pytest.fail("it began")


def test_our_server_answers_and_sends_no_telemetry(run_server: str) -> None:
    with urllib.request.urlopen(f"{run_server}/health") as answer:
        assert answer.status == 200
    with urllib.request.urlopen(f"{run_server}/admin/settings") as answer:
        assert b'"analytics_enabled":false' in answer.read().replace(b" ", b"")


def test_a_server_that_cannot_start_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.sys, "executable", "/bin/false")
    with pytest.raises(ServerError, match=r"exit code 1 before it answered; read .*server\.log"):
        server.start(tmp_path / "home")


def test_free_ports_are_free() -> None:
    assert free_port() != 0


def test_nobody_is_away_only_where_nothing_listens(run_server: str) -> None:
    assert not away(run_server)
    assert not away(f"{run_server}/nowhere"), "a refusal is an answer"
    assert away(f"http://127.0.0.1:{free_port()}/api")
