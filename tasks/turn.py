"""Stage ``turn``: the photo with its head turned by the planned yaw, and what is known of it likewise (facts §8.1).

All later stages see a turned photo as if it had been taken so. A row whose turn is 0 keeps its bytes and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from models.geometry.camera import ScaledOrtho
from models.geometry.turn import neck_axis, turned_camera
from models.geometry.turned_photo import turn_photo
from models.heads.linear import LinearHead
from tasks.contract import Batch, Field, Gives, Reason, Reject

__all__ = ["Turn"]


@dataclass(frozen=True)
class Turn:
    """Turn the head of each photo about the upright axis through its neck.

    The new landmarks are those of the fitted head in its new pose: what the photo's own say of a shape is in the fit.

    Args:
        head: the head model that was fitted.
        size: R, side of the crop in pixels.
    """

    head: LinearHead
    size: int

    name: ClassVar[str] = "turn"
    version: ClassVar[int] = 4
    needs: ClassVar[tuple[Field, ...]] = (
        Field("photo", "uint8", ("R", "R", 3), "rgb"),
        Field("parsing", "uint8", ("R", "R"), "celebamask"),
        Field("landmarks", "float32", (68, 2), "pixel"),
        Field("scale", "float32", (), "cube"),
        Field("rotation", "float32", (3, 3), "cube"),
        Field("translation", "float32", (2,), "cube"),
        Field("identity", "float32", ("K",), "head"),
        Field("expression", "float32", ("E",), "head"),
    )
    gives: ClassVar[tuple[Field, ...]] = (
        Field("photo", "uint8", ("R", "R", 3), "rgb"),
        Field("parsing", "uint8", ("R", "R"), "celebamask"),
        Field("landmarks", "float32", (68, 2), "pixel"),
        Field("rotation", "float32", (3, 3), "cube"),
        Field("translation", "float32", (2,), "cube"),
    )

    def turn(self, batch: Batch) -> Gives:
        """Turn the rows that the plan turns; a face that would leave the crop is rejected."""
        out = {f.name: batch[f.name].copy() for f in self.gives}
        rejects: dict[int, Reject] = {}
        for i, row in enumerate(batch.rows):
            if row.turn == 0:
                continue
            camera = ScaledOrtho(
                float(batch["scale"][i]),
                batch["rotation"][i].astype("float64"),
                batch["translation"][i].astype("float64"),
            )
            vertices = self.head.vertices(batch["identity"][i], batch["expression"][i])
            after = turned_camera(camera, row.turn, neck_axis(self.head))
            landmarks = after.to_pixel(self.head.landmarks(vertices), self.size)
            outside = float(max(-landmarks.min(), landmarks.max() - self.size))
            if outside > 0:
                detail = (
                    f"turned by {row.turn:.0f} degrees, the face ends {outside:.0f} pixels outside the crop"
                )
                rejects[i] = Reject(Reason.POSE, detail)
                continue
            made = turn_photo(
                batch["photo"][i], batch["parsing"][i], self.head, camera, camera.to_cube(vertices).astype("float32"),
                row.turn,
            )  # fmt: skip
            out["photo"][i], out["parsing"][i] = made.photo, made.parsing
            out["landmarks"][i] = landmarks
            out["rotation"][i], out["translation"][i] = after.rotation, after.translation
        return Gives(out, rejects)

    __call__ = turn
