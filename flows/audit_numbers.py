"""An audit's summary: means with their spread, thresholds met or not, coverage, yield and cost by stage."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from flows.audit_yaw import gaps_by_yaw
from flows.config import SynthesizeError
from flows.summary import stage_yields
from storage.store import Store
from tasks.audit_measure import SETS
from tasks.gap import PARTS

Array = np.ndarray[Any, np.dtype[Any]]

GAP_OF_FITTED, GAP_OF_FLOOR, SEAM, YIELD, COST = 1 / 3, 1.5, 1.3, 0.85, 1.3  # what issue and docs promise
POSE_EDGES = (0.0, 30.0, 60.0, 90.0)
TONES = (
    (55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"), (-181.0, "dark"),
)  # fmt: skip
COMPASS = ("right", "upper right", "above", "upper left", "left", "lower left", "below", "lower right")
FRONTAL = 20.0  # degrees from the line of sight within which a light has no side


def summarise(
    store: Store, rows: Sequence[Mapping[str, Any]], metas: Sequence[Mapping[str, Any]], sources: Sequence[Any],
    baseline: Path | None,
) -> dict[str, Any]:  # fmt: skip
    """Everything that the report says, JSON-able.

    Args:
        store: the store.
        rows: of the audited pairs (:func:`tasks.audit_measure.measure`).
        metas: ``meta`` of all accepted pairs, each with its plan row.
        sources: rows of the source table.
        baseline: results of a benchmark of the chain to compare the cost with.
    """
    gap = {name: _gaps(rows, name) for name in SETS}
    natural = _natural(rows)
    yields = _yields(store, sources)
    cost = _cost(store, baseline)
    told = {"gap": gap, "natural": natural, "yield": yields, "cost": cost}
    return {
        **told, "by_yaw": gaps_by_yaw(rows, metas),
        "coverage": _coverage(rows, metas), "spread": _spread(rows), "thresholds": _thresholds(told),
        "pairs": len(rows), "photos": len({row["source"] for row in rows}),
    }  # fmt: skip


def _gaps(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Per part and over all: mean and median in pixels, mean in percent of the inter-ocular distance, share measured.

    A photograph that stands behind several pairs counts once.
    """
    once = list({row["source"]: row for row in rows}.values()) if name == "photo" else list(rows)
    iod = np.array([row["photo_iod" if name == "photo" else "iod"] for row in once])
    out: dict[str, Any] = {}
    for part in (*PARTS, "gap"):
        values = np.array([row[f"{name}_{part}"] for row in once], float)
        there = ~np.isnan(values)
        out[part] = {
            "mean": _mean(values), "median": float(np.median(values[there])) if there.any() else None,
            "percent": _mean(100 * values / iod), "measured": float(there.mean()), "error": _error(values),
        }  # fmt: skip
    # Each part weighs the same, however often it was hidden.
    means = [out[part]["mean"] for part in PARTS if out[part]["mean"] is not None]
    percents = [out[part]["percent"] for part in PARTS if out[part]["percent"] is not None]
    out["all"] = {"mean": _mean(np.array(means)), "percent": _mean(np.array(percents)), "count": len(once)}
    return out


