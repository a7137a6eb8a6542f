"""Turns a published head model into a head file of ours: closed, labelled, unwrapped, with eyes and teeth.

What nobody publishes with a model (regions, jaw lines, an atlas in which the face is large, what lies behind lips and
lids) follows from where its mean lies on the bundled head (:mod:`assets.heads.correspond`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from assets.heads.bind import PEOPLE, bind
from assets.heads.chart import unwrap_head
from assets.heads.close import Closed, Part, close_head
from assets.heads.correspond import INNER, Correspondence, correspond
from assets.heads.labels import Surface, jaw, locate
from assets.heads.raw import RawHead, RawPart
from models.geometry.closest import closest_points
from models.geometry.similarity import Similarity
from models.heads.closed import check_closed
from models.heads.linear import PROXY_ARRAYS, LinearHead, Proxy
from models.heads.regions import FACE, Region

SEED = 20230207
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Adopted:
    """The arrays of a head file of format 2 (see :mod:`models.heads.linear`), and how its vertices came about."""

    arrays: Mapping[str, Any]
    closed: Closed
    frame: Similarity  # of the model in millimetres to the head frame
    scale: float  # millimetres in a unit of the model

    def core(self, raw: RawHead) -> Iterator[Float[np.ndarray, "v 3 k"]]:
        """Slots of a bilinear core as this head has them, one after the other."""
        assert raw.core is not None
        assert raw.identity_mean is not None
        toward = raw.identity_mean / (raw.identity_mean**2).sum()
        for slot, values in enumerate(raw.core):
            turned = self.scale * np.einsum("ij,vjk->vik", self.frame.rotation, values.astype(np.float64))
            if slot == 0:  # the frame's shift is exact for the mean identity; the pose takes up the rest
                turned += self.frame.translation[None, :, None] * toward
            yield self.closed.carry(turned).astype(np.float32)


def adopt(raw: RawHead, reference: LinearHead, say: Say = lambda _: None) -> Adopted:
    """Close, label, unwrap and equip a published model.

    Raises:
        AssetError: the model's surface cannot be closed.
    """
    say("closing eyes, mouth and neck")
    scale = raw.scale
    marks = raw.marks() * scale
    frame = Similarity.between(
        marks[INNER], reference.landmarks(reference.mean)[INNER].astype(np.float64), scale=1.0
    )
    marks = frame(marks)
    mean = frame(raw.mean * scale)
    whole = Similarity.between(marks[INNER], reference.landmarks(reference.mean)[INNER].astype(np.float64))
    # The bundled head fits into a ball around its origin, and so into the cube in every pose: shoulders would not.
    inside = np.linalg.norm(reference.mean, axis=1).max() - np.linalg.norm(whole(mean), axis=1)
    closed = close_head(mean, raw.faces, marks, raw.mouth_bag, inside, raw.name)
    points = closed.carry(mean)
    check_closed(closed.faces, points)

    def carried(basis: np.ndarray) -> np.ndarray:
        moved = frame.turn(basis * scale)
        return (
            np.stack([closed.carry(mode) for mode in moved]) if len(moved) else np.zeros((0, *points.shape))
        )

    id_basis, exp_basis = carried(raw.id_basis), carried(raw.exp_basis)
    say("laying it onto the bundled head")
    skin = np.zeros(len(points), bool)
    skin[closed.faces[closed.part == Part.SURFACE]] = True
    at = correspond(points, closed.faces, marks, ~skin, reference)
    vertex_region, face_region = carry_regions(closed, at, reference)
    face = skin & np.isin(vertex_region, FACE)
    ears = skin & (vertex_region == Region.EARS)
    surface = Surface(points, closed.faces, ears, closed.part == Part.MOUTH_BAG, closed.part == Part.EYE)
    lines = closed.number(raw.contour) if raw.contour is not None else None
    if lines is None:
        marks[:17], lines = jaw(surface, surface.normals(), marks)
    landmark_vertices, landmark_bary = locate(surface, marks)
    names = raw.exp_names
    if not names:
        say("no expressions in the model: taking those of the bundled head by correspondence")
        exp_basis, names = borrow_expressions(at, skin, closed, reference), reference.exp_names
    say("unwrapping")
    uvs, face_uvs = unwrap_head(closed, points, at.placed, face_region, reference)
    say("binding eyes and teeth")
    if raw.parts:
        arrays = _own_parts(
            raw, points, id_basis, exp_basis, lambda p: frame(p * scale), lambda m: frame.turn(m * scale)
        )
        proxies = [[part.name, part.texture] for part in raw.parts]
    else:
        arrays = _borrowed_parts(points, at, marks, closed, reference)
        proxies = [[proxy.name, proxy.texture] for proxy in reference.proxies]
    header = {
        "name": raw.name,
        "expressions": list(names),
        "proxies": proxies,
        "provenance": {
            **raw.provenance,
            "unit_mm": round(scale, 6),
            "expressions_from": "the model" if raw.exp_names else f"{reference.name}, by correspondence",
            "proxies_from": "the model" if raw.parts else f"{reference.name}, by correspondence",
            "correspondence_mm": round(float(np.median(at.apart[face])), 4),
            "correspondence_p95_mm": round(float(np.quantile(at.apart[face], 0.95)), 4),
        },
    }
    arrays |= {
        "head_format": np.array(2),
        "header": np.array(json.dumps(header, sort_keys=True)),
        "mean": points.astype(np.float32),
        "id_basis": id_basis.astype(np.float16),
        "exp_basis": exp_basis.astype(np.float16),
        "faces": closed.faces.astype(np.int32),
        "uvs": uvs.astype(np.float32),
        "face_uvs": face_uvs.astype(np.int32),
        "vertex_region": vertex_region,
        "face_region": face_region,
        "landmark_vertices": landmark_vertices,
        "landmark_bary": landmark_bary,
        "contour": lines.astype(np.int32),
        "reference": at.placed.astype(np.float32),
        "published": closed.published,
    }
    if raw.core is not None:
        arrays |= {"identity_mean": raw.identity_mean, "identity_std": raw.identity_std}
    return Adopted(arrays | _own_atlas(raw, closed), closed, frame, scale)


def carry_regions(
    closed: Closed, at: Correspondence, reference: LinearHead
) -> tuple[UInt8[np.ndarray, " v"], UInt8[np.ndarray, " f"]]:
    """Region of each vertex and triangle: the bundled head's at the same place, and what was closed."""
    face = reference.face_region[at.triangle]
    nearest = reference.faces[at.triangle, at.bary.argmax(1)]
    vertex = np.where(np.isin(reference.vertex_region[nearest], FACE), face, reference.vertex_region[nearest])
    vertex = vertex.astype(np.uint8)
    # Of a triangle's corners the two that agree decide, else the first.
    corners = np.sort(vertex[closed.faces], axis=1)
    label = corners[:, 1].copy()
    own = np.stack([vertex[closed.faces[:, k]] for k in range(3)], 1)
    split = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2])
    label[split] = own[split, 0]
    for part, region in ((Part.MOUTH_BAG, Region.INNER_MOUTH), (Part.EYE, Region.EYES)):
        label[closed.part == part] = region
        vertex[closed.faces[closed.part == part]] = region
    return vertex, label


