"""Run the benchmarks of kernels and chain, or those named: ``python -m benchmarks.run [fit poisson ...]``.

Those that take up to an hour (``big_store``, ``faults``, ``soak``) run when they are named, those that need a store or
photographs (``costs``, ``learning``, ``light``) as modules of their own.

Each runs in a process of its own, so that one library's thread pool or memory never slows the next one's numbers.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LONG = {"big_store", "faults", "soak"}
GIVEN = {"costs", "learning", "light"}  # what they measure is an argument


def main(names: list[str]) -> int:
    """Run the benchmarks in alphabetical order.

    Returns:
        The number of benchmarks that failed.
    """
    known = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    failed = 0
    for name in names or sorted(set(known) - LONG - GIVEN):
        print(f"== {name}", flush=True)
        failed += (
            subprocess.run([sys.executable, "-m", f"benchmarks.bench_{name}"], check=False).returncode != 0
        )
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
