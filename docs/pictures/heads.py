"""Draw ``heads.jpg``: textures on the bundled head and on an imported one, ``python docs/pictures/heads.py ict``."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from assets.registry import default_head, head_model, texture_pool
from assets.transfer import HeadTextures
from models.geometry.camera import ScaledOrtho
from models.geometry.face import shade_face
from models.geometry.light import ambient
from models.heads.linear import LinearHead

TEXTURES, YAWS, SIDE, SPAN = ("photo_obama", "mh_young_african_female", "scan_james"), (0, 45), 360, 230


def main(name: str) -> None:
    """Write the picture next to this file."""
    bundled, other = default_head(), head_model(name)
    worn = HeadTextures(other, texture_pool(), head_model)
    rows = []
    for texture in TEXTURES:
        own, there = texture_pool().image(texture), worn.image(texture)
        tiles = [drawn(head, image, yaw) for yaw in YAWS for head, image in ((bundled, own), (other, there))]
        rows.append(np.hstack([*tiles, cv2.resize(there, (SIDE, SIDE), interpolation=cv2.INTER_AREA)]))
    picture = np.vstack(rows)
    file = str(Path(__file__).with_name("heads.jpg"))
    cv2.imwrite(file, picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 86])


def drawn(head: LinearHead, texture: np.ndarray, yaw: float) -> np.ndarray:
    """The mean face under an even light."""
    a = np.radians(yaw)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    pose = ScaledOrtho(2 / SPAN, turn, -2 / SPAN * (turn @ [0, -15, 0])[:2])
    posed = pose.to_cube(head.mean.astype(np.float64)).astype(np.float32)
    return shade_face(head, posed, texture, ambient(np.ones(3)), SIDE).render


if __name__ == "__main__":
    main(sys.argv[1])
