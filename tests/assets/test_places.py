"""Position maps of a head of formulas: there and back again, mirrored, and weighed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from assets.places import FEATURES, LANDMARK, REST, SKIN, PlaceAtlas
from models.heads.regions import Region
from models.heads.synthetic import synthetic_head
from models.networks.position_map import at_vertices


@pytest.fixture(scope="module")
def atlas() -> PlaceAtlas:
    return PlaceAtlas(synthetic_head(), 128)


def test_a_map_gives_the_vertices_back(atlas: PlaceAtlas) -> None:
    head = atlas.head
    maps = torch.from_numpy(atlas.places(head.mean)).permute(2, 0, 1)[None]
    found = at_vertices(maps, torch.from_numpy(atlas.vertex_uvs)).numpy()
    front = head.mean[:, 2] > 20
    away = np.linalg.norm(found - head.mean, axis=1)[front]
    # Half a texel of this atlas is 2 mm of the surface; bilinear lookup is far below it where the surface is smooth.
    assert np.median(away) < 0.1
    assert np.percentile(away, 95) < 0.5


def test_texels_between_charts_continue_the_nearest_chart(atlas: PlaceAtlas) -> None:
    places = atlas.places(atlas.head.mean)
    outside = places[~atlas.atlas.covered]
    inside = places[atlas.atlas.covered]
    assert len(outside) > 0
    assert set(map(tuple, outside.tolist())) <= set(map(tuple, inside.tolist()))


def test_the_mirrored_map_is_the_map_of_the_mirrored_head(atlas: PlaceAtlas) -> None:
    head = atlas.head
    rng = np.random.default_rng(0)
    bent = (
        head.mean
        + np.float32([8, 0, 0]) * (head.mean[:, 1:2] / 100) ** 2
        + rng.normal(0, 3, 3).astype(np.float32)
    )
    got = atlas.mirrored(atlas.places(bent.astype(np.float32)))
    # The synthetic head is symmetric, so a mirrored shape has the vertex of the other side at every vertex.
    points = head.mean * [-1, 1, 1]
    other = np.linalg.norm(head.mean[None] - points[:, None], axis=2).argmin(1)
    wanted = atlas.places((bent[other] * [-1, 1, 1]).astype(np.float32))
    face = atlas.atlas.face
    assert np.abs(got - wanted)[face].max() < 1.0


def test_weights_are_those_of_the_regions(atlas: PlaceAtlas) -> None:
    weight, region = atlas.weight, atlas.atlas.region
    assert (weight[~atlas.atlas.covered & (weight < LANDMARK)] == 0).all()
    assert set(np.unique(weight[region == Region.SKIN])) <= {np.float32(SKIN), np.float32(LANDMARK)}
    assert set(np.unique(weight[region == Region.LIPS])) <= {np.float32(FEATURES), np.float32(LANDMARK)}
    assert set(np.unique(weight[region == Region.SCALP])) <= {np.float32(REST), np.float32(LANDMARK)}
    assert (weight == LANDMARK).any()
