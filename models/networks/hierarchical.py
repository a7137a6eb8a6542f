"""The hierarchical signed distance function at work: one image in, one mesh out (paper, figure 4, equations 2, 3)."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from safetensors.torch import load, save
from torch import Tensor, nn

from models.geometry.integrate import integrate_front
from models.geometry.surface import SKIRT, box_mean, carve, clean, level_set
from models.networks.bisenet import WeightsError
from models.networks.fitted_head import CHANNELS, Fit, told
from models.networks.guided import GuidedField
from models.networks.implicit import ImplicitField
from models.networks.narrow_band import Query, evaluate_band
from models.networks.normal_maps import NORMAL_SIZES, NormalNet
from models.networks.sdf_input import face_mask, seen_by
from models.networks.sdf_nets import LABEL_SCALE, RESIDUAL_SCALE, SIZES, SdfSize, base_field, fine_field

GRID = 256


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A surface in the cube of its image."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]  # CCW seen from outside
    asked: int  # points that the networks were asked for


def face_columns(
    semantic: UInt8[np.ndarray, "R R"], grid: int
) -> tuple[Bool[np.ndarray, "R R"], Bool[np.ndarray, "grid grid"]]:
    """The face of an image, and the (x, y) columns of a grid that may hold its surface.

    Raises:
        ValueError: the mask shows no face.
    """
    face = face_mask(semantic)
    if not face.any():
        msg = "the parsing shows no face in this image; pass a crop whose face fills half of it or more."
        raise ValueError(msg)
    margin = SKIRT + 2  # what the 5³ mean of the skirt looks at
    columns = nearest(face, grid).astype(np.uint8)
    columns = cv2.dilate(columns, np.ones((2 * margin + 1,) * 2, np.uint8)).astype(bool)[::-1].T
    return face, columns


def nearest(mask: Bool[np.ndarray, "R R"], side: int) -> Bool[np.ndarray, "S S"]:
    """A mask at another side."""
    resized = cv2.resize(mask.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST)
    return resized.astype(bool)


@dataclass(frozen=True, eq=False)
class HierarchicalSdf:
    """f_base, and f_fine and f_norm where they were trained.

    With a network that corrects fitted heads, and something that fits them, distances come from it where landmarks
    are found. Other images are answered by the network that draws a depth map first, or by f_base.
    """

    base: ImplicitField
    fine: ImplicitField | None
    size: SdfSize
    norm: NormalNet | None = None
    guided: GuidedField | None = None
    residual: GuidedField | None = None
    fit: Fit | None = None
    integrated: bool = False  # f_norm's front map is integrated instead of carved with (equation 3)

    @property
    def image(self) -> int:
        """Side of the crops that lose nothing."""
        sides = [self.size.image] + [self.size.fine_image] * (self.fine is not None)
        return max([*sides, *([self.norm.side] if self.norm is not None else [])])

    def reconstruct(
        self, image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"], grid: int = GRID
    ) -> Reconstruction:
        """The face of one image: distances near the surface, their 5³ mean plus f_fine, carved by f_norm.

        Args:
            image: square crop, sRGB.
            semantic: its CelebAMask classes.
            grid: voxels along a side.

        Raises:
            ValueError: the mask shows no face, or the field has no surface in it.
        """
        face, columns = face_columns(semantic, grid)
        with torch.inference_mode():
            band = evaluate_band(self._distance(image, semantic), columns)
            field, asked = box_mean(band.field), band.asked
            if self.fine is not None:
                more = self.fine.encode(seen_by(image, semantic, self.size.fine_image))[-1]
                near = np.nonzero((np.abs(field) < 3 * 2 / grid) & columns[:, :, None])
                centres = (2 * np.arange(grid, dtype=np.float32) + 1) / grid - 1
                points = np.stack([centres[k] for k in near], 1)
                field[near] += _query(self.fine, more, points, RESIDUAL_SCALE)
                asked += len(points)
        if self.norm is not None:
            front, back = self.norm.maps(image, semantic)
            trusted = nearest(face, len(front))
            field = (
                integrate_front(field, front, trusted)
                if self.integrated
                else carve(field, front, back, trusted)
            )
        vertices, faces = level_set(clean(field, face))
        return Reconstruction(vertices, faces, asked)

    def _distance(self, image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"]) -> Query:
        """Signed distance of one image, before the 5³ mean."""
        seen = seen_by(image, semantic, self.size.image)
        net = self.base if self.guided is None else self.guided
        head = self.fit(image) if self.residual is not None and self.fit is not None else None
        if self.residual is not None and head is not None:
            net = self.residual
            seen = torch.cat([seen, torch.from_numpy(told(head.maps(self.size.image)))[None]], dim=1)
        maps = net.encode(seen)[-1]
        return lambda points: _query(net, maps, points, LABEL_SCALE)

    def without(self, *levels: str) -> HierarchicalSdf:
        """The same networks without "fine", "norm", "guided" or "residual": the rows of table 4."""
        return replace(self, **dict.fromkeys(levels))

    @classmethod
    def from_bytes(cls, weights: bytes, config: Mapping[str, Any], fit: Fit | None = None) -> HierarchicalSdf:
        """The networks of a kept model (``storage.registry``); ``fit`` is what the one of fitted heads needs.

        Raises:
            ValueError: the weights hold no f_base.
        """
        return cls.of_tensors(load(weights), config["preset"], fit)

    @classmethod
    def of_tensors(
        cls, tensors: Mapping[str, Tensor], preset: str, fit: Fit | None = None
    ) -> HierarchicalSdf:
        """The same from the tensors of the file.

        Raises:
            ValueError: they hold no f_base.
        """
        size = SIZES[preset]
        base = restored("base", tensors, lambda: base_field(size))
        if base is None:
            msg = "the weights hold no f_base; train it with `facepairs train`."
            raise WeightsError(msg)
        fine = restored("fine", tensors, lambda: fine_field(size))
        norm = restored("norm", tensors, lambda: NormalNet(NORMAL_SIZES[preset]))
        guided = restored("guided", tensors, lambda: GuidedField(size))
        residual = restored("residual", tensors, lambda: GuidedField(size, told=CHANNELS))
        return cls(base, fine, size, norm, guided, residual, fit)


Net = TypeVar("Net", bound=nn.Module)


def restored(level: str, tensors: Mapping[str, Tensor], make: Callable[[], Net]) -> Net | None:
    """The network of a level with its kept weights, in float32; None where there are none."""
    prefix = f"{level}."
    state = {k.removeprefix(prefix): v.float() for k, v in tensors.items() if k.startswith(prefix)}
    if not state:
        return None
    net = make()
    net.load_state_dict(state)
    return net.eval()


def to_bytes(levels: Mapping[str, Mapping[str, Tensor]]) -> bytes:
    """The safetensors file of trained levels, by their names, in float32: a field is sensitive to rounding."""
    return save({f"{level}.{k}": v.contiguous() for level, state in levels.items() for k, v in state.items()})


def _query(
    net: ImplicitField | GuidedField, maps: Any, points: Float[np.ndarray, "m 3"], scale: float
) -> Float[np.ndarray, " m"]:
    """Values in cube units."""
    return net.query(maps, torch.from_numpy(points)[None])[0].numpy() / scale


def obj_bytes(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> bytes:
    """A Wavefront OBJ file."""
    text = io.StringIO()
    np.savetxt(text, vertices, "v %.5f %.5f %.5f")
    np.savetxt(text, faces + 1, "f %d %d %d")
    return text.getvalue().encode()
