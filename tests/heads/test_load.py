import numpy as np
import pytest
from published import open_head

from assets.heads.adopt import adopt, write_core, write_head
from assets.heads.raw import RawHead
from assets.readers.obj import split_polygons
from assets.registry import default_head
from models.heads.bilinear import BilinearHead
from models.heads.closed import check_closed
from models.heads.load import core_file, load_head


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A bilinear head made of the open head: its file, the model, and what was adopted."""
    head, folder = open_head(), tmp_path_factory.mktemp("head")
    faces, _ = split_polygons(head.points, head.polygons, head.polygon_uvs)
    mean = np.array([0.6, 0.8])
    core = np.zeros((3, len(head.points), 3, 2), np.float32)
    for k, sign in enumerate((0.8, -0.6)):
        core[0, :, :, k] = 0.1 * (head.points * mean[k] + 10 * sign * head.identity[0])
    core[1], core[2] = (0.1 * m[:, :, None] * mean for m in (head.jaw_open, head.smile))
    raw = RawHead(
        "two", core[0] @ mean, np.stack([core[0, :, :, k] * 0.1 for k in range(2)]),
        np.stack([core[s] @ mean for s in (1, 2)]), ("jaw", "smile"), faces,
        np.repeat(head.marks[:, None], 3, 1), np.tile([1.0, 0, 0], (68, 1)), mouth_bag=head.bag, core=core,
        identity_mean=mean, identity_std=np.full(2, 0.1),
    )  # fmt: skip
    adopted = adopt(raw, default_head())
    file = folder / "two.npz"
    write_head(adopted.arrays, file)
    write_core(adopted, raw, core_file(file))
    return file, raw, adopted


def test_a_core_is_mapped_and_agrees_with_the_model(files):
    file, raw, adopted = files
    head = load_head(file)
    assert isinstance(head, BilinearHead)
    assert isinstance(head.core, np.memmap)
    rng = np.random.default_rng(0)
    identity, expression = raw.identity_mean + 0.1 * rng.normal(size=2), rng.uniform(size=2)
    published = raw.core[0] @ identity + np.tensordot(expression, raw.core[1:] @ identity, 1)
    moved = adopted.frame.turn(adopted.closed.carry(published * adopted.scale))
    made = head.vertices(identity, expression)
    shift = (made - moved).mean(0)
    np.testing.assert_allclose(made - shift, moved, atol=0.02)  # the pose takes up a shift
    neutral = head.vertices(raw.identity_mean, np.zeros(2))
    np.testing.assert_allclose(neutral, head.mean, atol=2e-2)
    check_closed(head.faces, neutral)


def test_a_core_that_is_absent_or_foreign_is_said(files):
    file = files[0]
    core = core_file(file)
    data = core.read_bytes()
    core.unlink()
    with pytest.raises(ValueError, match="import the model again"):
        load_head(file)
    np.save(core, np.zeros((2, 3, 3, 1), np.float32))
    with pytest.raises(ValueError, match="needs float32"):
        load_head(file)
    core.write_bytes(data)
    file.with_name("cut.npz").write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ValueError, match="whole head file"):
        load_head(file.with_name("cut.npz"))
