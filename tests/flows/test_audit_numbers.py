from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from toy_audit import make_store

from flows.audit_numbers import (
    _cost,
    effective_number,
    light_sector,
    participation,
    read_baseline,
    tone_class,
)
from flows.config import SynthesizeError


def test_effective_numbers_count_equal_kinds() -> None:
    assert effective_number({"a": 5, "b": 5, "c": 0}) == pytest.approx(2)
    assert effective_number({"a": 9}) == pytest.approx(1)
    assert effective_number({}) == 0
    assert 1 < effective_number({"a": 99, "b": 1}) < 1.1


def test_participation_counts_directions() -> None:
    rng = np.random.default_rng(0)
    assert participation(rng.normal(size=(5000, 6))) == pytest.approx(6, rel=0.02)
    assert participation(rng.normal(size=(5000, 6)) * [1, 1, 0, 0, 0, 0]) == pytest.approx(2, rel=0.02)
    assert participation(np.zeros((1, 4))) == 0


@pytest.mark.parametrize(
    ("x", "y", "z", "name"),
    [(0.0, 0.0, 1.0, "frontal"), (0.2, 0.1, 1.0, "frontal"), (1.0, 0.0, 0.2, "right"), (0.0, 1.0, 0.2, "above"),
     (-1.0, -1.0, 0.1, "lower left"), (-1.0, 0.0, -1.0, "left"), (1.0, -1.0, 0.5, "lower right")],
)  # fmt: skip
def test_a_light_s_sector_is_where_it_comes_from(x: float, y: float, z: float, name: str) -> None:
    light = np.zeros((9, 3))
    light[0], light[1], light[2], light[3] = 3, y, z, x
    assert light_sector(light) == name


def test_tones_follow_the_published_edges() -> None:
    assert [tone_class(a) for a in (60, 50, 30, 20, 0, -40)] == [
        "very light", "light", "intermediate", "tan", "brown", "dark",
    ]  # fmt: skip


def test_cost_stands_beside_a_baseline_s_stages(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    results = tmp_path / "chain.json"
    rows = [
        {"name": "stage draw", "ours": 50.0},
        {"name": "stage gone", "ours": 10.0},
        {"name": "chain", "ours": 3},
    ]
    results.write_text(json.dumps({"rows": rows}))
    told = _cost(store, results)
    assert told["stages"] == [
        {"stage": "draw", "ms": 75.0, "baseline": 50.0},
        {"stage": "finish", "ms": pytest.approx(15.0), "baseline": None},
        {"stage": "gone", "ms": None, "baseline": 10.0},
    ]  # fmt: skip
    assert told["ratio"] == pytest.approx(90 / 60)
    assert _cost(store, None)["ratio"] is None


def test_a_baseline_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(SynthesizeError, match=r"cannot be read .* benchmarks/results/chain\.json"):
        read_baseline(tmp_path / "absent.json")
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"rows": []}')
    with pytest.raises(SynthesizeError, match="no row 'stage"):
        read_baseline(wrong)
