"""What a face looks like, in four numbers that photographs and textures share: tone, age, beard, femininity.

The face is brought upright to one size, so that every scale is fixed in inter-ocular distances. A texture is
measured on its portrait: the mean head that wears it, drawn frontally under a white light from everywhere.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.geometry.face import shade_face
from models.geometry.light import LUMINANCE, ambient, decode_srgb
from models.heads.linear import LinearHead
from models.heads.regions import Region
from models.networks.classes import Parsing

WIDTH, HEIGHT = 176, 208  # of the upright face
IOD = 64.0  # its outer eye corners' distance; every length below is in these pixels
EYES_AT = 76.0  # height of the eye line
SKIN = (Parsing.SKIN, Parsing.NOSE)
LIPS = (Parsing.UPPER_LIP, Parsing.LOWER_LIP)
LEAST = 30  # pixels that a patch needs to say something
TONES = (-60.0, 58.0)  # degrees, from dim light on dark skin to a burnt pale one
LEAST_YELLOW = 8.0  # Lab b: blue light or none would turn the angle over
LINE = 1.2  # width of a wrinkle, sigma
FINE, COARSE = 1.0, 3.0  # band of beard hair, sigmas
# Where a number is 0 and where it is 1, from rank sheets of 47 photographs (docs/textures.md).
FOREHEAD_LINES = (0.05, 0.11)
FOLD_LINES = (0.35, 0.85)
GREY_HAIR = (48.0, 66.0)  # Lab lightness
GREY_CHROMA = (20.0, 12.0)
BEARD_ENERGY = (0.13, 0.30)
BEARD_DARKNESS = (2.0, 14.0)  # Lab lightness below the cheek's
FAIR_LIGHTNESS, FAIR_YELLOW, FAIR_TONE = (
    45.0,
    15.0,
    28.0,
)  # of hair in Lab, and the least angle of skin under it
LONG_HAIR = (0.08, 0.20)  # area below the mouth beside the face, squared inter-ocular distances
RED_LIPS = (10.0, 20.0)  # Lab a above the skin's
PORTRAIT_SIDE = 256
NAMES = ("tone", "age", "beard", "feminine")


def measure(
    photo: UInt8[np.ndarray, "R R 3"],
    landmarks: Float[np.ndarray, "68 2"],
    parsing: UInt8[np.ndarray, "R R"],
) -> dict[str, float]:
    """The four numbers of a face; NaN where the picture does not say.

    ``tone`` is the individual typology angle arctan((L - 50) / b) of the skin, in degrees: above 55 very light,
    41 light, 28 intermediate, 10 tan, -30 brown, dark below (Chardon et al. 1991). ``age`` is 0 for smooth
    skin, 1 for a lined forehead, deep folds or grey hair; ``beard`` 0 for none, 1 for a full one; ``feminine``
    1 for hair that hangs below the mouth or for lips much redder than the skin: how the hair reads, since hair
    is what a swapped face has to agree with.

    Args:
        photo: square crop.
        landmarks: iBUG-68, crop pixels.
        parsing: CelebAMask ids of the crop.
    """
    face, classes, points = _upright(photo, landmarks, parsing)
    lab = cv2.cvtColor(face.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    skin = np.isin(classes, SKIN) & _hull(np.concatenate([points[:17], points[17:27] - [0, 34]]))
    inner = cv2.erode(skin.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if inner.sum() < LEAST:
        return dict.fromkeys(NAMES, float("nan"))
    tone = np.median(lab[inner], axis=0)
    # Either sign will do; dim light reddens lips, so they say less.
    feminine = 1 - (1 - _long_hair(classes, points)) * (1 - 0.6 * _red_lips(lab, classes, tone))
    logarithm = np.log(decode_srgb(face) @ LUMINANCE + 0.02).astype(np.float32)
    # Silver hair that is long is dyed more often than old.
    age = max(_lines(logarithm, inner, points), (1 - 0.6 * feminine) * _grey_hair(lab, classes))
    # Long hair throws strands and shadows on the jaw that look like stubble.
    beard = (1 - 0.8 * feminine) * _beard(logarithm, lab, classes, points, inner)
    angle = np.degrees(np.arctan2(tone[0] - 50, max(float(tone[2]), LEAST_YELLOW)))
    if _fair_hair(lab, classes):
        angle = max(angle, FAIR_TONE)
    values = (float(np.clip(angle, *TONES)), age, beard, feminine)
    return {name: round(float(value), 3) for name, value in zip(NAMES, values, strict=True)}


def portrait(
    head: LinearHead, texture: UInt8[np.ndarray, "n m 3"]
) -> tuple[UInt8[np.ndarray, "R R 3"], Float[np.ndarray, "68 2"], UInt8[np.ndarray, "R R"]]:
    """The mean head with a texture, frontal and evenly lit, as :func:`measure` takes it."""
    span = float(np.ptp(head.landmarks(head.mean), axis=0).max())
    middle = head.landmarks(head.mean).mean(0)
    scale = 1.24 / span
    camera = ScaledOrtho(scale, np.eye(3), -scale * middle[:2])
    posed = camera.to_cube(head.mean.astype(np.float64)).astype(np.float32)
    light = ambient(np.ones(3))
    shaded = shade_face(head, posed, texture, light, PORTRAIT_SIDE)
    table = np.zeros(256, np.uint8)
    for region, parsed in (
        (Region.SKIN, Parsing.SKIN),
        (Region.NOSE, Parsing.NOSE),
        (Region.BROWS, Parsing.L_BROW),
        (Region.EYES, Parsing.L_EYE),
        (Region.LIPS, Parsing.UPPER_LIP),
        (Region.INNER_MOUTH, Parsing.INNER_MOUTH),
    ):
        table[region] = parsed
    return shaded.render, cube_to_pixel(head.landmarks(posed), PORTRAIT_SIDE), table[shaded.region]


def _upright(
    photo: UInt8[np.ndarray, "R R 3"], landmarks: Float[np.ndarray, "68 2"], parsing: UInt8[np.ndarray, "R R"]
) -> tuple[UInt8[np.ndarray, "H W 3"], UInt8[np.ndarray, "H W"], Float[np.ndarray, "68 2"]]:
    """The face with its eyes level, IOD apart; pixel centres are whole numbers, as OpenCV's."""
    across = (landmarks[45] - landmarks[36]).astype(np.float64)
    scale = IOD / max(float(np.hypot(*across)), 1e-3)
    c, s = across / np.hypot(*across) * scale
    matrix = np.array([[c, s, 0.0], [-s, c, 0.0]])
    centre = (landmarks[36] + landmarks[45]) / 2 - 0.5
    matrix[:, 2] = np.array([WIDTH / 2, EYES_AT]) - matrix[:, :2] @ centre
    if scale < 1:  # what a pixel would skip is averaged first
        photo = cv2.GaussianBlur(photo, (0, 0), 0.4 / scale)
    face = cv2.warpAffine(photo, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    classes = cv2.warpAffine(parsing, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_NEAREST)
    return (
        np.asarray(face, np.uint8),
        np.asarray(classes, np.uint8),
        (landmarks - 0.5) @ matrix[:, :2].T + matrix[:, 2],
    )


def _hull(points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, "H W"]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    return mask > 0


def _share(value: float, ends: tuple[float, float]) -> float:
    """0 at the first end, 1 at the second; 0 for NaN."""
    return 0.0 if np.isnan(value) else float(np.clip((value - ends[0]) / (ends[1] - ends[0]), 0, 1))


def _long_hair(classes: UInt8[np.ndarray, "H W"], points: Float[np.ndarray, "68 2"]) -> float:
    mouth = int(np.clip(points[48:68, 1].mean(), 0, HEIGHT - 1))
    return _share(float((classes[mouth:] == Parsing.HAIR).sum()) / IOD**2, LONG_HAIR)


def _red_lips(lab: np.ndarray, classes: np.ndarray, tone: np.ndarray) -> float:
    lips = np.isin(classes, LIPS)
    redness = float(np.median(lab[lips], axis=0)[1] - tone[1]) if lips.sum() >= LEAST else float("nan")
    return _share(redness, RED_LIPS)


def _lines(logarithm: np.ndarray, skin: np.ndarray, p: np.ndarray) -> float:
    """Dark lines on the forehead, and at twice the width from the nose to the mouth's corners.

    A line is a large curvature of the log brightness (largest eigenvalue of its Hessian), which shading does not have.
    """
    inside = cv2.erode(skin.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0  # away from fringe and hat
    forehead = _hull(np.array([p[18] - [0, 8], p[25] - [0, 8], p[25] - [4, 34], p[18] + [4, -34]]))
    folds = _hull(np.array([p[31] - [2, 0], p[48] - [3, 2], p[48] - [16, 0], p[31] - [12, 0]]))
    folds |= _hull(np.array([p[35] + [2, 0], p[54] + [3, -2], p[54] + [16, 0], p[35] + [12, 0]]))
    values = []
    for patch, width, ends in ((forehead, LINE, FOREHEAD_LINES), (folds, 2 * LINE, FOLD_LINES)):
        seen = patch & inside
        strength = np.percentile(_ridge(logarithm, width)[seen], 80) if seen.sum() >= LEAST else np.nan
        values.append(_share(float(strength), ends))
    return 0.7 * values[0] + 0.3 * values[1]


def _ridge(image: np.ndarray, sigma: float) -> np.ndarray:
    smooth = cv2.GaussianBlur(image, (0, 0), sigma)
    xx, yy, xy = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3) for order in ((2, 0), (0, 2), (1, 1)))
    largest = (xx + yy) / 2 + np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    return np.maximum(largest, 0) * sigma**2


