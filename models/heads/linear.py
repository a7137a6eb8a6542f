"""A linear morphable head: ``vertices = mean + identity @ id_basis + expression @ exp_basis``, in millimetres.

A head file of format 1 (the bundled head) keeps the coarse control mesh only (quads, float16 modes);
:meth:`LinearHead.load` subdivides it once with Catmull–Clark, which is linear in the vertices, so that the modes stay
linear on the fine mesh. A file of format 2 (imported models, as dense as they were published) keeps the triangles.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from models.heads.subdivide import CatmullClark

MOST_BYTES = 2_000_000_000  # of a head file unpacked; the largest imported one takes 0.2 GB


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
    # Where each vertex lies on the bundled head's mean, in its frame: the way between atlases. None for that head.
    reference: Float[np.ndarray, "v 3"] | None = None

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
        """Read the file of a linear head (``models.heads.load`` reads any). About a second; keep the result.

        Raises:
            ValueError: the file is not a head file of a version this code reads.
        """
        return LinearHead(**head_fields(Path(path))[0])


def head_fields(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Fields of the head in a file, ready for use, and the file's arrays as they are.

    Raises:
        ValueError: the file is not a head file of a version this code reads.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
        if size > MOST_BYTES:
            raise EOFError(f"{size} bytes unpacked, at most {MOST_BYTES} are read")
        with np.load(path, allow_pickle=False) as archive:
            data = {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # NumPy raises anything on damaged files
        msg = f"{path} is not a whole head file ({type(error).__name__}: {error}); build or import it again."
        raise ValueError(msg) from None
    version = int(data["head_format"]) if "head_format" in data else 0
    if version not in (1, 2):
        msg = (
            f"{path} is not a head file of format 1 or 2 (keys: {', '.join(sorted(data)[:6])} …); "
            f"build it again with `facepairs assets build` or `facepairs assets import`."
        )
        raise ValueError(msg)
    try:
        fields = _refine(data) if version == 1 else _as_stored(data)
        _check(fields)
    except Exception as error:
        msg = f"{path} does not hold a head ({type(error).__name__}: {error}); build or import it again."
        raise ValueError(msg) from None
    return fields, data


def _check(fields: dict[str, Any]) -> None:
    """What compiled code goes by without looking: every index names something, and every number is finite.

    Raises:
        ValueError: one does not.
    """
    count = len(fields["mean"])
    pairs = [
        ("faces", fields["faces"], count),
        ("face_uvs", fields["face_uvs"], len(fields["uvs"])),
        ("landmark_vertices", fields["landmark_vertices"], count),
        ("contour", np.maximum(fields["contour"], 0), count),
    ]
    if fields["face_source_uvs"] is not None:
        pairs.append(("face_source_uvs", fields["face_source_uvs"], len(fields["source_uvs"])))
    for proxy in fields["proxies"]:
        pairs += [
            (f"{proxy.name}: faces", proxy.faces, len(proxy.offsets)),
            (f"{proxy.name}: face_uvs", proxy.face_uvs, len(proxy.uvs)),
            (f"{proxy.name}: bind_vertices", proxy.bind_vertices, count),
        ]
    for name, index, size in pairs:
        if index.dtype.kind not in "iu" or index.min(initial=0) < 0 or index.max(initial=-1) >= size:
            msg = f"{name} are indices below {size}, got {index.dtype} up to {index.max(initial=-1)}"
            raise ValueError(msg)
    for name in ("mean", "id_basis", "exp_basis", "uvs", "landmark_bary"):
        if fields[name].dtype.kind != "f" or not np.isfinite(fields[name]).all():
            msg = f"{name} has numbers that are not finite"
            raise ValueError(msg)
    if len(fields["vertex_region"]) != count or len(fields["face_region"]) != len(fields["faces"]):
        msg = f"regions of {count} vertices and {len(fields['faces'])} faces expected"
        raise ValueError(msg)


def _refine(data: dict[str, np.ndarray]) -> dict[str, Any]:
    """Fields of a head of format 1: control mesh and modes are subdivided, labels are stored fine."""
    fine = CatmullClark.of(data["polygons"])
    atlas = CatmullClark.of(data["polygon_uvs"], smooth=False)
    source = CatmullClark.of(data["polygon_source_uvs"], smooth=False)
    split = fine.triangles(data["diagonal"])
    return _labels(data) | {
        "mean": fine.refine(data["mean"]),
        "id_basis": fine.refine(data["id_basis"].astype(np.float32)),
        "exp_basis": fine.refine(data["exp_basis"].astype(np.float32)),
        "faces": fine.quads.ravel()[split],
        "face_uvs": atlas.quads.ravel()[split],
        "source_uvs": source.refine(data["source_uvs"]),
        "face_source_uvs": source.quads.ravel()[split],
    }


def _as_stored(data: dict[str, np.ndarray]) -> dict[str, Any]:
    """Fields of a head of format 2: everything is stored as it is used."""
    return _labels(data) | {
        "mean": data["mean"],
        "id_basis": data["id_basis"].astype(np.float32),
        "exp_basis": data["exp_basis"].astype(np.float32),
        "faces": data["faces"],
        "face_uvs": data["face_uvs"],
        "source_uvs": data.get("source_uvs"),
        "face_source_uvs": data.get("face_source_uvs"),
        "reference": data["reference"],
    }


def _labels(data: dict[str, np.ndarray]) -> dict[str, Any]:
    """Fields that both formats store alike."""
    header = json.loads(str(data["header"]))
    proxies = tuple(
        Proxy(name, texture=texture, **{k: data[f"proxy_{name}_{k}"] for k in PROXY_ARRAYS})
        for name, texture in header["proxies"]
    )
    same = ("uvs", "vertex_region", "face_region", "landmark_vertices", "landmark_bary", "contour")
    return {name: data[name] for name in same} | {
        "name": header["name"],
        "exp_names": tuple(header["expressions"]),
        "proxies": proxies,
        "provenance": header["provenance"],
        # Teeth agree better with the shape than what a network paints; eyeballs look worse (ADR 14).
        "rendered": tuple(
            header.get("rendered", ["mouth"] if any(p.texture == "teeth" for p in proxies) else [])
        ),
    }


PROXY_ARRAYS = ("faces", "uvs", "face_uvs", "bind_vertices", "bind_weights", "offsets")
