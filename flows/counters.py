"""What a process has used so far: wall, CPU, page faults, peak memory, and cache misses where the machine tells."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import time
from dataclasses import dataclass
from pathlib import Path

HARDWARE, SOFTWARE = 0, 1  # types of linux/perf_event.h
CACHE_MISSES, PAGE_FAULTS = 3, 2  # of the first, of the second
_SYSCALL = {"x86_64": 298, "aarch64": 241}
_ATTRIBUTES = 128  # bytes of struct perf_event_attr
_USER_ONLY = 1 << 5 | 1 << 6  # exclude_kernel, exclude_hv: what an unprivileged user may count
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_PEAK_ONLY = "5"  # what resets the peak in clear_refs, and nothing else


class PerfCounter:
    """One event of this process, counted by the kernel."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def open(cls, kind: int, event: int) -> PerfCounter | None:
        """Start to count; None where kernel, virtual machine or permissions do not allow it."""
        number = _SYSCALL.get(platform.machine())
        if number is None:
            return None
        attributes = bytearray(_ATTRIBUTES)
        struct.pack_into("IIQQQQQ", attributes, 0, kind, _ATTRIBUTES, event, 0, 0, 0, _USER_ONLY)
        call = ctypes.CDLL(None, use_errno=True).syscall
        found = call(number, (ctypes.c_char * _ATTRIBUTES).from_buffer(attributes), 0, -1, -1, 0)
        return cls(found) if found >= 0 else None

    def read(self) -> int:
        """Events since it was opened."""
        return int(struct.unpack("Q", os.read(self._descriptor, 8))[0])

    def close(self) -> None:
        """Stop counting."""
        os.close(self._descriptor)


@dataclass(frozen=True)
class Used:
    """What was used between two moments."""

    wall: float  # seconds
    cpu: float  # seconds of all threads
    faults: int  # pages that had to be given
    peak: int  # bytes of resident memory at most, 0 where the system does not tell
    misses: int | None  # of the last cache level, None where the machine does not tell


class Meter:
    """Measures from :meth:`start` to :meth:`stop`, in this process."""

    def __init__(self) -> None:
        self._misses = PerfCounter.open(HARDWARE, CACHE_MISSES)
        self._at = self._now()

    def start(self) -> None:
        """Forget what was before, the peak of memory too."""
        if os.access(_CLEAR, os.W_OK):
            _CLEAR.write_text(_PEAK_ONLY)
        self._at = self._now()

    def stop(self) -> Used:
        """What was used since :meth:`start`."""
        wall, cpu, faults, misses = (
            None if a is None or b is None else a - b for a, b in zip(self._now(), self._at, strict=True)
        )
        return Used(wall or 0.0, cpu or 0.0, int(faults or 0), peak_memory(), misses)

    def close(self) -> None:
        """Give back what the kernel counts with."""
        if self._misses is not None:
            self._misses.close()

    def _now(self) -> tuple[float, float, int, int | None]:
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        misses = self._misses.read() if self._misses else None
        return time.perf_counter(), time.process_time(), faults, misses


def peak_memory() -> int:
    """Largest resident memory since the last reset, bytes; 0 where there is no /proc."""
    return _field("VmHWM")


def resident_memory() -> int:
    """Resident memory now, bytes; 0 where there is no /proc."""
    return _field("VmRSS")


def _field(name: str) -> int:
    if not _STATUS.exists():
        return 0
    lines = _STATUS.read_text().splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
