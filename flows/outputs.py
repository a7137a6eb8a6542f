"""Where a verb is to write, looked at before any work: a wrong place costs a sentence and no time."""

from __future__ import annotations

import os
from pathlib import Path

from storage.errors import StoreError

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def check_file(path: Path, option: str = "--out", suffixes: tuple[str, ...] = ()) -> None:
    """Refuse a file that could not be written. Nothing is made; its folder may be absent.

    Args:
        path: the file.
        option: what the user typed before it; empty for an argument without a name.
        suffixes: endings of the forms that can be written, the first for a name without one; none: any.

    Raises:
        StoreError: a folder or a device is there, the ending is of another form, or the place may not be written.
    """
    told = f"{option} {path}".strip()
    if path.is_dir():
        example = path / f"new{suffixes[0] if suffixes else ''}"
        msg = f"{told} is a folder; give the name of a file, such as {example}."
        raise StoreError(msg)
    if path.exists() and not path.is_file():  # a device would be replaced by a file
        msg = f"{told} is no plain file; give the name of one."
        raise StoreError(msg)
    if suffixes and path.suffix and path.suffix.lower() not in suffixes:
        msg = f"{told} ends in '{path.suffix}'; give a name that ends in {' or '.join(suffixes)}."
        raise StoreError(msg)
    _check_writable(path.absolute().parent, told)


def check_folder(path: Path, option: str = "--out") -> None:
    """Refuse a folder that could not be made or written in. Nothing is made.

    Args:
        path: the folder.
        option: what the user typed before it; empty for an argument without a name.

    Raises:
        StoreError: a file is there, or the place may not be written.
    """
    told = f"{option} {path}".strip()
    if path.exists() and not path.is_dir():
        msg = f"{told} is a file; give a folder."
        raise StoreError(msg)
    _check_writable(path.absolute(), told)


def check_at_least(least: int, **numbers: int) -> None:
    """Refuse numbers of options that are too small; an option's name is its keyword's.

    Raises:
        StoreError: names the first.
    """
    for name, number in numbers.items():
        if number < least:
            msg = f"--{name.replace('_', '-')} takes {least} or more, got {number}."
            raise StoreError(msg)


def _check_writable(folder: Path, told: str) -> None:
    """Look at the nearest folder that is there: what is absent would be made in it."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        msg = f"{told} cannot be written: {there} is a file, not a folder; give another place."
        raise StoreError(msg)
    if not os.access(there, os.W_OK | os.X_OK):
        msg = f"{told} cannot be written: {there} is read-only for you; give another place, or make it writable."
        raise StoreError(msg)