def _grey_hair(lab: np.ndarray, classes: np.ndarray) -> float:
    hair = classes == Parsing.HAIR
    if hair.sum() < 4 * LEAST:
        return 0.0
    colour = np.median(lab[hair], axis=0)
    return _share(float(colour[0]), GREY_HAIR) * _share(float(np.hypot(*colour[1:])), GREY_CHROMA)


def _fair_hair(lab: np.ndarray, classes: np.ndarray) -> bool:
    """Blond hair: its skin is seldom dark, however dim the light on it."""
    hair = classes == Parsing.HAIR
    if hair.sum() < 4 * LEAST:
        return False
    colour = np.median(lab[hair], axis=0)
    return bool(colour[0] > FAIR_LIGHTNESS and colour[2] > FAIR_YELLOW and colour[2] > colour[1])


def _beard(
    logarithm: np.ndarray, lab: np.ndarray, classes: np.ndarray, p: np.ndarray, skin: np.ndarray
) -> float:
    """Fine texture on moustache, chin and jaw together with their darkness against the cheeks."""
    band = cv2.GaussianBlur(logarithm, (0, 0), FINE) - cv2.GaussianBlur(logarithm, (0, 0), COARSE)
    may = np.isin(classes, (*SKIN, Parsing.HAIR))
    moustache = _hull(np.concatenate([p[[31, 33, 35]] + [0, 3], p[[54, 52, 50, 48]] - [0, 3]]))
    chin = _hull(np.concatenate([p[[48, 57, 54]] + [0, 5], p[[10, 8, 6]] - [0, 3]]))
    jaw = _hull(np.array([p[3] + [4, 0], p[4] + [4, 0], p[5] + [4, -3], p[6] - [0, 3], p[48] + [-6, 4]]))
    jaw |= _hull(np.array([p[13] - [4, 0], p[12] - [4, 0], p[11] - [4, 3], p[10] - [0, 3], p[54] + [6, 4]]))
    cheek = _hull(p[[2, 3, 48, 31, 41, 36]]) | _hull(p[[14, 13, 54, 35, 46, 45]])
    patches = [patch & may for patch in (moustache, chin, jaw)]
    if (cheek & skin).sum() < LEAST or min(patch.sum() for patch in patches) < LEAST:
        return 0.0
    light = np.median(lab[cheek & skin, 0])
    energy = np.exp(np.mean([np.log(np.sqrt(np.mean(band[m] ** 2)) + 1e-4) for m in patches]))
    darkness = float(np.mean([light - np.median(lab[m, 0]) for m in patches]))
    return float(np.sqrt(_share(float(energy), BEARD_ENERGY) * max(_share(darkness, BEARD_DARKNESS), 0.15)))
