"""Self-supervised training samples for the swap networks, cut from annotated photographs (facts §6.1–6.5).

Nothing is labelled by hand. An eye or an open mouth is hidden and has to come back; a band along the edge of a face
is hidden and has to come back. With some fifty faces the variety comes from augmentation: pose of the crop, hole
shape, light, colour and, on the known pixels only, a *flattening* that makes a photograph look like a render.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float

from flows.swap_faces import Face, disc
from models.networks.classes import FACE
from models.networks.completion import Iris, eye_sketch, skin_level
from models.networks.crops import CropFrame, crop_frame
from models.networks.mouth import MouthMeasures, mouth_input, mouth_measures
from models.networks.train_swap_loop import Item
from models.networks.unet import smooth_fill


def recolour(image: Float[np.ndarray, "h w 3"], rng: np.random.Generator) -> Float[np.ndarray, "h w 3"]:
    """Another exposure, white balance, saturation and a ramp of light across the picture."""
    grey = image.mean(-1, keepdims=True)
    out = grey + (image - grey) * rng.uniform(0.6, 1.35)
    out = np.clip(out, 0, 1) ** rng.uniform(0.75, 1.35)
    height, width = image.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    ramp = 1 + rng.uniform(0, 0.25) * (np.cos(angle) * u + np.sin(angle) * v)
    gain = rng.uniform(0.8, 1.15) * rng.uniform(0.92, 1.08, 3)
    return np.clip(out * ramp[..., None] * gain, 0, 1).astype(np.float32)


def flatten(image: Float[np.ndarray, "h w 3"], rng: np.random.Generator) -> Float[np.ndarray, "h w 3"]:
    """Known pixels as a render shows them: soft texture, little fine shading; sometimes left alone."""
    choice = rng.random()
    if choice < 0.35:
        return image
    out = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    if choice > 0.75:
        out = cv2.bilateralFilter(out, 5, rng.uniform(0.05, 0.15), 3)
    return np.clip(out + rng.normal(0, rng.uniform(0, 0.015), image.shape), 0, 1).astype(np.float32)


@dataclass(frozen=True)
class CompletionSampler:
    """Batches of hidden eyes (in pairs) and hidden mouths, of photographs and, in given shares, of renders.

    Half of the faces are mirrored. Eyes come mostly from photographs, since those of the head model are plain;
    mouths too, since teeth of the head model are always the same.
    """

    faces: Sequence[Face]
    renders: Sequence[Face] = ()
    pairs: int = 6
    mouths: int = 8
    rendered_eyes: float = 0.2
    rendered_mouths: float = 0.25
    parts: tuple[str, ...] = ("eye", "mouth")

    @cached_property
    def _pools(self) -> tuple[list[Face], list[Face], list[Face], list[Face]]:
        both = [f for face in self.faces for f in (face, face.mirrored())]
        drawn = [f for face in self.renders for f in (face, face.mirrored())]
        eyes, mouths = _showing(both, "eye_right", "eye_left"), _showing(both, "mouth")
        if not eyes or not mouths:
            msg = (
                f"of {len(self.faces)} training faces {len(eyes) // 2} have open eyes and {len(mouths) // 2} an open "
                f"mouth, at least one of each is needed; add photographs to --photos."
            )
            raise ValueError(msg)
        return eyes, _showing(drawn, "eye_right", "eye_left"), mouths, _showing(drawn, "mouth")

    def __call__(self, rng: np.random.Generator) -> list[Item]:
        """One batch for each of the parts."""
        eyes, drawn_eyes, mouths, drawn_mouths = self._pools
        items = []
        if "eye" in self.parts:
            chosen = _mixture(eyes, drawn_eyes, self.rendered_eyes, self.pairs, rng)
            items.append(_item("eye", [sample for face in chosen for sample in self._eye_pair(face, rng)]))
        if "mouth" in self.parts:
            chosen = _mixture(mouths, drawn_mouths, self.rendered_mouths, self.mouths, rng)
            items.append(_item("mouth", [self._crop(face, "mouth", _jitter(rng), rng) for face in chosen]))
        return items

    def _eye_pair(self, face: Face, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        jitter, state = _jitter(rng), int(rng.integers(2**32))
        parts = [p for p in ("eye_right", "eye_left") if p in face.holes]
        # Both eyes of a face are under the same light and camera, so they share the augmentation's random state.
        samples = [self._crop(face, part, jitter, np.random.default_rng(state)) for part in parts]
        return samples if len(samples) == 2 else samples * 2

    def _crop(
        self, face: Face, part: str, jitter: tuple[float, float, np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """(input (c, h, w) of :mod:`models.networks.completion`, target RGB (3, h, w)) of one hidden part."""
        scale, axis, _ = face.axes
        zoom, turn, shift = jitter
        hole = face.holes[part]
        points = np.argwhere(hole)[:, ::-1] + 0.5
        middle = (points.min(0) + points.max(0)) / 2 + shift * scale
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ axis
        frame = _stretched(crop_frame(part, middle, scale * zoom, turned), rng)
        camera = int(rng.integers(2**32))
        target = recolour(frame.cut(face.photo.astype(np.float32) / 255), np.random.default_rng(camera))
        # Every crop pixel that a hidden pixel has a share in: nothing of it may be seen.
        mask = (frame.cut(hole.astype(np.float32)) > 0.02).astype(np.uint8)
        mask = cv2.dilate(mask, disc(int(rng.integers(0, 4) if part == "mouth" else rng.integers(1, 6)))) > 0
        # Blurring would carry hidden colours over the edge, so they are replaced first.
        covered = np.where(mask[..., None], skin_level(target, mask), target).astype(np.float32)
        known = np.where(mask[..., None], 0, flatten(covered, rng)).astype(np.float32)
        if part == "mouth":
            inside = recolour(frame.cut(face.inside.astype(np.float32) / 255), np.random.default_rng(camera))
            return _mouth(face, frame, known, _relit(inside, rng), mask, rng), target.transpose(2, 0, 1)
        return eye_sketch(known, mask, self._iris(face, part, frame)), target.transpose(2, 0, 1)

    @staticmethod
    def _iris(face: Face, part: str, frame: CropFrame) -> Iris:
        centre, radius, colour = face.irises[part]
        u, v = np.linalg.solve(frame.matrix[:, :2], centre - frame.matrix[:, 2])
        return Iris(float(u), float(v), radius / frame.zoom, colour)


def _mouth(
    face: Face,
    frame: CropFrame,
    known: Float[np.ndarray, "h w 3"],
    inside: Float[np.ndarray, "h w 3"],
    mask: Bool[np.ndarray, "h w"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "c h w"]:
    """Input of the mouth's network; corners and width are measured with the error of landmarks."""
    points = np.linalg.solve(frame.matrix[:, :2], (face.landmarks - frame.matrix[:, 2]).T).T
    right = points[45] - points[36]
    scale, axis = face.axes[0] / frame.zoom, right / np.linalg.norm(right)
    exact = mouth_measures(points, axis, scale)
    lift, width = np.array([exact.lift, exact.width]) + rng.normal(0, 0.5, 2)
    seen, drawn = ((255 * x + 0.5).astype(np.uint8) for x in (known, inside))
    return mouth_input(seen, drawn, mask, mask, axis, scale, MouthMeasures(float(lift), float(width)))


