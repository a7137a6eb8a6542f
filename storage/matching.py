"""Matching textures to sources by a table of weights: who suits, and everybody used."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
ROUNDS = 50
PULL = 0.5  # 1 would use all textures equally, whoever suits; 0 would leave rare ones to chance
GOLDEN = 0.6180339887498949  # turns by it cover a circle evenly however many are made


def shares(weights: Array) -> Array:
    """Probability of each texture for each source, float64 (s, t); rows sum to 1.

    Rows are scaled to 1 and columns towards equal use, in turns (Sinkhorn's scaling, with the columns' step
    shortened to the power ``PULL``: unbalanced transport). So a texture that suits few sources is used more by
    those, and a combination that has no weight gets no probability. A source that nothing suits takes any
    texture.
    """
    table = np.asarray(weights, np.float64)
    table = np.where(table.sum(axis=1, keepdims=True) > 0, table, 1.0)
    column = np.ones(table.shape[1])
    for _ in range(ROUNDS):
        scaled = table * column
        used = (scaled / scaled.sum(axis=1, keepdims=True)).sum(axis=0)
        wanted = len(table) / table.shape[1]
        column = np.where(used > 0, (wanted / np.where(used > 0, used, 1.0) * column) ** PULL, column)
    scaled = table * column
    result: Array = scaled / scaled.sum(axis=1, keepdims=True)
    return result


def match(weights: Array, source: Array, rng: np.random.Generator) -> Array:
    """A texture for every row of a plan, int64 (n,).

    Each source goes through its textures by steps of the golden ratio along their cumulative shares, from a
    start of its own, so that its few rows spread over what suits it.

    Args:
        weights: (s, t), how well each texture suits each source.
        source: (n,) source of each row.
        rng: of the plan.
    """
    probability = shares(weights)
    sources, textures = probability.shape
    order = rng.permutation(textures)  # which textures are neighbours along the sum is chance
    ends = np.cumsum(probability[:, order], axis=1)
    start = (rng.permutation(sources) + rng.random(sources)) / sources
    turns = np.zeros(sources, np.int64)
    chosen = np.zeros(len(source), np.int64)
    for i, s in enumerate(source.tolist()):
        at = (start[s] + GOLDEN * turns[s]) % 1.0 * ends[s, -1]
        turns[s] += 1
        chosen[i] = order[min(int(np.searchsorted(ends[s], at, side="right")), textures - 1)]
    return chosen


def effective(counts: Array) -> float:
    """How many equally used items would be as varied: the exponential of the entropy; 0 for none."""
    used = np.asarray(counts, np.float64)
    used = used[used > 0]
    if not len(used):
        return 0.0
    share = used / used.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
