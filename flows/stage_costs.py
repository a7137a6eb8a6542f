"""``facepairs profile``: what each stage costs, measured on rows of a store made again in this process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from flows.config import SynthesizeError
from flows.counters import Meter, Used, resident_memory
from flows.jobs import Job
from flows.outputs import check_file
from flows.remake import load_config
from flows.runner import ENVIRONMENT, Pool
from storage.errors import StoreError
from storage.files import write_replace
from storage.store import Store
from tasks.chain import Made

RATE = 250  # samples a second of the flame graph
_out = Console()


@dataclass(frozen=True)
class StageCost:
    """What one stage used for one pair."""

    stage: str
    rows: int  # that it worked on
    wall_ms: float
    cpu_ms: float
    peak_mb: float  # of the process, over what it held before the first stage
    faults: float  # pages
    misses: float | None  # of the last cache level; None where the machine does not tell


def profile_rows(root: Path, pairs: int) -> list[StageCost]:
    """Make rows of a store again and say what every stage used; nothing is written to the store.

    One pair is made first and not measured: it compiles kernels and loads networks.

    Args:
        root: folder of the store.
        pairs: planned rows, from the first shard on, by whole sub-batches.

    Raises:
        StoreError: no store.
        SynthesizeError: the store has no configuration to make rows with.
    """
    import cv2
    import torch

    cv2.setNumThreads(1)  # as workers do
    torch.set_num_threads(1)
    store, config = Store.open(root), load_config(root)
    recipe = config.make_recipe()
    rows = store.plan.shards[0][: -(-pairs // config.batch) * config.batch]
    head = rows[0].head
    chain, load = recipe.chain(head), partial(recipe.load, head=head)
    for _ in chain.run(rows[:1], load):
        pass
    meter, used, before = Meter(), dict[str, tuple[int, Used]](), resident_memory()

    def told(event: dict[str, Any]) -> None:
        if event["at"] == "start":
            meter.start()
        else:
            used[event["stage"]] = event["rows"], meter.stop()

    made = [one for one in chain.run(rows, load, told) if isinstance(one, Made)]
    meter.start()
    for one in made:
        sample = recipe.sample(one)
        store.schema.encode_sample(sample.key, sample.fields, sample.meta)
    used["encode"] = len(made), meter.stop()
    meter.close()
    return [_cost(stage, count, of, before) for stage, (count, of) in used.items()]


def measure(root: str, pairs: int, emit: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """:func:`profile_rows` as a job of a worker, which computes with one thread."""
    return [asdict(cost) for cost in profile_rows(Path(root), pairs)]


def _cost(stage: str, rows: int, of: Used, before: int) -> StageCost:
    each = max(1, rows)
    misses = None if of.misses is None else of.misses / each
    return StageCost(
        stage, rows, 1e3 * of.wall / each, 1e3 * of.cpu / each, max(0, of.peak - before) / 1e6, of.faults / each,
        misses,
    )  # fmt: skip


def markdown(costs: Sequence[StageCost], before: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """Table of stages, dearest last line the sum; with the CPU of an earlier profile beside it where there is one."""
    head = ["stage", "CPU ms/pair", "share", "wall ms/pair", "peak MB", "page faults/pair"]
    told = any(cost.misses is not None for cost in costs)
    head += ["cache misses/pair"] * told + ["CPU before", "now / before"] * (before is not None)
    whole = sum(cost.cpu_ms for cost in costs) or 1.0
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for cost in costs:
        cells = [
            cost.stage, f"{cost.cpu_ms:.1f}", f"{100 * cost.cpu_ms / whole:.0f} %", f"{cost.wall_ms:.1f}",
            f"{cost.peak_mb:.0f}", f"{cost.faults:,.0f}",
        ]  # fmt: skip
        cells += [f"{cost.misses or 0:,.0f}"] * told
        if before is not None:
            old = before.get(cost.stage, {}).get("cpu_ms")
            cells += ["–", "–"] if not old else [f"{old:.1f}", f"{cost.cpu_ms / old:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    wall = sum(cost.wall_ms for cost in costs)
    total = ["all", f"{whole:.1f}", "100 %", f"{wall:.1f}", f"{max(c.peak_mb for c in costs):.0f}", ""]
    total += [""] * told
    if before is not None:
        old = sum(row["cpu_ms"] for row in before.values())
        total += [f"{old:.1f}", f"{whole / old:.2f}"] if old else ["–", "–"]
    return "\n".join([*lines, "| " + " | ".join(total) + " |"])


def find_sampler() -> str:
    """The sampler of this environment, else that of the machine.

    Raises:
        SynthesizeError: there is none.
    """
    sampler = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if sampler is None:
        msg = "--flame needs the sampler py-spy, which is not installed; type `pip install py-spy`."
        raise SynthesizeError(msg)
    return sampler


def flame_graph(root: Path, pairs: int, path: Path) -> None:
    """Sample the same work in a child process and write the flame graph as SVG, whole or not at all.

    Raises:
        SynthesizeError: the sampler is absent, or fails.
    """
    sampler = find_sampler()
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "flame.svg"
        work = [sys.executable, "-m", "flows.stage_costs", str(root), str(pairs)]
        done = subprocess.run(
            [sampler, "record", "--output", str(drawn), "--rate", str(RATE), "--format", "flamegraph", "--", *work],
            capture_output=True, text=True, check=False, env=os.environ | ENVIRONMENT,
        )  # fmt: skip
        if done.returncode or not drawn.is_file():
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            msg = f"py-spy could not sample the run ({said}); it may need the right to trace child processes."
            raise SynthesizeError(msg)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The title is the command line: whose machine it was is nobody's business.
        own = {sampler: "py-spy", sys.executable: "python", str(drawn): path.name, str(root): "STORE"}
        text = drawn.read_text()
        for private, public in own.items():
            text = text.replace(private, public)
        write_replace(path, text.encode())


Where = Annotated[
    Path, Parameter(help="Folder of a store; its own rows are made again, and it stays as it is.")
]
Pairs = Annotated[int, Parameter(help="Rows to make, by whole sub-batches.")]
Flame = Annotated[Path | None, Parameter(help="Also write a flame graph (SVG) of the same work there.")]
Save = Annotated[Path | None, Parameter(help="Keep the numbers as JSON, to compare a later profile with.")]
Before = Annotated[Path | None, Parameter(help="Numbers that --save kept, shown beside these.")]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")]


def profile(
    store: Where = Path(), *, pairs: Pairs = 32, flame: Flame = None, save: Save = None, before: Before = None,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Show what each stage costs: wall, CPU, memory, and cache misses where the machine tells.

    Example: facepairs profile out/demo --flame flame.svg
    """
    if pairs < 1:
        msg = f"--pairs takes 1 or more rows to make, got {pairs}."
        raise StoreError(msg)
    earlier = None if before is None else read_costs(before)
    Store.open(store)  # says in its own words that there is none
    load_config(store)
    if save is not None:
        check_file(save, "--save")
    if flame is not None:
        check_file(flame, "--flame", (".svg",))
        find_sampler()
    with Pool(1) as pool:
        told = pool.run(Job("the profile", "flows.stage_costs:measure", {"root": str(store), "pairs": pairs}))
    costs = [StageCost(**cost) for cost in told]
    found = [asdict(cost) for cost in costs]
    if save is not None:
        save.parent.mkdir(parents=True, exist_ok=True)
        write_replace(save, (json.dumps({"stages": found}, indent=1) + "\n").encode())
    if flame is not None:
        flame_graph(store, pairs, flame)
    if as_json:
        sys.stdout.write(json.dumps({"stages": found}, sort_keys=True) + "\n")
        return 0
    lines = markdown(costs, earlier).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    table = Table(*cells[0], box=None, header_style="bold")
    for row in cells[2:]:
        table.add_row(*row)
    _out.print(table)
    return 0


def read_costs(path: Path) -> dict[str, dict[str, float]]:
    """Stages of a kept profile, by name.

    Raises:
        SynthesizeError: the file is none.
    """
    try:
        stages = json.loads(path.read_text())["stages"]
        return {str(row["stage"]): {"cpu_ms": float(row["cpu_ms"])} for row in stages}
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"--before {path} cannot be read ({error}); give a file that `facepairs profile --save` wrote."
        raise SynthesizeError(msg) from None


if __name__ == "__main__":
    profile_rows(Path(sys.argv[1]), int(sys.argv[2]))
