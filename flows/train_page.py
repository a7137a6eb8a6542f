"""What a run page shows of a network in training: its loss by step, the last numbers, reconstructions beside truth."""

from __future__ import annotations

import base64
import csv
import logging
from pathlib import Path

import cv2
import numpy as np

from storage.files import write_replace

WIDE, HIGH, EDGE = 640, 260, 36
INKS = ((178, 111, 47), (43, 139, 217), (90, 160, 90), (120, 90, 160))  # blue, green, red order of OpenCV
SHEET = "reconstructions.png"
Points = list[tuple[int, float]]
log = logging.getLogger(__name__)


def read_curves(path: Path) -> dict[str, Points]:
    """Series of a ``curves.csv`` by name; a step that was done again after a kill replaces the first."""
    found: dict[str, dict[int, float]] = {}
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["name"], {})[int(row["step"])] = float(row["value"])
    return {name: sorted(points.items()) for name, points in found.items()}


def plot(series: dict[str, Points]) -> bytes:
    """PNG of some series over their steps, the value's axis from zero."""
    canvas = np.full((HIGH, WIDE, 3), 255, np.uint8)
    last = max((points[-1][0] for points in series.values() if points), default=1)
    top = max((value for points in series.values() for _, value in points), default=1.0) or 1.0
    cv2.rectangle(canvas, (EDGE, 8), (WIDE - 8, HIGH - EDGE), (220, 220, 220), 1)
    for k, (name, points) in enumerate(series.items()):
        ink = INKS[k % len(INKS)]
        line = [
            (EDGE + (WIDE - 8 - EDGE) * step / last, HIGH - EDGE - (HIGH - EDGE - 8) * value / top)
            for step, value in points
        ]
        if line:
            cv2.polylines(canvas, [np.rint(line).astype(np.int32)], False, ink, 1, cv2.LINE_AA)
        place = (EDGE + 150 * k, HIGH - 8)
        cv2.putText(canvas, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, 1, cv2.LINE_AA)
    for text, place in (
        (f"{top:.3g}", (2, 16)),
        ("0", (2, HIGH - EDGE)),
        (f"{last}", (WIDE - 50, HIGH - 20)),
    ):
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (90, 90, 90), 1, cv2.LINE_AA)
    return _png(canvas)


def show(folder: Path, name: str, sheet: np.ndarray | None = None) -> None:
    """Bring ``curves.png``, the sheet and the run page's artifact of a level up to date.

    Args:
        folder: of the level, with ``curves.csv``.
        name: of the level.
        sheet: reconstructions beside truth, RGB; None keeps what is there.
    """
    series = read_curves(folder / "curves.csv")
    picture = plot({k: v for k, v in series.items() if k.removeprefix("val/") == "loss"})
    write_replace(folder / "curves.png", picture)
    parts = [_embedded("loss by step", picture)]
    if sheet is not None:
        write_replace(folder / SHEET, _png(sheet[..., ::-1]))
    if (folder / SHEET).is_file():
        parts.append(_embedded("photo, truth, reconstruction", (folder / SHEET).read_bytes()))
    rows = [f"| {key} | {points[-1][0]} | {points[-1][1]:.4g} |" for key, points in series.items()]
    parts.append("\n".join(["| number | step | value |", "|---|---|---|", *rows]))
    _publish(f"train-{name}", "\n\n".join(parts), f"Training of {name}")


def _publish(key: str, text: str, description: str) -> None:
    """A markdown artifact of the current run; outside a run, or without a server, nothing."""
    from prefect.artifacts import create_markdown_artifact
    from prefect.context import get_run_context
    from prefect.exceptions import MissingContextError

    try:
        get_run_context()
        create_markdown_artifact(text, key=key, description=description)
    except MissingContextError:
        return
    except Exception as error:  # whatever the client raises: a page never holds up a training
        log.warning("the run page could not be brought up to date (%s); the training is not affected", error)


def _embedded(name: str, png: bytes) -> str:
    return f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _png(image: np.ndarray) -> bytes:
    _, data = cv2.imencode(".png", image)
    return data.tobytes()
