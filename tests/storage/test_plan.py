from __future__ import annotations

import io
from collections import Counter
from dataclasses import asdict, replace

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import plan as plan_module
from storage.errors import StoreError
from storage.files import canonical_json, sha256_bytes
from storage.plan import SPLITS, Plan, SourceRef, draw_plan, split_of


def _sources(n: int) -> list[SourceRef]:
    """Two faces per photo."""
    return [SourceRef(f"{i // 2:016x}-{i % 2}", 80.0 * i / n, f"{i // 2:016x}") for i in range(n)]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(1, 120),
    st.integers(0, 9),
    st.integers(1, 40),
)
def test_a_plan_is_balanced_whole_and_free_of_argument_order(
    n: int, heads: int, textures: int, pairs: int, seed: int, size: int
) -> None:
    sources, skins = _sources(n), [f"t{i}" for i in range(textures)]
    names = [f"h{i}" for i in range(heads)]
    plan = draw_plan(sources, names, skins, pairs, seed, size, yaw_edges=())
    assert [row.index for row in plan.rows] == list(range(pairs))
    for attribute, among in (("source", n), ("texture", textures), ("head", heads)):
        used = Counter(getattr(row, attribute) for row in plan.rows)
        counts = [*used.values(), *[0] * (among - len(used))]
        assert max(counts) - min(counts) <= 1
    for rows in plan.shards.values():
        assert len({row.head for row in rows}) == 1
        assert len(rows) <= size
    assert len(plan.shards) <= -(-pairs // size) + heads
    photo = {s.id: s.photo for s in sources}
    splits = {(photo[row.source], row.split) for row in plan.rows}
    assert len(splits) == len({p for p, _ in splits})
    again = draw_plan(sources[::-1], names[::-1], skins[::-1], pairs, seed, size, yaw_edges=())
    assert again == plan
    assert Plan.from_parquet(plan.to_parquet()) == plan
    assert again.to_parquet() == plan.to_parquet()


def test_the_hash_is_of_the_rows() -> None:
    plan = draw_plan(_sources(8), ["a"], ["t"], 20, 3)
    assert plan.hash == draw_plan(_sources(8), ["a"], ["t"], 20, 3).hash
    assert plan.hash != draw_plan(_sources(8), ["a"], ["t"], 20, 4).hash
    # A change of this number makes every existing store unreadable: change the store's FORMAT with it.
    assert plan.hash.startswith("54a3e0f135b7")


def test_a_photo_keeps_its_split_and_the_shares_are_near() -> None:
    photos = [f"{i:016x}" for i in range(4000)]
    got = Counter(split_of(p) for p in photos)
    for name, share in SPLITS.items():
        assert abs(got[name] / 4000 - share) < 0.02
    assert {split_of(p, {"all": 1.0}) for p in photos[:50]} == {"all"}


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 120), st.integers(0, 9))
def test_poses_are_planned_whatever_the_order_of_the_sources(n: int, pairs: int, seed: int) -> None:
    sources = _sources(n)
    plan = draw_plan(sources, ["a"], ["t"], pairs, seed)
    assert draw_plan(sources[::-1], ["a"], ["t"], pairs, seed) == plan
    assert Plan.from_parquet(plan.to_parquet()) == plan
    own = {s.id: s.yaw for s in sources}
    for row in plan.rows:
        assert row.yaw == pytest.approx(own[row.source] + row.turn, abs=0.011)
        assert abs(row.yaw) <= 90.01


def test_yaw_bins_lift_the_rare_poses() -> None:
    sources = [SourceRef(f"{i:016x}-0", 5.0 if i < 18 else -75.0, f"{i}") for i in range(20)]
    plain = draw_plan(sources, ["a"], ["t"], 200, 1, yaw_edges=())
    balanced = draw_plan(sources, ["a"], ["t"], 200, 1)
    assert sum(abs(row.yaw) > 60 for row in plain.rows) == 20
    assert sum(abs(row.yaw) > 60 for row in balanced.rows) > 66
    assert not any(row.turn for row in plain.rows)
    assert {row.turn for row in balanced.rows if abs(row.yaw) < 30 and row.yaw == 5} == {0}


