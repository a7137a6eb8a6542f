"""How the pairs of a store are spread over the poses, by bins of absolute yaw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.index import COMMITTED
from storage.poses import YAW_EDGES, bin_names, yaw_bins
from storage.store import Store


def pose_yields(store: Store, edges: Sequence[float] = ()) -> list[dict[str, Any]]:
    """Per bin of planned yaw: pairs planned, of these turned, accepted and rejected so far.

    Args:
        store: any store.
        edges: upper edges of the bins, degrees; the default ones when empty.
    """
    edges = tuple(edges) or YAW_EDGES
    status = {row.key: row.status == COMMITTED for s in store.commits() for row in store.index_rows(s)}
    rows = store.plan.rows
    found = [
        {"yaw": name, "planned": 0, "turned": 0, "accepted": 0, "rejected": 0} for name in bin_names(edges)
    ]
    for row, b in zip(rows, yaw_bins([row.yaw for row in rows], edges).tolist(), strict=True):
        found[b]["planned"] += 1
        found[b]["turned"] += row.turn != 0
        if row.key in status:
            found[b]["accepted" if status[row.key] else "rejected"] += 1
    return found


def by_yaw(yields: list[dict[str, Any]]) -> str:
    """The bins in one line."""
    return ", ".join(f"{b['yaw']}° {b['accepted']} of {b['planned']}" for b in yields)
