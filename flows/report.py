"""The store's report: one HTML file with pictures, histograms, yields, rejects and licences, and no link outside."""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import jinja2
import numpy as np

from flows.croissant import write_croissant
from flows.datasheet import write_datasheet
from flows.licences import store_ledger, store_verdict
from flows.poses import pose_yields
from flows.remake import by_maker, cannot_remake, load_config, remake_all, stored_pictures
from flows.summary import stage_yields
from flows.viewer import spread_keys, viewer_data, viewer_section
from storage.files import write_replace
from storage.generation import latest
from storage.index import COMMITTED, IndexRow
from storage.store import Store
from tasks.source_table import SourceTable

if TYPE_CHECKING:
    from tasks.recipe import Recipe

TEMPLATE = Path(__file__).with_name("report.html")
SIDE = 176  # pixels of a picture
REJECTS = 3  # rejects shown per reason


@dataclass(frozen=True)
class Histogram:
    """Bars of one number: heights 0..1 of accepted and of rejected pairs, stacked, and what the axis says."""

    name: str
    low: float
    high: float
    accepted: list[float]
    rejected: list[float]
    median: float


def write_report(
    store: Store, *, rows: int = 12, result: dict[str, Any] | None = None, recipe: Recipe | None = None
) -> Path:
    """Write ``report.html``, ``datasheet.md`` and ``croissant.json`` into the store.

    Args:
        store: a store with at least one commit.
        rows: accepted pairs shown stage by stage; they are made again, by sub-batches.
        result: the record of the run that just ended (:func:`flows.summary.collect`), for its throughput.
        recipe: what made the store; default: as its configuration says.
    """
    index = [row for shard in store.commits() for row in store.index_rows(shard)]
    table = _sources(store)
    examples = _reject_examples(index)
    shown = _accepted_examples(store, index, rows)
    strips, kept = _strips(store, {*shown, *chain.from_iterable(examples.values())}, recipe)
    rows_of = {row.key: row for row in index}
    solid = viewer_data(store, spread_keys(store))
    published = latest(store.root)
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        TEMPLATE.read_text()
    )
    reasons = store.counts().reasons
    html = page.render(
        name=store.root.name,
        counts=store.counts(),
        generation=published,
        fingerprint=store.fingerprint,
        config=store.description["config"],
        result=result,
        stages=_stages(store),
        viewer=viewer_section(solid) if solid else "",
        kept=kept,
        rows=[_strip(store, strips[key], rows_of[key]) for key in shown],
        rejects=[
            {
                "reason": reason, "count": reasons[reason],
                "rows": [_strip(store, strips[key], rows_of[key]) for key in keys],
            }
            for reason, keys in sorted(examples.items(), key=lambda item: -reasons[item[0]])
        ],
        poses=pose_yields(store, load_config(store.root).yaw_edges),
        histograms=_histograms(store, index, table),
        faces=len(table.usable),
        photos=len({row.sha256 for row in table.rows}),
        photo_rejects=_photo_rejects(store, table),
        licences=store_ledger(store),
        verdict=store_verdict(store).line,
    )  # fmt: skip
    target = store.root / "report.html"
    write_replace(target, html.encode())
    write_datasheet(store)
    write_croissant(store)
    return target


def _strips(
    store: Store, keys: set[str], recipe: Recipe | None
) -> tuple[dict[str, dict[str, np.ndarray]], str]:
    """Pictures by key, made again or, where that cannot be done, as stored; and a note on the latter."""
    found: dict[str, dict[str, np.ndarray]] = {}
    note = ""
    for wanted in by_maker(store, keys).values():
        try:
            found |= {made.key: made.pictures for made in remake_all(store.root, wanted, recipe)}
        except cannot_remake() as error:
            note = f"some only as stored: {error}"
            found |= {key: stored_pictures(store, key) for key in wanted}
    return found, note


def _sources(store: Store) -> SourceTable:
    """The source table of the store's snapshot."""
    path = store.root / "snapshot" / "sources.parquet"
    store.snapshot(path.name)  # its hash
    return SourceTable.read(path)


