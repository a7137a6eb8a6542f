"""Stages of the benchmark's heads: shapes drawn from the prior alone, some of them outside the head model's space.

The landmarks of the photograph give pose and size only, so a method that reads shape off the photograph's landmarks
gains nothing: what it is measured against is in the rendered face.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from assets.registry import AssetError
from models.geometry.camera import ScaledOrtho
from models.heads.bilinear import BilinearHead
from models.heads.linear import LinearHead
from models.heads.outside import OutsideSpace
from tasks.contract import Batch, Field, Gives
from tasks.draw import identity_prior

Array = np.ndarray[Any, np.dtype[Any]]

PLACED = (  # what a shape is posed by, besides its identity
    Field("scale", "float32", (), "cube"),
    Field("rotation", "float32", (3, 3), "cube"),
    Field("translation", "float32", (2,), "cube"),
    Field("expression", "float32", ("E",), "head"),
)


@dataclass(frozen=True)
class FreeDraw:
    """Draw an identity from the prior, whatever the photograph, and pose the head as the photograph's.

    Args:
        head: the head model.
        limit: largest coefficient in standard deviations.
    """

    head: LinearHead
    limit: float = 2.5

    name: ClassVar[str] = "free_draw"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = PLACED
    gives: ClassVar[tuple[Field, ...]] = (
        Field("shape", "float32", ("K",), "head"),
        Field("posed", "float32", ("B", 3), "cube"),
    )

    def draw(self, batch: Batch) -> Gives:
        """One identity per row from the row's own random stream."""
        mean, std = identity_prior(self.head)
        shapes, posed = [], []
        for i in range(len(batch)):
            z = np.clip(batch.rng(i, self).standard_normal(len(mean)), -self.limit, self.limit)
            shape = (mean + std * z).astype(np.float32)
            shapes.append(shape)
            vertices = self.head.vertices(shape, batch["expression"][i])
            posed.append(pose_of(batch, i).to_cube(vertices).astype(np.float32))
        return Gives({"shape": np.stack(shapes), "posed": np.stack(posed)})

    __call__ = draw


@dataclass(frozen=True)
class Outside:
    """Move every second head out of the head model's linear space (:mod:`models.heads.outside`).

    Args:
        space: of the head model.
        share: of the rows that are moved.
    """

    space: OutsideSpace
    share: float = 0.5

    name: ClassVar[str] = "outside"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = (
        Field("scale", "float32", (), "cube"),
        Field("rotation", "float32", (3, 3), "cube"),
        Field("posed", "float32", ("B", 3), "cube"),
    )
    gives: ClassVar[tuple[Field, ...]] = (
        Field("posed", "float32", ("B", 3), "cube"),
        Field("change", "int8", (), "kind"),  # -1 inside the space, else the position in ``space.kinds``
        Field("remainder", "float32", (), "head"),  # mm rms in the face after the best linear fit
    )

    def move(self, batch: Batch) -> Gives:
        """Moved heads; the others keep their bytes."""
        posed = batch["posed"].copy()
        change, remainder = np.full(len(batch), -1, np.int8), np.zeros(len(batch), np.float32)
        for i in range(len(batch)):
            rng = batch.rng(i, self)
            if rng.random() >= self.share:
                continue
            drawn = self.space.draw(rng)
            posed[i] += batch["scale"][i] * drawn.move @ batch["rotation"][i].T
            change[i], remainder[i] = self.space.kinds.index(drawn.kind), drawn.remainder
        return Gives({"posed": posed, "change": change, "remainder": remainder})

    __call__ = move


def linear_only(head: LinearHead | BilinearHead) -> LinearHead:
    """A head whose identities can be drawn whatever the photograph.

    Raises:
        AssetError: the model is bilinear: how its identities spread depends on the expression.
    """
    if isinstance(head, LinearHead):
        return head
    msg = (
        f"this recipe draws identities of linear head models freely, and '{head.name}' is bilinear; pass --heads with "
        "a linear one, such as --heads anny."
    )
    raise AssetError(msg)


def pose_of(batch: Batch, i: int) -> ScaledOrtho:
    """Pose of a row."""
    return ScaledOrtho(float(batch["scale"][i]), batch["rotation"][i], batch["translation"][i])