def borrow_expressions(
    at: Correspondence, skin: np.ndarray, closed: Closed, reference: LinearHead
) -> Float[np.ndarray, "e v 3"]:
    """The bundled head's expressions as this head's: each point moves as the same point of the bundled head does.

    Moves are turned and scaled by the similarity between the two heads. The identity's own way to smile is not known.
    """
    kept = len(closed.kept.share)
    triangle, bary = at.triangle[:kept].copy(), at.bary[:kept].copy()
    bag = np.flatnonzero(~skin[:kept])  # of the model's own mouth bag: its like is the bundled one's
    if len(bag):
        inside = np.flatnonzero(reference.face_region == Region.INNER_MOUTH)
        nearest, bary[bag], _ = closest_points(at.placed[bag], reference.mean, reference.faces[inside])
        triangle[bag] = inside[nearest]
    corners = reference.exp_basis[:, reference.faces[triangle]].astype(np.float64)
    moves = at.similarity.back((corners * bary[..., None]).sum(2))
    return np.stack([closed.cover(move) for move in moves])


def _own_parts(
    raw: RawHead, points: np.ndarray, id_basis: np.ndarray, exp_basis: np.ndarray, place: Any, turn: Any
) -> dict[str, np.ndarray]:
    """Proxy arrays of what the model brings, bound to head vertices near by."""
    rng = np.random.default_rng(SEED)
    draws = rng.standard_normal((PEOPLE, len(id_basis)))
    heads = points + np.tensordot(draws, id_basis, 1)
    arrays: dict[str, np.ndarray] = {}

    def extras(part: RawPart) -> np.ndarray:
        return place(part.mean) + np.tensordot(draws, turn(part.id_basis), 1)

    for part in raw.parts:
        bound = bind(heads, extras(part), exp_basis, turn(part.exp_basis), points)
        bound |= {"faces": part.faces.astype(np.int32), "face_uvs": part.face_uvs.astype(np.int32)}
        bound["uvs"] = part.uvs.astype(np.float32)
        arrays |= {f"proxy_{part.name}_{key}": bound[key] for key in PROXY_ARRAYS}
    return arrays