def _relit(inside: Float[np.ndarray, "h w 3"], rng: np.random.Generator) -> Float[np.ndarray, "h w 3"]:
    """A drawn mouth in another light, of another tint and sharpness, a little out of place."""
    shift = np.array([[1, 0, rng.normal(0, 1.0)], [0, 1, rng.normal(0, 1.0)]])
    size = (inside.shape[1], inside.shape[0])
    out = cv2.warpAffine(inside, shift, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.5:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.3, 1.0))
    gain = np.exp(rng.normal(0, 0.1)) * np.exp(rng.normal(0, 0.04, 3))
    return np.clip(np.clip(out * gain, 0, 1) ** np.exp(rng.normal(0, 0.08)), 0, 1).astype(np.float32)


def _showing(faces: Sequence[Face], *parts: str) -> list[Face]:
    return [f for f in faces if f.holes.keys() & set(parts)]


def _mixture(
    photographs: list[Face], renders: list[Face], share: float, count: int, rng: np.random.Generator
) -> list[Face]:
    """Faces drawn at random, each a render with the given chance."""
    drawn = rng.random(count) < (share if renders else 0.0)
    return [pool[int(rng.integers(len(pool)))] for pool in (renders if d else photographs for d in drawn)]


def _jitter(rng: np.random.Generator) -> tuple[float, float, np.ndarray]:
    """Zoom, turn in radians and shift in millimetres of a crop."""
    return float(np.exp(rng.normal(0, 0.1))), float(rng.normal(0, 0.12)), rng.normal(0, 1.5, 2)


def _stretched(frame: CropFrame, rng: np.random.Generator) -> CropFrame:
    """Another height of the crop's contents around its middle."""
    factor = float(np.exp(rng.normal(0, 0.06)))
    centre = frame.matrix @ [frame.spec.width / 2, frame.spec.height / 2, 1.0]
    linear = frame.matrix[:, :2] * [1.0, factor]
    offset = centre - linear @ [frame.spec.width / 2, frame.spec.height / 2]
    return replace(frame, matrix=np.column_stack([linear, offset]))


