"""Whether image and normal map show the same small shapes in the same pixels.

A groove's normals lean towards each other across it, so the divergence of the image-plane normals is negative there,
and a groove is dark: it keeps light out, and dirt and blood in. Where image and label agree, dark detail of the image
therefore lies where the divergence is low. A smooth label knows nothing of the image's wrinkles and correlates with
them by chance only.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16

from models.geometry.light import LUMINANCE, decode_srgb
from models.geometry.maps import decode_normals

DETAIL = 0.016  # of the image's side: Gaussian below whose size structure counts as detail, 4 pixels at 256²


def image_detail(image: UInt8[np.ndarray, "R R 3"]) -> Float[np.ndarray, "R R"]:
    """Small structure of the log luminance; negative where darker than around."""
    return _detail(np.log(decode_srgb(image) @ LUMINANCE + np.float32(0.01)))


def shape_detail(encoded: UInt16[np.ndarray, "R R 3"]) -> Float[np.ndarray, "R R"]:
    """Small structure of the divergence of a stored normal map; negative in grooves."""
    normals = decode_normals(encoded)
    across, down = (cv2.Sobel(normals[..., k], cv2.CV_32F, 1 - k, k, scale=0.125) for k in (0, 1))
    return _detail(across - down)  # image rows run against y


def _detail(values: Float[np.ndarray, "R R"]) -> Float[np.ndarray, "R R"]:
    sigma = DETAIL * len(values)
    return cv2.GaussianBlur(values, (0, 0), sigma / 4) - cv2.GaussianBlur(values, (0, 0), sigma)


def agreement(
    image: UInt8[np.ndarray, "R R 3"],
    normals: UInt16[np.ndarray, "R R 3"],
    wanted: Bool[np.ndarray, "R R"],
) -> float:
    """Correlation of image detail with shape detail over the wanted pixels; nan when they are fewer than 30 or flat."""
    one, two = image_detail(image)[wanted], shape_detail(normals)[wanted]
    if len(one) < 30 or one.std() == 0 or two.std() == 0:
        return float("nan")
    return float(np.corrcoef(one, two)[0, 1])
