"""Hangs eyes, teeth and tongue on the head: three head vertices and affine weights for every vertex of theirs.

In their package they hang on helper meshes that a closed head does not have. What a helper does over many people and
all expressions is therefore fitted by head vertices nearby.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from assets.heads.makehuman import ProxyMesh
from models.heads.linear import PROXY_ARRAYS

HELPERS = {
    "eye_l": "helper-l-eye",
    "eye_r": "helper-r-eye",
    "teeth_upper": "helper-upper-teeth",
    "teeth_lower": "helper-lower-teeth",
}
PEOPLE = 160  # random heads that the binding is fitted on
SEED = 20230207


def proxy_part(name: str, mesh: ProxyMesh, groups: dict[str, Int[np.ndarray, "q 4"]]) -> ProxyMesh:
    """The part of a package's proxy that has a name of ours: one eyeball, one row of teeth, or all of it.

    ``groups`` are the base mesh's quads by group: a part is told by the helper group that it hangs on.
    """
    helper = HELPERS.get(name)
    if helper is None:
        return mesh
    on_helper = np.isin(mesh.refs, np.unique(groups[helper]))
    mine = on_helper[:, 0] & ~_cornea(mesh) if name.startswith("eye") else on_helper.sum(1) >= 2
    number = np.cumsum(mine) - 1
    whole = mine[mesh.faces].all(1)
    uv_ids, local = np.unique(mesh.face_uvs[whole], return_inverse=True)
    return ProxyMesh(
        number[mesh.faces[whole]].astype(np.int32),
        mesh.uvs[uv_ids],
        local.reshape(-1, 3).astype(np.int32),
        mesh.refs[mine],
        mesh.weights[mine],
        mesh.offsets[mine],
    )


def bind_proxies(
    parts: dict[str, ProxyMesh],
    people: dict[str, Float[np.ndarray, "s p 3"]],
    moves: dict[str, Float[np.ndarray, "e p 3"]],
    heads: Float[np.ndarray, "s v 3"],
    expressions: Float[np.ndarray, "e v 3"],
    mean: Float[np.ndarray, "v 3"],
) -> dict[str, np.ndarray]:
    """Arrays ``proxy_<name>_<key>`` of a head file for every part.

    Args:
        parts: proxy meshes by name.
        people: where each proxy is on random people (head frame, mm), aligned as ``heads`` are.
        moves: how each proxy moves in every expression (mm).
        heads: fine vertices of the same people.
        expressions: fine displacements of the same expressions.
        mean: fine vertices of the mean head.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, part in parts.items():
        bound = bind(heads, people[name], expressions, moves[name], mean)
        bound |= {"faces": part.faces, "uvs": part.uvs, "face_uvs": part.face_uvs}
        arrays |= {f"proxy_{name}_{key}": bound[key] for key in PROXY_ARRAYS}
    return arrays


def _cornea(mesh: ProxyMesh) -> np.ndarray:
    """Vertices of the clear shells in front of the eyeballs: connected parts whose offsets point out of the ball.

    A shell has a texture of its own that is meant to be transparent, and would hide the iris behind it.
    """
    ends = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]]])
    graph = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (len(mesh.refs),) * 2)
    part = sparse.csgraph.connected_components(graph, False)[1]
    front = np.bincount(part, mesh.offsets[:, 2]) / np.bincount(part)
    return front[part] > np.median(np.unique(front))


def bind(
    heads: np.ndarray, extras: np.ndarray, exp_heads: np.ndarray, exp_extras: np.ndarray, mean: np.ndarray
) -> dict[str, np.ndarray]:
    """Three head vertices and affine weights per proxy vertex that reproduce how it moves over heads and expressions.

    One triple serves the whole proxy: the best of two thousand triples of vertices around it, by least squares.
    """
    rng = np.random.default_rng(SEED)
    goal = extras.mean(0)
    middle = (goal.min(0) + goal.max(0)) / 2
    distance = np.linalg.norm(mean - middle, axis=1)
    near = np.flatnonzero(distance < np.sort(distance)[500])
    near = rng.choice(near, 24, replace=False)
    heads_move = np.concatenate([heads - heads.mean(0), 2 * exp_heads])
    extras_move = np.concatenate([extras - goal, 2 * exp_extras])
    sample = extras_move[:, :: max(1, extras_move.shape[1] // 40)]
    best, best_error = (0, 0, 0), np.inf
    for triple in combinations(near.tolist(), 3):
        error = _affine(heads_move[:, triple], sample)[1]
        if error < best_error:
            best, best_error = triple, error
    weights, _ = _affine(heads_move[:, best], extras_move)
    weights = weights.astype(np.float32)
    bind = np.tile(np.array(best, np.int32), (len(goal), 1))
    offsets = goal - (heads.mean(0)[bind] * weights[..., None]).sum(1)
    return {"bind_vertices": bind, "bind_weights": weights, "offsets": offsets.astype(np.float32)}


def _affine(anchors: np.ndarray, goals: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (p,3) that sum to one and bring anchors (s,3,3) closest to goals (s,p,3), with a little ridge; rms."""
    third = anchors[:, 2]
    a = (anchors[:, :2] - third[:, None]).transpose(0, 2, 1).reshape(-1, 2)
    b = (goals - third[:, None]).transpose(0, 2, 1).reshape(-1, goals.shape[1])
    gram = a.T @ a
    ridge = 1e-3 * np.trace(gram) * np.eye(2)
    w = np.linalg.solve(gram + ridge, a.T @ b + ridge @ np.full((2, 1), 1 / 3))
    error = float(np.sqrt(((a @ w - b) ** 2).mean()))
    return np.concatenate([w.T, 1 - w.sum(0)[:, None]], 1), error