def test_a_plan_without_poses_is_refused_in_a_sentence() -> None:
    plan = draw_plan(_sources(4), ["a"], ["t"], 5, 1)
    table = pq.read_table(io.BytesIO(plan.to_parquet())).drop_columns(["turn"])
    old = io.BytesIO()
    pq.write_table(table, old)
    with pytest.raises(StoreError, match=r"has no column 'turn'.*older facepairs"):
        Plan.from_parquet(old.getvalue())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": []}, "at least one source"),
        ({"heads": []}, "at least one head"),
        ({"textures": []}, "at least one texture"),
        ({"pairs": 0}, "pairs in 1"),
        ({"shard_size": 0}, "shard_size >= 1"),
        ({"seed": -1}, "seed >= 0"),
        ({"sources": [SourceRef("a-0", 0, "a")] * 2}, "two sources have the same id"),
    ],
)
def test_what_cannot_be_planned_is_said(change: dict, message: str) -> None:
    arguments = {
        "sources": _sources(3),
        "heads": ["a"],
        "textures": ["t"],
        "pairs": 5,
        "seed": 1,
        "shard_size": 2,
    }
    with pytest.raises(StoreError, match=message):
        draw_plan(**{**arguments, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": "3"}, "keys of eight digits"),
        ({"index": 5}, "number rows from 0"),
        ({"shard": 7}, "shards must follow each other"),
        ({"head": "other"}, "one shard takes one head"),
    ],
)
def test_rows_that_break_the_rules_are_refused(change: dict, message: str) -> None:
    rows = list(draw_plan(_sources(3), ["a"], ["t"], 6, 1, 3).rows)
    rows[4] = replace(rows[4], **change)
    with pytest.raises(StoreError, match=message):
        Plan(tuple(rows))


@pytest.mark.parametrize("key", ["00000006", "6", "abcdefgh", "-0000001", "٠٠٠٠٠٠٠١"])
def test_an_unknown_key_is_answered_with_the_range(key: str) -> None:
    plan = draw_plan(_sources(3), ["a"], ["t"], 6, 1, 3)
    with pytest.raises(StoreError, match="run from 00000000 to 00000005"):
        plan.row(key)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats(0.1, 20), min_size=1),
    st.integers(1, 300),
    st.integers(1, 40),
)
def test_heads_get_pairs_by_weight_and_take_turns(weights: dict[str, float], pairs: int, size: int) -> None:
    plan = draw_plan(_sources(6), list(weights), ["t"], pairs, 0, size, yaw_edges=(), head_weights=weights)
    used = Counter(row.head for row in plan.rows)
    total = sum(weights.values())
    for name, weight in weights.items():
        assert abs(used[name] - pairs * weight / total) < 1
    made = Counter[str]()
    for (
        rows
    ) in plan.shards.values():  # a store that is half done has the mixture too, to a shard of each head
        made[rows[0].head] += len(rows)
        done = sum(made.values())
        for name, weight in weights.items():
            assert abs(made[name] - done * weight / total) <= size * len(weights) + 1


def test_source_and_texture_do_not_depend_on_the_head() -> None:
    textures = [f"t{i}" for i in range(5)]
    one = draw_plan(_sources(9), ["a"], textures, 400, 7, 10)
    two = draw_plan(_sources(9), ["a", "b"], textures, 400, 7, 10, head_weights={"a": 3, "b": 1})
    assert [(r.source, r.texture, r.turn) for r in one.rows] == [
        (r.source, r.texture, r.turn) for r in two.rows
    ]
    worn = Counter((r.head, r.texture) for r in two.rows)
    assert all(abs(worn["b", t] - 20) <= 12 and abs(worn["a", t] - 60) <= 12 for t in textures)


def test_a_head_without_weight_is_an_error() -> None:
    with pytest.raises(StoreError, match="weight above 0"):
        draw_plan(_sources(3), ["a", "b"], ["t"], 9, 0, head_weights={"a": 1})


@pytest.mark.parametrize("block", [1, 3, 10, 100])
def test_the_hash_is_of_one_json_text_however_it_is_cut(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = draw_plan(_sources(4), ["anny"], ["t0", "t1"], 10, 3, 4)
    monkeypatch.setattr(plan_module, "_BLOCK", block)
    assert made.hash == sha256_bytes(canonical_json([list(asdict(row).values()) for row in made.rows]))
