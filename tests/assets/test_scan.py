import numpy as np
import pytest

from assets.atlas import Atlas
from assets.readers.mesh import Scan
from assets.scan import bake_scan
from models.heads.synthetic import synthetic_head
from models.heads.target import Target


@pytest.fixture(scope="module")
def worn():
    """The synthetic head as a scan of itself, under a flat brown picture."""
    head = synthetic_head()
    picture = np.full((64, 64, 3), (120, 80, 60), np.uint8)
    scan = Scan(head.mean.astype(float), head.faces, head.uvs, head.face_uvs, picture)
    skins = {"brown": np.full((128, 128, 3), (130, 85, 62), np.uint8)}
    return head, scan, Atlas(head, 128), skins


def test_the_scan_is_baked_over_most_of_the_face(worn):
    head, scan, atlas, skins = worn
    baked = bake_scan(scan, Target.of(scan.vertices, scan.faces), head.mean, atlas, skins)
    assert baked.share > 0.7
    assert baked.skin == "brown"
    seen = baked.image[baked.valid]
    np.testing.assert_allclose(seen, np.tile((130, 85, 62), (len(seen), 1)), atol=6)


def test_what_does_not_count_gives_no_colour(worn):
    head, scan, atlas, skins = worn
    forehead = scan.vertices[:, 1] > 50
    full = bake_scan(scan, Target.of(scan.vertices, scan.faces), head.mean, atlas, skins)
    less = bake_scan(scan, Target.of(scan.vertices, scan.faces, ~forehead), head.mean, atlas, skins)
    assert less.share < full.share - 0.05


def test_a_scan_that_shows_no_skin_is_told(worn):
    head, scan, atlas, skins = worn
    nothing = Target.of(scan.vertices, scan.faces, np.zeros(len(scan.vertices), bool))
    with pytest.raises(ValueError, match="at least 10 %"):
        bake_scan(scan, nothing, head.mean, atlas, skins)
