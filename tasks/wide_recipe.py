"""A recipe for training stores: wider than the photographs are.

A network trained on 30 photographs has seen 30 pitches and 30 expressions, and knows them by heart after a few
thousand steps (docs/training.md). The image is made from the shape, so any shape is true, and any pose and expression
near the photograph's as well: here identity comes from the prior, and the head turns and moves its face a little.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.heads.linear import LinearHead
from tasks.contract import Stage
from tasks.free_draw import FreeDraw, linear_only
from tasks.recipe import FaceRecipe
from tasks.stir import Stir


@dataclass(frozen=True)
class WideRecipe(FaceRecipe):
    """``draw`` gives way to ``stir`` and ``free_draw``: pose and expression are moved, identity is the prior's.

    Use it as ``facepairs synthesize --recipe tasks.wide_recipe:WideRecipe`` with linear head models; ``--spread`` has
    no meaning then.
    """

    def drawing(self, head: LinearHead) -> tuple[Stage, ...]:
        """Stir, free_draw."""
        head = linear_only(head)
        return (Stir(head), FreeDraw(head))
