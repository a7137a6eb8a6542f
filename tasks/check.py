"""Stage ``check``: measures a finished pair and accepts it, or rejects it with a reason and the two numbers.

Image and shape are held against each other by landmarks that are found again in the image. Landmark networks look for
frontal faces: from 45 degrees of yaw they lose the face (15 % of pairs at 45-60, most beyond 75). There the outline
is measured instead: where the profile of the shape stands before what is behind it, the face of the photo must end. The
new face itself is where the shape is, by construction; what can contradict it is the old one, seen beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import cv2
import numpy as np

from assets.registry import asset_path
from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.geometry.normals import vertex_normals
from models.heads.bilinear import BilinearHead
from models.heads.fit import EYE_CORNERS
from models.heads.linear import LinearHead
from models.heads.rows import JAW
from models.networks.classes import FACE, Parsing, among
from models.networks.face_landmarker import FaceFinder, FaceLandmarker
from storage.schema import NO_DEPTH
from tasks.contract import Batch, Field, Gives, Reason, Reject

Array = np.ndarray[Any, np.dtype[Any]]

BARE = (Parsing.SKIN, Parsing.NOSE, Parsing.NECK, Parsing.L_EAR, Parsing.R_EAR)  # skin beside the face mask
WINDOW, MARGIN = (
    0.035,
    0.008,
)  # of the image side: what a step is measured over, and what the blend's soft edge is
PROFILE = 45.0  # degrees of yaw from which the outline is measured
FACING = 0.15  # cosine between a landmark's normal and the view above which the landmark is seen
SHORT = 20 / 256  # of the image side: an outline of fewer pixels says nothing

QUALITY = (
    "fit_rms",  # landmark residual of the source's fit, inter-ocular distances
    "face_share",  # swapped pixels / parsed face of the photo
    "render_share",  # swapped pixels / rendered face
    "seam",  # gradient across the blend's border / the same ring in the photo
    "skin_step",  # colour step from the new skin to the photo's across the border, beyond the photo's own, Lab units
    "gap",  # image against shape, rms in inter-ocular distances: landmarks found again, or the outline of a profile
    "warp_max",  # largest move of the background, pixels of a 256² image
)


@dataclass(frozen=True)
class Limits:
    """What a pair must meet to be accepted."""

    face_share: float = 0.45
    render_share: float = 0.45
    seam: float = 2.5
    skin_step: float = 9.0
    gap: float = 0.09
    outline: float = 0.06  # the gap of a profile, 2 to 3 pixels of a 256² image
    warp_max: float = 28.0


@dataclass(frozen=True)
class Check:
    """Measure every pair: masks against each other, the seam against the photo, the image against the shape.

    Args:
        head: the head model of the shard.
        limits: acceptance limits.
        finder: landmark backend that looks at the finished image; None is the one that ships.
    """

    head: LinearHead | BilinearHead
    limits: Limits = field(default_factory=Limits)
    finder: FaceFinder | None = None

    name: ClassVar[str] = "check"
    version: ClassVar[int] = 4
    needs: ClassVar[tuple[Field, ...]] = (
        Field("photo", "uint8", ("R", "R", 3), "rgb"),
        Field("parsing", "uint8", ("R", "R"), "celebamask"),
        Field("fit_rms", "float32", (), "iod"),
        Field("vertices", "float32", ("V", 3), "cube"),
        Field("rotation", "float32", (3, 3), "cube"),
        Field("depth", "float32", ("R", "R"), "cube"),
        Field("render_mask", "bool", ("R", "R"), "pixel"),
        Field("face_mask", "bool", ("R", "R"), "pixel"),
        Field("warped", "uint8", ("R", "R", 3), "rgb"),
        Field("warped_parsing", "uint8", ("R", "R"), "celebamask"),
        Field("warp_max", "float32", (), "pixel"),
        Field("image", "uint8", ("R", "R", 3), "rgb"),
    )
    gives: ClassVar[tuple[Field, ...]] = (Field("quality", "float32", (len(QUALITY),), "quality"),)

    def check(self, batch: Batch) -> Gives:
        """Quality numbers of each row in the order of :data:`QUALITY`, and the rejects they lead to."""
        quality = np.zeros((len(batch), len(QUALITY)), np.float32)
        rejects: dict[int, Reject] = {}
        for i in range(len(batch)):
            numbers = self._measure(batch, i)
            quality[i] = [numbers[name] for name in QUALITY]
            reject = self._judge(numbers, self._is_profile(batch, i))
            if reject is not None:
                rejects[i] = reject
        return Gives({"quality": quality}, rejects)

    __call__ = check

    @cached_property
    def _landmarker(self) -> FaceFinder:
        return self.finder or FaceLandmarker(asset_path("face_landmarker"), smallest=32.0)

    def _measure(self, batch: Batch, i: int) -> Mapping[str, float]:
        mask, image, photo = batch["face_mask"][i], batch["image"][i], batch["photo"][i]
        swapped = max(1, int(mask.sum()))
        return {
            "fit_rms": float(batch["fit_rms"][i]),
            "face_share": swapped / max(1, int(among(batch["parsing"][i], FACE).sum())),
            "render_share": swapped / max(1, int(batch["render_mask"][i].sum())),
            "seam": seam_ratio(image, photo, mask),
            "skin_step": skin_step(image, batch["warped"][i], mask, among(batch["warped_parsing"][i], BARE)),
            "gap": self._outline(batch, i) if self._is_profile(batch, i) else self._gap(batch, i),
            "warp_max": float(batch["warp_max"][i]) * 256 / len(image),
        }

    def _is_profile(self, batch: Batch, i: int) -> bool:
        return abs(ScaledOrtho(1.0, batch["rotation"][i], np.zeros(2)).angles[0]) >= PROFILE

    def _gap(self, batch: Batch, i: int) -> float:
        """Rms distance of the inner landmarks that the shape shows, found again in the image, from the shape's own; inf
        when no face is found.
        """
        image, vertices = batch["image"][i], batch["vertices"][i]
        truth = cube_to_pixel(self._landmarks(vertices), len(image))  # (68, 2) pixels
        normals = self._landmarks(vertex_normals(vertices, self.head.faces))
        seen = (normals[:, 2] > FACING) & (np.arange(len(truth)) >= JAW)
        span = self._span(batch, i)
        best = np.inf
        for face in self._landmarker.find(image):
            off = face.points[seen] - truth[seen]
            best = min(best, float(np.sqrt((off**2).sum(axis=1).mean())) / span)
        return best

    def _outline(self, batch: Batch, i: int) -> float:
        """Rms width of the old face that is seen beyond the new profile; inf when too little of a profile is seen."""
        mask = batch["face_mask"][i]
        behind = (batch["depth"][i] == NO_DEPTH).astype(np.uint8)
        profile = mask & (cv2.dilate(behind, np.ones((3, 3), np.uint8)) > 0)
        if profile.sum() < SHORT * len(mask):
            return np.inf
        face = mask | among(batch["warped_parsing"][i], FACE)
        # A pixel on the profile is one pixel away from what is no face.
        beyond = cv2.distanceTransform(face.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)[profile] - 1
        return float(np.sqrt((np.maximum(beyond, 0) ** 2).mean())) / self._span(batch, i)

    def _span(self, batch: Batch, i: int) -> float:
        """Inter-ocular distance of the shape in pixels, not shortened by its turn."""
        marks = self._landmarks(batch["vertices"][i])
        left, right = (marks[list(corners)].mean(axis=0) for corners in EYE_CORNERS)
        return float(np.linalg.norm(right - left)) * len(batch["image"][i]) / 2

    def _landmarks(self, values: Array) -> Array:
        """Values (V, 3) at the 68 landmarks."""
        points: Array = (values[self.head.landmark_vertices] * self.head.landmark_bary[..., None]).sum(axis=1)
        return points

    def _judge(self, numbers: Mapping[str, float], profile: bool) -> Reject | None:
        """The first limit that a pair misses."""
        limits = self.limits
        for name, reason, what in (
            ("face_share", Reason.OCCLUDED, "of the photo's face can be swapped"),
            ("render_share", Reason.MASKS_DISAGREE, "of the rendered face lies on the photo's face"),
        ):
            if numbers[name] < getattr(limits, name):
                return Reject(
                    reason, f"{numbers[name]:.2f} {what}, at least {getattr(limits, name)} is needed"
                )
        gap, marks = (limits.outline, "outlines") if profile else (limits.gap, "landmarks")
        for name, most, reason, what in (
            ("warp_max", limits.warp_max, Reason.WARP_FOLDS, "pixels is the largest move of the background"),
            ("seam", limits.seam, Reason.SEAM, "times the photo's gradient stands along the blend's border"),
            (
                "skin_step",
                limits.skin_step,
                Reason.SEAM,
                "Lab units is the step of skin colour across the blend's border",
            ),
            ("gap", gap, Reason.GAP, f"inter-ocular distances lie between the {marks} of image and shape"),
        ):
            if not numbers[name] <= most:
                return Reject(reason, f"{numbers[name]:.3f} {what}, at most {most} is accepted")
        return None


def seam_ratio(image: Array, photo: Array, mask: Array) -> float:
    """Mean gradient magnitude across the mask's border, over that of the photo in the same pixels.

    Args:
        image: blended picture, uint8 (R, R, 3).
        photo: the photo, uint8 (R, R, 3).
        mask: blended pixels, bool (R, R).

    Returns:
        The ratio; 1 where there is no border.
    """
    solid = mask.astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    ring = (cv2.dilate(solid, kernel) != cv2.erode(solid, kernel)).astype(bool)
    if not ring.any():
        return 1.0
    return float((_gradient(image)[ring].mean() + 1) / (_gradient(photo)[ring].mean() + 1))


def skin_step(image: Array, photo: Array, mask: Array, skin: Array) -> float:
    """Mean difference of skin colour between both sides of the mask's border, beyond that in the photo, in Lab units.

    A neck is darker than a jaw in the photo too; only what the new face adds counts.

    Args:
        image: blended picture, uint8 (R, R, 3).
        photo: the warped photo, equal to the picture outside the mask, uint8 (R, R, 3).
        mask: blended pixels, bool (R, R).
        skin: bare skin in the photo, bool (R, R).

    Returns:
        The step; 0 where no skin meets the border.
    """
    side = len(mask)
    margin, window = max(1, round(MARGIN * side)), 2 * round(WINDOW * side) + 1
    solid = mask.astype(np.uint8)
    border = (cv2.dilate(solid, np.ones((3, 3), np.uint8)) > 0) & ~mask & skin
    if not border.any():
        return 0.0
    rows, cols = np.nonzero(border)
    box = np.s_[
        max(rows.min() - window, 0) : rows.max() + window, max(cols.min() - window, 0) : cols.max() + window
    ]
    thick = np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)
    inner = (cv2.erode(solid, thick) > 0)[box]
    outer = (skin & ~mask)[box]
    at = border[box]
    around = {
        name: cv2.blur(part.astype(np.float32), (window, window))[at]
        for name, part in (("in", inner), ("out", outer))
    }
    enough = (around["in"] > 0.1) & (around["out"] > 0.02)
    if not enough.any():
        return 0.0
    steps = []
    for picture in (image, photo):
        lab = cv2.cvtColor(picture[box].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        means = [
            cv2.blur(lab * part[..., None], (window, window))[at][enough] / around[name][enough, None]
            for name, part in (("in", inner), ("out", outer))
        ]
        steps.append(np.linalg.norm(means[0] - means[1], axis=1))
    return float(np.maximum(steps[0] - steps[1], 0).mean())


def _gradient(image: Array) -> Array:
    """Gradient magnitude of the grey picture, grey levels a pixel."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.hypot(
        cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125)
    )
