"""What a run says of itself, from the store's commits: one JSON-able record at the end, a few lines meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from flows.config import SynthesizeConfig
from flows.poses import by_yaw, pose_yields
from flows.progress import Board
from storage.generation import Generation
from storage.store import Counts, Store


def collect(
    config: SynthesizeConfig,
    store: Store,
    board: Board,
    sources: list[dict[str, Any]],
    generation: Generation,
) -> dict[str, Any]:
    """The record of a run. Yields and seconds are over all commits, also those of earlier, interrupted runs."""
    counts = store.counts()
    return {
        "store": str(config.out),
        "generation": generation.name,
        "hash": generation.hash,
        "fingerprint": store.fingerprint,
        "planned": counts.planned,
        "committed": counts.committed,
        "rejected": counts.rejected,
        "pending": counts.pending,
        "shards": counts.shards,
        "reasons": dict(counts.reasons),
        "stages": stage_yields(store),
        "poses": pose_yields(store, config.yaw_edges),
        "photos": len({row["sha256"] for row in sources}),
        "faces": sum(not row["reason"] for row in sources),
        "photo_reasons": dict(sorted(Counter(row["reason"] for row in sources if row["reason"]).items())),
        "pairs_per_second": board.rate,
        "seconds": board.seconds,
        "workers": config.workers,
        "size": config.size,
    }


def stage_yields(store: Store) -> list[dict[str, Any]]:
    """Per stage, over all commits: rows in, rejects by reason, worker seconds, share of all seconds."""
    stages: dict[str, dict[str, Any]] = {}
    for commit in store.commits().values():
        for told in commit.info.get("stages", ()):
            entry = stages.setdefault(told["stage"], {"rows": 0, "seconds": 0.0, "rejects": Counter()})
            entry["rows"] += told["rows"]
            entry["rejects"].update(told["rejects"])
        for name, seconds in commit.info.get("seconds", {}).items():
            entry = stages.setdefault(name, {"rows": 0, "seconds": 0.0, "rejects": Counter()})
            entry["rows"] += commit.committed if name == "store" else 0
            entry["seconds"] += seconds
    total = sum(entry["seconds"] for entry in stages.values()) or 1.0
    return [
        {
            "stage": name, "rows": entry["rows"], "rejected": sum(entry["rejects"].values()),
            "rejects": dict(entry["rejects"]), "seconds": round(entry["seconds"], 3),
            "ms_per_row": round(1000 * entry["seconds"] / max(1, entry["rows"]), 2),
            "share": round(entry["seconds"] / total, 4),
        }
        for name, entry in stages.items()
    ]  # fmt: skip


def markdown(result: dict[str, Any]) -> str:
    """The run in a paragraph and a list."""
    made = result["committed"] + result["rejected"]
    lines = [
        f"## {result['committed']} pairs of {result['planned']} planned",
        "",
        f"- store `{result['store']}`, generation `{result['generation']}` (`{result['hash'][:12]}`)",
        f"- {result['faces']} faces in {result['photos']} photographs",
        f"- accepted {result['committed']}, rejected {result['rejected']}, pending {result['pending']}"
        f" ({100 * result['committed'] / max(1, made):.1f} % of those made)",
        f"- accepted by yaw: {by_yaw(result['poses'])}",
        f"- {result['pairs_per_second']:.2f} accepted pairs/s with {result['workers']} workers at {result['size']}²",
    ]
    if result.get("report"):
        lines.append(f"- report `{result['report']['report']}`")
    return "\n".join(lines)


def underway(store: Store, counts: Counts, board: Board) -> str:
    """The run while it goes on, from the store's commits; throughput and time left from this run's board."""
    made = counts.committed + counts.rejected
    left = f"about {duration(board.eta)} to go" if board.eta is not None else "time left not known yet"
    left = left if made < counts.planned else "done"
    lines = [
        f"## {made} of {counts.planned} rows made, {counts.committed} accepted; {left}",
        "",
        f"- store `{store.root}`, fingerprint `{store.fingerprint[:12]}`",
        f"- accepted {counts.committed}, rejected {counts.rejected}, pending {counts.pending}; "
        f"{counts.shards_done} of {counts.shards} shards",
        f"- {board.rate:.2f} accepted pairs/s in this run",
    ]
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Seconds for people: ``40 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def stage_table(store: Store) -> list[dict[str, Any]]:
    """Rows of the table artifact of stages."""
    rows = [{k: v for k, v in row.items() if k != "rejects"} for row in stage_yields(store)]
    return rows or [{"stage": "none yet"}]


def reason_table(pairs: Mapping[str, int], photographs: Mapping[str, int]) -> list[dict[str, Any]]:
    """Rows of the table artifact of rejects, the most frequent first."""
    rows = [{"where": "pairs", "reason": name, "count": count} for name, count in pairs.items()]
    rows += [{"where": "photographs", "reason": name, "count": count} for name, count in photographs.items()]
    return sorted(rows, key=lambda row: -row["count"]) or [{"where": "pairs", "reason": "none", "count": 0}]
