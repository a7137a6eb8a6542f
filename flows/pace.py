"""``facepairs pace``: how fast a run went from beginning to end, and what it held, from the run's own log.

A shard's pairs count evenly over the time that it took, so that a bin does not depend on which shard happens to end in
it. CPU is of all processes of the run: workers, parent, and its own server.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from flows.charts import lines, stacked
from flows.config import SynthesizeError
from flows.logs import FILE
from flows.outputs import check_file
from flows.remake import load_config
from flows.usage import EVENT, EVERY
from storage.files import write_replace
from storage.store import Store

_out = Console()


@dataclass(frozen=True)
class Shard:
    """One shard of a run, seconds since 1970."""

    began: float
    ended: float
    committed: int
    planned: int


@dataclass(frozen=True)
class Pace:
    """One bin of a run."""

    minutes: tuple[float, float]  # since the first shard began
    accepted: float
    made: float
    per_second: float  # accepted
    per_cpu_second: float | None  # accepted; None where the log has no usage
    resident: dict[str, float]  # largest, bytes, by process


@dataclass(frozen=True)
class RunTold:
    """What a log says of a run."""

    shards: list[Shard]
    # By process name: rows of seconds since 1970, pid, CPU, resident, peak, share.
    usage: dict[str, np.ndarray]
    ready: float | None = None  # seconds from the command to the first shard, the workers' warm-up included

    @property
    def began(self) -> float:
        """When the first shard began."""
        return min(shard.began for shard in self.shards)

    @property
    def ended(self) -> float:
        """When the last shard was committed."""
        return max(shard.ended for shard in self.shards)


def read_log(path: Path) -> RunTold:
    """A run's log with the parts that it was rotated into.

    Raises:
        SynthesizeError: no such file, or no shard in it.
    """
    parts = [path.with_name(f"{path.name}.{k}") for k in (9, 8, 7, 6, 5, 4, 3, 2, 1)] + [path]
    shards: list[Shard] = []
    ready: float | None = None
    rows: dict[str, list[list[float]]] = {}
    for event in _events(part for part in parts if part.is_file()):
        at = datetime.fromisoformat(event["time"]).timestamp()
        if event["event"] == "shard":
            seconds = sum(event["seconds"].values())
            shards.append(Shard(at - seconds, at, event["committed"], event["planned"]))
        elif event["event"] == "ready":
            ready = event.get("seconds")
        elif event["event"] == EVENT:
            for name, use in event["processes"].items():
                told = [use[k] for k in ("pid", "cpu", "resident", "peak", "share")]
                rows.setdefault(name, []).append([at, *told])
    if not shards:
        msg = f"{path} tells of no shard; give the {FILE} of a run of `facepairs synthesize` with --log."
        raise SynthesizeError(msg)
    return RunTold(shards, {name: np.array(found) for name, found in rows.items()}, ready)


def _events(parts: Iterable[Path]) -> Iterable[dict[str, Any]]:
    for part in parts:
        for line in part.read_text(errors="replace").splitlines():
            if any(f'"event": "{event}"' in line for event in ("shard", "ready", EVENT)):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # the machine stopped while it was written


def bins(run: RunTold, minutes: float) -> list[Pace]:
    """The run by bins of so many minutes; the last one takes the rest where that is under half a bin."""
    whole = max(1, round((run.ended - run.began) / (60 * minutes)))
    edges = [run.began + 60 * minutes * k for k in range(whole)] + [run.ended]
    found = []
    for start, end in itertools.pairwise(edges):
        accepted, made = (
            sum(number(s) * _overlap(s, start, end) for s in run.shards)
            for number in (lambda s: s.committed, lambda s: s.planned)
        )
        cpu = sum(_cpu(rows, start, end) for rows in run.usage.values())
        resident = {name: _largest(rows, start, end) for name, rows in run.usage.items()}
        found.append(
            Pace(
                ((start - run.began) / 60, (end - run.began) / 60), accepted, made,
                accepted / max(1e-9, end - start), accepted / cpu if cpu else None,
                {name: most for name, most in resident.items() if most},
            )
        )  # fmt: skip
    return found


def _overlap(shard: Shard, start: float, end: float) -> float:
    """Share of a shard's time that lies between two moments."""
    inside = min(shard.ended, end) - max(shard.began, start)
    return max(0.0, inside) / max(1e-9, shard.ended - shard.began)


def _cpu(rows: np.ndarray, start: float, end: float) -> float:
    """CPU seconds between two moments of the processes that had one name, one after another."""
    total = 0.0
    for pid in np.unique(rows[:, 1]):
        at, cpu = rows[rows[:, 1] == pid][:, [0, 2]].T
        before, after = np.interp([start, end], at, cpu)
        total += after - before
    return total


def _largest(rows: np.ndarray, start: float, end: float) -> float:
    inside = rows[(rows[:, 0] >= start) & (rows[:, 0] <= end), 3]
    return float(inside.max()) if len(inside) else 0.0


def peaks(run: RunTold) -> dict[str, float]:
    """Most resident memory that each process ever had, bytes, as the kernel noted it."""
    return {name: float(rows[:, 4].max()) for name, rows in run.usage.items()}


