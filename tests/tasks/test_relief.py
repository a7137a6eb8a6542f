"""Stage relief: a function of the row alone, textures as albedo, and reliefs that survive packing."""

import numpy as np
import pytest

from assets.registry import default_head, texture_pool
from models.geometry.camera import ScaledOrtho
from models.heads.relief import ReliefHead
from storage.plan import PlanRow
from tasks.contract import Batch
from tasks.relief import (
    AMPLITUDE_MAX,
    AMPLITUDE_MIN,
    LIGHTEN,
    Relief,
    ReliefPool,
    lightened,
    pack_reliefs,
    unpack_relief,
)

TEXTURE = "photo_obama"


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return ReliefPool(ReliefHead(default_head()), texture_pool(), tmp_path_factory.mktemp("cache"))


def batch(indices):
    head = default_head()
    pose = ScaledOrtho(1 / 110, np.eye(3, dtype=np.float32), np.zeros(2, np.float32))
    rows = tuple(PlanRow(f"{i:08d}", i, 0, 5, "a-00", "anny", TEXTURE, "train") for i in indices)
    posed = pose.to_cube(head.mean).astype(np.float32)
    n = len(rows)
    fields = {
        "posed": np.stack([posed] * n),
        "expression": np.full((n, len(head.exp_basis)), 0.1, np.float32),
        "scale": np.full(n, 1 / 110, np.float32),
    }
    return Batch(rows, fields)


def test_rows_are_made_alike_alone_and_together(pool):
    stage = Relief(pool.head, pool)
    together, alone = stage(batch((0, 1, 2))).fields, stage(batch((2,))).fields
    np.testing.assert_array_equal(together["vertices"][2], alone["vertices"][0])
    assert len(set(together["relief"].tolist())) == 3
    assert {f.name: f.dtype for f in Relief.gives} == {k: str(v.dtype) for k, v in together.items()}


def test_amplitudes_lie_around_one_within_bounds(pool):
    stage = Relief(pool.head, pool)
    drawn = stage(batch(range(40))).fields["relief"]
    assert AMPLITUDE_MIN <= drawn.min() < 0.9 < 1.1 < drawn.max() <= AMPLITUDE_MAX
    assert 0.85 < np.median(drawn) < 1.15


def test_a_cached_relief_is_the_same(pool):
    again = ReliefPool(pool.head, pool.textures, pool.folder)
    before, after = pool.relief(TEXTURE), again.relief(TEXTURE)
    np.testing.assert_array_equal(before.depth, after.depth)
    np.testing.assert_array_equal(before.turn, after.turn)
    assert before.age == after.age
    assert list(pool.folder.rglob("*-relief.npz"))


def test_grooves_leave_the_albedo_in_part():
    texture = np.full((8, 8, 3), (120, 90, 70), np.uint8)
    darkness = np.zeros((4, 4), np.float32)
    darkness[1:3, 1:3] = 0.4
    light = lightened(texture, darkness)
    np.testing.assert_array_equal(light[0, 0], texture[0, 0])
    gain = (light[3, 3] / texture[3, 3].astype(float)) ** 2.2
    assert np.exp(LIGHTEN * 0.3) < gain.mean() < np.exp(LIGHTEN * 0.42)


def test_skins_are_lightened_and_other_parts_are_not(pool):
    teeth = pool.part("teeth")[0]
    np.testing.assert_array_equal(pool.image(teeth), pool.textures.image(teeth))
    before, after = pool.textures.image(TEXTURE).astype(int), pool.image(TEXTURE).astype(int)
    assert (after >= before).all()
    assert (after > before).any()


def test_packed_reliefs_come_back(pool, tmp_path):
    path = tmp_path / "relief.npz"
    path.write_bytes(pack_reliefs(pool, [TEXTURE]))
    assert path.read_bytes() == pack_reliefs(pool, [TEXTURE])
    with np.load(path, allow_pickle=False) as file:
        back = unpack_relief(file, TEXTURE)
        np.testing.assert_array_equal(file["folds"], pool.head.folds)
    np.testing.assert_array_equal(back.depth, pool.relief(TEXTURE).depth)
    assert back.age == pool.relief(TEXTURE).age


def test_packed_reliefs_come_from_the_cache_until_a_file_changes(pool, monkeypatch):
    from tasks import relief

    asked = []
    monkeypatch.setattr(relief, "pack_reliefs", lambda *given: asked.append(given) or b"packed")
    assert [pool.packed([TEXTURE], {TEXTURE: "aa"}) for _ in range(2)] == [b"packed"] * 2
    assert len(asked) == 1
    pool.packed([TEXTURE], {TEXTURE: "bb"})
    assert len(asked) == 2


def test_a_pool_keeps_what_is_used_and_not_the_darkness(pool):
    fresh = ReliefPool(pool.head, pool.textures, pool.folder)
    assert fresh.relief(TEXTURE) is fresh.relief(TEXTURE)
    assert fresh.image(TEXTURE) is fresh.image(TEXTURE)