def _accepted_examples(store: Store, index: list[IndexRow], rows: int) -> list[str]:
    """Accepted pairs from a few random sub-batches, because a sub-batch is made again as a whole."""
    accepted = {row.key for row in index if row.status == COMMITTED}
    batch = int(store.description["config"]["settings"]["batch"])
    groups = []
    for planned in store.plan.shards.values():
        keys = [row.key for row in planned]
        groups += [[k for k in keys[i : i + batch] if k in accepted] for i in range(0, len(keys), batch)]
    chosen: list[str] = []
    for g in np.random.default_rng(0).permutation(len(groups)):
        chosen += groups[g]
        if len(chosen) >= rows:
            break
    return sorted(chosen[:rows])


def _reject_examples(index: list[IndexRow]) -> dict[str, list[str]]:
    """A few keys per reason."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in index:
        if row.status != COMMITTED and len(found[row.reason]) < REJECTS:
            found[row.reason].append(row.key)
    return dict(found)


def _strip(store: Store, pictures: dict[str, np.ndarray], row: IndexRow) -> dict[str, Any]:
    """One pair for the template."""
    plan = store.plan.row(row.key)
    return {
        "key": row.key, "stage": row.stage, "detail": row.detail, "quality": dict(row.quality),
        "texture": plan.texture, "split": plan.split,
        "pictures": [(caption, _inline(picture)) for caption, picture in pictures.items()],
    }  # fmt: skip


def _inline(picture: np.ndarray) -> str:
    """A picture as a WebP data URL."""
    side = min(SIDE * 2, len(picture))
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".webp", small[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 82])
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()


def _stages(store: Store) -> list[dict[str, Any]]:
    """Yields with the share of rows that pass."""
    return [row | {"passed": 1 - row["rejected"] / max(1, row["rows"])} for row in stage_yields(store)]


def _histograms(store: Store, index: list[IndexRow], table: SourceTable) -> list[Histogram]:
    """Yaw as planned, pitch and roll of the sources, and every quality number that the index holds."""
    of_source = {row.id: row for row in table.usable}
    accepted = {row.key for row in index if row.status == COMMITTED}
    made = {row.key for row in index}
    numbers: dict[str, tuple[list[float], list[float]]] = {}
    numbers["yaw, degrees"] = _split([(r.key, r.yaw) for r in store.plan.rows if r.key in made], accepted)
    for name in ("pitch", "roll"):
        pairs = [
            (row.key, getattr(of_source[row.source], name)) for row in store.plan.rows if row.key in made
        ]
        numbers[f"{name}, degrees"] = _split(pairs, accepted)
    for name in store.schema.quality:
        numbers[name] = _split(
            [(row.key, row.quality[name]) for row in index if name in row.quality], accepted
        )
    return [_histogram(name, yes, no) for name, (yes, no) in numbers.items() if yes or no]


def _split(pairs: list[tuple[str, float]], accepted: set[str]) -> tuple[list[float], list[float]]:
    finite = [(key, value) for key, value in pairs if value is not None and np.isfinite(value)]
    return [v for k, v in finite if k in accepted], [v for k, v in finite if k not in accepted]


def _histogram(name: str, yes: list[float], no: list[float], bins: int = 28) -> Histogram:
    every = np.array(yes + no)
    low, high = float(every.min()), float(every.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    counts = [np.histogram(values, bins, (low, high))[0] for values in (yes, no)]
    top = max(1, int((counts[0] + counts[1]).max()))
    accepted, rejected = ((c / top).round(4).tolist() for c in counts)
    return Histogram(name, low, high, accepted, rejected, float(np.median(yes or no)))


def _photo_rejects(store: Store, table: SourceTable) -> list[dict[str, Any]]:
    """Photographs and faces that are no source, with a picture where the file can still be read."""
    folder = _photo_folder(store)
    refused = [row for row in table.rows if row.reason][:60]
    return [asdict(row) | {"picture": _thumbnail(folder / row.photo) if folder else ""} for row in refused]


def _photo_folder(store: Store) -> Path | None:
    folder = load_config(store.root).photos
    return folder if folder is not None and folder.is_dir() else None


def _thumbnail(path: Path) -> str:
    """The photograph, small; empty when it cannot be read."""
    try:
        picture = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_4)
    except cv2.error:
        return ""
    if picture is None:
        return ""
    scale = 120 / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    _, data = cv2.imencode(".webp", cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()
