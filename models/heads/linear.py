"""A linear morphable head: ``vertices = mean + identity @ id_basis + expression @ exp_basis``, in millimetres.

A head file keeps the coarse control mesh only (quads, float16 modes); :meth:`LinearHead.load` subdivides it once with
Catmull–Clark, which is linear in the vertices, so that the modes stay linear on the fine mesh.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from models.heads.subdivide import CatmullClark


@dataclass(frozen=True, eq=False)
class Proxy:
    """A separate small mesh (eyeball, teeth, tongue) that follows the head: ``p = (w * head[bind]).sum() + offset``.

    ``faces`` (F,3) are CCW seen from outside; ``uvs`` (T,2) have v up; ``texture`` names the image they belong to.
    """

    name: str
    faces: Int[np.ndarray, "f 3"]
    uvs: Float[np.ndarray, "t 2"]
    face_uvs: Int[np.ndarray, "f 3"]
    bind_vertices: Int[np.ndarray, "p 3"]
    bind_weights: Float[np.ndarray, "p 3"]
    offsets: Float[np.ndarray, "p 3"]  # mm, head frame
    texture: str

    def vertices(self, head: Float[np.ndarray, "*n v 3"]) -> Float[np.ndarray, "*n p 3"]:
        """Proxy vertices for head vertices in millimetres (head frame, before any pose)."""
        return (head[..., self.bind_vertices, :] * self.bind_weights[..., None]).sum(-2) + self.offsets


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Mean, modes, topology, atlas, regions and landmarks of one head model (head frame, millimetres).

    ``faces`` form a closed, consistently oriented 2-manifold, CCW seen from outside, so inside and outside are defined
    for the signed distance. ``uvs`` have v up; the rows of a texture run from v = 1 down. ``contour`` lists, for each
    jaw landmark 0..16, the vertices it may slide over when the head turns, padded with -1.
    """

    name: str
    mean: Float[np.ndarray, "v 3"]
    id_basis: Float[np.ndarray, "k v 3"]  # scaled so that coefficients are N(0, 1)
    exp_basis: Float[np.ndarray, "e v 3"]  # coefficients in [0, 1]
    exp_names: tuple[str, ...]
    faces: Int[np.ndarray, "f 3"]
    uvs: Float[np.ndarray, "t 2"]
    face_uvs: Int[np.ndarray, "f 3"]
    vertex_region: UInt8[np.ndarray, " v"]
    face_region: UInt8[np.ndarray, " f"]
    landmark_vertices: Int[np.ndarray, "68 3"]
    landmark_bary: Float[np.ndarray, "68 3"]
    contour: Int[np.ndarray, "17 l"]
    proxies: tuple[Proxy, ...] = ()
    source_uvs: Float[np.ndarray, "s 2"] | None = None  # atlas of the skins the model was made for, v up
    face_source_uvs: Int[np.ndarray, "f 3"] | None = None
    provenance: dict[str, object] = field(default_factory=dict)
    # Openings, of "eyes" and "mouth", that pairs show with the head's own proxies and not with the completion network.
    rendered: tuple[str, ...] = ()

    def vertices(
        self, identity: Float[np.ndarray, "*n k"], expression: Float[np.ndarray, "*n e"]
    ) -> Float[np.ndarray, "*n v 3"]:
        """Vertices in millimetres for coefficients; fewer coefficients than modes mean zeros for the rest."""
        identity, expression = np.asarray(identity, np.float32), np.asarray(expression, np.float32)
        for kind, given, known in (
            ("identity", identity.shape[-1], len(self.id_basis)),
            ("expression", expression.shape[-1], len(self.exp_basis)),
        ):
            if given > known:
                msg = (
                    f"head '{self.name}' has {known} {kind} modes but got {given} coefficients; "
                    f"pass the first {known} of them."
                )
                raise ValueError(msg)
        size = self.mean.size
        flat = identity @ self.id_basis[: identity.shape[-1]].reshape(-1, size)
        flat = flat + expression @ self.exp_basis[: expression.shape[-1]].reshape(-1, size)
        return flat.reshape(*flat.shape[:-1], -1, 3) + self.mean

    def landmarks(self, vertices: Float[np.ndarray, "*n v 3"]) -> Float[np.ndarray, "*n 68 3"]:
        """The 68 iBUG points of given vertices, in the frame of the vertices."""
        return (vertices[..., self.landmark_vertices, :] * self.landmark_bary[..., None]).sum(-2)

    @staticmethod
    def load(path: Path | str) -> LinearHead:
        """Read a head file and subdivide it. About a second; keep the result.

        Raises:
            ValueError: the file is not a head file of a version this code reads.
        """
        with np.load(Path(path), allow_pickle=False) as archive:
            data = {key: archive[key] for key in archive.files}
        if "head_format" not in data or int(data["head_format"]) != 1:
            msg = (
                f"{path} is not a head file of format 1 (keys: {', '.join(sorted(data)[:6])} …); "
                f"build it again with `facepairs assets build`."
            )
            raise ValueError(msg)
        return _refine(data)


def _refine(data: dict[str, np.ndarray]) -> LinearHead:
    """Head from the arrays of a head file: control mesh and modes are subdivided, labels are stored fine."""
    header = json.loads(str(data["header"]))
    fine = CatmullClark.of(data["polygons"])
    atlas = CatmullClark.of(data["polygon_uvs"], smooth=False)
    source = CatmullClark.of(data["polygon_source_uvs"], smooth=False)
    split = fine.triangles(data["diagonal"])
    proxies = tuple(
        Proxy(name, texture=texture, **{k: data[f"proxy_{name}_{k}"] for k in PROXY_ARRAYS})
        for name, texture in header["proxies"]
    )
    return LinearHead(
        name=header["name"],
        mean=fine.refine(data["mean"]),
        id_basis=fine.refine(data["id_basis"].astype(np.float32)),
        exp_basis=fine.refine(data["exp_basis"].astype(np.float32)),
        exp_names=tuple(header["expressions"]),
        faces=fine.quads.ravel()[split],
        uvs=data["uvs"],
        face_uvs=atlas.quads.ravel()[split],
        vertex_region=data["vertex_region"],
        face_region=data["face_region"],
        landmark_vertices=data["landmark_vertices"],
        landmark_bary=data["landmark_bary"],
        contour=data["contour"],
        proxies=proxies,
        source_uvs=source.refine(data["source_uvs"]),
        face_source_uvs=source.quads.ravel()[split],
        provenance=header["provenance"],
        # Teeth agree better with the shape than what a network paints; eyeballs look worse (ADR 14).
        rendered=tuple(
            header.get("rendered", ["mouth"] if any(p.texture == "teeth" for p in proxies) else [])
        ),
    )


PROXY_ARRAYS = ("faces", "uvs", "face_uvs", "bind_vertices", "bind_weights", "offsets")
