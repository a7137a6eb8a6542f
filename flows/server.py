"""The Prefect API that a run reports to: the one that is configured, else one server that we start, own and drain.

Left alone, Prefect starts a hidden server that drops queued records at exit. Ours listens on a free loopback port,
keeps its SQLite database in a given home, sends no telemetry, and is stopped after every record has arrived.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
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

from flows.confine import LOOPBACK, confine

log = logging.getLogger(__name__)

# No telemetry, no advertisements. Runs and events older than a month leave the database.
ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * 24 * 3600),
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_PROMPT": "false",
}
# Nothing is scheduled on the server of one run: the loops for schedules, late runs and workers would only cost cores.
ONE_RUN = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
}
ROOT = Path(__file__).resolve().parents[1]  # where the flows, and in a clone prefect.yaml, are
UI_API = "/api"  # relative, so that the dashboard works under every name that reaches it
# Seconds that a configured server may be away: one that was killed is being started again, which takes ten on two free
# cores.
GRACE = 30.0
# Opened here: a child between fork and exec may wait for ever for the loader's lock.
_LIBRARY = ctypes.CDLL(None)
DASHBOARD = "dashboard.json"  # in the home of a server that a dashboard keeps: its addresses and process


class ServerError(RuntimeError):
    """Our server did not start."""


@dataclass(frozen=True)
class Api:
    """Where runs are reported; ``owned`` is false for an API that was configured outside."""

    url: str
    owned: bool
    pid: int | None = None  # of our server, as it was started first

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
    """The API for the code inside: the configured one, else a dashboard's, else our own server while the block lasts.

    Args:
        home: folder of our server's database and log.
        timeout: seconds that our server may take to answer for the first time.

    Raises:
        ServerError: nobody answers at the configured API, or our server ended or did not answer in time.
    """
    from flows.keeper import brisk_events, keeping

    if url := configured_api():
        _wait_for(url)
        with brisk_events(url):
            yield Api(url, owned=False)
        return
    from prefect.logging.handlers import APILogHandler
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    if found := dashboard(home):
        with temporary_settings({PREFECT_API_URL: found["url"]}), brisk_events(found["url"]):
            yield Api(found["url"], owned=False)
            APILogHandler().flush()
        return
    with (
        keeping(home, timeout) as kept,
        temporary_settings({PREFECT_API_URL: kept.url, PREFECT_HOME: home}),
        brisk_events(kept.url),
    ):
        yield Api(kept.url, owned=True, pid=kept.pid)
        APILogHandler().flush()  # what is still queued could not be sent any more


def _wait_for(url: str) -> None:
    """Give a configured server that is away its time to come back.

    Raises:
        ServerError: it did not.
    """
    given_up = time.monotonic() + GRACE
    for asked in itertools.count():
        if not away(url):
            return
        if time.monotonic() >= given_up:
            raise ServerError(nobody_at(url))
        if not asked:
            log.warning("nobody answers at %s; waiting %.0f s for it to come back", url, GRACE)
        time.sleep(0.5)


def dashboard(home: Path) -> dict[str, Any] | None:
    """What a dashboard that keeps its database in ``home`` says of itself; None when none answers.

    ``url`` is its API, ``pages`` where it serves stores, ``pid`` its process.
    """
    told = _told(home)
    return told if told and answers(told["url"]) else None


def coming(home: Path) -> bool:
    """Whether a dashboard's process is there, which may not answer yet."""
    told = _told(home)
    return told is not None and Path(f"/proc/{told['pid']}").exists()


def _told(home: Path) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads((home / DASHBOARD).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return told


def start(
    home: Path,
    timeout: float = 120.0,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    database: str | None = None,
    scheduling: bool = False,
    pictures: str = LOOPBACK,
) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server and wait until it answers; returns the process and the API URL as this machine reaches it.

    Args:
        home: folder of its log, and of its SQLite database when no other is named.
        timeout: seconds that it may take to answer for the first time.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        database: SQLAlchemy URL of another database, ``postgresql+asyncpg://...``.
        scheduling: with the services that schedules, workers and automations need.
        pictures: origin that the pictures on run pages may come from.

    Raises:
        ServerError: it ended or did not answer in time; names its log.
    """
    home.mkdir(parents=True, exist_ok=True)
    url = address(host, port := port or free_port())
    log_file = home / "server.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | ENVIRONMENT
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment |= {} if scheduling else ONE_RUN
    environment |= {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database or f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_UI_API_URL": UI_API,
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        # By default any page in the browser may call the API, and whoever calls it can start commands.
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": url.removesuffix("/api"),
        "PREFECT_API_URL": url,
    }
    command = [sys.executable, "-m", "flows.serve", "server", "start", "--host", host, "--port", str(port)]
    with log_file.open("ab") as written:
        # A session of its own: Ctrl-C in the terminal must not end it before the last records arrived.
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=written,
            stderr=written,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            msg = (
                f"the run server ended with exit code {process.returncode} before it answered; read {log_file}, or set "
                "PREFECT_API_URL to a server of yours."
            )
            raise ServerError(msg)
        if answers(url):
            confine(home / "ui", pictures)
            return process, url
        time.sleep(0.1)
    stop(process)
    msg = (
        f"the run server did not answer within {timeout:.0f} s; read {log_file}, or set PREFECT_API_URL to a server "
        "of yours."
    )
    raise ServerError(msg)


def address(host: str, port: int) -> str:
    """URL of the API of a server that listens there, as this machine reaches it."""
    return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::', 'localhost') else host}:{port}/api"


def answers(url: str) -> bool:
    """Whether the API is up."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def away(url: str) -> bool:
    """Whether nobody answers there; a proxy that asks who we are is not away."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10):
            return False
    except urllib.error.HTTPError:
        return False
    except (urllib.error.URLError, OSError):
        return True


def nobody_at(url: str) -> str:
    """What to do about an API that is away before anything began."""
    return (
        f"nobody answers at {url}, where this run is to be reported; start that server, or unset PREFECT_API_URL to "
        "have one started, then type the same command again."
    )


def end_with_parent() -> None:
    """Runs in a child before it becomes another program: on Linux it is told to end when we die, even by kill -9.

    It also hears Ctrl-C again, which a script's background jobs ignore: Prefect's workers stop by nothing else.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.suppress(OSError, AttributeError):
        _LIBRARY.prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG


def stop(process: subprocess.Popen[bytes], timeout: float = 20.0) -> None:
    """End a server with its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
            return
