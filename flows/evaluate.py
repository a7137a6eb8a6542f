"""``facepairs evaluate``: trained models and floors on a benchmark, in the layout of the paper's tables.

Worker processes measure a few images at a time by all rows. Every score is kept, so the same command resumes, and
another command with one model more measures only that one.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flows.eval_page import page
from flows.eval_pictures import sheet, truth_picture
from flows.eval_sets import Where, open_set, recognise
from flows.eval_tables import Score, report, summary
from flows.eval_work import all_rows, picture_file, score_file
from flows.jobs import Done, Job
from flows.outputs import check_at_least, check_folder
from flows.runner import Pool
from storage.errors import StoreError
from storage.files import write_replace
from storage.plan import SPLITS
from tasks.eval_rows import Row, floors
from tasks.evalset import EvalSet, Item

CHUNK = 10  # images of one job
SHOWN = 2  # images of each table's column and kind on the sheet
CSV_COLUMNS = (
    "table", "key", "column", "kind", "yaw", "method", "cd_mm", "mne", "angle_rad", "cr", "seconds", "error",
)  # fmt: skip
_out = Console(stderr=True)
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print the means as JSON.")]


def evaluate(
    where: Annotated[
        Path, Parameter(help="Folder of a benchmark, a published store, or another evaluation set.")
    ],
    *,
    models: Annotated[
        tuple[Path, ...],
        Parameter(
            consume_multiple=True,
            help="Folders of trained models (the one in use) or of single models; none: floors.",
        ),
    ] = (),
    out: Annotated[Path, Parameter(help="Folder of tables, scores and pictures.")] = Path("out/evaluation"),
    workers: Annotated[int, Parameter(help="Worker processes, one core each.")] = 2,
    splits: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, help="Splits of a store that are measured.")
    ] = ("val", "test"),
    images: Annotated[
        int, Parameter(help="Images that are measured at most, evenly spread over the poses; 0 for all.")
    ] = 0,
    as_json: Json = False,
) -> int:
    """Measure models and floors on a benchmark or on a store's held-out pairs; the same command again resumes.

    Example: facepairs evaluate out/bench --models runs/sdf/models runs/pifu/models --out out/evaluation
    """
    check_at_least(1, workers=workers)
    check_at_least(0, images=images)
    check_folder(out)
    if unknown := [split for split in splits if split not in SPLITS]:
        msg = f"--splits takes {', '.join(SPLITS)}, got '{unknown[0]}'."
        raise StoreError(msg)
    place = recognise(where, splits)
    rows = all_rows(tuple(str(model.absolute()) for model in models))
    chosen = open_set(*place)
    out = out.absolute()
    items = spread(chosen.items, images)
    drawn = shown(items)
    work(place, [str(model.absolute()) for model in models], items, rows, drawn, out, workers)
    scores = collect(items, rows, out)
    words = ["facepairs", *sys.argv[1:]]
    command = shlex.join(Path(word).name if word.startswith("/") else word for word in words)
    text = report(chosen.name, scores, floors()[-1].name, command)
    write_replace(out / "report.md", text.encode())
    write_replace(out / "scores.csv", csv_bytes(scores))
    write_sheet(chosen, drawn, rows, out)
    write_replace(out / "index.html", page(text).encode())
    if as_json:
        sys.stdout.write(json.dumps(summary(scores), sort_keys=True) + "\n")
    else:
        sys.stdout.write(text)
    _out.print(f"look at {out / 'index.html'}", highlight=False, soft_wrap=True)
    return 0


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """So many items of each table's columns and kinds that they are ``most`` at most, but one of each at least."""
    groups: dict[tuple[str, str, str], list[Item]] = {}
    for item in items:
        groups.setdefault((item.table, item.column, item.kind), []).append(item)
    share = min(1.0, most / len(items)) if most else 1.0
    kept = {item for mine in groups.values() for item in evenly(mine, max(1, int(share * len(mine))))}
    return [item for item in items if item in kept]


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """``count`` items, the middles of as many equal parts."""
    return [items[(2 * k + 1) * len(items) // (2 * count)] for k in range(count)]


def shown(items: Sequence[Item]) -> list[Item]:
    """Items of the sheet: the middle ones of each table, column and kind."""
    groups: dict[tuple[str, str, str], list[Item]] = {}
    for item in items:
        groups.setdefault((item.table, item.column, item.kind), []).append(item)
    return [item for mine in groups.values() for item in evenly(mine, min(SHOWN, len(mine)))]


def work(
    place: Where,
    models: Sequence[str],
    items: Sequence[Item],
    rows: Sequence[Row],
    drawn: Sequence[Item],
    out: Path,
    workers: int,
) -> None:
    """Measure what has no score yet, in worker processes.

    Raises:
        JobError, WorkerDiedError: one sentence; the same command resumes.
    """
    wanted = {item.key for item in drawn}
    todo = [
        item.key for item in items
        if not all(score_file(out, row.digest, item.digest).is_file() for row in rows)
        or (item.key in wanted and not all(picture_file(out, row.digest, item.digest).is_file() for row in rows))
    ]  # fmt: skip
    if not todo:
        return
    chunks = [todo[i : i + CHUNK] for i in range(0, len(todo), CHUNK)]
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_out) as progress, Pool(workers, logs=out / "logs") as pool:
        bar = progress.add_task(f"{len(rows)} rows", total=len(todo))

        def handle(events: Any) -> None:
            for event in events:
                if isinstance(event, Done):
                    return
                progress.advance(bar)

        def run(keys: list[str]) -> None:
            args = {
                "where": list(place), "models": list(models), "out": str(out), "keys": keys,
                "drawn": [key for key in keys if key in wanted],
            }  # fmt: skip
            pool.run(Job(f"images {keys[0]} to {keys[-1]}", "flows.eval_work:measure", args), handle)

        with ThreadPoolExecutor(workers) as threads:
            try:
                for _ in threads.map(run, chunks):
                    pass
            except BaseException:
                pool.kill()
                raise


def collect(items: Sequence[Item], rows: Sequence[Row], out: Path) -> list[Score]:
    """All scores, row by row."""
    found = []
    for row in rows:
        for item in items:
            body = json.loads(score_file(out, row.digest, item.digest).read_text())
            numbers = {
                n: np.nan if body[n] is None else body[n] for n in ("cd", "mne", "angle", "cr", "seconds")
            }
            found.append(Score(row.name, item, error=body["error"], **numbers))
    return found


def csv_bytes(scores: Sequence[Score]) -> bytes:
    """One line per image and row; empty where a row failed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for s in scores:
        numbers = ["" if not np.isfinite(v) else f"{v:.6g}" for v in (s.cd, s.mne, s.angle, s.cr, s.seconds)]
        yaw = "" if not np.isfinite(s.item.yaw) else f"{s.item.yaw:.2f}"
        writer.writerow([s.item.table, s.item.key, s.item.column, s.item.kind, yaw, s.row, *numbers, s.error])
    return text.getvalue().encode()


def write_sheet(chosen: EvalSet, drawn: Sequence[Item], rows: Sequence[Row], out: Path) -> None:
    """``sheet.jpg``: every row beside the truth."""
    images, lines = [], []
    for item in drawn:
        image = chosen.image(item)
        images.append(image)
        tiles = [truth_picture(chosen.truth(item), len(image))]
        for row in rows:
            tile = cv2.imread(str(picture_file(out, row.digest, item.digest)), cv2.IMREAD_COLOR)
            assert tile is not None
            tiles.append(np.asarray(tile[..., ::-1], np.uint8))
        lines.append(tiles)
    made = sheet(images, ["truth", *(row.name for row in rows)], lines)
    _, data = cv2.imencode(".jpg", made[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    write_replace(out / "sheet.jpg", data.tobytes())