def _item(part: str, samples: list[tuple[np.ndarray, np.ndarray]]) -> Item:
    x = torch.from_numpy(np.stack([s for s, _ in samples]))
    return Item(part, (x,), torch.from_numpy(np.stack([t for _, t in samples])), x[:, 3:4])


@dataclass(frozen=True)
class InpaintingSampler:
    """Faces with a band along the edge of the target mask hidden."""

    faces: Sequence[Face]
    batch: int = 4
    side: int = 256

    @cached_property
    def _pool(self) -> list[Face]:
        if not self.faces:
            msg = "no training face was found; give --photos a folder with pictures of faces."
            raise ValueError(msg)
        return [f for face in self.faces for f in (face, face.mirrored())]

    def __call__(self, rng: np.random.Generator) -> list[Item]:
        """One batch."""
        views = [self._view(self._pool[i], rng) for i in rng.integers(len(self._pool), size=self.batch)]
        image, target, known = (np.stack(x) for x in zip(*views, strict=True))
        tensors = [torch.from_numpy(m[:, None].astype(np.float32)) for m in (known, target)]
        known_t, target_t = tensors
        clean = torch.from_numpy(image.transpose(0, 3, 1, 2))
        # Blurring would carry hidden colours over the edge, so they are replaced first.
        covered = smooth_fill(clean, known_t).numpy().transpose(0, 2, 3, 1)
        seen = np.stack([flatten(np.ascontiguousarray(i), rng) for i in covered]).transpose(0, 3, 1, 2)
        seen_t = torch.from_numpy(np.ascontiguousarray(seen)) * known_t
        return [Item("face", (seen_t, known_t, target_t), clean * target_t, target_t * (1 - known_t))]

    def _view(self, face: Face, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        old = face.photo.shape[0]
        zoom = old / self.side * np.exp(rng.normal(0, 0.15))
        turn = rng.normal(0, 0.2)
        linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        offset = old / 2 + rng.normal(0, 0.04 * old, 2) - linear @ np.full(2, self.side / 2)
        matrix = np.column_stack([linear, offset])
        size, inverse = (self.side, self.side), cv2.WARP_INVERSE_MAP
        photo = cv2.warpAffine(face.photo, matrix, size, flags=cv2.INTER_LINEAR | inverse)
        parsing = cv2.warpAffine(face.parsing, matrix, size, flags=cv2.INTER_NEAREST | inverse)
        whole = np.isin(parsing, FACE)
        target, known = band_masks(whole, rng)
        return recolour(photo.astype(np.float32) / 255, rng), target, known


def band_masks(
    whole: Bool[np.ndarray, "h w"], rng: np.random.Generator
) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """A target mask inside a face mask and the part of it that is known.

    The target is the face cut by a moved, elastically bent copy of itself, as a render's outline cuts a parsed face.
    Unknown is an even ring of 2–12 px, what another moved copy leaves, and now and then an ellipse on the edge.
    """
    side = whole.shape[0]
    face = whole.astype(np.float32)
    target = whole & (_bend(face, rng, 0.03) > 0.5)
    if target.sum() < 0.3 * whole.sum():
        target = whole
    ring = cv2.erode(target.astype(np.uint8), disc(int(rng.integers(2, 13) * side / 256)), borderValue=0) > 0
    known = ring & ((_bend(target.astype(np.float32), rng, 0.025) > 0.5) | (rng.random() < 0.4))
    if rng.random() < 0.3:
        edge = np.argwhere(target & ~ring)
        if len(edge):
            v, u = edge[rng.integers(len(edge))]
            axes = rng.uniform(0.02, 0.09, 2) * side
            chunk = np.zeros(whole.shape, np.uint8)
            cv2.ellipse(
                chunk,
                (int(u), int(v)),
                (int(axes[0]), int(axes[1])),
                float(rng.uniform(0, 180)),
                0,
                360,
                1,
                -1,
            )
            known &= chunk == 0
    if known.sum() < 0.4 * target.sum():
        known = ring
    return target, known


def _bend(
    mask: Float[np.ndarray, "h w"], rng: np.random.Generator, amount: float
) -> Float[np.ndarray, "h w"]:
    """A mask moved by a few per cent of the side and bent by a smooth random flow."""
    side = mask.shape[0]
    coarse = rng.normal(0, amount * side, (2, 6, 6)).astype(np.float32)
    flow = [cv2.resize(c, (side, side), interpolation=cv2.INTER_CUBIC) for c in coarse]
    shift = rng.normal(0, amount * side, 2)
    v, u = np.mgrid[:side, :side].astype(np.float32)
    return cv2.remap(
        mask, u + flow[0] * 0.6 + np.float32(shift[0]), v + flow[1] * 0.6 + np.float32(shift[1]), cv2.INTER_LINEAR
    )  # fmt: skip
