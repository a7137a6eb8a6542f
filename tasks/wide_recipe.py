"""A recipe for training stores: wider than the photographs are.

A network trained on 30 photographs has seen 30 pitches and 30 expressions, and knows them by heart after a few
thousand steps (docs/training.md). The image is made from the shape, so any shape is true, and any pose and expression
near the photograph's as well: here identity comes from the prior, and the head turns and moves its face a little.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.heads.linear import LinearHead
from tasks.chain import Chain
from tasks.contract import Stage
from tasks.draw import Draw
from tasks.free_draw import FreeDraw
from tasks.recipe import FaceRecipe
from tasks.stir import Stir


@dataclass(frozen=True)
class WideRecipe(FaceRecipe):
    """``draw`` gives way to ``stir`` and ``free_draw``: pose and expression are moved, identity is the prior's.

    Use it as ``facepairs synthesize --recipe tasks.wide_recipe:WideRecipe`` with linear head models.
    """

    def chain(self, head: str) -> Chain:
        """Turn, stir, free_draw, relief, and the pair maker's stages from there on."""
        chain = super().chain(head)
        stages: list[Stage] = []
        for stage in chain.stages:
            if isinstance(stage, Draw):
                assert isinstance(stage.head, LinearHead)
                stages += [Stir(stage.head), FreeDraw(stage.head)]
            else:
                stages.append(stage)
        return replace(chain, stages=tuple(stages))