def draw(run: RunTold, paces: Sequence[Pace]) -> str:
    """Rate over time above, memory over time below, as SVG."""
    middle = [(sum(p.minutes) / 2, p) for p in paces]
    rates = {"pairs/s": [(at, p.per_second) for at, p in middle]}
    if all(p.per_cpu_second for p in paces):
        rates["pairs/CPU s"] = [(at, p.per_cpu_second or 0.0) for at, p in middle]
    charts = [lines(rates, "minutes", "accepted pairs", zero=True)]
    if run.usage:
        memory = {
            name: [((row[0] - run.began) / 60, row[3] / 1e9) for row in rows[:: max(1, len(rows) // 400)]]
            for name, rows in run.usage.items()
        }
        charts.append(lines(memory, "minutes", "resident memory, GB", zero=True))
    return stacked(charts)


def markdown(run: RunTold, paces: Sequence[Pace]) -> str:
    """Table of bins, and under it the last against the first."""
    names = list(run.usage)
    head = ["minutes", "accepted", "pairs/s", "pairs/CPU s", *(f"{name} MB" for name in names)]
    out = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for p in paces:
        cpu = "–" if p.per_cpu_second is None else f"{p.per_cpu_second:.3f}"
        cells = [f"{p.minutes[0]:.3g}–{p.minutes[1]:.3g}", f"{p.accepted:.0f}", f"{p.per_second:.2f}", cpu]
        cells += [f"{p.resident.get(name, 0) / 1e6:.0f}" for name in names]
        out.append("| " + " | ".join(cells) + " |")
    first, last = paces[0], paces[-1]
    cells = ["last/first", "", f"{last.per_second / max(1e-9, first.per_second):.3f}"]
    cells.append(_ratio(last.per_cpu_second, first.per_cpu_second))
    cells += [_ratio(last.resident.get(name), first.resident.get(name)) for name in names]
    return "\n".join([*out, "| " + " | ".join(cells) + " |"])


def _ratio(last: float | None, first: float | None) -> str:
    return f"{last / first:.3f}" if last and first else "–"


def find_log(store: Path) -> Path:
    """The log of the newest run that made a store.

    Raises:
        SynthesizeError: none is kept.
    """
    config = load_config(store)
    made: Callable[[Path], bool] = lambda path: _store_of(path) in (str(config.out), str(store))  # noqa: E731
    logs = sorted((config.cache / "logs").glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime)
    for path in reversed(logs):
        if made(path):
            return path
    msg = f"no log of {store} is kept in {config.cache / 'logs'}; give its {FILE} with --log."
    raise SynthesizeError(msg)


def _store_of(path: Path) -> str:
    with path.open(errors="replace") as file:
        first = file.readline()
    try:
        told: Mapping[str, Any] = json.loads(first)
        return str(Path(told.get("store", "")).absolute())
    except (ValueError, AttributeError, TypeError):  # torn, or of another program
        return ""


def pace(
    store: Annotated[Path, Parameter(help="Folder of a store that a run made, or is making.")] = Path(),
    *,
    log: Annotated[Path | None, Parameter(help="Log of the run; default: the newest one of the store.")] = None,
    minutes: Annotated[float, Parameter(help="Length of a bin.")] = 10.0,
    out: Annotated[Path | None, Parameter(help="Also draw rate and memory over time, as SVG.")] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")] = False,
) -> int:  # fmt: skip
    """Show a run's rate and memory over time, from its log; works while it runs, too.

    Example: facepairs pace out/demo --minutes 10 --out pace.svg
    """
    if not minutes > 0 or 60 * minutes < EVERY:
        msg = f"--minutes takes the length of a bin, {EVERY / 60:.2g} or more, got {minutes:g}."
        raise SynthesizeError(msg)
    if out is not None:
        check_file(out, suffixes=(".svg",))
    if log is None:
        Store.open(store)  # says in its own words that there is none
    path = log or find_log(store)
    if not path.is_file():
        msg = f"--log {path} is no file; give the {FILE} of a run."
        raise SynthesizeError(msg)
    run = read_log(path)
    paces = bins(run, minutes)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_replace(out, (draw(run, paces) + "\n").encode())
    accepted, seconds = sum(s.committed for s in run.shards), run.ended - run.began
    if as_json:
        told = {
            "bins": [asdict(p) for p in paces], "accepted": accepted, "seconds": seconds, "peak": peaks(run),
            "made": sum(s.planned for s in run.shards), "ready": run.ready,
        }  # fmt: skip
        sys.stdout.write(json.dumps(told, sort_keys=True) + "\n")
        return 0
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in markdown(run, paces).splitlines()]
    table = Table(*cells[0], box=None, header_style="bold")
    for row in cells[2:]:
        table.add_row(*row)
    _out.print(table)
    most = ", ".join(f"{name} {most / 1e6:.0f} MB" for name, most in peaks(run).items())
    _out.print(
        f"{accepted} accepted of {sum(s.planned for s in run.shards)} made in {seconds / 60:.1f} minutes, "
        f"{accepted / max(1e-9, seconds):.2f} pairs/s{f'; most ever resident: {most}' if most else ''}"
        f"{f'; the first shard began {run.ready:.1f} s after the command' if run.ready else ''}",
        highlight=False,
    )
    return 0
