"""Gap and detection by pose: what observers can see of a face depends on how far it is turned away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tasks.gap import PARTS

UNTURNED = "as photographed"
EDGES = (0.0, 30.0, 60.0, 90.0)  # degrees of absolute yaw


def gaps_by_yaw(
    rows: Sequence[Mapping[str, Any]], metas: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """A row for the pairs whose photograph was not turned, beside those photographs, and one for each bin of yaw.

    Only unturned pairs stand as their photograph stands, so only there fitted photographs and pairs compare like
    with like.

    Args:
        rows: of the audited pairs (:func:`tasks.audit_measure.measure`).
        metas: ``meta`` of at least these pairs, with ``key``, ``angles`` and ``plan``.
    """
    known = {meta["key"]: meta for meta in metas}
    groups = {UNTURNED: [row for row in rows if not known[row["key"]]["plan"]["turn"]]}
    for low, high in pairwise(EDGES):
        groups[f"{low:.0f}–{high:.0f}°"] = [
            row for row in rows if low <= abs(known[row["key"]]["angles"][0]) < high
        ]
    return [_told(name, of) for name, of in groups.items()]


def _told(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over the parts, each of equal weight, and shares of faces found; None where nothing was measured."""
    told: dict[str, Any] = {"poses": name, "pairs": len(rows)}
    for kind in ("pair", "render", "photo"):
        of = list({row["source"]: row for row in rows}.values()) if kind == "photo" else rows
        if kind == "photo" and name != UNTURNED:
            of = []
        parts = [np.array([row[f"{kind}_{part}"] for row in of], float) for part in PARTS]
        means = [float(np.nanmean(part)) for part in parts if np.isfinite(part).any()]
        told[kind] = float(np.mean(means)) if means else None
        told[f"{kind}_jaw"] = float(np.nanmean(parts[0])) if np.isfinite(parts[0]).any() else None
        told[f"{kind}_found"] = float(np.mean([row[f"{kind}_score"] > 0 for row in of])) if of else None
    return told
