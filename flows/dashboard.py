"""``facepairs dashboard``: one server that we own, workers for its queues, and the pages of stores, until Ctrl-C.

The server keeps its database in the cache folder (SQLite), or in PostgreSQL for a team. Everything listens on loopback
unless ``--host`` says otherwise. On stop, runs end first, then workers, then the server when it has on record what they
reported.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from flows import pages, server
from flows.config import SynthesizeError, default_cache
from flows.records import put_back, settle
from storage.files import write_replace

log = logging.getLogger(__name__)

CPU_POOL, GPU_POOL = "faces", "faces-gpu"
HEARTBEAT = 60  # seconds between signs of life of a run
START = 300.0  # seconds that the server may take to answer, on a machine that has other things to do
PATIENCE = 60.0  # seconds that runs in hand get to stop, and say that they stopped
_out = Console(stderr=True)


@dataclass
class _Child:
    """A process that is started again when it ends."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)

    def start(self) -> None:
        self.starts = [*self.starts[-4:], time.monotonic()]
        with self.log.open("ab") as written:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=written,
                stderr=written,
                start_new_session=True,
                preexec_fn=server.end_with_parent,
            )

    def watch(self) -> None:
        """Start it again when it ended.

        Raises:
            ServerError: it ended five times within a minute.
        """
        if self.process is None or self.process.poll() is None:
            return
        if len(self.starts) == 5 and time.monotonic() - self.starts[0] < 60:
            msg = f"{self.name} ended five times within a minute; read {self.log}."
            raise server.ServerError(msg)
        _out.print(
            f"{self.name} ended with exit code {self.process.returncode} and is started again", style="yellow"
        )
        self.start()

    def stop(self) -> None:
        """Have it take no more runs, and the runs in hand stop; what does not end in time is killed."""
        if self.process is None or self.process.poll() is not None:
            return
        # Runs first: a worker that is asked to end kills its runs before they have said that they stopped.
        told: set[int] = set()
        deadline = time.monotonic() + PATIENCE
        while (runs := children(self.process.pid)) and time.monotonic() < deadline:
            for pid in set(runs) - told:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                told.add(pid)
            time.sleep(0.2)
        for pid in runs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        server.stop(self.process)


def children(pid: int) -> list[int]:
    """Processes that a process started and that live (Linux; none elsewhere)."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that ended meanwhile
            found += map(int, path.read_text().split())
    return found


def dashboard(
    *,
    host: Annotated[str, Parameter(help="Address to listen on; others reach it only when you say so.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port of the dashboard; stores are served on the next one.")] = 4200,
    database: Annotated[
        str | None,
        Parameter(
            env_var="FACEPAIRS_DATABASE",
            help="postgresql+asyncpg://... for a team; default: SQLite in the cache folder.",
        ),
    ] = None,
    pools: Annotated[
        tuple[str, ...] | None,
        Parameter(help="Work pools that this machine works for; default: faces, and faces-gpu where there is a GPU."),
    ] = None,
    cache: Annotated[Path | None, Parameter(help="Cache folder; default: FACEPAIRS_CACHE.")] = None,
) -> int:  # fmt: skip
    """Start the dashboard with a worker, and keep them running; Ctrl-C stops them.

    Example: facepairs dashboard --port 4200
    """
    home = (cache or default_cache()).absolute() / "prefect"
    chosen = (CPU_POOL, *([GPU_POOL] if has_gpu() else [])) if pools is None else pools
    with keeping(home, host, port, database, chosen) as children:
        while True:
            for child in children:
                child.watch()
            time.sleep(0.5)


@contextlib.contextmanager
def keeping(
    home: Path, host: str, port: int, database: str | None, pools: tuple[str, ...]
) -> Iterator[list[_Child]]:
    """Server, pages and workers while the block lasts; SIGTERM ends it like Ctrl-C. Gives the workers.

    Raises:
        SynthesizeError: another dashboard uses this home, or a port is taken.
        ServerError: the server did not start.
    """
    if found := server.dashboard(home):
        msg = f"a dashboard of {home} is running already (process {found['pid']}, {found['url']}); use that one."
        raise SynthesizeError(msg)
    if not 1 <= port < 65535:
        msg = f"--port takes 1 to 65534, since stores are served on the next one, got {port}."
        raise SynthesizeError(msg)
    for number in (port, port + 1):
        _check_free(host, number)
    name = host if host not in ("0.0.0.0", "::") else socket.gethostname()
    names = (name, socket.gethostname(), socket.getfqdn())
    home.mkdir(parents=True, exist_ok=True)
    origin = f"http://{name}:{port + 1}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(_terminating())
        stack.enter_context(pages.serving(home, host, port + 1, names))
        url = server.address(host, port)
        told = {"url": url, "pages": origin, "pid": os.getpid()}
        write_replace(home / server.DASHBOARD, json.dumps(told).encode())
        stack.callback((home / server.DASHBOARD).unlink, missing_ok=True)
        process, _ = server.start(
            home, START, host=host, port=port, database=database, scheduling=True, pictures=origin
        )
        stack.callback(server.stop, process)
        children = [_worker(pool, home, told) for pool in pools]
        stack.callback(_end, children, url)
        for child in children:
            child.start()
        works = ", ".join(pools) or "nothing"
        _out.print(f"dashboard {url.removesuffix('/api')}, stores {origin}", highlight=False, soft_wrap=True)
        _out.print(f"workers for {works}; next: facepairs deploy; Ctrl-C stops everything", highlight=False)
        yield [_Server("the server", [], {}, home / "server.log", process), *children]


class _Server(_Child):
    """The server among the children: when it ends, the dashboard ends and says so."""

    def watch(self) -> None:
        if self.process is not None and self.process.poll() is not None:
            msg = f"the server ended with exit code {self.process.returncode}; read {self.log}, then start it again."
            raise server.ServerError(msg)


def _worker(pool: str, home: Path, told: dict[str, Any]) -> _Child:
    """A process worker of a pool on this machine. Its runs find code, pages and server by their environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environment |= {
        "PREFECT_API_URL": told["url"],
        "PREFECT_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        "FACEPAIRS_HOME": str(server.ROOT),
        "FACEPAIRS_CACHE": str(home.parent),
        pages.ADDRESS: told["pages"],
        "PYTHONPATH": os.pathsep.join([str(server.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    command = [
        sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process",
        "--install-policy", "never", "--name", f"{socket.gethostname()}-{pool}",
    ]  # fmt: skip
    return _Child(f"the worker of {pool}", command, environment, home / f"worker-{pool}.log")


def _end(children: list[_Child], url: str) -> None:
    """Workers, then what they reported."""
    _out.print("stopping: runs in hand keep what they committed, and go on when they are started again")
    for child in children:
        child.stop()
    put_back(url)
    settle(url)


def _check_free(host: str, port: int) -> None:
    """Raise a sentence when somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            msg = f"port {port} of {host} cannot be used ({error.strerror}); pass another with --port."
            raise SynthesizeError(msg) from error


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """SIGTERM is Ctrl-C inside the block, and Ctrl-C reaches background jobs too; while stopping, both are ignored."""

    def interrupt(number: int, frame: Any) -> None:
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def has_gpu() -> bool:
    """Whether the driver of an NVIDIA GPU is there; torch is not asked, since its import takes seconds."""
    return Path("/dev/nvidiactl").exists()