def _borrowed_parts(
    points: np.ndarray, at: Correspondence, marks: np.ndarray, closed: Closed, reference: LinearHead
) -> dict[str, np.ndarray]:
    """The bundled head's eyes, teeth and tongue: as large as this face, on the vertices where they hang there."""
    here = reference.landmarks(reference.mean).astype(np.float64)
    around = {"eye_l": range(42, 48), "eye_r": range(36, 42)}
    arrays: dict[str, np.ndarray] = {}
    own_vertices = np.flatnonzero(
        closed.published >= 0
    )  # what the patches do is the rim's doing, not the jaw's
    whole = Similarity.between(here[INNER], marks[INNER])
    for proxy in reference.proxies:
        own = list(around.get(proxy.name, range(48, 68)))
        goal = proxy.vertices(reference.mean).astype(np.float64)
        # Size and direction of the whole face, place of the eye or mouth.
        moved = whole(goal) + (marks[own] - whole(here[own])).mean(0)
        arrays |= {
            f"proxy_{proxy.name}_{k}": v
            for k, v in _rebound(proxy, moved, points, at.placed, own_vertices, reference).items()
        }
    return arrays


def _rebound(
    proxy: Proxy,
    goal: np.ndarray,
    points: np.ndarray,
    placed: np.ndarray,
    usable: np.ndarray,
    reference: LinearHead,
) -> dict[str, np.ndarray]:
    hooks, packed = np.unique(proxy.bind_vertices, return_inverse=True)
    away = np.linalg.norm(placed[usable][:, None] - reference.mean[hooks][None], axis=-1)
    mine: Int[np.ndarray, " h"] = usable[away.argmin(0)]
    bound = mine[packed].reshape(proxy.bind_vertices.shape).astype(np.int32)
    offsets = goal - (points[bound] * proxy.bind_weights[..., None]).sum(1)
    return {
        "faces": proxy.faces,
        "uvs": proxy.uvs,
        "face_uvs": proxy.face_uvs,
        "bind_vertices": bound,
        "bind_weights": proxy.bind_weights,
        "offsets": offsets.astype(np.float32),
    }


def _own_atlas(raw: RawHead, closed: Closed) -> dict[str, np.ndarray]:
    """The model's own texture coordinates on the triangles that it has, for textures that come in them."""
    if raw.uvs is None or raw.face_uvs is None:
        return {}
    index = np.zeros((len(closed.faces), 3), np.int32)
    there = closed.source >= 0
    index[there] = raw.face_uvs[closed.source[there]]
    return {"source_uvs": raw.uvs.astype(np.float32), "face_source_uvs": index, "source_there": there}


def write_head(arrays: Mapping[str, Any], file: Path) -> None:
    """Write a head file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.stem}.part.npz")
    np.savez_compressed(partial, allow_pickle=False, **arrays)
    partial.replace(file)


def write_core(adopted: Adopted, raw: RawHead, file: Path) -> None:
    """Write a bilinear core slot by slot, whole or not at all: two of them are in memory at a time, not fifty-two."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.stem}.part.npy")
    assert raw.core is not None
    shape = (len(raw.core), len(adopted.arrays["mean"]), 3, raw.core.shape[3])
    mapped = np.lib.format.open_memmap(partial, "w+", np.float32, shape)
    for slot, values in enumerate(adopted.core(raw)):
        mapped[slot] = values
    mapped.flush()
    del mapped
    partial.replace(file)
