"""Seconds and memory that listing a large photo set takes, against a plain walk."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from assets.readers.photo import SUFFIXES
from assets.readers.sets import read_photos


def walk(folder: Path) -> int:
    """The peer: every path as an object, as pathlib walks."""
    found = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()]
    return len(sorted(p.relative_to(folder).as_posix() for p in found))


def main() -> None:
    parser = argparse.ArgumentParser(description="List many photographs.")
    parser.add_argument("--photos", type=int, default=100_000)
    count = parser.parse_args().photos
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for i in range(count):
            if i % 1000 == 0:
                (root / f"{i // 1000:04d}").mkdir()
            (root / f"{i // 1000:04d}" / f"{i:07d}.jpg").touch()
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        found = len(read_photos(root).photos)
        ours = time.process_time() - began
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
        began = time.process_time()
        peer = walk(root)
        print(
            f"{found} photographs: {ours:.2f} s, {memory:.0f} MB; pathlib {peer}: {time.process_time() - began:.2f} s"
        )


if __name__ == "__main__":
    main()
