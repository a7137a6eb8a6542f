"""The plain render: the whole head of a pair over the photo's blurred colours, where picture and shape agree by nature.

What the observers miss here is their own noise, the floor of every gap.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from models.geometry.maps import decode_normals
from models.heads.regions import Region

Array = np.ndarray[Any, np.dtype[Any]]

BLUR = 0.06  # of the picture's side: no edge of the photo is left
NECK_SHADE = 0.65  # the chin's shadow, which a light without cast shadows lacks
SCALP = np.array([58.0, 46.0, 40.0])  # a dark cap of hair, so that the head does not end as a forehead


def plain_render(photo: Array, face: Array, region: Array, normals: Array) -> Array:
    """Compose the picture, uint8 (R, R, 3).

    Args:
        photo: uint8 (R, R, 3); only its colours are used.
        face: the completed render, uint8 (R, R, 3), valid where ``region`` is a face.
        region: :class:`Region` of the visible surface, (R, R).
        normals: front normal map of the head, uint16 (R, R, 3), 0 where none.
    """
    out = cv2.GaussianBlur(photo, (0, 0), BLUR * len(photo)).astype(np.float32)
    skin = np.isin(region, (Region.SKIN, Region.NOSE))
    rest = np.isin(region, (Region.EARS, Region.NECK, Region.SCALP))
    n = decode_normals(normals).astype(np.float64)
    if skin.any():
        # Colours of the face as a linear function of the normal go on over ears and neck.
        design = np.concatenate([np.ones((*region.shape, 1)), n], axis=-1)
        weights = np.linalg.lstsq(design[skin], face[skin].astype(np.float64), rcond=None)[0]
        low, high = np.percentile(face[skin], (2, 98), axis=0)
        going_on = np.clip(design @ weights, low, high)
        going_on[region == Region.NECK] *= NECK_SHADE
        going_on[region == Region.SCALP] = SCALP * (0.6 + 0.4 * n[region == Region.SCALP][:, 2:])
        out[rest] = going_on[rest]
    drawn = (region > 0) & ~rest
    out[drawn] = face[drawn]
    # One pixel of blur across the head's outline, as a lens would give.
    edge = cv2.morphologyEx((region > 0).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    edge |= cv2.morphologyEx(rest.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    soft = cv2.GaussianBlur(out, (0, 0), 0.8)
    return np.asarray(np.where(edge[..., None], soft, out).round().clip(0, 255), np.uint8)
