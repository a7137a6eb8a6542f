"""The plan: every pair that a store will hold, decided before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlanRow:
    """One planned pair. Everything random in the pair comes from ``(seed, index, stage name, stage version)``."""

    key: str  # fixed width, no dots: "00000042"
    index: int  # position in the plan
    shard: int
    seed: int
    source: str  # annotated face: "<first 16 hex of the photo's sha256>-<face number>"
    head: str  # head model name
    texture: str  # texture name
    split: str  # "train" | "val" | "test", disjoint by photo
