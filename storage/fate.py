"""What became of the planned samples: the numbers of all of them, and the story of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.commit import Commit
from storage.errors import CorruptStore
from storage.index import IndexRow
from storage.plan import Plan, PlanRow


@dataclass(frozen=True)
class Counts:
    """planned = committed + rejected + pending, in samples; ``shards`` and ``shards_done`` in shards."""

    planned: int
    committed: int
    rejected: int
    pending: int
    shards: int
    shards_done: int
    reasons: Mapping[str, int]


def count(plan: Plan, done: Mapping[int, Commit], root: Path) -> Counts:
    """The count equation of a store.

    Args:
        plan: the store's plan.
        done: its commits, by shard.
        root: its folder, for errors.

    Raises:
        CorruptStore: the equation does not hold.
    """
    committed, rejected = sum(c.committed for c in done.values()), sum(c.rejected for c in done.values())
    pending = sum(len(rows) for shard, rows in plan.shards.items() if shard not in done)
    reasons: Counter[str] = Counter()
    for commit in done.values():
        reasons.update(commit.reasons)
    if len(plan) != committed + rejected + pending:
        raise CorruptStore(
            f"{root}: {len(plan)} planned, but {committed} committed + {rejected} rejected + {pending} pending; run "
            "`facepairs verify`."
        )
    return Counts(
        len(plan), committed, rejected, pending, len(plan.shards), len(done), dict(sorted(reasons.items()))
    )


def story(planned: PlanRow, commit: Commit | None, row: IndexRow | None) -> dict[str, Any]:
    """Status, reason, stage, detail, quality, shard and plan row of one sample; its commit and row, once it is made."""
    told: dict[str, Any] = {"key": planned.key, "shard": planned.shard, "plan": asdict(planned)}
    if commit is None or row is None:
        return told | {
            "status": "pending", "reason": "", "stage": "", "detail": "its shard is not made yet", "quality": {},
        }  # fmt: skip
    return told | {
        "status": row.status, "reason": row.reason, "stage": row.stage, "detail": row.detail,
        "quality": dict(row.quality), "made_by": commit.made_by(planned.key),
    }  # fmt: skip
