"""Pose yields count each planned row once, in its bin."""

from flows.poses import by_yaw, pose_yields
from tests.storage.toy_store import fill, toy_create


def test_rows_are_counted_by_bin_and_by_end(tmp_path):
    store = toy_create(tmp_path / "s")
    before = pose_yields(store)
    assert [b["yaw"] for b in before] == ["0-30", "30-60", "60-90"]
    assert sum(b["planned"] for b in before) == len(store.plan)
    assert sum(b["turned"] for b in before) == sum(row.turn != 0 for row in store.plan.rows)
    assert not any(b["accepted"] or b["rejected"] for b in before)
    fill(store, [0])
    after = pose_yields(store, (45.0, 90.0))
    done = store.plan.shards[0]
    assert sum(b["accepted"] + b["rejected"] for b in after) == len(done)
    assert [b["planned"] for b in after] == [
        sum(abs(row.yaw) < 45 for row in store.plan.rows),
        sum(abs(row.yaw) >= 45 for row in store.plan.rows),
    ]
    assert by_yaw(after).startswith(f"0-45° {after[0]['accepted']} of {after[0]['planned']}, ")
