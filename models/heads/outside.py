"""Heads that a head model cannot make: smooth changes of its shape that no combination of its modes reproduces.

A network that learned to read off coefficients would be right on a model's own heads and wrong on these, so a benchmark
needs both. Each change is a displacement field on the head's vertices, made of Gaussian falloffs around landmarks and
of the offsets of a real scan; what counts is the part of it that is left after the best linear fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from models.geometry.normals import vertex_normals
from models.heads.linear import LinearHead
from models.heads.regions import FACE, Region

KINDS = ("growths", "nose", "chin", "lopsided", "scan")
REMAINDER = (1.0, 1.8)  # mm rms in the face that must be left after the best linear fit, drawn evenly
LARGEST = 14.0  # mm that a vertex moves at most: a face stays a face
SURFACE = tuple(region for region in FACE if region not in (Region.INNER_MOUTH, Region.EYES))
NOSE_TIP, NOSE_ROOT, NOSE_BRIDGE, NOSE_WINGS, CHIN = 30, 27, 28, (31, 35), 8
CLEAR = (*range(36, 68),)  # eyes and lips: growths keep away from them


@dataclass(frozen=True, eq=False)
class Change:
    """One change of a head."""

    kind: str
    move: Float[np.ndarray, "V 3"]  # mm, head frame
    remainder: float  # mm rms in the face after the best linear fit
    total: float  # mm rms in the face


class OutsideSpace:
    """Draws changes of a head that lie outside its linear space.

    Args:
        head: the model.
        scan: offsets (V, 3) in millimetres from the registered model to a real scan, zeros where there is none; without
            it the kind ``scan`` is not drawn.
    """

    def __init__(self, head: LinearHead, scan: Float[np.ndarray, "V 3"] | None = None) -> None:
        self.head, self.scan = head, scan
        self.kinds = KINDS if scan is not None else KINDS[:-1]
        self.rows: Int[np.ndarray, " n"] = np.flatnonzero(np.isin(head.vertex_region, SURFACE))
        self._mean = head.mean.astype(np.float64)
        self._normals = vertex_normals(head.mean, np.ascontiguousarray(head.faces, np.int32)).astype(
            np.float64
        )
        self._marks = head.landmarks(self._mean)

    @cached_property
    def _span(self) -> Float[np.ndarray, "m r"]:
        """Orthonormal basis, over the face's coordinates, of all modes and of moving, turning and scaling the head."""
        face = self._mean[self.rows]
        rigid = [np.cross(axis, face) for axis in np.eye(3)]
        rigid += [np.broadcast_to(axis, face.shape) for axis in np.eye(3)] + [face]
        modes = np.concatenate([self.head.id_basis, self.head.exp_basis])[:, self.rows].astype(np.float64)
        columns = np.concatenate([np.stack(rigid), modes]).reshape(len(rigid) + len(modes), -1).T
        length = np.linalg.norm(columns, axis=0)
        seen = columns[:, length > 1e-6] / length[length > 1e-6]  # eyes that look about do not move the face
        left, values, _ = np.linalg.svd(seen, full_matrices=False)
        return left[:, values > 1e-6 * values[0]]

    def remainder(self, move: Float[np.ndarray, "V 3"]) -> float:
        """Millimetres rms in the face that are left of a move after its best linear fit.

        The fit is free: no prior holds its coefficients, and similarity is for nothing.
        """
        return float(np.sqrt((self._left(move) ** 2).sum() / len(self.rows)))

    def draw(self, rng: np.random.Generator, kind: str | None = None) -> Change:
        """A change whose remainder is drawn from :data:`REMAINDER`: the kind's own move, and growths that make it up.

        Args:
            rng: the only source of chance.
            kind: one of ``kinds``; drawn when None.
        """
        kind = kind or self.kinds[int(rng.integers(len(self.kinds)))]
        while True:
            change = self._drawn(rng, kind)
            if change.remainder >= REMAINDER[0]:  # less where a vertex would have moved too far
                return change

    def _drawn(self, rng: np.random.Generator, kind: str) -> Change:
        move = getattr(self, f"_{kind}")(rng)
        wanted = rng.uniform(*REMAINDER)
        own, grown = self._left(move), self._growths(rng)
        more = self._left(grown)
        # |own + t more| is the wanted length at one t >= 0, unless the kind's own remainder is more already.
        target = len(self.rows) * wanted**2
        a, b, c = float(more @ more), float(own @ more), float(own @ own) - target
        move = (
            move * np.sqrt(target / (own @ own)) if c > 0 else move + (np.sqrt(b * b - a * c) - b) / a * grown
        )
        largest = float(np.linalg.norm(move, axis=1).max())
        move *= min(1, LARGEST / largest)
        total = float(np.sqrt((move[self.rows] ** 2).sum(1).mean()))
        return Change(kind, move.astype(np.float32), self.remainder(move), total)

    def _left(self, move: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, " m"]:
        """The face's coordinates of a move, less their best linear fit."""
        flat = move[self.rows].reshape(-1)
        return flat - self._span @ (self._span.T @ flat)

    def _falloff(
        self, centre: Float[np.ndarray, " 3"], reach: float | Sequence[float]
    ) -> Float[np.ndarray, " V"]:
        """Gaussian around a point of the mean head, with one reach or one per axis, mm."""
        return np.exp(-0.5 * (((self._mean - centre) / reach) ** 2).sum(1))

    def _growths(self, rng: np.random.Generator) -> Float[np.ndarray, "V 3"]:
        """Bumps and a few dents along the normal, anywhere in the face but on eyes and lips."""
        skin = self.rows[np.isin(self.head.vertex_region[self.rows], (Region.SKIN, Region.NOSE))]
        clear = np.linalg.norm(self._mean[skin][:, None] - self._marks[None, CLEAR], axis=2).min(1)
        places = skin[clear > 15]
        move = np.zeros_like(self._mean)
        for at in rng.choice(places, int(rng.integers(8, 15)), replace=False):
            height = rng.uniform(2, 5) * (1 if rng.random() < 0.75 else -0.5)
            reach = rng.uniform(8, 15)
            move += height * self._falloff(self._mean[at], reach)[:, None] * self._normals
        return move

    def _nose(self, rng: np.random.Generator) -> Float[np.ndarray, "V 3"]:
        """A nose that is longer, hooked, bent to a side, wider at its tip or flat, in one draw of all of these."""
        tip, bridge = self._marks[NOSE_TIP], self._marks[NOSE_BRIDGE]
        down, out, aside = rng.normal(0, 1, 3)
        move = self._falloff(tip, (11, 12, 14))[:, None] * [3 * aside, -4 * abs(down), 5 * out]
        hump = rng.normal(0, 1)
        move += self._falloff(bridge, (7, 9, 12))[:, None] * [-2 * aside, 0, 4 * hump]
        wide = rng.normal(0, 1)
        for wing in NOSE_WINGS:
            near = self._falloff(self._marks[wing], 8)[:, None]
            move += near * [3 * wide * np.sign(self._marks[wing][0]), rng.normal(0, 1), 0]
        return move

    def _chin(self, rng: np.random.Generator) -> Float[np.ndarray, "V 3"]:
        """A chin that stands out, is narrow, broad or cleft, or sits to one side."""
        chin = self._marks[CHIN]
        out, drop, aside, cleft = rng.normal(0, 1, 4)
        move = self._falloff(chin, (17, 14, 22))[:, None] * [4 * aside, 4 * drop, 6 * out]
        middle = chin + np.array([0, 6, 6])
        move -= 4 * abs(cleft) * self._falloff(middle, (4, 9, 14))[:, None] * self._normals
        broad = rng.normal(0, 1)
        for side in (-1, 1):
            jaw = self._marks[CHIN + 3 * side]
            move += 4 * broad * self._falloff(jaw, 13)[:, None] * [np.sign(jaw[0]), 0, 0.4]
        return move

    def _lopsided(self, rng: np.random.Generator) -> Float[np.ndarray, "V 3"]:
        """Halves that differ: one cheek swollen, one jaw larger, a face that bends sideways below the eyes."""
        side = 1.0 if rng.random() < 0.5 else -1.0
        x, y = self._mean[:, 0], self._mean[:, 1]
        half = 1 / (1 + np.exp(-side * x / 9))
        cheek = self._marks[NOSE_TIP] * [0, 1, 0.55] + [side * 42, -2, 0]
        move = rng.uniform(2, 6) * (self._falloff(cheek, (17, 20, 30)) * half)[:, None] * self._normals
        jaw = self._marks[CHIN + int(4 * side)]
        move += rng.normal(0, 3) * (self._falloff(jaw, 20) * half)[:, None] * self._normals
        below = np.clip((self._marks[NOSE_ROOT][1] - y) / 90, 0, 1.2)
        front = 1 / (1 + np.exp(-(self._mean[:, 2] - 20) / 12))
        move[:, 0] += side * rng.uniform(2, 7) * below**2 * front * np.sin(2.2 * below + rng.uniform(0, 1))
        return move

    def _scan(self, rng: np.random.Generator) -> Float[np.ndarray, "V 3"]:
        """What a real scan has beyond the model, with a share of another change so that no two are alike."""
        assert self.scan is not None
        move = self.scan.astype(np.float64) * rng.uniform(0.8, 1.4)
        other = self._growths(rng) if rng.random() < 0.5 else self._nose(rng)
        share = rng.uniform(0.3, 0.9) * np.sqrt((move[self.rows] ** 2).sum() / (other[self.rows] ** 2).sum())
        return move + share * other
