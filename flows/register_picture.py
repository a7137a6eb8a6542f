"""Before and after a registration, on one sheet: scan, fitted head, its error, registered head, its error."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from flows.register_scan import Done
from flows.surface_pictures import about_y, errors, shaded
from models.heads.linear import LinearHead
from models.heads.register import face_residual
from tasks.scan_view import draw, to_picture

SIDE = 384
WIDE = 130.0  # mm from the middle of a tile to its edge
YAWS = (0.0, -40.0, 40.0)
MOST = 1.0  # mm at which the colours end


def sheet(done: Done, head: LinearHead) -> UInt8[np.ndarray, "h w 3"]:
    """The sheet of one registration, three rows of six tiles."""
    made = done.registered
    near = head.vertices(made.fit.identity, made.fit.expression).astype(np.float64)
    before = face_residual(head, near, done.target)
    rows = []
    for yaw in YAWS:
        turn = about_y(yaw).T / WIDE
        photo = draw(done.scan, to_picture(made.fit.into_head, yaw), SIDE).image
        scan, _ = shaded(done.target.vertices @ turn, done.target.faces, SIDE)
        tiles = [photo, scan]
        for points, error in ((near, before), (made.vertices, made.residual)):
            tiles += [
                shaded(points @ turn, head.faces, SIDE)[0],
                errors(points @ turn, head.faces, error, MOST, SIDE),
            ]
        rows.append(np.hstack(tiles))
    out = np.vstack(rows)
    names = (
        "scan", "its surface", "nearest head of the model",
        f"{np.sqrt(np.nanmean(before**2)):.2f} mm rms (red: {MOST:.0f} mm)", "registered",
        f"{made.rms:.2f} mm rms, 95 % < {made.tail:.2f}",
    )  # fmt: skip
    for k, name in enumerate(names):
        cv2.putText(
            out, name, (k * SIDE + 8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
        )
    return out
