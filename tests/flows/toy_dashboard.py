"""A dashboard at toy size, for tests: ``facepairs dashboard``, ``deploy`` and ``trigger`` as a user types them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def two_ports() -> int:
    """The first of two free ports in a row."""
    for port in range(20000 + os.getpid() % 9000, 40000, 2):
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError


def deployments(folder: Path) -> Path:
    """A prefect.yaml of toys on the pool of the real one."""
    real = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    pool = real["definitions"]["pools"]["process"]["cpu"]
    config = {
        "out": str(folder / "store"), "photos": str(folder / "photos"), "pairs": 20, "size": 32, "workers": 1,
        "cache": str(folder / "cache"), "batch": 4, "shard_size": 8, "recipe": "toy_recipe:ToyRecipe",
        "reject_alarm": 0.1,
    }  # fmt: skip
    entries = [
        ("first", "flows.synthesize.synthesize", {"config": config}, "CANCEL_NEW"),
        ("on-publish", "toy_retrain.retrain", {"store": "nowhere"}, "ENQUEUE"),
        ("on-alarm", "flows.upkeep.check_rejects", {"store": "nowhere"}, "ENQUEUE"),
        ("weekly", "flows.upkeep.gc", {"config": {"store": str(folder / "store")}}, "CANCEL_NEW"),
    ]
    real["deployments"] = [
        {
            "name": name, "entrypoint": entry, "parameters": parameters, "work_pool": pool,
            "concurrency_limit": {"limit": 1, "collision_strategy": strategy},
            "schedules": [{"cron": "0 4 * * 0", "timezone": "UTC", "active": True}] if name == "weekly" else [],
        }
        for name, entry, parameters, strategy in entries
    ]  # fmt: skip
    path = folder / "toys.yaml"
    path.write_text(yaml.safe_dump(real))
    return path


@dataclass
class Dashboard:
    """A running ``facepairs dashboard``."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pages(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    @classmethod
    def start(cls, folder: Path) -> Dashboard:
        port = two_ports()
        with (folder / "dashboard.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", "dashboard", "--port", str(port), "--pools", "faces"],
                env=environment(folder), stderr=log, stdout=log, cwd=folder,
            )  # fmt: skip
        return cls(folder, port, process)

    def type(self, *words: str) -> str:
        """A ``facepairs`` command; returns what it says to people."""
        command = [sys.executable, "-m", "flows.cli", *words]
        done = subprocess.run(
            command,
            env=environment(self.folder),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def ask(self, path: str, body: dict[str, Any] | list[Any] | None = None) -> Any:
        """The API: GET, or POST with a body; a database that is busy is asked again, as Prefect's own client does."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/{path}", data, {"Content-Type": "application/json"})
        for attempt in range(6):
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                if error.code != 503 or attempt == 5:
                    raise
                time.sleep(1 + attempt)
        raise AssertionError

    def run_of(self, flow: str) -> dict[str, Any] | None:
        """The last run of a flow that is not merely scheduled by a schedule."""
        query = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_DESC", "limit": 1}
        found = self.ask("flow_runs/filter", query | {"flow_runs": {"start_time": {"is_null_": False}}})
        return found[0] if found else None

    def stop(self) -> str:
        """Ctrl-C; returns what it said."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(90)
        return (self.folder / "dashboard.log").read_text()


def environment(folder: Path) -> dict[str, str]:
    """No configured API, a cache of its own, toys importable."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    return clean | {"FACEPAIRS_CACHE": str(folder / "cache"), "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true value of ``what()``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := what():
            return value
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds} s")