def _natural(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    photos = list({row["source"]: row for row in rows}.values())
    ratio = np.array([row["seam_energy"] for row in rows]) + 1
    ratio = ratio / (np.array([row["seam_energy_photo"] for row in rows]) + 1)
    out: dict[str, Any] = {
        "seam_ratio_median": float(np.nanmedian(ratio)), "seam_ratio_p90": float(np.nanpercentile(ratio, 90)),
        "seam_step": _mean(np.array([row["seam_step"] for row in rows], float)),
        "seam_step_photo": _mean(np.array([row["seam_step_photo"] for row in rows], float)),
    }  # fmt: skip
    for name in SETS:
        of = photos if name == "photo" else rows
        out[f"found_{name}"] = float(np.mean([row[f"{name}_score"] > 0 for row in of]))
        out[f"landmarks_{name}"] = _mean(np.array([row[f"{name}_landmarks"] for row in of], float))
    return out


def _yields(store: Store, sources: Sequence[Any]) -> dict[str, Any]:
    counts = store.counts()
    made = counts.committed + counts.rejected
    refused = Counter(row.reason for row in sources if row.reason)
    return {
        "planned": counts.planned, "committed": counts.committed, "rejected": counts.rejected,
        "pending": counts.pending, "share": counts.committed / max(1, made),
        "reasons": dict(sorted(counts.reasons.items(), key=lambda item: -item[1])),
        "faces": sum(not row.reason for row in sources), "photo_reasons": dict(sorted(refused.items())),
    }  # fmt: skip


def _cost(store: Store, baseline: Path | None) -> dict[str, Any]:
    """Worker milliseconds per accepted pair by stage, from the commits; beside a baseline's where there is one."""
    accepted = max(1, store.counts().committed)
    own = {row["stage"]: 1000 * row["seconds"] / accepted for row in stage_yields(store)}
    base = read_baseline(baseline) if baseline else {}
    return {
        "stages": [
            {"stage": name, "ms": own.get(name), "baseline": base.get(name)} for name in dict.fromkeys((*own, *base))
        ],
        "ms": sum(own.values()), "baseline_ms": sum(base.values()) or None,
        "ratio": sum(own.values()) / sum(base.values()) if base else None,
    }  # fmt: skip


def read_baseline(path: Path) -> dict[str, float]:
    """Milliseconds a pair by stage of a results file of ``benchmarks/bench_chain.py``.

    Raises:
        SynthesizeError: the file is none.
    """
    try:
        rows = json.loads(path.read_text())["rows"]
        found = {
            row["name"].split(" ", 1)[1]: float(row["ours"])
            for row in rows
            if row["name"].startswith("stage ")
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"--baseline {path} cannot be read ({error}); give a results file such as benchmarks/results/chain.json."
        raise SynthesizeError(msg) from None
    if not found:
        msg = f"--baseline {path} has no row 'stage …'; give the results of the benchmark 'chain'."
        raise SynthesizeError(msg)
    return found


def _coverage(rows: Sequence[Mapping[str, Any]], metas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Histograms and effective numbers over all accepted pairs; skin tones over the audited ones."""
    yaws = np.array([abs(meta["angles"][0]) for meta in metas])
    pose = {
        f"{low:.0f}–{high:.0f}°": int(((yaws >= low) & (yaws < high)).sum())
        for low, high in _bins(POSE_EDGES)
    }
    plans = [meta["plan"] for meta in metas]
    counted: dict[str, dict[str, int]] = {
        "pose": pose,
        "source": dict(Counter(plan["source"] for plan in plans)),
        "photo": dict(Counter(plan["source"][:16] for plan in plans)),
        "texture": dict(Counter(plan["texture"] for plan in plans)),
        "head": dict(Counter(plan["head"] for plan in plans)),
        "light": {name: 0 for name in ("frontal", *COMPASS)}
        | dict(Counter(light_sector(np.array(meta["light"])) for meta in metas)),
        "tone": {name: 0 for _, name in TONES}
        | dict(Counter(tone_class(row["ita"]) for row in rows if not np.isnan(row["ita"]))),
    }
    out: dict[str, Any] = {
        name: {
            "different": sum(n > 0 for n in count.values()),
            "effective": effective_number(count),
            "counts": count,
        }
        for name, count in counted.items()
    }
    for name in ("identity", "expression"):
        values = np.array([meta[name] for meta in metas], float)
        out[name] = {
            "different": int(values.shape[1]) if values.ndim == 2 else 0,
            "effective": participation(values),
        }
    out["yaw"] = [meta["angles"][0] for meta in metas]
    out["pitch"] = [meta["angles"][1] for meta in metas]
    return out


def _spread(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: _mean(np.array([row[name] for row in rows], float)) for name in ("spread", "spread_mm")}


def _thresholds(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    gap = {name: told["gap"][name]["all"]["mean"] for name in SETS}
    over = {name: gap[name] for name in SETS if gap[name] is not None}
    checks = [
        ("gap of pairs / gap of fitted photographs", _over(over, "pair", "photo"), GAP_OF_FITTED, "at most"),
        ("gap of pairs / gap of plain renders", _over(over, "pair", "render"), GAP_OF_FLOOR, "at most"),
        (
            "gradient energy across the seam / in photographs",
            told["natural"]["seam_ratio_median"],
            SEAM,
            "at most",
        ),
        ("accepted / planned", told["yield"]["share"], YIELD, "at least"),
        ("cost of a pair / baseline", told["cost"]["ratio"], COST, "at most"),
    ]
    return [
        {
            "what": what, "value": value, "limit": limit, "way": way,
            "met": None if value is None else bool(value <= limit if way == "at most" else value >= limit),
        }
        for what, value, limit, way in checks
    ]  # fmt: skip


def _over(values: Mapping[str, float], a: str, b: str) -> float | None:
    return values[a] / values[b] if a in values and values.get(b) else None


def effective_number(counts: Mapping[str, int]) -> float:
    """Exponential of the entropy: how many equally frequent kinds would be as varied."""
    share = np.array([n for n in counts.values() if n > 0], float)
    share /= max(share.sum(), 1)
    return float(np.exp(-(share * np.log(share)).sum())) if len(share) else 0.0


def participation(values: Array) -> float:
    """Participation ratio of the covariance of (n, d) values: how many directions carry the variance."""
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] == 0:
        return 0.0
    centred = values - values.mean(axis=0)
    spectrum = np.linalg.svd(centred, compute_uv=False) ** 2
    return float(spectrum.sum() ** 2 / max((spectrum**2).sum(), 1e-30))


def light_sector(light: Array) -> str:
    """Where most light of spherical harmonics (9, 3) comes from, as the viewer sees it."""
    mean = light.mean(axis=1) if light.size else np.zeros(9)
    y, z, x = (float(mean[k]) for k in (1, 2, 3))
    side = float(np.hypot(x, y))
    if side < 1e-9 or np.degrees(np.arctan2(side, max(z, 1e-9))) < FRONTAL:
        return "frontal"
    return COMPASS[round(np.degrees(np.arctan2(y, x)) / 45) % 8]


def tone_class(ita: float) -> str:
    """Class of an individual typology angle in degrees."""
    return next(name for edge, name in TONES if ita > edge)


def _bins(edges: Sequence[float]) -> list[tuple[float, float]]:
    return list(pairwise(edges))


def _mean(values: Array) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None


def _error(values: Array) -> float | None:
    """Standard error of the mean."""
    there = values[~np.isnan(values)]
    return float(there.std(ddof=1) / np.sqrt(len(there))) if len(there) > 1 else None
