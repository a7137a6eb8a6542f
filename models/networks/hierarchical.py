"""The hierarchical signed distance function at work: one image in, one mesh out (paper, figure 4, equation 2)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load, save
from torch import Tensor

from models.geometry.surface import SKIRT, box_mean, clean, level_set
from models.networks.implicit import ImplicitField
from models.networks.narrow_band import evaluate_band
from models.networks.sdf_input import face_mask, sdf_input
from models.networks.sdf_nets import LABEL_SCALE, RESIDUAL_SCALE, SIZES, SdfSize, base_field, fine_field

GRID = 256


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A surface in the cube of its image."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]  # CCW seen from outside
    asked: int  # points that the networks were asked for


@dataclass(frozen=True, eq=False)
class HierarchicalSdf:
    """f_base, and f_fine where it was trained."""

    base: ImplicitField
    fine: ImplicitField | None
    size: SdfSize

    @property
    def image(self) -> int:
        """Side of the crops that lose nothing."""
        return max(self.size.image, self.size.fine_image)

    def reconstruct(
        self, image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"], grid: int = GRID
    ) -> Reconstruction:
        """The face of one image: distances near the surface, their 5³ mean plus f_fine, and the zero level set.

        Args:
            image: square crop, sRGB.
            semantic: its CelebAMask classes.
            grid: voxels along a side.

        Raises:
            ValueError: the mask shows no face, or the field has no surface in it.
        """
        face = face_mask(semantic)
        if not face.any():
            msg = "the parsing shows no face in this image; pass a crop whose face fills half of it or more."
            raise ValueError(msg)
        columns = cv2.resize(face.astype(np.uint8), (grid, grid), interpolation=cv2.INTER_NEAREST)
        margin = SKIRT + 2  # what the 5³ mean of the skirt looks at
        columns = cv2.dilate(columns, np.ones((2 * margin + 1,) * 2, np.uint8)).astype(bool)[::-1].T
        with torch.inference_mode():
            maps = self.base.encode(self._input(image, semantic, self.size.image))[-1]
            band = evaluate_band(lambda p: _query(self.base, maps, p, LABEL_SCALE), columns)
            field, asked = box_mean(band.field), band.asked
            if self.fine is not None:
                more = self.fine.encode(self._input(image, semantic, self.size.fine_image))[-1]
                near = np.nonzero((np.abs(field) < 3 * 2 / grid) & columns[:, :, None])
                centres = (2 * np.arange(grid, dtype=np.float32) + 1) / grid - 1
                points = np.stack([centres[k] for k in near], 1)
                field[near] += _query(self.fine, more, points, RESIDUAL_SCALE)
                asked += len(points)
        vertices, faces = level_set(clean(field, face))
        return Reconstruction(vertices, faces, asked)

    @staticmethod
    def _input(image: np.ndarray, semantic: np.ndarray, side: int) -> Tensor:
        if len(image) != side:
            image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
            semantic = cv2.resize(semantic, (side, side), interpolation=cv2.INTER_NEAREST)
        return sdf_input(torch.from_numpy(image)[None], torch.from_numpy(semantic)[None])

    @classmethod
    def from_bytes(cls, weights: bytes, config: Mapping[str, Any]) -> HierarchicalSdf:
        """The networks of a kept model (``storage.registry``)."""
        size = SIZES[config["preset"]]
        tensors = {k: v.float() for k, v in load(weights).items()}
        nets = []
        for level, make in (("base", base_field), ("fine", fine_field)):
            state = {k.removeprefix(f"{level}."): v for k, v in tensors.items() if k.startswith(f"{level}.")}
            net = make(size) if state else None
            if net is not None:
                net.load_state_dict(state)
                net.eval()
            nets.append(net)
        if nets[0] is None:
            msg = "the weights hold no f_base; train it with `facepairs train`."
            raise ValueError(msg)
        return cls(nets[0], nets[1], size)


def to_bytes(levels: Mapping[str, Mapping[str, Tensor]]) -> bytes:
    """The safetensors file of trained levels, by their names, in float32: a field is sensitive to rounding."""
    return save({f"{level}.{k}": v.contiguous() for level, state in levels.items() for k, v in state.items()})


def _query(
    net: ImplicitField, maps: Tensor, points: Float[np.ndarray, "m 3"], scale: float
) -> Float[np.ndarray, " m"]:
    """Values in cube units."""
    return net.query(maps, torch.from_numpy(points)[None])[0].numpy() / scale


def obj_bytes(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> bytes:
    """A Wavefront OBJ file."""
    text = io.StringIO()
    np.savetxt(text, vertices, "v %.5f %.5f %.5f")
    np.savetxt(text, faces + 1, "f %d %d %d")
    return text.getvalue().encode()
