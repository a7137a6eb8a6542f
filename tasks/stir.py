"""Stage ``stir``: pose and expression moved a little from the photograph's, before the head is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.spatial.transform import Rotation

from models.heads.linear import LinearHead
from models.heads.rows import JAW
from tasks.contract import Batch, Field, Gives
from tasks.free_draw import PLACED, pose_of

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Stir:
    """Turn the head about the middle of its face, and draw another expression near the photograph's.

    The face stays where it was in the picture, so that the photograph's hair and neck still belong to it.

    Args:
        head: the head model.
        degrees: standard deviations of pitch, yaw and roll.
        still: share of the rows that keep the photograph's expression.
        step: standard deviation of one coefficient's move, as the most that it moves a vertex by, mm.
        moved: mean number of coefficients that move.
    """

    head: LinearHead
    degrees: tuple[float, float, float] = (7.0, 4.0, 3.0)
    still: float = 0.3
    step: float = 2.5
    moved: float = 8.0

    name: ClassVar[str] = "stir"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = PLACED
    gives: ClassVar[tuple[Field, ...]] = PLACED[1:]  # its size is the photograph's

    def stir(self, batch: Batch) -> Gives:
        """New pose and expression per row from the row's own random stream."""
        middle = self.head.landmarks(self.head.mean)[JAW:].mean(axis=0)  # mm
        rotation, translation = batch["rotation"].copy(), batch["translation"].copy()
        expression = batch["expression"].copy()
        for i in range(len(batch)):
            rng = batch.rng(i, self)
            before = pose_of(batch, i).to_cube(middle[None])[0, :2]
            angles = np.clip(rng.standard_normal(3), -2, 2) * self.degrees
            by = Rotation.from_euler("XYZ", angles, degrees=True).as_matrix()
            rotation[i] = (by @ batch["rotation"][i].astype(np.float64)).astype(np.float32)
            turned = float(batch["scale"][i]) * (rotation[i] @ middle)
            translation[i] = (before - turned[:2]).astype(np.float32)
            if rng.random() >= self.still:
                expression[i] = self._moved(expression[i], rng)
        return Gives({"rotation": rotation, "translation": translation, "expression": expression})

    __call__ = stir

    @cached_property
    def _reach(self) -> Array:
        """How far each coefficient at 1 moves the vertex that it moves most, mm: (E,)."""
        basis = self.head.exp_basis.reshape(len(self.head.exp_basis), -1, 3)
        return np.asarray(np.linalg.norm(basis, axis=-1).max(axis=1))

    def _moved(self, expression: Array, rng: np.random.Generator) -> Array:
        """Some coefficients by a normal step, all of them a little weaker or stronger; within [0, 1]."""
        chosen = rng.random(len(expression)) < self.moved / len(expression)
        width = np.minimum(self.step / np.maximum(self._reach, 1e-6), 0.4)
        moves = chosen * rng.standard_normal(len(expression)) * width
        return np.clip(expression * rng.uniform(0.4, 1.2) + moves, 0, 1).astype(np.float32)
