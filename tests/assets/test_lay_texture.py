import numpy as np
import pytest
from published import open_head

from assets.atlas import Atlas
from assets.heads.lay_texture import eye_mask, lay_atlas
from assets.readers.obj import split_polygons
from assets.registry import default_head
from models.heads.regions import Region


@pytest.fixture(scope="module")
def lay():
    head = open_head()
    faces, face_uvs = split_polygons(head.points, head.polygons, head.polygon_uvs)
    marks = head.points[head.marks]
    return lay_atlas(
        Atlas(default_head(), 192),
        head.points * 1.1 + 4,
        faces,
        marks * 1.1 + 4,
        head.uvs.astype(np.float32),
        face_uvs,
    )


def test_the_map_leads_into_the_scan_s_own_atlas(lay):
    """The scan is the bundled control mesh, whose own atlas the bundled head keeps as ``source_uvs``."""
    head = lay.atlas.head
    wanted = lay.atlas.spread(head.source_uvs, head.face_source_uvs)
    surface = lay.weight > 0.5
    assert surface[np.isin(lay.atlas.region, (Region.SKIN, Region.NOSE))].mean() > 0.95
    assert np.median(np.linalg.norm(lay.uv - wanted, axis=-1)[surface]) < 0.003


def test_masked_eyes_come_from_the_painted_skin(lay):
    image = np.full((512, 512, 3), (200, 150, 130), np.uint8)
    skins = {"painted": np.full((192, 192, 3), (150, 110, 95), np.uint8)}
    mask = eye_mask(lay.atlas)
    whole, masked = lay.texture(image, skins), lay.texture(image, skins, mask)
    hidden = mask > 0.9
    assert 0.02 < hidden.mean() < 0.25
    assert (lay.atlas.region == Region.EYES)[hidden].any()
    lids = hidden & (lay.atlas.region == Region.SKIN)
    assert whole.valid[lids].mean() > 0.7
    assert masked.valid[lids].mean() < 0.2
    assert masked.skin == "painted"


def test_displacement_is_kept_where_the_scan_is(lay):
    relief = lay.displacement(np.full((512, 512), 0.4, np.float32), 96)
    assert relief.shape == (96, 96)
    assert relief.max() == pytest.approx(0.4, abs=0.01)
    assert relief.min() == pytest.approx(0, abs=0.02)
