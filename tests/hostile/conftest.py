"""Each hostile file is read in a child process that may not grow, hang, or touch anything it was not given."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

GROWTH = 700_000_000  # bytes of memory that a reader may take for a hostile file of a few kilobytes
SECONDS = 60  # of CPU; a hang is a failure, whatever else the machine does
OURS = {
    "AssetError",
    "PhotoSetError",
    "StoreError",
    "CorruptStore",
    "SchemaError",
    "WeightsError",
    "HeadFileError",
}
# What a reader has no business with, by the names of Python's audit events.
WRITES = {
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.system",
    "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect", "pickle.find_class", "shutil.rmtree",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a reader ended: what it returned, or what it raised."""

    kind: str  # "" when it returned, else the name of the error's class
    text: str  # what it returned as text, or the message
    trace: str
    grown: int  # bytes of memory at the peak, beyond those at the start
    touched: tuple[str, ...]  # writes, processes and connections outside the folder that it may write to

    def refused(self, *words: str) -> None:
        """Assert that it ended in one sentence of ours with these words in it."""
        self.quiet()
        assert self.kind in OURS, f"{self.kind}: {self.text}\n{self.trace}"
        assert "\n" not in self.text
        assert self.text.rstrip().endswith("."), self.text
        for word in words:
            assert word in self.text, self.text

    def quiet(self) -> None:
        """Assert that nothing happened beside it."""
        assert not self.touched, self.touched
        assert self.grown < GROWTH, f"grew by {self.grown / 1e6:.0f} MB"


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _confine(may_write: Path | None) -> list[str]:
    """Limits of this process, and the list that forbidden events go to."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2 * GROWTH,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + SECONDS,) * 2)
    signal.alarm(4 * SECONDS)  # a wait takes no CPU
    touched: list[str] = []

    def inside(path: Any) -> bool:
        return (
            may_write is not None
            and isinstance(path, str | os.PathLike)
            and Path(path).resolve().is_relative_to(may_write)
        )

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(flags, int) else 0
            if (
                writes
                and not isinstance(path, int)
                and not inside(path)
                and not str(path).startswith("/dev/null")
            ):
                touched.append(f"open {path} {mode}")
        elif event in WRITES and not inside(args[0] if args else None):
            touched.append(f"{event} {args!r:.100}")

    sys.addaudithook(hook)
    return touched


def _child(call: Callable[[], Any], may_write: Path | None, pipe: int) -> None:
    faulthandler.disable()
    start = _resident()
    touched = _confine(may_write)
    kind = trace = ""
    try:
        text = str(call())
    except BaseException as error:
        kind, text, trace = type(error).__name__, str(error), traceback.format_exc()[-3000:]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told = {"kind": kind, "text": text, "trace": trace, "grown": max(0, peak - start), "touched": touched}
    with os.fdopen(pipe, "w") as out:
        out.write(json.dumps(told))


@pytest.fixture
def confined() -> Callable[..., Outcome]:
    """``confined(call, may_write=None)``: run in a child and tell how it ended."""

    def run(call: Callable[[], Any], may_write: Path | None = None) -> Outcome:
        into, out_of = os.pipe()
        # The peak of the parent would be the child's: the kernel starts it anew on request.
        pid = os.fork()
        if pid == 0:
            try:
                Path("/proc/self/clear_refs").write_text("5")
                _child(call, may_write, out_of)
            finally:
                os._exit(0)
        os.close(out_of)
        with os.fdopen(into) as told:
            text = told.read()
        _, status = os.waitpid(pid, 0)
        assert text, (
            f"the process died ({os.waitstatus_to_exitcode(status)}: a crash, a hang, or out of memory)"
        )
        body = json.loads(text)
        return Outcome(**{**body, "touched": tuple(body["touched"])})

    return run
