"""Coverage-guided fuzzing of the readers of untrusted bytes, for a bounded time.

    python -m tests.fuzz.run photos -max_total_time=60

Families: photos, meshes, arrays, sets, stores. Further arguments are libFuzzer's. Sound files are the seeds; the first
byte of an input chooses the reader. An error that is not of ours ends the run and leaves the input in the folder, as
``crash-<hash>``; give its path as the last argument to run it again.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

FAMILIES = ("photos", "meshes", "arrays", "sets", "stores")
LIMITS = ("-rss_limit_mb=3000", "-timeout=25", "-max_len=20000", "-print_final_stats=1")


def main() -> None:
    """Fuzz one family."""
    if len(sys.argv) < 2 or sys.argv[1] not in FAMILIES:
        raise SystemExit(f"give a family first: {', '.join(FAMILIES)}.")
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    for compiled in ("models.geometry.normals", "models.networks.rows", "models.heads.load"):
        importlib.import_module(compiled)  # numba cannot compile what was instrumented
    with atheris.instrument_imports(include=["assets.readers", "storage"]):
        family = importlib.import_module(f"tests.fuzz.{sys.argv[1]}")
    readers = list(family.READERS)

    with tempfile.TemporaryDirectory() as folder:
        work, seeds = Path(folder) / "work", Path(folder) / "seeds"
        work.mkdir()
        seeds.mkdir()
        for number, reader in enumerate(readers):
            for index, data in enumerate(family.seeds(reader)):
                (seeds / f"{number}-{index}").write_bytes(bytes([number]) + data)

        def one(data: bytes) -> None:
            if data:
                reader = readers[data[0] % len(readers)]
                with contextlib.suppress(*family.OURS):
                    family.READERS[reader](data[1:], work)

        atheris.Setup([sys.argv[0], *LIMITS, *sys.argv[2:], str(seeds)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
