"""A face that swings from side to side, as an animated WebP."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from flows.surface_pictures import shaded, turned

SIDE = 256
FRAMES = 32
SWING = 65.0  # degrees to either side: what the photograph did not show is a guess
MILLISECONDS = 60


def turntable(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], colours: UInt8[np.ndarray, "V 3"]
) -> bytes:
    """The surface in its colours beside the same surface in grey.

    Args:
        vertices: cube frame.
        faces: triangles.
        colours: sRGB of the vertices.
    """
    low, high = vertices.min(0), vertices.max(0)
    middle = ((low + high) / 2).astype(np.float32)
    fitted = (vertices - middle) / np.float32(1.08 * max(high[:2] - low[:2]) / 2)
    axis = np.float32([0, 0, float(np.quantile(fitted[:, 2], 0.6))])
    frames = []
    for angle in SWING * np.sin(2 * np.pi * np.arange(FRAMES) / FRAMES):
        points = turned(fitted, float(angle), axis)
        tiles = [shaded(points, faces, SIDE, colours)[0], shaded(points, faces, SIDE)[0]]
        frames.append(Image.fromarray(np.hstack(tiles)))
    out = io.BytesIO()
    frames[0].save(
        out,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=MILLISECONDS,
        loop=0,
        quality=80,
        method=4,
    )
    return out.getvalue()
