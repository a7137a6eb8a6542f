"""What an audit notes down of one pair or one photograph: everything that needs networks or the photo's pixels.

Class maps are kept, not gaps: what the head is expected to look like is only known after all renders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from models.geometry.camera import ScaledOrtho
from models.geometry.seam import border, colour_step, energy_across
from models.heads.linear import LinearHead
from models.heads.regions import FACE
from models.networks.classes import Parsing
from tasks.expect import posed
from tasks.floor import plain_render
from tasks.observe import Observer

Array = np.ndarray[Any, np.dtype[Any]]

NEEDS = ("photo", "completed", "region", "identity", "shape")  # fields of the chain that a look takes
STORED = ("image", "semantic", "mask", "normal_front", "meta")
LIKE_SKIN = (Parsing.SKIN, Parsing.NOSE, Parsing.NECK, Parsing.L_EAR, Parsing.R_EAR)
STEP_REACH = 3.0  # pixels of a 256² image, on either side of the seam


@dataclass(frozen=True)
class Shape:
    """Camera and coefficients of a head in one picture."""

    camera: ScaledOrtho
    identity: Array
    expression: Array

    @staticmethod
    def of_meta(meta: Mapping[str, Any]) -> Shape:
        """From the ``meta`` of a stored pair."""
        camera = meta["camera"]
        return Shape(
            ScaledOrtho(
                float(camera["scale"]),
                np.array(camera["rotation"], np.float64),
                np.array(camera["translation"], np.float64),
            ),
            np.array(meta["identity"], np.float32),
            np.array(meta["expression"], np.float32),
        )

    @staticmethod
    def of_source(given: Mapping[str, Array]) -> Shape:
        """The fit of an annotated photograph."""
        camera = ScaledOrtho(
            float(given["scale"]),
            given["rotation"].astype(np.float64),
            given["translation"].astype(np.float64),
        )
        return Shape(camera, given["identity"], given["expression"])


def look_at_pair(
    fields: Mapping[str, Array], stored: Mapping[str, Any], head: LinearHead, observer: Observer
) -> dict[str, Any]:
    """Look at the stored picture of a pair and at the plain render of its head.

    Args:
        fields: :data:`NEEDS`, from making the row again as far as its completed render.
        stored: :data:`STORED`, from the store.
        head: head model.
        observer: the observers.
    """
    image, mask, photo = stored["image"], stored["mask"], fields["photo"]
    shape = Shape.of_meta(stored["meta"])
    stand = posed(head, shape.camera, shape.identity, shape.expression, len(image))
    seen = observer.look(image, stand.landmarks, stand.roll)
    plain = plain_render(photo, fields["completed"], fields["region"], stored["normal_front"])
    seen_plain = observer.look(plain, stand.landmarks, stand.roll)
    points, normals = border(mask)
    reach = STEP_REACH * len(image) / 256
    offset = shape.identity.astype(np.float64) - fields["identity"]
    moved = head.vertices(shape.identity, shape.expression) - head.vertices(
        fields["identity"].astype(np.float32), shape.expression
    )
    photo_classes = observer.parse(photo, stand.roll)
    return {
        **_told("pair", seen.classes, seen.score, seen.points),
        **_told("render", seen_plain.classes, seen_plain.score, seen_plain.points),
        "render_picture": picture(plain),
        "semantic": _packed(stored["semantic"]),
        "seam_energy": energy_across(image, points, normals),
        "seam_energy_photo": energy_across(photo, points, normals),
        "seam_step": colour_step(image, points, normals, np.isin(seen.classes, LIKE_SKIN), reach),
        "seam_step_photo": colour_step(photo, points, normals, np.isin(photo_classes, LIKE_SKIN), reach),
        "ita": skin_tone(image, mask & (seen.classes == Parsing.SKIN)),
        "spread": float(np.sqrt((offset**2).mean())),
        "spread_mm": float(np.linalg.norm(moved[np.isin(head.vertex_region, FACE)], axis=1).mean()),
    }


def look_at_photo(given: Mapping[str, Array], head: LinearHead, observer: Observer) -> dict[str, Any]:
    """Look at an annotated photograph; its fitted head goes with it."""
    shape = Shape.of_source(given)
    stand = posed(head, shape.camera, shape.identity, shape.expression, len(given["photo"]))
    seen = observer.look(given["photo"], stand.landmarks, stand.roll)
    return {
        **_told("photo", seen.classes, seen.score, seen.points),
        "photo_picture": picture(given["photo"]),
        "scale": shape.camera.scale,
        "rotation": shape.camera.rotation.ravel().tolist(),
        "translation": shape.camera.translation.tolist(),
        "identity": shape.identity.astype(np.float64).tolist(),
        "expression": shape.expression.astype(np.float64).tolist(),
    }


def shape_of_row(row: Mapping[str, Any]) -> Shape:
    """The fit that :func:`look_at_photo` noted down."""
    camera = ScaledOrtho(row["scale"], np.array(row["rotation"]).reshape(3, 3), np.array(row["translation"]))
    return Shape(camera, np.array(row["identity"], np.float32), np.array(row["expression"], np.float32))


def skin_tone(image: Array, skin: Array) -> float:
    """Individual typology angle of the median skin colour, degrees; NaN with fewer than 50 pixels."""
    if int(skin.sum()) < 50:
        return float("nan")
    lab = cv2.cvtColor(image[skin][None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    lightness, _, yellow = np.median(lab, axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def unpacked(code: bytes) -> Array:
    """A class map, uint8 (R, R), as :func:`look_at_pair` packed it."""
    return np.asarray(cv2.imdecode(np.frombuffer(code, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)


def picture(image: Array) -> bytes:
    """A picture as WebP, for people."""
    _, data = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 85])
    return data.tobytes()


def _told(name: str, classes: Array, score: float, points: Array | None) -> dict[str, Any]:
    found = points.ravel().tolist() if points is not None else []
    return {f"{name}_classes": _packed(classes), f"{name}_score": score, f"{name}_points": found}


def _packed(classes: Array) -> bytes:
    _, data = cv2.imencode(".png", classes)
    return data.tobytes()
