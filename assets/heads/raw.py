"""What a reader of a published head model hands over: one form for linear and bilinear models, nothing labelled yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from assets.registry import AssetError

PUPILS_MM = (
    62.85  # mean distance of adult pupils, the convention of models that come without a unit (facts §2.6)
)
EYES = (slice(36, 42), slice(42, 48))  # iBUG-68: around the eye at image left, at image right


@dataclass(frozen=True, eq=False)
class RawPart:
    """Eyeballs, teeth or tongue that the model brings: what they do in every mode, in the model's unit."""

    name: str  # eye_l, eye_r, teeth_upper …: names of the bundled head's proxies
    texture: str  # pool part that it wears: eye, teeth or tongue
    mean: Float[np.ndarray, "p 3"]
    id_basis: Float[np.ndarray, "k p 3"]
    exp_basis: Float[np.ndarray, "e p 3"]
    faces: Int[np.ndarray, "f 3"]
    uvs: Float[np.ndarray, "t 2"]
    face_uvs: Int[np.ndarray, "f 3"]


@dataclass(frozen=True, eq=False)
class RawHead:
    """A head model as published, its skin only: y up, z to the viewer, faces CCW seen from outside.

    ``landmarks`` are iBUG-68 as vertex triples with weights. ``unit_mm`` is the size of the model's unit, None where
    nobody says (then pupils are put 62.85 mm apart). A bilinear model also has ``core``: (E+1, V, 3, K), slot 0 the
    neutral face, the others residuals to it; its mean and bases describe the mean identity.
    """

    name: str
    mean: Float[np.ndarray, "v 3"]
    id_basis: Float[np.ndarray, "k v 3"]  # scaled to unit variance
    exp_basis: Float[np.ndarray, "e v 3"]  # displacements at coefficient 1
    exp_names: tuple[str, ...]
    faces: Int[np.ndarray, "f 3"]
    landmark_vertices: Int[np.ndarray, "68 3"]
    landmark_bary: Float[np.ndarray, "68 3"]
    uvs: Float[np.ndarray, "t 2"] | None = None  # the atlas of the model's own textures, v up
    face_uvs: Int[np.ndarray, "f 3"] | None = None
    unit_mm: float | None = None
    mouth_bag: Int[np.ndarray, " b"] | None = None  # vertices inside the mouth, where the model has one
    contour: Int[np.ndarray, "17 l"] | None = (
        None  # vertices that each jaw landmark slides over, padded with -1
    )
    parts: tuple[RawPart, ...] = ()
    core: Float[np.ndarray, "e1 v 3 k"] | None = None
    identity_mean: Float[np.ndarray, " k"] | None = None
    identity_std: Float[np.ndarray, " k"] | None = None
    provenance: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.mean)
        for what, array, shape in (
            ("mean", self.mean, (count, 3)),
            ("id_basis", self.id_basis, (len(self.id_basis), count, 3)),
            ("exp_basis", self.exp_basis, (len(self.exp_names), count, 3)),
            ("landmark_vertices", self.landmark_vertices, (68, 3)),
            ("landmark_bary", self.landmark_bary, (68, 3)),
            ("faces", self.faces, (len(self.faces), 3)),
        ):
            if array.shape != shape:
                msg = f"head '{self.name}': {what} of shape {shape} expected, got {array.shape}; check the file."
                raise AssetError(msg)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                msg = f"head '{self.name}': {what} has NaN or infinity; the file is damaged: copy it again."
                raise AssetError(msg)
        for what, index in (("faces", self.faces), ("landmarks", self.landmark_vertices)):
            if index.min() < 0 or index.max() >= count:
                msg = (
                    f"head '{self.name}': {what} name vertices {int(index.min())}..{int(index.max())}, the mean has 0.."
                    f"{count - 1}; indices count from 0 here."
                )
                raise AssetError(msg)
        self._check_frame()

    def marks(self) -> Float[np.ndarray, "68 3"]:
        """The 68 landmarks of the mean, in the model's unit."""
        return (self.mean[self.landmark_vertices] * self.landmark_bary[..., None]).sum(1)

    @property
    def scale(self) -> float:
        """Millimetres in one unit of the model."""
        if self.unit_mm is not None:
            return self.unit_mm
        right, left = (self.marks()[at].mean(0) for at in EYES)
        return PUPILS_MM / float(np.linalg.norm(left - right))

    def _check_frame(self) -> None:
        """Most mistakes with a foreign model are a wrong axis, a wrong unit or a wrong order of landmarks.

        Raises:
            AssetError: the landmarks do not look like a face that looks at the viewer.
        """
        marks = self.marks()
        size = float(np.linalg.norm(marks[45] - marks[36]))
        up, side, out = marks[27] - marks[8], marks[45] - marks[36], marks[30] - marks[[0, 16]].mean(0)
        for axis, move, name in (
            (1, up, "chin to nose root"),
            (0, side, "eye to eye"),
            (2, out, "ears to nose tip"),
        ):
            if move[axis] < 0.7 * np.linalg.norm(move):
                msg = (
                    f"head '{self.name}': from {name} is {np.round(move / max(size, 1e-12), 2).tolist()} eye widths; "
                    f"expected x to the subject's left, y up, z to the viewer, and landmarks in iBUG-68 order from 0."
                )
                raise AssetError(msg)
        if self.unit_mm is not None and not 60 < size * self.unit_mm < 130:
            msg = (
                f"head '{self.name}': outer eye corners are {size * self.unit_mm:.1f} mm apart, 60 to 130 expected; "
                f"say the unit of the model in millimetres."
            )
            raise AssetError(msg)
