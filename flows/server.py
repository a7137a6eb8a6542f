"""The Prefect API that a run reports to: the one that is configured, else one server that we start, own and drain.

Left alone, Prefect starts a hidden server that drops queued records at exit. Ours listens on a free loopback port,
keeps its SQLite database in a given home, sends no telemetry, and is stopped after every record has arrived.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

log = logging.getLogger(__name__)

# Nothing is scheduled on our own server, so the loops for schedules, late runs and workers would only cost cores.
ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_PROMPT": "false",
}


class ServerError(RuntimeError):
    """Our server did not start."""


@dataclass(frozen=True)
class Api:
    """Where runs are reported; ``owned`` is false for an API that was configured outside."""

    url: str
    owned: bool

    @property
    def ui(self) -> str:
        """Address of the dashboard."""
        return self.url.removesuffix("/api")


def configured_api() -> str | None:
    """PREFECT_API_URL from the environment or from the active Prefect profile."""
    if url := os.environ.get("PREFECT_API_URL"):
        return url
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def api(home: Path, *, timeout: float = 120.0) -> Iterator[Api]:
    """The API for the code inside: the configured one, else our own server for as long as the block lasts.

    Args:
        home: folder of our server's database and log.
        timeout: seconds that our server may take to answer for the first time.

    Raises:
        ServerError: our server ended or did not answer in time; names its log.
    """
    if url := configured_api():
        yield Api(url, owned=False)
        return
    from prefect.logging.handlers import APILogHandler
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    process, url = start(home, timeout)
    try:
        with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: home}):
            yield Api(url, owned=True)
            APILogHandler().flush()  # what is still queued could not be sent any more
    finally:
        stop(process)


def start(home: Path, timeout: float = 120.0) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server with its database in ``home`` and wait until it answers; returns the process and the API URL."""
    home.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{(port := free_port())}/api"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | ENVIRONMENT
    environment |= {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_UI_API_URL": url,
        "PREFECT_API_URL": url,
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("ab") as written:
        # A session of its own: Ctrl-C in the terminal must not end it before the last records arrived.
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=written,
            stderr=written,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            msg = (
                f"the run server ended with exit code {process.returncode} before it answered; read "
                f"{home / 'server.log'}, or set PREFECT_API_URL to a server of yours."
            )
            raise ServerError(msg)
        if _answers(url):
            return process, url
        time.sleep(0.1)
    stop(process)
    msg = (
        f"the run server did not answer within {timeout:.0f} s; read {home / 'server.log'}, or set PREFECT_API_URL "
        f"to a server of yours."
    )
    raise ServerError(msg)


def _answers(url: str) -> bool:
    """Whether the API is up."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end_with_parent() -> None:
    """Runs in the child before it becomes the server: on Linux it is told to end when we die, even by kill -9."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG


def stop(process: subprocess.Popen[bytes], timeout: float = 20.0) -> None:
    """End a server with its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
            return


def drain(flow_run_id: UUID, expected: int, timeout: float = 120.0) -> dict[str, int]:
    """Wait until the task runs of a flow run are on record as ended; returns their number by state.

    Args:
        flow_run_id: the flow run.
        expected: task runs that it started, nested ones included.
        timeout: seconds after which we go on without the rest; telemetry never holds up a run for ever.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.exceptions import PrefectHTTPStatusError

    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    deadline = time.monotonic() + timeout
    states: dict[str, int] = {}
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            try:
                states = _states(client, chosen)
            except (httpx.HTTPError, PrefectHTTPStatusError) as error:
                log.warning(
                    "the run server does not say what it recorded (%s); the pairs are not affected", error
                )
                return states
            ended = sum(states.get(s, 0) for s in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"))
            if ended >= expected:
                return states
            time.sleep(0.5)
    log.warning(
        "only %d of %d task runs were recorded within %.0f s", sum(states.values()), expected, timeout
    )
    return states


def _states(client: Any, chosen: Any) -> dict[str, int]:
    """Task runs of a flow run by state type; the API pages by 200."""
    states: dict[str, int] = {}
    offset = 0
    while True:
        page = client.read_task_runs(flow_run_filter=chosen, limit=200, offset=offset)
        for run in page:
            name = run.state_type.value if run.state_type else "PENDING"
            states[name] = states.get(name, 0) + 1
        if len(page) < 200:
            return states
        offset += 200
