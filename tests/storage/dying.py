# ruff: noqa: PTH100, PTH108, PTH110, PTH112, PTH113, PTH115, PTH118, PTH119, PTH120, PTH123
"""Processes that die before or after their n-th call that changes the disk, and disks that forget or refuse.

Which calls there are is counted in an undisturbed process, so no fsync, rename or link can be forgotten when code
changes. No pathlib here: it goes through the calls that are replaced.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.errors import StoreError

CALLS = ("fsync", "rename", "replace", "link", "unlink", "mkdir", "rmdir")
BEFORE, AFTER = "before", "after"
KILLED = 9


@dataclass
class Disk:
    """Stands between the store and the system: counts calls, and knows what a power cut would take away.

    A file's bytes are safe once it was synced, its name once the folder that holds it was. In a power cut everything
    else goes: the worst that the standard allows.
    """

    at: int = -1  # call to die at; -1 never
    when: str = BEFORE
    power_cut: bool = False
    refuse: int = 0  # errno that call ``at`` and all later ones fail with, instead of dying; 0 none
    calls: list[str] = field(default_factory=list)
    _unsynced: set[str] = field(default_factory=set)  # files whose bytes may be lost
    _names: dict[str, set[str]] = field(default_factory=dict)  # folder -> names in it that may be lost
    _before: dict[str, bytes] = field(default_factory=dict)  # what such a name stood for, if it was replaced

    def watch(self) -> None:
        """Take the place of the calls in this process, for good."""
        for name in CALLS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        real = io.open

        def opened(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            if isinstance(file, str | os.PathLike) and set(mode) & set("wxa"):
                path = os.path.abspath(file)
                if not os.path.exists(path):
                    self._name(path)
                self._unsynced.add(path)
            return real(file, mode, *more, **named)

        io.open = builtins.open = opened  # type: ignore[assignment]

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            number = len(self.calls)
            self.calls.append(name)
            if self.refuse and 0 <= self.at <= number:
                raise OSError(self.refuse, os.strerror(self.refuse), "the disk")
            if number == self.at and self.when == BEFORE and not self.refuse:
                self._die()
            try:
                if name in ("rename", "replace") and os.path.isfile(args[1]):
                    with open(args[1], "rb") as file:
                        self._before.setdefault(os.path.abspath(args[1]), file.read())
                result = real(*args, **named)
                self._note(name, args)
            finally:
                if number == self.at and not self.refuse:
                    self._die()
            return result

        return call

    def _note(self, name: str, args: tuple[Any, ...]) -> None:
        if name == "fsync":
            path = os.readlink(f"/proc/self/fd/{args[0]}")
            self._unsynced.discard(path)
            for one in self._names.pop(path, ()):
                self._before.pop(os.path.join(path, one), None)
        elif name in ("rename", "replace", "link"):
            old, new = (os.path.abspath(path) for path in args[:2])
            if old in self._unsynced:
                self._unsynced.add(new)
            self._name(new)
            if name != "link":
                self._forget(old)
        elif name == "mkdir":
            self._name(os.path.abspath(args[0]))
        else:
            self._forget(os.path.abspath(args[0]))

    def _name(self, path: str) -> None:
        self._names.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))

    def _forget(self, path: str) -> None:
        self._unsynced.discard(path)
        self._names.get(os.path.dirname(path), set()).discard(os.path.basename(path))

    def _die(self) -> None:
        if self.power_cut:
            for path in tuple(self._unsynced):
                if os.path.exists(path):
                    os.truncate(path, 0)
            self.at = -1  # what follows is the cut's own doing
            for folder, names in tuple(self._names.items()):
                for name in tuple(names):
                    path = os.path.join(folder, name)
                    if os.path.isdir(path):
                        shutil.rmtree(path, ignore_errors=True)
                    elif os.path.lexists(path):
                        os.unlink(path)
                        if path in self._before:  # a replaced file is the old one or the new one
                            with open(path, "wb") as file:
                                file.write(self._before[path])
        os._exit(KILLED)


def die_at(
    call: Callable[..., Any], args: tuple[Any, ...], at: int, when: str = BEFORE, power_cut: bool = False
) -> None:
    """Run in a child: ``call`` in a process that dies there."""
    Disk(at, when, power_cut).watch()
    call(*args)


def count_calls(call: Callable[..., Any], args: tuple[Any, ...], told: Path) -> None:
    """Run in a child: write the names of the calls that ``call`` makes to ``told``."""
    disk = Disk()
    disk.watch()
    call(*args)
    with os.fdopen(os.open(told, os.O_CREAT | os.O_WRONLY), "w") as file:
        file.write(" ".join(disk.calls))


def refused_at(call: Callable[..., Any], args: tuple[Any, ...], at: int, code: int = errno.ENOSPC) -> None:
    """Run in a child: from its n-th call on, ``call`` hears that the disk is full."""
    Disk(at, refuse=code).watch()
    try:
        call(*args)
    except (OSError, StoreError):  # what counts is what it left on the disk
        os._exit(1)
