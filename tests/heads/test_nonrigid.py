import numpy as np
from scanned import scanned
from scipy import sparse

from models.geometry.closest import closest_points
from models.heads.nonrigid import Marks, Sheet, bend, folded
from models.heads.target import Target


def sheet_and_target(scan):
    head = scan.head
    weight = (head.mean[:, 2] > 30).astype(float)
    sheet = Sheet(
        head.mean.astype(np.float64), head.faces, weight, sparse.identity(len(head.mean), format="csr")
    )
    marks = Marks(sparse.csr_matrix((0, len(head.mean))), np.zeros((0, 3)), np.zeros(0))
    return sheet, marks


def test_a_bump_is_followed_and_what_is_not_seen_stays_behind_without_a_tear():
    scan = scanned()
    head = scan.head
    bumped = head.mean.astype(np.float64).copy()
    bumped[:, 2] += 4 * np.exp(-((head.mean - [30, 0, 85]) ** 2).sum(1) / (2 * 18**2))
    sheet, marks = sheet_and_target(scan)
    move = bend(sheet, Target.of(bumped, head.faces), marks)
    after = sheet.vertices + move
    lump = (np.linalg.norm(head.mean - [30, 0, 85], axis=1) < 30) & (sheet.weight > 0)
    _, _, before = closest_points(sheet.vertices[lump], bumped, head.faces)
    _, _, away = closest_points(after[lump], bumped, head.faces)
    assert before.max() > 2.5
    assert away.max() < 0.3
    assert np.linalg.norm(move[head.mean[:, 2] < -60], axis=1).max() < 0.3
    assert not folded(sheet.vertices, after, head.faces).any()


def test_the_same_input_gives_the_same_bytes():
    scan = scanned()
    sheet, marks = sheet_and_target(scan)
    target = Target.of(scan.true, scan.head.faces)
    one, two = (bend(sheet, target, marks, finest=10.0) for _ in range(2))
    assert one.tobytes() == two.tobytes()


def test_a_flipped_triangle_is_a_fold():
    vertices = np.float64([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    faces = np.int32([[0, 1, 2], [0, 2, 3]])
    after = vertices.copy()
    after[3] = [1.0, 0.2, 0]  # carried across the diagonal
    assert folded(vertices, after, faces).tolist() == [False, True]
    assert not folded(vertices, vertices * 2, faces).any()
