import numpy as np

from assets.readers.mesh import Scan
from flows.register_picture import SIDE, sheet
from flows.register_scan import Done
from models.geometry.similarity import Similarity
from models.heads.fit_surface import SurfaceFit
from models.heads.register import Registered, face_residual
from models.heads.synthetic import synthetic_head
from models.heads.target import Target


def test_the_sheet_has_three_views_and_errors_before_are_redder():
    head = synthetic_head()
    shifted = head.mean.astype(np.float64) + np.array([0, 0, 2.0])
    target = Target.of(shifted, head.faces)
    fit = SurfaceFit(np.zeros(8), np.zeros(4), Similarity(1.0, np.eye(3), np.zeros(3)))
    made = Registered(fit, shifted, np.zeros((len(shifted), 3)), face_residual(head, shifted, target))
    done = Done(Scan(shifted, head.faces), target, made, "mm", 0, made.residual)
    drawn = sheet(done, head)
    assert drawn.shape == (3 * SIDE, 6 * SIDE, 3)
    before, after = (drawn[SIDE // 2, k * SIDE + SIDE // 2].astype(int) for k in (3, 5))
    assert before[0] > 2 * before[2]
    assert after[2] > after[0]
    assert "0 folded triangles" in str(done)
