"""Which face each planned pair starts from and how far its head is turned, so that all poses are there equally."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from storage.errors import StoreError

YAW_EDGES = (30.0, 60.0, 90.0)  # upper edges of the bins of absolute yaw, degrees
# Share of pairs that are accepted at an absolute yaw (docs/pose.md has the counts).
YIELD_YAW, YIELD = (0.0, 30.0, 60.0, 90.0), (1.0, 1.0, 0.98, 0.88)
RELUCTANCE = 30.0  # degrees of turn that make a source e times less likely: what is turned less looks better

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


def yaw_bins(yaw: Sequence[float], edges: Sequence[float]) -> Ints:
    """Bin of each absolute yaw; what lies beyond the last edge is in the last bin."""
    return np.minimum(np.digitize(np.abs(yaw), edges), max(0, len(edges) - 1)).astype(np.int64)


def bin_names(edges: Sequence[float]) -> tuple[str, ...]:
    """ "0-30", "30-60", "60-90" for the default edges."""
    return tuple(f"{low:g}-{high:g}" for low, high in zip((0, *edges), edges, strict=False))


def draw_poses(
    yaw: Sequence[float], pairs: int, edges: Sequence[float], rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """Source and turn of each pair.

    The bins are planned so that equally many pairs are expected to be accepted (:func:`expected_yield`). A source whose
    own yaw is in the bin is taken as it is; any other is turned to a yaw drawn evenly from the bin, in the direction it
    already looks, and the less likely the further that is. Within a bin the sources' uses differ from their shares by
    less than one.

    Args:
        yaw: of every source, degrees.
        pairs: how many to draw.
        edges: upper edges of the bins of absolute yaw; empty takes every photo as it is, all equally often.
        rng: the only source of chance.

    Returns:
        Position of the source, int64 (pairs,), and degrees of yaw to add, float64 (pairs,), hundredths.

    Raises:
        StoreError: edges that do not grow, or do not lie in (0, 90].
    """
    if any(high <= low for low, high in zip((0, *edges), edges, strict=False)) or any(e > 90 for e in edges):
        raise StoreError(
            f"yaw edges must grow and lie above 0 and at most at 90 degrees, got {tuple(edges)}; give for example "
            "30 60 90, or none to take every photograph as it is."
        )
    own = np.asarray(yaw, np.float64)
    if not edges:
        return cycle(len(own), pairs, rng), np.zeros(pairs)
    bins = yaw_bins(own.tolist(), edges)
    planned = _shares(1 / expected_yield(edges), pairs, rng)
    source, turn = np.zeros(pairs, np.int64), np.zeros(pairs)
    for b, (low, high) in enumerate(zip((0.0, *edges), edges, strict=False)):
        rows = np.flatnonzero(planned == b)
        needed = np.where(bins == b, 0, np.maximum(low - np.abs(own), np.abs(own) - high))
        chosen = _shares(np.exp(-needed / RELUCTANCE), len(rows), rng)
        target = np.where(own[chosen] < 0, -1, 1) * rng.uniform(low, high, len(rows))
        source[rows] = chosen
        turn[rows] = np.where(bins[chosen] == b, 0, np.round(target - own[chosen], 2))
    return source, turn


def expected_yield(edges: Sequence[float]) -> Floats:
    """Share of the pairs planned in each bin that will be accepted: the mean of the measured curve over the bin."""
    fine = np.linspace(0, 1, 31)
    lows = (0.0, *edges)[: len(edges)]
    spans = (low + (high - low) * fine for low, high in zip(lows, edges, strict=True))
    return np.array([np.interp(span, YIELD_YAW, YIELD).mean() for span in spans])


def _shares(weight: Floats, n: int, rng: np.random.Generator) -> Ints:
    """``n`` draws in random order, each item as often as its weight says, to less than one."""
    total = np.cumsum(weight)
    at = (np.arange(n) + rng.random()) / max(1, n) * total[-1]
    chosen = np.minimum(np.searchsorted(total, at, side="right"), len(weight) - 1)
    return np.asarray(chosen[rng.permutation(n)], np.int64)


def cycle(count: int, n: int, rng: np.random.Generator) -> Ints:
    """``n`` draws from ``range(count)``: permutation after permutation, so no item is ever two draws ahead."""
    cycles = [rng.permutation(count) for _ in range(-(-n // count))]
    return np.concatenate(cycles)[:n].astype(np.int64) if cycles else np.zeros(0, np.int64)
