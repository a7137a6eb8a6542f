from __future__ import annotations

from typing import Any

import pytest

from flows.audit_yaw import UNTURNED, gaps_by_yaw
from tasks.gap import PARTS


def _row(key: str, source: str, pair: float, photo: float, found: bool = True) -> dict[str, Any]:
    row: dict[str, Any] = {"key": key, "source": source}
    for kind, gap in (("pair", pair), ("render", 1.0), ("photo", photo)):
        row |= {f"{kind}_{part}": gap for part in PARTS} | {f"{kind}_score": float(found)}
    return row


def _meta(key: str, yaw: float, turn: float) -> dict[str, Any]:
    return {"key": key, "angles": [yaw, 0.0, 0.0], "plan": {"turn": turn}}


def test_unturned_pairs_stand_beside_their_own_photographs_each_once() -> None:
    rows = [_row("0", "a", 1, 3), _row("1", "a", 2, 3), _row("2", "b", 3, 6), _row("3", "c", 50, 99)]
    metas = [_meta("0", 5, 0), _meta("1", -5, 0), _meta("2", 50, 0), _meta("3", 70, 40)]
    first = gaps_by_yaw(rows, metas)[0]
    assert (first["poses"], first["pairs"]) == (UNTURNED, 3)
    assert first["pair"] == pytest.approx(2)
    assert first["photo"] == pytest.approx(4.5)


def test_each_pair_falls_into_one_bin_of_absolute_yaw() -> None:
    rows = [_row(str(i), "a", i, 3, found=i != 2) for i in range(4)]
    metas = [_meta(str(i), yaw, 10) for i, yaw in enumerate((-10.0, 45.0, -59.0, 75.0))]
    told = gaps_by_yaw(rows, metas)
    assert [row["pairs"] for row in told] == [0, 1, 2, 1]
    assert told[0]["pair"] is None
    assert told[0]["pair_found"] is None
    assert told[2]["pair"] == pytest.approx(1.5)
    assert told[2]["pair_found"] == 0.5
    assert told[1]["photo"] is None  # not in the same pose


def test_parts_weigh_the_same_and_what_was_not_seen_does_not_count() -> None:
    rows = [_row("0", "a", 2, 3), _row("1", "a", 2, 3)]
    rows[0] |= {"pair_jaw": float("nan")}
    rows[1] |= {"pair_jaw": 7.0}
    told = gaps_by_yaw(rows, [_meta("0", 0, 0), _meta("1", 0, 0)])[0]
    assert told["pair_jaw"] == 7
    assert told["pair"] == pytest.approx((7 + 2 * (len(PARTS) - 1)) / len(PARTS))
