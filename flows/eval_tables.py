"""Tables of an evaluation in the layout of the paper's tables 1-4, with its published rows beside ours."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.evalset import Item

PUBLISHED = Path(__file__).with_name("published.csv")
MEASURES = (("cd", "CD", 2), ("mne", "MNE", 3), ("cr", "CR", 1))
TITLES = {
    "wild": "In-the-wild images", "held-out": "Held-out pairs", "scan": "Renders of a real scan",
    "facescape-wild": "FaceScape-wild", "facescape-lab": "FaceScape-lab", "micc": "MICC Florence",
}  # fmt: skip
# Published tables that a table of ours is laid out as: all methods, and the ladder.
BESIDE = {"wild": (4, 1), "held-out": (4,), "facescape-wild": (4, 1), "facescape-lab": (2,), "micc": (3,)}
SAME_DATA = ("facescape-wild", "facescape-lab", "micc")


@dataclass(frozen=True)
class Score:
    """What one row made of one image. NaN where it failed."""

    row: str
    item: Item
    cd: float  # mm
    mne: float  # radians, the benchmark's definition
    angle: float  # radians, the true angle
    cr: float  # per cent
    seconds: float
    error: str = ""

    @property
    def failed(self) -> bool:
        """The benchmark's failure: left out of means, counted in Succ."""
        return not np.isfinite(self.cd)


def columns_of(scores: Iterable[Score]) -> list[str]:
    """Pose bins from small to large."""
    names = {score.item.column for score in scores}
    return sorted(names, key=lambda name: float(name.rstrip("°").split("-")[0]))


def table(scores: Sequence[Score], published: Sequence[int] = (), note: str = "") -> str:
    """Markdown: methods down, pose bins across; CD in mm, MNE in radians, CR and Succ. in per cent.

    Args:
        scores: of one table's items.
        published: numbers of the paper's tables whose rows follow ours.
        note: said of these rows.
    """
    columns = columns_of(scores)
    head = "| method | " + " | ".join(f"{c} CD | MNE | CR" for c in columns) + " | Succ. |"
    lines = [head, "|---|" + "---|" * (len(MEASURES) * len(columns) + 1)]
    for row in dict.fromkeys(score.row for score in scores):
        mine = [score for score in scores if score.row == row]
        cells = [mean(mine, column, name, digits) for column in columns for name, _, digits in MEASURES]
        success = 100 * np.mean([not score.failed for score in mine])
        lines.append(f"| {row} | " + " | ".join(cells) + f" | {success:.1f} |")
    for number in published:
        lines += _published(number, columns, note)
    return "\n".join(lines)


def mean(scores: Sequence[Score], column: str, name: str, digits: int) -> str:
    """Mean of a measure over the successes of a column; "-" where there are none."""
    values = [getattr(s, name) for s in scores if s.item.column == column and not s.failed]
    return f"{np.mean(values):.{digits}f}" if values else "-"


def _published(number: int, columns: Sequence[str], note: str) -> list[str]:
    """Rows of a table of the paper, in italics."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["table"] == str(number)]
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = {row["column"]: row for row in rows if row["method"] == method}
        cells = [(mine.get(c, {}).get(name) or "-") for c in columns for name, _, _ in MEASURES]
        success = next(iter(mine.values()))["success"]
        label = f"*{method}, published, table {number}{note}*"
        lines.append(f"| {label} | " + " | ".join(f"*{cell}*" for cell in cells) + f" | *{success}* |")
    return lines


def against(scores: Sequence[Score], floor: str) -> str:
    """Markdown: each row's CD and MNE over the floor's, on the images where both succeed, by kind of head and pose."""
    kinds = list(dict.fromkeys(score.item.kind for score in scores))
    columns = columns_of(scores)
    base = {score.item.key: score for score in scores if score.row == floor and not score.failed}
    head = f"| over {floor} | heads | " + " | ".join(f"{c} CD | MNE | n" for c in columns) + " |"
    lines = [head, "|---|---|" + "---|" * (3 * len(columns))]
    for row in dict.fromkeys(score.row for score in scores if score.row != floor):
        for kind in kinds:
            mine = [s for s in scores if s.row == row and s.item.kind == kind and not s.failed]
            both = [(s, base[s.item.key]) for s in mine if s.item.key in base]
            cells = []
            for column in columns:
                inside = [(a, b) for a, b in both if a.item.column == column]
                for name in ("cd", "mne"):
                    ours, theirs = (np.mean([getattr(p[k], name) for p in inside] or [0]) for k in (0, 1))
                    cells.append(f"{ours / theirs:.2f}" if theirs > 0 else "-")
                cells.append(str(len(inside)))
            lines.append(f"| {row} | {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(name: str, scores: Sequence[Score], floor: str, command: str) -> str:
    """The whole report, Markdown: a table per group of images, by kind of head where there are several."""
    parts = [f"# Evaluation: {name}", f"Made by `{command}`.", EXPLAIN]
    for group in dict.fromkeys(score.item.table for score in scores):
        mine = [score for score in scores if score.item.table == group]
        number = len({score.item.key for score in mine})
        same = group in SAME_DATA
        note = "" if same else ", other data"
        parts.append(f"## {TITLES.get(group, group)} ({number} images)")
        parts.append(table(mine, BESIDE.get(group, ()), note))
        if not same and group in BESIDE:
            parts.append(
                "*Rows in italics are the paper's, on FaceScape's images and scans: a guide, no comparison.*"
            )
        kinds = list(dict.fromkeys(score.item.kind for score in mine))
        for kind in kinds if len(kinds) > 1 else []:
            parts += [f"### Heads {WORDS.get(kind, kind)}", table([s for s in mine if s.item.kind == kind])]
        if any(score.row == floor for score in mine):
            parts += ["### Over the landmark fit, where both succeed", against(mine, floor)]
    parts += ["## Time", times(scores)]
    return "\n\n".join(parts) + "\n"


def times(scores: Sequence[Score]) -> str:
    """Markdown: seconds of a reconstruction by row, and why rows fail."""
    lines = ["| method | s an image, median | fails | most often because |", "|---|---|---|---|"]
    for row in dict.fromkeys(score.row for score in scores):
        mine = [score for score in scores if score.row == row]
        errors = [score.error for score in mine if score.failed and score.error]
        why = max(sorted(set(errors)), key=errors.count) if errors else ""
        seconds = float(np.median([score.seconds for score in mine]))
        lines.append(f"| {row} | {seconds:.3f} | {sum(s.failed for s in mine)} of {len(mine)} | {why} |")
    return "\n".join(lines)


def summary(scores: Sequence[Score]) -> Mapping[str, float]:
    """Means by row over all images of the first table: ``"base/cd"`` and so on."""
    first = scores[0].item.table
    found = {}
    for row in dict.fromkeys(score.row for score in scores):
        mine = [s for s in scores if s.row == row and s.item.table == first and not s.failed]
        for name in ("cd", "mne", "angle", "cr"):
            found[f"{row}/{name}"] = float(np.mean([getattr(s, name) for s in mine])) if mine else -1.0
    return found


WORDS = {"inside": "inside the head model's linear space", "outside": "outside it", "real": "scanned"}
EXPLAIN = (
    "CD: chamfer distance, mm. MNE: normal error as FaceScape's benchmark computes it, radians. CR: share of "
    "the truth's region that the reconstruction fills, per cent. Succ.: share of images with a reconstruction; the "
    "others are left out of the means. Only depth is aligned; the region is the face, seen from the head's axis."
)
