"""Every fault of ``docs/faults.md`` that can be counted: tried, survived, lost, there twice.

``python -m benchmarks.run faults`` takes them all; ``python -m benchmarks.bench_faults --kills 50 --limit 20`` names
how many kills of a whole run there are to be, and the minutes after which the rest is left out.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.harness import Row, row, save
from storage.generation import publish
from tests.storage.sweeps import Case, Sweep, damage, make, mend, random_kills
from tests.storage.toy_store import fill, toy_create

PAIRS, SECONDS = 64, 0.25  # a toy plan, and the seconds that a pair of it takes


def counted(name: str, cases: Iterable[Case], note: str = "") -> Row:
    """Survived beside tried."""
    found = list(cases)
    bad = [case for case in found if case.error]
    first = f"first: {bad[0].where}: {bad[0].error}" if bad else ""
    said = "; ".join(filter(None, (note, first)))
    return row(
        name,
        len(found) - len(bad),
        len(found),
        "survived",
        higher_is_better=True,
        peer_name="tried",
        note=said,
    )


def storage_rows(folder: Path) -> Iterator[Row]:
    """Of the store alone."""
    for call in (make, mend):
        (folder / call.__name__).mkdir()
        sweep = Sweep(call, folder / call.__name__)
        yield counted(
            f"{call.__name__}: killed after a call", sweep.killed(), "fsync, rename, replace, link, unlink …"
        )
        yield counted(
            f"{call.__name__}: power cut after a call",
            sweep.killed(power_cut=True),
            "what was unsynced is lost",
        )
        yield counted(f"{call.__name__}: disk full from a call on", sweep.full())
    (folder / "random").mkdir()
    yield counted("writer killed at random", random_kills(folder / "random", 50))
    store = toy_create(folder / "damaged")
    fill(store)
    publish(store)
    yield counted(
        "bit flipped anywhere", damage(store, 400, cut=False), "survived: found and named by verify --deep"
    )
    yield counted(
        "file cut anywhere", damage(store, 100, cut=True), "survived: found and named by verify --deep"
    )


def run_rows(folder: Path, kills: int, minutes: float) -> Iterator[Row]:
    """Whole runs of a toy plan, each killed a few times at random, until so many kills or minutes are done."""
    # Here, because every process that dies above imports this module first.
    from benchmarks.kills import VICTIMS, Killer
    from flows.keeper import keeping

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "flows"))
    import toy_runs  # and what workers import by name

    rng = random.Random(5)
    tried = dict.fromkeys(VICTIMS, 0)
    survived = dict.fromkeys(VICTIMS, 0)
    lost = twice = runs = 0
    spent = 0.0
    with keeping(folder / "server", timeout=600) as kept:
        url = kept.url
        calm = folder / "calm"
        calm.mkdir()
        command = toy_runs.command(calm, pairs=PAIRS, workers=2, seconds=0.0)
        want = Killer(command, toy_runs.environment(), calm / "store", url).run(()).hash
        while sum(tried.values()) < kills and spent < 60 * minutes:
            place = folder / f"run{runs}"
            place.mkdir()
            runs += 1
            some = min(5, kills - sum(tried.values()))
            due = sorted((rng.uniform(0.2, 6.0), rng.choice(VICTIMS)) for _ in range(some))
            command = toy_runs.command(place, pairs=PAIRS, workers=2, seconds=SECONDS)
            told = Killer(command, toy_runs.environment(), place / "store", url).run(due)
            fine = told.hash == want and not (told.lost or told.duplicated or told.problems)
            for kill in told.kills:
                tried[kill.victim] += 1
                survived[kill.victim] += fine
            lost, twice, spent = lost + told.lost, twice + told.duplicated, spent + told.seconds
    for victim in VICTIMS:
        if tried[victim]:
            note = "the same generation as undisturbed"
            yield row(f"run: {victim} killed", survived[victim], tried[victim], "survived", higher_is_better=True,
                      peer_name="tried", note=note)  # fmt: skip
    yield row(
        "run: rows lost", lost, unit="rows", note=f"{runs} runs of {PAIRS} pairs, {sum(tried.values())} kills"
    )
    yield row("run: rows twice", twice, unit="rows")


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """All counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--limit", type=float, default=60.0, help="minutes for the kills of whole runs")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "runs").mkdir()
        rows = list(storage_rows(folder))
        return rows + (list(run_rows(folder / "runs", asked.kills, asked.limit)) if asked.kills else [])


if __name__ == "__main__":
    save("faults", main(), packages=["prefect", "pyarrow"])
