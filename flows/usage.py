"""What the processes of a run use while it lasts: a line in the run's log every ten seconds, for :mod:`flows.pace`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

EVERY = 10.0  # seconds
EVENT = "usage"
Usage = dict[str, float]


def used(pid: int) -> Usage | None:
    """Memory in bytes and CPU seconds since a process began; None where the system does not tell, or it has ended.

    ``resident`` counts pages that it shares with others in full, ``share`` by parts, ``peak`` is the largest
    resident memory so far.
    """
    with suppress(OSError, IndexError, ValueError, KeyError):  # a process that has just ended has no memory
        here = Path(f"/proc/{pid}")
        # The name may hold spaces: what follows it is the third field and those after.
        fields = (here / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # utime and stime, with all threads
        memory = _kilobytes(here / "status", "VmRSS", "VmHWM") + _kilobytes(here / "smaps_rollup", "Pss")
        resident, peak, share = (1024.0 * number for number in memory)
        return {
            "pid": pid, "cpu": ticks / os.sysconf("SC_CLK_TCK"), "resident": resident, "peak": peak, "share": share,
        }  # fmt: skip
    return None


def age(pid: int) -> float | None:
    """Seconds since a process began; None where the system does not tell."""
    with suppress(OSError, IndexError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        up = float(Path("/proc/uptime").read_text().split()[0])
        return up - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return None


def _kilobytes(path: Path, *names: str) -> list[int]:
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return [int(lines[name].split()[0]) for name in names]


def all_used(processes: Mapping[str, int]) -> dict[str, Usage]:
    """:func:`used` of processes by name, without those that have ended."""
    return {name: use for name, pid in processes.items() if (use := used(pid)) is not None}


@contextmanager
def watching(
    record: Callable[..., None], processes: Callable[[], Mapping[str, int]], every: float = EVERY
) -> Iterator[None]:
    """Tell ``record`` inside the block what each process uses, at once, every so often, and at the end.

    Args:
        record: as :meth:`flows.logs.RunLog.record`.
        processes: process ids by name at that moment.
        every: seconds between two lines.
    """
    done = threading.Event()

    def tell() -> None:
        if found := all_used(processes()):
            record(EVENT, processes=found)

    def watch() -> None:
        tell()
        while not done.wait(every):
            tell()

    thread = threading.Thread(target=watch, name="usage", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        tell()
